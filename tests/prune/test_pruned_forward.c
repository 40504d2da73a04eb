/*
 * What pruning means: the smaller network computes what the original does when nobody reads the
 * removed channels. On random networks with every operation, by a rule of channels of the test's
 * own.
 */
#include "nn/runs.h"
#include "prune/pruner.h"

enum { SIDE = 12, TRIES = 12 };

static bool is_depthwise(const struct graph *g, const struct node *n)
{
    return n->groups > 1 && n->groups == n->channels &&
           n->groups == g->nodes[n->inputs[0]].channels;
}

/* Whether a channel of a node stays, derived from what the convolutions keep alone. */
static bool stays(const struct graph *g, const struct prune_plan *plan, int node, int channel)
{
    const struct node *n = &g->nodes[node];
    if (n->op == OP_INPUT)
        return true;
    if (n->op == OP_CONV && !is_depthwise(g, n))
        return plan->keep[plan->at[node] + (size_t)channel];
    if (n->op == OP_CONCAT) {
        int k = 0;
        for (; channel >= g->nodes[n->inputs[k]].channels; k++)
            channel -= g->nodes[n->inputs[k]].channels;
        return stays(g, plan, n->inputs[k], channel);
    }
    const bool first = stays(g, plan, n->inputs[0], channel);
    for (int k = 1; k < node_reads(n); k++)
        assert_int_equal(stays(g, plan, n->inputs[k], channel), first);
    return first;
}

/* Nobody reads what was removed. */
static void silence(struct model *m, const struct prune_plan *plan)
{
    for (int i = 0; i < m->params.n; i++) {
        const struct param *p = &m->params.list[i];
        const struct node *n = &m->graph.nodes[p->node];
        if (p->role != PARAM_KERNEL || n->groups > 1)
            continue; /* groups keep their inputs, or their outputs go with them */
        const int input = n->inputs[0];
        float *w = m->params.value + p->offset;
        for (int t = 0; t < p->dims[0] * p->dims[1]; t++)
            for (int c = 0; c < p->dims[2]; c++, w += p->dims[3])
                if (!stays(&m->graph, plan, input, c))
                    memset(w, 0, (size_t)p->dims[3] * sizeof *w);
    }
}

static struct prune_options random_options(struct rng *rng)
{
    /* Scales of batch norms are not taken as they are: layers may have none. */
    const enum filter_score score = (enum filter_score)pick(rng, 0, FILTER_SCORE_BN);
    const int norms = score == FILTER_SCORE_BN ? SCORE_NORM_NONE : SCORE_NORMS;
    return (struct prune_options){.score = score,
                                  .norm = (enum score_norm)pick(rng, 0, norms - 1),
                                  .join = (enum score_join)pick(rng, 0, SCORE_JOINS - 1),
                                  .granularity = pick(rng, 1, 3),
                                  .min_filters = pick(rng, 1, 3),
                                  .input_h = SIDE,
                                  .input_w = SIDE};
}

/* A score of some group, so that thresholds fall between filters. */
static double random_threshold(const struct pruner *p, struct rng *rng)
{
    const struct channel_groups *groups = pruner_groups(p);
    for (;;) {
        const int group = pick(rng, 0, groups->n - 1);
        const double *s = pruner_scores(p, group);
        if (s)
            return s[pick(rng, 0, groups->list[group].channels - 1)];
    }
}

static float *outputs_of(struct model *m, size_t *n)
{
    struct runner r;
    runner_open(&r, m, false, 1, SIDE, SIDE, CPU_REF, 1);
    runner_feed(&r, 7);
    runner_forward(&r);
    float *out = runner_outputs(&r, n);
    runner_close(&r);
    return out;
}

static void check_counts(const struct model *small, const struct model *m,
                         const struct prune_plan *plan)
{
    assert_int_equal(plan->cost.parameters, params_total(&small->params));
    assert_int_equal(plan->cost.macs, graph_macs(&small->graph, SIDE, SIDE, NULL));
    for (int i = 0; i < m->graph.n_nodes; i++) {
        int n = 0;
        for (int c = 0; c < m->graph.nodes[i].channels; c++)
            n += stays(&m->graph, plan, i, c);
        assert_int_equal(n, small->graph.nodes[i].channels);
    }
}

/* How many channels went. */
static int check_model(struct model *m, struct rng *rng)
{
    struct pruner *p;
    struct prune_plan plan;
    struct model *small;
    const struct prune_options options = random_options(rng);
    const int err = pruner_open(&p, m, &options);
    if (err == BPNET_ECONFIG) /* everything is an output */
        return 0;
    assert_int_equal(err, 0);
    assert_int_equal(pruner_plan(&plan, p, random_threshold(p, rng)), 0);
    if (pruner_apply(&small, p, &plan) < 0)
        fail_msg("%s", error_message());
    check_counts(small, m, &plan);
    silence(m, &plan);
    size_t n_expected, n_found;
    float *expected = outputs_of(m, &n_expected), *found = outputs_of(small, &n_found);
    assert_int_equal(n_found, n_expected);
    assert_true(relative_distance(found, expected, n_found) < 1e-5);
    int removed = 0;
    for (int i = 0; i < m->graph.n_nodes; i++)
        removed += m->graph.nodes[i].channels - small->graph.nodes[i].channels;
    free(expected);
    free(found);
    model_free(small);
    prune_plan_close(&plan);
    pruner_close(p);
    return removed;
}

static void test_forward(void **state)
{
    (void)state;
    for (int op = OP_INPUT + 1; op < OP_COUNT; op++) {
        int removed = 0;
        for (uint64_t seed = 0; seed < TRIES; seed++) {
            struct rng rng = rng_stream(seed, (uint64_t)op, 3);
            struct model *m = random_model((enum op)op, SIDE, SIDE, &rng);
            if (m)
                removed += check_model(m, &rng);
            model_free(m);
        }
        if (removed < TRIES)
            fail_msg("%s: hardly anything was pruned: %d channels", op_name((enum op)op), removed);
    }
}

/* A plan that removes nothing gives the very model. */
static void test_nothing_removed(void **state)
{
    (void)state;
    struct rng rng = rng_stream(5, 5, 5);
    struct model *m = random_model(OP_ADD, SIDE, SIDE, &rng), *same;
    const struct prune_options options = {
        .granularity = 1, .min_filters = 1, .input_h = SIDE, .input_w = SIDE};
    struct pruner *p;
    struct prune_plan plan;
    char before[33], after[33];
    assert_int_equal(pruner_open(&p, m, &options), 0);
    assert_int_equal(pruner_plan(&plan, p, 0.0), 0);
    assert_int_equal(pruner_apply(&same, p, &plan), 0);
    params_hash(&m->params, before);
    params_hash(&same->params, after);
    assert_string_equal(before, after);
    model_free(same);
    prune_plan_close(&plan);
    pruner_close(p);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forward),
        cmocka_unit_test(test_nothing_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
