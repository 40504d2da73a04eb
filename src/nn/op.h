/*
 * The operations, one table row each: what a node of that kind may look like, which parameters it
 * has, the size of its output, its cost, and how an executor runs it forward and backward. Adding
 * an operation is adding a row.
 */
#ifndef NN_OP_H
#define NN_OP_H

#include "nn/graph.h"
#include "nn/param.h"

struct exec;
struct step;

struct op_row {
    const char *name;
    int min_inputs, max_inputs;
    int n_read; /* so many of them are read, the others only give a size; 0: all are read */

    /* Attributes and channels against those of the inputs; BPNET_EFORMAT names the node. */
    int (*check)(const struct graph *g, const struct node *n);

    /* Output height and width from those of all earlier nodes. */
    int (*infer)(const struct graph *g, const struct node *n, const int (*hw)[2], int out[2]);

    /* Shape of the parameter `role`: its number of dimensions, 0 if there is none. May be NULL. */
    int (*shape)(const struct graph *g, const struct node *n, enum param_role role, int dims[4]);

    /* Multiply-accumulates for an output of this size. May be NULL: none worth counting. */
    int64_t (*cost)(const struct graph *g, const struct node *n, const int out[2]);

    /* Set up a step whose maps have their sizes: geometry, memory it needs. May be NULL. */
    void (*prepare)(struct exec *e, struct step *s);
    /* Take over the parameters: pack, fold. May be NULL. */
    void (*refresh)(struct exec *e, struct step *s);
    void (*forward)(struct exec *e, struct step *s);
    void (*backward)(struct exec *e, struct step *s);

    bool fuses_relu;    /* forward can end with a ReLU, in inference also with a ReLU6 */
    bool gates;         /* and backward then overwrites the gradient it is given */
    bool in_place;      /* the output may overwrite the first input */
    bool back_in_place; /* the first input's gradient may overwrite the output's */
    bool keeps_input;   /* backward reads the inputs' maps */
    bool keeps_output;  /* backward reads the output; with a fused ReLU every operation does */
    bool equal_pitch;   /* the input's map and its gradient must have one pitch */
};

extern const struct op_row *const op_rows[OP_COUNT];

/* How many of a node's inputs are read. */
static inline int node_reads(const struct node *n)
{
    const int limit = op_rows[n->op]->n_read;
    return limit > 0 && limit < n->n_inputs ? limit : n->n_inputs;
}

/* The rows, each in the file of its family. */
extern const struct op_row op_conv, op_norm, op_act, op_add, op_mul, op_concat, op_max_pool,
    op_upsample2, op_avg_pool, op_resize, op_prelu;

/*
 * The windows of a convolution or pooling on a map of in[2] (height, width): the output's size, and
 * the zeros in front. Where no window fits, the size is 0.
 */
struct window {
    int out[2], pad[2];
};
struct window node_window(const struct node *n, const int in[2]);

/*
 * What convolutions and poolings have in common: the check of a window's attributes, the output's
 * size, and the geometry between two maps of an executor.
 */
struct map;
int window_check(const struct node *n);
int window_infer(const struct graph *g, const struct node *n, const int (*hw)[2], int out[2]);
struct conv_geometry window_geometry(const struct node *n, const struct map *in,
                                     const struct map *out);

/* As many channels as the first input has. */
int check_same_channels(const struct graph *g, const struct node *n);

#endif
