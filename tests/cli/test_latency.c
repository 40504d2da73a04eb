/* Percentiles by hand, and memory that is reserved before anything is measured. */
#include "cli/latency.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void near(double found, double expected)
{
    assert_true(found - expected < 1e-9 && expected - found < 1e-9);
}

/* 1 to 100 ms, worst first. */
static void percentiles_are_ranks(void **state)
{
    (void)state;
    struct latencies l = {0};
    assert_int_equal(latencies_reserve(&l, 100), 0);
    for (int ms = 100; ms >= 1; ms--)
        latencies_add(&l, ms * 1000000);
    const struct latency_summary s = latencies_summarize(&l);
    assert_int_equal(s.n, 100);
    near(s.min, 1);
    near(s.max, 100);
    near(s.mean, 50.5);
    near(s.median, 50);
    near(s.p90, 90);
    near(s.p95, 95);
    near(s.p99, 99);
    latencies_free(&l);
}

static void a_single_run_is_everything(void **state)
{
    (void)state;
    struct latencies l = {0};
    assert_int_equal(latencies_reserve(&l, 1), 0);
    latencies_add(&l, 2500000);
    const struct latency_summary s = latencies_summarize(&l);
    near(s.min, 2.5);
    near(s.p99, 2.5);
    near(s.variation, 0);
    latencies_free(&l);
}

/* The slowest and the fastest twentieth do not count: a neighbour may have been busy. */
static void outliers_do_not_vary(void **state)
{
    (void)state;
    struct latencies l = {0};
    assert_int_equal(latencies_reserve(&l, 100), 0);
    for (int i = 0; i < 100; i++)
        latencies_add(&l, i < 4 ? 90000000 : i % 2 ? 9000000 : 11000000);
    const struct latency_summary s = latencies_summarize(&l);
    /* 43 of 9 ms and 47 of 11 ms are left. */
    const double mean = (43 * 9 + 47 * 11) / 90.0, deviation = 2 * sqrt(43 * 47) / 90;
    near(s.variation, deviation / mean);
    near(s.max, 90);
    latencies_free(&l);
}

static void no_runs_are_zero(void **state)
{
    (void)state;
    struct latencies l = {0};
    const struct latency_summary s = latencies_summarize(&l);
    assert_int_equal(s.n, 0);
    near(s.median, 0);
}

static void what_has_no_room_is_dropped(void **state)
{
    (void)state;
    struct latencies l = {0}, all = {0};
    assert_int_equal(latencies_reserve(&l, 2), 0);
    for (int i = 0; i < 5; i++)
        latencies_add(&l, i);
    assert_int_equal(l.n, 2);
    assert_int_equal(latencies_append(&all, &l), 0);
    assert_int_equal(latencies_append(&all, &l), 0);
    assert_int_equal(all.n, 4);
    assert_int_equal(latencies_reserve(&l, SIZE_MAX), 0);
    assert_int_equal(l.capacity, LATENCY_MAX);
    latencies_free(&l);
    latencies_free(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(percentiles_are_ranks),       cmocka_unit_test(a_single_run_is_everything),
        cmocka_unit_test(outliers_do_not_vary),        cmocka_unit_test(no_runs_are_zero),
        cmocka_unit_test(what_has_no_room_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
