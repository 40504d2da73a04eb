/*
 * The register tiles of dot.h, written once for every vector width and sort of product. A level's
 * .c file includes its simd headers, defines
 *
 *     dots                   a vector of sums; dots_load, dots_broadcast
 *     dots_start             offset (whole sums) or bias (floats), some lanes
 *     dots_add(sum, x, w)    the products of a group of 4 bytes, broadcast, with a vector of
 * weights dots_finish            sums to floats: by multiplier and bias (whole sums), or as they
 * are DOT_WHOLE              1: whole sums, 0: floats DOT_PAIRED             1: has paired tiles
 *
 * and then includes this. All loops over p and v have constant bounds and are unrolled completely,
 * so that the sums live in registers.
 */
#ifndef KERNEL_DOT_SIMD_H
#define KERNEL_DOT_SIMD_H

#include "kernel/dot.h"
#include "kernel/x86/tile_sources.h"

enum { TILE_VECTORS = DOT_MAX_VECTORS };

/* What turns a block's sums into results, per vector. */
struct scales {
    vec multiplier[TILE_VECTORS], bias[TILE_VECTORS];
};

INLINE void scales_load(struct scales *s, const struct dot_span *span, int n, lanes last)
{
    UNROLL
    for (int v = 0; v < n; v++) {
        if (!DOT_WHOLE)
            continue;
        const lanes some = v == n - 1 ? last : lanes_first(LANES);
        s->multiplier[v] = vec_load_some(span->multiplier + v * LANES, some);
        s->bias[v] = vec_load_some(span->bias + v * LANES, some);
    }
}

/* The common case: bytes, nothing added. Four vectors at a time. */
INLINE void finish_bytes(const struct dot_span *span, const dots sum[TILE_PIXELS][TILE_VECTORS],
                         const struct scales *scales, uint8_t *y, int m, int n, lanes last)
{
    const struct byte_limits limits = byte_limits_of(span->low, span->high, span->out_zero);
    UNROLL
    for (int first = 0; first < m * n; first += 4) {
        uint8_t *to[4] = {NULL};
        lanes some[4];
        vec r[4];
        UNROLL
        for (int i = 0; i < 4; i++) {
            const int p = (first + i) / n, v = (first + i) % n;
            if (first + i >= m * n)
                continue;
            to[i] = y + p * span->y_pixel + v * LANES;
            some[i] = v == n - 1 ? last : lanes_first(LANES);
            r[i] = dots_finish(sum[p][v], scales->multiplier[v], scales->bias[v]);
        }
        vec_store_four(to, r, &limits, some, m * n - first < 4 ? m * n - first : 4);
    }
}

INLINE vec result_added(const struct dot_span *span, vec r, const uint8_t *add, int channel,
                        lanes some)
{
    switch (span->out) {
    case MAP_F32:
        return vec_add(r, vec_load_some((const float *)(const void *)add + channel, some));
    case MAP_BF16:
        return vec_add(r, vec_load_bf16((const uint16_t *)(const void *)add + channel, some));
    default: {
        const vec q = vec_load_u8(add + channel, some);
        return vec_fma(vec_sub(q, vec_set((float)span->add_zero)), vec_set(span->add_scale), r);
    }
    }
}

/* Everything else: m x n vectors of floats from memory, the last ones `last` lanes wide. */
static __attribute__((noinline)) void finish_any(const struct dot_span *span, const float *r,
                                                 const uint8_t *add, uint8_t *y, int m, int n)
{
    const vec low = vec_set(span->low);
    const vec high = vec_set(span->high);
    for (int p = 0; p < m; p++, y += span->y_pixel) {
        for (int v = 0; v < n; v++, r += LANES) {
            const int channel = v * LANES;
            const lanes some = lanes_first(v == n - 1 ? span->last_lanes : LANES);
            vec value = vec_load(r);
            if (span->adds)
                value = result_added(span, value, add + p * span->add_pixel, channel, some);
            value = vec_limited(value, low, high);
            if (span->out == MAP_F32)
                vec_store_some((float *)(void *)y + channel, value, some);
            else if (span->out == MAP_BF16)
                vec_store_bf16((uint16_t *)(void *)y + channel, value, some);
            else
                vec_store_u8(y + channel, value, span->out_zero, some);
        }
    }
}

/* m pixels by n vectors of channels; see dot.h. */
INLINE void sum_dots(const struct dot_span *span, const uint8_t *x, const uint8_t *w,
                     const uint8_t *add, uint8_t *y, int m, int n)
{
    const lanes last = lanes_first(span->last_lanes);
    dots sum[TILE_PIXELS][TILE_VECTORS];
    UNROLL
    for (int v = 0; v < n; v++) {
        const dots start = dots_start(span, v, v == n - 1 ? last : lanes_first(LANES));
        UNROLL
        for (int p = 0; p < m; p++)
            sum[p][v] = start;
    }
    const int run_length = span->run;
    for (int row = 0; row < span->n_rows; row++) {
        for (int run = 0; run < span->n_runs; run++) {
            struct sources from;
            sources_start(&from, x + row * span->x_row + run * span->x_run, span->x_pixel, m);
            for (int k = 0; k < run_length; k++, w += n * LANES * 4) {
                dots weight[TILE_VECTORS];
                UNROLL
                for (int v = 0; v < n; v++)
                    weight[v] = dots_load(w + v * LANES * 4);
                UNROLL
                for (int p = 0; p < m; p++) {
                    const dots value = dots_broadcast(source_at(&from, p));
                    UNROLL
                    for (int v = 0; v < n; v++)
                        sum[p][v] = dots_add(sum[p][v], value, weight[v]);
                }
                sources_next(&from, 4, m);
            }
        }
    }
    struct scales scales;
    scales_load(&scales, span, n, last);
    if (span->out == MAP_U8 && !span->adds) {
        finish_bytes(span, (const dots(*)[TILE_VECTORS])sum, &scales, y, m, n, last);
        return;
    }
    float results[TILE_PIXELS * TILE_VECTORS * LANES];
    UNROLL
    for (int p = 0; p < m; p++) {
        UNROLL
        for (int v = 0; v < n; v++)
            vec_store(results + (p * n + v) * LANES,
                      dots_finish(sum[p][v], scales.multiplier[v], scales.bias[v]));
    }
    finish_any(span, results, add, y, m, n);
}

#define DOT_TILE(m, n)                                                                             \
    static void tile_##m##x##n(const struct dot_span *span, const uint8_t *x, const uint8_t *w,    \
                               const uint8_t *add, uint8_t *y)                                     \
    {                                                                                              \
        sum_dots(span, x, w, add, y, m, n);                                                        \
    }
TILES_1(DOT_TILE)
TILES_2(DOT_TILE)
TILES_3(DOT_TILE)

#define DOT_NAME(m, n) tile_##m##x##n,
static const dot_tile tiles_1[] = {TILES_1(DOT_NAME)};
static const dot_tile tiles_2[] = {TILES_2(DOT_NAME)};
static const dot_tile tiles_3[] = {TILES_3(DOT_NAME)};

#if DOT_PAIRED
#include "kernel/x86/dot_paired.h"
#endif

static const struct dot_tiles dot_tiles_of_level = {
    .sort = DOT_SORT,
    .lanes = LANES,
    .max_pixels = {TILE_MAX_1, TILE_MAX_2, TILE_MAX_3},
    .tile = {tiles_1, tiles_2, tiles_3},
#if DOT_PAIRED
    .max_paired = {PAIRED_MAX_1, PAIRED_MAX_2},
    .paired = {paired_1, paired_2},
#endif
};

#endif
