/* Whole trainings: learning, outputs, starting points, failures. */
#include "training.h"

#include "base/error.h"
#include "base/str.h"
#include "io/file.h"
#include "io/json.h"
#include "nn/model.h"
#include "stickfigure.h"
#include "train/checkpoint.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int setup(void **state)
{
    static struct training t;
    *state = &t;
    return training_open(&t);
}

static int teardown(void **state)
{
    training_close(*state);
    return 0;
}

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

static char *in_results(const struct training *t, const char *results, const char *name)
{
    char *folder = training_path(t, results), *path = path_join(folder, name);
    free(folder);
    assert_non_null(path);
    return path;
}

static bool exists(const struct training *t, const char *results, const char *name)
{
    char *path = in_results(t, results, name);
    const bool found = file_exists(path);
    free(path);
    return found;
}

struct first_loss {
    double first, last;
};

static int watch(void *ctx, const struct train_progress *p)
{
    struct first_loss *seen = ctx;
    if (p->step == 1)
        seen->first = p->data_loss;
    seen->last = p->data_loss;
    return 0;
}

/* Eight pictures without augmentation can be learned by heart. */
static void test_overfits(void **state)
{
    struct training t = *(struct training *)*state;
    struct train_result result;
    struct first_loss seen = {0};
    set(&t, "num_epoch=40");
    set(&t, "checkpoint_n_epoch=40");
    set(&t, "dataloader.batch_size=4");
    set(&t, "dataloader.augmentation_config.spatial_aug_params.flip_lr_prob=0.0");
    set(&t, "dataloader.augmentation_config.spatial_aug_params.rotate_deg_max=0.0");
    set(&t, "dataloader.augmentation_config.spatial_aug_params.rotate_deg_min=0.0");
    set(&t, "dataloader.augmentation_config.spatial_aug_params.translate_max_x=0.0");
    set(&t, "dataloader.augmentation_config.spatial_aug_params.translate_min_x=0.0");
    set(&t, "dataloader.augmentation_config.spatial_aug_params.translate_max_y=0.0");
    set(&t, "dataloader.augmentation_config.spatial_aug_params.translate_min_y=0.0");
    t.options.progress = watch;
    t.options.ctx = &seen;
    must(training_run(&result, &t, "overfit"));
    print_message("data loss %g after the first step, %g after the last\n", seen.first, seen.last);
    assert_true(seen.last < 0.2 * seen.first);
    assert_true(isfinite(result.loss));
}

static void test_outputs_with_validation(void **state)
{
    struct training t = *(struct training *)*state;
    struct train_result result;
    t.n_overrides = 0; /* validation every epoch */
    set(&t, "max_ckpt_to_keep=1");
    set(&t, "final_model_name=mine");
    set(&t, "ema_decay=0.5");
    must(training_run(&result, &t, "outputs"));
    assert_true(result.best_epoch >= 1 && result.best_epoch <= TRAINING_EPOCHS);
    assert_true(result.best_loss > 0.0);
    assert_true(result.best_ap >= 0.0 && result.best_ap <= 1.0);
    assert_true(exists(&t, "outputs", "mine.bpnet"));
    assert_true(exists(&t, "outputs", "best.bpnet"));
    assert_true(exists(&t, "outputs", "model.epoch-3.bpnet"));
    assert_true(exists(&t, "outputs", "model.epoch-2.bpnet") == (result.best_epoch == 2));
    assert_false(exists(&t, "outputs", "latest.bpnet"));

    /* The final model is the averaged one of the newest checkpoint. */
    struct model *model;
    struct checkpoint c;
    char hash[33], *path = in_results(&t, "outputs", "mine.bpnet");
    must(model_load(&model, path, NULL));
    params_hash(&model->params, hash);
    assert_string_equal(hash, result.hash);
    assert_int_equal(model->meta.epoch, TRAINING_EPOCHS);
    free(path);
    path = in_results(&t, "outputs", "model.epoch-3.bpnet");
    must(checkpoint_open(&c, path, NULL));
    assert_memory_equal(c.average, model->params.value, model->params.n_floats * sizeof(float));
    params_hash(&c.model->params, hash);
    assert_string_not_equal(hash, result.hash);
    checkpoint_close(&c);
    model_free(model);
    free(path);

    /* The resolved spec trains the same network. */
    struct experiment_spec *spec;
    path = in_results(&t, "outputs", "experiment_spec.yaml");
    must(experiment_spec_load(&spec, path, NULL));
    assert_string_equal(spec->final_model_name, "mine");
    experiment_spec_free(spec);
    free(path);
}

/* Reads what test_outputs_with_validation left behind. */
static void test_metrics_and_status(void **state)
{
    struct training *t = *state;
    char *path = in_results(t, "outputs", "metrics.csv"), line[1024];
    FILE *stream = fopen(path, "r");
    assert_non_null(stream);
    assert_non_null(fgets(line, sizeof line, stream));
    assert_string_equal(line, "step,epoch,lr,loss,data_loss,regularization,heat_1,heat_2,paf_1,"
                              "paf_2,validation_loss,validation_ap,seconds,images_per_second\n");
    int rows = 0;
    while (fgets(line, sizeof line, stream)) {
        double v[10], sum = 0.0;
        char *at = line;
        for (int i = 0; i < 10; i++, at++)
            v[i] = strtod(at, &at);
        for (int i = 6; i < 10; i++)
            sum += v[i];
        assert_true(v[0] == ++rows);
        assert_true(fabs(v[1] - rows / 4.0) < 1e-9);
        assert_true(fabs(v[3] - v[4] - v[5]) < 1e-6 * v[3]);
        assert_true(fabs(sum - v[4]) < 1e-6 * v[4]);
        assert_true(v[5] > 0.0);
        const bool validated = *at != ',';
        assert_true(validated == (rows % 4 == 0));
    }
    assert_int_equal(rows, 12);
    fclose(stream);
    free(path);

    path = in_results(t, "outputs", "status.json");
    stream = fopen(path, "r");
    assert_non_null(stream);
    int epoch = 0;
    while (fgets(line, sizeof line, stream)) {
        struct json *v;
        must(json_parse(&v, line, strlen(line), "status.json"));
        assert_string_equal(json_as_string(json_get(v, "status")), "RUNNING");
        assert_int_equal(json_as_integer(json_get(v, "epoch")), ++epoch);
        assert_int_equal(json_as_integer(json_get(v, "max_epoch")), 3);
        assert_true(json_as_number(json_get(json_get(v, "graphical"), "loss")) > 0.0);
        json_free(v);
    }
    assert_int_equal(epoch, 3);
    fclose(stream);
    free(path);

    path = in_results(t, "outputs", "events");
    char **names;
    size_t n;
    must(folder_list(&names, &n, path, NULL));
    assert_int_equal(n, 1);
    free(names);
    free(path);
}

static void test_divergence_is_told(void **state)
{
    struct training t = *(struct training *)*state;
    struct train_result result;
    set(&t, "optimizer.learning_rate_schedule.base_learning_rate=1.0e+30");
    set(&t, "optimizer.learning_rate_schedule.min_learning_rate=1.0e+29");
    assert_int_equal(training_run(&result, &t, "diverged"), BPNET_ENUMERIC);
    assert_non_null(strstr(error_message(), "step"));
    assert_non_null(strstr(error_message(), "(epoch 0."));
    assert_true(result.step >= 1 && result.step < 4); /* before the first checkpoint */
    assert_false(exists(&t, "diverged", "model.epoch-1.bpnet"));
}

static void test_dry_run_leaves_nothing(void **state)
{
    struct training t = *(struct training *)*state;
    struct train_result result;
    t.options.dry_run = true;
    must(training_run(&result, &t, "dry"));
    char *folder = training_path(&t, "dry");
    assert_false(folder_exists(folder));
    assert_true(result.step_seconds > 0.0);
    free(folder);
}

/* The first step's loss tells where a run began. */
static double loss_of_first_step(struct training *t, const char *results)
{
    struct first_loss seen = {0};
    struct train_result result;
    set(t, "num_epoch=1");
    set(t, "checkpoint_n_epoch=1");
    t->options.progress = watch;
    t->options.ctx = &seen;
    must(training_run(&result, t, results));
    return seen.first;
}

static char *weights_override(const struct training *t, const char *results, const char *name)
{
    char *path = in_results(t, results, name);
    struct str text = {0};
    str_printf(&text, "pretrained_weights=%s", path);
    free(path);
    return text.text;
}

/* Weights learned by test_overfits begin lower than new ones, by name or with their graph. */
static void test_pretrained_weights(void **state)
{
    const struct training *base = *state;
    struct training fresh = *base, transfer = *base, graph = *base;
    char *weights = weights_override(base, "overfit", "bpnet_model.bpnet");
    set(&transfer, weights);
    set(&graph, weights);
    set(&graph, "load_graph=True");
    const double from_new = loss_of_first_step(&fresh, "from_new");
    const double from_weights = loss_of_first_step(&transfer, "from_weights");
    const double from_graph = loss_of_first_step(&graph, "from_graph");
    assert_true(from_weights < 0.8 * from_new);
    assert_true(from_graph == from_weights);
    free(weights);
}

/* A graph from a file is trained with the spec's regularisers, not with its own. */
static void test_loaded_graph_is_regularised(void **state)
{
    struct training t = *(struct training *)*state;
    struct train_result result;
    char *weights = weights_override(&t, "overfit", "bpnet_model.bpnet");
    set(&t, weights);
    set(&t, "load_graph=True");
    set(&t, "num_epoch=1");
    set(&t, "model.kernel_regularization_factor=0.125");
    set(&t, "use_stagewise_lr_multipliers=True");
    must(training_run(&result, &t, "regularised"));
    struct checkpoint c;
    char *path = in_results(&t, "regularised", "model.epoch-1.bpnet");
    must(checkpoint_open(&c, path, NULL));
    int regularised = 0, boosted = 0;
    for (int i = 0; i < c.model->graph.n_nodes; i++) {
        regularised += c.model->graph.nodes[i].l2 == 0.125F;
        boosted += c.model->graph.nodes[i].kernel_lr == 4.0F;
    }
    assert_true(regularised > 10);
    assert_true(boosted > 0);
    checkpoint_close(&c);
    free(path);
    free(weights);
}

/* Counts what of a graph is regularised or boosted, and its norms with L1 on their scales. */
static void count_attributes(const struct training *t, const char *results, int n[3])
{
    struct model *m;
    char *path = in_results(t, results, "model.epoch-1.bpnet");
    must(model_load(&m, path, NULL));
    n[0] = n[1] = n[2] = 0;
    for (int i = 0; i < m->graph.n_nodes; i++) {
        const struct node *node = &m->graph.nodes[i];
        n[0] += node->op == OP_CONV && (node->l1 > 0.0F || node->l2 > 0.0F);
        n[1] += node->op == OP_CONV && (node->kernel_lr > 1.0F || node->bias_lr > 1.0F);
        n[2] += node->op == OP_NORM && node->l1 == 0.0625F;
    }
    model_free(m);
    free(path);
}

/* As the spec says; with `compat` nothing of it, as in the original (quirk 8). */
static void test_attributes_of_a_loaded_graph(void **state)
{
    struct training t = *(struct training *)*state;
    struct train_result result;
    int n[3];
    char *weights = weights_override(&t, "overfit", "bpnet_model.bpnet");
    set(&t, weights);
    set(&t, "load_graph=True");
    set(&t, "num_epoch=1");
    set(&t, "checkpoint_n_epoch=1");
    set(&t, "model.norm_scale_l1=0.0625");
    set(&t, "use_stagewise_lr_multipliers=True");
    must(training_run(&result, &t, "attributes"));
    count_attributes(&t, "attributes", n);
    assert_true(n[0] > 10 && n[1] > 0 && n[2] > 5);
    t.options.compat = true;
    must(training_run(&result, &t, "attributes_compat"));
    count_attributes(&t, "attributes_compat", n);
    assert_int_equal(n[0], 0);
    assert_int_equal(n[1], 0);
    assert_int_equal(n[2], 0);
    free(weights);
}

static void test_wrong_starting_points(void **state)
{
    const struct training *base = *state;
    struct train_result result;
    struct training t = *base;
    set(&t, "load_graph=True");
    assert_int_equal(training_run(&result, &t, "wrong"), BPNET_ECONFIG);
    assert_non_null(strstr(error_message(), "pretrained_weights"));

    t = *base;
    char *weights = weights_override(base, "overfit", "bpnet_model.bpnet");
    set(&t, weights);
    set(&t, "load_graph=True");
    set(&t, "model.stages=3");
    assert_int_equal(training_run(&result, &t, "wrong"), BPNET_ECONFIG);
    assert_non_null(strstr(error_message(), "has 2 stages, the spec's model has 3"));
    free(weights);

    t = *base;
    set(&t, "pretrained_weights=/nowhere/model.bpnet");
    assert_int_equal(training_run(&result, &t, "wrong"), BPNET_ENOENT);
    char *folder = in_results(base, "wrong", "experiment_spec.yaml");
    assert_false(file_exists(folder)); /* nothing is written before all is open */
    free(folder);
}

/* A final model must not be taken for a checkpoint, which is overwritten or removed. */
static void test_names_of_checkpoints(void **state)
{
    static const char *const taken[] = {"final_model_name=latest", "final_model_name=latest.bpnet",
                                        "final_model_name=best", "final_model_name=model.epoch-2"};
    static const char *const fine[] = {"final_model_name=latest.tlt",
                                       "final_model_name=model.epoch-two",
                                       "final_model_name=best2"};
    struct train_result result;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        struct training t = *(struct training *)*state;
        set(&t, taken[i]);
        assert_int_equal(training_run(&result, &t, "taken"), BPNET_ECONFIG);
        assert_non_null(strstr(error_message(), "is a file that training keeps for itself"));
        assert_false(exists(&t, "taken", "experiment_spec.yaml"));
    }
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        struct training t = *(struct training *)*state;
        set(&t, fine[i]);
        t.options.dry_run = true;
        must(training_run(&result, &t, "taken"));
    }
}

/* Fine-tuning goes on from another run's step, with its moments, for the epochs that are left. */
static void test_fine_tuning(void **state)
{
    struct training t = *(struct training *)*state;
    struct train_result result;
    char *path = in_results(&t, "outputs", "model.epoch-3.bpnet");
    struct str override = {0};
    str_printf(&override, "finetuning_config.checkpoint_path=%s", path);
    set(&t, "finetuning_config.is_finetune_exp=True");
    set(&t, str_text(&override));
    set(&t, "finetuning_config.ckpt_epoch_num=3");
    set(&t, "num_epoch=5");
    must(training_run(&result, &t, "finetuned"));
    assert_int_equal(result.first_step, 12);
    assert_int_equal(result.step, 12 + 2 * 4);
    assert_true(exists(&t, "finetuned", "model.epoch-4.bpnet"));
    assert_true(exists(&t, "finetuned", "model.epoch-5.bpnet"));
    must(training_run(&result, &t, "finetuned")); /* resumed: nothing left */
    assert_int_equal(result.first_step, 20);

    t.overrides[t.n_overrides - 1] = "num_epoch=3";
    assert_int_equal(training_run(&result, &t, "finetuned2"), BPNET_ECONFIG);
    assert_non_null(strstr(error_message(), "nothing is left"));
    str_free(&override);
    free(path);
}

struct nested {
    const struct training *t;
    int err;
    char message[256];
};

static int train_again(void *ctx, const struct train_progress *p)
{
    struct nested *n = ctx;
    if (p->step == 1) {
        struct training inner = *n->t;
        inner.options.progress = NULL;
        n->err = training_run(NULL, &inner, "locked");
        snprintf(n->message, sizeof n->message, "%s", error_message());
    }
    return -1;
}

static void test_a_folder_takes_one_training(void **state)
{
    struct training t = *(struct training *)*state;
    struct nested nested = {.t = *state};
    t.options.progress = train_again;
    t.options.ctx = &nested;
    assert_int_equal(training_run(NULL, &t, "locked"), BPNET_ESTOPPED);
    assert_int_equal(nested.err, BPNET_EUSAGE);
    assert_non_null(strstr(nested.message, "another training"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_overfits),
        cmocka_unit_test(test_outputs_with_validation),
        cmocka_unit_test(test_metrics_and_status),
        cmocka_unit_test(test_divergence_is_told),
        cmocka_unit_test(test_dry_run_leaves_nothing),
        cmocka_unit_test(test_pretrained_weights),
        cmocka_unit_test(test_loaded_graph_is_regularised),
        cmocka_unit_test(test_attributes_of_a_loaded_graph),
        cmocka_unit_test(test_wrong_starting_points),
        cmocka_unit_test(test_names_of_checkpoints),
        cmocka_unit_test(test_fine_tuning),
        cmocka_unit_test(test_a_folder_takes_one_training),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
