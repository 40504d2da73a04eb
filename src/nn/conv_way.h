/*
 * How a step convolves: all channels with all, depthwise, or group by group. What is around it
 * (bias, activation, batch norm, sums over images) is op_conv.c's.
 */
#ifndef NN_CONV_WAY_H
#define NN_CONV_WAY_H

#include "nn/run.h"

/* A share of the weights' gradient: images, and part `part` of `n_parts` of the weights. */
struct dw_share {
    int image, n_images;
    int part, n_parts;
};

struct conv_way {
    /* Set the step's bands and the sizes of its weight streams and scratch, and for training those
     * of both gradients; its geometries are set. */
    void (*prepare)(const struct exec *e, struct step *s);
    /* Fill the step's weight streams from w, laid out as the parameter is. */
    void (*pack)(const struct exec *e, struct step *s, const float *w);
    /* A band of the output, with ACT_NONE or ACT_RELU (any_act: any). */
    void (*forward)(const struct exec *e, const struct step *s, struct band b, enum activation act,
                    unsigned thread);
    /* A band of the input's gradient. */
    void (*dx)(const struct exec *e, const struct step *s, struct band b, unsigned thread);
    /* dw += a share of the weights' gradient. */
    void (*dw)(const struct exec *e, const struct step *s, const struct dw_share *share, float *dw,
               unsigned thread);
    bool any_act;
    bool has_parts; /* or else dw() knows one part alone */
};

const struct conv_way *conv_way_of(const struct step *s);

/* Floats of the kernel: of one group's inputs and all outputs. */
size_t conv_kernel_count(const struct step *s);

#endif
