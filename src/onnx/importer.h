/*
 * What the parts of the importer share. The file's nodes are visited in order; each takes values by
 * name and defines new ones. A value is a constant, known with all its elements, or a map that some
 * node of our graph makes. Sizes of maps are known for one size of input, and are constants, too.
 */
#ifndef ONNX_IMPORTER_H
#define ONNX_IMPORTER_H

#include "nn/op.h"
#include "onnx/import.h"
#include "onnx/onnx_reader.h"

enum value_kind { VALUE_ABSENT, VALUE_CONSTANT, VALUE_MAP };

struct value {
    const char *name;
    enum value_kind kind;
    int readers; /* places in the file that name it */

    const struct onnx_tensor *tensor; /* constant */
    int measured; /* it follows from the size of a map: 1 + the node that makes this; else 0 */

    int node; /* map: of our graph */
    bool channels_last;
    bool shared;       /* the node is read by others than this value's readers */
    int pad[4];        /* zeros around it: top, left, bottom, right; its readers add them */
    bool pad_measured; /* they follow from the size of the input */
    bool steps; /* what QuantizeLinear makes: the numbers themselves, until they are given back */
    float scale[3], shift[3]; /* of the input only: x * scale + shift is meant */
};

/* Parameters of our nodes, until the graph is complete. */
struct weights {
    float *data[PARAM_ROLES];
    size_t n[PARAM_ROLES];
};

struct importer {
    const struct onnx_file *file;
    const struct onnx_import_options *options;
    struct model *model;
    struct graph *graph; /* the model's */

    struct value *values;
    size_t n_values;
    uint32_t *slots; /* of a hash table over the names: index + 1 */
    size_t n_slots;

    const struct onnx_op *op; /* in work */
    size_t op_index;
    struct weights *weights; /* per node of the graph, as hw */
    int (*hw)[2];
    int capacity; /* of these two */

    struct derived *derived; /* constants that were worked out */
    size_t derived_left;     /* bytes that may still be */
    size_t weights_left;     /* and of parameters of our nodes */

    bool bgr;         /* the file's first channel is blue */
    bool input_fixed; /* somebody has read the input, with scale and shift */
    float scale[3], shift[3];
    int reordered; /* a node that brings the input's channels into the file's order; 0: none yet */
};

/* The current operator's place in front of the message. */
int import_error(const struct importer *im, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int import_prefix(const struct importer *im, int code);

/* ---- values: import_value.c ---------------------------------------------------------------- */

int values_open(struct importer *im);
void values_close(struct importer *im);
struct value *value_find(const struct importer *im, const char *name); /* NULL: never defined */

/* Input i of the current operator: NULL when it is left out or not defined yet. */
struct value *op_value(const struct importer *im, size_t i);
int op_map(const struct importer *im, size_t i, struct value **out);
int op_constant(const struct importer *im, size_t i, const struct onnx_tensor **out);

/* The first output of the current operator becomes this; BPNET_EFORMAT when it is defined twice. */
int define_map(struct importer *im, int node, const struct value *like);
int define_alias(struct importer *im, const struct value *of);
int define_constant(struct importer *im, const struct onnx_tensor *t, int measured);

/* A constant of our own with room for n elements, of int64 or float64; bounded in sum. */
int derive(struct importer *im, struct onnx_tensor **out, const int64_t *dims, int n_dims,
           bool integral);
void derived_set(struct onnx_tensor *t, size_t i, double number, int64_t integer);

int64_t op_integer(const struct onnx_op *op, const char *name, int64_t fallback);
double op_number(const struct onnx_op *op, const char *name, double fallback);
const char *op_text(const struct onnx_op *op, const char *name, const char *fallback);
/* n values of a list, or the fallback for each; BPNET_EFORMAT when there are others. */
int op_integers(const struct importer *im, const char *name, int64_t *out, size_t n,
                int64_t fallback);

static inline int channel_axis(const struct value *v)
{
    return v->channels_last ? 3 : 1;
}

/* ---- nodes: import_node.c ------------------------------------------------------------------ */

/* Room for one more node in the importer's own lists. */
int node_room(struct importer *im);

/* Add a node named after the current operator's output and `suffix`; its index, or an error. */
int node_add(struct importer *im, const struct node *n, const char *suffix);
/* Memory for a parameter of a node, zero, bounded in sum. */
int node_weights(float **out, struct importer *im, int node, enum param_role role, size_t n);

/* The node that makes a map, for a reader to whom channels come in the file's order. */
int node_of(struct importer *im, const struct value *v);
/* The same for a reader that reorders the input's channels itself, if *reverse. */
int node_of_any(struct importer *im, const struct value *v, bool *reverse);

/* Whether nothing but this value's one reader sees what its node makes. */
bool node_is_private(const struct value *v);

/* So many of a node's channels, from the first on, by a convolution that copies them. */
int node_channels(struct importer *im, int whole, int first, int channels, const char *suffix);

/* Add a node that reads this map and has as many channels. */
int node_simple(struct importer *im, struct node n, const struct value *v, const char *suffix);

/* v * scale + shift, a number each a channel, as a new value of the current operator. */
int node_affine(struct importer *im, struct value *v, const double *scale, const double *shift);

/* ---- operators ----------------------------------------------------------------------------- */

/* All return 0 or an error. */
int import_conv(struct importer *im);
int import_conv_transpose(struct importer *im);
int import_norm(struct importer *im);
int import_max_pool(struct importer *im);
int import_average_pool(struct importer *im);
int import_relu(struct importer *im);
int import_sigmoid(struct importer *im);
int import_tanh(struct importer *im);
int import_leaky_relu(struct importer *im);
int import_prelu(struct importer *im);
int import_clip(struct importer *im);
int import_arithmetic(struct importer *im);
int import_concat(struct importer *im);
int import_resize(struct importer *im);
int import_pad(struct importer *im);
int import_pass(struct importer *im);
int import_transpose(struct importer *im);
int import_reshape(struct importer *im);
int import_quantize(struct importer *im);
int import_dequantize(struct importer *im);
int import_constant(struct importer *im);
int import_shape(struct importer *im);
int import_gather(struct importer *im);
int import_slice(struct importer *im);
int import_floor(struct importer *im);

/* A constant that is broadcast over a map, as one number a channel: `out` has room for all. */
int channel_numbers(struct importer *im, const struct onnx_tensor *t, const struct value *v,
                    double *out);

/* Of constants alone. */
int fold_arithmetic(struct importer *im, const struct value *a, const struct value *b);
int fold_concat(struct importer *im);
int fold_slice(struct importer *im);
int fold_transpose(struct importer *im, const struct value *v);
int fold_reshape(struct importer *im, const struct value *v);
int fold_cast(struct importer *im, const struct value *v);

/* Metadata, outputs and skeleton of the model: import_meta.c. */
int meta_begin(struct importer *im);  /* before the first node: colour, input size */
int meta_finish(struct importer *im); /* the graph is complete */

#endif
