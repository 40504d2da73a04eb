/* A network as data: nodes in topological order. Shapes are per image, NHWC. */
#ifndef NN_GRAPH_H
#define NN_GRAPH_H

#include "kernel/kernel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum op {
    OP_INPUT,
    OP_CONV,
    OP_NORM, /* batch norm */
    OP_ACT,
    OP_ADD,
    OP_MUL,
    OP_CONCAT,
    OP_MAX_POOL,
    OP_UPSAMPLE2, /* bilinear, factor 2; cropped to its second input's size when it has one */
    OP_AVG_POOL,
    OP_RESIZE, /* enlargement by a whole factor, nearest or bilinear */
    OP_PRELU,  /* x where x > 0, else slope * x, one slope a channel (He et al. 2015) */
    OP_COUNT
};

/* Zeros around a map, so that windows reach over its border. */
enum padding {
    PAD_SAME,       /* TensorFlow's SAME (spec 6.1): ceil(size / stride) outputs */
    PAD_SAME_LOWER, /* the same, but an odd zero goes in front */
    PAD_GIVEN,      /* node.pad */
    PAD_COUNT
};

enum {
    GRAPH_MAX_INPUTS = 8,
    GRAPH_MAX_NODES = 4096,
    GRAPH_MAX_OUTPUTS = 64,
    GRAPH_MAX_CHANNELS = 4096,
    GRAPH_MAX_KERNEL = 31,
    GRAPH_MAX_STRIDE = 8,
    GRAPH_MAX_DILATION = 16,
    GRAPH_MAX_FACTOR = 16,  /* of an enlargement */
    GRAPH_MAX_SIZE = 16384, /* height or width of any map */
    GRAPH_NAME_SIZE = 64,
    NODE_ROLES = 7 /* as many as enum param_role has */
};

struct node {
    char name[GRAPH_NAME_SIZE];
    enum op op;
    int n_inputs, inputs[GRAPH_MAX_INPUTS];
    int channels; /* of the output */

    /* OP_CONV, OP_MAX_POOL, OP_AVG_POOL: the window (see node_window() in op.h). */
    int kernel, stride, dilation;
    enum padding padding;
    int pad[4]; /* PAD_GIVEN: top, left, bottom, right; every window touches the map */

    /*
     * OP_CONV: inputs and outputs are cut into this many groups, each sees nothing of the others;
     * as many as there are of both: depthwise. 0 becomes 1 in graph_add().
     */
    int groups;
    bool bias;

    enum activation act;     /* OP_ACT */
    float epsilon, momentum; /* OP_NORM */
    bool count_padding;      /* OP_AVG_POOL: the padding's zeros are part of the mean */
    int factor;              /* OP_RESIZE */
    enum enlarge enlarge;    /* OP_RESIZE */

    /* Training attributes, kept in the model file (OP_CONV; l1 also OP_NORM, of gamma). */
    float l1, l2; /* kernel regularisation: l1 * sum|w|, l2 * sum w^2 */
    float bias_l1, bias_l2;
    float kernel_lr, bias_lr; /* learning-rate multipliers */

    int params[NODE_ROLES]; /* index into struct params by role, -1: none */
};

struct graph {
    struct node *nodes;
    int n_nodes;
    int capacity;
    int n_outputs;
    int *outputs; /* node indices: heat 1..S, then PAF 1..S */
};

/* Append a copy of `node` with no parameters yet: its index, or an error code. */
int graph_add(struct graph *g, const struct node *node);
/* Set the outputs; they are copied. */
int graph_set_outputs(struct graph *g, const int *outputs, int n);
void graph_free(struct graph *g); /* a zeroed one is allowed */

/*
 * Whether this is a network at all: one input (the first node), inputs before their readers,
 * attributes within the limits, channels that fit, unique names, outputs that exist. BPNET_EFORMAT
 * names the node.
 */
int graph_check(const struct graph *g);

int graph_find(const struct graph *g, const char *name); /* index, or -1 */
const char *op_name(enum op op);

/* The batch norm that reads `node`, and nobody else does; -1: none. */
int graph_norm_of(const struct graph *g, int node);

/*
 * Output height and width of every node for an input of h x w; hw is [n_nodes][2]. The graph has
 * passed graph_check(). BPNET_EUSAGE when maps that meet do not fit at this size.
 */
int graph_infer(const struct graph *g, int h, int w, int (*hw)[2]);

/*
 * Multiply-accumulates of convolutions for one h x w picture, per node (may be NULL) and total;
 * -1 when the size does not fit or memory ran out.
 */
int64_t graph_macs(const struct graph *g, int h, int w, int64_t *per_node);

#endif
