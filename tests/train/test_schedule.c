/* Learning-rate schedules at points whose values are known. */
#include "train/schedule.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void close_to(double found, double expected)
{
    if (!(fabs(found - expected) <= 1e-12 * fabs(expected)))
        fail_msg("found %.17g, expected %.17g", found, expected);
}

/* Values of the reference implementation for 2e-5, 8e-8, 0.05, 0.5. */
static void test_softstart_is_the_reference(void **state)
{
    (void)state;
    static const struct {
        uint64_t step; /* of 1000 */
        double lr;
    } golden[] = {
        {0, 8.000000000000003e-08},    {10, 2.413670534618065e-07},   {25, 1.2649110640673519e-06},
        {50, 1.9999999999999998e-05},  {250, 1.9999999999999998e-05}, {500, 1.9999999999999998e-05},
        {600, 6.6289080346799755e-06}, {750, 1.2649110640673519e-06}, {900, 2.413670534618065e-07},
        {1000, 8.000000000000003e-08}, {1200, 8.000000000000003e-08},
    };
    const struct schedule_spec spec = {.kind = SCHEDULE_SOFTSTART,
                                       .base_lr = 2e-5,
                                       .min_lr = 8e-8,
                                       .soft_start = 0.05,
                                       .annealing = 0.5};
    const struct schedule s = {&spec, 1000, 50};
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++)
        close_to(schedule_lr(&s, golden[i].step), golden[i].lr);
}

static void test_softstart_without_ramps(void **state)
{
    (void)state;
    const struct schedule_spec spec = {
        .kind = SCHEDULE_SOFTSTART, .base_lr = 1e-3, .min_lr = 1e-6, .annealing = 1.0};
    const struct schedule s = {&spec, 10, 1};
    for (uint64_t step = 0; step <= 10; step++)
        close_to(schedule_lr(&s, step), 1e-3);
}

static void test_cosine(void **state)
{
    (void)state;
    const struct schedule_spec spec = {
        .kind = SCHEDULE_COSINE, .base_lr = 1.0, .min_lr = 0.1, .soft_start = 0.2};
    const struct schedule s = {&spec, 100, 10};
    close_to(schedule_lr(&s, 0), 0.1);
    close_to(schedule_lr(&s, 10), 0.55);
    close_to(schedule_lr(&s, 20), 1.0);
    close_to(schedule_lr(&s, 60), 0.55); /* half-way down */
    close_to(schedule_lr(&s, 100), 0.1);
    for (uint64_t step = 21; step <= 100; step++)
        assert_true(schedule_lr(&s, step) < schedule_lr(&s, step - 1));
}

static void test_exponential(void **state)
{
    (void)state;
    struct schedule_spec spec = {.kind = SCHEDULE_EXPONENTIAL,
                                 .base_lr = 8.0,
                                 .min_lr = 1.0,
                                 .decay_epochs = 2,
                                 .decay_rate = 0.25};
    const struct schedule s = {&spec, 1000, 10};
    close_to(schedule_lr(&s, 0), 8.0);
    close_to(schedule_lr(&s, 10), 4.0); /* 0.25 ^ 0.5 */
    close_to(schedule_lr(&s, 20), 2.0);
    close_to(schedule_lr(&s, 500), 1.0); /* the floor */
    spec.staircase = true;
    close_to(schedule_lr(&s, 19), 8.0);
    close_to(schedule_lr(&s, 20), 2.0);
}

static void test_constant(void **state)
{
    (void)state;
    const struct schedule_spec spec = {.kind = SCHEDULE_CONSTANT, .base_lr = 3e-4};
    const struct schedule s = {&spec, 5, 1};
    close_to(schedule_lr(&s, 0), 3e-4);
    close_to(schedule_lr(&s, 5), 3e-4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softstart_is_the_reference),
        cmocka_unit_test(test_softstart_without_ramps),
        cmocka_unit_test(test_cosine),
        cmocka_unit_test(test_exponential),
        cmocka_unit_test(test_constant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
