/* Histograms that widen by powers of two: merging is exact, so order and threads do not matter. */
#include "deploy/histogram.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

/* Smaller maxima than 2^-99 share one width, which keeps its inverse finite. */
enum { LOWEST_EXPONENT = -99 };

int histogram_init(struct histogram *h)
{
    *h = (struct histogram){.counts = calloc(HISTOGRAM_BINS, sizeof(*h->counts))};
    return h->counts ? BPNET_OK : error_set(BPNET_ENOMEM, "no memory for a histogram");
}

void histogram_free(struct histogram *h)
{
    free(h->counts);
    *h = (struct histogram){0};
}

void histogram_widen(struct histogram *h, float max)
{
    if (max > h->max)
        h->max = max;
    int exponent;
    frexpf(max, &exponent); /* max < 2^exponent */
    if (!(max > 0) || exponent < LOWEST_EXPONENT)
        exponent = LOWEST_EXPONENT;
    const float width = ldexpf(1.0F, exponent) / HISTOGRAM_BINS;
    if (width <= h->width)
        return;
    const float ratio = h->width > 0 ? width / h->width : 1;
    /* All that was counted is in the first bin once the ratio exceeds the number of bins. */
    const size_t merged = ratio < HISTOGRAM_BINS ? (size_t)ratio : HISTOGRAM_BINS;
    for (size_t i = 0; merged > 1 && i < HISTOGRAM_BINS; i++) {
        const uint64_t count = h->counts[i];
        h->counts[i] = 0;
        h->counts[i / merged] += count;
    }
    h->width = width;
}

void histogram_merge(struct histogram *h, const uint32_t *counts)
{
    for (size_t i = 0; i < HISTOGRAM_BINS; i++) {
        h->counts[i] += counts[i];
        h->n += counts[i];
    }
}

/* Part i of the bins [0, used) that cover 0 to max; the last one is cut at max. */
static double bin_end(const struct histogram *h, size_t i)
{
    const double end = (double)h->width * (double)(i + 1);
    return end < h->max ? end : h->max;
}

void histogram_resample(const struct histogram *h, double *bins, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bins[i] = 0;
    const double step = h->max / (double)n;
    double begin = 0;
    for (size_t i = 0, k = 0; i < HISTOGRAM_BINS && h->n > 0; i++) {
        const double end = bin_end(h, i), count = (double)h->counts[i];
        /* Values equal to max may fall on the edge of a bin, which is then of no width. */
        if (!(end > begin)) {
            bins[n - 1] += count;
            continue;
        }
        for (double at = begin; at < end;) {
            const double edge = step * (double)(k + 1);
            const double to = edge < end && k + 1 < n ? edge : end;
            bins[k] += count * (to - at) / (end - begin);
            at = to;
            k += edge <= end && k + 1 < n;
        }
        begin = end;
    }
}

double histogram_quantile(const struct histogram *h, double share)
{
    const double wanted = share * (double)h->n;
    double before = 0, begin = 0;
    for (size_t i = 0; i < HISTOGRAM_BINS; i++) {
        const double end = bin_end(h, i), count = (double)h->counts[i];
        if (count > 0 && before + count >= wanted)
            return begin + (end - begin) * (wanted - before) / count;
        before += count;
        begin = end;
    }
    return h->max;
}
