/*
 * How every type of value is read, checked and freed: one row of `types` each.
 */
#include "spec/schema_value.h"

#include "base/error.h"

#include <float.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(sizeof(enum field_type) == sizeof(int), "enums are stored as int");

/* ---- messages ---------------------------------------------------------------------------- */

int value_mismatch(const struct doc *doc, const struct doc_node *node, const struct field *field,
                   const char *remark)
{
    char place[DOC_PLACE], found[DOC_DESCRIPTION];
    struct str expected = {0};
    field_expectation(&expected, field);
    doc_error(doc, node, BPNET_ECONFIG, "%s: found %s, expected %s%s",
              doc_place(node, place, sizeof place), doc_describe(node, found, sizeof found),
              str_text(&expected), remark);
    str_free(&expected);
    return BPNET_ECONFIG;
}

static int mismatch(const struct value *v, const char *remark)
{
    return value_mismatch(v->doc, v->node, v->field, remark);
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

static int read_weights(const struct value *v)
{
    const struct doc_node *node = v->node;
    if (node->kind != DOC_MAP)
        return mismatch(v, "");
    struct named_number *named = calloc(node->n + 1, sizeof *named);
    if (!named)
        return no_memory(v);
    *(struct named_number **)v->at = named;
    for (const struct doc_node *item = node->first; item; item = item->next, named++) {
        const struct value number = {v->doc, item, v->field, &named->value, NULL};
        if (!take_number(&number, DBL_MAX, &named->value))
            return mismatch(&number, "");
        if (!(named->name = str_copy(item->key)))
            return BPNET_ENOMEM;
        ++*(size_t *)v->counter;
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

static void free_weights(const struct field *field, void *at, void *counter)
{
    (void)field;
    struct named_number **named = at;
    size_t *n = counter;
    for (size_t i = 0; i < *n; i++)
        free((*named)[i].name);
    free(*named);
    *named = NULL;
    *n = 0;
}

static void free_section(const struct field *field, void *at, void *counter)
{
    (void)counter;
    schema_free(field->section, at);
}

/* ---- by type ----------------------------------------------------------------------------- */

static int read_custom(const struct value *v)
{
    return v->field->custom(v->doc, v->node, v->at);
}

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
    [FIELD_WEIGHTS] = {read_weights, free_weights},
    [FIELD_SECTION] = {read_section, free_section},
    [FIELD_FIXED] = {read_fixed, NULL},
    [FIELD_ANY] = {read_any, NULL},
    [FIELD_CUSTOM] = {read_custom, NULL},
};

static void *at_offset(void *base, size_t offset)
{
    return (char *)base + offset;
}

int value_read(const struct field *field, const struct doc *doc, const struct doc_node *node,
               void *base)
{
    const struct value v = {doc, node, field, at_offset(base, field->offset),
                            at_offset(base, field->length)};
    return types[field->type].read(&v);
}

void value_free(const struct field *field, void *base)
{
    if (types[field->type].free)
        types[field->type].free(field, at_offset(base, field->offset),
                                at_offset(base, field->length));
}
