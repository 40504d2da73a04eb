/*
 * How often which magnitudes occur, in one pass over values whose largest is not known beforehand:
 * bins have a power of two for their width, and are merged pairwise when a larger value comes.
 */
#ifndef DEPLOY_HISTOGRAM_H
#define DEPLOY_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

/* Of these, at least half are in use: 4096 to 8192 steps from 0 to the largest value. */
enum { HISTOGRAM_BINS = 8192 };

struct histogram {
    uint64_t *counts; /* HISTOGRAM_BINS; NULL: zeroed */
    uint64_t n;
    float width; /* of a bin; 0 before the first value */
    float max;   /* the largest magnitude so far, exactly */
};

int histogram_init(struct histogram *h);
void histogram_free(struct histogram *h); /* a zeroed one is allowed */

/* Make room for magnitudes up to `max`, finite. */
void histogram_widen(struct histogram *h, float max);

/* Count a value that there is room for: bins of one's own (of a thread), to be merged later. */
static inline size_t histogram_bin(float inverse_width, float magnitude)
{
    return (size_t)(magnitude * inverse_width);
}
void histogram_merge(struct histogram *h, const uint32_t *counts); /* HISTOGRAM_BINS of them */

/* The same distribution in `n` equal bins from 0 to max; values are spread evenly in a bin. */
void histogram_resample(const struct histogram *h, double *bins, size_t n);

/* The magnitude that `share` (0 to 1) of the values do not exceed; at most max. */
double histogram_quantile(const struct histogram *h, double share);

#endif
