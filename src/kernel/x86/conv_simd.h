/*
 * The register tiles of convolution and of its weight gradient, written once for every vector
 * width: a level's .c file includes its simd header and then this. All loops over m and v have
 * constant bounds and are unrolled completely, so that the sums live in registers.
 *
 * A level of mixed precision defines CONV_SLOT 2 and brings the words slots_add, vec_pairs,
 * narrow_store, narrow and pair; then a slot of 4 bytes is not a float but two BF16.
 */
#ifndef KERNEL_CONV_SIMD_H
#define KERNEL_CONV_SIMD_H

#include "kernel/conv_pass.h"
#include "kernel/conv_weights.h"
#include "kernel/family.h"
#include "kernel/x86/simd_words.h"
#include "kernel/x86/winograd_simd.h"

enum { TILE_PIXELS = 16 }; /* at least any TILE_MAX */

#if CONV_SLOT == 1
INLINE vec slots_add(vec sum, vec a, vec b)
{
    return vec_fma(a, b, sum);
}
#endif

/* m pixels by n vectors of channels; see conv_pass.h. */
INLINE void sum_taps(const struct conv_span *span, const float *x, const float *w, float *y, int m,
                     int n)
{
    const struct conv_span s = *span; /* known not to be what y points to */
    const lanes some = lanes_first(s.last_lanes);
    vec sum[TILE_PIXELS][CONV_MAX_VECTORS];
    UNROLL
    for (int v = 0; v < n; v++) {
        const vec start = s.bias ? load_part(s.bias + v * LANES, v == n - 1, some) : vec_zero();
        UNROLL
        for (int p = 0; p < m; p++)
            sum[p][v] = start;
    }
    for (int row = 0; row < s.n_rows; row++, x += s.x_row) {
        const float *from = x;
        for (int run = 0; run < s.n_runs; run++, from += s.x_run) {
            for (int k = 0; k < s.run; k++, w += n * LANES) {
                vec weight[CONV_MAX_VECTORS];
                UNROLL
                for (int v = 0; v < n; v++)
                    weight[v] = vec_load(w + v * LANES);
                UNROLL
                for (int p = 0; p < m; p++) {
                    const vec value = vec_set(from[p * s.x_pixel + k]);
                    UNROLL
                    for (int v = 0; v < n; v++)
                        sum[p][v] = slots_add(sum[p][v], value, weight[v]);
                }
            }
        }
    }
    if (s.accumulate) {
        UNROLL
        for (int p = 0; p < m; p++) {
            UNROLL
            for (int v = 0; v < n; v++)
                sum[p][v] =
                    vec_add(load_part(y + p * s.y_pixel + v * LANES, v == n - 1, some), sum[p][v]);
        }
    }
    if (s.relu) {
        UNROLL
        for (int p = 0; p < m; p++) {
            UNROLL
            for (int v = 0; v < n; v++)
                sum[p][v] = vec_relu(sum[p][v]);
        }
    }
    UNROLL
    for (int p = 0; p < m; p++) {
        UNROLL
        for (int v = 0; v < n; v++)
            store_part(y + p * s.y_pixel + v * LANES, sum[p][v], v == n - 1, some);
    }
}

/* m input channels by n vectors of output channels; see conv_weights.h. */
INLINE void sum_pixels(const struct dw_span *span, const float *x, const float *dy, float *dw,
                       int m, int n)
{
    const struct dw_span s = *span;
    const lanes some = lanes_first(s.last_lanes);
    vec sum[TILE_PIXELS][CONV_MAX_VECTORS];
    UNROLL
    for (int i = 0; i < m; i++) {
        UNROLL
        for (int v = 0; v < n; v++) {
            sum[i][v] = vec_zero();
            if (s.accumulate) /* until it is added, it arrives */
                __builtin_prefetch(dw + i * s.dw_row + v * LANES, 1);
        }
    }
    for (int row = 0; row < s.n_rows; row++, x += s.x_row, dy += s.dy_row) {
        const float *in = x;
        const float *out = dy;
        for (int column = 0; column < s.n_columns; column++, in += s.x_pixel, out += s.dy_pixel) {
            vec grad[CONV_MAX_VECTORS];
            UNROLL
            for (int v = 0; v < n; v++)
                grad[v] = load_part(out + v * LANES, v == n - 1, some);
            UNROLL
            for (int i = 0; i < m; i++) {
                const vec value = vec_set(in[i]);
                UNROLL
                for (int v = 0; v < n; v++)
                    sum[i][v] = slots_add(sum[i][v], value, grad[v]);
            }
        }
    }
    UNROLL
    for (int i = 0; i < m; i++) {
        UNROLL
        for (int v = 0; v < n; v++) {
            float *to = dw + i * s.dw_row + v * LANES;
            if (s.accumulate)
                sum[i][v] = vec_add(load_part(to, v == n - 1, some), sum[i][v]);
            store_part(to, sum[i][v], v == n - 1, some);
        }
    }
}

#define CONV_TILE(m, n)                                                                            \
    static void conv_##m##x##n(const struct conv_span *s, const float *x, const float *w,          \
                               float *y)                                                           \
    {                                                                                              \
        sum_taps(s, x, w, y, m, n);                                                                \
    }                                                                                              \
    static void dw_##m##x##n(const struct dw_span *s, const float *x, const float *dy, float *dw)  \
    {                                                                                              \
        sum_pixels(s, x, dy, dw, m, n);                                                            \
    }
TILES_1(CONV_TILE)
TILES_2(CONV_TILE)
TILES_3(CONV_TILE)

#define CONV_NAME(m, n) conv_##m##x##n,
#define DW_NAME(m, n)   dw_##m##x##n,

static const conv_tile conv_tiles_1[] = {TILES_1(CONV_NAME)};
static const conv_tile conv_tiles_2[] = {TILES_2(CONV_NAME)};
static const conv_tile conv_tiles_3[] = {TILES_3(CONV_NAME)};
static const dw_tile dw_tiles_1[] = {TILES_1(DW_NAME)};
static const dw_tile dw_tiles_2[] = {TILES_2(DW_NAME)};
static const dw_tile dw_tiles_3[] = {TILES_3(DW_NAME)};

static const struct conv_tiles conv_tiles = {
    .lanes = LANES,
    .max_pixels = {TILE_MAX_1, TILE_MAX_2, TILE_MAX_3},
    .tile = {conv_tiles_1, conv_tiles_2, conv_tiles_3},
#if CONV_SLOT == 2
    .narrow = narrow,
#endif
};

static const struct dw_tiles dw_tiles = {
    .lanes = LANES,
    .max_rows = {TILE_MAX_1, TILE_MAX_2, TILE_MAX_3},
    .tile = {dw_tiles_1, dw_tiles_2, dw_tiles_3},
#if CONV_SLOT == 2
    .pair = pair,
#endif
};

const struct winograd_level LEVEL_NAME(winograd_level) = {
    .conv = &conv_tiles,
    .dw = &dw_tiles,
    .taps = winograd_taps,
    .patch = winograd_patch,
    .result = winograd_result,
    .patch_bf16 = winograd_patch_bf16,
    .result_bf16 = winograd_result_bf16,
    .x = winograd_x,
    .dy = winograd_dy,
    .weights = winograd_weights,
};

static struct conv_pass forward_of(const struct conv_geometry *g)
{
    struct conv_pass pass = conv_pass_forward(g);
    pass.paired = CONV_SLOT == 2;
    return pass;
}

static struct conv_pass backward_of(const struct conv_geometry *g)
{
    struct conv_pass pass = conv_pass_backward(g);
    pass.paired = CONV_SLOT == 2;
    return pass;
}

/* Either way is chosen by the geometry alone. */
static void run_pass(const struct conv_pass *pass, const float *source, const float *packed,
                     const struct conv_finish *finish, float *target, int row0, int row1,
                     float *scratch)
{
    const struct winograd_maps maps = {source, target, finish, NULL};
    if (winograd_suits(pass, LANES))
        winograd_run(pass, &LEVEL_NAME(winograd_level), &maps, packed, row0, row1, scratch);
    else
        conv_pass_run(pass, &conv_tiles, source, packed, finish, target, row0, row1, scratch);
}

static int conv_rows(const struct conv_geometry *g)
{
    const struct conv_pass pass = forward_of(g);
    return winograd_suits(&pass, LANES) ? winograd_rows(&pass) : conv_pass_rows(&pass);
}

static size_t conv_packed(const struct conv_geometry *g)
{
    const struct conv_pass pass = forward_of(g);
    return winograd_suits(&pass, LANES) ? winograd_packed(&pass, LANES)
                                        : conv_pass_packed(&pass, LANES);
}

static void conv_pack(const struct conv_geometry *g, const float *w, float *packed)
{
    const struct conv_pass pass = forward_of(g);
    if (winograd_suits(&pass, LANES))
        winograd_pack(&pass, &LEVEL_NAME(winograd_level), w, packed);
    else
        conv_pass_pack(&pass, LANES, w, packed);
}

static size_t conv_scratch(const struct conv_geometry *g)
{
    const struct conv_pass pass = forward_of(g);
    return winograd_suits(&pass, LANES) ? winograd_scratch(&pass, LANES) : conv_pass_scratch(&pass);
}

static void conv(const struct conv_geometry *g, const float *x, const float *packed,
                 const float *bias, enum activation act, bool accumulate, float *y, int row0,
                 int row1, float *scratch)
{
    const struct conv_pass pass = forward_of(g);
    const struct conv_finish finish = {bias, act == ACT_RELU, accumulate};
    run_pass(&pass, x, packed, &finish, y, row0, row1, scratch);
}

static int conv_dx_rows(const struct conv_geometry *g)
{
    const struct conv_pass pass = backward_of(g);
    return winograd_suits(&pass, LANES) ? winograd_rows(&pass) : conv_pass_rows(&pass);
}

static size_t conv_dx_packed(const struct conv_geometry *g)
{
    const struct conv_pass pass = backward_of(g);
    return winograd_suits(&pass, LANES) ? winograd_packed(&pass, LANES)
                                        : conv_pass_packed(&pass, LANES);
}

static void conv_dx_pack(const struct conv_geometry *g, const float *w, float *packed)
{
    const struct conv_pass pass = backward_of(g);
    if (winograd_suits(&pass, LANES))
        winograd_pack(&pass, &LEVEL_NAME(winograd_level), w, packed);
    else
        conv_pass_pack(&pass, LANES, w, packed);
}

static size_t conv_dx_scratch(const struct conv_geometry *g)
{
    const struct conv_pass pass = backward_of(g);
    return winograd_suits(&pass, LANES) ? winograd_scratch(&pass, LANES) : conv_pass_scratch(&pass);
}

static void conv_dx(const struct conv_geometry *g, const float *dy, const float *packed,
                    bool accumulate, float *dx, int row0, int row1, float *scratch)
{
    const struct conv_pass pass = backward_of(g);
    const struct conv_finish finish = {.accumulate = accumulate};
    run_pass(&pass, dy, packed, &finish, dx, row0, row1, scratch);
}

static int conv_dw_tiles(const struct conv_geometry *g)
{
    return winograd_weights_suits(g, &dw_tiles) ? winograd_weights_tiles(g, &dw_tiles)
                                                : conv_weights_tiles(g, &dw_tiles);
}

static size_t conv_dw_scratch(const struct conv_geometry *g)
{
    return winograd_weights_suits(g, &dw_tiles) ? winograd_weights_scratch(g, &dw_tiles)
                                                : conv_weights_scratch(g, &dw_tiles);
}

static void conv_dw(const struct conv_geometry *g, const float *x, const float *dy, int n_images,
                    float *dw, int tile0, int tile1, float *scratch)
{
    if (winograd_weights_suits(g, &dw_tiles))
        winograd_weights_run(g, &LEVEL_NAME(winograd_level), x, dy, n_images, dw, tile0, tile1,
                             scratch);
    else
        conv_weights_run(g, &dw_tiles, x, dy, n_images, dw, tile0, tile1, scratch);
}

void LEVEL_NAME(conv_init)(struct kernels *k)
{
    k->conv_rows = conv_rows;
    k->conv_packed = conv_packed;
    k->conv_pack = conv_pack;
    k->conv_scratch = conv_scratch;
    k->conv = conv;
    k->conv_dx_rows = conv_dx_rows;
    k->conv_dx_packed = conv_dx_packed;
    k->conv_dx_pack = conv_dx_pack;
    k->conv_dx_scratch = conv_dx_scratch;
    k->conv_dx = conv_dx;
    k->conv_dw_tiles = conv_dw_tiles;
    k->conv_dw_scratch = conv_dw_scratch;
    k->conv_dw = conv_dw;
}

#endif
