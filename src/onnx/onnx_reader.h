/*
 * An ONNX file as plain structs: what https://github.com/onnx/onnx, docs/IR.md calls a model, as
 * far as networks of convolutions use it. All texts and arrays belong to the file and live as long.
 *
 * Whatever the bytes are: memory is bounded by a multiple of the file's size, all arrays are as
 * long as they say, tensors have the elements that their sizes promise. What they mean is the
 * importer's business.
 */
#ifndef ONNX_ONNX_READER_H
#define ONNX_ONNX_READER_H

#include "io/seal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    ONNX_TENSOR_DIMS = 8,
    ONNX_MAX_NODES = 1 << 16,
    ONNX_MIN_OPSET = 7,
    ONNX_MEMORY_FACTOR = 16 /* memory beyond 16 MiB that a file may take, in file sizes */
};

/* Elements are read by number; floats of all widths and integers are in there as they were. */
struct onnx_tensor {
    const char *name;
    int n_dims; /* 0: a scalar */
    int64_t dims[ONNX_TENSOR_DIMS];
    size_t n;      /* elements */
    bool integral; /* whether the type is one of whole numbers */
    int type;      /* TensorProto.DataType */
    bool raw;      /* whether elements lie as `type` says, or one each in a wider field */
    const void *data;
};

double onnx_number(const struct onnx_tensor *t, size_t i);
int64_t onnx_integer(const struct onnx_tensor *t, size_t i); /* of an integral one */

struct onnx_attribute {
    const char *name;
    double number;    /* of a float or an int */
    int64_t integer;  /* of an int */
    const char *text; /* "" if it has none */
    const int64_t *ints;
    const float *floats;
    size_t n_ints, n_floats;
    const struct onnx_tensor *tensor; /* or NULL */
};

struct onnx_op {
    const char *name, *type; /* the name may be "" */
    bool foreign;            /* of another domain than ONNX's own */
    size_t n_inputs, n_outputs, n_attributes;
    char *const *inputs, *const *outputs; /* names of values; "": left out */
    struct onnx_attribute *attributes;
};

/* An input or output of the graph. */
struct onnx_port {
    const char *name;
    int n_dims;                     /* -1: not told */
    int64_t dims[ONNX_TENSOR_DIMS]; /* 0: free */
};

struct onnx_text {
    const char *key, *value;
};

struct onnx_file {
    const char *path;
    size_t size; /* of the file, in bytes */
    int64_t opset;
    const char *producer;
    struct onnx_op *ops;
    struct onnx_tensor *tensors; /* initializers */
    struct onnx_port *inputs, *outputs;
    struct onnx_text *metadata;
    size_t n_ops, n_tensors, n_inputs, n_outputs, n_metadata;
    struct onnx_store *store;
};

/* BPNET_EFORMAT for what is no ONNX file, BPNET_EUNSUPPORTED for weights in other files; a sealed
 * file is opened with `key` (io/seal.h), which may be NULL. */
int onnx_file_open(struct onnx_file *f, const char *path, struct seal_key *key);
int onnx_file_open_memory(struct onnx_file *f, const uint8_t *bytes, size_t size, const char *name);
void onnx_file_close(struct onnx_file *f); /* a zeroed one is allowed */

/* NULL if there is none of that name. */
const struct onnx_attribute *onnx_attribute(const struct onnx_op *op, const char *name);
const char *onnx_metadata_text(const struct onnx_file *f, const char *key);

#endif
