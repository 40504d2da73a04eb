/*
 * libyaml's events to a tree. Names here do not begin with "yaml_" where libyaml could have the
 * same one: its internal yaml_free() and friends are visible in the shared library.
 */
#include "spec/yaml.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

struct builder {
    struct doc *doc;
    int origin;
    yaml_parser_t parser;
    struct doc_node *stack[DOC_MAX_DEPTH]; /* lists and mappings that are open */
    int depth;
    struct doc_node *root;
    struct doc_node *keyed; /* a key was read: the node that waits for its value */
    int n_documents;
};

static int refuse(const struct builder *b, yaml_mark_t mark, int code, const char *message)
{
    return doc_error_at(b->doc, b->origin, (int)mark.line + 1, (int)mark.column + 1, code, message);
}

/* ---- JSON's surrogate pairs -------------------------------------------------------------- */

/* The value of "\uXXXX" at `c`, or -1. */
static long escaped_unit(const char *c, const char *end)
{
    if (end - c < 6 || c[0] != '\\' || c[1] != 'u')
        return -1;
    char digits[5] = {c[2], c[3], c[4], c[5], '\0'};
    return strspn(digits, "0123456789abcdefABCDEF") == 4 ? strtol(digits, NULL, 16) : -1;
}

/* Replace pairs of escapes by the one long escape that YAML has for the character. */
static void join_surrogates(struct str *out, const char *text, size_t size)
{
    const char *end = text + size;
    while (text < end) {
        const long high = escaped_unit(text, end);
        const long low = high >= 0xd800 && high < 0xdc00 ? escaped_unit(text + 6, end) : -1;
        if (low >= 0xdc00 && low < 0xe000) {
            str_printf(out, "\\U%08lX",
                       0x10000UL + (((unsigned long)high - 0xd800) << 10) +
                           ((unsigned long)low - 0xdc00));
            text += 12;
        } else {
            const size_t n = *text == '\\' && end - text >= 2 ? 2 : 1;
            str_append_bytes(out, text, n);
            text += n;
        }
    }
}

/* ---- nodes ------------------------------------------------------------------------------- */

static int start_key(struct builder *b, struct doc_node *map, const yaml_event_t *e)
{
    const char *key = (const char *)e->data.scalar.value;
    const struct doc_node *other = doc_get(map, key);
    if (other) {
        char message[200];
        snprintf(message, sizeof message, "key '%.60s' stands in line %d already", key,
                 other->key_line);
        return refuse(b, e->start_mark, BPNET_ECONFIG, message);
    }
    if (map->n >= DOC_MAX_KEYS)
        return refuse(b, e->start_mark, BPNET_ELIMIT, "more than 1024 keys in a mapping");
    struct doc_node *node = doc_add(b->doc, map);
    if (!node || !(node->key = str_copy(key)))
        return BPNET_ENOMEM;
    node->origin = b->origin;
    node->key_line = (int)e->start_mark.line + 1;
    node->key_column = (int)e->start_mark.column + 1;
    b->keyed = node;
    return BPNET_OK;
}

/* The node that the value at hand belongs into. */
static int place_value(struct builder *b, const yaml_event_t *e, struct doc_node **out)
{
    struct doc_node *parent = b->depth > 0 ? b->stack[b->depth - 1] : NULL;
    if (b->doc->n_nodes >= DOC_MAX_NODES)
        return refuse(b, e->start_mark, BPNET_ELIMIT, "more than 100000 values");
    if (parent && parent->kind == DOC_MAP) {
        if (!b->keyed)
            return refuse(b, e->start_mark, BPNET_ECONFIG,
                          "found a list or a mapping as a key, expected a name");
        *out = b->keyed;
        b->keyed = NULL;
    } else if (!(*out = doc_add(b->doc, parent))) {
        return BPNET_ENOMEM;
    }
    if (!parent)
        b->root = *out;
    (*out)->origin = b->origin;
    (*out)->line = (int)e->start_mark.line + 1;
    (*out)->column = (int)e->start_mark.column + 1;
    return BPNET_OK;
}

static int add_scalar(struct builder *b, const yaml_event_t *e)
{
    const char *text = (const char *)e->data.scalar.value;
    if (e->data.scalar.anchor || e->data.scalar.tag)
        return refuse(b, e->start_mark, BPNET_ECONFIG,
                      e->data.scalar.tag ? "found a tag (!...), which specs do not use"
                                         : "found an anchor (&...), which specs do not use");
    if (memchr(text, '\0', e->data.scalar.length))
        return refuse(b, e->start_mark, BPNET_ECONFIG, "found a NUL character in a text");
    struct doc_node *parent = b->depth > 0 ? b->stack[b->depth - 1] : NULL;
    if (parent && parent->kind == DOC_MAP && !b->keyed)
        return start_key(b, parent, e);
    struct doc_node *node = NULL;
    const int err = place_value(b, e, &node);
    if (err < 0)
        return err;
    node->kind = DOC_TEXT;
    if (!(node->text = str_copy(text)))
        return BPNET_ENOMEM;
    if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        scalar_resolve(node);
    return BPNET_OK;
}

static int open_collection(struct builder *b, const yaml_event_t *e)
{
    const bool map = e->type == YAML_MAPPING_START_EVENT;
    const bool anchor = map ? e->data.mapping_start.anchor : e->data.sequence_start.anchor;
    const bool tag = map ? e->data.mapping_start.tag : e->data.sequence_start.tag;
    if (anchor || tag)
        return refuse(b, e->start_mark, BPNET_ECONFIG,
                      tag ? "found a tag (!...), which specs do not use"
                          : "found an anchor (&...), which specs do not use");
    if (b->depth == DOC_MAX_DEPTH)
        return refuse(b, e->start_mark, BPNET_ELIMIT, "nested deeper than 40 levels");
    struct doc_node *node = NULL;
    const int err = place_value(b, e, &node);
    if (err < 0)
        return err;
    node->kind = map ? DOC_MAP : DOC_LIST;
    b->stack[b->depth++] = node;
    return BPNET_OK;
}

static int take_event(struct builder *b, const yaml_event_t *e)
{
    switch (e->type) {
    case YAML_SCALAR_EVENT: return add_scalar(b, e);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT: return open_collection(b, e);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: b->depth--; return BPNET_OK;
    case YAML_ALIAS_EVENT:
        return refuse(b, e->start_mark, BPNET_ECONFIG,
                      "found an alias (*...), which specs do not use");
    case YAML_DOCUMENT_START_EVENT:
        return b->n_documents++ ? refuse(b, e->start_mark, BPNET_ECONFIG,
                                         "found a second document, expected the end of the file")
                                : BPNET_OK;
    default: return BPNET_OK;
    }
}

/* ---- errors of libyaml ------------------------------------------------------------------- */

/* Its reader knows only the offset of a bad byte. */
static yaml_mark_t mark_of_offset(const char *text, size_t size, size_t offset)
{
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < offset && i < size; i++) {
        mark.column++;
        if (text[i] == '\n') {
            mark.line++;
            mark.column = 0;
        }
    }
    return mark;
}

static int syntax_error(const struct builder *b, const char *text, size_t size)
{
    const yaml_parser_t *p = &b->parser;
    char message[300];
    if (p->error == YAML_MEMORY_ERROR)
        return error_set(BPNET_ENOMEM, "%s: no memory to parse it", b->doc->path);
    const char *problem = p->problem ? p->problem : "not YAML";
    if (p->error == YAML_READER_ERROR) {
        snprintf(message, sizeof message, "not a UTF-8 text: %s (byte 0x%02X)", problem,
                 p->problem_value & 0xff);
        return refuse(b, mark_of_offset(text, size, p->problem_offset), BPNET_ECONFIG, message);
    }
    if (p->context && (p->context_mark.line || p->context_mark.column))
        snprintf(message, sizeof message, "%s (%s, from line %zu, column %zu)", problem, p->context,
                 p->context_mark.line + 1, p->context_mark.column + 1);
    else
        snprintf(message, sizeof message, "%s%s%s%s", problem, p->context ? " (" : "",
                 p->context ? p->context : "", p->context ? ")" : "");
    return refuse(b, p->problem_mark, BPNET_ECONFIG, message);
}

/* ---- the whole --------------------------------------------------------------------------- */

static int read_events(struct builder *b, const char *text, size_t size)
{
    if (!yaml_parser_initialize(&b->parser))
        return error_set(BPNET_ENOMEM, "no memory for a YAML parser");
    yaml_parser_set_encoding(&b->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&b->parser, (const unsigned char *)text, size);
    int err = BPNET_OK;
    for (bool more = true; more && err == BPNET_OK;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&b->parser, &event)) {
            err = syntax_error(b, text, size);
            break;
        }
        more = event.type != YAML_STREAM_END_EVENT;
        err = take_event(b, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&b->parser);
    return err;
}

int yaml_read(struct doc_node **root, struct doc *doc, const char *text, size_t size, int origin,
              bool json)
{
    struct builder b = {.doc = doc, .origin = origin};
    struct str joined = {0};
    if (json) {
        join_surrogates(&joined, text, size);
        if (str_status(&joined) < 0) {
            str_free(&joined);
            return BPNET_ENOMEM;
        }
        text = str_text(&joined);
        size = joined.length;
    }
    int err = read_events(&b, text, size);
    str_free(&joined);
    if (err == BPNET_OK && !b.root) {
        b.root = doc_add(doc, NULL);
        if (!b.root)
            return BPNET_ENOMEM;
        *b.root = (struct doc_node){
            .line = 1, .column = 1, .origin = origin, .older = b.root->older, .kind = DOC_NULL};
        if (!(b.root->text = str_copy("")))
            return BPNET_ENOMEM;
    }
    *root = b.root;
    return err;
}
