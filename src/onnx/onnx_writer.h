/*
 * An ONNX model under construction (https://github.com/onnx/onnx, docs/IR.md): nodes in the order
 * they are added, values known by name. Memory that runs out is remembered and told at the end by
 * onnx_writer_save(), so what builds a graph needs no checks. The bytes follow from the calls
 * alone.
 */
#ifndef ONNX_ONNX_WRITER_H
#define ONNX_ONNX_WRITER_H

#include "io/seal.h"

#include <stddef.h>
#include <stdint.h>

enum {
    ONNX_OPSET = 13,     /* the first with scales per channel in DequantizeLinear */
    ONNX_IR_VERSION = 7, /* of the release that brought it */
    ONNX_MAX_DIMS = 4
};

enum onnx_type {
    ONNX_FLOAT = 1,
    ONNX_UINT8 = 2,
    ONNX_INT8 = 3,
    ONNX_INT32 = 6,
    ONNX_INT64 = 7
}; /* TensorProto.DataType */

/* A size, or the name of one that is free. */
struct onnx_dim {
    int64_t size;
    const char *name; /* when size is 0 */
};

struct onnx_writer;

int onnx_writer_open(struct onnx_writer **out, const char *graph_name);
void onnx_writer_close(struct onnx_writer *w); /* NULL is allowed */

/* Begin a node, named after the one value it makes; inputs and attributes that follow are its. */
void onnx_node(struct onnx_writer *w, const char *op_type, const char *output);
void onnx_node_input(struct onnx_writer *w, const char *value); /* "": one that is left out */
void onnx_node_int(struct onnx_writer *w, const char *name, int64_t value);
void onnx_node_ints(struct onnx_writer *w, const char *name, const int64_t *values, size_t n);
void onnx_node_float(struct onnx_writer *w, const char *name, float value);
void onnx_node_text(struct onnx_writer *w, const char *name, const char *text);

/*
 * Add a constant and return the place for its elements, zero so far, aligned for any type; NULL
 * when memory ran out. No dimensions: a scalar.
 */
void *onnx_constant(struct onnx_writer *w, const char *name, enum onnx_type type,
                    const int64_t *dims, size_t n_dims);
void onnx_constant_ints(struct onnx_writer *w, const char *name, const int64_t *values, size_t n);
void onnx_constant_float(struct onnx_writer *w, const char *name, float value);

void onnx_graph_input(struct onnx_writer *w, const char *name, enum onnx_type type,
                      const struct onnx_dim *dims, size_t n_dims);
void onnx_graph_output(struct onnx_writer *w, const char *name, enum onnx_type type,
                       const struct onnx_dim *dims, size_t n_dims);
void onnx_metadata(struct onnx_writer *w, const char *key, const char *value);

/* Write the file, atomically; sealed unless `key` is NULL. BPNET_ELIMIT beyond the 2 GiB that a
 * protobuf message may have. */
int onnx_writer_save(struct onnx_writer *w, const char *path, struct seal_key *key);

#endif
