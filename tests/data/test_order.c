/* Orders of epochs: repeatable, complete, and with weights as often as they say. */
#include "data/order.h"

#include "base/error.h"
#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { N = 50 };

static struct order make(const double *expected, bool shuffles, uint64_t seed, uint64_t epoch)
{
    struct order o;
    assert_int_equal(order_init(&o, N), 0);
    order_make(&o, expected, shuffles, seed, epoch);
    return o;
}

/* The permutation of (seed, epoch) from stream UINT64_MAX, which resumed runs rely on. */
static void without_weights(void **state)
{
    (void)state;
    uint32_t expected[N];
    struct rng rng = rng_stream(42, 3, UINT64_MAX);
    rng_permutation(&rng, expected, N);
    struct order o = make(NULL, true, 42, 3);
    for (int i = 0; i < N; i++)
        assert_true(o.visits[i].record == expected[i] && o.visits[i].copy == 0);
    order_free(&o);
    o = make(NULL, false, 42, 3);
    for (uint32_t i = 0; i < N; i++)
        assert_int_equal(o.visits[i].record, i);
    order_free(&o);
}

/* 10 records of expectation 2.5, 30 of 0.8333, 10 of none: N visits. */
static void set_expected(double expected[N])
{
    for (int i = 0; i < N; i++)
        expected[i] = i < 10 ? 2.5 : i < 40 ? 25.0 / 30.0 : 0.0;
}

static void counts_follow_the_weights(void **state)
{
    (void)state;
    enum { EPOCHS = 4000 };
    double expected[N];
    size_t total[N] = {0};
    set_expected(expected);
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        struct order o = make(expected, true, 7, epoch);
        uint32_t count[N] = {0};
        bool seen[N][4] = {0};
        for (int i = 0; i < N; i++) {
            const struct visit v = o.visits[i];
            assert_true(v.record < N && v.copy < 4);
            assert_false(seen[v.record][v.copy]); /* every visit is another one */
            seen[v.record][v.copy] = true;
            count[v.record]++;
        }
        for (int i = 0; i < N; i++) { /* never far from the expectation */
            assert_true(count[i] >= (uint32_t)floor(expected[i]));
            assert_true(count[i] <= (uint32_t)ceil(expected[i]));
            for (uint32_t k = 0; k < count[i]; k++)
                assert_true(seen[i][k]); /* numbered from 0 */
            total[i] += count[i];
        }
        order_free(&o);
    }
    for (int i = 0; i < N; i++) { /* five standard deviations of a count that is one of two */
        const double mean = (double)total[i] / EPOCHS;
        assert_true(fabs(mean - expected[i]) <= 5 * 0.5 / sqrt(EPOCHS));
    }
}

/* Any place of the epoch may be any record's. */
static void visits_are_shuffled(void **state)
{
    (void)state;
    double expected[N], place = 0;
    size_t n = 0;
    set_expected(expected);
    for (uint64_t epoch = 0; epoch < 1000; epoch++) {
        struct order o = make(expected, true, 1, epoch);
        for (int i = 0; i < N; i++)
            if (o.visits[i].record < 10) {
                place += i;
                n++;
            }
        order_free(&o);
    }
    assert_true(fabs(place / (double)n - (N - 1) / 2.0) < 0.5);
}

static void weighted_orders_are_repeatable(void **state)
{
    (void)state;
    double expected[N];
    set_expected(expected);
    struct order a = make(expected, true, 9, 5), b = make(expected, true, 9, 5);
    struct order later = make(expected, true, 9, 6), other = make(expected, true, 10, 5);
    assert_memory_equal(a.visits, b.visits, N * sizeof(*a.visits));
    assert_memory_not_equal(a.visits, later.visits, N * sizeof(*a.visits));
    assert_memory_not_equal(a.visits, other.visits, N * sizeof(*a.visits));
    order_make(&a, expected, true, 9, 6); /* whatever was made before */
    assert_memory_equal(a.visits, later.visits, N * sizeof(*a.visits));
    order_make(&b, expected, false, 9, 5);
    for (int i = 1; i < N; i++)
        assert_true(b.visits[i - 1].record <= b.visits[i].record);
    order_free(&a);
    order_free(&b);
    order_free(&later);
    order_free(&other);
}

/* Rounding may leave the sum of expectations just short of n: still n visits, none of weight 0. */
static void sums_that_fall_short(void **state)
{
    (void)state;
    double expected[N] = {0};
    for (int i = 0; i < 7; i++)
        expected[i] = N / 7.0 * (1 - 1e-12);
    for (uint64_t epoch = 0; epoch < 200; epoch++) {
        struct order o = make(expected, true, 3, epoch);
        for (int i = 0; i < N; i++)
            assert_true(o.visits[i].record < 7);
        order_free(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_weights),      cmocka_unit_test(counts_follow_the_weights),
        cmocka_unit_test(visits_are_shuffled),  cmocka_unit_test(weighted_orders_are_repeatable),
        cmocka_unit_test(sums_that_fall_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
