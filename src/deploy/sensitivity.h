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
    double share; /* of the outputs' squared error that is gone without this layer's; may be < 0.
                   * sensitivity_alone(): the error with this layer alone in 8 bits */
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
    const bool *kept;        /* per layer: stays in floats whatever is tried; NULL: none */
};

/* A lowered network of the subject with these layers kept in floats (NULL: none): network_free() */
int subject_quantize(struct network *out, const struct subject *subject, const bool *keep_float);

/* One compilation and one run over the pictures per convolution. `progress` (may be NULL) returns
 * a negative code to stop. */
int sensitivity_measure(struct sensitivity *out, const struct subject *subject,
                        const struct pictures *pictures,
                        int (*progress)(void *ctx, size_t done, size_t total), void *ctx);
/*
 * The same, each convolution in 8 bits alone: ranks the layers of a network that 8 bits destroy,
 * where one layer more or less in floats makes no difference.
 */
int sensitivity_alone(struct sensitivity *out, const struct subject *subject,
                      const struct pictures *pictures,
                      int (*progress)(void *ctx, size_t done, size_t total), void *ctx);

/* As sensitivity.error, with these layers in floats (NULL: none). */
int sensitivity_error(double *error, const struct subject *subject, const struct pictures *pictures,
                      const bool *keep_float);
void sensitivity_free(struct sensitivity *s); /* a zeroed one is allowed */

#endif
