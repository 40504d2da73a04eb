/*
 * Mixed precision in networks: outputs and gradients stay near those of single precision, at the
 * plain level, which rounds, and at the one that has the arithmetic; and the number of threads
 * changes no bit. (Near is a matter of smooth networks: a ReLU whose input is nearly 0 opens or
 * shuts by rounding alone, and lets the whole gradient through or nothing.)
 */
#include "runs.h"

enum { BATCH = 5, SIDE = 24 };

/*
 * Direct sums of rounded operands err by some 0.2 % of their usual size, Winograd's algorithm by
 * 1 %; five layers of that, which add up by their squares, and twice as much again.
 */
static const double bounds[] = {[false] = 0.01, [true] = 0.05};

struct results {
    float *outputs, *grads;
    size_t n_outputs, n_grads;
};

static int add_tanh(struct graph *g, int input)
{
    struct node n = {.op = OP_ACT,
                     .n_inputs = 1,
                     .inputs = {input},
                     .act = ACT_TANH,
                     .channels = g->nodes[input].channels};
    snprintf(n.name, sizeof n.name, "own_act_%d", g->n_nodes);
    return graph_add(g, &n);
}

/* One convolution of each kind that mixed precision treats in its own way. */
static struct model *smooth_model(void)
{
    static const struct {
        int kernel, stride, channels;
    } layers[] = {{3, 1, 16}, {3, 1, 33}, {3, 2, 24}, {7, 1, 16}, {1, 1, 38}};
    const struct node input = {.name = "input", .op = OP_INPUT, .channels = 3};
    struct rng rng = rng_stream(4, 0, 0);
    struct model *m = calloc(1, sizeof *m);
    assert_non_null(m);
    m->spec_text = calloc(1, 1);
    struct graph *g = &m->graph;
    int x = graph_add(g, &input);
    for (size_t i = 0; i < sizeof layers / sizeof layers[0]; i++) {
        x = add_conv(g, x, layers[i].kernel, layers[i].stride, layers[i].channels);
        if (i + 1 < sizeof layers / sizeof layers[0])
            x = add_tanh(g, x);
    }
    assert_int_equal(last_node(g), 0);
    assert_int_equal(params_open(&m->params, g), 0);
    random_values(&m->params, &rng);
    return m;
}

static struct results run_once(bool mixed, enum cpu_level level, unsigned threads)
{
    struct runner r;
    struct results out;
    struct model *m = smooth_model();
    runner_open_as(&r, m, true, mixed, BATCH, SIDE, SIDE, level, threads);
    runner_feed(&r, 1);
    runner_forward(&r);
    out.outputs = runner_outputs(&r, &out.n_outputs);
    runner_backward(&r, 1);
    out.n_grads = m->params.n_trainable;
    out.grads = malloc(out.n_grads * sizeof *out.grads);
    assert_non_null(out.grads);
    memcpy(out.grads, exec_grads(r.exec), out.n_grads * sizeof *out.grads);
    runner_close(&r);
    model_free(m);
    return out;
}

static void results_free(struct results *r)
{
    free(r->outputs);
    free(r->grads);
}

static void check_near(enum cpu_level level)
{
    const bool transforms = level != CPU_REF;
    struct results exact = run_once(false, level, 2), mixed = run_once(true, level, 2);
    const double outputs = relative_distance(mixed.outputs, exact.outputs, exact.n_outputs);
    const double grads = relative_distance(mixed.grads, exact.grads, exact.n_grads);
    print_message("%s: outputs differ by %.4f, gradients by %.4f\n", cpu_level_name(level), outputs,
                  grads);
    assert_true(outputs > 1e-4 && outputs < bounds[transforms]);
    assert_true(grads > 1e-4 && grads < bounds[transforms]);
    results_free(&exact);
    results_free(&mixed);
}

static void test_near_single_precision(void **state)
{
    (void)state;
    check_near(CPU_REF);
    if (cpu_level_detect() >= CPU_AVX512BF16)
        check_near(CPU_AVX512BF16);
    else
        print_message("this CPU has no BF16 arithmetic: only the plain level is tested\n");
}

static void test_threads(void **state)
{
    (void)state;
    const enum cpu_level level = cpu_level_detect();
    struct results one = run_once(true, level, 1);
    for (unsigned threads = 2; threads <= 5; threads++) {
        struct results more = run_once(true, level, threads);
        assert_memory_equal(more.outputs, one.outputs, one.n_outputs * sizeof *one.outputs);
        assert_memory_equal(more.grads, one.grads, one.n_grads * sizeof *one.grads);
        results_free(&more);
    }
    results_free(&one);
}

/* A level without BF16 says so and changes nothing. */
static void test_other_levels(void **state)
{
    (void)state;
    for (int level = CPU_AVX2; level < CPU_AVX512BF16; level++) {
        struct kernels plain, mixed;
        kernels_init(&plain, CPU_REF);
        mixed = plain;
        assert_false(kernels_mix(&mixed, (enum cpu_level)level));
        assert_true(mixed.conv == plain.conv && mixed.conv_dx == plain.conv_dx &&
                    mixed.conv_dw == plain.conv_dw);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_near_single_precision),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_other_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
