/* Checkpoints: what is saved comes back, damage is noticed, a full disk costs nothing. */
#include "train/checkpoint.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "stickfigure.h"

#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

struct fixture {
    char *folder;
    struct model *model;
    float *moments, *average;
    struct train_state state;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    const struct model_spec spec = {.kind = MODEL_LIGHT,
                                    .width_multiplier = 0.25,
                                    .stages = 2,
                                    .heat_channels = 19,
                                    .paf_channels = 38,
                                    .head_bias = true,
                                    .backbone_batch_norm = true,
                                    .initializer = INIT_HE};
    log_set_level(LOG_QUIET);
    if (!f || !(f->folder = stick_folder_make()) || model_build_graph(&f->model, &spec, 1) < 0)
        return -1;
    const size_t n = f->model->params.n_floats;
    f->moments = malloc(f->model->params.n_trainable * 2 * sizeof(float));
    f->average = malloc(n * sizeof(float));
    if (!f->moments || !f->average)
        return -1;
    for (size_t i = 0; i < 2 * f->model->params.n_trainable; i++)
        f->moments[i] = (float)i * 0.5F;
    for (size_t i = 0; i < n; i++)
        f->average[i] = f->model->params.value[i] + 1.0F;
    train_state_init(&f->state);
    f->state.step = 17;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    stick_folder_remove(f->folder);
    model_free(f->model);
    free(f->moments);
    free(f->average);
    free(f);
    return 0;
}

static int save(struct fixture *f, const char *path, bool average)
{
    const struct checkpoint_parts parts = {.model = f->model,
                                           .average = average ? f->average : NULL,
                                           .moments = f->moments,
                                           .n_moments = 2 * f->model->params.n_trainable,
                                           .state = &f->state};
    return checkpoint_save(path, &parts, NULL);
}

/* Save as epoch `epoch` (or, negative, as the rolling one) at step `step`. */
static char *save_epoch(struct fixture *f, int epoch, uint64_t step)
{
    char *path =
        epoch < 0 ? path_join(f->folder, CHECKPOINT_ROLLING) : checkpoint_path(f->folder, epoch);
    f->state.step = step;
    assert_int_equal(save(f, path, false), 0);
    return path;
}

/* Flip a bit in the middle of a file. */
static void damage(const char *path)
{
    FILE *stream = fopen(path, "r+b");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, 0, SEEK_END), 0);
    const long middle = ftell(stream) / 2;
    fseek(stream, middle, SEEK_SET);
    const int byte = fgetc(stream);
    fseek(stream, middle, SEEK_SET);
    fputc(byte ^ 4, stream);
    assert_int_equal(fclose(stream), 0);
}

static void expect_latest(struct fixture *f, const char *path, uint64_t step)
{
    struct checkpoint c;
    assert_int_equal(checkpoint_latest(&c, f->folder, NULL), 0);
    if (path) {
        assert_non_null(c.path);
        assert_string_equal(c.path, path);
        assert_int_equal(c.state.step, step);
    } else {
        assert_null(c.path);
    }
    checkpoint_close(&c);
}

static void test_everything_comes_back(void **state)
{
    struct fixture *f = *state;
    const struct params *p = &f->model->params;
    char *path = path_join(f->folder, "a.bpnet");
    for (int average = 0; average < 2; average++) {
        struct checkpoint c;
        assert_int_equal(save(f, path, average), 0);
        assert_int_equal(checkpoint_open(&c, path, NULL), 0);
        assert_int_equal(c.model->params.n_floats, p->n_floats);
        assert_memory_equal(c.model->params.value, p->value, p->n_floats * sizeof(float));
        assert_int_equal(c.n_moments, 2 * p->n_trainable);
        assert_memory_equal(c.moments, f->moments, c.n_moments * sizeof(float));
        assert_int_equal(c.state.step, 17);
        if (average)
            assert_memory_equal(c.average, f->average, p->n_floats * sizeof(float));
        else
            assert_null(c.average);
        checkpoint_close(&c);
    }
    /* As a model it is its averages. */
    struct model *m;
    assert_int_equal(model_load(&m, path, NULL), 0);
    assert_true(m->params.value[0] == f->average[0]);
    model_free(m);
    free(path);
}

/* Another key is nobody's damage: the folder's training must not begin anew over it. */
static void test_sealed(void **state)
{
    struct fixture *f = *state;
    struct seal_key *key, *wrong;
    struct checkpoint c;
    const struct checkpoint_parts parts = {.model = f->model,
                                           .average = f->average,
                                           .moments = f->moments,
                                           .n_moments = f->model->params.n_trainable,
                                           .state = &f->state};
    assert_int_equal(seal_key_new(&key, "right", 5), 0);
    assert_int_equal(seal_key_new(&wrong, "wrong", 5), 0);
    assert_int_equal(seal_key_cost(key, 1, 8), 0);
    char *one = save_epoch(f, 1, 10), *two = checkpoint_path(f->folder, 2);
    f->state.step = 20;
    assert_int_equal(checkpoint_save(two, &parts, key), 0);
    assert_int_equal(checkpoint_latest(&c, f->folder, NULL), BPNET_EKEY);
    assert_null(c.path);
    assert_int_equal(checkpoint_latest(&c, f->folder, wrong), BPNET_EKEY);
    assert_null(c.path);
    assert_int_equal(checkpoint_latest(&c, f->folder, key), 0);
    assert_string_equal(c.path, two);
    assert_int_equal(c.state.step, 20);
    assert_memory_equal(c.moments, f->moments, c.n_moments * sizeof(float));
    assert_memory_equal(c.average, f->average, f->model->params.n_floats * sizeof(float));
    checkpoint_close(&c);

    damage(two); /* that one is passed over */
    assert_int_equal(checkpoint_latest(&c, f->folder, key), 0);
    assert_string_equal(c.path, one);
    checkpoint_close(&c);

    struct model *m;
    assert_int_equal(checkpoint_export(two, f->model, NULL, key), 0);
    assert_int_equal(model_load(&m, two, NULL), BPNET_EKEY);
    assert_null(m);
    assert_int_equal(model_load(&m, two, key), 0);
    assert_memory_equal(m->params.value, f->model->params.value,
                        m->params.n_floats * sizeof(float));
    model_free(m);
    free(one);
    free(two);
    seal_key_free(key);
    seal_key_free(wrong);
}

static void test_a_model_is_no_checkpoint(void **state)
{
    struct fixture *f = *state;
    char *path = path_join(f->folder, "model.epoch-3.bpnet");
    struct checkpoint c;
    assert_int_equal(checkpoint_export(path, f->model, f->average, NULL), 0);
    assert_int_equal(checkpoint_open(&c, path, NULL), BPNET_EFORMAT);
    assert_non_null(strstr(error_message(), path));
    assert_null(c.path);
    free(path);
}

static void test_latest_is_the_furthest_intact_one(void **state)
{
    struct fixture *f = *state;
    expect_latest(f, NULL, 0);
    char *one = save_epoch(f, 1, 10), *two = save_epoch(f, 2, 20), *ten = save_epoch(f, 10, 100);
    char *rolling = save_epoch(f, -1, 95);
    expect_latest(f, ten, 100);
    damage(ten);
    expect_latest(f, rolling, 95);
    damage(rolling);
    expect_latest(f, two, 20);
    FILE *cut = fopen(two, "wb");
    assert_non_null(cut);
    fclose(cut);
    expect_latest(f, one, 10);
    free(save_epoch(f, -1, 15));
    expect_latest(f, rolling, 15);
    damage(rolling);
    damage(one);
    struct checkpoint c;
    assert_int_equal(checkpoint_latest(&c, f->folder, NULL), BPNET_EFORMAT);
    assert_non_null(strstr(error_message(), "none is intact"));
    assert_null(c.path);
    free(one);
    free(two);
    free(ten);
    free(rolling);
}

static void expect_files(struct fixture *f, const char *expected)
{
    char **names;
    size_t n;
    struct str found = {0};
    assert_int_equal(folder_list(&names, &n, f->folder, NULL), 0);
    for (size_t i = 0; i < n; i++)
        str_printf(&found, "%s ", names[i]);
    assert_string_equal(str_text(&found), expected);
    str_free(&found);
    free(names);
}

static void test_rotation(void **state)
{
    struct fixture *f = *state;
    for (int epoch = 8; epoch <= 12; epoch++)
        free(save_epoch(f, epoch, (uint64_t)epoch));
    char *half = path_join(f->folder, "latest.bpnet.a1B2c3");
    assert_int_equal(file_write(half, "x", 1), 0);
    assert_int_equal(checkpoint_rotate(f->folder, 0, 0), 0);
    assert_int_equal(checkpoint_sweep(f->folder), 0);
    expect_files(f, "model.epoch-10.bpnet model.epoch-11.bpnet model.epoch-12.bpnet "
                    "model.epoch-8.bpnet model.epoch-9.bpnet ");
    assert_int_equal(checkpoint_rotate(f->folder, 2, 9), 0);
    expect_files(f, "model.epoch-11.bpnet model.epoch-12.bpnet model.epoch-9.bpnet ");
    free(save_epoch(f, -1, 1));
    assert_int_equal(checkpoint_clear(f->folder), 0);
    expect_files(f, "");
    free(half);
}

/* A file limit stands for a full disk: the write fails half-way. */
static void test_full_disk_leaves_the_one_before(void **state)
{
    struct fixture *f = *state;
    char *path = save_epoch(f, 1, 10);
    struct rlimit old, small = {64 * 1024, 64 * 1024};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small.rlim_max = old.rlim_max;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    f->state.step = 20;
    const int err = save(f, path, true);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(err, BPNET_EIO);
    assert_non_null(strstr(error_message(), path));
    expect_latest(f, path, 10);
    expect_files(f, "model.epoch-1.bpnet "); /* and no temporary */
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_everything_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sealed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_model_is_no_checkpoint, setup, teardown),
        cmocka_unit_test_setup_teardown(test_latest_is_the_furthest_intact_one, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rotation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_full_disk_leaves_the_one_before, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
