/* Bisection over the scores of a model's filters. */
#include "prune/threshold.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>

double prune_share(enum prune_goal goal, const struct prune_cost *now,
                   const struct prune_cost *before)
{
    return goal == GOAL_MACS ? (double)now->macs / (double)before->macs
                             : (double)now->parameters / (double)before->parameters;
}

/* All scores, ascending, each once. */
struct candidates {
    double *list;
    size_t n;
};

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int gather(struct candidates *c, const struct pruner *p)
{
    const struct channel_groups *groups = pruner_groups(p);
    size_t n = 0;
    for (int k = 0; k < groups->n; k++)
        n += (size_t)groups->list[k].channels;
    *c = (struct candidates){.list = malloc(n * sizeof *c->list)};
    if (!c->list)
        return error_set(BPNET_ENOMEM, "no memory for %zu scores", n);
    n = 0;
    for (int k = 0; k < groups->n; k++) {
        const double *s = pruner_scores(p, k);
        for (int j = 0; s && j < groups->list[k].channels; j++)
            c->list[n++] = s[j];
    }
    qsort(c->list, n, sizeof *c->list, compare);
    for (size_t i = 0; i < n; i++)
        if (c->n == 0 || c->list[i] > c->list[c->n - 1])
            c->list[c->n++] = c->list[i];
    return BPNET_OK;
}

static int cost_at(struct prune_cost *out, const struct pruner *p, double threshold)
{
    struct prune_plan plan;
    const int err = pruner_plan(&plan, p, threshold);
    if (err < 0)
        return err;
    *out = plan.cost;
    prune_plan_close(&plan);
    return BPNET_OK;
}

/*
 * The first candidate whose cost is at most the bound; costs never grow with the threshold, and the
 * last candidate's is known to be low enough.
 */
static int first_within(size_t *out, const struct pruner *p, const struct candidates *c,
                        enum prune_goal goal, double bound)
{
    size_t low = 0, high = c->n - 1;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        struct prune_cost cost;
        const int err = cost_at(&cost, p, c->list[middle]);
        if (err < 0)
            return err;
        const double value = goal == GOAL_MACS ? (double)cost.macs : (double)cost.parameters;
        if (value <= bound)
            high = middle;
        else
            low = middle + 1;
    }
    *out = low;
    return BPNET_OK;
}

/* Of all thresholds that do what candidate `i` does, the one with the fewest digits. */
static double roundest(const struct candidates *c, size_t i)
{
    const double score = c->list[i], next = i + 1 < c->n ? c->list[i + 1] : score;
    for (int digits = 1; digits < 16; digits++) {
        char text[40];
        snprintf(text, sizeof text, "%.*g", digits, score + 0.5 * (next - score));
        const double value = strtod(text, NULL);
        if (value >= score && value < next)
            return value;
    }
    return score;
}

int threshold_range_find(struct threshold_range *out, const struct pruner *p)
{
    struct candidates c;
    int err = gather(&c, p);
    if (err < 0)
        return err;
    const size_t all = pruner_cost(p).parameters;
    size_t low, high;
    if ((err = cost_at(&out->least, p, c.list[c.n - 1])) < 0)
        goto done;
    const double least = (double)out->least.parameters;
    if (out->least.parameters == all)
        out->low = out->high = c.list[c.n - 1];
    else if ((err = first_within(&low, p, &c, GOAL_PARAMETERS, (double)(all - 1))) == 0 &&
             (err = first_within(&high, p, &c, GOAL_PARAMETERS, least)) == 0) {
        out->low = c.list[low];
        out->high = c.list[high];
    }
done:
    free(c.list);
    return err;
}

int threshold_for_goal(double *out, const struct pruner *p, enum prune_goal goal, double share)
{
    struct candidates c;
    struct prune_cost least;
    size_t found;
    const struct prune_cost all = pruner_cost(p);
    if (!(share > 0.0 && share < 1.0))
        return error_set(BPNET_EUSAGE, "a goal of %g; expected a share between 0 and 1", share);
    int err = gather(&c, p);
    if (err < 0)
        return err;
    if ((err = cost_at(&least, p, c.list[c.n - 1])) < 0)
        goto done;
    const double bound = share * (goal == GOAL_MACS ? (double)all.macs : (double)all.parameters);
    const double floor = prune_share(goal, &least, &all);
    if (floor > share)
        err = error_set(BPNET_ECONFIG,
                        "a goal of %g cannot be reached: at least %.4f of the %s remain; lower "
                        "--min_num_filters or --pruning_granularity",
                        share, floor, goal == GOAL_MACS ? "MACs" : "parameters");
    else if ((err = first_within(&found, p, &c, goal, bound)) == BPNET_OK)
        *out = roundest(&c, found);
done:
    free(c.list);
    return err;
}
