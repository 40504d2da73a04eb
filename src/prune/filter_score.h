/* How much each filter matters, from the weights alone. */
#ifndef PRUNE_FILTER_SCORE_H
#define PRUNE_FILTER_SCORE_H

#include "nn/model.h"

enum filter_score {
    FILTER_SCORE_L2,    /* the reference's: sqrt of the kernel's sum of squares */
    FILTER_SCORE_L1,    /* sum of the kernel's absolute values (Li et al. 2017) */
    FILTER_SCORE_BN,    /* |gamma| of the batch norm behind (Liu et al. 2017); without one: L2 */
    FILTER_SCORE_GIVEN, /* by the caller, such as train/taylor.h */
    FILTER_SCORES
};

/* Scores of a convolution's filters; biases do not count. Not FILTER_SCORE_GIVEN. */
void filter_score_weights(double *out, const struct model *m, int node, enum filter_score kind);

#endif
