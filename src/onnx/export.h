/*
 * A network as an ONNX file (opset 13) with the reference's interface (spec 12.1 to 12.3): input
 * "input_1:0" and outputs "paf_out/BiasAdd:0", "heatmap_out/BiasAdd:0" of the last stage, NHWC,
 * batch, height and width free. Batch norms are folded as our own executor folds them.
 *
 * Values of the graph are NCHW. The map that node N of our graph makes is the value "N:0"; a folded
 * batch norm's convolution has none. Parameters keep their names ("N/kernel"), as (CO, CI, KH, KW).
 * TensorFlow's SAME is written as fixed pads where it does not depend on the size, as
 * auto_pad=SAME_UPPER where runtimes agree on that, and computed from the size otherwise.
 */
#ifndef ONNX_EXPORT_H
#define ONNX_EXPORT_H

#include "nn/model.h"

enum onnx_layout { ONNX_NHWC, ONNX_NCHW };

/* What goes in: a normalised picture, or RGB pixels of 0..255 that the graph normalises. */
enum onnx_input { ONNX_NORMALISED, ONNX_PIXELS_U8, ONNX_PIXELS_FLOAT };

/* Quantisation of one map: real = scale * (q - zero), q in 0..255. */
struct onnx_range {
    const char *node; /* whose map it is; the input's: 1/256 and 128 are its pixels themselves */
    float scale;
    int zero; /* 0 or 128, or whatever suits */
};

/* 8-bit weights of one convolution whose input has a range, norms folded in. */
struct onnx_weights {
    const char *node;
    const int8_t *kernel; /* (KH, KW, CI, CO); NULL: the exporter rounds, with max/127 a channel */
    const float *scale;   /* CO: real = scale * kernel; with `kernel` only */
    /* CI, or NULL: the kernel was multiplied by these before it was rounded, because its input's
     * channels have scales of their own. */
    const float *input_scale;
    const float *bias; /* CO, in real units; NULL: the network's */
    /* (KH, KW, CI, CO), norms folded: a convolution that stays in float, with these weights. */
    const float *real;
};

/*
 * An 8-bit network: QuantizeLinear and DequantizeLinear behind every map that has a range, weights
 * as INT8 per output channel, biases as INT32. Maps and convolutions not named stay in float.
 */
struct onnx_ranges {
    const struct onnx_range *maps;
    size_t n_maps;
    const struct onnx_weights *convs;
    size_t n_convs;
};

struct onnx_export_options {
    enum onnx_layout layout;
    enum onnx_input input;
    int64_t batch;                    /* 0: free */
    int h, w;                         /* the size the file is meant for; 0: that of training */
    bool fixed_size;                  /* and no other */
    bool keep_norms;                  /* write BatchNormalization instead of folding */
    int paf_upsample;                 /* spec 12.3: PAFs enlarged so many times; 0: no such layer */
    const char *licence;              /* for the file's metadata; NULL: nothing is said */
    const struct onnx_ranges *ranges; /* NULL: all in float */
    struct seal_key *key;             /* seals the file (io/seal.h); NULL: plain */
};

enum { ONNX_MAX_UPSAMPLE = 32, ONNX_VALUE_SIZE = GRAPH_NAME_SIZE + 8 };

/*
 * Write the file, atomically. BPNET_EUNSUPPORTED when the network has no heatmaps and PAFs,
 * BPNET_EUSAGE when ranges name what the network does not have
 * or batch norms are to be kept beside them.
 */
int onnx_export(const struct model *m, const struct onnx_export_options *options, const char *path);

/* Names of the file's input and outputs (spec 12.1, 12.3). */
#define ONNX_INPUT_NAME        "input_1:0"
#define ONNX_HEAT_NAME         "heatmap_out/BiasAdd:0"
#define ONNX_PAF_NAME          "paf_out/BiasAdd:0"
#define ONNX_ENLARGED_PAF_NAME "conv2d_transpose_1/BiasAdd:0"

/* The name of the value that holds a node's map. */
void onnx_value_name(char out[ONNX_VALUE_SIZE], const struct node *n);

#endif
