/* Trainings with a teacher: what it sees, what it teaches, that nothing else depends on it. */
#include "train/teacher.h"

#include "training.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/str.h"
#include "data/sample.h"
#include "io/file.h"
#include "nn/exec.h"
#include "nn/model.h"
#include "train/checkpoint.h"
#include "train/view_cache.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct training t;
    char *path; /* of a model that has learned the pictures */
    char override[512];
};

static void must(int err)
{
    if (err < 0)
        fail_msg("error %d: %s", err, error_message());
}

static void set(struct training *t, const char *override)
{
    assert_true(t->n_overrides < TRAINING_MAX_OVERRIDES);
    t->overrides[t->n_overrides++] = override;
}

static void without_augmentation(struct training *t)
{
    set(t, "dataloader.augmentation_config.spatial_aug_params={target_person_scale: 0.6}");
    set(t, "num_epoch=30");
    set(t, "checkpoint_n_epoch=30");
    set(t, "dataloader.batch_size=4");
}

static int setup(void **state)
{
    static struct fixture f;
    if (training_open(&f.t) < 0)
        return -1;
    struct training t = f.t;
    without_augmentation(&t);
    if (training_run(NULL, &t, "master") < 0) {
        fprintf(stderr, "%s\n", error_message());
        return -1;
    }
    f.path = training_path(&f.t, "master/bpnet_model.bpnet");
    snprintf(f.override, sizeof f.override, "teacher.model_path=%s", f.path);
    *state = &f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    free(f->path);
    training_close(&f->t);
    return 0;
}

/* ---- what it sees ------------------------------------------------------------------------ */

/* A spec, a batch of its records and a teacher. */
struct lesson {
    struct experiment_spec *spec;
    struct kernels kernels;
    struct workers *workers;
    struct loader *loader;
    const struct batch *batch, *taught;
    struct teacher *teacher;
};

static struct lesson lesson_open(const struct training *t, unsigned threads)
{
    struct lesson l = {0};
    const struct spec_overrides overrides = {t->overrides, t->n_overrides};
    char *path = training_path(t, "train.yaml");
    must(experiment_spec_load(&l.spec, path, &overrides));
    free(path);
    kernels_init(&l.kernels, cpu_level_detect());
    must(workers_open(&l.workers, threads));
    const struct loader_options loading = {
        .spec = &l.spec->data, .skeleton = &l.spec->skeleton, .seed = 1, .threads = 1};
    must(loader_open(&l.loader, &loading));
    must(loader_next(l.loader, &l.batch));
    const struct teacher_options options = {.kernels = &l.kernels, .workers = l.workers};
    must(teacher_open(&l.teacher, l.spec, &options));
    must(teacher_run(l.teacher, l.batch, &l.taught));
    return l;
}

static void lesson_close(struct lesson *l)
{
    teacher_close(l->teacher);
    loader_close(l->loader);
    workers_close(l->workers);
    experiment_spec_free(l->spec);
}

/* The targets inside the picture are what the network says, given `input` for each pixel. */
static void expect_answers(const struct lesson *l, struct model *model, float gain, float shift)
{
    const struct batch *b = l->batch;
    const struct exec_options options = {.batch = b->n,
                                         .h = b->image_h,
                                         .w = b->image_w,
                                         .kernels = &l->kernels,
                                         .workers = l->workers};
    struct exec *exec;
    int h, w, channels, pitch, inside = 0;
    must(exec_open(&exec, model, &options));
    const size_t n = (size_t)b->n * (size_t)b->image_h * (size_t)b->image_w * 3;
    for (size_t i = 0; i < n; i++)
        exec_input(exec)[i] = b->image[i] * gain + shift;
    must(exec_forward(exec));
    const float *heat = exec_output(exec, 0, &h, &w, &channels, &pitch);
    assert_int_equal(h, b->label_h);
    for (size_t cell = 0; cell < (size_t)(b->n * h * w); cell++) {
        if (b->trust[cell] == CELL_OUTSIDE)
            continue;
        inside++;
        for (int c = 0; c + 1 < channels; c++) {
            const float said = fminf(1, fmaxf(0, heat[cell * (size_t)pitch + (size_t)c]));
            const float taught = l->taught->heat[cell * (size_t)channels + (size_t)c];
            if (!(fabsf(said - taught) < 1e-4F))
                fail_msg("channel %d of cell %zu: %g, expected %g", c, cell, (double)taught,
                         (double)said);
        }
    }
    assert_true(inside > b->n * h * w / 4);
    const float *paf = exec_output(exec, 1, &h, &w, &channels, &pitch);
    for (size_t cell = 0; cell < (size_t)(b->n * h * w); cell++)
        for (int c = 0; c < channels && b->trust[cell] != CELL_OUTSIDE; c++)
            assert_true(fabsf(fminf(1, fmaxf(-1, paf[cell * (size_t)pitch + (size_t)c])) -
                              l->taught->paf[cell * (size_t)channels + (size_t)c]) < 1e-4F);
    exec_close(exec);
}

static void test_targets_are_its_answers(void **state)
{
    const struct fixture *f = *state;
    struct training t = f->t;
    struct model *model;
    set(&t, f->override);
    set(&t, "teacher.weight=1.0");
    must(model_load(&model, f->path, NULL));
    struct lesson l = lesson_open(&t, 2);
    expect_answers(&l, model, 1.0F, 0.0F);
    assert_ptr_equal(l.taught->image, l.batch->image);
    lesson_close(&l);
    model_free(model);
}

/* A teacher that is used to pixels of 0..255 gets them. */
static void test_its_own_normalisation(void **state)
{
    const struct fixture *f = *state;
    struct training t = f->t;
    struct model *model;
    char *path = training_path(&f->t, "bytes.bpnet"), override[512];
    must(model_load(&model, f->path, NULL));
    for (int c = 0; c < 3; c++) {
        model->meta.scale[c] = 1.0F;
        model->meta.offset[c] = 0.0F;
    }
    must(model_save(model, path, NULL));
    snprintf(override, sizeof override, "teacher.model_path=%s", path);
    set(&t, override);
    set(&t, "teacher.weight=1.0");
    struct lesson l = lesson_open(&t, 1);
    expect_answers(&l, model, 256.0F, 128.0F); /* x / 256 - 0.5 undone */
    lesson_close(&l);
    model_free(model);
    free(path);
}

static size_t taught_size(const struct lesson *l)
{
    const struct batch *b = l->taught;
    return (size_t)b->n * (size_t)b->label_h * (size_t)b->label_w * (size_t)b->heat_channels;
}

/* Enlarged pictures are another question, and the answer is the same for any threads. */
static void test_scale_and_threads(void **state)
{
    const struct fixture *f = *state;
    struct training t = f->t;
    set(&t, f->override);
    struct lesson plain = lesson_open(&t, 1);
    set(&t, "teacher.scale=1.5");
    set(&t, "teacher.temperature=2.25");
    struct lesson one = lesson_open(&t, 1), three = lesson_open(&t, 3);
    const size_t n = taught_size(&one);
    assert_memory_equal(one.taught->heat, three.taught->heat, n * sizeof(float));
    assert_memory_equal(one.taught->heat_mask, three.taught->heat_mask, n * sizeof(float));
    assert_memory_not_equal(one.taught->heat, plain.taught->heat, n * sizeof(float));
    for (size_t i = 0; i < n; i++)
        assert_true(one.taught->heat[i] >= 0.0F && one.taught->heat[i] <= 1.0F);
    lesson_close(&plain);
    lesson_close(&one);
    lesson_close(&three);
}

/* ---- what it teaches --------------------------------------------------------------------- */

struct seen {
    double first, last;
};

static int watch(void *ctx, const struct train_progress *p)
{
    struct seen *seen = ctx;
    if (p->step == 1)
        seen->first = p->data_loss;
    seen->last = p->data_loss;
    return 0;
}

/* All it learns inside the pictures is the teacher's, and with it what the labels say. */
static void test_learns_from_it_alone(void **state)
{
    const struct fixture *f = *state;
    struct training t = f->t;
    struct seen seen = {0};
    without_augmentation(&t);
    set(&t, f->override);
    set(&t, "teacher.weight=1.0");
    set(&t, "random_seed=7");
    t.options.progress = watch;
    t.options.ctx = &seen;
    must(training_run(NULL, &t, "pupil"));
    print_message("loss to the labels: %g, then %g\n", seen.first, seen.last);
    assert_true(seen.last < 0.6 * seen.first);
}

/* Of no weight and without filling it changes no bit. */
static void test_idle_teacher(void **state)
{
    const struct fixture *f = *state;
    struct training alone = f->t, idle = f->t, taught = f->t;
    struct train_result a, b, c;
    set(&alone, "num_epoch=1");
    set(&idle, "num_epoch=1");
    set(&idle, f->override);
    set(&idle, "teacher.weight=0.0");
    set(&idle, "teacher.fill_unlabelled=False");
    set(&taught, "num_epoch=1");
    set(&taught, f->override);
    must(training_run(&a, &alone, "alone"));
    must(training_run(&b, &idle, "idle"));
    must(training_run(&c, &taught, "taught"));
    assert_string_equal(a.hash, b.hash);
    assert_string_not_equal(a.hash, c.hash);
}

/* ---- repeatability ----------------------------------------------------------------------- */

static void test_resumed_runs_are_the_same(void **state)
{
    const struct fixture *f = *state;
    struct training t = f->t;
    struct train_result truth, result;
    set(&t, f->override);
    set(&t, "teacher.scale=1.25");
    must(training_run(&truth, &t, "whole"));
    t.options.progress = training_stop_at;
    for (unsigned threads = 1; threads <= 3; threads += 2) {
        char name[16];
        struct stop_at stop = {5};
        snprintf(name, sizeof name, "parts%u", threads);
        t.options.threads = threads;
        t.options.ctx = &stop;
        assert_int_equal(training_run(&result, &t, name), BPNET_ESTOPPED);
        stop.step = truth.step + 1;
        must(training_run(&result, &t, name));
        assert_int_equal(result.first_step, 5);
        assert_string_equal(result.hash, truth.hash);
    }
}

static char *in_folder(const struct training *t, const char *results, const char *name)
{
    char *folder = path_join(t->folder, results);
    char *path = path_join(folder, name);
    assert_non_null(path);
    free(folder);
    return path;
}

/* What it said of a view is kept, also for a resumed run, and that it was kept cannot be seen. */
static void test_views_are_answered_once(void **state)
{
    const struct fixture *f = *state;
    struct training t = f->t;
    struct train_result truth, result, other;
    struct stop_at stop = {7}; /* in the second epoch: the resumed run knows the first */
    set(&t, f->override);
    must(training_run(&other, &t, "anew"));
    set(&t, "dataloader.augmentation_config.views=1");
    must(training_run(&truth, &t, "views"));
    assert_string_not_equal(truth.hash, other.hash);
    t.options.progress = training_stop_at;
    t.options.ctx = &stop;
    t.options.threads = 2;
    char *kept = in_folder(&t, "views_in_parts", "teacher.views");
    assert_int_equal(training_run(&result, &t, "views_in_parts"), BPNET_ESTOPPED);
    assert_true(file_exists(kept));
    stop.step = truth.step + 1;
    must(training_run(&result, &t, "views_in_parts"));
    assert_string_equal(result.hash, truth.hash);
    assert_false(file_exists(kept));
    free(kept);
}

/* Other runs take them from a named file, but only those that would have been answered the same. */
static void test_views_are_shared(void **state)
{
    const struct fixture *f = *state;
    struct training t = f->t;
    struct train_result first, second, other, other_alone;
    char *path = in_folder(&t, ".", "shared.views");
    struct str override = {0};
    str_printf(&override, "teacher.views_path=%s", path);
    set(&t, f->override);
    set(&t, "dataloader.augmentation_config.views=1");
    set(&t, str_text(&override));
    must(training_run(&first, &t, "share_1"));
    assert_true(file_exists(path));
    must(training_run(&second, &t, "share_2"));
    assert_string_equal(second.hash, first.hash);
    set(&t, "random_seed=99"); /* other pictures in the same places */
    must(training_run(&other, &t, "share_3"));
    set(&t, "teacher.views_path=null");
    must(training_run(&other_alone, &t, "share_none"));
    assert_string_equal(other.hash, other_alone.hash);
    must(file_write(path, "mine", 4));
    set(&t, str_text(&override));
    assert_int_equal(training_run(NULL, &t, "share_4"), BPNET_EFORMAT);
    str_free(&override);
    free(path);
}

static void test_view_cache(void **state)
{
    const struct fixture *f = *state;
    const char key[] = "0123456789abcdef0123456789abcdef";
    char *path = in_folder(&f->t, ".", "cache.views");
    struct view_cache *cache;
    float heat[3] = {0.0F, 0.5F, 1.0F}, paf[4] = {-1.0F, -0.3F, 0.0F, 1.0F}, again[7];
    must(view_cache_open(&cache, path, key, 3, 4));
    assert_int_equal(view_cache_get(cache, 999999, 5, again, again + 3), 0);
    view_cache_put(cache, 999999, 5, heat, paf);
    view_cache_close(cache);
    must(view_cache_open(&cache, path, key, 3, 4));
    assert_int_equal(view_cache_get(cache, 999999, 5, again, again + 3), 1);
    assert_int_equal(view_cache_get(cache, 999999, 6, again, again + 3), 0); /* another picture */
    assert_int_equal(view_cache_get(cache, 0, 5, again, again + 3), 0);
    assert_memory_equal(again, heat, sizeof heat);
    assert_memory_equal(again + 3, paf, sizeof paf);
    assert_true(heat[0] == 0.0F && heat[2] == 1.0F && paf[0] == -1.0F && paf[2] == 0.0F);
    assert_true(fabsf(heat[1] - 0.5F) < 0.51F / 255.0F && fabsf(paf[1] + 0.3F) < 0.51F / 127.0F);
    view_cache_close(cache);
    assert_int_equal(view_cache_open(&cache, "/nowhere/at/all", key, 1, 1), BPNET_ECREATE);
    assert_null(cache);
    free(path);
}

static uint64_t hash_of(const char *path)
{
    struct file_view view;
    must(file_view_open(&view, path, SIZE_MAX));
    const uint64_t hash = hash64(view.bytes, view.size);
    file_view_close(&view);
    return hash;
}

/* A run that is not begun drops nothing. */
static void test_a_refused_teacher_drops_no_views(void **state)
{
    const struct fixture *f = *state;
    struct training t = f->t;
    struct stop_at stop = {2};
    char *path = training_path(&f->t, "stranger.bpnet"),
         *kept = in_folder(&t, "kept", "teacher.views");
    struct str override = {0};
    struct model *model;
    must(model_load(&model, f->path, NULL));
    model->params.value[0] += 1.0F;
    must(model_save(model, path, NULL));
    model_free(model);
    str_printf(&override, "teacher.model_path=%s", path);
    set(&t, "dataloader.augmentation_config.views=1");
    set(&t, f->override);
    t.options.progress = training_stop_at;
    t.options.ctx = &stop;
    assert_int_equal(training_run(NULL, &t, "kept"), BPNET_ESTOPPED);
    const uint64_t before = hash_of(kept);
    t.overrides[t.n_overrides - 1] = str_text(&override);
    assert_int_equal(training_run(NULL, &t, "kept"), BPNET_ECONFIG);
    assert_true(hash_of(kept) == before);
    str_free(&override);
    free(kept);
    free(path);
}

static void expect_refused(struct training *t, const char *results, const char *message)
{
    t->options.progress = NULL;
    assert_int_equal(training_run(NULL, t, results), BPNET_ECONFIG);
    if (!strstr(error_message(), message))
        fail_msg("'%s' does not say '%s'", error_message(), message);
}

static void test_another_teacher_is_refused(void **state)
{
    const struct fixture *f = *state;
    struct training t = f->t;
    struct stop_at stop = {2};
    char *path = training_path(&f->t, "other.bpnet"), override[512];
    struct model *model;
    must(model_load(&model, f->path, NULL));
    must(model_save(model, path, NULL)); /* the same by another name */
    snprintf(override, sizeof override, "teacher.model_path=%s", path);
    set(&t, f->override);
    t.options.progress = training_stop_at;
    t.options.ctx = &stop;
    assert_int_equal(training_run(NULL, &t, "other"), BPNET_ESTOPPED);

    t.overrides[t.n_overrides - 1] = override;
    stop.step = 3;
    assert_int_equal(training_run(NULL, &t, "other"), BPNET_ESTOPPED);
    model->params.value[0] += 1.0F;
    must(model_save(model, path, NULL));
    expect_refused(&t, "other", "the teacher of fingerprint");
    t.overrides[t.n_overrides - 1] = "teacher.model_path=null";
    expect_refused(&t, "other", "teacher.model_path is null");
    t.overrides[t.n_overrides - 1] = f->override;
    set(&t, "teacher.weight=0.25");
    expect_refused(&t, "other", "teacher.weight: 0.5 in the checkpoint, 0.25 in the spec");
    model_free(model);
    free(path);
}

/* ---- what is no teacher ------------------------------------------------------------------ */

static void refuse(const struct fixture *f, const char *override, int code, const char *message)
{
    struct training t = f->t;
    set(&t, override);
    assert_int_equal(training_run(NULL, &t, "refused"), code);
    if (!strstr(error_message(), message))
        fail_msg("'%s' does not say '%s'", error_message(), message);
    assert_null(strchr(error_message(), '\n'));
    char *left = training_path(&f->t, "refused/experiment_spec.yaml");
    assert_false(file_exists(left));
    free(left);
}

static void test_bad_files(void **state)
{
    const struct fixture *f = *state;
    char override[512], *path = training_path(&f->t, "bad.bpnet");
    snprintf(override, sizeof override, "teacher.model_path=%s", path);
    refuse(f, "teacher.model_path=/nowhere/teacher.bpnet", BPNET_ENOENT, "teacher.model_path: ");

    must(file_write(path, "I know it all", 13));
    refuse(f, override, BPNET_EFORMAT, "teacher.model_path: ");

    struct file_view view;
    struct rng rng = rng_stream(9, 0, 0);
    must(file_view_open(&view, f->path, 1 << 24));
    for (int i = 0; i < 8; i++) { /* cut anywhere */
        must(file_write(path, view.bytes, (size_t)rng_integer(&rng, 0, (int64_t)view.size - 1)));
        refuse(f, override, BPNET_EFORMAT, "teacher.model_path: ");
    }
    file_view_close(&view);

    struct model *model;
    must(model_load(&model, f->path, NULL));
    for (int j = 0; j < model->meta.skeleton.n_joints; j++)
        snprintf(model->meta.skeleton.joints[j], SKELETON_NAME_SIZE, "joint_%d", j);
    must(model_save(model, path, NULL));
    refuse(f, override, BPNET_ECONFIG, "none of the 18 joints of");
    model_free(model);
    free(path);
}

static void test_background_must_weigh(void **state)
{
    const struct fixture *f = *state;
    struct fixture other = *f;
    set(&other.t, f->override);
    refuse(&other, "dataloader.label_processor_config.background_weight=0.0", BPNET_ECONFIG,
           "background_weight 0: expected more than 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets_are_its_answers),
        cmocka_unit_test(test_its_own_normalisation),
        cmocka_unit_test(test_scale_and_threads),
        cmocka_unit_test(test_learns_from_it_alone),
        cmocka_unit_test(test_idle_teacher),
        cmocka_unit_test(test_resumed_runs_are_the_same),
        cmocka_unit_test(test_views_are_answered_once),
        cmocka_unit_test(test_views_are_shared),
        cmocka_unit_test(test_a_refused_teacher_drops_no_views),
        cmocka_unit_test(test_view_cache),
        cmocka_unit_test(test_another_teacher_is_refused),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_background_must_weigh),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
