/*
 * Which convolutions suffer most from 8 bits: each in turn is kept in floats while all others are
 * not, and what that takes off the outputs' error ranks it.
 */
#ifndef DEPLOY_SENSITIVITY_H
#define DEPLOY_SENSITIVITY_H

#include "deploy/quality.h"
#include "deploy/quantize.h"

struct sensitive {
    char name[GRAPH_NAME_SIZE]; /* of the tensor that the convolution makes */
    int layer;                  /* of the lowered network */
    double share; /* of the outputs' squared error that is gone without this layer's; may be < 0 */
};

struct sensitivity {
    struct sensitive *items; /* every convolution of 8 bits, the worst first */
    size_t n;
    int n_layers; /* of the lowered network */
    double error; /* with all in 8 bits: mean over outputs of sum (x - y)^2 / sum x^2 */
};

/* What is quantised, and with what. */
struct subject {
    const struct model *model;
    int h, w;
    const struct ranges *ranges;
    const struct channel_means *means; /* may be NULL */
    enum cpu_level level;
    struct workers *workers; /* may be NULL */
};

/* A lowered network of the subject with these layers kept in floats (NULL: none): network_free() */
int subject_quantize(struct network *out, const struct subject *subject, const bool *keep_float);

/* One compilation and one run over the pictures per convolution. `progress` (may be NULL) returns
 * a negative code to stop. */
int sensitivity_measure(struct sensitivity *out, const struct subject *subject,
                        const struct pictures *pictures,
                        int (*progress)(void *ctx, size_t done, size_t total), void *ctx);
void sensitivity_free(struct sensitivity *s); /* a zeroed one is allowed */

#endif
