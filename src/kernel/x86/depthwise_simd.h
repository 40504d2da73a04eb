/*
 * Depthwise convolution and its gradients, written once for every vector width. Forward and the
 * gradient of the input are both sums over taps of a source map (see conv_pass.h); here a tap is
 * one vector of weights, and a register tile is TILE neighbouring targets of one vector of
 * channels. Where all taps exist, targets go in tiles; near the border one by one.
 */
#ifndef KERNEL_DEPTHWISE_SIMD_H
#define KERNEL_DEPTHWISE_SIMD_H

#include "kernel/family.h"
#include "kernel/x86/simd_words.h"

enum { TILE = 8, MAX_KERNEL = 31, MAX_TAPS = MAX_KERNEL * MAX_KERNEL };

/* The taps of one axis: tap k[i] of target u has its source at at[i] + u * step. */
struct axis {
    int n, step, size; /* taps, distance, sources */
    int k[MAX_KERNEL], at[MAX_KERNEL];
};

/* What a run of targets sums up: offsets into the source (of the first target) and the weights. */
struct taps {
    int n;
    ptrdiff_t source[MAX_TAPS], weight[MAX_TAPS];
};

struct run {
    const float *source, *w, *bias; /* bias may be NULL */
    float *target;
    ptrdiff_t source_step, target_step;
    size_t channels;
    enum activation act;
    bool accumulate;
};

INLINE void tile(const struct run *r, const struct taps *t, ptrdiff_t first, size_t k, int pixels,
                 bool last, lanes some)
{
    const float *source = r->source + first * r->source_step + k;
    float *target = r->target + first * r->target_step + k;
    vec sum[TILE];
    const vec start = r->bias ? load_part(r->bias + k, last, some) : vec_zero();
    UNROLL
    for (int p = 0; p < pixels; p++)
        sum[p] = r->accumulate ? load_part(target + p * r->target_step, last, some) : start;
    for (int i = 0; i < t->n; i++) {
        const vec w = load_part(r->w + t->weight[i] + k, last, some);
        const float *at = source + t->source[i];
        UNROLL
        for (int p = 0; p < pixels; p++)
            sum[p] = vec_fma(load_part(at + p * r->source_step, last, some), w, sum[p]);
    }
    UNROLL
    for (int p = 0; p < pixels; p++)
        store_part(target + p * r->target_step, activate(r->act, sum[p]), last, some);
}

/* All channels of some neighbouring targets, so that a pixel's channels are read in a row. */
INLINE void tiles(const struct run *r, const struct taps *t, ptrdiff_t first, int pixels)
{
    size_t k = 0;
    for (; k + LANES <= r->channels; k += LANES)
        tile(r, t, first, k, pixels, false, lanes_first(LANES));
    if (k < r->channels)
        tile(r, t, first, k, pixels, true, lanes_first((int)(r->channels - k)));
}

/* n targets that have the same taps. */
static void sum_run(const struct run *r, const struct taps *t, ptrdiff_t n)
{
    ptrdiff_t p = 0;
    for (; p + TILE <= n; p += TILE)
        tiles(r, t, p, TILE);
    for (; p + 2 <= n; p += 2)
        tiles(r, t, p, 2);
    if (p < n)
        tiles(r, t, p, 1);
}

/* The sources of target u, dropping taps beyond the border. */
static void axis_taps(const struct axis *a, int u, struct axis *out)
{
    out->n = 0;
    for (int i = 0; i < a->n; i++) {
        const int at = a->at[i] + u * a->step;
        if (at < 0 || at >= a->size)
            continue;
        out->k[out->n] = a->k[i];
        out->at[out->n++] = at;
    }
}

static void join_taps(const struct axis *rows, const struct axis *columns, int kernel_w,
                      int source_pitch, size_t channels, struct taps *out)
{
    out->n = 0;
    for (int i = 0; i < rows->n; i++)
        for (int j = 0; j < columns->n; j++) {
            const ptrdiff_t pixel = (ptrdiff_t)rows->at[i] * columns->size + columns->at[j];
            out->source[out->n] = pixel * source_pitch;
            out->weight[out->n++] =
                ((ptrdiff_t)rows->k[i] * kernel_w + columns->k[j]) * (ptrdiff_t)channels;
        }
}

/* Where along the axis all taps exist: from the result on, up to *end. */
static int whole_range(const struct axis *a, int n, int *end)
{
    int begin = 0;
    *end = n;
    for (int i = 0; i < a->n; i++) {
        const int at = a->at[i];
        const int low = at < 0 ? (-at + a->step - 1) / a->step : 0;
        const int high = at < a->size ? (a->size - 1 - at) / a->step + 1 : 0;
        begin = low > begin ? low : begin;
        *end = high < *end ? high : *end;
    }
    begin = begin < n ? begin : n;
    *end = *end > begin ? *end : begin;
    return begin;
}

/* A row of n targets; `rows` are its taps' source rows. */
static void sum_row(struct run r, const struct axis *rows, const struct axis *columns, int n,
                    int kernel_w, int source_pitch)
{
    struct taps taps;
    struct axis some = {.size = columns->size};
    float *target = r.target;
    int end;
    const int begin = whole_range(columns, n, &end);
    for (int u = 0; u < n; u++) {
        axis_taps(columns, u, &some);
        join_taps(rows, &some, kernel_w, source_pitch, r.channels, &taps);
        r.target = target + u * r.target_step;
        const int run = u == begin && end > begin ? end - begin : 1;
        sum_run(&r, &taps, run);
        u += run - 1;
    }
}

static struct axis forward_axis(int kernel, const struct conv_geometry *g, int pad, int size)
{
    struct axis a = {.n = kernel, .step = g->stride, .size = size};
    for (int k = 0; k < kernel; k++) {
        a.k[k] = k;
        a.at[k] = k * g->dilation - pad;
    }
    return a;
}

static void depthwise(const struct conv_geometry *g, const float *x, const float *w,
                      const float *bias, enum activation act, float *y, int row0, int row1)
{
    const struct axis all = forward_axis(g->kernel_h, g, g->pad_top, g->in_h);
    const struct axis columns = forward_axis(g->kernel_w, g, g->pad_left, g->in_w);
    struct run r = {.source = x,
                    .w = w,
                    .bias = bias,
                    .source_step = (ptrdiff_t)g->stride * g->in_pitch,
                    .target_step = g->out_pitch,
                    .channels = (size_t)g->in_c,
                    .act = act};
    for (int oy = row0; oy < row1; oy++) {
        struct axis rows;
        axis_taps(&all, oy, &rows);
        r.target = y + (ptrdiff_t)oy * g->out_w * g->out_pitch;
        sum_row(r, &rows, &columns, g->out_w, g->kernel_w, g->in_pitch);
    }
}

/*
 * The gradient of the input at `phase`, phase + stride, …: tap k takes part when stride divides
 * phase + pad - k * dilation, and the quotient is where in dy it looks first.
 */
static struct axis backward_axis(int kernel, const struct conv_geometry *g, int phase, int pad,
                                 int size)
{
    struct axis a = {.step = 1, .size = size};
    for (int k = 0; k < kernel; k++) {
        const int at = phase + pad - k * g->dilation;
        if (at % g->stride != 0)
            continue;
        a.k[a.n] = k;
        a.at[a.n++] = at / g->stride;
    }
    return a;
}

static void depthwise_dx(const struct conv_geometry *g, const float *dy, const float *w,
                         bool accumulate, float *dx, int row0, int row1)
{
    struct run r = {.source = dy,
                    .w = w,
                    .source_step = g->out_pitch,
                    .target_step = (ptrdiff_t)g->stride * g->in_pitch,
                    .channels = (size_t)g->in_c,
                    .accumulate = accumulate};
    for (int phase = 0; phase < g->stride && phase < g->in_w; phase++) {
        const struct axis columns = backward_axis(g->kernel_w, g, phase, g->pad_left, g->out_w);
        const int n = (g->in_w - 1 - phase) / g->stride + 1;
        for (int iy = row0; iy < row1; iy++) {
            const struct axis all =
                backward_axis(g->kernel_h, g, iy % g->stride, g->pad_top, g->out_h);
            struct axis rows;
            axis_taps(&all, iy / g->stride, &rows);
            r.target = dx + ((ptrdiff_t)iy * g->in_w + phase) * g->in_pitch;
            sum_row(r, &rows, &columns, n, g->kernel_w, g->out_pitch);
        }
    }
}

/* sum[k] += sum over n pixels of x[k] * dy[k]. */
INLINE void add_products(const float *x, ptrdiff_t x_step, const float *dy, ptrdiff_t dy_step,
                         ptrdiff_t n, float *sum, bool last, lanes some)
{
    enum { CHAINS = 4 };
    vec part[CHAINS];
    ptrdiff_t p = 0;
    UNROLL
    for (int i = 0; i < CHAINS; i++)
        part[i] = vec_zero();
    for (; p + CHAINS <= n; p += CHAINS, x += CHAINS * x_step, dy += CHAINS * dy_step) {
        UNROLL
        for (int i = 0; i < CHAINS; i++)
            part[i] = vec_fma(load_part(x + i * x_step, last, some),
                              load_part(dy + i * dy_step, last, some), part[i]);
    }
    for (; p < n; p++, x += x_step, dy += dy_step)
        part[0] = vec_fma(load_part(x, last, some), load_part(dy, last, some), part[0]);
    const vec total = vec_add(vec_add(part[0], part[1]), vec_add(part[2], part[3]));
    store_part(sum, vec_add(load_part(sum, last, some), total), last, some);
}

/* One tap along one row of dy: the outputs that have this tap within the map. */
static void dw_row(const struct conv_geometry *g, const float *x, const float *dy, int kx,
                   float *dw)
{
    const struct axis one = {1, g->stride, g->in_w, {kx}, {kx * g->dilation - g->pad_left}};
    int end;
    const int begin = whole_range(&one, g->out_w, &end);
    if (end <= begin)
        return;
    const ptrdiff_t x_step = (ptrdiff_t)g->stride * g->in_pitch;
    const size_t channels = (size_t)g->in_c;
    x += ((ptrdiff_t)begin * g->stride + one.at[0]) * g->in_pitch;
    dy += (ptrdiff_t)begin * g->out_pitch;
    size_t k = 0;
    for (; k + LANES <= channels; k += LANES)
        add_products(x + k, x_step, dy + k, g->out_pitch, end - begin, dw + k, false,
                     lanes_first(LANES));
    if (k < channels)
        add_products(x + k, x_step, dy + k, g->out_pitch, end - begin, dw + k, true,
                     lanes_first((int)(channels - k)));
}

static void depthwise_dw(const struct conv_geometry *g, const float *x, const float *dy, float *dw)
{
    const struct axis all = forward_axis(g->kernel_h, g, g->pad_top, g->in_h);
    for (int oy = 0; oy < g->out_h; oy++) {
        struct axis rows;
        axis_taps(&all, oy, &rows);
        for (int i = 0; i < rows.n; i++)
            for (int kx = 0; kx < g->kernel_w; kx++)
                dw_row(g, x + (ptrdiff_t)rows.at[i] * g->in_w * g->in_pitch,
                       dy + (ptrdiff_t)oy * g->out_w * g->out_pitch, kx,
                       dw + ((ptrdiff_t)rows.k[i] * g->kernel_w + kx) * g->in_c);
    }
}

void LEVEL_NAME(depthwise_init)(struct kernels *k)
{
    k->depthwise = depthwise;
    k->depthwise_dx = depthwise_dx;
    k->depthwise_dw = depthwise_dw;
}

#endif
