/*
 * How good the weights are right now: the loss over the validation records, in fixed order, with
 * running statistics, and the AP over the test_data of the dataset specs, decoded as the
 * inference spec says. What a spec does not provide is left out with one warning.
 */
#ifndef TRAIN_VALIDATION_H
#define TRAIN_VALIDATION_H

#include "base/workers.h"
#include "nn/model.h"

#include <signal.h>

struct validation;

struct validation_options {
    const struct experiment_spec *spec;
    const struct kernels *kernels;
    struct workers *workers;
    size_t max_images;                 /* of each annotation file; 0: all */
    const volatile sig_atomic_t *stop; /* NULL: none */
};

int validation_open(struct validation **out, const struct validation_options *options);
void validation_close(struct validation *v); /* NULL is allowed */

struct validation_result {
    double loss, ap; /* NaN where there is nothing to measure with */
    size_t n_records, n_images;
    double seconds;
};

/* Measure `model` with the parameter block `weights`. BPNET_ESTOPPED when asked to stop. */
int validation_run(struct validation *v, struct validation_result *out, const struct model *model,
                   const float *weights);

#endif
