/*
 * The arithmetic, as tables of functions. Kernels know no tensors: pointers, sizes, pitches and
 * packed weight streams. They do not allocate, fail, start threads or keep state.
 *
 * The contract, for every kernel at every level:
 *   - sizes are at least 1; tails are the kernel's business;
 *   - nothing is read or written outside the stated extents (scratch included);
 *   - arguments do not overlap unless the comment says "in place allowed";
 *   - results depend on the arguments alone: not on how rows or tiles were shared among threads;
 *   - float results equal the plain-C level within the bound that tests/kernel/check states;
 *   - a NaN stays a NaN through every activation, so that a diverging training is seen.
 *
 * Activations are NHWC. `pitch` is the distance in floats between neighbouring pixels, at least the
 * channel count, so that a layer may write into its slice of a wider (concatenated) map; rows
 * follow each other at width * pitch. Weights are (KH, KW, CI, CO), as TensorFlow keeps them.
 */
#ifndef KERNEL_KERNEL_H
#define KERNEL_KERNEL_H

#include "base/cpu.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum activation { ACT_NONE, ACT_RELU, ACT_SIGMOID, ACT_TANH, ACT_RELU6, ACT_COUNT };

/*
 * Enlargement by a whole factor f: where output o looks in the input. Bilinear kinds repeat the
 * border.
 */
enum enlarge {
    ENLARGE_NEAREST,    /* floor(o / f) */
    ENLARGE_HALF_PIXEL, /* (o + 1/2) / f - 1/2 */
    ENLARGE_ASYMMETRIC, /* o / f */
    ENLARGE_CORNERS,    /* o (size - 1) / (f size - 1): corners upon corners */
    ENLARGE_COUNT
};

/* One image's worth of a convolution. Every size is in pixels or channels. */
struct conv_geometry {
    int in_h, in_w, in_c;
    int out_h, out_w, out_c;
    int kernel_h, kernel_w;
    int stride;            /* both axes */
    int dilation;          /* both axes */
    int pad_top, pad_left; /* zeros before the first row and column; behind: what the sizes imply */
    int in_pitch, out_pitch;
};

struct kernels {
    enum cpu_level level;

    /*
     * Convolution forward: y = act(conv(x, w) + bias), rows row0 <= y < row1 of one image.
     * `packed` comes from conv_pack(w); bias may be NULL; act is ACT_NONE or ACT_RELU.
     * With `accumulate` the result is added to y (then act must be ACT_NONE).
     * `scratch` holds conv_scratch() floats, 64-byte aligned, one per thread. Any rows do, but
     * bands of a multiple of conv_rows() that start at such a multiple (or reach the last row) do
     * no work twice and keep the core busy; conv_dx_rows() says the same of conv_dx().
     * Geometries that differ in map sizes, pitches and padding alone share one stream when their
     * conv_packed() agree.
     */
    int (*conv_rows)(const struct conv_geometry *g);
    size_t (*conv_packed)(const struct conv_geometry *g);
    void (*conv_pack)(const struct conv_geometry *g, const float *w, float *packed);
    size_t (*conv_scratch)(const struct conv_geometry *g);
    void (*conv)(const struct conv_geometry *g, const float *x, const float *packed,
                 const float *bias, enum activation act, bool accumulate, float *y, int row0,
                 int row1, float *scratch);

    /*
     * Gradient of the input: rows row0 <= y < row1 (of the INPUT map) of dx (+)= conv'(dy, w).
     * dy has the geometry's out_* sizes and pitch, dx its in_* sizes and pitch.
     */
    int (*conv_dx_rows)(const struct conv_geometry *g);
    size_t (*conv_dx_packed)(const struct conv_geometry *g);
    void (*conv_dx_pack)(const struct conv_geometry *g, const float *w, float *packed);
    size_t (*conv_dx_scratch)(const struct conv_geometry *g);
    void (*conv_dx)(const struct conv_geometry *g, const float *dy, const float *packed,
                    bool accumulate, float *dx, int row0, int row1, float *scratch);

    /*
     * Gradient of the weights: dw += x (*) dy for tiles tile0 <= t < tile1 of conv_dw_tiles(),
     * over n_images that follow each other without gaps. A tile owns its part of dw, so tiles may
     * run on different threads; images are to be added in the same order everywhere. A call reads
     * both maps once, whatever the number of its tiles, so a few long ranges per thread are faster
     * than many short ones, and many images at once faster than one after the other.
     */
    int (*conv_dw_tiles)(const struct conv_geometry *g);
    size_t (*conv_dw_scratch)(const struct conv_geometry *g);
    void (*conv_dw)(const struct conv_geometry *g, const float *x, const float *dy, int n_images,
                    float *dw, int tile0, int tile1, float *scratch);

    /*
     * Depthwise: channel k of y sees nothing but channel k of x; out_c = in_c, and w is
     * (KH, KW, C) as it is. Rows and the two gradients as above; any activation will do.
     */
    void (*depthwise)(const struct conv_geometry *g, const float *x, const float *w,
                      const float *bias, enum activation act, float *y, int row0, int row1);
    void (*depthwise_dx)(const struct conv_geometry *g, const float *dy, const float *w,
                         bool accumulate, float *dx, int row0, int row1);
    void (*depthwise_dw)(const struct conv_geometry *g, const float *x, const float *dy, float *dw);

    /* sum[k] += sum over pixels of x[.][k]; the same with squares when `squares` is not NULL. */
    void (*channel_sums)(const float *x, size_t n_pixels, int channels, int pitch, float *sum,
                         float *squares);

    /* y = act(x * scale[k] + shift[k]). In place allowed. */
    void (*scale_shift)(const float *x, int x_pitch, const float *scale, const float *shift,
                        enum activation act, float *y, int y_pitch, size_t n_pixels, int channels);

    /*
     * Batch norm backward, first pass: with g = dy where the activated output y > 0 (act RELU;
     * y may be NULL for ACT_NONE) and xhat = (x - mean) * inv_std,
     *     sum_g[k] += sum g,   sum_gx[k] += sum g * xhat.
     */
    void (*norm_back_sums)(const float *x, int x_pitch, const float *y, int y_pitch,
                           const float *dy, int dy_pitch, const float *mean, const float *inv_std,
                           size_t n_pixels, int channels, float *sum_g, float *sum_gx);

    /*
     * Second pass: dx (+)= a[k] * g + b[k] * x + c[k], g as above. (The caller folds mean, inv_std,
     * gamma and the two sums into a, b and c.) dx may be dy when they have one pitch.
     */
    void (*norm_back_apply)(const float *x, int x_pitch, const float *y, int y_pitch,
                            const float *dy, int dy_pitch, const float *a, const float *b,
                            const float *c, bool accumulate, float *dx, int dx_pitch,
                            size_t n_pixels, int channels);

    /* y = act(x), and dx (+)= dy * act'(.) from the OUTPUT y. In place allowed. */
    void (*act)(enum activation act, const float *x, int x_pitch, float *y, int y_pitch,
                size_t n_pixels, int channels);
    void (*act_back)(enum activation act, const float *y, int y_pitch, const float *dy,
                     int dy_pitch, bool accumulate, float *dx, int dx_pitch, size_t n_pixels,
                     int channels);

    /* z = act(x + y); z = x * y; dx += / = x (a copy with pitches). In place allowed. */
    void (*add)(const float *x, int x_pitch, const float *y, int y_pitch, enum activation act,
                float *z, int z_pitch, size_t n_pixels, int channels);
    void (*mul)(const float *x, int x_pitch, const float *y, int y_pitch, bool accumulate, float *z,
                int z_pitch, size_t n_pixels, int channels);
    void (*copy)(const float *x, int x_pitch, bool accumulate, float *y, int y_pitch,
                 size_t n_pixels, int channels);

    /* Max pooling (padding never wins), one image, rows of the output; the geometry's out_c = in_c.
     * Backward gives each gradient to the first maximum in scan order; rows of the INPUT. */
    void (*max_pool)(const struct conv_geometry *g, const float *x, float *y, int row0, int row1);
    void (*max_pool_back)(const struct conv_geometry *g, const float *x, const float *dy,
                          bool accumulate, float *dx, int row0, int row1);

    /*
     * Bilinear enlargement by 2 (half-pixel centres, borders repeated), one image: output rows
     * row0 <= y < row1 of a (2h, 2w) map. Backward: INPUT rows of dx (+)= the transposed weights.
     */
    void (*upsample2)(const float *x, int h, int w, int channels, int x_pitch, float *y,
                      int y_pitch, int row0, int row1);
    void (*upsample2_back)(const float *dy, int dy_pitch, int h, int w, int channels,
                           bool accumulate, float *dx, int dx_pitch, int row0, int row1);

    /* The mean over a window, one image; the padding is part of it, as zeros, or is left out. */
    void (*avg_pool)(const struct conv_geometry *g, bool count_padding, const float *x, float *y,
                     int row0, int row1);
    void (*avg_pool_back)(const struct conv_geometry *g, bool count_padding, const float *dy,
                          bool accumulate, float *dx, int row0, int row1);

    /* Enlargement of (h, w) to (factor h, factor w); rows as for upsample2. */
    void (*enlarge)(enum enlarge how, int factor, const float *x, int h, int w, int channels,
                    int x_pitch, float *y, int y_pitch, int row0, int row1);
    void (*enlarge_back)(enum enlarge how, int factor, const float *dy, int dy_pitch, int h, int w,
                         int channels, bool accumulate, float *dx, int dx_pitch, int row0,
                         int row1);

    /* y = x > 0 ? x : slope[k] * x. Backward: dx (+)= dy * (x > 0 ? 1 : slope[k]), and
     * sum[k] += sum over pixels of dy * min(x, 0). dx may be NULL. In place allowed. */
    void (*prelu)(const float *x, int x_pitch, const float *slope, float *y, int y_pitch,
                  size_t n_pixels, int channels);
    void (*prelu_back)(const float *x, int x_pitch, const float *slope, const float *dy,
                       int dy_pitch, bool accumulate, float *dx, int dx_pitch, float *sum,
                       size_t n_pixels, int channels);

    /*
     * Masked squared error over n values: d = (p - t) * m; grad = scale * d * m when grad is not
     * NULL; returns 0.5 * sum d^2 accumulated in double.
     */
    double (*l2_loss)(const float *p, const float *t, const float *m, size_t n, float scale,
                      float *grad);

    /* w -= lr * v after v = momentum * v + k * (g + l1 * sign(w) + l2 * w); Nesterov optional. */
    void (*momentum_step)(float *w, float *v, const float *g, size_t n, float lr, float momentum,
                          float k, float l1, float l2, bool nesterov);

    /* Adam (Kingma, Ba 2015) with decoupled decay; c1, c2 = 1 / (1 - beta^t). */
    void (*adam_step)(float *w, float *m, float *v, const float *g, size_t n, float lr, float beta1,
                      float beta2, float epsilon, float c1, float c2, float k, float l1, float l2,
                      float decay);
};

/* Fill the table: plain C first, then every level up to `level` overrides what it does better. */
void kernels_init(struct kernels *k, enum cpu_level level);

/*
 * Mixed precision: replace conv, conv_dx and conv_dw by ones that round their operands (maps and
 * weights, or what Winograd's algorithm makes of them) to BF16 and sum their products in single
 * precision; everything that is stored stays in single precision. False, and nothing is replaced,
 * where `level` has no BF16 arithmetic; plain C, the specification, rounds instead. Convolutions of
 * a few channels (kernels_mix_suits()) are faster as they were.
 */
bool kernels_mix(struct kernels *k, enum cpu_level level);
bool kernels_mix_suits(const struct conv_geometry *g);

#endif
