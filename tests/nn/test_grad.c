/*
 * Gradients of every row of the op table against central differences, in random small networks:
 * strides, dilation, odd sizes, several readers, several outputs. A new operation is covered
 * unasked. The same networks show that results do not depend on the number of threads, and that
 * fusing, sharing memory and placing maps within others change nothing.
 */
#include "runs.h"

enum { GRAPHS = 60 }; /* for each operation */

struct trial {
    struct model *model;
    int batch, h, w;
    uint64_t seed;
};

/* Trial `index` of an operation; the caller frees the model. */
static struct trial make_trial(enum op op, int index)
{
    struct rng rng = rng_stream(7, (uint64_t)op, (uint64_t)index);
    struct trial t = {.batch = pick(&rng, 1, 3), .seed = rng_next(&rng)};
    t.h = pick(&rng, 3, 11);
    t.w = pick(&rng, 3, 11);
    t.model = random_model(op, t.h, t.w, &rng);
    if (!t.model)
        fail_msg("no network with '%s' could be made", op_name(op));
    return t;
}

static void open_trial(struct runner *r, const struct trial *t, enum cpu_level level,
                       unsigned threads)
{
    runner_open(r, t->model, true, t->batch, t->h, t->w, level, threads);
    runner_feed(r, t->seed);
}

/* A direction of length 1, partly the gradient's and partly random. */
static void make_direction(float *direction, const float *g, size_t n, struct rng *rng)
{
    double length_g = 0.0, length_r = 0.0, length = 0.0;
    for (size_t i = 0; i < n; i++) {
        direction[i] = (float)rng_normal(rng);
        length_r += (double)direction[i] * (double)direction[i];
        length_g += (double)g[i] * (double)g[i];
    }
    for (size_t i = 0; i < n; i++) {
        const double towards = length_g > 0.0 ? (double)g[i] / sqrt(length_g) : 0.0;
        direction[i] = (float)(towards + 0.7 * (double)direction[i] / sqrt(length_r));
        length += (double)direction[i] * (double)direction[i];
    }
    for (size_t i = 0; i < n; i++)
        direction[i] = (float)((double)direction[i] / sqrt(length));
}

static double loss_at(struct runner *r, uint64_t seed, const struct param *p, const float *origin,
                      const float *direction, double step, double *size)
{
    float *value = r->model->params.value + p->offset;
    for (size_t i = 0; i < p->count; i++)
        value[i] = (float)((double)origin[i] + step * (double)direction[i]);
    runner_forward(r);
    const double loss = runner_loss(r, seed, false, size);
    memcpy(value, origin, p->count * sizeof *value);
    return loss;
}

/* Whether the gradient `g` of a parameter agrees with differences at some step size. */
static bool agrees(struct runner *r, uint64_t seed, const struct param *p, const float *g,
                   char *story, size_t story_size)
{
    static const double steps[] = {1e-2, 3e-3, 1e-3, 3e-2};
    struct rng rng = rng_stream(seed, 3, (uint64_t)p->offset);
    float *direction = malloc(p->count * sizeof *direction);
    float *origin = malloc(p->count * sizeof *origin);
    double expected = 0.0, norm = 0.0;
    bool good = false;
    memcpy(origin, r->model->params.value + p->offset, p->count * sizeof *origin);
    make_direction(direction, g, p->count, &rng);
    for (size_t i = 0; i < p->count; i++) {
        expected += (double)g[i] * (double)direction[i];
        norm += (double)g[i] * (double)g[i];
    }
    story[0] = '\0';
    for (size_t k = 0; k < sizeof steps / sizeof steps[0] && !good; k++) {
        double size;
        const double ahead = loss_at(r, seed, p, origin, direction, steps[k], &size);
        const double behind = loss_at(r, seed, p, origin, direction, -steps[k], &size);
        const double found = (ahead - behind) / (2.0 * steps[k]);
        const double noise = 2e-7 * size / steps[k];
        good = fabs(found - expected) <= 0.01 * sqrt(norm) + noise;
        const size_t used = strlen(story);
        snprintf(story + used, story_size - used, " %g (step %g)", found, steps[k]);
    }
    const size_t used = strlen(story);
    snprintf(story + used, story_size - used, ", expected %g of %g", expected, sqrt(norm));
    free(direction);
    free(origin);
    return good;
}

static void check_trial(enum op op, int index, enum cpu_level level)
{
    struct trial t = make_trial(op, index);
    const struct params *params = &t.model->params;
    struct runner r;
    open_trial(&r, &t, level, 1);
    runner_forward(&r);
    runner_backward(&r, t.seed);
    float *grads = malloc(params->n_trainable * sizeof *grads);
    memcpy(grads, exec_grads(r.exec), params->n_trainable * sizeof *grads);
    for (int i = 0; i < params->n; i++) {
        const struct param *p = &params->list[i];
        char story[400];
        if (p->role != PARAM_MEAN && p->role != PARAM_VARIANCE &&
            !agrees(&r, t.seed, p, grads + p->offset, story, sizeof story))
            fail_msg("%s %d, %s: gradient of %s: found%s", op_name(op), index,
                     cpu_level_name(level), p->name, story);
    }
    free(grads);
    runner_close(&r);
    model_free(t.model);
}

static void check_all(enum cpu_level level)
{
    for (int op = OP_CONV; op < OP_COUNT; op++)
        for (int i = 0; i < GRAPHS; i++)
            check_trial((enum op)op, i, level);
}

static void test_gradients_ref(void **state)
{
    (void)state;
    check_all(CPU_REF);
}

static void test_gradients_best(void **state)
{
    (void)state;
    if (cpu_level_detect() == CPU_REF)
        skip();
    check_all(cpu_level_detect());
}

/* ---- threads ----------------------------------------------------------------------------- */

struct results {
    float *outputs, *grads, *params;
    size_t n_outputs, n_grads, n_params;
};

/* Two steps, so that memory that is used again shows. */
static struct results run_trial(const struct trial *t, enum cpu_level level, unsigned threads)
{
    struct results all;
    struct runner r;
    struct params *p = &t->model->params;
    float *origin = malloc(p->n_floats * sizeof *origin);
    memcpy(origin, p->value, p->n_floats * sizeof *origin);
    open_trial(&r, t, level, threads);
    for (int step = 0; step < 2; step++) {
        runner_feed(&r, t->seed + (uint64_t)step);
        runner_forward(&r);
        runner_backward(&r, t->seed);
    }
    all.outputs = runner_outputs(&r, &all.n_outputs);
    all.n_grads = p->n_trainable;
    all.grads = malloc(all.n_grads * sizeof *all.grads);
    memcpy(all.grads, exec_grads(r.exec), all.n_grads * sizeof *all.grads);
    all.n_params = p->n_floats;
    all.params = malloc(all.n_params * sizeof *all.params);
    memcpy(all.params, p->value, all.n_params * sizeof *all.params);
    memcpy(p->value, origin, p->n_floats * sizeof *origin);
    free(origin);
    runner_close(&r);
    return all;
}

static void free_results(struct results *r)
{
    free(r->outputs);
    free(r->grads);
    free(r->params);
}

static void assert_identical(const struct results *a, const struct results *b)
{
    assert_int_equal(a->n_outputs, b->n_outputs);
    assert_memory_equal(a->outputs, b->outputs, a->n_outputs * sizeof(float));
    assert_memory_equal(a->grads, b->grads, a->n_grads * sizeof(float));
    assert_memory_equal(a->params, b->params, a->n_params * sizeof(float));
}

static void test_threads(void **state)
{
    (void)state;
    for (int op = OP_CONV; op < OP_COUNT; op++) {
        for (int i = 0; i < 6; i++) {
            struct trial t = make_trial((enum op)op, 100 + i);
            const enum cpu_level level = i % 2 ? CPU_REF : cpu_level_detect();
            struct results one = run_trial(&t, level, 1);
            for (unsigned threads = 2; threads <= 3; threads++) {
                struct results more = run_trial(&t, level, threads);
                assert_identical(&more, &one);
                free_results(&more);
            }
            free_results(&one);
            model_free(t.model);
        }
    }
}

/* ---- levels ------------------------------------------------------------------------------ */

static void test_levels(void **state)
{
    (void)state;
    for (int level = CPU_AVX2; level <= (int)cpu_level_detect(); level++) {
        for (int op = OP_CONV; op < OP_COUNT; op++) {
            struct trial t = make_trial((enum op)op, 200);
            struct results plain = run_trial(&t, CPU_REF, 1);
            struct results fast = run_trial(&t, (enum cpu_level)level, 2);
            assert_true(relative_distance(fast.outputs, plain.outputs, plain.n_outputs) < 1e-4);
            assert_true(relative_distance(fast.grads, plain.grads, plain.n_grads) < 1e-3);
            free_results(&plain);
            free_results(&fast);
            model_free(t.model);
        }
    }
}

/* ---- planning ---------------------------------------------------------------------------- */

/*
 * With every node an output, nothing is fused, overwritten or shared. With gradients of 0 for the
 * outputs that were added, everything else must come out the same.
 */
static void check_plain(const struct trial *t)
{
    struct graph *g = &t->model->graph;
    struct runner r;
    int outputs[GRAPH_MAX_OUTPUTS];
    const int n = g->n_outputs;
    struct results planned = run_trial(t, CPU_REF, 1);
    memcpy(outputs, g->outputs, (size_t)n * sizeof *outputs);
    int n_all = n;
    for (int i = 1; i < g->n_nodes; i++) {
        bool is_new = true;
        for (int k = 0; k < n; k++)
            is_new = is_new && outputs[k] != i;
        if (is_new)
            outputs[n_all++] = i;
    }
    assert_int_equal(graph_set_outputs(g, outputs, n_all), 0);
    open_trial(&r, t, CPU_REF, 1);
    runner_feed(&r, t->seed + 1);
    runner_forward(&r);
    runner_backward(&r, t->seed);
    for (int k = n; k < n_all; k++) {
        int h, w, channels, pitch;
        exec_output(r.exec, k, &h, &w, &channels, &pitch);
        memset(exec_output_grad(r.exec, k), 0, (size_t)(t->batch * h * w * channels) * 4);
    }
    /* The weights of the first outputs are drawn first: set them again, as backward may overwrite
     */
    struct rng rng = rng_stream(t->seed, 2, 0);
    for (int k = 0; k < n; k++) {
        int h, w, channels, pitch;
        exec_output(r.exec, k, &h, &w, &channels, &pitch);
        for (int i = 0; i < t->batch * h * w * channels; i++)
            exec_output_grad(r.exec, k)[i] = (float)rng_range(&rng, -1.0, 1.0);
    }
    assert_int_equal(exec_backward(r.exec), 0);
    size_t n_values;
    float *values = runner_outputs(&r, &n_values);
    assert_true(n_values >= planned.n_outputs);
    assert_true(relative_distance(values, planned.outputs, planned.n_outputs) < 1e-6);
    assert_true(relative_distance(exec_grads(r.exec), planned.grads, planned.n_grads) < 1e-4);
    free(values);
    runner_close(&r);
    free_results(&planned);
}

static void test_planning(void **state)
{
    (void)state;
    for (int op = OP_CONV; op < OP_COUNT; op++) {
        for (int i = 0; i < 20; i++) {
            struct trial t = make_trial((enum op)op, 300 + i);
            check_plain(&t);
            model_free(t.model);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_ref), cmocka_unit_test(test_gradients_best),
        cmocka_unit_test(test_threads),       cmocka_unit_test(test_levels),
        cmocka_unit_test(test_planning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
