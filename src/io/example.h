/*
 * tf.train.Example: what a TFRecord of a dataset usually holds. A map from feature names to lists
 * of bytes, int64 or float.
 */
#ifndef IO_EXAMPLE_H
#define IO_EXAMPLE_H

#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct example;

enum { EXAMPLE_MAX_SIZE = 16 << 20 }; /* bytes of one that is parsed */

struct example *example_new(void);    /* empty; NULL when memory ran out, with the error set */
void example_free(struct example *e); /* NULL is allowed */

/* Add a feature, its values copied. A name is used once: BPNET_EUSAGE otherwise. */
int example_set_int64s(struct example *e, const char *name, const int64_t *values, size_t n);
int example_set_int64(struct example *e, const char *name, int64_t value);
int example_set_floats(struct example *e, const char *name, const float *values, size_t n);
int example_set_bytes(struct example *e, const char *name, const void *bytes, size_t size);
int example_set_text(struct example *e, const char *name, const char *text);

/* Append the encoded bytes; features in byte order of their names, so equal ones encode equally. */
int example_pack(struct str *out, const struct example *e);

/* `where` is for messages, copied: "train-00001.tfrecord: record 17". */
int example_parse(struct example **out, const uint8_t *bytes, size_t size, const char *where);

/*
 * Features by name. What they point to lives as long as the example. BPNET_EFORMAT "<where>:
 * feature 'frame/height': found 2 of kind float, expected one int64" when it is missing or not
 * that.
 */
int example_get_int64(int64_t *out, const struct example *e, const char *name);
int example_get_int64s(const int64_t **values, size_t *n, const struct example *e,
                       const char *name);
int example_get_floats(const float **values, size_t *n, const struct example *e, const char *name);
int example_get_bytes(const uint8_t **bytes, size_t *size, const struct example *e,
                      const char *name);

/* One value of bytes as text, without NULs inside; fresh: free(*text). */
int example_get_text(char **text, const struct example *e, const char *name);

bool example_has(const struct example *e, const char *name);
size_t example_length(const struct example *e); /* features */
const char *example_name(const struct example *e, size_t index);

#endif
