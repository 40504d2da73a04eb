/*
 * Ranges from histograms. The entropy rule looks at two thousand candidates; sums over all bins
 * that do not depend on the grouping are kept as running sums, so that a candidate costs its groups
 * and not its bins.
 */
#include "deploy/clip.h"

#include <math.h>

const char *const calibration_names[] = {
    [CALIBRATE_ENTROPY] = "entropy",       [CALIBRATE_MAX] = "max",
    [CALIBRATE_PERCENTILE] = "percentile", [CALIBRATE_MSE] = "mse",
    [CALIBRATE_ALGORITHMS] = NULL,
};

/* ---- entropy ------------------------------------------------------------------------------- */

enum { MAX_BINS = CLIP_ENTROPY_BINS };

/* Running sums: of the bins before index i. */
struct sums {
    size_t n;
    double mass[MAX_BINS + 1];   /* c */
    double logs[MAX_BINS + 1];   /* c log c */
    size_t filled[MAX_BINS + 1]; /* those that are not empty */
};

static void add_up(struct sums *s, const double *bins, size_t n)
{
    s->n = n;
    s->mass[0] = s->logs[0] = 0;
    s->filled[0] = 0;
    for (size_t i = 0; i < n; i++) {
        const double c = bins[i];
        s->mass[i + 1] = s->mass[i] + c;
        s->logs[i + 1] = s->logs[i] + (c > 0 ? c * log(c) : 0);
        s->filled[i + 1] = s->filled[i] + (c > 0);
    }
}

/*
 * With N all mass, M the mass before i, T = N - M beyond, q the density of Q in a group:
 *     N KL = sum P log P - sum over groups of mass log q - T log q(last group) + N log(M / N)
 */
static double divergence(const struct sums *s, const double *bins, size_t i, size_t levels)
{
    const double all = s->mass[s->n], inside = s->mass[i], beyond = all - inside;
    const double last = bins[i - 1] + beyond;
    double sum = s->logs[i - 1] + last * log(last) + all * log(inside / all);
    double density = 1;
    size_t begin = 0;
    for (size_t g = 0; g < levels; g++) {
        const size_t end = ((g + 1) * i + levels - 1) / levels; /* bins j with j * levels / i = g */
        const double mass = s->mass[end] - s->mass[begin];
        const size_t filled = s->filled[end] - s->filled[begin];
        if (filled > 0) {
            density = mass / (double)filled;
            sum -= mass * log(density);
        }
        begin = end;
    }
    return (sum - beyond * log(density)) / all; /* the last group holds bin i - 1 */
}

size_t clip_entropy(const double *bins, size_t n, size_t levels)
{
    struct sums s;
    add_up(&s, bins, n);
    size_t best = n;
    double least = INFINITY;
    for (size_t i = levels; i <= n; i++) {
        if (!(bins[i - 1] > 0)) /* P has mass where Q has none */
            continue;
        const double kl = divergence(&s, bins, i, levels);
        if (kl < least) {
            least = kl;
            best = i;
        }
    }
    return best;
}

/*
 * Half the values behind a ReLU are 0, which every range represents exactly. Left in, spreading
 * this mass over a group would outweigh everything else and forbid groups of several bins; so the
 * first bin counts like its neighbour.
 */
static double entropy_range(const struct histogram *h, bool nonnegative)
{
    double bins[CLIP_ENTROPY_BINS];
    histogram_resample(h, bins, CLIP_ENTROPY_BINS);
    bins[0] = bins[0] < bins[1] ? bins[0] : bins[1];
    const size_t i =
        clip_entropy(bins, CLIP_ENTROPY_BINS, nonnegative ? CLIP_UNSIGNED_LEVELS : CLIP_LEVELS);
    return ((double)i + 0.5) * h->max / CLIP_ENTROPY_BINS;
}

/* ---- squared error ------------------------------------------------------------------------- */

/* Sum of (v - rounded and clipped v)^2, every value at its bin's middle. */
static double squared_error(const struct histogram *h, double range, double steps)
{
    const double step = range / steps;
    double sum = 0;
    for (size_t i = 0; i < HISTOGRAM_BINS; i++) {
        if (h->counts[i] == 0)
            continue;
        const double v = ((double)i + 0.5) * h->width;
        const double q = rint(v / step);
        const double d = v - step * (q < steps ? q : steps);
        sum += (double)h->counts[i] * d * d;
    }
    return sum;
}

/* Candidates from 1/32 of the largest value to all of it. */
static double squared_range(const struct histogram *h, bool nonnegative)
{
    enum { FIRST = 8, CANDIDATES = 256 };
    double best = h->max, least = INFINITY;
    for (int k = CANDIDATES; k >= FIRST; k--) {
        const double range = (double)h->max * k / CANDIDATES;
        const double error = squared_error(h, range, nonnegative ? 255 : 127);
        if (error < least) {
            least = error;
            best = range;
        }
    }
    return best;
}

/* ---- any ----------------------------------------------------------------------------------- */

float clip_range(const struct histogram *h, enum calibration_algorithm algorithm, double percentile,
                 bool nonnegative)
{
    if (!(h->max > 0) || h->n == 0)
        return 0;
    double range = h->max;
    switch (algorithm) {
    case CALIBRATE_ENTROPY: range = entropy_range(h, nonnegative); break;
    case CALIBRATE_PERCENTILE: range = histogram_quantile(h, percentile / 100); break;
    case CALIBRATE_MSE: range = squared_range(h, nonnegative); break;
    case CALIBRATE_MAX:
    case CALIBRATE_ALGORITHMS: break;
    }
    /* A tensor whose values are nearly all 0 still has some. */
    return range > 0 ? (float)range : h->max;
}
