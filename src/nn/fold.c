/* Folding of batch norms. */
#include "nn/fold.h"

#include <math.h>

static const float *values(const struct model *m, const struct node *n, enum param_role role)
{
    return m->params.value + m->params.list[n->params[role]].offset;
}

void fold_scale(const struct model *m, const struct node *norm, float *scale)
{
    const float *gamma = values(m, norm, PARAM_GAMMA);
    const float *variance = values(m, norm, PARAM_VARIANCE);
    for (int c = 0; c < norm->channels; c++)
        scale[c] = gamma[c] / sqrtf(variance[c] + norm->epsilon);
}

void fold_bias(const struct model *m, const struct node *norm, const float *bias,
               const float *scale, float *folded)
{
    const float *beta = values(m, norm, PARAM_BETA), *mean = values(m, norm, PARAM_MEAN);
    for (int c = 0; c < norm->channels; c++)
        folded[c] = beta[c] + ((bias ? bias[c] : 0.0F) - mean[c]) * scale[c];
}
