/*
 * Convolution for inference in plain C: the definition that every other kernel is checked against.
 * One row of the output at a time; loops run over the output channels innermost.
 */
#include "kernel/conv_list.h"
#include "kernel/map_value.h"

#include <string.h>

static size_t rounded_up(size_t bytes)
{
    return (bytes + 63) / 64 * 64;
}

static size_t weight_count(const struct conv_shape *s)
{
    const struct conv_geometry *g = &s->g;
    const size_t n = (size_t)g->kernel_h * (size_t)g->kernel_w * (size_t)g->in_c;
    return s->depthwise ? n : n * (size_t)g->out_c;
}

/* Sums of one pixel, four bytes each of either sort. */
static size_t scratch_bytes(const struct conv_shape *s)
{
    return rounded_up((size_t)s->g.out_c * 4);
}

static int one_row(const struct conv_shape *s, int phase)
{
    (void)phase;
    return s->g.out_h;
}

/* The pixel that output (oy, ox) meets through a tap (counted row by row), or -1 outside. */
static ptrdiff_t source_pixel(const struct conv_geometry *g, int oy, int ox, int tap)
{
    const int y = oy * g->stride + tap / g->kernel_w * g->dilation - g->pad_top;
    const int x = ox * g->stride + tap % g->kernel_w * g->dilation - g->pad_left;
    if (y < 0 || y >= g->in_h || x < 0 || x >= g->in_w)
        return -1;
    return (ptrdiff_t)y * g->in_w + x;
}

static bool u8_fits(const struct conv_shape *s)
{
    return s->in == MAP_U8 && !s->depthwise;
}

static bool u8_dw_fits(const struct conv_shape *s)
{
    return s->in == MAP_U8 && s->depthwise;
}

static size_t u8_packed(const struct conv_shape *s)
{
    return rounded_up(weight_count(s));
}

static void u8_pack(const struct conv_shape *s, const void *w, void *packed)
{
    memset(packed, 0, u8_packed(s));
    memcpy(packed, w, weight_count(s));
}

/* One tap of one pixel; unsigned, because sums wrap. */
static void u8_tap(const struct conv_shape *s, const uint8_t *x, const int8_t *w, uint32_t *sum)
{
    if (s->depthwise) {
        for (int c = 0; c < s->g.in_c; c++)
            sum[c] += (uint32_t)(x[c] * w[c]);
        return;
    }
    for (int ci = 0; ci < s->g.in_c; ci++, w += s->g.out_c)
        for (int j = 0; j < s->g.out_c; j++)
            sum[j] += (uint32_t)(x[ci] * w[j]);
}

static void u8_run(const struct conv_call *call, int phase, int row0, int row1)
{
    const struct conv_shape *s = call->shape;
    const struct conv_geometry *g = &s->g;
    const struct conv_constants *c = call->c;
    const ptrdiff_t tap_size = s->depthwise ? g->in_c : (ptrdiff_t)g->in_c * g->out_c;
    uint32_t *sum = call->scratch;
    (void)phase;
    for (int i = row0 * g->out_w; i < row1 * g->out_w; i++) {
        memcpy(sum, c->offset, (size_t)g->out_c * sizeof(*sum));
        for (int tap = 0; tap < g->kernel_h * g->kernel_w; tap++) {
            const ptrdiff_t at = source_pixel(g, i / g->out_w, i % g->out_w, tap);
            const uint8_t *x = at < 0 ? c->zero : (const uint8_t *)call->x + at * g->in_pitch;
            u8_tap(s, x, (const int8_t *)c->packed + tap * tap_size, sum);
        }
        for (int j = 0; j < g->out_c; j++)
            conv_result(call, fmaf((float)(int32_t)sum[j], c->multiplier[j], c->bias[j]),
                        (ptrdiff_t)i * g->out_pitch + j, (ptrdiff_t)i * c->add_pitch + j);
    }
}

static bool f32_fits(const struct conv_shape *s)
{
    return !s->depthwise;
}

static bool f32_dw_fits(const struct conv_shape *s)
{
    return s->depthwise;
}

static size_t f32_packed(const struct conv_shape *s)
{
    return rounded_up(weight_count(s) * sizeof(float));
}

static void f32_pack(const struct conv_shape *s, const void *w, void *packed)
{
    float *out = packed;
    memset(packed, 0, f32_packed(s));
    memcpy(packed, w, weight_count(s) * sizeof(float));
    for (size_t i = 0; s->in == MAP_BF16 && i < weight_count(s); i++)
        out[i] = bf16_float(bf16_round(out[i]));
}

static void f32_tap(const struct conv_call *call, ptrdiff_t at, const float *w, float *sum)
{
    const struct conv_shape *s = call->shape;
    for (int ci = 0; ci < s->g.in_c; ci++) {
        float x = map_value(s->in, call->x, at + ci);
        if (s->in == MAP_U8)
            x -= (float)call->c->zero[ci];
        if (s->depthwise) {
            sum[ci] += x * w[ci];
            continue;
        }
        for (int j = 0; j < s->g.out_c; j++)
            sum[j] += x * w[(ptrdiff_t)ci * s->g.out_c + j];
    }
}

static void f32_run(const struct conv_call *call, int phase, int row0, int row1)
{
    const struct conv_shape *s = call->shape;
    const struct conv_geometry *g = &s->g;
    const struct conv_constants *c = call->c;
    const ptrdiff_t tap_size = s->depthwise ? g->in_c : (ptrdiff_t)g->in_c * g->out_c;
    float *sum = call->scratch;
    (void)phase;
    for (int i = row0 * g->out_w; i < row1 * g->out_w; i++) {
        memset(sum, 0, (size_t)g->out_c * sizeof(*sum));
        for (int tap = 0; tap < g->kernel_h * g->kernel_w; tap++) {
            const ptrdiff_t at = source_pixel(g, i / g->out_w, i % g->out_w, tap);
            if (at >= 0)
                f32_tap(call, at * g->in_pitch, (const float *)c->packed + tap * tap_size, sum);
        }
        for (int j = 0; j < g->out_c; j++)
            conv_result(call, sum[j] + c->bias[j], (ptrdiff_t)i * g->out_pitch + j,
                        (ptrdiff_t)i * c->add_pitch + j);
    }
}

const struct conv_kernel conv_u8_ref = {
    .name = "u8_conv_ref",
    .level = CPU_REF,
    .weights = WEIGHT_S8,
    .fits = u8_fits,
    .packed = u8_packed,
    .pack = u8_pack,
    .scratch = scratch_bytes,
    .items = one_row,
    .run = u8_run,
};

const struct conv_kernel conv_u8_dw_ref = {
    .name = "u8_dwconv_ref",
    .level = CPU_REF,
    .weights = WEIGHT_S8,
    .fits = u8_dw_fits,
    .packed = u8_packed,
    .pack = u8_pack,
    .scratch = scratch_bytes,
    .items = one_row,
    .run = u8_run,
};

const struct conv_kernel conv_f32_ref = {
    .name = "f32_conv_ref",
    .level = CPU_REF,
    .weights = WEIGHT_F32,
    .fits = f32_fits,
    .packed = f32_packed,
    .pack = f32_pack,
    .scratch = scratch_bytes,
    .items = one_row,
    .run = f32_run,
};

const struct conv_kernel conv_f32_dw_ref = {
    .name = "f32_dwconv_ref",
    .level = CPU_REF,
    .weights = WEIGHT_F32,
    .fits = f32_dw_fits,
    .packed = f32_packed,
    .pack = f32_pack,
    .scratch = scratch_bytes,
    .items = one_row,
    .run = f32_run,
};
