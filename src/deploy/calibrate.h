/*
 * Ranges from pictures: the network runs in fp32 over a stream of letterboxed pictures, histograms
 * of every tensor are kept, and an algorithm chooses each range. Memory does not grow with the
 * number of pictures; results depend on the pictures and their order alone.
 */
#ifndef DEPLOY_CALIBRATE_H
#define DEPLOY_CALIBRATE_H

#include "base/workers.h"
#include "deploy/clip.h"
#include "deploy/network.h"
#include "deploy/ranges.h"

/* The next picture as (h, w, 3) RGB bytes into `pixels`: 1, 0 at the end, or an error code. */
typedef int (*calibration_feed)(void *ctx, uint8_t *pixels);

struct calibration_options {
    enum calibration_algorithm algorithm;
    double percentile; /* 99.99 */
    enum cpu_level level;
    struct workers *workers;
    bool equalize;             /* the network is equalised (equalize.h), by the same pictures */
    void (*rewind)(void *ctx); /* with `equalize`: the feed gives its pictures once more */
};

/* What else quantisation may use: the mean of every channel of every tensor. */
struct channel_means {
    float **of_tensor; /* per tensor; NULL where nothing was seen */
    int n_tensors;
};

/* `net` is all F32. `means` may be NULL. Ranges and means are of the network as it is then,
 * equalised or not; the ranges have the factors. */
int calibrate(struct ranges *out, struct channel_means *means, struct network *net,
              calibration_feed feed, void *ctx, const struct calibration_options *options);
void channel_means_free(struct channel_means *m); /* zeroed is allowed */

#endif
