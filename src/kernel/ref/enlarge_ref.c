/* Enlargement by whole factors, average pooling, and their gradients; no level has better ones. */
#include "kernel/family.h"

#include <math.h>
#include <string.h>

static size_t pixel_offset(int y, int x, int width, int pitch)
{
    return ((size_t)y * (size_t)width + (size_t)x) * (size_t)pitch;
}

static void clear_rows(float *map, int width, int channels, int pitch, int row0, int row1)
{
    for (int y = row0; y < row1; y++)
        for (int x = 0; x < width; x++)
            memset(map + pixel_offset(y, x, width, pitch), 0, (size_t)channels * sizeof *map);
}

/* ---- enlargement ------------------------------------------------------------------------- */

/* An output coordinate is (1 - part) of input `low` and part of input `high`. */
struct look {
    int low, high;
    float part;
};

static struct look look_at(enum enlarge how, int factor, int size, int out)
{
    double at = (double)out / (double)factor;
    if (how == ENLARGE_NEAREST)
        at = floor(at);
    else if (how == ENLARGE_HALF_PIXEL)
        at = ((double)out + 0.5) / (double)factor - 0.5;
    else if (how == ENLARGE_CORNERS)
        at = size > 1 ? (double)out * (double)(size - 1) / (double)(factor * size - 1) : 0.0;
    at = at < 0.0 ? 0.0 : at > (double)(size - 1) ? (double)(size - 1) : at;
    const int low = (int)floor(at);
    return (struct look){low, low + 1 < size ? low + 1 : low, (float)(at - (double)low)};
}

static void enlarge(enum enlarge how, int factor, const float *x, int h, int w, int channels,
                    int x_pitch, float *y, int y_pitch, int row0, int row1)
{
    for (int oy = row0; oy < row1; oy++) {
        const struct look v = look_at(how, factor, h, oy);
        for (int ox = 0; ox < factor * w; ox++) {
            const struct look u = look_at(how, factor, w, ox);
            const float *a = x + pixel_offset(v.low, u.low, w, x_pitch);
            const float *b = x + pixel_offset(v.low, u.high, w, x_pitch);
            const float *c = x + pixel_offset(v.high, u.low, w, x_pitch);
            const float *d = x + pixel_offset(v.high, u.high, w, x_pitch);
            const float wa = (1.0F - v.part) * (1.0F - u.part), wb = (1.0F - v.part) * u.part;
            const float wc = v.part * (1.0F - u.part), wd = v.part * u.part;
            float *out = y + pixel_offset(oy, ox, factor * w, y_pitch);
            for (int k = 0; k < channels; k++)
                out[k] = wa * a[k] + wb * b[k] + wc * c[k] + wd * d[k];
        }
    }
}

static void add_scaled(float *to, const float *from, float weight, int channels)
{
    for (int k = 0; k < channels; k++)
        to[k] += weight * from[k];
}

/* The part of input row `iy` in output row `oy`. */
static float row_weight(enum enlarge how, int factor, int h, int iy, int oy)
{
    const struct look v = look_at(how, factor, h, oy);
    return (v.low == iy ? 1.0F - v.part : 0.0F) + (v.high == iy ? v.part : 0.0F);
}

/* Only output rows near factor * iy look at row iy: those of two input rows before and after. */
static void enlarge_back(enum enlarge how, int factor, const float *dy, int dy_pitch, int h, int w,
                         int channels, bool accumulate, float *dx, int dx_pitch, int row0, int row1)
{
    if (!accumulate)
        clear_rows(dx, w, channels, dx_pitch, row0, row1);
    for (int iy = row0; iy < row1; iy++) {
        const int first = iy > 2 ? factor * (iy - 2) : 0;
        for (int oy = first; oy < factor * h && oy < factor * (iy + 3); oy++) {
            const float weight = row_weight(how, factor, h, iy, oy);
            for (int ox = 0; weight > 0.0F && ox < factor * w; ox++) {
                const struct look u = look_at(how, factor, w, ox);
                const float *in = dy + pixel_offset(oy, ox, factor * w, dy_pitch);
                add_scaled(dx + pixel_offset(iy, u.low, w, dx_pitch), in, weight * (1.0F - u.part),
                           channels);
                if (u.part > 0.0F)
                    add_scaled(dx + pixel_offset(iy, u.high, w, dx_pitch), in, weight * u.part,
                               channels);
            }
        }
    }
}

/* ---- average pooling --------------------------------------------------------------------- */

/* The input coordinates first, first + dilation, … < end of a window along one axis. */
struct range {
    int first, end, n;
};

static struct range range_of(int out, int kernel, int stride, int dilation, int pad, int size)
{
    struct range r = {.end = 0};
    for (int tap = 0; tap < kernel; tap++) {
        const int at = out * stride - pad + tap * dilation;
        if (at < 0 || at >= size)
            continue;
        r.first = r.n == 0 ? at : r.first;
        r.end = at + 1;
        r.n++;
    }
    return r;
}

/* A window: its two ranges, and what a sum over it is divided by. */
struct pool_window {
    struct range y, x;
    float share;
};

static struct pool_window window_at(const struct conv_geometry *g, bool count_padding, int oy,
                                    int ox)
{
    struct pool_window p = {range_of(oy, g->kernel_h, g->stride, g->dilation, g->pad_top, g->in_h),
                            range_of(ox, g->kernel_w, g->stride, g->dilation, g->pad_left, g->in_w),
                            0.0F};
    const int n = count_padding ? g->kernel_h * g->kernel_w : p.y.n * p.x.n;
    p.share = n > 0 ? 1.0F / (float)n : 0.0F;
    return p;
}

static void avg_pool(const struct conv_geometry *g, bool count_padding, const float *x, float *y,
                     int row0, int row1)
{
    for (int oy = row0; oy < row1; oy++) {
        for (int ox = 0; ox < g->out_w; ox++) {
            const struct pool_window p = window_at(g, count_padding, oy, ox);
            float *out = y + pixel_offset(oy, ox, g->out_w, g->out_pitch);
            memset(out, 0, (size_t)g->in_c * sizeof *out);
            for (int iy = p.y.first; iy < p.y.end; iy += g->dilation)
                for (int ix = p.x.first; ix < p.x.end; ix += g->dilation)
                    add_scaled(out, x + pixel_offset(iy, ix, g->in_w, g->in_pitch), 1.0F, g->in_c);
            for (int k = 0; k < g->in_c; k++)
                out[k] *= p.share;
        }
    }
}

static void avg_pool_back(const struct conv_geometry *g, bool count_padding, const float *dy,
                          bool accumulate, float *dx, int row0, int row1)
{
    if (!accumulate)
        clear_rows(dx, g->in_w, g->in_c, g->in_pitch, row0, row1);
    for (int oy = 0; oy < g->out_h; oy++) {
        for (int ox = 0; ox < g->out_w; ox++) {
            const struct pool_window p = window_at(g, count_padding, oy, ox);
            if (p.y.first >= row1 || p.y.end <= row0)
                break; /* so it is all along the row */
            const float *in = dy + pixel_offset(oy, ox, g->out_w, g->out_pitch);
            for (int iy = p.y.first; iy < p.y.end; iy += g->dilation)
                for (int ix = p.x.first; iy >= row0 && iy < row1 && ix < p.x.end; ix += g->dilation)
                    add_scaled(dx + pixel_offset(iy, ix, g->in_w, g->in_pitch), in, p.share,
                               g->in_c);
        }
    }
}

void enlarge_init_ref(struct kernels *k)
{
    k->enlarge = enlarge;
    k->enlarge_back = enlarge_back;
    k->avg_pool = avg_pool;
    k->avg_pool_back = avg_pool_back;
}
