/* Building and rebuilding lowered networks: for the passes. */
#ifndef DEPLOY_NETWORK_EDIT_H
#define DEPLOY_NETWORK_EDIT_H

#include "deploy/network.h"

/* Append: the index, or an error code. A tensor is a float map that is not part of another. */
int network_add_tensor(struct network *n, const char *name, int h, int w, int channels);
/* A copy of `layer`, whose arrays are the network's from then on; its output's maker is set. */
int network_add_layer(struct network *n, const struct layer *layer);

bool network_is_output(const struct network *n, int tensor);

/* Scale and zero of a whole U8 tensor. */
struct quantum {
    float scale;
    int zero;
};

/* Whether all channels of a U8 tensor have one scale and zero, and nothing is missing (pixels). */
bool tensor_is_uniform(const struct network *n, int tensor);

/* One quantum that holds the values of all channels. */
struct quantum tensor_common_quantum(const struct network *n, int tensor);

/* Multiply-accumulates of a convolution for one value of its output. */
int layer_macs_per_pixel(const struct layer *l);

#endif
