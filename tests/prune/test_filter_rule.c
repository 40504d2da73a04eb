/* The rule of spec 8.1 and the criteria of 8.2, on cases computed by hand. */
#include "prune/filter_rule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

/* `above` scores of 0.9, the others of 0.1. */
static int count_of(int n, int above, int min_filters, int granularity)
{
    double s[128];
    for (int j = 0; j < n; j++)
        s[j] = j < above ? 0.9 : 0.1;
    return filters_count(s, n, 0.5, min_filters, granularity);
}

static void test_count(void **state)
{
    (void)state;
    assert_int_equal(count_of(64, 3, 16, 8), 16); /* the minimum */
    assert_int_equal(count_of(64, 16, 16, 8), 16);
    assert_int_equal(count_of(64, 17, 16, 8), 24); /* rounded up */
    assert_int_equal(count_of(64, 61, 16, 8), 64);
    assert_int_equal(count_of(64, 64, 16, 8), 64);
    assert_int_equal(count_of(19, 16, 16, 8), 16);
    assert_int_equal(count_of(19, 17, 16, 8), 19); /* 24, clipped */
    assert_int_equal(count_of(10, 0, 16, 8), 10);  /* fewer than the minimum */
    assert_int_equal(count_of(12, 0, 4, 8), 8);
    assert_int_equal(count_of(64, 17, 16, 1), 17);
    assert_int_equal(count_of(64, 1, 1, 1), 1);
    assert_int_equal(count_of(64, 0, 1, 32), 32);
    assert_int_equal(count_of(64, 33, 1, 48), 48);
    assert_int_equal(count_of(64, 49, 1, 48), 64);
    assert_int_equal(count_of(5, 2, 1, 4096), 5);
}

static void test_threshold_is_strict(void **state)
{
    (void)state;
    const double s[4] = {0.25, 0.5, 0.75, 1.0};
    assert_int_equal(filters_count(s, 4, 0.5, 1, 1), 2);
    assert_int_equal(filters_count(s, 4, nextafter(0.5, 0.0), 1, 1), 3);
    assert_int_equal(filters_count(s, 4, 1.0, 1, 1), 1); /* with max nothing exceeds 1 */
    assert_int_equal(filters_count(s, 4, 0.0, 1, 1), 4);
}

static void check_selected(const double *s, int n, int count, const char *expected)
{
    bool keep[16];
    filters_select(keep, s, n, count);
    for (int j = 0; j < n; j++)
        assert_int_equal(keep[j], expected[j] == '1');
}

static void test_select(void **state)
{
    (void)state;
    const double s[8] = {3, 1, 4, 1, 5, 9, 2, 6};
    check_selected(s, 8, 0, "00000000");
    check_selected(s, 8, 1, "00000100");
    check_selected(s, 8, 4, "00101101");
    check_selected(s, 8, 5, "10101101");
    check_selected(s, 8, 7, "11101111"); /* of equal ones the first */
    check_selected(s, 8, 8, "11111111");
    const double equal[4] = {2, 2, 2, 2};
    check_selected(equal, 4, 2, "1100");
}

static void check_near(const double *found, const double *expected, int n)
{
    for (int j = 0; j < n; j++)
        assert_true(fabs(found[j] - expected[j]) <= 1e-15 * fabs(expected[j]));
}

static void test_normalize(void **state)
{
    (void)state;
    double a[3] = {1, 4, 2}, b[4] = {1, 1, 1, 1}, c[2] = {3, 4}, d[3] = {0, 0, 0}, e[2] = {7, 9};
    scores_normalize(a, 3, SCORE_NORM_MAX);
    check_near(a, (double[]){0.25, 1.0, 0.5}, 3);
    scores_normalize(b, 4, SCORE_NORM_L2); /* a uniform layer: sqrt(N) */
    check_near(b, (double[]){2, 2, 2, 2}, 4);
    scores_normalize(c, 2, SCORE_NORM_L2); /* 3/5 * 2, 4/5 * 2 */
    check_near(c, (double[]){1.2, 1.6}, 2);
    scores_normalize(d, 3, SCORE_NORM_MAX);
    check_near(d, (double[]){0, 0, 0}, 3);
    scores_normalize(d, 3, SCORE_NORM_L2);
    check_near(d, (double[]){0, 0, 0}, 3);
    scores_normalize(e, 2, SCORE_NORM_NONE);
    check_near(e, (double[]){7, 9}, 2);
}

static void test_join(void **state)
{
    (void)state;
    const double a[4] = {0.1, 0.9, 0.5, 0.0}, b[4] = {0.4, 0.4, 0.5, 1.0},
                 c[4] = {0.4, 0.6, 0.5, 0.5};
    const double *const members[3] = {a, b, c};
    double out[4];
    scores_join(out, members, 3, 4, SCORE_UNION);
    check_near(out, (double[]){0.4, 0.9, 0.5, 1.0}, 4);
    scores_join(out, members, 3, 4, SCORE_INTERSECTION);
    check_near(out, (double[]){0.1, 0.4, 0.5, 0.0}, 4);
    scores_join(out, members, 3, 4, SCORE_ARITHMETIC_MEAN);
    for (int j = 0; j < 4; j++)
        assert_true(fabs(out[j] - (double[]){0.3, 1.9 / 3, 0.5, 0.5}[j]) < 1e-15);
    scores_join(out, members, 2, 4, SCORE_GEOMETRIC_MEAN);
    for (int j = 0; j < 4; j++)
        assert_true(fabs(out[j] - (double[]){0.2, 0.6, 0.5, 0.0}[j]) < 1e-15);
    scores_join(out, members, 1, 4, SCORE_GEOMETRIC_MEAN); /* alone: to the bit */
    for (int j = 0; j < 4; j++)
        assert_true(out[j] == a[j]);
}

/* The first member's memory may take the outcome. */
static void test_join_in_place(void **state)
{
    (void)state;
    double a[2] = {0.25, 0.5};
    const double b[2] = {1.0, 0.125};
    scores_join(a, (const double *const[]){a, b}, 2, 2, SCORE_GEOMETRIC_MEAN);
    assert_true(fabs(a[0] - 0.5) < 1e-15 && fabs(a[1] - 0.25) < 1e-15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_count),  cmocka_unit_test(test_threshold_is_strict),
        cmocka_unit_test(test_select), cmocka_unit_test(test_normalize),
        cmocka_unit_test(test_join),   cmocka_unit_test(test_join_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
