/* Training in mixed precision: what it comes to, that it repeats, and that files remember it. */
#include "training.h"

#include "base/error.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void must(int err)
{
    if (err < 0)
        fail_msg("error %d: %s", err, error_message());
}

static int setup(void **state)
{
    static struct training t;
    *state = &t;
    if (training_open(&t) < 0)
        return -1;
    t.overrides[t.n_overrides++] = "num_epoch=12";
    t.overrides[t.n_overrides++] = "checkpoint_n_epoch=12";
    return 0;
}

static int teardown(void **state)
{
    training_close(*state);
    return 0;
}

/* The same, in mixed precision. */
static struct training mixed_of(const struct training *t)
{
    struct training mixed = *t;
    mixed.overrides[mixed.n_overrides++] = "use_amp=True";
    return mixed;
}

/* 48 steps on 8 pictures: the losses end within 10 % of each other. */
static void test_loss(void **state)
{
    const struct training *t = *state;
    struct training mixed = mixed_of(t);
    struct train_result single, half;
    must(training_run(&single, t, "single"));
    must(training_run(&half, &mixed, "mixed"));
    print_message("mean loss of the last epoch: %g, in mixed precision %g\n", single.loss,
                  half.loss);
    assert_true(fabs(half.loss - single.loss) < 0.10 * single.loss);
    if (cpu_level_detect() >= CPU_AVX512BF16)
        assert_string_not_equal(half.hash, single.hash);
    else
        assert_string_equal(half.hash, single.hash);
}

/* Interrupted after the 7th step and gone on with on other threads: the same bits. */
static void test_repeats(void **state)
{
    struct training mixed = mixed_of(*state);
    struct stop_at stop = {7};
    struct train_result whole, result;
    must(training_run(&whole, &mixed, "whole"));
    mixed.options.progress = training_stop_at;
    mixed.options.ctx = &stop;
    assert_int_equal(training_run(&result, &mixed, "halves"), BPNET_ESTOPPED);
    mixed.options.progress = NULL;
    mixed.options.threads = 3;
    must(training_run(&result, &mixed, "halves"));
    assert_int_equal(result.first_step, 7);
    assert_string_equal(result.hash, whole.hash);
}

/* The teacher (what test_loss() trained) computes in mixed precision, too, and repeats itself. */
static void test_teacher(void **state)
{
    struct training mixed = mixed_of(*state);
    struct train_result one, two;
    char override[512];
    char *path = training_path(&mixed, "single/bpnet_model.bpnet");
    snprintf(override, sizeof override, "teacher.model_path=%s", path);
    mixed.overrides[mixed.n_overrides++] = override;
    mixed.overrides[mixed.n_overrides++] = "num_epoch=1";
    mixed.overrides[mixed.n_overrides++] = "checkpoint_n_epoch=1";
    must(training_run(&one, &mixed, "taught"));
    mixed.options.threads = 3;
    must(training_run(&two, &mixed, "taught_again"));
    assert_string_equal(one.hash, two.hash);
    free(path);
}

/* A run goes on in the precision that it began in, or not at all. */
static void test_is_remembered(void **state)
{
    struct training mixed = mixed_of(*state);
    struct stop_at stop = {3};
    struct train_result result;
    mixed.options.progress = training_stop_at;
    mixed.options.ctx = &stop;
    assert_int_equal(training_run(&result, &mixed, "begun"), BPNET_ESTOPPED);
    assert_int_equal(training_run(&result, *state, "begun"), BPNET_ECONFIG);
    assert_non_null(strstr(error_message(), "use_amp"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loss),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_teacher),
        cmocka_unit_test(test_is_remembered),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
