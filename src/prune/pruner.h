/*
 * Structured pruning: whole filters go, the network that remains is an ordinary smaller one (spec
 * part 8). A pruner scores a model's filters once; plans for any threshold then cost next to
 * nothing; a plan becomes a model when it is the one wanted.
 */
#ifndef PRUNE_PRUNER_H
#define PRUNE_PRUNER_H

#include "nn/model.h"
#include "prune/channel_groups.h"
#include "prune/filter_rule.h"
#include "prune/filter_score.h"

struct prune_options {
    enum filter_score score;
    /* FILTER_SCORE_GIVEN: per node its filters' scores; NULL where there are none. */
    const double *const *given;
    enum score_norm norm;
    enum score_join join;
    int granularity;             /* kept filters are a multiple of it; at least 1 */
    int min_filters;             /* of a layer; at least 1 */
    const char *const *excluded; /* layers left whole, by name, besides the outputs */
    size_t n_excluded;
    int input_h, input_w; /* what costs are counted for */
};

struct prune_cost {
    int64_t macs;
    size_t parameters; /* running statistics included (spec 8.4) */
};

/* Of a graph for one picture of h x w. BPNET_EUSAGE when that size does not fit. */
int prune_cost_of(struct prune_cost *out, const struct graph *g, int h, int w);

/* What stays at some threshold. */
struct prune_plan {
    int n_nodes;
    int *count; /* channels of each node that stay */
    size_t *at; /* node i's channels begin at keep[at[i]] */
    bool *keep; /* per original channel */
    double threshold;
    struct prune_cost cost;
};

struct pruner;

/*
 * The model is borrowed. BPNET_EUSAGE names an excluded layer that the model does not have, or one
 * without batch norm when only their scales, as they are, are asked for;
 * BPNET_ECONFIG when nothing can be pruned at all.
 */
int pruner_open(struct pruner **out, const struct model *m, const struct prune_options *options);
void pruner_close(struct pruner *p); /* NULL is allowed */

struct prune_cost pruner_cost(const struct pruner *p); /* of the model as it is */
const struct channel_groups *pruner_groups(const struct pruner *p);

/* The scores of a group that may be pruned, normalised and joined; NULL for others. */
const double *pruner_scores(const struct pruner *p, int group);

/* A threshold that is negative or not a number is BPNET_EUSAGE. On failure *plan is zeroed. */
int pruner_plan(struct prune_plan *plan, const struct pruner *p, double threshold);
int pruner_plan_whole(struct prune_plan *plan, const struct pruner *p); /* all stays */
void prune_plan_close(struct prune_plan *plan); /* a zeroed one is allowed */

/* The model that a plan leaves; the original is not changed. */
int pruner_apply(struct model **out, const struct pruner *p, const struct prune_plan *plan);

#endif
