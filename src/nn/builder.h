/*
 * Building a network layer by layer. Functions return the index of the node they added; once one
 * has failed, the builder remembers the error and the rest do nothing, so that model code reads
 * without checks: look at `err` once, at the end.
 */
#ifndef NN_BUILDER_H
#define NN_BUILDER_H

#include "nn/graph.h"
#include "nn/param.h"
#include "spec/spec.h"

/* How a convolution's weights begin; biases begin at 0. */
enum weight_init { WEIGHTS_GLOROT, WEIGHTS_NORMAL, WEIGHTS_HE };

struct builder {
    const struct model_spec *spec;
    struct graph *graph;
    enum weight_init *inits; /* per node */
    int err;
};

int builder_open(struct builder *b, struct graph *graph, const struct model_spec *spec);
void builder_close(struct builder *b); /* the graph stays */

/* A hidden width scaled by the spec's width_multiplier, to a multiple of 8 unless it is 1. */
int builder_width(const struct builder *b, int channels);

/* A convolution with stride and dilation 1, no bias, no regularisation, multipliers of 1 and 2. */
struct node builder_conv(const char *name, int kernel, int channels);

/* Regularise it as the spec says. */
void builder_regularize(const struct builder *b, struct node *conv);

int builder_input(struct builder *b, int channels);
int builder_add_conv(struct builder *b, const struct node *conv, enum weight_init init, int input);

/*
 * Layers that follow a convolution are named after it: "_conv_" becomes "_bn_" or "_relu_" where
 * the name has it, otherwise "_bn" or "_relu" is appended.
 */
int builder_norm(struct builder *b, int input);
int builder_act(struct builder *b, enum activation act, int input);

/* The convolution, then batch norm if `norm`, then ReLU. */
int builder_conv_relu(struct builder *b, const struct node *conv, enum weight_init init, bool norm,
                      int input);

int builder_join(struct builder *b, enum op op, const char *name, const int *inputs, int n);
int builder_max_pool(struct builder *b, const char *name, int kernel, int stride, int input);
int builder_upsample2(struct builder *b, const char *name, int input, int like);

/* Fill parameters laid out for the graph; every one has a random stream of its own. */
void builder_initialize(const struct builder *b, struct params *params, uint64_t seed);

#endif
