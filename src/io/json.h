/*
 * JSON in (jansson behind typed getters whose errors say where), JSON out (a writer that streams),
 * and very large JSON files element by element.
 */
#ifndef IO_JSON_H
#define IO_JSON_H

#include "base/str.h"
#include "io/file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- reading ----------------------------------------------------------------------------- */

struct json; /* a value; the root owns everything below it */

enum json_kind {
    JSON_KIND_NULL,
    JSON_KIND_FALSE,
    JSON_KIND_TRUE,
    JSON_KIND_INTEGER,
    JSON_KIND_REAL,
    JSON_KIND_STRING,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT
};

enum { JSON_MAX_DEPTH = 2048 }; /* levels of nesting that are parsed */

/* `name` is for messages: "<name>:<line>:<column>: …". */
int json_parse(struct json **out, const char *bytes, size_t size, const char *name);
int json_load(struct json **out, const char *path, size_t limit);
void json_free(struct json *root); /* NULL is allowed */

/* All of these take NULL as a JSON null. */
enum json_kind json_kind(const struct json *v);
const char *json_kind_name(enum json_kind kind); /* "an integer", "an array", … */
size_t json_length(const struct json *v);        /* of an array or object; else 0 */
const struct json *json_at(const struct json *array, size_t index);      /* NULL outside */
const struct json *json_get(const struct json *object, const char *key); /* NULL if absent */
const char *json_key_at(const struct json *object, size_t index, const struct json **value);

/* All members, in file order: for (void *at = NULL; json_next(object, &at, &key, &value);) */
bool json_next(const struct json *object, void **at, const char **key, const struct json **value);
double json_as_number(const struct json *v);      /* integer or real; 0 otherwise */
int64_t json_as_integer(const struct json *v);    /* json_is_integral(), or 0 */
const char *json_as_string(const struct json *v); /* "" if it is not a string */
bool json_is_numeric(const struct json *v);
bool json_is_integral(const struct json *v);

/*
 * Required members: BPNET_EFORMAT "<where>: key 'bbox': found a string, expected an array of 4
 * numbers" when they are missing or of another kind. Numbers must be finite.
 */
int json_need_number(double *out, const struct json *object, const char *key, const char *where);
int json_need_integer(int64_t *out, const struct json *object, const char *key, const char *where);
int json_need_string(const char **out, const struct json *object, const char *key,
                     const char *where);
int json_need_array(const struct json **out, const struct json *object, const char *key,
                    const char *where);
int json_need_numbers(double *out, size_t n, const struct json *object, const char *key,
                      const char *where);

/* The value as compact JSON text. */
void json_print(struct str *out, const struct json *v);

/* ---- large files ------------------------------------------------------------------------- */

/*
 * Walk a top-level object whose members may be huge arrays, with memory for one element at a time.
 * For every member `key` the callback is asked once with element = NULL whether it wants the
 * member's elements (true) or not. If it does, an array is delivered element by element, and any
 * other value once. `element` is freed after the call. A negative return ends the walk. A file that
 * is an array at the top level is walked as if it were the member "".
 */
struct json_walker {
    bool (*wants)(void *ctx, const char *key);
    int (*element)(void *ctx, const char *key, size_t index, const struct json *element);
    void *ctx;
};
int json_walk_file(const char *path, const struct json_walker *walker);

/* The same over a stream that is open already; `name` is for messages. */
int json_walk_stream(FILE *file, const char *name, const struct json_walker *walker);

/* One element may be at most this long (a crowd's RLE is a few hundred kB). */
enum { JSON_MAX_ELEMENT = 64 << 20 };

/* ---- writing ----------------------------------------------------------------------------- */

/*
 * Writes to a stream or a string; commas, escapes and indentation are its business. What is not
 * UTF-8 in a text (a file's name) becomes U+FFFD. Failures stay in ferror() or str_status().
 */
struct json_writer {
    FILE *stream; /* one of these two */
    struct str *text;
    int indent; /* spaces a level; 0: one line; -1: one without spaces */
    int depth;
    bool first[JSON_MAX_DEPTH + 64]; /* a parsed value may be written inside some levels */
    bool after_key;
};

void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_write_key(struct json_writer *w, const char *key);
void json_write_string(struct json_writer *w, const char *text);
void json_write_integer(struct json_writer *w, int64_t value);

/* The fewest digits that read back equal; NaN and infinities are null. */
void json_write_number(struct json_writer *w, double value);
void json_write_float(struct json_writer *w, float value);
void json_write_bool(struct json_writer *w, bool value);
void json_write_null(struct json_writer *w);
void json_write_raw(struct json_writer *w, const char *json); /* must be valid JSON */
void json_write_value(struct json_writer *w, const struct json *v);

#endif
