/* Scores by group, and what stays at a threshold. */
#include "prune/pruner.h"

#include "base/error.h"
#include "base/str.h"
#include "nn/op.h"
#include "prune/rebuild.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct pruner {
    const struct model *model; /* borrowed */
    struct prune_options options;
    struct channel_groups groups;
    double **scores; /* per group, NULL where nothing is pruned */
    struct prune_cost cost;
};

/* ---- opening ----------------------------------------------------------------------------- */

static int unknown_layer(const struct graph *g, const char *name)
{
    const char **names = malloc((size_t)g->n_nodes * sizeof *names);
    if (!names)
        return error_set(BPNET_ENOMEM, "no memory for %d names", g->n_nodes);
    for (int i = 0; i < g->n_nodes; i++)
        names[i] = g->nodes[i].name;
    const char *nearest = str_nearest(name, names, (size_t)g->n_nodes);
    const int err =
        nearest ? error_set(BPNET_EUSAGE, "the model has no layer '%s'; did you mean '%s'?", name,
                            nearest)
                : error_set(BPNET_EUSAGE, "the model has no layer '%s'; 'bpnet inspect' lists them",
                            name);
    free(names);
    return err;
}

static int mark_excluded(bool *excluded, const struct graph *g, const struct prune_options *o)
{
    for (size_t k = 0; k < o->n_excluded; k++) {
        const int node = graph_find(g, o->excluded[k]);
        if (node < 0)
            return unknown_layer(g, o->excluded[k]);
        excluded[node] = true;
    }
    return BPNET_OK;
}

static int find_groups(struct pruner *p)
{
    const struct graph *g = &p->model->graph;
    bool *excluded = calloc((size_t)g->n_nodes, sizeof *excluded);
    if (!excluded)
        return error_set(BPNET_ENOMEM, "no memory for %d layers", g->n_nodes);
    int err = mark_excluded(excluded, g, &p->options);
    if (err == BPNET_OK)
        err = channel_groups_find(&p->groups, g, excluded);
    free(excluded);
    return err;
}

static int check_given(const double *s, const struct node *n)
{
    for (int j = 0; s && j < n->channels; j++)
        if (!(s[j] >= 0.0 && s[j] < INFINITY))
            return error_set(BPNET_ENUMERIC, "layer '%s': the score of filter %d is %g", n->name, j,
                             s[j]);
    return s ? BPNET_OK
             : error_set(BPNET_EUSAGE, "layer '%s': its filters have no scores", n->name);
}

/* One member's scores, normalised. */
static int score_node(double *out, const struct pruner *p, int node)
{
    const struct node *n = &p->model->graph.nodes[node];
    if (p->options.score == FILTER_SCORE_GIVEN) {
        const double *given = p->options.given[node];
        const int err = check_given(given, n);
        if (err < 0)
            return err;
        memcpy(out, given, (size_t)n->channels * sizeof *out);
    } else if (p->options.score == FILTER_SCORE_BN && p->options.norm == SCORE_NORM_NONE &&
               graph_norm_of(&p->model->graph, node) < 0) {
        return error_set(BPNET_EUSAGE,
                         "layer '%s' has no batch norm: its kernel cannot be compared with the "
                         "scales of others without a normaliser; exclude it, or normalise",
                         n->name);
    } else {
        filter_score_weights(out, p->model, node, p->options.score);
    }
    scores_normalize(out, n->channels, p->options.norm);
    return BPNET_OK;
}

static bool is_member(const struct pruner *p, int node, int group)
{
    return p->groups.of[node] == group && node_is_scored(&p->model->graph.nodes[node]);
}

static int score_group(struct pruner *p, int group)
{
    const int n_nodes = p->model->graph.n_nodes;
    const size_t n = (size_t)p->groups.list[group].channels;
    size_t n_members = 0;
    for (int i = 0; i < n_nodes; i++)
        n_members += is_member(p, i, group);
    double *block = malloc((n_members + 1) * n * sizeof *block);
    const double **members = malloc((n_members + 1) * sizeof *members);
    int err = block && members ? BPNET_OK
                               : error_set(BPNET_ENOMEM, "no memory for scores of %zu filters", n);
    size_t k = 0;
    for (int i = 0; i < n_nodes && err == BPNET_OK; i++)
        if (is_member(p, i, group)) {
            members[k] = block + k * n;
            err = score_node(block + k * n, p, i);
            k++;
        }
    if (err == BPNET_OK)
        scores_join(block, members, (int)n_members, (int)n, p->options.join);
    free(members);
    if (err < 0)
        free(block);
    else
        p->scores[group] = block; /* its first n values */
    return err;
}

static int score_all(struct pruner *p)
{
    int n = 0, err = BPNET_OK;
    p->scores = calloc((size_t)p->groups.n, sizeof *p->scores);
    if (!p->scores)
        return error_set(BPNET_ENOMEM, "no memory for %d groups of layers", p->groups.n);
    for (int k = 0; k < p->groups.n && err == BPNET_OK; k++)
        if (p->groups.list[k].whole == WHOLE_NOT && !p->groups.list[k].lined) {
            err = score_group(p, k);
            n++;
        }
    if (err == BPNET_OK && n == 0)
        err = error_set(BPNET_ECONFIG, "no layer may be pruned: all are outputs, excluded, or "
                                       "joined with such");
    return err;
}

int prune_cost_of(struct prune_cost *out, const struct graph *g, int h, int w)
{
    out->macs = graph_macs(g, h, w, NULL);
    out->parameters = rebuild_parameters(g);
    return out->macs < 0 ? BPNET_EUSAGE : BPNET_OK;
}

int pruner_open(struct pruner **out, const struct model *m, const struct prune_options *options)
{
    *out = NULL;
    struct pruner *p = calloc(1, sizeof *p);
    if (!p)
        return error_set(BPNET_ENOMEM, "no memory for a pruner");
    p->model = m;
    p->options = *options;
    int err;
    if ((err = find_groups(p)) < 0 || (err = score_all(p)) < 0 ||
        (err = prune_cost_of(&p->cost, &m->graph, options->input_h, options->input_w)) < 0) {
        pruner_close(p);
        return err;
    }
    *out = p;
    return BPNET_OK;
}

void pruner_close(struct pruner *p)
{
    if (!p)
        return;
    for (int k = 0; p->scores && k < p->groups.n; k++)
        free(p->scores[k]);
    free(p->scores);
    channel_groups_free(&p->groups);
    free(p);
}

struct prune_cost pruner_cost(const struct pruner *p)
{
    return p->cost;
}

const struct channel_groups *pruner_groups(const struct pruner *p)
{
    return &p->groups;
}

const double *pruner_scores(const struct pruner *p, int group)
{
    return p->scores[group];
}

/* ---- planning ---------------------------------------------------------------------------- */

static int open_plan(struct prune_plan *plan, const struct graph *g)
{
    const size_t n = (size_t)g->n_nodes;
    size_t channels = 0;
    for (int i = 0; i < g->n_nodes; i++)
        channels += (size_t)g->nodes[i].channels;
    *plan = (struct prune_plan){.n_nodes = g->n_nodes,
                                .count = calloc(n, sizeof *plan->count),
                                .at = calloc(n, sizeof *plan->at),
                                .keep = calloc(channels, sizeof *plan->keep)};
    if (!plan->count || !plan->at || !plan->keep)
        return error_set(BPNET_ENOMEM, "no memory to plan for %zu channels", channels);
    for (size_t i = 1; i < n; i++)
        plan->at[i] = plan->at[i - 1] + (size_t)g->nodes[i - 1].channels;
    return BPNET_OK;
}

static void keep_all(bool *keep, int n)
{
    for (int j = 0; j < n; j++)
        keep[j] = true;
}

/* Filters of a node that makes its channels; equal in all nodes of a group. */
static void choose(bool *keep, const struct pruner *p, int node, double threshold)
{
    const int group = p->groups.of[node];
    const int n = p->groups.list[group].channels;
    const double *s = p->scores[group];
    if (s)
        filters_select(
            keep, s, n,
            filters_count(s, n, threshold, p->options.min_filters, p->options.granularity));
    else
        keep_all(keep, n);
}

static void copy_inputs(struct prune_plan *plan, const struct graph *g, int node, int n_inputs)
{
    bool *to = plan->keep + plan->at[node];
    for (int k = 0; k < n_inputs; k++) {
        const int input = g->nodes[node].inputs[k];
        const size_t n = (size_t)g->nodes[input].channels;
        memcpy(to, plan->keep + plan->at[input], n * sizeof *to);
        to += n;
    }
}

static void keep_node(struct prune_plan *plan, const struct pruner *p, int node)
{
    const struct graph *g = &p->model->graph;
    const struct node *n = &g->nodes[node];
    bool *keep = plan->keep + plan->at[node];
    switch (node_relation(g, n)) {
    case CHANNELS_GIVEN: keep_all(keep, n->channels); break;
    case CHANNELS_MADE: choose(keep, p, node, plan->threshold); break;
    case CHANNELS_PASSED:
    case CHANNELS_JOINED: copy_inputs(plan, g, node, 1); break;
    case CHANNELS_LINED: copy_inputs(plan, g, node, n->n_inputs); break;
    }
    for (int j = 0; j < n->channels; j++)
        plan->count[node] += keep[j];
}

static int make_plan(struct prune_plan *plan, const struct pruner *p, double threshold)
{
    const struct graph *g = &p->model->graph;
    struct graph smaller = {0};
    int err = open_plan(plan, g);
    if (err < 0)
        goto done;
    plan->threshold = threshold;
    for (int i = 0; i < g->n_nodes; i++)
        keep_node(plan, p, i);
    if ((err = rebuild_graph(&smaller, g, plan->count)) == BPNET_OK)
        err = prune_cost_of(&plan->cost, &smaller, p->options.input_h, p->options.input_w);
done:
    graph_free(&smaller);
    if (err < 0)
        prune_plan_close(plan);
    return err;
}

int pruner_plan(struct prune_plan *plan, const struct pruner *p, double threshold)
{
    *plan = (struct prune_plan){0};
    if (!(threshold >= 0.0))
        return error_set(BPNET_EUSAGE, "a threshold of %g; expected 0 or more", threshold);
    return make_plan(plan, p, threshold);
}

int pruner_plan_whole(struct prune_plan *plan, const struct pruner *p)
{
    return make_plan(plan, p, -1.0); /* no score is negative */
}

void prune_plan_close(struct prune_plan *plan)
{
    free(plan->count);
    free(plan->at);
    free(plan->keep);
    *plan = (struct prune_plan){0};
}

int pruner_apply(struct model **out, const struct pruner *p, const struct prune_plan *plan)
{
    return rebuild_model(out, p->model, plan);
}
