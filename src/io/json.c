/*
 * JSON in: jansson behind getters that say where a value was missing. The only file that sees it;
 * our struct json is its json_t under another name, and is never defined.
 */
#include "io/json.h"

#include "base/error.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const json_t *of(const struct json *v)
{
    return (const json_t *)v;
}

static const struct json *from(const json_t *v)
{
    return (const struct json *)v;
}

int json_parse(struct json **out, const char *bytes, size_t size, const char *name)
{
    json_error_t why;
    *out = NULL;
    json_t *root = json_loadb(bytes, size, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
    if (!root && json_error_code(&why) == json_error_out_of_memory)
        return error_set(BPNET_ENOMEM, "%s: no memory for its values", name);
    if (!root)
        return error_set(BPNET_EFORMAT, "%s:%d:%d: %s", name, why.line, why.column, why.text);
    *out = (struct json *)root;
    return BPNET_OK;
}

int json_load(struct json **out, const char *path, size_t limit)
{
    struct file_view view;
    *out = NULL;
    int error = file_view_open(&view, path, limit);
    if (error == BPNET_OK)
        error = json_parse(out, (const char *)view.bytes, view.size, path);
    file_view_close(&view);
    return error;
}

void json_free(struct json *root)
{
    json_decref((json_t *)root);
}

enum json_kind json_kind(const struct json *v)
{
    static const enum json_kind kinds[] = {
        [JSON_OBJECT] = JSON_KIND_OBJECT, [JSON_ARRAY] = JSON_KIND_ARRAY,
        [JSON_STRING] = JSON_KIND_STRING, [JSON_INTEGER] = JSON_KIND_INTEGER,
        [JSON_REAL] = JSON_KIND_REAL,     [JSON_TRUE] = JSON_KIND_TRUE,
        [JSON_FALSE] = JSON_KIND_FALSE,   [JSON_NULL] = JSON_KIND_NULL,
    };
    return v ? kinds[json_typeof(of(v))] : JSON_KIND_NULL;
}

const char *json_kind_name(enum json_kind kind)
{
    static const char *const names[] = {
        [JSON_KIND_NULL] = "null",      [JSON_KIND_FALSE] = "false",
        [JSON_KIND_TRUE] = "true",      [JSON_KIND_INTEGER] = "an integer",
        [JSON_KIND_REAL] = "a number",  [JSON_KIND_STRING] = "a string",
        [JSON_KIND_ARRAY] = "an array", [JSON_KIND_OBJECT] = "an object",
    };
    return names[kind];
}

size_t json_length(const struct json *v)
{
    return json_is_array(of(v)) ? json_array_size(of(v)) : json_object_size(of(v));
}

const struct json *json_at(const struct json *array, size_t index)
{
    return from(json_array_get(of(array), index));
}

const struct json *json_get(const struct json *object, const char *key)
{
    return from(json_object_get(of(object), key));
}

const char *json_key_at(const struct json *object, size_t index, const struct json **value)
{
    const char *key;
    const struct json *found;
    void *at = NULL;
    bool there;
    do
        there = json_next(object, &at, &key, &found);
    while (there && index-- > 0);
    if (value)
        *value = found;
    return key;
}

bool json_next(const struct json *object, void **at, const char **key, const struct json **value)
{
    json_t *mutable = (json_t *)(uintptr_t)object;
    *at = *at ? json_object_iter_next(mutable, *at) : json_object_iter(mutable);
    *key = *at ? json_object_iter_key(*at) : NULL;
    *value = *at ? from(json_object_iter_value(*at)) : NULL;
    return *at != NULL;
}

bool json_is_numeric(const struct json *v)
{
    return v && (json_typeof(of(v)) == JSON_INTEGER || json_typeof(of(v)) == JSON_REAL);
}

double json_as_number(const struct json *v)
{
    return json_number_value(of(v));
}

/* Beyond 2^53 a real no longer names one integer. */
bool json_is_integral(const struct json *v)
{
    if (!v || !json_is_numeric(v))
        return false;
    const double x = json_number_value(of(v));
    return json_typeof(of(v)) == JSON_INTEGER || (fabs(x) <= 0x1p53 && floor(x) == x);
}

int64_t json_as_integer(const struct json *v)
{
    if (!json_is_integral(v))
        return 0;
    return json_typeof(of(v)) == JSON_INTEGER ? json_integer_value(of(v))
                                              : (int64_t)json_real_value(of(v));
}

const char *json_as_string(const struct json *v)
{
    const char *text = json_string_value(of(v));
    return text ? text : "";
}

/* ---- required members -------------------------------------------------------------------- */

static int wrong(const struct json *v, const char *key, const char *where, const char *expected)
{
    if (!v)
        return error_set(BPNET_EFORMAT, "%s: key '%s' is missing, expected %s", where, key,
                         expected);
    return error_set(BPNET_EFORMAT, "%s: key '%s': found %s, expected %s", where, key,
                     json_kind_name(json_kind(v)), expected);
}

int json_need_number(double *out, const struct json *object, const char *key, const char *where)
{
    const struct json *v = json_get(object, key);
    if (!json_is_numeric(v))
        return wrong(v, key, where, "a number");
    *out = json_as_number(v);
    return BPNET_OK;
}

int json_need_integer(int64_t *out, const struct json *object, const char *key, const char *where)
{
    const struct json *v = json_get(object, key);
    if (!json_is_integral(v))
        return wrong(v, key, where, "an integer");
    *out = json_as_integer(v);
    return BPNET_OK;
}

int json_need_string(const char **out, const struct json *object, const char *key,
                     const char *where)
{
    const struct json *v = json_get(object, key);
    if (json_kind(v) != JSON_KIND_STRING)
        return wrong(v, key, where, "a string");
    *out = json_as_string(v);
    return BPNET_OK;
}

int json_need_array(const struct json **out, const struct json *object, const char *key,
                    const char *where)
{
    const struct json *v = json_get(object, key);
    if (json_kind(v) != JSON_KIND_ARRAY)
        return wrong(v, key, where, "an array");
    *out = v;
    return BPNET_OK;
}

int json_need_numbers(double *out, size_t n, const struct json *object, const char *key,
                      const char *where)
{
    const struct json *v = NULL;
    const int error = json_need_array(&v, object, key, where);
    if (error < 0)
        return error;
    if (json_length(v) != n)
        return error_set(BPNET_EFORMAT, "%s: key '%s': found %zu elements, expected %zu numbers",
                         where, key, json_length(v), n);
    for (size_t i = 0; i < n; i++) {
        const struct json *element = json_at(v, i);
        if (!json_is_numeric(element))
            return error_set(BPNET_EFORMAT,
                             "%s: key '%s', element %zu: found %s, expected a number", where, key,
                             i, json_kind_name(json_kind(element)));
        out[i] = json_as_number(element);
    }
    return BPNET_OK;
}
