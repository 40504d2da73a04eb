/* The reference's rule for one layer, and its four criteria for joined ones. */
#include "prune/filter_rule.h"

#include <math.h>

void scores_normalize(double *s, int n, enum score_norm norm)
{
    double largest = 0.0, squares = 0.0;
    for (int j = 0; j < n; j++) {
        largest = fmax(largest, s[j]);
        squares += s[j] * s[j];
    }
    const double unit = norm == SCORE_NORM_MAX ? largest : sqrt(squares) / n;
    if (norm == SCORE_NORM_NONE || !(unit > 0.0))
        return;
    for (int j = 0; j < n; j++)
        s[j] /= unit;
}

static double join_largest(double a, double b)
{
    return fmax(a, b);
}

static double join_smallest(double a, double b)
{
    return fmin(a, b);
}

static double join_sum(double a, double b)
{
    return a + b;
}

static double identity(double a)
{
    return a;
}

/* A criterion is what comes in, how two become one, and what comes out of n. */
static const struct criterion {
    double (*in)(double);
    double (*two)(double, double);
    double (*out)(double);
    bool mean;
} criteria[SCORE_JOINS] = {
    [SCORE_UNION] = {identity, join_largest, identity, false},
    [SCORE_INTERSECTION] = {identity, join_smallest, identity, false},
    [SCORE_ARITHMETIC_MEAN] = {identity, join_sum, identity, true},
    [SCORE_GEOMETRIC_MEAN] = {log, join_sum, exp, true}, /* a zero: exp(-infinity) */
};

void scores_join(double *out, const double *const *members, int n_members, int n,
                 enum score_join join)
{
    const struct criterion *c = &criteria[join];
    for (int j = 0; j < n; j++) {
        double value = c->in(members[0][j]);
        for (int m = 1; m < n_members; m++)
            value = c->two(value, c->in(members[m][j]));
        out[j] = n_members == 1 ? members[0][j] : c->out(c->mean ? value / n_members : value);
    }
}

int filters_count(const double *s, int n, double threshold, int min_filters, int granularity)
{
    int count = 0;
    for (int j = 0; j < n; j++)
        count += s[j] > threshold;
    const int least = min_filters < n ? min_filters : n;
    count = count > least ? count : least;
    const int rest = count % granularity;
    count = rest == 0 ? count : n - count < granularity - rest ? n : count + granularity - rest;
    return count;
}

/* Quadratic, but a layer has at most a few thousand filters. */
void filters_select(bool *keep, const double *s, int n, int count)
{
    for (int j = 0; j < n; j++) {
        int better = 0;
        for (int k = 0; k < n; k++)
            better += s[k] > s[j] || (k < j && !(s[k] < s[j]));
        keep[j] = better < count;
    }
}
