/* What a model must keep to, besides its graph: see model_check(). */
#ifndef NN_MODEL_CHECK_H
#define NN_MODEL_CHECK_H

#include "nn/model.h"

/*
 * Whether a model whose graph passed graph_check() can be used: 3 input channels; if it has stages,
 * 2 outputs each, with the skeleton's channels, of the size that the stride promises for the
 * pictures of training; weights that are finite, variances that are not negative. BPNET_EFORMAT
 * says what is wrong.
 */
int model_check(const struct model *m);

#endif
