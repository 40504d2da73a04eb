/*
 * A network on its way to an engine: for one input size, batch norms folded into convolutions,
 * activations and sums fused, concatenations turned into maps that are written in slices. The
 * passes work on this: lower, calibrate, quantize, tactic, compile.
 *
 * A tensor is what one layer makes (or the input's pixels). A joint tensor is made of parts: other
 * tensors that are written next to each other into its memory; parts that cannot be (they are a
 * part of another already) are copied by a layer. Tensors carry the type and quantisation they
 * will have: real = scale * (q - zero).
 */
#ifndef DEPLOY_NETWORK_H
#define DEPLOY_NETWORK_H

#include "kernel/conv_kernel.h"
#include "nn/model.h"

struct tensor {
    char name[GRAPH_NAME_SIZE]; /* of the last node that was fused into its layer */
    int h, w, channels;
    int maker;          /* the layer, or -1: the input, or a joint tensor */
    int whole, channel; /* the joint tensor that it is a slice of, from this channel on; -1 */
    int n_parts, parts[GRAPH_MAX_INPUTS]; /* of a joint tensor, in order */
    bool nonnegative;                     /* by construction: after ReLU, pools of such, … */

    enum map_type type;
    float scale; /* U8; a joint tensor's parts have their own */
    int zero;    /* U8: 0 or 128 */
};

enum layer_kind {
    LAYER_CONV,
    LAYER_CONVERT, /* another type or quantisation, copies, activations: map_ops convert */
    LAYER_ADD,
    LAYER_MUL,
    LAYER_ACT, /* an activation that is not a pair of limits: sigmoid, tanh, slopes */
    LAYER_MAX_POOL,
    LAYER_AVG_POOL,
    LAYER_UPSAMPLE2,
    LAYER_ENLARGE, /* by another factor, or in another way */
    LAYER_KINDS
};

struct layer {
    enum layer_kind kind;
    int node; /* of the model's graph that it begins with */
    int inputs[2], n_inputs;
    int added; /* CONV: a tensor added before the limits, or -1 */
    int output;
    float low, high; /* limits in real units; -INFINITY, INFINITY: none */
    enum activation act;

    /* CONV and pools: kernel, stride, dilation, padding; pitches are set by compile. */
    struct conv_geometry geometry;
    bool depthwise;
    float *weights; /* CONV: (KH, KW, CI, CO), or (KH, KW, C); norms folded; owned */
    float *bias;    /* CONV: CO; owned. CONVERT: both NULL, or y = x * weights[c] + bias[c] */
    float *
        correction; /* CONV: what was added to `bias` for the rounding of weights, or NULL; owned */
    enum map_type precision; /* CONV: of its arithmetic: the type it reads */
    float *slopes;           /* ACT: where not NULL a PReLU, with a slope per channel; owned */
    int factor;              /* ENLARGE */
    enum enlarge enlarge;    /* ENLARGE */
};

struct network {
    const struct model *model; /* borrowed */
    struct layer *layers;
    int n_layers, layer_capacity;
    struct tensor *tensors; /* 0: the input */
    int n_tensors, tensor_capacity;
    int outputs[GRAPH_MAX_OUTPUTS], n_outputs;
    bool equalized; /* channels were brought nearer to one size (equalize.h) */
};

/*
 * Lower a model for h x w input, all tensors F32; the last stage's outputs only when it is a pose
 * network. The first tensor is (h, w, 3) pixels as U8 with real = q / model scale - offset, see
 * tensor_quantum().
 */
int network_lower(struct network *out, const struct model *model, int h, int w);
void network_free(struct network *n); /* a zeroed one is allowed */

/* Scale and zero of one channel of a U8 tensor, whatever it is made of. The input's zero is the
 * byte nearest to the real zero; *shift is what is then missing: real = scale * (q - zero) + shift.
 */
void tensor_quantum(const struct network *n, int tensor, int channel, float *scale, int *zero,
                    float *shift);

/*
 * Where types meet that do not fit: insert CONVERT layers. Joint tensors' parts get one type, pools
 * of bytes the quantum of what they read. Compiling does this to a copy; doing it before is
 * allowed. BPNET_EUSAGE names a tensor that has to be bytes and has no scale.
 */
int network_insert_converts(struct network *n);

#endif
