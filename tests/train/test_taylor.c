/* Importances of filters against differences of the loss, with a factor on the filter's output. */
#include "train/taylor.h"

#include "base/error.h"
#include "train/maps.h"
#include "train/session.h"
#include "training.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
    struct training t;
    struct experiment_spec *spec;
    char *model;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct train_result result;
    *state = f;
    assert_int_equal(training_open(&f->t), 0);
    f->t.overrides[f->t.n_overrides++] = "num_epoch=1";
    f->t.overrides[f->t.n_overrides++] = "checkpoint_n_epoch=1";
    assert_int_equal(training_run(&result, &f->t, "out"), 0);
    char *path = training_path(&f->t, "train.yaml");
    const struct spec_overrides overrides = {f->t.overrides, f->t.n_overrides};
    assert_int_equal(experiment_spec_load(&f->spec, path, &overrides), 0);
    free(path);
    f->model = training_path(&f->t, "out/bpnet_model.bpnet");
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    experiment_spec_free(f->spec);
    training_close(&f->t);
    free(f->model);
    free(f);
    return 0;
}

static struct taylor_options options_of(const struct fixture *f, int batches)
{
    return (struct taylor_options){
        .model = f->model, .batches = batches, .threads = 2, .cpu = cpu_level_detect()};
}

static double loss_of(struct session *s, const struct batch *batch)
{
    struct loss_map maps[LOSS_MAX_MAPS];
    struct loss_value loss;
    int n_maps;
    assert_int_equal(exec_forward(s->exec), 0);
    assert_int_equal(maps_bind(maps, &n_maps, s->exec, batch, false), 0);
    loss_run(s->loss, &loss, maps, n_maps, batch->n);
    return loss.data;
}

/* Multiply what filter j of a layer puts out. */
static void scale_filter(struct model *m, int node, int j, float factor)
{
    const int norm = graph_norm_of(&m->graph, node);
    for (int i = 0; i < m->params.n; i++) {
        const struct param *p = &m->params.list[i];
        const bool own = norm < 0
                             ? p->node == node
                             : p->node == norm && (p->role == PARAM_GAMMA || p->role == PARAM_BETA);
        for (size_t k = (size_t)j; own && k < p->count; k += (size_t)m->graph.nodes[node].channels)
            m->params.value[p->offset + k] *= factor;
    }
}

/* Small steps: many kinks lie close by, in batch norms of few pixels. */
static double difference(struct session *s, const struct batch *batch, int node, int j)
{
    const float step = 0x1p-12F;
    struct params *p = &s->start.model->params;
    float *before = malloc(p->n_floats * sizeof *before);
    double loss[2];
    for (int k = 0; k < 2; k++) {
        memcpy(before, p->value, p->n_floats * sizeof *before);
        scale_filter(s->start.model, node, j, k ? 1.0F + step : 1.0F - step);
        loss[k] = loss_of(s, batch);
        memcpy(p->value, before, p->n_floats * sizeof *before);
    }
    free(before);
    return (loss[1] - loss[0]) / (2.0 * (double)step);
}

static void test_against_differences(void **state)
{
    const struct fixture *f = *state;
    struct taylor_scores scores;
    const struct taylor_options one = options_of(f, 1);
    assert_int_equal(taylor_score(&scores, f->spec, &one), 0);

    struct experiment_spec own = *f->spec;
    own.pretrained_weights = f->model;
    own.load_graph = true;
    struct trainer_options how;
    trainer_options_default(&how);
    how.results_dir = ".";
    how.dry_run = how.fresh = true;
    struct session s;
    const struct batch *batch;
    assert_int_equal(session_open(&s, &own, &how), 0);
    assert_int_equal(loader_next(s.loader, &batch), 0);
    maps_feed(s.exec, batch);
    const struct graph *g = &s.start.model->graph;
    int with_norm = 0, without = 0;
    double error = 0.0, size = 0.0;
    for (int i = 0; i < g->n_nodes; i++) {
        assert_int_equal(scores.of[i] != NULL, g->nodes[i].op == OP_CONV);
        if (!scores.of[i])
            continue;
        const int j = i % g->nodes[i].channels;
        const double expected = fabs(difference(&s, batch, i, j)), found = sqrt(scores.of[i][j]);
        *(graph_norm_of(g, i) < 0 ? &without : &with_norm) += found > 0.0;
        error += fabs(found - expected);
        size += expected;
        assert_true(fabs(found - expected) <= 0.1 * expected + 0.05);
    }
    assert_true(with_norm > 5 && without >= 4);
    assert_true(error <= 0.03 * size);
    session_close(&s);
    taylor_scores_free(&scores);
}

static int same_scores(const struct taylor_scores *a, const struct taylor_scores *b,
                       const struct model *m)
{
    int same = 1;
    for (int i = 0; i < a->n_nodes; i++)
        if (a->of[i])
            same &= memcmp(a->of[i], b->of[i],
                           (size_t)m->graph.nodes[i].channels * sizeof(double)) == 0;
    return same;
}

/* Whatever the number of threads; the file is as it was; more batches say something else. */
static void test_repeatable(void **state)
{
    const struct fixture *f = *state;
    struct taylor_options how = options_of(f, 2);
    struct taylor_scores a, b, c;
    struct model *before, *after;
    char hash[2][33];
    assert_int_equal(model_load(&before, f->model, NULL), 0);
    assert_int_equal(taylor_score(&a, f->spec, &how), 0);
    how.threads = 1;
    assert_int_equal(taylor_score(&b, f->spec, &how), 0);
    how.batches = 3;
    assert_int_equal(taylor_score(&c, f->spec, &how), 0);
    assert_true(same_scores(&a, &b, before));
    assert_false(same_scores(&a, &c, before));
    assert_int_equal(model_load(&after, f->model, NULL), 0);
    params_hash(&before->params, hash[0]);
    params_hash(&after->params, hash[1]);
    assert_string_equal(hash[0], hash[1]);
    taylor_scores_free(&a);
    taylor_scores_free(&b);
    taylor_scores_free(&c);
    model_free(before);
    model_free(after);
}

static void test_errors(void **state)
{
    const struct fixture *f = *state;
    struct taylor_options how = options_of(f, 1);
    struct taylor_scores scores;
    const volatile sig_atomic_t stop = 1;
    how.stop = &stop;
    assert_int_equal(taylor_score(&scores, f->spec, &how), BPNET_ESTOPPED);
    assert_null(scores.of);
    how.stop = NULL;
    how.model = "nowhere.bpnet";
    assert_int_equal(taylor_score(&scores, f->spec, &how), BPNET_ENOENT);
    assert_non_null(strstr(error_message(), "nowhere.bpnet"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_differences),
        cmocka_unit_test(test_repeatable),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
