/* The repeatability contract: the same weights for any threads and after any interruption. */
#include "training.h"

#include "base/error.h"
#include "base/rng.h"
#include "base/str.h"
#include "io/file.h"
#include "train/checkpoint.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    struct training t;
    struct train_result undisturbed; /* with averaging and rows of two steps */
    char *metrics;                   /* its metrics.csv, without the times */
};

static void must(int err)
{
    if (err < 0)
        fail_msg("error %d: %s", err, error_message());
}

static char *read_text(const struct training *t, const char *results, const char *name)
{
    char *folder = training_path(t, results), *path = path_join(folder, name);
    struct file_view view;
    must(file_view_open(&view, path, 1 << 20));
    char *text = malloc(view.size + 1);
    assert_non_null(text);
    memcpy(text, view.bytes, view.size);
    text[view.size] = '\0';
    file_view_close(&view);
    free(folder);
    free(path);
    return text;
}

/* metrics.csv without its last two columns, which are times. */
static char *read_metrics(const struct training *t, const char *results)
{
    char *text = read_text(t, results, "metrics.csv");
    struct str kept = {0};
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
        for (int cut = 0; cut < 2; cut++)
            *strrchr(line, ',') = '\0';
        str_printf(&kept, "%s\n", line);
    }
    free(text);
    return kept.text;
}

static int setup(void **state)
{
    static struct fixture f;
    if (training_open(&f.t) < 0)
        return -1;
    f.t.overrides[f.t.n_overrides++] = "ema_decay=0.9";
    f.t.overrides[f.t.n_overrides++] = "summary_every_n_steps=3";
    if (training_run(&f.undisturbed, &f.t, "undisturbed") < 0) {
        fprintf(stderr, "%s\n", error_message());
        return -1;
    }
    f.metrics = read_metrics(&f.t, "undisturbed");
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    free(f->metrics);
    training_close(&f->t);
    return 0;
}

/* A run that went to its end agrees with the undisturbed one in every bit that matters. */
static void expect_same(struct fixture *f, const struct train_result *found, const char *results)
{
    assert_int_equal(found->step, f->undisturbed.step);
    assert_string_equal(found->hash, f->undisturbed.hash);
    char *metrics = read_metrics(&f->t, results);
    assert_string_equal(metrics, f->metrics);
    free(metrics);
}

static void test_threads(void **state)
{
    struct fixture *f = *state;
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct train_result result;
        struct training t = f->t;
        char name[16];
        snprintf(name, sizeof name, "threads%u", threads);
        t.options.threads = threads;
        t.options.loader_threads = 4 - threads;
        must(training_run(&result, &t, name));
        expect_same(f, &result, name);
    }
}

/* Stopped on request after every step, one process: twelve sessions. */
static void test_stop_after_every_step(void **state)
{
    struct fixture *f = *state;
    struct training t = f->t;
    struct train_result result;
    struct stop_at stop = {0};
    t.options.progress = training_stop_at;
    t.options.ctx = &stop;
    for (;;) {
        stop.step++;
        const int err = training_run(&result, &t, "stopped");
        assert_int_equal(result.step, stop.step);
        assert_int_equal(result.first_step, stop.step - 1);
        if (err == BPNET_OK)
            break;
        assert_int_equal(err, BPNET_ESTOPPED);
        assert_non_null(strstr(error_message(), "everything is saved"));
    }
    expect_same(f, &result, "stopped");
}

static void test_stop_flag(void **state)
{
    struct fixture *f = *state;
    struct training t = f->t;
    struct train_result result;
    volatile sig_atomic_t flag = 1;
    t.options.stop = &flag;
    assert_int_equal(training_run(&result, &t, "flag"), BPNET_ESTOPPED);
    assert_int_equal(result.step, 0);
    flag = 0;
    must(training_run(&result, &t, "flag"));
    expect_same(f, &result, "flag");
}

/* The child kills itself at a step, or the parent kills it at whatever moment. */
static int die_at(void *ctx, const struct train_progress *p)
{
    if (p->step == *(const uint64_t *)ctx)
        raise(SIGKILL);
    return 0;
}

/* True when the child reached the end. */
static bool train_in_child(const struct training *t, const char *results, useconds_t kill_after)
{
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(training_run(NULL, t, results) == 0 ? 0 : 1);
    if (kill_after > 0) {
        usleep(kill_after);
        kill(child, SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status))
        assert_int_equal(WEXITSTATUS(status), 0);
    return WIFEXITED(status);
}

static void test_killed_at_every_kind_of_step(void **state)
{
    struct fixture *f = *state;
    struct training t = f->t;
    struct train_result result;
    uint64_t fatal;
    t.options.progress = die_at;
    t.options.ctx = &fatal;
    t.options.save_every_steps = 2;
    /* Between saves, at one, at an epoch's last step, just before the end. */
    const uint64_t steps[] = {1, 3, 4, 4, 6, 11};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        fatal = steps[i];
        train_in_child(&t, "killed", 0);
    }
    t.options.progress = NULL;
    must(training_run(&result, &t, "killed"));
    assert_true(result.first_step > 0);
    expect_same(f, &result, "killed");
}

static void test_killed_at_random_moments(void **state)
{
    struct fixture *f = *state;
    struct training t = f->t;
    struct train_result result;
    struct rng rng = rng_stream(11, 0, 0);
    t.options.save_every_steps = 1;
    const double whole = f->undisturbed.seconds;
    for (int i = 0; i < 8; i++)
        if (train_in_child(&t, "random",
                           (useconds_t)(1e6 * rng_range(&rng, 0.05, 0.5) * whole) + 1))
            break;
    must(training_run(&result, &t, "random"));
    expect_same(f, &result, "random");
}

/* The newest checkpoint is damaged: the one before serves, and the steps between are done again. */
static void test_damaged_checkpoint(void **state)
{
    struct fixture *f = *state;
    struct training t = f->t;
    struct train_result result;
    struct stop_at stop = {f->undisturbed.step - 1};
    t.options.progress = training_stop_at;
    t.options.ctx = &stop;
    assert_int_equal(training_run(&result, &t, "damaged"), BPNET_ESTOPPED);
    char *folder = training_path(&t, "damaged"), *path = path_join(folder, CHECKPOINT_ROLLING);
    FILE *stream = fopen(path, "r+b");
    assert_non_null(stream);
    fseek(stream, 5000, SEEK_SET);
    const int byte = fgetc(stream);
    fseek(stream, 5000, SEEK_SET);
    fputc(byte ^ 1, stream);
    fclose(stream);
    t.options.progress = NULL;
    must(training_run(&result, &t, "damaged"));
    assert_int_equal(result.first_step, f->undisturbed.step / TRAINING_EPOCHS * 2);
    expect_same(f, &result, "damaged");
    free(folder);
    free(path);
}

/* The disk fills up at the second epoch's checkpoint: the first survives, and serves later. */
static void test_full_disk(void **state)
{
    struct fixture *f = *state;
    struct training t = f->t;
    struct train_result result;
    struct stop_at stop = {f->undisturbed.step / TRAINING_EPOCHS + 1};
    t.options.progress = training_stop_at;
    t.options.ctx = &stop;
    assert_int_equal(training_run(&result, &t, "full"), BPNET_ESTOPPED);
    t.options.progress = NULL;

    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    small = old;
    small.rlim_cur = 100 * 1024;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    t.options.save_every_steps = 1; /* these failures are only warned of */
    const int err = training_run(&result, &t, "full");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_DFL);
    assert_int_equal(err, BPNET_EIO);
    assert_non_null(strstr(error_message(), "model.epoch-2.bpnet"));
    assert_int_equal(result.step, f->undisturbed.step / TRAINING_EPOCHS * 2);

    must(training_run(&result, &t, "full"));
    assert_int_equal(result.first_step, f->undisturbed.step / TRAINING_EPOCHS + 1);
    expect_same(f, &result, "full");
}

static void test_what_is_done_is_done(void **state)
{
    struct fixture *f = *state;
    struct train_result result;
    must(training_run(&result, &f->t, "undisturbed"));
    assert_int_equal(result.first_step, f->undisturbed.step);
    expect_same(f, &result, "undisturbed");
}

static void test_another_spec_is_refused(void **state)
{
    struct fixture *f = *state;
    struct training t = f->t;
    struct train_result result;
    t.overrides[t.n_overrides++] = "random_seed=43";
    assert_int_equal(training_run(&result, &t, "undisturbed"), BPNET_ECONFIG);
    assert_non_null(strstr(error_message(), "random_seed: 42 in the checkpoint, 43 in the spec"));

    /* More epochs are welcome. */
    t.overrides[t.n_overrides - 1] = "num_epoch=4";
    must(training_run(&result, &t, "undisturbed"));
    assert_int_equal(result.first_step, f->undisturbed.step);
    assert_int_equal(result.step, f->undisturbed.step / TRAINING_EPOCHS * 4);
}

static void test_fresh_start(void **state)
{
    struct fixture *f = *state;
    struct training t = f->t;
    struct train_result result;
    struct stop_at stop = {2};
    t.options.progress = training_stop_at;
    t.options.ctx = &stop;
    assert_int_equal(training_run(&result, &t, "fresh"), BPNET_ESTOPPED);
    t.options.progress = NULL;
    t.options.fresh = true;
    must(training_run(&result, &t, "fresh"));
    assert_int_equal(result.first_step, 0);
    expect_same(f, &result, "fresh");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_stop_after_every_step),
        cmocka_unit_test(test_stop_flag),
        cmocka_unit_test(test_killed_at_every_kind_of_step),
        cmocka_unit_test(test_killed_at_random_moments),
        cmocka_unit_test(test_damaged_checkpoint),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_fresh_start),
        cmocka_unit_test(test_what_is_done_is_done),
        cmocka_unit_test(test_another_spec_is_refused), /* trains "undisturbed" on: last */
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
