/* Plans and pruned models on networks computed by hand: selection, propagation, goals, errors. */
#include "nets.h"
#include "prune/pruner.h"
#include "prune/threshold.h"

#include <math.h>

static const struct prune_options plain = {
    .granularity = 1, .min_filters = 1, .input_h = 8, .input_w = 8};

/*
 * a (3 -> 4), norm, relu, b (3 -> 2); concat [a, b, a] -> c (10 -> 3) -> out (3 -> 2).
 */
static void concat_net(struct model *m)
{
    const int input = net_input(m);
    const int a = net_conv(m, "a", input, 4, false), norm = net_norm(m, "a_bn", a);
    const int relu = net_relu(m, "a_relu", norm), b = net_conv(m, "b", input, 2, true);
    const int ab = net_join(m, OP_CONCAT, "ab", relu, b);
    const int aba = net_join(m, OP_CONCAT, "aba", ab, relu);
    const int c = net_conv(m, "c", aba, 3, true);
    net_finish(m, net_conv(m, "out", c, 2, true));
    net_set_norms(m, "a/kernel", (float[]){1.0F, 4.0F, 0.5F, 2.0F}); /* .25 1 .125 .5 */
    net_set_norms(m, "b/kernel", (float[]){3.0F, 1.5F});             /* 1 .5 */
    net_set_norms(m, "c/kernel", (float[]){1.0F, 10.0F, 6.0F});      /* .1 1 .6 */
}

static void prune(struct model **out, const struct model *m, const struct prune_options *o,
                  double threshold, struct prune_cost *cost)
{
    struct pruner *p;
    struct prune_plan plan;
    assert_int_equal(pruner_open(&p, m, o), 0);
    assert_int_equal(pruner_plan(&plan, p, threshold), 0);
    assert_int_equal(pruner_apply(out, p, &plan), 0);
    *cost = plan.cost;
    prune_plan_close(&plan);
    pruner_close(p);
}

static int channels(const struct model *m, const char *name)
{
    const int i = graph_find(&m->graph, name);
    assert_true(i >= 0);
    return m->graph.nodes[i].channels;
}

static void check_floats(struct model *m, const char *name, const float *expected, int n)
{
    const float *found = net_values(m, name);
    assert_int_equal(m->params.list[param_find(&m->params, name)].count, n);
    for (int k = 0; k < n; k++)
        assert_true(found[k] == expected[k]);
}

/* With 0.45 a keeps filters 1 and 3, b both, c 1 and 2: c reads 1 3 | 4 5 | 7 9 of 10. */
static void test_propagation(void **state)
{
    (void)state;
    struct model m = {0}, *small;
    struct prune_cost cost;
    concat_net(&m);
    float *c = net_values(&m, "c/kernel");
    for (int i = 1; i < 10; i++)
        for (int j = 0; j < 3; j++)
            c[i * 3 + j] = (float)(i * 10 + j) * 1e-6F; /* recognisable, too small to matter */
    prune(&small, &m, &plain, 0.45, &cost);
    assert_int_equal(channels(small, "input"), 3);
    assert_int_equal(channels(small, "a"), 2);
    assert_int_equal(channels(small, "a_relu"), 2);
    assert_int_equal(channels(small, "b"), 2);
    assert_int_equal(channels(small, "ab"), 4);
    assert_int_equal(channels(small, "aba"), 6);
    assert_int_equal(channels(small, "c"), 2);
    assert_int_equal(channels(small, "out"), 2);

    check_floats(small, "a/kernel", (float[]){4, 2, 0, 0, 0, 0}, 6); /* three inputs by two */
    const float *gamma = net_values(&m, "a_bn/gamma"), *beta = net_values(&m, "a_bn/beta");
    const float *mean = net_values(&m, "a_bn/mean"), *variance = net_values(&m, "a_bn/variance");
    check_floats(small, "a_bn/gamma", (float[]){gamma[1], gamma[3]}, 2);
    check_floats(small, "a_bn/beta", (float[]){beta[1], beta[3]}, 2);
    check_floats(small, "a_bn/mean", (float[]){mean[1], mean[3]}, 2);
    check_floats(small, "a_bn/variance", (float[]){variance[1], variance[3]}, 2);
    const float *bias = net_values(&m, "c/bias");
    check_floats(small, "c/bias", (float[]){bias[1], bias[2]}, 2);
    static const int rows[6] = {1, 3, 4, 5, 7, 9};
    float expected[12];
    for (int r = 0; r < 6; r++)
        for (int j = 0; j < 2; j++)
            expected[r * 2 + j] = c[rows[r] * 3 + j + 1];
    check_floats(small, "c/kernel", expected, 12);
    const float *out = net_values(&m, "out/kernel");
    check_floats(small, "out/kernel", (float[]){out[2], out[3], out[4], out[5]}, 4);

    /* 6 + 4*2 + (6+2) + (12+2) + (4+2); 64 pixels of 6 + 6 + 12 + 4 */
    assert_int_equal(cost.parameters, 42);
    assert_int_equal(cost.parameters, params_total(&small->params));
    assert_int_equal(cost.macs, 64 * 28);
    model_free(small);
    net_close(&m);
}

static void test_attributes_stay(void **state)
{
    (void)state;
    struct model m = {0}, *small;
    struct prune_cost cost;
    concat_net(&m);
    struct node *a = &m.graph.nodes[graph_find(&m.graph, "a")];
    a->l1 = 5e-4F;
    a->l2 = 1e-3F;
    a->kernel_lr = 4.0F;
    a->bias_lr = 8.0F;
    m.meta.stride = 8;
    m.spec_text = "num_epoch: 5\n";
    prune(&small, &m, &plain, 0.45, &cost);
    assert_int_equal(small->graph.n_nodes, m.graph.n_nodes);
    for (int i = 0; i < m.graph.n_nodes; i++) {
        struct node expected = m.graph.nodes[i], found = small->graph.nodes[i];
        found.channels = expected.channels;
        memcpy(found.params, expected.params, sizeof found.params);
        assert_memory_equal(&found, &expected, sizeof found);
    }
    assert_string_equal(small->spec_text, m.spec_text);
    assert_int_equal(small->meta.stride, 8);
    model_free(small);
    net_close(&m);
}

static void check_kept(const struct prune_plan *plan, int node, const char *expected)
{
    for (size_t j = 0; expected[j]; j++)
        assert_int_equal(plan->keep[plan->at[node] + j], expected[j] == '1');
}

/* x and y are added: group scores by all four criteria, and the same filters of both. */
static void test_criteria(void **state)
{
    (void)state;
    static const struct {
        enum score_join join;
        const char *kept;
    } cases[] = {
        {SCORE_UNION, "111001"},           /* 1 .8 .55 .2 .5 1 */
        {SCORE_INTERSECTION, "001001"},    /* .1 .02 .51 .05 .5 1 */
        {SCORE_ARITHMETIC_MEAN, "101001"}, /* .55 .41 .53 .125 .5 1 */
        {SCORE_GEOMETRIC_MEAN, "001001"},  /* .316 .126 .5296 .1 .5 1 */
    };
    for (size_t k = 0; k < 4; k++) {
        struct model m = {0};
        const int input = net_input(&m);
        const int x = net_conv(&m, "x", input, 6, true), y = net_conv(&m, "y", input, 6, true);
        const int sum = net_join(&m, OP_ADD, "sum", x, y);
        net_finish(&m, net_conv(&m, "out", sum, 2, true));
        net_set_norms(&m, "x/kernel", (float[]){1.0F, 0.02F, 0.55F, 0.05F, 0.5F, 1.0F});
        net_set_norms(&m, "y/kernel", (float[]){0.1F, 0.8F, 0.51F, 0.2F, 0.5F, 1.0F});
        struct prune_options o = plain;
        o.join = cases[k].join;
        struct pruner *p;
        struct prune_plan plan;
        assert_int_equal(pruner_open(&p, &m, &o), 0);
        assert_int_equal(pruner_plan(&plan, p, 0.505), 0);
        check_kept(&plan, x, cases[k].kept);
        check_kept(&plan, y, cases[k].kept);
        check_kept(&plan, sum, cases[k].kept);
        prune_plan_close(&plan);
        pruner_close(p);
        net_close(&m);
    }
}

/* A depthwise kernel and a PReLU lose what the layer before loses; the kernel has a say in it. */
static void test_depthwise(void **state)
{
    (void)state;
    struct model m = {0}, *small;
    struct prune_cost cost;
    const int a = net_conv(&m, "a", net_input(&m), 4, false);
    const int depth = net_conv(&m, "depth", a, 4, true);
    m.graph.nodes[depth].groups = 4;
    struct node slopes = m.graph.nodes[net_relu(&m, "relu", depth)];
    slopes.op = OP_PRELU;
    slopes.inputs[0] = depth + 1;
    const int prelu = net_add(&m, slopes, "prelu");
    net_finish(&m, net_conv(&m, "out", prelu, 2, true));
    net_set_norms(&m, "a/kernel", (float[]){4.0F, 1.0F, 1.0F, 3.0F});
    net_set_norms(&m, "depth/kernel", (float[]){0.1F, 0.2F, 2.0F, 0.4F});
    prune(&small, &m, &plain, 0.6, &cost); /* union: 1 .25 1 .75 */
    assert_int_equal(small->graph.nodes[depth].groups, 3);
    check_floats(small, "depth/kernel", (float[]){0.1F, 2.0F, 0.4F}, 3);
    const float *bias = net_values(&m, "depth/bias"), *slope = net_values(&m, "prelu/slope");
    check_floats(small, "depth/bias", (float[]){bias[0], bias[2], bias[3]}, 3);
    check_floats(small, "prelu/slope", (float[]){slope[0], slope[2], slope[3]}, 3);
    assert_int_equal(cost.parameters, 9 + 6 + 3 + 8);
    assert_int_equal(cost.macs, 64 * (9 + 3 + 6));
    model_free(small);
    net_close(&m);
}

/* Scores other than the reference's. */
static void test_scores(void **state)
{
    (void)state;
    struct model m = {0};
    const int input = net_input(&m), a = net_conv(&m, "a", input, 2, false);
    const int norm = net_norm(&m, "a_bn", a), b = net_conv(&m, "b", norm, 2, true);
    net_finish(&m, net_conv(&m, "out", b, 1, true));
    memcpy(net_values(&m, "a/kernel"), (float[]){3, -1, -4, 2, 0, 2}, 6 * sizeof(float));
    memcpy(net_values(&m, "a_bn/gamma"), (float[]){-0.5F, 0.25F}, 2 * sizeof(float));
    memcpy(net_values(&m, "b/kernel"), (float[]){0, 5, 1, 12}, 4 * sizeof(float));
    static const struct {
        enum filter_score kind;
        double a[2], b[2];
    } cases[] = {
        {FILTER_SCORE_L2, {5, 3}, {1, 13}},
        {FILTER_SCORE_L1, {7, 5}, {1, 17}},
        {FILTER_SCORE_BN, {0.5, 0.25}, {1, 13}}, /* none behind b: its kernel */
    };
    for (size_t k = 0; k < 3; k++) {
        double s[2];
        filter_score_weights(s, &m, a, cases[k].kind);
        assert_true(s[0] == cases[k].a[0] && s[1] == cases[k].a[1]);
        filter_score_weights(s, &m, b, cases[k].kind);
        assert_true(s[0] == cases[k].b[0] && s[1] == cases[k].b[1]);
    }
    assert_int_equal(graph_norm_of(&m.graph, a), norm);
    assert_int_equal(graph_norm_of(&m.graph, b), -1);
    net_close(&m);
}

/* A batch norm that somebody goes round says little about the filters. */
static void test_norm_with_a_second_reader(void **state)
{
    (void)state;
    struct model m = {0};
    const int a = net_conv(&m, "a", net_input(&m), 2, false), norm = net_norm(&m, "a_bn", a);
    net_finish(&m, net_conv(&m, "out", net_join(&m, OP_ADD, "sum", a, norm), 1, true));
    assert_int_equal(graph_norm_of(&m.graph, a), -1);
    net_close(&m);
}

static void test_given_scores(void **state)
{
    (void)state;
    struct model m = {0};
    struct pruner *p;
    struct prune_plan plan;
    concat_net(&m);
    double a[4] = {8, 2, 4, 1}, b[2] = {1, 3}, c[3] = {1, 2, 3};
    const double *given[16] = {0};
    given[graph_find(&m.graph, "a")] = a;
    given[graph_find(&m.graph, "b")] = b;
    given[graph_find(&m.graph, "c")] = c;
    struct prune_options o = plain;
    o.score = FILTER_SCORE_GIVEN;
    o.given = given;
    o.norm = SCORE_NORM_NONE;
    assert_int_equal(pruner_open(&p, &m, &o), 0);
    assert_int_equal(pruner_plan(&plan, p, 2.0), 0);
    check_kept(&plan, graph_find(&m.graph, "a"), "1010");
    check_kept(&plan, graph_find(&m.graph, "b"), "01");
    check_kept(&plan, graph_find(&m.graph, "c"), "001");
    prune_plan_close(&plan);
    pruner_close(p);

    c[1] = NAN;
    assert_int_equal(pruner_open(&p, &m, &o), BPNET_ENUMERIC);
    assert_string_equal(error_message(), "layer 'c': the score of filter 1 is nan");
    c[1] = -1.0;
    assert_int_equal(pruner_open(&p, &m, &o), BPNET_ENUMERIC);
    given[graph_find(&m.graph, "b")] = NULL;
    assert_int_equal(pruner_open(&p, &m, &o), BPNET_EUSAGE);
    assert_string_equal(error_message(), "layer 'b': its filters have no scores");
    net_close(&m);
}

/* ---- goals --------------------------------------------------------------------------------- */

/* Scales of batch norms and norms of kernels are not of one kind. */
static void test_scales_alone(void **state)
{
    (void)state;
    struct model m = {0};
    struct pruner *p;
    concat_net(&m);
    struct prune_options o = plain;
    o.score = FILTER_SCORE_BN;
    o.norm = SCORE_NORM_NONE;
    assert_int_equal(pruner_open(&p, &m, &o), BPNET_EUSAGE);
    assert_non_null(strstr(error_message(), "layer 'b' has no batch norm"));
    const char *names[] = {"b", "c"};
    o.excluded = names;
    o.n_excluded = 2;
    assert_int_equal(pruner_open(&p, &m, &o), 0);
    pruner_close(p);
    net_close(&m);
}

static void test_range(void **state)
{
    (void)state;
    struct model m = {0};
    struct pruner *p;
    struct threshold_range range;
    concat_net(&m);
    assert_int_equal(pruner_open(&p, &m, &plain), 0);
    assert_int_equal(threshold_range_find(&range, p), 0);
    assert_true(fabs(range.low - 0.1) < 1e-7);  /* c's smallest */
    assert_true(fabs(range.high - 0.6) < 1e-7); /* only the largest of each is left */
    assert_int_equal(range.least.parameters, 3 + 4 + 4 + 3 + 1 + 2 + 2);
    struct prune_plan plan;
    assert_int_equal(pruner_plan(&plan, p, nextafter(range.low, 0.0)), 0);
    assert_int_equal(plan.cost.parameters, pruner_cost(p).parameters);
    prune_plan_close(&plan);
    assert_int_equal(pruner_plan(&plan, p, 3.0), 0);
    assert_int_equal(plan.cost.parameters, range.least.parameters);
    prune_plan_close(&plan);
    pruner_close(p);
    net_close(&m);
}

/* Every threshold there is, by brute force. */
static void test_goals(void **state)
{
    (void)state;
    struct model m = {0};
    struct pruner *p;
    concat_net(&m);
    assert_int_equal(pruner_open(&p, &m, &plain), 0);
    static const double all[] = {0.1, 0.125, 0.25, 0.5, 0.6, 1.0};
    const struct prune_cost before = pruner_cost(p);
    for (int goal = 0; goal < 2; goal++)
        for (int percent = 30; percent < 100; percent++) {
            double found, expected = NAN, next = INFINITY;
            for (int k = 5; k >= 0; k--) {
                struct prune_plan plan;
                assert_int_equal(pruner_plan(&plan, p, all[k] + 1e-7), 0);
                if (prune_share((enum prune_goal)goal, &plan.cost, &before) <= percent / 100.0) {
                    expected = all[k];
                    next = k < 5 ? all[k + 1] : INFINITY;
                }
                prune_plan_close(&plan);
            }
            const int err = threshold_for_goal(&found, p, (enum prune_goal)goal, percent / 100.0);
            if (isnan(expected)) {
                assert_int_equal(err, BPNET_ECONFIG);
            } else {
                assert_int_equal(err, 0);
                assert_true(found > expected - 1e-6 && found < next);
                if (next < INFINITY) /* two digits are enough between any two */
                    assert_true(fabs(found * 100 - round(found * 100)) < 1e-9);
            }
        }
    double found;
    assert_int_equal(threshold_for_goal(&found, p, GOAL_MACS, 0.01), BPNET_ECONFIG);
    assert_non_null(strstr(error_message(), "cannot be reached"));
    assert_int_equal(threshold_for_goal(&found, p, GOAL_MACS, 0.0), BPNET_EUSAGE);
    assert_int_equal(threshold_for_goal(&found, p, GOAL_MACS, 1.0), BPNET_EUSAGE);
    assert_int_equal(threshold_for_goal(&found, p, GOAL_MACS, NAN), BPNET_EUSAGE);
    pruner_close(p);
    net_close(&m);
}

/* ---- errors -------------------------------------------------------------------------------- */

static void test_errors(void **state)
{
    (void)state;
    struct model m = {0};
    struct pruner *p;
    struct prune_plan plan;
    concat_net(&m);
    struct prune_options o = plain;
    const char *names[] = {"a", "a_rely"};
    o.excluded = names;
    o.n_excluded = 2;
    assert_int_equal(pruner_open(&p, &m, &o), BPNET_EUSAGE);
    assert_string_equal(error_message(), "the model has no layer 'a_rely'; did you mean 'a_relu'?");
    names[1] = "something else";
    assert_int_equal(pruner_open(&p, &m, &o), BPNET_EUSAGE);
    assert_non_null(strstr(error_message(), "'bpnet inspect' lists them"));
    const char *all[] = {"a_bn", "b", "c"};
    o.excluded = all;
    o.n_excluded = 3;
    assert_int_equal(pruner_open(&p, &m, &o), BPNET_ECONFIG);
    assert_null(p);
    o.n_excluded = 2;
    assert_int_equal(pruner_open(&p, &m, &o), 0);
    assert_int_equal(pruner_plan(&plan, p, -0.1), BPNET_EUSAGE);
    assert_int_equal(pruner_plan(&plan, p, NAN), BPNET_EUSAGE);
    assert_null(plan.keep);
    assert_int_equal(pruner_plan(&plan, p, INFINITY), 0);
    check_kept(&plan, graph_find(&m.graph, "a"), "1111");
    check_kept(&plan, graph_find(&m.graph, "c"), "010");
    prune_plan_close(&plan);
    pruner_close(p);
    net_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_propagation),  cmocka_unit_test(test_attributes_stay),
        cmocka_unit_test(test_criteria),     cmocka_unit_test(test_depthwise),
        cmocka_unit_test(test_scores),       cmocka_unit_test(test_norm_with_a_second_reader),
        cmocka_unit_test(test_given_scores), cmocka_unit_test(test_scales_alone),
        cmocka_unit_test(test_range),        cmocka_unit_test(test_goals),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
