/*
 * Which filters of a layer stay: the reference's rule (spec 8.1, 8.2), on plain arrays of scores.
 * Everything is in double; equal scores are ranked by their index, the first one higher.
 */
#ifndef PRUNE_FILTER_RULE_H
#define PRUNE_FILTER_RULE_H

#include <stdbool.h>

/* How the scores of one layer are made comparable with those of others. */
enum score_norm {
    SCORE_NORM_MAX,  /* s / max s: the best filter has 1 */
    SCORE_NORM_L2,   /* s / sqrt(sum s^2) * N: sqrt(N) each when all are equal */
    SCORE_NORM_NONE, /* as they are: one ranking of all layers (ours) */
    SCORE_NORMS
};

/* How layers that are joined element by element agree on a filter's score. */
enum score_join {
    SCORE_UNION,        /* the largest: a filter that one of them needs stays */
    SCORE_INTERSECTION, /* the smallest */
    SCORE_ARITHMETIC_MEAN,
    SCORE_GEOMETRIC_MEAN,
    SCORE_JOINS
};

/* In place. Scores are not negative; a layer of zeros stays one. */
void scores_normalize(double *s, int n, enum score_norm norm);

/* out[j] of members[0 .. n_members-1][j]; `out` may be one of them. */
void scores_join(double *out, const double *const *members, int n_members, int n,
                 enum score_join join);

/*
 * How many filters stay: those scored above the threshold, at least min(min_filters, n), rounded up
 * to a multiple of `granularity`, at most n.
 */
int filters_count(const double *s, int n, double threshold, int min_filters, int granularity);

/* keep[j] is set for the `count` highest scores and cleared for the others. */
void filters_select(bool *keep, const double *s, int n, int count);

#endif
