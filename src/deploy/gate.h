/*
 * A limit on what 8 bits may cost: while the score falls by more, the most sensitive convolutions
 * are kept in floats, one, two, four, … of them.
 */
#ifndef DEPLOY_GATE_H
#define DEPLOY_GATE_H

#include "deploy/sensitivity.h"

struct engine;

struct gate_trial {
    size_t n_kept; /* convolutions in floats */
    double score;
    double drop; /* of points: 100 times the difference to floats */
};

struct gate_options {
    double max_drop; /* points of AP (0 to 100) */
    /* The AP (0 to 1) of an engine that is open. */
    int (*score)(void *ctx, const struct engine *engine, double *ap);
    void (*trial)(void *ctx, const struct gate_trial *trial); /* told as it goes on; may be NULL */
    int (*progress)(void *ctx, size_t done, size_t total);    /* of the sensitivity; may be NULL */
    bool no_trials; /* only the score of floats and the sensitivity */
    void *ctx;
};

struct gate {
    double exact;              /* the score of floats */
    struct gate_trial *trials; /* the last one is what counts */
    size_t n_trials;           /* at least one, or none when none was wanted */
    bool passed;
    struct sensitivity sensitivity;
};

/* The score of the subject's model in floats, with kernels by rule; its ranges are not used. */
int gate_floats(double *score, const struct subject *subject, const struct gate_options *options);

/* The convolutions kept in the end are the first trials[n_trials - 1].n_kept of the sensitivity's.
 * A gate that was not passed is no error here: out->passed tells. */
int gate_run(struct gate *out, const struct subject *subject, const struct pictures *pictures,
             const struct gate_options *options);
void gate_free(struct gate *g); /* a zeroed one is allowed */

#endif
