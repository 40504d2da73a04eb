/*
 * The loss of spec 7.1. For each output with label L and mask m
 *
 *     l = 1/2 * sum over images, cells, channels of ((p - L) * m)^2
 *
 * and the data loss is the sum of all l over the number of images. The focal form multiplies the
 * difference by |1 - q|^gamma with q = p - alpha where L > background_threshold, 1 - p - beta
 * elsewhere (after Li et al., Simple Pose, 2020); its gradient goes through the factor too.
 */
#ifndef TRAIN_LOSS_H
#define TRAIN_LOSS_H

#include "base/workers.h"
#include "kernel/kernel.h"
#include "spec/spec.h"

#include <stddef.h>

enum { LOSS_MAX_MAPS = 64 }; /* 32 stages */

/* One output of the network and what it should be: (N, cells, channels). */
struct loss_map {
    const float *value;
    int pitch, channels; /* of value; the others are dense */
    size_t cells;        /* h * w */
    const float *label, *mask;
    float *grad; /* d(data loss) / d(value), or NULL */
};

struct loss_value {
    int n_maps;
    double map[LOSS_MAX_MAPS]; /* l / images: heat 1..S, then PAF 1..S */
    double data;               /* their sum */
};

struct loss;

/* For up to `max_images` images at once. The spec, kernels and workers are borrowed. */
int loss_open(struct loss **out, const struct loss_spec *spec, int max_images,
              const struct kernels *kernels, struct workers *workers);
void loss_close(struct loss *l); /* NULL is allowed */

/* Values and gradients of n_maps outputs over the first `images` images. */
void loss_run(struct loss *l, struct loss_value *out, const struct loss_map *maps, int n_maps,
              int images);

/* "heatmap loss of stage 2": what map[k] of 2S maps is. */
void loss_map_name(char name[48], int k, int n_maps);

/* The map to blame for a loss that is not finite: the first such, else the largest. */
int loss_worst_map(const struct loss_value *v);

#endif
