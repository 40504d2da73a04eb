/*
 * Thresholds from goals. What remains depends on a threshold through comparisons with scores only,
 * so the scores are all the thresholds there are, and bisection over them is exact.
 */
#ifndef PRUNE_THRESHOLD_H
#define PRUNE_THRESHOLD_H

#include "prune/pruner.h"

/*
 * Thresholds below `low` remove nothing; from `high` on only the minimum of filters remains in
 * every layer. `least` is what it costs then. low <= high; both are scores.
 */
struct threshold_range {
    double low, high;
    struct prune_cost least;
};

int threshold_range_find(struct threshold_range *out, const struct pruner *p);

enum prune_goal { GOAL_MACS, GOAL_PARAMETERS };

/*
 * The lowest threshold with which at most `share` of the cost remains, 0 < share < 1; of those that
 * do the same the one with the fewest digits. BPNET_ECONFIG says how much remains at least when it
 * cannot be reached.
 */
int threshold_for_goal(double *out, const struct pruner *p, enum prune_goal goal, double share);

/* What remains, 0..1. */
double prune_share(enum prune_goal goal, const struct prune_cost *now,
                   const struct prune_cost *before);

#endif
