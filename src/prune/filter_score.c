/* Scores of filters from kernels and batch norms. */
#include "prune/filter_score.h"

#include <assert.h>
#include <math.h>

static const float *values(const struct model *m, int node, enum param_role role, size_t *count)
{
    const struct param *p = &m->params.list[m->graph.nodes[node].params[role]];
    *count = p->count;
    return m->params.value + p->offset;
}

/* Filters are the kernel's last dimension, so weight i is of filter i mod n. */
static void score_kernel(double *out, const struct model *m, int node, bool squares)
{
    const size_t n = (size_t)m->graph.nodes[node].channels;
    size_t count;
    const float *w = values(m, node, PARAM_KERNEL, &count);
    for (size_t j = 0; j < n; j++)
        out[j] = 0.0;
    for (size_t i = 0; i < count; i += n)
        for (size_t j = 0; j < n; j++) {
            const double x = (double)w[i + j];
            out[j] += squares ? x * x : fabs(x);
        }
    for (size_t j = 0; j < n && squares; j++)
        out[j] = sqrt(out[j]);
}

void filter_score_weights(double *out, const struct model *m, int node, enum filter_score kind)
{
    assert(kind != FILTER_SCORE_GIVEN);
    const int norm = kind == FILTER_SCORE_BN ? graph_norm_of(&m->graph, node) : -1;
    if (norm < 0) {
        score_kernel(out, m, node, kind != FILTER_SCORE_L1);
        return;
    }
    size_t count;
    const float *gamma = values(m, norm, PARAM_GAMMA, &count);
    for (size_t j = 0; j < count; j++)
        out[j] = fabs((double)gamma[j]);
}
