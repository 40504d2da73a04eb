/* Max pooling and bilinear enlargement, with their gradients. */
#include "kernel/family.h"

#include <string.h>

static const float *pixel_at(const float *x, int y, int x_index, int width, int pitch)
{
    return x + ((size_t)y * (size_t)width + (size_t)x_index) * (size_t)pitch;
}

/* The taps k of one axis whose input coordinate start + k * dilation lies in 0..size-1. */
static void tap_range(int start, int size, int dilation, int n_taps, int *first, int *end)
{
    *first = start < 0 ? (-start + dilation - 1) / dilation : 0;
    *end = start >= size ? 0 : (size - 1 - start) / dilation + 1;
    if (*end > n_taps)
        *end = n_taps;
    if (*first > *end)
        *first = *end;
}

/* Where channel `c` of a window has its first maximum: pixel index, or -1 for all padding. */
static ptrdiff_t window_max(const struct conv_geometry *g, const float *x, int oy, int ox, int c)
{
    const int y0 = oy * g->stride - g->pad_top;
    const int x0 = ox * g->stride - g->pad_left;
    int ky0, ky1, kx0, kx1;
    tap_range(y0, g->in_h, g->dilation, g->kernel_h, &ky0, &ky1);
    tap_range(x0, g->in_w, g->dilation, g->kernel_w, &kx0, &kx1);
    ptrdiff_t best = -1;
    for (int ky = ky0; ky < ky1; ky++) {
        for (int kx = kx0; kx < kx1; kx++) {
            const ptrdiff_t at =
                (ptrdiff_t)(y0 + ky * g->dilation) * g->in_w + x0 + kx * g->dilation;
            if (best < 0 || x[at * g->in_pitch + c] > x[best * g->in_pitch + c])
                best = at;
        }
    }
    return best;
}

static void max_pool(const struct conv_geometry *g, const float *x, float *y, int row0, int row1)
{
    for (int oy = row0; oy < row1; oy++) {
        for (int ox = 0; ox < g->out_w; ox++) {
            float *out = y + ((size_t)oy * (size_t)g->out_w + (size_t)ox) * (size_t)g->out_pitch;
            for (int c = 0; c < g->in_c; c++) {
                const ptrdiff_t at = window_max(g, x, oy, ox, c);
                out[c] = at < 0 ? 0.0F : x[at * g->in_pitch + c];
            }
        }
    }
}

static void clear_rows(const struct conv_geometry *g, float *dx, int row0, int row1)
{
    const size_t n = (size_t)(row1 - row0) * (size_t)g->in_w;
    float *out = dx + (size_t)row0 * (size_t)g->in_w * (size_t)g->in_pitch;
    for (size_t i = 0; i < n; i++)
        memset(out + i * (size_t)g->in_pitch, 0, (size_t)g->in_c * sizeof(*out));
}

static void max_pool_back(const struct conv_geometry *g, const float *x, const float *dy,
                          bool accumulate, float *dx, int row0, int row1)
{
    if (!accumulate)
        clear_rows(g, dx, row0, row1);
    for (int oy = 0; oy < g->out_h; oy++) {
        const int y0 = oy * g->stride - g->pad_top;
        if (y0 >= row1 || y0 + (g->kernel_h - 1) * g->dilation < row0)
            continue;
        for (int ox = 0; ox < g->out_w; ox++) {
            const float *in = pixel_at(dy, oy, ox, g->out_w, g->out_pitch);
            for (int c = 0; c < g->in_c; c++) {
                const ptrdiff_t at = window_max(g, x, oy, ox, c);
                const ptrdiff_t row = at / g->in_w;
                if (at >= 0 && row >= row0 && row < row1)
                    dx[at * g->in_pitch + c] += in[c];
            }
        }
    }
}

/* Output coordinate o lies between inputs near (weight 3/4) and far (weight 1/4). */
static void halves(int o, int size, int *near, int *far)
{
    const int other = o % 2 == 0 ? o / 2 - 1 : o / 2 + 1;
    *near = o / 2;
    *far = other < 0 ? 0 : other >= size ? size - 1 : other;
}

static void upsample2(const float *x, int h, int w, int channels, int x_pitch, float *y,
                      int y_pitch, int row0, int row1)
{
    for (int oy = row0; oy < row1; oy++) {
        int y_near, y_far;
        halves(oy, h, &y_near, &y_far);
        for (int ox = 0; ox < 2 * w; ox++) {
            int x_near, x_far;
            halves(ox, w, &x_near, &x_far);
            const float *nn = pixel_at(x, y_near, x_near, w, x_pitch);
            const float *nf = pixel_at(x, y_near, x_far, w, x_pitch);
            const float *fn = pixel_at(x, y_far, x_near, w, x_pitch);
            const float *ff = pixel_at(x, y_far, x_far, w, x_pitch);
            float *out = y + ((size_t)oy * 2 * (size_t)w + (size_t)ox) * (size_t)y_pitch;
            for (int c = 0; c < channels; c++)
                out[c] = 0.75F * (0.75F * nn[c] + 0.25F * fn[c]) +
                         0.25F * (0.75F * nf[c] + 0.25F * ff[c]);
        }
    }
}

/* The (at most 4) outputs input i takes part in: 2i-1 .. 2i+2, and with which weights. */
static void parts(int i, int size, float weight[4])
{
    weight[0] = i > 0 ? 0.25F : 0.0F;
    weight[1] = i > 0 ? 0.75F : 1.0F;
    weight[2] = i < size - 1 ? 0.75F : 1.0F;
    weight[3] = i < size - 1 ? 0.25F : 0.0F;
}

static void upsample2_back_pixel(const float *dy, int dy_pitch, int h, int w, int channels, int iy,
                                 int ix, float *dx)
{
    float wy[4], wx[4];
    parts(iy, h, wy);
    parts(ix, w, wx);
    for (int j = 0; j < 4; j++) {
        for (int i = 0; i < 4; i++) {
            const float weight = wy[j] * wx[i];
            if (!(weight > 0.0F))
                continue;
            const float *in = pixel_at(dy, 2 * iy - 1 + j, 2 * ix - 1 + i, 2 * w, dy_pitch);
            for (int c = 0; c < channels; c++)
                dx[c] += weight * in[c];
        }
    }
}

static void upsample2_back(const float *dy, int dy_pitch, int h, int w, int channels,
                           bool accumulate, float *dx, int dx_pitch, int row0, int row1)
{
    for (int iy = row0; iy < row1; iy++) {
        for (int ix = 0; ix < w; ix++) {
            float *out = dx + ((size_t)iy * (size_t)w + (size_t)ix) * (size_t)dx_pitch;
            if (!accumulate)
                memset(out, 0, (size_t)channels * sizeof(*out));
            upsample2_back_pixel(dy, dy_pitch, h, w, channels, iy, ix, out);
        }
    }
}

void pool_init_ref(struct kernels *k)
{
    k->max_pool = max_pool;
    k->max_pool_back = max_pool_back;
    k->upsample2 = upsample2;
    k->upsample2_back = upsample2_back;
}
