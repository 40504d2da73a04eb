/*
 * Where to clip: the range of a tensor from the histogram of its magnitudes. A smaller range has
 * finer steps and cuts off more.
 */
#ifndef DEPLOY_CLIP_H
#define DEPLOY_CLIP_H

#include "deploy/histogram.h"

#include <stdbool.h>

enum calibration_algorithm {
    CALIBRATE_ENTROPY, /* least Kullback-Leibler divergence (spec 12.5) */
    CALIBRATE_MAX,
    CALIBRATE_PERCENTILE,
    CALIBRATE_MSE, /* least squared error of the rounded values */
    CALIBRATE_ALGORITHMS
};

extern const char *const calibration_names[]; /* "entropy", "max", …, NULL */

/* amax; 0 for a tensor that is always 0. `percentile` is used by CALIBRATE_PERCENTILE alone.
 * Tensors that cannot be negative have steps of amax / 255, others of amax / 127. */
float clip_range(const struct histogram *h, enum calibration_algorithm algorithm, double percentile,
                 bool nonnegative);

/*
 * The entropy rule: for every i from `levels` to n, P is bins[0 .. i) with all that lies beyond
 * added to its last bin, Q the same bins merged into `levels` equal groups, each group's mass
 * spread evenly over its bins that are not empty; what counts is KL(P || Q) of the normalised two.
 * Returns the i with the least; bin i - 1 is not empty. n >= levels.
 */
size_t clip_entropy(const double *bins, size_t n, size_t levels);

enum {
    CLIP_ENTROPY_BINS = 2048,
    CLIP_LEVELS = 128,         /* |q| is 0..127 */
    CLIP_UNSIGNED_LEVELS = 256 /* q is 0..255 */
};

#endif
