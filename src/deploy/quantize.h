/*
 * Types and scales for a lowered network: which layers compute in 8 bits, and with what scales.
 * Tensors that cannot be negative use 0..255 (zero 0, scale amax / 255), others -127..127 about
 * zero 128 (scale amax / 127). Weights are per output channel, symmetric, -127..127, after the
 * scales of the input's channels were multiplied in.
 */
#ifndef DEPLOY_QUANTIZE_H
#define DEPLOY_QUANTIZE_H

#include "deploy/calibrate.h"
#include "deploy/network.h"

struct quantize_options {
    const struct channel_means *means; /* bias correction (Nagel et al. 2019); NULL: none */
    const bool *keep_float;            /* per layer: not in 8 bits; NULL: none */
    enum map_type float_type;          /* of those: MAP_F32, MAP_BF16 */
};

enum {
    /* More products of 255 * 127 might not fit 32 bits: such convolutions are kept in float. */
    QUANTIZE_MAX_PRODUCTS = 65536
};

/*
 * The network is equalised as the ranges say, unless it is (equalize.h).
 * All convolutions in 8 bits but those to be kept, and all maps between them; outputs, products and
 * activations are floats. With means, the error that rounded weights make on average is taken off
 * the biases. BPNET_EUSAGE names a tensor without range.
 */
int quantize(struct network *net, const struct ranges *ranges,
             const struct quantize_options *options);

/* Everything in `type` (F32, BF16), outputs F32. */
void network_set_type(struct network *net, enum map_type type);

/*
 * 8-bit weights of a convolution and the constants of its kernel (conv_kernel.h); for compile and
 * for export to ONNX. Arrays belong to the caller: w8 of the weights' size, others out_c.
 * With s[c], z[c] and r[c] the scale, zero and rest of input channel c (tensor_quantum()) and S the
 * output's scale (1 when it is F32), for output channel j, sums over taps and channels:
 *     w8            = w[c][j] * s[c] / weight_scale[j], rounded, -127..127
 *     offset[j]     = - sum z[c] * w8
 *     multiplier[j] = weight_scale[j] / S
 *     bias[j]       = (layer's bias[j] + sum r[c] * w[c][j]) / S
 * so where all s[c] are one s, the weights are w8 * weight_scale / s.
 */
int quantize_weights(const struct network *net, const struct layer *conv, int8_t *w8,
                     int32_t *offset, float *multiplier, float *bias, float *weight_scale);

/*
 * The same for a kernel with float weights, which need no rounding: in the names above
 *     w       = w[c][j] * s[c] / S
 *     bias[j] = (layer's bias[j] without its correction + sum r[c] * w[c][j]) / S
 */
int scale_weights(const struct network *net, const struct layer *conv, float *w, float *bias);

#endif
