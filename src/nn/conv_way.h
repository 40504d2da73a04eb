/*
 * How a step convolves: all channels with all, depthwise, or group by group. What is around it
 * (bias, activation, batch norm, sums over images) is op_conv.c's.
 */
#ifndef NN_CONV_WAY_H
#define NN_CONV_WAY_H

#include "nn/run.h"

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
    /* dw += the weights' gradient of one image. */
    void (*dw)(const struct exec *e, const struct step *s, int image, float *dw, unsigned thread);
    bool any_act;
};

const struct conv_way *conv_way_of(const struct step *s);

/* Floats of the kernel: of one group's inputs and all outputs. */
size_t conv_kernel_count(const struct step *s);

#endif
