/* Groups of nodes by union-find over the graph's edges, and what forbids to prune them. */
#include "prune/channel_groups.h"

#include "base/error.h"
#include "nn/op.h"

#include <stdlib.h>

/* ---- relations --------------------------------------------------------------------------- */

/* One row per operation; a new operation is a new row. */
static const enum channel_relation relations[OP_COUNT] = {
    [OP_INPUT] = CHANNELS_GIVEN,      [OP_CONV] = CHANNELS_MADE,
    [OP_NORM] = CHANNELS_PASSED,      [OP_ACT] = CHANNELS_PASSED,
    [OP_ADD] = CHANNELS_JOINED,       [OP_MUL] = CHANNELS_JOINED,
    [OP_CONCAT] = CHANNELS_LINED,     [OP_MAX_POOL] = CHANNELS_PASSED,
    [OP_UPSAMPLE2] = CHANNELS_PASSED, [OP_AVG_POOL] = CHANNELS_PASSED,
    [OP_RESIZE] = CHANNELS_PASSED,    [OP_PRELU] = CHANNELS_PASSED,
};

static bool is_grouped(const struct node *n)
{
    return n->op == OP_CONV && n->groups > 1;
}

static bool is_depthwise(const struct graph *g, const struct node *n)
{
    return is_grouped(n) && n->groups == n->channels &&
           n->groups == g->nodes[n->inputs[0]].channels;
}

enum channel_relation node_relation(const struct graph *g, const struct node *n)
{
    return is_depthwise(g, n) ? CHANNELS_PASSED : relations[n->op];
}

bool node_is_scored(const struct node *n)
{
    return n->op == OP_CONV;
}

/* ---- sets of nodes ----------------------------------------------------------------------- */

static int find(int *parent, int node)
{
    while (parent[node] != node)
        node = parent[node] = parent[parent[node]];
    return node;
}

/* The earlier root wins, so that groups are numbered in the order of their first nodes. */
static void unite(int *parent, int a, int b)
{
    a = find(parent, a);
    b = find(parent, b);
    parent[a > b ? a : b] = a < b ? a : b;
}

static void unite_all(int *parent, const struct graph *g)
{
    for (int i = 0; i < g->n_nodes; i++)
        parent[i] = i;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct node *n = &g->nodes[i];
        const enum channel_relation relation = node_relation(g, n);
        if (relation == CHANNELS_PASSED || relation == CHANNELS_JOINED)
            for (int k = 0; k < node_reads(n); k++)
                unite(parent, i, n->inputs[k]);
    }
}

static void number(struct channel_groups *s, int *parent, const struct graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        if (parent[i] == i) {
            s->of[i] = s->n;
            s->list[s->n++] = (struct channel_group){.channels = g->nodes[i].channels};
        } else {
            s->of[i] = s->of[find(parent, i)];
        }
    }
}

/* ---- what must stay whole ---------------------------------------------------------------- */

static void keep_whole(struct channel_groups *s, int node, enum whole_reason reason)
{
    struct channel_group *group = &s->list[s->of[node]];
    if (group->whole == WHOLE_NOT)
        group->whole = reason;
}

/* A lined group can follow others, but cannot agree with a second maker of channels. */
static void mark_lined(struct channel_groups *s, const struct graph *g, int *makers)
{
    for (int i = 0; i < g->n_nodes; i++) {
        const enum channel_relation relation = node_relation(g, &g->nodes[i]);
        makers[s->of[i]] += relation != CHANNELS_PASSED && relation != CHANNELS_JOINED;
        if (relation == CHANNELS_LINED)
            s->list[s->of[i]].lined = true;
    }
    for (int i = 0; i < g->n_nodes; i++)
        if (s->list[s->of[i]].lined && makers[s->of[i]] > 1)
            keep_whole(s, i, WHOLE_JOINED);
}

/* What a whole concatenation is made of must be whole; that may reach further ones. */
static void spread_whole(struct channel_groups *s, const struct graph *g)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = g->n_nodes - 1; i >= 0; i--) {
            const struct node *n = &g->nodes[i];
            const enum whole_reason reason = s->list[s->of[i]].whole;
            if (node_relation(g, n) != CHANNELS_LINED || reason == WHOLE_NOT)
                continue;
            for (int k = 0; k < n->n_inputs; k++) {
                changed |= s->list[s->of[n->inputs[k]]].whole == WHOLE_NOT;
                keep_whole(s, n->inputs[k], reason);
            }
        }
    }
}

static void mark_whole(struct channel_groups *s, const struct graph *g, const bool *excluded)
{
    for (int k = 0; k < g->n_outputs; k++)
        keep_whole(s, g->outputs[k], WHOLE_OUTPUT);
    for (int i = 0; i < g->n_nodes; i++) {
        if (excluded[i])
            keep_whole(s, i, WHOLE_EXCLUDED);
        if (node_relation(g, &g->nodes[i]) == CHANNELS_GIVEN)
            keep_whole(s, i, WHOLE_INPUT);
        if (is_grouped(&g->nodes[i]) && !is_depthwise(g, &g->nodes[i])) {
            keep_whole(s, i, WHOLE_GROUPED);
            keep_whole(s, g->nodes[i].inputs[0], WHOLE_GROUPED);
        }
    }
    spread_whole(s, g);
}

/* ---- opening ----------------------------------------------------------------------------- */

int channel_groups_find(struct channel_groups *out, const struct graph *g, const bool *excluded)
{
    const size_t n = (size_t)g->n_nodes;
    struct channel_groups s = {.list = calloc(n, sizeof *s.list), .of = calloc(n, sizeof *s.of)};
    int *scratch = calloc(2 * n, sizeof *scratch);
    *out = (struct channel_groups){0};
    if (!s.list || !s.of || !scratch) {
        free(scratch);
        channel_groups_free(&s);
        return error_set(BPNET_ENOMEM, "no memory for the groups of %zu layers", n);
    }
    unite_all(scratch, g);
    number(&s, scratch, g);
    mark_lined(&s, g, scratch + n);
    mark_whole(&s, g, excluded);
    free(scratch);
    *out = s;
    return BPNET_OK;
}

void channel_groups_free(struct channel_groups *s)
{
    free(s->list);
    free(s->of);
    *s = (struct channel_groups){0};
}
