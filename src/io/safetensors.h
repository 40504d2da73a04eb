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

enum safetensors_type { SAFETENSORS_F32, SAFETENSORS_F16, SAFETENSORS_BF16 };

enum {
    SAFETENSORS_MAX_RANK = 8,
    SAFETENSORS_MAX_HEADER = 100 * 1000 * 1000, /* bytes, as in the format's own reader */
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

/* Reads and checks the whole header; other dtypes are BPNET_EUNSUPPORTED, by name. */
int safetensors_open(struct safetensors *s, const char *path);
int safetensors_open_memory(struct safetensors *s, const uint8_t *bytes, size_t size,
                            const char *name);
void safetensors_close(struct safetensors *s); /* a zeroed one is allowed */

const struct safetensor *safetensors_find(const struct safetensors *s,
                                          const char *name); /* or NULL */

/* All elements as floats, widened exactly from the half types. */
void safetensor_to_float(float *out, const struct safetensor *t);

/* "F32", "F16", "BF16". */
const char *safetensors_type_name(enum safetensors_type type);

/* Write tensors in the order given, atomically. Only F32 is written: BPNET_EUSAGE otherwise. */
int safetensors_write(const char *path, const struct safetensor *tensors, size_t n);

#endif
