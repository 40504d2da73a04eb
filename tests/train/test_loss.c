/* The loss: a golden value, the mask's place, gradients against differences, threads, NaN. */
#include "train/loss.h"

#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct kernels kernels;
    struct workers *workers;
};

static int setup(void **state)
{
    static struct fixture f;
    kernels_init(&f.kernels, cpu_level_detect());
    *state = &f;
    return workers_open(&f.workers, 2);
}

static int teardown(void **state)
{
    workers_close(((struct fixture *)*state)->workers);
    return 0;
}

static const struct loss_spec plain;
static const struct loss_spec focal = {
    .focal = true, .alpha = 0.1, .beta = 0.02, .background_threshold = 0.01, .gamma = 1.0};

static float *numbers(size_t n, uint64_t stream, double low, double high)
{
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    struct rng rng = rng_stream(7, stream, 0);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_range(&rng, low, high);
    return x;
}

static float *constant(size_t n, float value)
{
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = value;
    return x;
}

/* One stage at 32 x 32, everything 0.1 off, unmasked: 0.5 * 32 * 32 * 57 * 0.01. */
static void test_reference_value(void **state)
{
    struct fixture *f = *state;
    enum { CELLS = 32 * 32 };
    float *zero = constant(CELLS * 38, 0.0F), *off = constant(CELLS * 38, 0.1F),
          *one = constant(CELLS * 38, 1.0F);
    const struct loss_map maps[2] = {
        {.value = off, .pitch = 19, .channels = 19, .cells = CELLS, .label = zero, .mask = one},
        {.value = off, .pitch = 38, .channels = 38, .cells = CELLS, .label = zero, .mask = one},
    };
    struct loss *l;
    struct loss_value v;
    assert_int_equal(loss_open(&l, &plain, 1, &f->kernels, f->workers), 0);
    loss_run(l, &v, maps, 2, 1);
    assert_true(fabs(v.data - 291.84) < 1e-4);
    assert_true(fabs(v.map[0] - 291.84 * 19 / 57) < 1e-4);
    assert_true(fabs(v.map[1] - 291.84 * 38 / 57) < 1e-4);
    loss_close(l);
    free(zero);
    free(off);
    free(one);
}

/* Two images, one cell: (3 * 0.5)^2 / 2 = 1.125 and (2 * 1)^2 / 2 = 2, over two images. */
static void test_mask_is_inside_the_square(void **state)
{
    struct fixture *f = *state;
    const float value[2] = {4.0F, 1.0F}, label[2] = {1.0F, 3.0F}, mask[2] = {0.5F, 1.0F};
    float grad[2];
    const struct loss_map map = {value, 1, 1, 1, label, mask, grad};
    struct loss *l;
    struct loss_value v;
    assert_int_equal(loss_open(&l, &plain, 2, &f->kernels, f->workers), 0);
    loss_run(l, &v, &map, 1, 2);
    assert_true(fabs(v.data - (1.125 + 2.0) / 2) < 1e-6);
    assert_true(fabsf(grad[0] - 0.375F) < 1e-6F); /* 3 * 0.25 / 2 */
    assert_true(fabsf(grad[1] + 1.0F) < 1e-6F);
    loss_run(l, &v, &map, 1, 1); /* the first image alone */
    assert_true(fabs(v.data - 1.125) < 1e-6);
    loss_close(l);
}

/* Foreground 0.8 for 1: q = 0.7, (0.2 * 0.3)^2 / 2; background 0.3 for 0: (0.3 * 0.32)^2 / 2. */
static void test_focal_by_hand(void **state)
{
    struct fixture *f = *state;
    const float value[2] = {0.8F, 0.3F}, label[2] = {1.0F, 0.0F}, mask[2] = {1.0F, 1.0F};
    const struct loss_map map = {value, 1, 1, 2, label, mask, NULL};
    struct loss *l;
    struct loss_value v;
    assert_int_equal(loss_open(&l, &focal, 1, &f->kernels, f->workers), 0);
    loss_run(l, &v, &map, 1, 1);
    assert_true(fabs(v.data - (0.06 * 0.06 + 0.096 * 0.096) / 2) < 1e-7);
    loss_close(l);
}

/* Central differences of the loss against its gradient, with pitched outputs and soft masks. */
static void check_gradients(struct fixture *f, const struct loss_spec *spec)
{
    enum { N = 2, CELLS = 6, CHANNELS = 5, PITCH = 7, FLOATS = N * CELLS * CHANNELS };
    float *value = numbers(N * CELLS * PITCH, 1, -0.5, 1.5), *label = numbers(FLOATS, 2, -0.5, 1.0),
          *mask = numbers(FLOATS, 3, 0.0, 1.0), *grad = constant(FLOATS, NAN);
    struct loss_map map = {value, PITCH, CHANNELS, CELLS, label, mask, grad};
    struct loss *l;
    struct loss_value v, up, down;
    assert_int_equal(loss_open(&l, spec, N, &f->kernels, f->workers), 0);
    loss_run(l, &v, &map, 1, N);
    map.grad = NULL;
    const float h = 1.0F / 1024;
    for (int i = 0; i < FLOATS; i++) {
        float *at = &value[i / CHANNELS * PITCH + i % CHANNELS];
        const float old = *at;
        *at = old + h;
        loss_run(l, &up, &map, 1, N);
        *at = old - h;
        loss_run(l, &down, &map, 1, N);
        *at = old;
        const double slope = (up.data - down.data) / (2.0 * (double)h);
        if (!(fabs(slope - (double)grad[i]) < 2e-4 * (1.0 + fabs(slope))))
            fail_msg("value %d: gradient %g, difference quotient %g", i, (double)grad[i], slope);
    }
    loss_close(l);
    free(value);
    free(label);
    free(mask);
    free(grad);
}

static void test_gradients(void **state)
{
    check_gradients(*state, &plain);
}

static void test_focal_gradients(void **state)
{
    struct loss_spec spec = focal;
    check_gradients(*state, &spec);
    spec.gamma = 2.5;
    check_gradients(*state, &spec);
    spec.gamma = 0.0; /* the plain loss */
    check_gradients(*state, &spec);
}

static void test_pitch_and_threads_change_nothing(void **state)
{
    struct fixture *f = *state;
    enum { N = 3, CELLS = 35, CHANNELS = 19, FLOATS = N * CELLS * CHANNELS };
    float *value = numbers(FLOATS, 4, -1, 1), *label = numbers(FLOATS, 5, -1, 1),
          *mask = numbers(FLOATS, 6, 0, 1), *grad = constant(FLOATS, 0),
          *again = constant(FLOATS, 1);
    struct loss_map maps[3];
    for (int k = 0; k < 3; k++)
        maps[k] = (struct loss_map){value, CHANNELS, CHANNELS, CELLS, label, mask, grad};
    struct loss_value v, w;
    struct loss *l;
    assert_int_equal(loss_open(&l, &plain, N, &f->kernels, f->workers), 0);
    loss_run(l, &v, maps, 1, N);
    loss_close(l);

    struct workers *three;
    assert_int_equal(workers_open(&three, 3), 0);
    assert_int_equal(loss_open(&l, &plain, N, &f->kernels, three), 0);
    maps[0].grad = again;
    loss_run(l, &w, maps, 1, N);
    assert_true(v.data == w.data);
    assert_memory_equal(grad, again, FLOATS * sizeof(float));
    loss_close(l);
    workers_close(three);
    free(value);
    free(label);
    free(mask);
    free(grad);
    free(again);
}

static void test_nan_is_named(void **state)
{
    struct fixture *f = *state;
    const float one[1] = {1.0F}, zero[1] = {0.0F}, bad[1] = {NAN}, big[1] = {1e6F};
    struct loss_map maps[6]; /* three stages */
    for (int k = 0; k < 6; k++)
        maps[k] = (struct loss_map){one, 1, 1, 1, zero, one, NULL};
    maps[1].value = big;
    maps[5].value = bad;
    for (int pass = 0; pass < 2; pass++) {
        struct loss *l;
        struct loss_value v;
        assert_int_equal(loss_open(&l, pass ? &focal : &plain, 1, &f->kernels, f->workers), 0);
        loss_run(l, &v, maps, 6, 1);
        assert_true(isnan(v.data));
        assert_int_equal(loss_worst_map(&v), 5);
        loss_close(l);
        char name[48];
        loss_map_name(name, 5, 6);
        assert_string_equal(name, "PAF loss of stage 3");
        loss_map_name(name, 0, 6);
        assert_string_equal(name, "heatmap loss of stage 1");
    }
    maps[5].value = one;
    struct loss *l;
    struct loss_value v;
    assert_int_equal(loss_open(&l, &plain, 1, &f->kernels, f->workers), 0);
    loss_run(l, &v, maps, 6, 1);
    assert_int_equal(loss_worst_map(&v), 1);
    loss_close(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference_value),
        cmocka_unit_test(test_mask_is_inside_the_square),
        cmocka_unit_test(test_focal_by_hand),
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_focal_gradients),
        cmocka_unit_test(test_pitch_and_threads_change_nothing),
        cmocka_unit_test(test_nan_is_named),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
