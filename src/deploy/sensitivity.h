/*
 * Which convolutions suffer most from 8 bits, and so stay in floats first. Those that cost the
 * outputs most (output_error.h) are told in one of two ways.
 */
#ifndef DEPLOY_SENSITIVITY_H
#define DEPLOY_SENSITIVITY_H

#include "deploy/output_error.h"

enum sensitivity_way {
    /* Each in turn in floats, all others in 8 bits: what it takes off the error. */
    SENSITIVITY_BUT_ONE,
    /* Each in turn in 8 bits alone: ranks the layers of a network that 8 bits destroy, where one
     * layer more or less in floats makes no difference. */
    SENSITIVITY_ALONE,
};

struct sensitive {
    char name[GRAPH_NAME_SIZE]; /* of the tensor that the convolution makes */
    int layer;                  /* of the lowered network */
    double share; /* BUT_ONE: of the error, gone without this layer's; may be < 0. ALONE: the error
                   * with it alone */
};

struct sensitivity {
    struct sensitive *items; /* every convolution of 8 bits, the worst first */
    size_t n;
    int n_layers; /* of the lowered network */
    double error; /* with all in 8 bits */
};

/* One compilation and one run over the pictures per convolution. `progress` (may be NULL) returns
 * a negative code to stop. */
int sensitivity_measure(struct sensitivity *out, struct output_error *outputs,
                        enum sensitivity_way way,
                        int (*progress)(void *ctx, size_t done, size_t total), void *ctx);
void sensitivity_free(struct sensitivity *s); /* a zeroed one is allowed */

/* keep[n_layers]: the n worst, and no others. */
void sensitivity_keep(const struct sensitivity *s, size_t n, bool *keep);

#endif
