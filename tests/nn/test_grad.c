/*
 * Gradients of every row of the op table against central differences, in random small networks:
 * strides, dilation, odd sizes, several readers, several outputs. A new operation is covered
 * unasked. The same networks show that results do not depend on the number of threads, and that
 * fusing, sharing memory and placing maps within others change nothing.
 */
#include "base/str.h"
#include "runs.h"

enum { GRAPHS = 40 }; /* for each operation */

struct trial {
    char name[32];
    struct model *model;
    int batch, h, w;
    uint64_t seed;
};

/* Trial `index` of an operation; the caller frees the model. */
static struct trial make_trial(enum op op, int index)
{
    struct rng rng = rng_stream(7, (uint64_t)op, (uint64_t)index);
    struct trial t = {.batch = pick(&rng, 1, 3), .seed = rng_next(&rng)};
    snprintf(t.name, sizeof t.name, "%s %d", op_name(op), index);
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

enum verdict { AGREES, DIFFERS, KINK };

/*
 * Whether a slope agrees with differences at some step size. Where a ReLU or a maximum changes
 * within the step, there are two slopes, and the gradient is one of them. Where several change at
 * this very point (two equal values under a maximum), it need not be: that is a kink.
 */
static enum verdict judge_slope(struct runner *r, uint64_t seed, const struct param *p,
                                const float *origin, const float *direction, double slope,
                                double norm, struct str *story)
{
    static const double steps[] = {1e-2, 3e-3, 1e-3, 3e-4};
    double size;
    const double here = loss_at(r, seed, p, origin, direction, 0.0, &size);
    bool bent = true;
    for (size_t k = 0; k < sizeof steps / sizeof steps[0]; k++) {
        const double ahead = loss_at(r, seed, p, origin, direction, steps[k], &size) - here;
        const double behind = here - loss_at(r, seed, p, origin, direction, -steps[k], &size);
        const double found[3] = {(ahead + behind) / 2.0 / steps[k], ahead / steps[k],
                                 behind / steps[k]};
        const double limit = 0.01 * norm + 2e-7 * size / steps[k];
        for (int i = 0; i < 3; i++)
            if (fabs(found[i] - slope) <= limit)
                return AGREES;
        bent = bent && fabs(found[1] - found[2]) > 2.0 * limit;
        str_printf(story, " %g, %g ahead, %g behind (step %g);", found[0], found[1], found[2],
                   steps[k]);
    }
    return bent ? KINK : DIFFERS;
}

/* The gradient `g` of a parameter along a direction. */
static enum verdict judge(struct runner *r, uint64_t seed, const struct param *p, const float *g,
                          struct str *story)
{
    struct rng rng = rng_stream(seed, 3, (uint64_t)p->offset);
    float *direction = malloc(p->count * sizeof *direction);
    float *origin = malloc(p->count * sizeof *origin);
    double slope = 0.0, norm = 0.0;
    memcpy(origin, r->model->params.value + p->offset, p->count * sizeof *origin);
    make_direction(direction, g, p->count, &rng);
    for (size_t i = 0; i < p->count; i++) {
        slope += (double)g[i] * (double)direction[i];
        norm += (double)g[i] * (double)g[i];
    }
    norm = sqrt(norm);
    const enum verdict verdict = judge_slope(r, seed, p, origin, direction, slope, norm, story);
    str_printf(story, " expected %g, the gradient's length is %g", slope, norm);
    free(direction);
    free(origin);
    return verdict;
}

/* Parameters looked at, and those at a kink. */
struct counts {
    int all, kinks;
};

static void check_parameter(struct counts *counts, struct runner *r, const struct trial *t,
                            const struct param *p, const float *g)
{
    struct str story = {0};
    const enum verdict verdict = judge(r, t->seed, p, g, &story);
    if (verdict == DIFFERS)
        fail_msg("%s, %s: gradient of %s: found%s", t->name, cpu_level_name(r->kernels.level),
                 p->name, str_text(&story));
    str_free(&story);
    counts->all++;
    counts->kinks += verdict == KINK;
}

static void check_trial(struct counts *counts, enum op op, int index, enum cpu_level level)
{
    struct trial t = make_trial(op, index);
    const struct params *params = &t.model->params;
    struct runner r;
    open_trial(&r, &t, level, 1);
    runner_forward(&r);
    runner_backward(&r, t.seed);
    float *grads = malloc(params->n_trainable * sizeof *grads);
    memcpy(grads, exec_grads(r.exec), params->n_trainable * sizeof *grads);
    for (int i = 0; i < params->n; i++)
        if (params->list[i].offset < params->n_trainable)
            check_parameter(counts, &r, &t, &params->list[i], grads + params->list[i].offset);
    free(grads);
    runner_close(&r);
    model_free(t.model);
}

static void check_all(enum cpu_level level)
{
    for (int op = OP_CONV; op < OP_COUNT; op++) {
        struct counts counts = {0};
        for (int i = 0; i < GRAPHS; i++)
            check_trial(&counts, (enum op)op, i, level);
        assert_true(counts.all > 5 * GRAPHS && counts.kinks <= counts.all / 50);
    }
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

/*
 * A batch larger than the groups that weight gradients are summed in: its gradient is the sum of
 * those of its pictures.
 */
static void test_large_batch(void **state)
{
    (void)state;
    enum { BATCH = 11, SIZE = 9 };
    struct trial t = {.batch = BATCH, .h = SIZE, .w = SIZE, .seed = 1};
    struct graph *g;
    struct runner all, one;
    const struct node input = {.name = "input", .op = OP_INPUT, .channels = 3};
    t.model = calloc(1, sizeof *t.model);
    t.model->spec_text = calloc(1, 1);
    g = &t.model->graph;
    graph_add(g, &input);
    add_conv(g, add_conv(g, add_conv(g, 0, 3, 2, 16), 3, 1, 24), 1, 1, 5);
    assert_int_equal(last_node(g), 0);
    assert_int_equal(params_open(&t.model->params, g), 0);
    struct rng rng = rng_stream(4, 0, 0);
    random_values(&t.model->params, &rng);
    const size_t n = t.model->params.n_trainable;
    float *sum = calloc(n, sizeof *sum);
    open_trial(&all, &t, cpu_level_detect(), 3);
    runner_forward(&all);
    runner_backward(&all, t.seed);
    runner_open(&one, t.model, true, 1, SIZE, SIZE, cpu_level_detect(), 1);
    int h, w, channels, pitch;
    double size;
    exec_output(one.exec, 0, &h, &w, &channels, &pitch);
    const int cells = h * w * channels;
    runner_loss(&all, t.seed, true, &size); /* sets the gradients again */
    for (int i = 0; i < BATCH; i++) {
        memcpy(exec_input(one.exec), exec_input(all.exec) + i * SIZE * SIZE * 3,
               SIZE * SIZE * 3 * sizeof(float));
        memcpy(exec_output_grad(one.exec, 0), exec_output_grad(all.exec, 0) + i * cells,
               (size_t)cells * sizeof(float));
        runner_forward(&one);
        assert_int_equal(exec_backward(one.exec), 0);
        for (size_t k = 0; k < n; k++)
            sum[k] += exec_grads(one.exec)[k];
    }
    assert_true(relative_distance(exec_grads(all.exec), sum, n) < 1e-5);
    free(sum);
    runner_close(&all);
    runner_close(&one);
    model_free(t.model);
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

/* Sums of rectified branches: neither may rectify the gradient they share while the other needs it.
 */
static void test_rectified_sums(void **state)
{
    (void)state;
    for (int order = 0; order < 4; order++) {
        struct trial t = {.batch = 1, .h = 5, .w = 4, .seed = 17};
        struct graph *g;
        int branch[2];
        const struct node input = {.name = "input", .op = OP_INPUT, .channels = 3};
        t.model = calloc(1, sizeof *t.model);
        t.model->spec_text = calloc(1, 1);
        g = &t.model->graph;
        graph_add(g, &input);
        const int first = add_conv(g, 0, 3, 1, 8);
        for (int k = 0; k < 2; k++) {
            branch[k] = add_conv(g, first, 1, 1, 8);
            struct node relu = {
                .op = OP_ACT, .act = ACT_RELU, .n_inputs = 1, .inputs = {branch[k]}, .channels = 8};
            snprintf(relu.name, sizeof relu.name, "relu%d", k);
            if (order & 1 << k) /* one of them, both or none */
                branch[k] = graph_add(g, &relu);
        }
        const struct node sum = {.name = "sum",
                                 .op = OP_ADD,
                                 .n_inputs = 2,
                                 .inputs = {branch[0], branch[1]},
                                 .channels = 8};
        add_conv(g, graph_add(g, &sum), 1, 1, 4);
        assert_int_equal(last_node(g), 0);
        assert_int_equal(params_open(&t.model->params, g), 0);
        struct rng rng = rng_stream(5, 0, 0);
        random_values(&t.model->params, &rng);
        check_plain(&t);
        model_free(t.model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients_ref),  cmocka_unit_test(test_gradients_best),
        cmocka_unit_test(test_threads),        cmocka_unit_test(test_large_batch),
        cmocka_unit_test(test_levels),         cmocka_unit_test(test_planning),
        cmocka_unit_test(test_rectified_sums),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
