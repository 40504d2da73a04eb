/*
 * A batch norm with running statistics as part of the convolution before it:
 *     w' = w * scale,  b' = beta + (b - mean) * scale,  scale = gamma / sqrt(variance + epsilon).
 * Whoever folds does it with these, so that all get the same bits.
 */
#ifndef NN_FOLD_H
#define NN_FOLD_H

#include "nn/model.h"

/* scale[channels] of the norm. */
void fold_scale(const struct model *m, const struct node *norm, float *scale);

/* b'[channels]; `bias` is the convolution's, or NULL. `folded` may be `scale`. */
void fold_bias(const struct model *m, const struct node *norm, const float *bias,
               const float *scale, float *folded);

#endif
