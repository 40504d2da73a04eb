/* Histograms and the ranges chosen from them: literal implementations, hand cases, properties. */
#include "base/rng.h"
#include "deploy/clip.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- histograms ------------------------------------------------------------------------------ */

static void count(struct histogram *h, const float *x, size_t n)
{
    float max = 0;
    uint32_t *counts = calloc(HISTOGRAM_BINS, sizeof(*counts));
    assert_non_null(counts);
    for (size_t i = 0; i < n; i++)
        max = fmaxf(max, fabsf(x[i]));
    histogram_widen(h, max);
    for (size_t i = 0; i < n; i++) {
        const size_t bin = histogram_bin(1 / h->width, fabsf(x[i]));
        assert_in_range(bin, 0, HISTOGRAM_BINS - 1);
        counts[bin]++;
    }
    histogram_merge(h, counts);
    free(counts);
}

/* Values in any order and any portions give the same counts as all at once. */
static void test_widening(void **state)
{
    (void)state;
    enum { N = 6000 };
    float x[N];
    struct rng rng = rng_stream(1, 0, 0);
    for (size_t i = 0; i < N; i++)
        x[i] = (float)(rng_normal(&rng) * pow(10, rng_range(&rng, -3, 3)));
    memset(x, 0, 10 * sizeof(x[0])); /* a map of zeros first */
    struct histogram whole, portions;
    assert_int_equal(histogram_init(&whole), 0);
    assert_int_equal(histogram_init(&portions), 0);
    count(&whole, x, N);
    count(&portions, x, 10);
    for (size_t i = 10; i < N; i += 599)
        count(&portions, x + i, i + 599 < N ? 599 : N - i);
    assert_true(whole.width == portions.width && whole.max == portions.max);
    assert_int_equal(whole.n, N);
    assert_memory_equal(whole.counts, portions.counts, HISTOGRAM_BINS * sizeof(uint64_t));
    assert_true(whole.width * HISTOGRAM_BINS > whole.max);
    assert_true(whole.width * HISTOGRAM_BINS <= 2 * whole.max);
    histogram_free(&whole);
    histogram_free(&portions);
}

/* From the smallest numbers to the largest in one step, and nothing but zeros. */
static void test_extremes(void **state)
{
    (void)state;
    struct histogram h;
    assert_int_equal(histogram_init(&h), 0);
    count(&h, (const float[]){0, 0}, 2);
    assert_true(clip_range(&h, CALIBRATE_ENTROPY, 0, true) == 0);
    count(&h, (const float[]){1e-40F, 1e-30F}, 2);
    count(&h, (const float[]){1e29F, -1e30F}, 2);
    assert_int_equal(h.counts[0], 4);
    assert_int_equal(h.n, 6);
    assert_true(h.max == 1e30F);
    assert_true(clip_range(&h, CALIBRATE_MAX, 0, true) == 1e30F);
    histogram_free(&h);
}

static void test_resampling(void **state)
{
    (void)state;
    struct histogram h;
    assert_int_equal(histogram_init(&h), 0);
    histogram_widen(&h, 1.5F); /* bins of 2 / 8192 */
    uint32_t *counts = calloc(HISTOGRAM_BINS, sizeof(*counts));
    assert_non_null(counts);
    for (size_t i = 0; i < HISTOGRAM_BINS * 3 / 4; i++)
        counts[i] = 10;
    histogram_merge(&h, counts);
    double bins[1000], sum = 0;
    histogram_resample(&h, bins, 1000);
    for (size_t i = 0; i < 1000; i++) {
        assert_true(fabs(bins[i] - 61.44) < 1e-6); /* an even distribution stays even */
        sum += bins[i];
    }
    assert_true(fabs(sum - (double)h.n) < 1e-6);
    assert_true(fabs(histogram_quantile(&h, 0.5) - 0.75) < 1e-9);
    assert_true(fabs(histogram_quantile(&h, 0.999) - 1.4985) < 1e-9);
    assert_true(histogram_quantile(&h, 1) <= 1.5);
    free(counts);
    histogram_free(&h);
}

/* ---- entropy --------------------------------------------------------------------------------- */

/* The rule, word for word. */
static double literal_divergence(const double *bins, size_t n, size_t i, size_t levels)
{
    double *p = calloc(n, sizeof(*p)), *q = calloc(n, sizeof(*q)), sum_p = 0, sum_q = 0, kl = 0;
    assert_non_null(p);
    assert_non_null(q);
    for (size_t j = 0; j < n; j++)
        p[j < i ? j : i - 1] += bins[j];
    for (size_t g = 0; g < levels; g++) {
        double mass = 0;
        int filled = 0;
        for (size_t j = 0; j < i; j++) {
            if (j * levels / i == g) {
                mass += bins[j];
                filled += bins[j] > 0;
            }
        }
        for (size_t j = 0; j < i; j++) {
            if (j * levels / i == g && bins[j] > 0)
                q[j] = mass / filled;
        }
    }
    for (size_t j = 0; j < i; j++) {
        sum_p += p[j];
        sum_q += q[j];
    }
    for (size_t j = 0; j < i; j++) {
        if (p[j] > 0)
            kl += q[j] > 0 ? p[j] / sum_p * log(p[j] / sum_p / (q[j] / sum_q)) : INFINITY;
    }
    free(p);
    free(q);
    return kl;
}

static void draw_bins(double *bins, size_t n, struct rng *rng)
{
    const double decay = rng_range(rng, 1, 12), gaps = rng_uniform(rng) < 0.5 ? 0.3 : 0;
    for (size_t j = 0; j < n; j++) {
        const double mean = 1000 * exp(-decay * (double)j / (double)n);
        bins[j] = rng_uniform(rng) < gaps ? 0 : floor(mean * rng_range(rng, 0, 2));
    }
    bins[n - 1] = 1; /* the largest value */
}

static void test_entropy_rule(void **state)
{
    (void)state;
    enum { N = 160 };
    for (uint32_t trial = 0; trial < 30; trial++) {
        static const size_t levels_of[] = {8, 16, 31};
        const size_t levels = levels_of[trial % 3];
        struct rng rng = rng_stream(11, trial, 0);
        double bins[N], least = INFINITY;
        draw_bins(bins, N, &rng);
        for (size_t i = levels; i <= N; i++)
            least = fmin(least, literal_divergence(bins, N, i, levels));
        const size_t best = clip_entropy(bins, N, levels);
        assert_in_range(best, levels, N);
        assert_true(bins[best - 1] > 0);
        assert_true(fabs(literal_divergence(bins, N, best, levels) - least) < 1e-12);
    }
}

/* Four bins, two levels, by hand.
 *   bins 8 8 0 1: i = 2: P = 8 9, Q = 8 8:   KL = 8/17 log(16/17) + 9/17 log(18/17) = 0.0017
 *                 i = 4: P = 8 8 0 1, Q the same: KL = 0
 *   bins 1 9 9 1: i = 2: P = 1 19, Q = 1 9: KL = 0.05 log 0.5 + 0.95 log(0.95 / 0.9) = 0.0167
 *                 i = 3: groups {0, 1}, {2}: P = 1 9 10, Q = 5 5 9:     KL = 0.1854
 *                 i = 4: groups {0, 1}, {2, 3}: P = 1 9 9 1, Q = 5 5 5 5: KL = 0.3681 */
static void test_entropy_by_hand(void **state)
{
    (void)state;
    assert_int_equal(clip_entropy((const double[]){8, 8, 0, 1}, 4, 2), 4);
    assert_int_equal(clip_entropy((const double[]){1, 9, 9, 1}, 4, 2), 2);
    assert_true(fabs(literal_divergence((const double[]){1, 9, 9, 1}, 4, 3, 2) - 0.1854) < 1e-4);
    assert_true(fabs(literal_divergence((const double[]){1, 9, 9, 1}, 4, 4, 2) - 0.3681) < 1e-4);
}

/* ---- ranges ---------------------------------------------------------------------------------- */

/* Values by `inverse`, the inverse of their distribution function, evenly. */
static void fill(struct histogram *h, double (*inverse)(double u))
{
    enum { N = 200000 };
    float *x = malloc(N * sizeof(*x));
    assert_non_null(x);
    for (size_t i = 0; i < N; i++)
        x[i] = (float)inverse(((double)i + 0.5) / N);
    assert_int_equal(histogram_init(h), 0);
    count(h, x, N);
    free(x);
}

static double even(double u)
{
    return 3 * u;
}

/* An exponential distribution with one value in a thousand far away. */
static double outliers(double u)
{
    return u < 0.999 ? -log(1 - u) : 10 + 10000 * (u - 0.999) * 9;
}

static double constant(double u)
{
    (void)u;
    return -0.7;
}

static double squared_error(double amax, double steps)
{
    double sum = 0;
    enum { N = 20000 };
    for (size_t i = 0; i < N; i++) {
        const double v = outliers(((double)i + 0.5) / N), s = amax / steps;
        const double d = v - s * fmin(rint(v / s), steps);
        sum += d * d / N;
    }
    return sum;
}

static void test_ranges(void **state)
{
    (void)state;
    struct histogram h;
    fill(&h, even); /* nothing to be gained by clipping */
    assert_true(clip_range(&h, CALIBRATE_MAX, 0, false) == h.max);
    assert_true(fabsf(clip_range(&h, CALIBRATE_PERCENTILE, 99, false) - 2.97F) < 1e-3F);
    assert_true(clip_range(&h, CALIBRATE_PERCENTILE, 100, false) <= h.max);
    assert_true(clip_range(&h, CALIBRATE_MSE, 0, true) > 2.97F);
    assert_true(clip_range(&h, CALIBRATE_ENTROPY, 0, false) > 2.97F);
    assert_true(clip_range(&h, CALIBRATE_ENTROPY, 0, true) > 2.97F);
    histogram_free(&h);

    fill(&h, constant);
    for (int a = 0; a < CALIBRATE_ALGORITHMS; a++)
        assert_true(fabsf(clip_range(&h, (enum calibration_algorithm)a, 99.99, false) - 0.7F) <
                    1e-3F);
    histogram_free(&h);
}

static void test_outliers(void **state)
{
    (void)state;
    struct histogram h;
    fill(&h, outliers);
    assert_true(fabsf(h.max - 99.5F) < 1);
    assert_true(fabsf(clip_range(&h, CALIBRATE_PERCENTILE, 99, true) - 4.605F) < 0.02F);
    /* The entropy rule does not see how far away the outliers are. */
    assert_true(clip_range(&h, CALIBRATE_ENTROPY, 0, false) < 12);
    /* The squared error's choice beats all others, and finer steps can afford a wider range. */
    const double chosen = (double)clip_range(&h, CALIBRATE_MSE, 0, false);
    const double least = squared_error(chosen, 127);
    for (double amax = 4; amax <= 100; amax *= 1.1)
        assert_true(squared_error(amax, 127) > least * 0.98);
    assert_true(squared_error((double)clip_range(&h, CALIBRATE_MSE, 0, true), 255) < least);
    histogram_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_widening),        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_resampling),      cmocka_unit_test(test_entropy_rule),
        cmocka_unit_test(test_entropy_by_hand), cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_outliers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
