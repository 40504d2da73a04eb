/*
 * Reading by tables. Every type is a row of `types`: how a value of it is read from a node and how
 * it is freed; the walk over a mapping is the same for all.
 */
#include "spec/schema.h"

#include "base/error.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(enum field_type) == sizeof(int), "enums are stored as int");

static const char class_key[] = "__class_name__";

struct value {
    const struct doc *doc;
    const struct doc_node *node;
    const struct field *field;
    void *at;      /* where it goes */
    void *counter; /* where the number of a list goes */
};

/* ---- messages ---------------------------------------------------------------------------- */

static int mismatch(const struct value *v, const char *remark)
{
    char place[DOC_PLACE], found[DOC_DESCRIPTION];
    struct str expected = {0};
    field_expectation(&expected, v->field);
    doc_error(v->doc, v->node, BPNET_ECONFIG, "%s: found %s, expected %s%s",
              doc_place(v->node, place, sizeof place), doc_describe(v->node, found, sizeof found),
              str_text(&expected), remark);
    str_free(&expected);
    return BPNET_ECONFIG;
}

static int no_memory(const struct value *v)
{
    return error_set(BPNET_ENOMEM, "%s: no memory for %s", v->doc->path, v->field->key);
}

/* ---- values ------------------------------------------------------------------------------ */

static bool in_range(const struct field *f, double x)
{
    if (!isfinite(x))
        return false;
    if (f->low == 0 && f->high == 0)
        return true;
    return (f->above ? x > f->low : x >= f->low) && (f->below ? x < f->high : x <= f->high);
}

/* A whole number within the field's range and [low, high]; 1.0 counts. */
static bool take_integer(const struct value *v, int64_t low, int64_t high, int64_t *out)
{
    const struct doc_node *node = v->node;
    if (node->kind == DOC_INTEGER)
        *out = node->integer;
    else if (node->kind == DOC_REAL && fabs(node->real) < 9e15 && node->real == floor(node->real))
        *out = (int64_t)node->real;
    else
        return false;
    return *out >= low && *out <= high && in_range(v->field, (double)*out);
}

static bool take_number(const struct value *v, double limit, double *out)
{
    if (v->node->kind != DOC_INTEGER && v->node->kind != DOC_REAL)
        return false;
    *out = v->node->real;
    return in_range(v->field, *out) && fabs(*out) <= limit;
}

static int read_bool(const struct value *v)
{
    if (v->node->kind != DOC_BOOL)
        return mismatch(v, "");
    *(bool *)v->at = v->node->truth;
    return BPNET_OK;
}

static int read_int(const struct value *v)
{
    int64_t x;
    if (!take_integer(v, INT_MIN, INT_MAX, &x))
        return mismatch(v, "");
    *(int *)v->at = (int)x;
    return BPNET_OK;
}

static int read_int64(const struct value *v)
{
    int64_t x;
    if (!take_integer(v, INT64_MIN, INT64_MAX, &x))
        return mismatch(v, "");
    *(int64_t *)v->at = x;
    return BPNET_OK;
}

static int read_double(const struct value *v)
{
    double x;
    if (!take_number(v, DBL_MAX, &x))
        return mismatch(v, "");
    *(double *)v->at = x;
    return BPNET_OK;
}

static int read_float(const struct value *v)
{
    double x;
    if (!take_number(v, (double)FLT_MAX, &x))
        return mismatch(v, "");
    *(float *)v->at = (float)x;
    return BPNET_OK;
}

static int read_text(const struct value *v)
{
    if (v->node->kind != DOC_TEXT)
        return mismatch(v, v->node->text && v->node->kind != DOC_NULL
                               ? " (put it in quotes if text is meant)"
                               : "");
    *(char **)v->at = str_copy(v->node->text);
    return *(char **)v->at ? BPNET_OK : BPNET_ENOMEM;
}

static const char *nearest_choice(const struct choice *choices, const char *word)
{
    enum { MOST = 16 };
    const char *names[MOST];
    size_t n = 0;
    for (; choices[n].name && n < MOST; n++)
        names[n] = choices[n].name;
    return str_nearest(word, names, n);
}

static const struct choice *find_choice(const struct value *v)
{
    const char *word = v->node->kind == DOC_NULL   ? "null"
                       : v->node->kind == DOC_TEXT ? v->node->text
                                                   : NULL;
    for (const struct choice *c = v->field->choices; word && c->name; c++)
        if (strcmp(c->name, word) == 0)
            return c;
    return NULL;
}

static int refuse_choice(const struct value *v)
{
    char remark[100] = "";
    const char *near =
        v->node->kind == DOC_TEXT ? nearest_choice(v->field->choices, v->node->text) : NULL;
    if (near)
        snprintf(remark, sizeof remark, "; did you mean '%s'?", near);
    return mismatch(v, remark);
}

static int read_choice(const struct value *v)
{
    const struct choice *choice = find_choice(v);
    if (!choice)
        return refuse_choice(v);
    memcpy(v->at, &choice->value, sizeof choice->value);
    return BPNET_OK;
}

static int read_fixed(const struct value *v)
{
    return find_choice(v) ? BPNET_OK : refuse_choice(v);
}

/* ---- lists ------------------------------------------------------------------------------- */

/* Numbers into an array of `size` bytes each; the count is exact or the most. */
static int read_numbers(const struct value *v, int (*read)(const struct value *), size_t size,
                        bool exact)
{
    const struct doc_node *node = v->node;
    struct value item = *v;
    if (node->kind != DOC_LIST && v->field->count == 1 && exact)
        return read(v);
    const size_t most = (size_t)v->field->count;
    if (node->kind != DOC_LIST || node->n == 0 || (exact ? node->n != most : node->n > most))
        return mismatch(v, "");
    for (item.node = node->first; item.node; item.node = item.node->next) {
        const int err = read(&item);
        if (err < 0)
            return err;
        item.at = (char *)item.at + size;
    }
    if (!exact)
        *(int *)v->counter = (int)node->n;
    return BPNET_OK;
}

static int read_ints(const struct value *v)
{
    return read_numbers(v, read_int, sizeof(int), true);
}

static int read_floats(const struct value *v)
{
    return read_numbers(v, read_float, sizeof(float), true);
}

static int read_int_list(const struct value *v)
{
    return read_numbers(v, read_int, sizeof(int), false);
}

static int read_float_list(const struct value *v)
{
    return read_numbers(v, read_float, sizeof(float), false);
}

static int read_text_list(const struct value *v)
{
    const struct doc_node *node = v->node;
    if (node->kind != DOC_LIST)
        return mismatch(v, "");
    char **texts = calloc(node->n + 1, sizeof *texts);
    if (!texts)
        return no_memory(v);
    *(char ***)v->at = texts;
    for (const struct doc_node *item = node->first; item; item = item->next) {
        const struct value text = {v->doc, item, v->field, texts, NULL};
        const int err = read_text(&text);
        if (err < 0)
            return err;
        texts++;
        ++*(size_t *)v->counter;
    }
    return BPNET_OK;
}

static int read_named(const struct value *v)
{
    const struct doc_node *node = v->node;
    if (node->kind != DOC_MAP)
        return mismatch(v, "");
    struct named_path *named = calloc(node->n + 1, sizeof *named);
    if (!named)
        return no_memory(v);
    *(struct named_path **)v->at = named;
    for (const struct doc_node *item = node->first; item; item = item->next, named++) {
        const struct value text = {v->doc, item, v->field, &named->path, NULL};
        const int err = read_text(&text);
        if (err < 0)
            return err;
        ++*(size_t *)v->counter;
        if (!(named->name = str_copy(item->key)))
            return BPNET_ENOMEM;
    }
    return BPNET_OK;
}

static int read_section(const struct value *v)
{
    return schema_read(v->field->section, v->doc, v->node, v->at);
}

static int read_any(const struct value *v)
{
    (void)v;
    return BPNET_OK;
}

/* ---- freeing ----------------------------------------------------------------------------- */

static void free_text(const struct field *field, void *at, void *counter)
{
    (void)field;
    (void)counter;
    free(*(char **)at);
    *(char **)at = NULL;
}

static void free_text_list(const struct field *field, void *at, void *counter)
{
    (void)field;
    char ***texts = at;
    size_t *n = counter;
    for (size_t i = 0; i < *n; i++)
        free((*texts)[i]);
    free(*texts);
    *texts = NULL;
    *n = 0;
}

static void free_named(const struct field *field, void *at, void *counter)
{
    (void)field;
    struct named_path **named = at;
    size_t *n = counter;
    for (size_t i = 0; i < *n; i++) {
        free((*named)[i].name);
        free((*named)[i].path);
    }
    free(*named);
    *named = NULL;
    *n = 0;
}

static void free_section(const struct field *field, void *at, void *counter)
{
    (void)counter;
    schema_free(field->section, at);
}

/* ---- the walk ---------------------------------------------------------------------------- */

static const struct {
    int (*read)(const struct value *v);
    void (*free)(const struct field *field, void *at, void *counter);
} types[FIELD_TYPES] = {
    [FIELD_BOOL] = {read_bool, NULL},
    [FIELD_INT] = {read_int, NULL},
    [FIELD_INT64] = {read_int64, NULL},
    [FIELD_DOUBLE] = {read_double, NULL},
    [FIELD_FLOAT] = {read_float, NULL},
    [FIELD_TEXT] = {read_text, free_text},
    [FIELD_CHOICE] = {read_choice, NULL},
    [FIELD_INTS] = {read_ints, NULL},
    [FIELD_FLOATS] = {read_floats, NULL},
    [FIELD_INT_LIST] = {read_int_list, NULL},
    [FIELD_FLOAT_LIST] = {read_float_list, NULL},
    [FIELD_TEXT_LIST] = {read_text_list, free_text_list},
    [FIELD_NAMED] = {read_named, free_named},
    [FIELD_SECTION] = {read_section, free_section},
    [FIELD_FIXED] = {read_fixed, NULL},
    [FIELD_ANY] = {read_any, NULL},
    [FIELD_CUSTOM] = {NULL, NULL},
};

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

/* A row's memory within the struct; a list's counter beside it. */
static void *at_offset(void *base, size_t offset)
{
    return (char *)base + offset;
}

static int read_value(const struct field *field, const struct doc *doc, const struct doc_node *node,
                      void *base)
{
    if (field->type == FIELD_CUSTOM)
        return field->custom(doc, node, base);
    const struct value v = {doc, node, field, at_offset(base, field->offset),
                            at_offset(base, field->length)};
    return types[field->type].read(&v);
}

/* The value of a key that is absent or null. */
static int read_fallback(const struct field *field, const struct doc *doc, void *base)
{
    if (strcmp(field->fallback, "null") == 0) {
        if (field->type == FIELD_DOUBLE)
            *(double *)at_offset(base, field->offset) = NAN;
        return BPNET_OK;
    }
    if (field->type == FIELD_SECTION)
        return schema_read(field->section, doc, NULL, at_offset(base, field->offset));
    if (field->type == FIELD_ANY)
        return BPNET_OK;
    struct doc own;
    int err = doc_parse(&own, field->fallback, strlen(field->fallback), field->key, NULL);
    if (err == BPNET_OK)
        err = read_value(field, &own, own.root, base);
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

static void warn_if_idle(const struct field *field, const struct doc *doc,
                         const struct doc_node *node)
{
    struct doc usual;
    if (field->status != FIELD_IDLE || node->kind == DOC_NULL)
        return;
    if (field->fallback &&
        doc_parse(&usual, field->fallback, strlen(field->fallback), field->key, NULL) < 0)
        return;
    char place[DOC_PLACE];
    if (!field->fallback || !same_scalar(usual.root, node))
        doc_warning(doc, node, "%s has no effect: %s", doc_place(node, place, sizeof place),
                    field->help);
    if (field->fallback)
        doc_free(&usual);
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
        const int err = read_value(field, doc, node, base);
        if (err == BPNET_OK)
            warn_if_idle(field, doc, node);
        return err;
    }
    if (field->fallback)
        return read_fallback(field, doc, base);
    if (node) {
        const struct value v = {doc, node, field, NULL, NULL};
        return mismatch(&v, "");
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
    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct field *field = &schema->fields[i];
        if (types[field->type].free && field_applies(schema, field, base))
            types[field->type].free(field, at_offset(base, field->offset),
                                    at_offset(base, field->length));
    }
}
