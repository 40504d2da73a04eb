/*
 * Convolution and its two gradients in plain C: the specification of the faster levels. Loops run
 * over channels innermost, so that even this level streams through memory. In mixed precision both
 * factors of a product are rounded to BF16.
 */
#include "kernel/bf16.h"
#include "kernel/family.h"

#include <string.h>

enum { DW_BLOCK = 16 }; /* input channels of one tile of the weight gradient */

static size_t weight_count(const struct conv_geometry *g)
{
    return (size_t)g->kernel_h * (size_t)g->kernel_w * (size_t)g->in_c * (size_t)g->out_c;
}

/* y[] += factor * w[] */
static void add_scaled(float *restrict y, float factor, const float *restrict w, int n)
{
    for (int k = 0; k < n; k++)
        y[k] += factor * w[k];
}

/* The same in mixed precision. */
static void add_rounded(float *restrict y, float factor, const float *restrict w, int n)
{
    const float rounded = bf16_float(bf16_round(factor));
    for (int k = 0; k < n; k++)
        y[k] += rounded * bf16_float(bf16_round(w[k]));
}

typedef void (*add_fn)(float *restrict y, float factor, const float *restrict w, int n);

static int one_row(const struct conv_geometry *g)
{
    (void)g;
    return 1;
}

static void conv_pack(const struct conv_geometry *g, const float *w, float *packed)
{
    memcpy(packed, w, weight_count(g) * sizeof(*w));
}

static size_t conv_scratch(const struct conv_geometry *g)
{
    return (size_t)g->out_c;
}

/* The sum of one output pixel before bias and activation. */
static void conv_pixel(const struct conv_geometry *g, const float *x, const float *w, int oy,
                       int ox, add_fn add, float *sum)
{
    for (int ky = 0; ky < g->kernel_h; ky++) {
        const int iy = oy * g->stride + ky * g->dilation - g->pad_top;
        if (iy < 0 || iy >= g->in_h)
            continue;
        for (int kx = 0; kx < g->kernel_w; kx++) {
            const int ix = ox * g->stride + kx * g->dilation - g->pad_left;
            if (ix < 0 || ix >= g->in_w)
                continue;
            const float *pixel =
                x + ((size_t)iy * (size_t)g->in_w + (size_t)ix) * (size_t)g->in_pitch;
            const float *tap = w + ((size_t)ky * (size_t)g->kernel_w + (size_t)kx) *
                                       (size_t)g->in_c * (size_t)g->out_c;
            for (int ci = 0; ci < g->in_c; ci++)
                add(sum, pixel[ci], tap + (size_t)ci * (size_t)g->out_c, g->out_c);
        }
    }
}

static void conv_by(const struct conv_geometry *g, const float *x, const float *packed,
                    const float *bias, enum activation act, bool accumulate, float *y, int row0,
                    int row1, add_fn add, float *scratch)
{
    for (int oy = row0; oy < row1; oy++) {
        for (int ox = 0; ox < g->out_w; ox++) {
            float *out = y + ((size_t)oy * (size_t)g->out_w + (size_t)ox) * (size_t)g->out_pitch;
            memset(scratch, 0, (size_t)g->out_c * sizeof(*scratch));
            conv_pixel(g, x, packed, oy, ox, add, scratch);
            for (int k = 0; k < g->out_c; k++) {
                const float sum = scratch[k] + (bias ? bias[k] : 0.0F);
                const float value = act == ACT_RELU && sum < 0.0F ? 0.0F : sum;
                out[k] = accumulate ? out[k] + value : value;
            }
        }
    }
}

static void conv(const struct conv_geometry *g, const float *x, const float *packed,
                 const float *bias, enum activation act, bool accumulate, float *y, int row0,
                 int row1, float *scratch)
{
    conv_by(g, x, packed, bias, act, accumulate, y, row0, row1, add_scaled, scratch);
}

static void conv_mixed(const struct conv_geometry *g, const float *x, const float *packed,
                       const float *bias, enum activation act, bool accumulate, float *y, int row0,
                       int row1, float *scratch)
{
    conv_by(g, x, packed, bias, act, accumulate, y, row0, row1, add_rounded, scratch);
}

/* (KH, KW, CO, CI): the input channels innermost. */
static void conv_dx_pack(const struct conv_geometry *g, const float *w, float *packed)
{
    const size_t n_in = (size_t)g->in_c;
    const size_t n_out = (size_t)g->out_c;
    const size_t n_taps = (size_t)g->kernel_h * (size_t)g->kernel_w;
    for (size_t tap = 0; tap < n_taps; tap++)
        for (size_t ci = 0; ci < n_in; ci++)
            for (size_t co = 0; co < n_out; co++)
                packed[(tap * n_out + co) * n_in + ci] = w[(tap * n_in + ci) * n_out + co];
}

static size_t conv_dx_scratch(const struct conv_geometry *g)
{
    return (size_t)g->in_c;
}

/* The output coordinate that reaches input coordinate `i` through tap `k`, or -1. */
static int output_of(int i, int k, int pad, int stride, int dilation, int out_size)
{
    const int t = i + pad - k * dilation;
    if (t < 0 || t % stride != 0 || t / stride >= out_size)
        return -1;
    return t / stride;
}

static void conv_dx_pixel(const struct conv_geometry *g, const float *dy, const float *w, int iy,
                          int ix, add_fn add, float *sum)
{
    for (int ky = 0; ky < g->kernel_h; ky++) {
        const int oy = output_of(iy, ky, g->pad_top, g->stride, g->dilation, g->out_h);
        if (oy < 0)
            continue;
        for (int kx = 0; kx < g->kernel_w; kx++) {
            const int ox = output_of(ix, kx, g->pad_left, g->stride, g->dilation, g->out_w);
            if (ox < 0)
                continue;
            const float *pixel =
                dy + ((size_t)oy * (size_t)g->out_w + (size_t)ox) * (size_t)g->out_pitch;
            const float *tap = w + ((size_t)ky * (size_t)g->kernel_w + (size_t)kx) *
                                       (size_t)g->in_c * (size_t)g->out_c;
            for (int co = 0; co < g->out_c; co++)
                add(sum, pixel[co], tap + (size_t)co * (size_t)g->in_c, g->in_c);
        }
    }
}

static void conv_dx_by(const struct conv_geometry *g, const float *dy, const float *packed,
                       bool accumulate, float *dx, int row0, int row1, add_fn add, float *scratch)
{
    for (int iy = row0; iy < row1; iy++) {
        for (int ix = 0; ix < g->in_w; ix++) {
            float *out = dx + ((size_t)iy * (size_t)g->in_w + (size_t)ix) * (size_t)g->in_pitch;
            memset(scratch, 0, (size_t)g->in_c * sizeof(*scratch));
            conv_dx_pixel(g, dy, packed, iy, ix, add, scratch);
            for (int k = 0; k < g->in_c; k++)
                out[k] = accumulate ? out[k] + scratch[k] : scratch[k];
        }
    }
}

static void conv_dx(const struct conv_geometry *g, const float *dy, const float *packed,
                    bool accumulate, float *dx, int row0, int row1, float *scratch)
{
    conv_dx_by(g, dy, packed, accumulate, dx, row0, row1, add_scaled, scratch);
}

static void conv_dx_mixed(const struct conv_geometry *g, const float *dy, const float *packed,
                          bool accumulate, float *dx, int row0, int row1, float *scratch)
{
    conv_dx_by(g, dy, packed, accumulate, dx, row0, row1, add_rounded, scratch);
}

/* A tile is one tap and DW_BLOCK input channels. */
static int conv_dw_tiles(const struct conv_geometry *g)
{
    return g->kernel_h * g->kernel_w * ((g->in_c + DW_BLOCK - 1) / DW_BLOCK);
}

static size_t conv_dw_scratch(const struct conv_geometry *g)
{
    return (size_t)DW_BLOCK * (size_t)g->out_c;
}

/* sum[ci][co] += x[.][ci] * dy[.][co] over the output row `oy`, for tap (ky, kx). */
static void conv_dw_row(const struct conv_geometry *g, const float *x, const float *dy, int oy,
                        int ky, int kx, int n_ci, add_fn add, float *sum)
{
    const int iy = oy * g->stride + ky * g->dilation - g->pad_top;
    if (iy < 0 || iy >= g->in_h)
        return;
    for (int ox = 0; ox < g->out_w; ox++) {
        const int ix = ox * g->stride + kx * g->dilation - g->pad_left;
        if (ix < 0 || ix >= g->in_w)
            continue;
        const float *in = x + ((size_t)iy * (size_t)g->in_w + (size_t)ix) * (size_t)g->in_pitch;
        const float *out = dy + ((size_t)oy * (size_t)g->out_w + (size_t)ox) * (size_t)g->out_pitch;
        for (int ci = 0; ci < n_ci; ci++)
            add(sum + (size_t)ci * (size_t)g->out_c, in[ci], out, g->out_c);
    }
}

static void conv_dw_by(const struct conv_geometry *g, const float *x, const float *dy, int n_images,
                       float *dw, int tile0, int tile1, add_fn add, float *scratch)
{
    const int n_blocks = (g->in_c + DW_BLOCK - 1) / DW_BLOCK;
    const size_t x_image = (size_t)g->in_h * (size_t)g->in_w * (size_t)g->in_pitch;
    const size_t dy_image = (size_t)g->out_h * (size_t)g->out_w * (size_t)g->out_pitch;
    for (int tile = tile0; tile < tile1; tile++) {
        const int tap = tile / n_blocks;
        const int ci0 = tile % n_blocks * DW_BLOCK;
        const int n_ci = g->in_c - ci0 < DW_BLOCK ? g->in_c - ci0 : DW_BLOCK;
        const size_t count = (size_t)n_ci * (size_t)g->out_c;
        memset(scratch, 0, count * sizeof(*scratch));
        for (int row = 0; row < n_images * g->out_h; row++) {
            const size_t image = (size_t)(row / g->out_h);
            conv_dw_row(g, x + image * x_image + ci0, dy + image * dy_image, row % g->out_h,
                        tap / g->kernel_w, tap % g->kernel_w, n_ci, add, scratch);
        }
        float *out = dw + ((size_t)tap * (size_t)g->in_c + (size_t)ci0) * (size_t)g->out_c;
        for (size_t k = 0; k < count; k++)
            out[k] += scratch[k];
    }
}

static void conv_dw(const struct conv_geometry *g, const float *x, const float *dy, int n_images,
                    float *dw, int tile0, int tile1, float *scratch)
{
    conv_dw_by(g, x, dy, n_images, dw, tile0, tile1, add_scaled, scratch);
}

static void conv_dw_mixed(const struct conv_geometry *g, const float *x, const float *dy,
                          int n_images, float *dw, int tile0, int tile1, float *scratch)
{
    conv_dw_by(g, x, dy, n_images, dw, tile0, tile1, add_rounded, scratch);
}

void conv_init_ref(struct kernels *k)
{
    k->conv_rows = one_row;
    k->conv_packed = weight_count;
    k->conv_pack = conv_pack;
    k->conv_scratch = conv_scratch;
    k->conv = conv;
    k->conv_dx_rows = one_row;
    k->conv_dx_packed = weight_count;
    k->conv_dx_pack = conv_dx_pack;
    k->conv_dx_scratch = conv_dx_scratch;
    k->conv_dx = conv_dx;
    k->conv_dw_tiles = conv_dw_tiles;
    k->conv_dw_scratch = conv_dw_scratch;
    k->conv_dw = conv_dw;
}

void conv_mix_ref(struct kernels *k)
{
    conv_init_ref(k);
    k->conv = conv_mixed;
    k->conv_dx = conv_dx_mixed;
    k->conv_dw = conv_dw_mixed;
}
