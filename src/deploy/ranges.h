/*
 * How large the values of every tensor get: what calibration finds and quantisation uses. Kept in
 * TensorRT's text format (spec 12.5), one line a tensor: "name: 8 hex digits", the big-endian bits
 * of the float scale amax / 127. In a file a tensor has the name that an exported ONNX file gives
 * its value, "<name>:0"; a reader takes names without ":0", too. Behind a tensor's line come those
 * of its channels that calibration brought to another size (equalize.h): "<name>:0/<channel>: 8 hex
 * digits", the bits of the factor. The range is that of the map with such factors. A line
 * "bpnet_weights/<fingerprint>: 3c010204" tells whose ranges they are; other readers take it for
 * one more tensor, which no network has.
 */
#ifndef DEPLOY_RANGES_H
#define DEPLOY_RANGES_H

#include "base/str.h"
#include "nn/graph.h"

#include <stddef.h>

struct range {
    char name[GRAPH_NAME_SIZE];
    float amax;
    float *factors; /* of the channels, more than 0 and up to 1; NULL: all 1 */
    int n_factors;
};

enum { RANGES_FINGERPRINT = 32 }; /* hex digits */

struct ranges {
    struct range *items; /* in the order of the network's tensors */
    size_t n, capacity;
    size_t all_factors;                   /* the sum of n_factors */
    char weights[RANGES_FINGERPRINT + 1]; /* params_hash() of what was calibrated; "": not known */
};

enum { RANGES_MAX = 16384, RANGES_MAX_FACTORS = 1 << 20 }; /* of a table; factors of 1 count, too */

/* Add one, or change the one of that name. The name is of 1 to 63 bytes without line breaks. What
 * is kept is what a file would give back: amax rounded so that it is 127 times a float. */
int ranges_set(struct ranges *r, const char *name, float amax);
/* The channels' factors, copied, for a range that is there. */
int ranges_set_factors(struct ranges *r, const char *name, const float *factors, int n);
/* Adds to what is there; the fingerprint becomes that of `from`. */
int ranges_copy(struct ranges *to, const struct ranges *from);
const struct range *ranges_find(const struct ranges *r, const char *name); /* NULL: none */
void ranges_free(struct ranges *r);                                        /* zeroed is allowed */

/* BPNET_EFORMAT with file:line for anything that is not such a file; any TRT-… header is taken. */
int ranges_read(struct ranges *out, const char *path);
int ranges_parse(struct ranges *out, const char *bytes, size_t size, const char *name);
int ranges_write(const struct ranges *r, const char *path);
void ranges_print(const struct ranges *r, struct str *out); /* the same text */

#endif
