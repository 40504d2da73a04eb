/*
 * safetensors files, strictly: eight bytes with the header's length, a JSON header that gives every
 * tensor its dtype, shape and place, then the tensors' bytes without gaps or overlaps.
 */
#ifndef IO_SAFETENSORS_H
#define IO_SAFETENSORS_H

#include "io/file.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json;

enum safetensors_type {
    SAFETENSORS_F32,
    SAFETENSORS_F16,
    SAFETENSORS_BF16,
    SAFETENSORS_F64,
    SAFETENSORS_I64, /* integers are listed, not converted: checkpoints hold counters */
    SAFETENSORS_I32,
    SAFETENSORS_I16,
    SAFETENSORS_I8,
    SAFETENSORS_U8,
    SAFETENSORS_BOOL,
    SAFETENSORS_TYPES
};

enum {
    SAFETENSORS_MAX_RANK = 8,
    SAFETENSORS_MAX_HEADER = 16 << 20, /* bytes: a hundred thousand tensors */
};

struct safetensor {
    const char *name;
    enum safetensors_type type;
    int rank; /* 0 is a single number */
    size_t shape[SAFETENSORS_MAX_RANK];
    const void *bytes; /* little-endian, row-major, not necessarily aligned */
    size_t n;          /* elements: the product of `shape` */
};

struct safetensors {
    struct file_view file;
    char *path;                 /* for messages */
    struct safetensor *tensors; /* in the order of their bytes */
    size_t n_tensors;
    struct json *header; /* owns the names */
    bool borrowed;
};

/*
 * Reads and checks the whole header. BPNET_EFORMAT says which tensor is wrong; a dtype that is not
 * in the list above is BPNET_EUNSUPPORTED.
 */
int safetensors_open(struct safetensors *s, const char *path);

/* The same over bytes that outlive it. */
int safetensors_open_memory(struct safetensors *s, const uint8_t *bytes, size_t size,
                            const char *name);
void safetensors_close(struct safetensors *s); /* a zeroed one is allowed */

/* The tensor of that name, or NULL. */
const struct safetensor *safetensors_find(const struct safetensors *s, const char *name);

/* All n elements as floats: the half types exactly, F64 rounded; BPNET_EUNSUPPORTED for integers.
 */
int safetensor_to_float(float *out, const struct safetensor *t);

/* "F32", "BF16", … */
const char *safetensors_type_name(enum safetensors_type type);

/* Write tensors in the order given, atomically; their bytes are as `type` and `shape` say. */
int safetensors_write(const char *path, const struct safetensor *tensors, size_t n);

#endif
