/* Optimisers against steps computed by hand and by a plain double-precision rewrite. */
#include "train/optim.h"

#include "base/rng.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/*
 * A model made by hand: conv "a" with kernel and bias, norm "n" with gamma, beta and running
 * statistics. The kernel spans three pieces.
 */
enum { KERNEL = 40000, SMALL = 16, TRAINABLE = KERNEL + 3 * SMALL, FLOATS = TRAINABLE + 2 * SMALL };

struct toy {
    struct model model;
    struct node nodes[2];
    struct param list[6];
    float value[FLOATS], grads[TRAINABLE];
    struct kernels kernels;
    struct workers *workers;
};

static void add_param(struct toy *t, enum param_role role, int node, size_t offset, size_t count)
{
    t->list[t->model.params.n++] =
        (struct param){.role = role, .node = node, .offset = offset, .count = count};
}

static struct toy *toy_open(unsigned threads)
{
    struct toy *t = calloc(1, sizeof *t);
    assert_non_null(t);
    t->nodes[0] = (struct node){.op = OP_CONV, .kernel_lr = 4.0F, .bias_lr = 8.0F};
    t->nodes[1] = (struct node){.op = OP_NORM};
    t->model.graph = (struct graph){.nodes = t->nodes, .n_nodes = 2};
    t->model.params = (struct params){
        .list = t->list, .value = t->value, .n_floats = FLOATS, .n_trainable = TRAINABLE};
    add_param(t, PARAM_KERNEL, 0, 0, KERNEL);
    add_param(t, PARAM_BIAS, 0, KERNEL, 3); /* padded to 16 */
    add_param(t, PARAM_GAMMA, 1, KERNEL + SMALL, SMALL);
    add_param(t, PARAM_BETA, 1, KERNEL + 2 * SMALL, SMALL);
    add_param(t, PARAM_MEAN, 1, TRAINABLE, SMALL);
    add_param(t, PARAM_VARIANCE, 1, TRAINABLE + SMALL, SMALL);
    struct rng rng = rng_stream(3, 1, 4);
    for (int p = 0; p < 6; p++)
        for (size_t i = 0; i < t->list[p].count; i++)
            t->value[t->list[p].offset + i] = (float)rng_range(&rng, -1, 1);
    for (size_t i = 0; i < TRAINABLE; i++)
        t->grads[i] = (float)rng_range(&rng, -1, 1);
    kernels_init(&t->kernels, cpu_level_detect());
    assert_int_equal(workers_open(&t->workers, threads), 0);
    return t;
}

static void toy_close(struct toy *t)
{
    workers_close(t->workers);
    free(t);
}

static struct optimizer *optimizer(struct toy *t, const struct optimizer_spec *spec, bool stagewise)
{
    struct optimizer *o;
    assert_int_equal(optimizer_open(&o, spec, stagewise, &t->model, &t->kernels, t->workers), 0);
    return o;
}

static void near(float found, double expected)
{
    if (!(fabs((double)found - expected) <= 1e-6 * (1.0 + fabs(expected))))
        fail_msg("found %.9g, expected %.9g", (double)found, expected);
}

static const struct optimizer_spec momentum = {
    .kind = OPTIMIZER_MOMENTUM, .momentum = 0.9, .weight_default = 1.0};
static const struct optimizer_spec adam = {
    .kind = OPTIMIZER_ADAM, .weight_default = 1.0, .beta1 = 0.9, .beta2 = 0.999, .epsilon = 1e-8};

/*
 * w = 1, g = 2, lr = 0.1, momentum 0.9:
 * v = 2, w = 0.8; then v = 3.8, w = 0.42. Nesterov: w = 1 - 0.1 * 3.8 = 0.62.
 */
static void test_momentum_by_hand(void **state)
{
    (void)state;
    struct toy *t = toy_open(1);
    struct optimizer *o = optimizer(t, &momentum, false);
    t->value[0] = 1.0F;
    t->grads[0] = 2.0F;
    optimizer_step(o, t->grads, 0.1, 0);
    near(t->value[0], 0.8);
    optimizer_step(o, t->grads, 0.1, 1);
    near(t->value[0], 0.42);
    size_t n;
    near(optimizer_moments(o, &n)[0], 3.8);
    assert_int_equal(n, TRAINABLE);
    optimizer_close(o);

    struct optimizer_spec nesterov = momentum;
    nesterov.nesterov = true;
    o = optimizer(t, &nesterov, false);
    t->value[0] = 1.0F;
    optimizer_step(o, t->grads, 0.1, 0);
    near(t->value[0], 0.62);
    optimizer_close(o);
    toy_close(t);
}

/*
 * L1 on a batch norm's scale: v = g + l1 sign(gamma), gamma -= lr v; a scale of 0 has sign 0; its
 * shift is left alone, and so are running statistics.
 */
static void test_norm_scale_l1(void **state)
{
    (void)state;
    enum { GAMMA = KERNEL + SMALL, BETA = KERNEL + 2 * SMALL };
    struct toy *t = toy_open(1);
    t->nodes[1].l1 = 0.5F;
    struct optimizer *o = optimizer(t, &momentum, false);
    for (int i = 0; i < SMALL; i++)
        t->value[GAMMA + i] = 0.0F;
    t->value[GAMMA] = 2.0F;
    t->value[GAMMA + 1] = -3.0F;
    t->value[BETA] = 1.0F;
    t->grads[GAMMA] = t->grads[GAMMA + 1] = t->grads[GAMMA + 2] = t->grads[BETA] = 0.25F;
    near((float)optimizer_regularization(o), 0.5 * 5.0);
    const float mean = t->value[TRAINABLE];
    optimizer_step(o, t->grads, 0.1, 0);
    near(t->value[GAMMA], 2.0 - 0.1 * 0.75);
    near(t->value[GAMMA + 1], -3.0 - 0.1 * -0.25);
    near(t->value[GAMMA + 2], -0.1 * 0.25);
    near(t->value[BETA], 1.0 - 0.1 * 0.25);
    assert_true(t->value[TRAINABLE] == mean);
    optimizer_close(o);
    toy_close(t);
}

/* The first step of Adam is lr * sign(g), whatever g; decay takes lr * decay * w of kernels. */
static void test_adam_by_hand(void **state)
{
    (void)state;
    struct toy *t = toy_open(1);
    struct optimizer_spec spec = adam;
    spec.weight_decay = 0.5;
    struct optimizer *o = optimizer(t, &spec, false);
    t->value[0] = 1.0F;
    t->grads[0] = 1e-3F;
    t->value[KERNEL] = 1.0F;
    t->grads[KERNEL] = -20.0F;
    optimizer_step(o, t->grads, 0.01, 0);
    near(t->value[0], 1.0 - 0.01 * (1e-3 / (1e-3 + 1e-8)) - 0.01 * 0.5);
    near(t->value[KERNEL], 1.01); /* a bias does not decay */
    size_t n;
    near(optimizer_moments(o, &n)[KERNEL], -2.0);
    assert_int_equal(n, 2 * TRAINABLE);
    near(optimizer_moments(o, &n)[TRAINABLE + KERNEL], 400.0 * (1.0 - (double)0.999F));
    optimizer_close(o);
    toy_close(t);
}

/* Twenty steps of everything at once, against the formulas in double. */
static void check_against_formula(const struct optimizer_spec *spec, bool stagewise)
{
    struct toy *t = toy_open(2);
    t->nodes[0].l1 = 0.01F;
    t->nodes[0].l2 = 0.02F;
    t->nodes[0].bias_l1 = 0.03F;
    t->nodes[0].bias_l2 = 0.04F;
    struct optimizer *o = optimizer(t, spec, stagewise);
    double *w = calloc(TRAINABLE, sizeof *w), *m = calloc(TRAINABLE, sizeof *m),
           *v = calloc(TRAINABLE, sizeof *v);
    assert_true(w && m && v);
    for (size_t i = 0; i < TRAINABLE; i++)
        w[i] = (double)t->value[i];
    const double lr = 1e-2;
    for (int step = 0; step < 20; step++) {
        for (size_t i = 0; i < TRAINABLE; i++) {
            const bool kernel = i < KERNEL, bias = i >= KERNEL && i < KERNEL + 3;
            if (i >= KERNEL + 3 && i < KERNEL + SMALL)
                continue; /* padding */
            const double k = kernel && stagewise ? 4.0
                             : bias && stagewise ? 8.0
                                                 : spec->weight_default;
            const double l1 = kernel ? 0.01
                              : bias ? 0.03
                                     : 0.0,
                         l2 = kernel ? 0.02
                              : bias ? 0.04
                                     : 0.0;
            const double sign = w[i] > 0 ? 1 : w[i] < 0 ? -1 : 0;
            const double g = (double)t->grads[i] + l1 * sign + 2.0 * l2 * w[i];
            if (spec->kind == OPTIMIZER_MOMENTUM) {
                v[i] = spec->momentum * v[i] + k * g;
                w[i] -= lr * (spec->nesterov ? k * g + spec->momentum * v[i] : v[i]);
            } else {
                m[i] = spec->beta1 * m[i] + (1 - spec->beta1) * g;
                v[i] = spec->beta2 * v[i] + (1 - spec->beta2) * g * g;
                const double mh = m[i] / (1 - pow(spec->beta1, step + 1)),
                             vh = v[i] / (1 - pow(spec->beta2, step + 1));
                w[i] -=
                    lr * k *
                    (mh / (sqrt(vh) + spec->epsilon) + (kernel ? spec->weight_decay : 0) * w[i]);
            }
        }
        optimizer_step(o, t->grads, lr, (uint64_t)step);
    }
    size_t wrong = 0;
    for (size_t i = 0; i < TRAINABLE; i++)
        if (!(i >= KERNEL + 3 && i < KERNEL + SMALL) && !(fabs(w[i] - (double)t->value[i]) < 2e-4))
            wrong++; /* an l1 sign may flip one step apart where w passes zero */
    assert_in_range(wrong, 0, TRAINABLE / 200);
    for (size_t i = KERNEL + 3; i < KERNEL + SMALL; i++)
        assert_true(t->value[i] == 0.0F); /* padding stays zero */
    optimizer_close(o);
    free(w);
    free(m);
    free(v);
    toy_close(t);
}

static void test_formulas(void **state)
{
    (void)state;
    struct optimizer_spec spec = momentum;
    check_against_formula(&spec, false);
    check_against_formula(&spec, true);
    spec.nesterov = true;
    spec.weight_default = 0.5;
    check_against_formula(&spec, true);
    spec = adam;
    spec.weight_decay = 0.1;
    check_against_formula(&spec, false);
    check_against_formula(&spec, true);
}

static void test_running_statistics_are_left_alone(void **state)
{
    (void)state;
    struct toy *t = toy_open(1);
    float before[2 * SMALL];
    memcpy(before, t->value + TRAINABLE, sizeof before);
    struct optimizer *o = optimizer(t, &momentum, true);
    optimizer_step(o, t->grads, 1.0, 0);
    assert_memory_equal(before, t->value + TRAINABLE, sizeof before);
    optimizer_close(o);
    toy_close(t);
}

/* The step's regularisation gradient is the slope of the value that is reported. */
static void test_regularization_value_and_gradient_agree(void **state)
{
    (void)state;
    struct toy *t = toy_open(2);
    t->nodes[0].l1 = 0.25F;
    t->nodes[0].l2 = 0.5F;
    t->nodes[0].bias_l2 = 2.0F;
    for (size_t i = 0; i < KERNEL; i++)
        t->value[i] = 0.0F;
    t->value[5] = -2.0F;
    t->value[KERNEL - 1] = 4.0F;
    for (size_t i = 0; i < 3; i++)
        t->value[KERNEL + i] = 1.0F;
    struct optimizer *o = optimizer(t, &momentum, false);
    const double value = optimizer_regularization(o);
    near((float)value, 0.25 * 6 + 0.5 * 20 + 2.0 * 3);

    memset(t->grads, 0, sizeof t->grads);
    const float old = t->value[5];
    optimizer_step(o, t->grads, 1.0, 0);
    const double slope = (double)(old - t->value[5]);
    near((float)slope, -0.25 + 2 * 0.5 * -2.0);
    optimizer_close(o);
    toy_close(t);
}

static void test_threads_change_nothing(void **state)
{
    (void)state;
    float *first = NULL;
    double sum = 0;
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct toy *t = toy_open(threads);
        t->nodes[0].l1 = 0.01F;
        struct optimizer *o = optimizer(t, &adam, true);
        for (uint64_t step = 0; step < 3; step++)
            optimizer_step(o, t->grads, 0.1, step);
        const double here = optimizer_regularization(o);
        if (!first) {
            first = malloc(sizeof t->value);
            assert_non_null(first);
            memcpy(first, t->value, sizeof t->value);
            sum = here;
        }
        assert_memory_equal(first, t->value, sizeof t->value);
        assert_true(sum == here);
        optimizer_close(o);
        toy_close(t);
    }
    free(first);
}

static void test_average(void **state)
{
    (void)state;
    struct toy *t = toy_open(2);
    float *average = malloc(sizeof t->value);
    assert_non_null(average);
    memcpy(average, t->value, sizeof t->value);
    const float start = average[FLOATS - 1];
    for (size_t i = 0; i < FLOATS; i++)
        t->value[i] += 1.0F;
    average_update(average, t->value, FLOATS, 0.99, 0, t->workers); /* young: keeps a tenth */
    near(average[FLOATS - 1], (double)start + 0.9);
    average_update(average, t->value, FLOATS, 0.99, 1000000, t->workers);
    near(average[FLOATS - 1], (double)start + 0.901);
    near(average[0], (double)t->value[0] - 0.099);
    free(average);
    toy_close(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_momentum_by_hand),
        cmocka_unit_test(test_norm_scale_l1),
        cmocka_unit_test(test_adam_by_hand),
        cmocka_unit_test(test_formulas),
        cmocka_unit_test(test_running_statistics_are_left_alone),
        cmocka_unit_test(test_regularization_value_and_gradient_agree),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_average),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
