/* The tree of a spec file: lookups, overrides, and messages that show the place. */
#include "spec/doc.h"

#include "base/error.h"
#include "base/log.h"
#include "io/file.h"
#include "io/json.h"
#include "spec/yaml.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- nodes ------------------------------------------------------------------------------- */

struct doc_node *doc_add(struct doc *doc, struct doc_node *parent)
{
    struct doc_node *node = calloc(1, sizeof *node);
    if (!node) {
        error_set(BPNET_ENOMEM, "%s: no memory for its %zu values", doc->path, doc->n_nodes);
        return NULL;
    }
    node->older = doc->newest;
    doc->newest = node;
    doc->n_nodes++;
    node->parent = parent;
    if (parent) {
        *(parent->last ? &parent->last->next : &parent->first) = node;
        parent->last = node;
        parent->n++;
    }
    return node;
}

void doc_free(struct doc *doc)
{
    while (doc->newest) {
        struct doc_node *older = doc->newest->older;
        free(doc->newest->key);
        free(doc->newest->text);
        free(doc->newest);
        doc->newest = older;
    }
    free(doc->path);
    free(doc->text);
    *doc = (struct doc){0};
}

static struct doc_node *member(const struct doc_node *map, const char *key, size_t length)
{
    if (!map || map->kind != DOC_MAP)
        return NULL;
    for (struct doc_node *child = map->first; child; child = child->next)
        if (strncmp(child->key, key, length) == 0 && !child->key[length])
            return child;
    return NULL;
}

const struct doc_node *doc_get(const struct doc_node *map, const char *key)
{
    return member(map, key, strlen(key));
}

const struct doc_node *doc_find(const struct doc *doc, const char *path)
{
    const struct doc_node *node = doc->root;
    while (node && *path) {
        const size_t length = strcspn(path, ".");
        node = member(node, path, length);
        path += length;
        path += *path == '.';
    }
    return node;
}

/* ---- messages ---------------------------------------------------------------------------- */

enum { MESSAGE = 600, SHOWN = 120, SHOWN_BEFORE = 70 };

static bool continues_character(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* The bytes of a line, without its end. */
static const char *find_line(const struct doc *doc, int line, size_t *length)
{
    const char *at = doc->text, *end = doc->text + doc->size;
    while (--line > 0 && at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    *length = (size_t)((newline ? newline : end) - at);
    while (*length > 0 && at[*length - 1] == '\r')
        --*length;
    return at;
}

static const char *next_character(const char *c, const char *end)
{
    for (c++; c < end && continues_character(*c); c++)
        ;
    return c;
}

/* The line, or of a long one the part around the column, and a caret below the column. */
static void show_line(struct str *out, const struct doc *doc, int line, int column)
{
    size_t length = 0;
    const char *c = find_line(doc, line, &length), *end = c + length;
    struct str caret = {0};
    int at = 1, first = 1, last = (int)length;
    if (length > SHOWN) {
        first = column > SHOWN_BEFORE ? column - SHOWN_BEFORE : 1;
        last = first + SHOWN - 1;
    }
    str_append(out, first > 1 ? "\n..." : "\n");
    str_append(&caret, first > 1 ? "   " : "");
    for (; c < end && at <= last; at++) {
        const char *next = next_character(c, end);
        if (at >= first && (unsigned char)*c < ' ' && *c != '\t')
            str_append(out, " "); /* a control character */
        else if (at >= first)
            str_append_bytes(out, c, (size_t)(next - c));
        if (at >= first && at < column)
            str_append(&caret, *c == '\t' ? "\t" : " ");
        c = next;
    }
    str_append(out, c < end ? "...\n" : "\n");
    str_append(out, str_text(&caret));
    str_append(out, "^");
    str_free(&caret);
}

static void print_place(struct str *out, const struct doc *doc, int origin, int line, int column)
{
    if (origin > 0)
        str_printf(out, "--set %.200s: ", doc->overrides.items[origin - 1]);
    else if (line > 0)
        str_printf(out, "%s:%d:%d: ", doc->path, line, column);
    else
        str_printf(out, "%s: ", doc->path);
}

int doc_error_at(const struct doc *doc, int origin, int line, int column, int code,
                 const char *message)
{
    struct str text = {0};
    print_place(&text, doc, origin, line, column);
    str_append(&text, message);
    if (origin == 0 && line > 0 && doc->text)
        show_line(&text, doc, line, column);
    error_set(code, "%s", str_text(&text));
    str_free(&text);
    return code;
}

int doc_error(const struct doc *doc, const struct doc_node *node, int code, const char *format, ...)
{
    char message[MESSAGE];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return doc_error_at(doc, node ? node->origin : 0, node ? node->line : 0,
                        node ? node->column : 0, code, message);
}

int doc_error_key(const struct doc *doc, const struct doc_node *node, int code, const char *format,
                  ...)
{
    char message[MESSAGE];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    const bool keyed = node && node->key;
    return doc_error_at(doc, node ? node->origin : 0,
                        keyed  ? node->key_line
                        : node ? 1
                               : 0,
                        keyed ? node->key_column : 1, code, message);
}

void doc_warning(const struct doc *doc, const struct doc_node *node, const char *format, ...)
{
    struct str text = {0};
    char message[MESSAGE];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (node && node->origin > 0) { /* without the value, which may be a password */
        const char *item = doc->overrides.items[node->origin - 1];
        str_printf(&text, "--set %.*s: ", (int)strcspn(item, "="), item);
    } else {
        print_place(&text, doc, 0, node ? node->line : 0, node ? node->column : 0);
    }
    log_warning("%s%s", str_text(&text), message);
    str_free(&text);
}

const char *doc_describe(const struct doc_node *node, char *buffer, size_t size)
{
    enum { SHOWN_TEXT = 40 };
    const int length = node->text ? (int)strcspn(node->text, "\n\t\r") : 0;
    const int shown = length < SHOWN_TEXT ? length : SHOWN_TEXT;
    const char *more = node->text && node->text[shown] ? "..." : "";
    switch (node->kind) {
    case DOC_NULL: snprintf(buffer, size, "null"); break;
    case DOC_BOOL: snprintf(buffer, size, "a boolean %s", node->truth ? "True" : "False"); break;
    case DOC_INTEGER: snprintf(buffer, size, "an integer %.*s%s", shown, node->text, more); break;
    case DOC_REAL: snprintf(buffer, size, "a number %.*s%s", shown, node->text, more); break;
    case DOC_TEXT: snprintf(buffer, size, "a string '%.*s%s'", shown, node->text, more); break;
    case DOC_LIST: snprintf(buffer, size, "a list of %zu", node->n); break;
    case DOC_MAP: snprintf(buffer, size, "a mapping"); break;
    }
    return buffer;
}

const char *doc_place(const struct doc_node *node, char *buffer, size_t size)
{
    const struct doc_node *chain[DOC_MAX_DEPTH + DOC_MAX_PATH];
    size_t n = 0, used = 0;
    for (; node && node->parent && n < DOC_MAX_DEPTH + DOC_MAX_PATH; node = node->parent)
        chain[n++] = node;
    buffer[0] = '\0';
    while (n-- > 0 && used < size) {
        int wrote = 0;
        if (chain[n]->key) {
            wrote = snprintf(buffer + used, size - used, "%s%s", used ? "." : "", chain[n]->key);
        } else {
            size_t index = 0;
            for (const struct doc_node *c = chain[n]->parent->first; c != chain[n]; c = c->next)
                index++;
            wrote = snprintf(buffer + used, size - used, "[%zu]", index);
        }
        used += wrote > 0 ? (size_t)wrote : 0;
    }
    return buffer;
}

/* ---- overrides --------------------------------------------------------------------------- */

/* Make `node`, a member of a mapping, take the place and the name's position of `value`. */
static void replace_value(struct doc_node *node, struct doc_node *value)
{
    char *text = node->text; /* stays with the node that is dropped, to be freed with it */
    node->kind = value->kind;
    node->line = value->line;
    node->column = value->column;
    node->origin = value->origin;
    node->text = value->text;
    value->text = text;
    node->truth = value->truth;
    node->integer = value->integer;
    node->real = value->real;
    node->n = value->n;
    node->first = value->first;
    node->last = value->last;
    for (struct doc_node *child = node->first; child; child = child->next)
        child->parent = node;
    value->first = value->last = NULL;
    value->n = 0;
}

/* The member of that name, created as an empty mapping when it is missing or null. */
static int step_into(struct doc *doc, struct doc_node *map, const char *name, size_t length,
                     int origin, struct doc_node **out)
{
    if (map->kind == DOC_NULL)
        map->kind = DOC_MAP;
    char place[DOC_PLACE], found[DOC_DESCRIPTION];
    if (map->kind != DOC_MAP) {
        const struct doc_node here = {.origin = origin};
        return doc_error(doc, &here, BPNET_ECONFIG, "'%s' is %s, expected a mapping",
                         doc_place(map, place, sizeof place),
                         doc_describe(map, found, sizeof found));
    }
    *out = member(map, name, length);
    if (*out)
        return BPNET_OK;
    struct doc_node *node = doc_add(doc, map);
    if (!node || !(node->key = malloc(length + 1)))
        return error_set(BPNET_ENOMEM, "no memory for an override");
    memcpy(node->key, name, length);
    node->key[length] = '\0';
    node->kind = DOC_NULL;
    node->origin = origin;
    *out = node;
    return BPNET_OK;
}

static int apply_override(struct doc *doc, const char *item, int origin)
{
    const struct doc_node here = {.origin = origin};
    const char *equals = strchr(item, '=');
    if (!equals || equals == item)
        return doc_error(doc, &here, BPNET_ECONFIG, "expected key.path=value");
    struct doc_node *value = NULL, *node = doc->root;
    int err = yaml_read(&value, doc, equals + 1, strlen(equals + 1), origin, false);
    int depth = 0;
    for (const char *name = item; err == BPNET_OK && name < equals;) {
        size_t length = strcspn(name, ".=");
        if (length == 0 || (name[length] == '.' && name[length + 1] == '='))
            return doc_error(doc, &here, BPNET_ECONFIG, "a name between the dots is empty");
        if (++depth > DOC_MAX_PATH)
            return doc_error(doc, &here, BPNET_ELIMIT, "more than 16 names in the key");
        err = step_into(doc, node, name, length, origin, &node);
        name += length;
        name += *name == '.';
    }
    if (err == BPNET_OK)
        replace_value(node, value);
    return err;
}

/* ---- loading ----------------------------------------------------------------------------- */

static bool is_json(const char *path)
{
    const size_t length = strlen(path);
    return length >= 5 && strcmp(path + length - 5, ".json") == 0;
}

int doc_parse(struct doc *doc, const char *text, size_t size, const char *name,
              const struct spec_overrides *overrides)
{
    *doc = (struct doc){0};
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* a byte-order mark */
        text += 3;
        size -= 3;
    }
    int err = BPNET_ENOMEM;
    if (size > DOC_MAX_SIZE) {
        err = error_set(BPNET_ELIMIT, "%s: %zu bytes, the limit is %d", name, size, DOC_MAX_SIZE);
        goto fail;
    }
    if (!(doc->path = str_copy(name)))
        goto fail;
    if (!(doc->text = malloc(size + 1))) {
        error_set(BPNET_ENOMEM, "%s: no memory for %zu bytes", name, size);
        goto fail;
    }
    memcpy(doc->text, text, size);
    doc->text[size] = '\0';
    doc->size = size;
    if (overrides)
        doc->overrides = *overrides;
    err = yaml_read(&doc->root, doc, doc->text, size, 0, is_json(name));
    for (size_t i = 0; err == BPNET_OK && i < doc->overrides.n; i++)
        err = apply_override(doc, doc->overrides.items[i], (int)i + 1);
    if (err == BPNET_OK)
        return BPNET_OK;
fail:
    doc_free(doc);
    return err;
}

int doc_load(struct doc *doc, const char *path, const struct spec_overrides *overrides)
{
    *doc = (struct doc){0};
    struct file_view view;
    int err = file_view_open(&view, path, DOC_MAX_SIZE);
    if (err < 0)
        return err;
    err = doc_parse(doc, (const char *)view.bytes, view.size, path, overrides);
    file_view_close(&view);
    return err;
}

/* ---- JSON -------------------------------------------------------------------------------- */

static void write_json(struct json_writer *w, const struct doc_node *node)
{
    switch (node->kind) {
    case DOC_NULL: json_write_null(w); return;
    case DOC_BOOL: json_write_bool(w, node->truth); return;
    case DOC_INTEGER: json_write_integer(w, node->integer); return;
    case DOC_REAL: json_write_number(w, isfinite(node->real) ? node->real : NAN); return;
    case DOC_TEXT: json_write_string(w, node->text); return;
    case DOC_LIST: json_begin_array(w); break;
    case DOC_MAP: json_begin_object(w); break;
    }
    for (const struct doc_node *child = node->first; child; child = child->next) {
        if (node->kind == DOC_MAP)
            json_write_key(w, child->key);
        write_json(w, child); /* at most DOC_MAX_DEPTH deep */
    }
    if (node->kind == DOC_MAP)
        json_end_object(w);
    else
        json_end_array(w);
}

void doc_print_json(struct str *out, const struct doc_node *node)
{
    struct json_writer w = {.text = out};
    write_json(&w, node);
}
