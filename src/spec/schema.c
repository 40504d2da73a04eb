/*
 * The walk over a mapping by its table: the class first, then whether all keys are known, then
 * every row's value or default. Values themselves are read in schema_value.c.
 */
#include "spec/schema.h"

#include "base/error.h"
#include "spec/schema_value.h"

#include <math.h>
#include <string.h>

static const char class_key[] = "__class_name__";

/* ---- classes ----------------------------------------------------------------------------- */

static bool has_class(const struct schema *schema)
{
    return schema->fields[0].type == FIELD_CHOICE && strcmp(schema->fields[0].key, class_key) == 0;
}

static int class_value(const struct schema *schema, const void *base)
{
    int value;
    memcpy(&value, (const char *)base + schema->fields[0].offset, sizeof value);
    return value;
}

static const char *class_name(const struct schema *schema, int value)
{
    const struct choice *c = schema->fields[0].choices;
    while (c->name && c->value != value)
        c++;
    return c->name ? c->name : "";
}

bool field_applies(const struct schema *schema, const struct field *field, const void *base)
{
    return !field->classes || (field->classes >> class_value(schema, base) & 1U);
}

/* ---- one row ----------------------------------------------------------------------------- */

/* The value of a key that is absent or null. */
static int read_fallback(const struct field *field, const struct doc *doc, void *base)
{
    if (strcmp(field->fallback, "null") == 0) {
        if (field->type == FIELD_DOUBLE)
            *(double *)((char *)base + field->offset) = NAN;
        return BPNET_OK;
    }
    if (field->type == FIELD_SECTION)
        return schema_read(field->section, doc, NULL, (char *)base + field->offset);
    if (field->type == FIELD_ANY)
        return BPNET_OK;
    struct doc own;
    int err = doc_parse(&own, field->fallback, strlen(field->fallback), field->key, NULL);
    if (err == BPNET_OK)
        err = value_read(field, &own, own.root, base);
    doc_free(&own);
    return err;
}

/* Scalars that mean the same, as 1 and 1.0 do. */
static bool same_scalar(const struct doc_node *a, const struct doc_node *b)
{
    const bool numbers = (a->kind == DOC_INTEGER || a->kind == DOC_REAL) &&
                         (b->kind == DOC_INTEGER || b->kind == DOC_REAL);
    if (numbers)
        return a->real == b->real;
    if (a->kind != b->kind)
        return false;
    return a->kind == DOC_BOOL ? a->truth == b->truth
                               : a->kind == DOC_TEXT && strcmp(a->text, b->text) == 0;
}

/* A setting without effect is no concern while it has its usual value. */
static int warn_if_idle(const struct field *field, const struct doc *doc,
                        const struct doc_node *node)
{
    char place[DOC_PLACE];
    struct doc usual;
    if (field->status != FIELD_IDLE || node->kind == DOC_NULL)
        return BPNET_OK;
    const int err = doc_parse(&usual, field->fallback, strlen(field->fallback), field->key, NULL);
    if (err < 0)
        return err;
    if (!same_scalar(usual.root, node))
        doc_warning(doc, node, "%s has no effect: %s", doc_place(node, place, sizeof place),
                    field->help);
    doc_free(&usual);
    return BPNET_OK;
}

static bool takes_null(const struct field *field)
{
    for (const struct choice *c = field->choices; c && c->name; c++)
        if (strcmp(c->name, "null") == 0)
            return true;
    return field->type == FIELD_ANY;
}

static int read_field(const struct field *field, const struct doc *doc, const struct doc_node *map,
                      void *base)
{
    const struct doc_node *node = doc_get(map, field->key);
    const bool absent = !node || (node->kind == DOC_NULL && !takes_null(field));
    if (!absent) {
        const int err = value_read(field, doc, node, base);
        return err < 0 ? err : warn_if_idle(field, doc, node);
    }
    if (field->fallback)
        return read_fallback(field, doc, base);
    if (node) {
        return value_mismatch(doc, node, field, "");
    }
    char place[DOC_PLACE];
    doc_place(map, place, sizeof place);
    return doc_error_key(doc, map, BPNET_ECONFIG, "missing key '%s'%s%s", field->key,
                         *place ? " in " : "", place);
}

/* ---- unknown keys ------------------------------------------------------------------------ */

static int refuse_class_key(const struct schema *schema, const struct field *field,
                            const struct doc *doc, const struct doc_node *node, const void *base)
{
    struct str owners = {0};
    for (const struct choice *c = schema->fields[0].choices; c->name; c++)
        if (field->classes >> c->value & 1U)
            str_printf(&owners, "%s%s", owners.length ? ", " : "", c->name);
    doc_error_key(doc, node, BPNET_ECONFIG, "key '%s' is for %s, not for %s", node->key,
                  str_text(&owners), class_name(schema, class_value(schema, base)));
    str_free(&owners);
    return BPNET_ECONFIG;
}

static int refuse_key(const struct schema *schema, const struct doc *doc,
                      const struct doc_node *node, const void *base)
{
    enum { MOST = 64 };
    const char *names[MOST];
    size_t n = 0;
    for (size_t i = 0; i < schema->n_fields && n < MOST; i++)
        if (field_applies(schema, &schema->fields[i], base))
            names[n++] = schema->fields[i].key;
    const char *near = str_nearest(node->key, names, n);
    char place[DOC_PLACE];
    doc_place(node->parent, place, sizeof place);
    return doc_error_key(doc, node, BPNET_ECONFIG, "unknown key '%.100s'%s%s%s%s%s", node->key,
                         *place ? " in " : "", place, near ? ", did you mean '" : "",
                         near ? near : "", near ? "'?" : "");
}

static int check_keys(const struct schema *schema, const struct doc *doc,
                      const struct doc_node *map, const void *base)
{
    for (const struct doc_node *node = map->first; node; node = node->next) {
        const struct field *other = NULL;
        bool known = false;
        for (size_t i = 0; i < schema->n_fields && !known; i++) {
            const struct field *field = &schema->fields[i];
            if (strcmp(field->key, node->key) != 0)
                continue;
            known = field_applies(schema, field, base);
            other = field;
        }
        if (!known)
            return other ? refuse_class_key(schema, other, doc, node, base)
                         : refuse_key(schema, doc, node, base);
    }
    return BPNET_OK;
}

/* ---- the whole --------------------------------------------------------------------------- */

int schema_read(const struct schema *schema, const struct doc *doc, const struct doc_node *node,
                void *base)
{
    char place[DOC_PLACE], found[DOC_DESCRIPTION];
    size_t i = 0;
    int err = BPNET_OK;
    if (node && node->kind != DOC_MAP) {
        doc_place(node, place, sizeof place);
        return doc_error(doc, node, BPNET_ECONFIG, "%s: found %s, expected a mapping",
                         *place ? place : schema->title, doc_describe(node, found, sizeof found));
    }
    if (has_class(schema))
        err = read_field(&schema->fields[i++], doc, node, base);
    if (err == BPNET_OK && node)
        err = check_keys(schema, doc, node, base);
    for (; err == BPNET_OK && i < schema->n_fields; i++)
        if (field_applies(schema, &schema->fields[i], base))
            err = read_field(&schema->fields[i], doc, node, base);
    if (err < 0)
        schema_free(schema, base);
    return err;
}

void schema_free(const struct schema *schema, void *base)
{
    for (size_t i = 0; i < schema->n_fields; i++)
        if (field_applies(schema, &schema->fields[i], base))
            value_free(&schema->fields[i], base);
}
