/*
 * Tiles and transforms of winograd_whole.h, written once for every vector width. A level's .c file
 * includes its simd headers, defines
 *
 *     words                  16-bit numbers, WORDS of them; words_load, words_store, words_bytes (a
 *                            load of bytes), words_add, words_sub, words_4 (4 v)
 *     pairs                  32-bit sums, LANES of them; pairs_zero, pairs_load, pairs_store,
 *                            pairs_broadcast, pairs_float
 *     pairs_add(sum, x, w)   the two products of each lane's 16-bit numbers
 *     WHOLE_HALVES           1: the same with half_… for half as many lanes
 *
 * and then includes this.
 */
#ifndef KERNEL_WINOGRAD_WHOLE_SIMD_H
#define KERNEL_WINOGRAD_WHOLE_SIMD_H

#include "kernel/winograd_whole.h"
#include "kernel/x86/conv_store.h"
#include "kernel/x86/tile_sources.h"

/* ---- products ---------------------------------------------------------------------------- */

/*
 * Weights are asked for before their turn: the stream goes on with the next point and the next
 * block, and in an engine they come from the outermost cache, which takes some ten steps.
 */
enum { BYTES_AHEAD = 4096, CACHE_LINE = 64 };

INLINE void ask_for_weights(const int16_t *w, int bytes)
{
    UNROLL
    for (int at = 0; at < bytes; at += CACHE_LINE)
        __builtin_prefetch((const void *)((uintptr_t)w + (uintptr_t)(BYTES_AHEAD + at)));
}

/* m rows by n whole vectors. */
INLINE void sum_pairs(int steps, const int16_t *x, ptrdiff_t x_row, const int16_t *w, int32_t *y,
                      ptrdiff_t y_row, int m, int n)
{
    pairs sum[TILE_PIXELS][WHOLE_MAX_VECTORS];
    struct sources from;
    UNROLL
    for (int p = 0; p < m; p++) {
        UNROLL
        for (int v = 0; v < n; v++)
            sum[p][v] = pairs_zero();
    }
    sources_start(&from, (const uint8_t *)x, x_row, m);
    for (int k = 0; k < steps; k++, w += n * LANES * 2) {
        pairs weight[WHOLE_MAX_VECTORS];
        ask_for_weights(w, n * LANES * 4);
        UNROLL
        for (int v = 0; v < n; v++)
            weight[v] = pairs_load(w + v * LANES * 2);
        UNROLL
        for (int p = 0; p < m; p++) {
            const pairs value = pairs_broadcast(source_at(&from, p));
            UNROLL
            for (int v = 0; v < n; v++)
                sum[p][v] = pairs_add(sum[p][v], value, weight[v]);
        }
        sources_next(&from, 4, m);
    }
    UNROLL
    for (int p = 0; p < m; p++) {
        UNROLL
        for (int v = 0; v < n; v++)
            pairs_store((int32_t *)(void *)((uint8_t *)y + p * y_row) + v * LANES, sum[p][v]);
    }
}

#define WHOLE_TILE(m, n)                                                                           \
    static void tile_##m##x##n(int steps, const int16_t *x, ptrdiff_t x_row, const int16_t *w,     \
                               int32_t *y, ptrdiff_t y_row)                                        \
    {                                                                                              \
        sum_pairs(steps, x, x_row, w, y, y_row, m, n);                                             \
    }
TILES_1(WHOLE_TILE)
TILES_2(WHOLE_TILE)
TILES_3(WHOLE_TILE)

#define WHOLE_NAME(m, n) tile_##m##x##n,
static const whole_tile tiles_1[] = {TILES_1(WHOLE_NAME)};
static const whole_tile tiles_2[] = {TILES_2(WHOLE_NAME)};
static const whole_tile tiles_3[] = {TILES_3(WHOLE_NAME)};

#if WHOLE_HALVES
/* m rows by n - 1 whole vectors and half a one. */
INLINE void sum_half(int steps, const int16_t *x, ptrdiff_t x_row, const int16_t *w, int32_t *y,
                     ptrdiff_t y_row, int m, int n)
{
    pairs sum[TILE_PIXELS][WHOLE_MAX_VECTORS];
    half_pairs half[TILE_PIXELS];
    struct sources from;
    UNROLL
    for (int p = 0; p < m; p++) {
        UNROLL
        for (int v = 0; v < n - 1; v++)
            sum[p][v] = pairs_zero();
        half[p] = half_zero();
    }
    sources_start(&from, (const uint8_t *)x, x_row, m);
    for (int k = 0; k < steps; k++, w += (2 * n - 1) * LANES) {
        pairs weight[WHOLE_MAX_VECTORS];
        ask_for_weights(w, (2 * n - 1) * LANES * 2);
        UNROLL
        for (int v = 0; v < n - 1; v++)
            weight[v] = pairs_load(w + v * LANES * 2);
        const half_pairs half_weight = half_load(w + (n - 1) * LANES * 2);
        UNROLL
        for (int p = 0; p < m; p++) {
            const pairs value = pairs_broadcast(source_at(&from, p));
            UNROLL
            for (int v = 0; v < n - 1; v++)
                sum[p][v] = pairs_add(sum[p][v], value, weight[v]);
            half[p] = half_add(half[p], half_of(value), half_weight);
        }
        sources_next(&from, 4, m);
    }
    UNROLL
    for (int p = 0; p < m; p++) {
        int32_t *to = (int32_t *)(void *)((uint8_t *)y + p * y_row);
        UNROLL
        for (int v = 0; v < n - 1; v++)
            pairs_store(to + v * LANES, sum[p][v]);
        half_store(to + (n - 1) * LANES, half[p]);
    }
}

#define WHOLE_HALF_TILE(m, n)                                                                      \
    static void half_##m##x##n(int steps, const int16_t *x, ptrdiff_t x_row, const int16_t *w,     \
                               int32_t *y, ptrdiff_t y_row)                                        \
    {                                                                                              \
        sum_half(steps, x, x_row, w, y, y_row, m, n);                                              \
    }
TILES_1(WHOLE_HALF_TILE)
TILES_2(WHOLE_HALF_TILE)
TILES_3(WHOLE_HALF_TILE)

#define WHOLE_HALF_NAME(m, n) half_##m##x##n,
static const whole_tile halves_1[] = {TILES_1(WHOLE_HALF_NAME)};
static const whole_tile halves_2[] = {TILES_2(WHOLE_HALF_NAME)};
static const whole_tile halves_3[] = {TILES_3(WHOLE_HALF_NAME)};
#endif

/* ---- pixels ------------------------------------------------------------------------------ */

INLINE void patch_line(words out[WINOGRAD_PATCH], const words d[WINOGRAD_PATCH])
{
    const words even_1 = words_sub(d[4], words_4(d[2]));
    const words odd_1 = words_sub(d[3], words_4(d[1]));
    const words even_2 = words_sub(d[4], d[2]);
    const words half_2 = words_sub(d[3], d[1]);
    const words odd_2 = words_add(half_2, half_2);
    out[0] = words_add(words_4(words_sub(d[0], d[2])), even_2);
    out[1] = words_add(even_1, odd_1);
    out[2] = words_sub(even_1, odd_1);
    out[3] = words_add(even_2, odd_2);
    out[4] = words_sub(even_2, odd_2);
    out[5] = words_sub(words_sub(d[5], d[3]), words_4(half_2));
}

/* Where a square's bytes from one channel on are read; pixels outside the map are copies of zero.
 */
struct byte_square {
    const uint8_t *first;
    ptrdiff_t row, pixel;
};

INLINE struct byte_square square_of(const struct winograd_square *s, const uint8_t *map,
                                    const uint8_t *zero, int k, uint8_t *copy)
{
    if (s->y0 <= 0 && s->x0 <= 0 && s->y1 >= WINOGRAD_PATCH && s->x1 >= WINOGRAD_PATCH)
        return (struct byte_square){map + s->origin + k, s->row, s->pixel};
    uint8_t *to = copy;
    for (int y = 0; y < WINOGRAD_PATCH; y++)
        for (int x = 0; x < WINOGRAD_PATCH; x++, to += WORDS) {
            const bool inside = y >= s->y0 && y < s->y1 && x >= s->x0 && x < s->x1;
            memcpy(to, inside ? map + s->origin + y * s->row + x * s->pixel + k : zero + k, WORDS);
        }
    return (struct byte_square){copy, (ptrdiff_t)WINOGRAD_PATCH * WORDS, WORDS};
}

static void whole_patch(const struct winograd_square *square, const uint8_t *map,
                        const uint8_t *zero, int channels, int16_t *out, ptrdiff_t point)
{
    _Alignas(64) uint8_t copy[WINOGRAD_POINTS * WORDS];
    _Alignas(64) int16_t columns[WINOGRAD_PATCH][WINOGRAD_PATCH][WORDS]; /* [a][x] */
    const struct winograd_square s = *square;
    for (int k = 0; k < channels; k += WORDS) {
        const struct byte_square from = square_of(&s, map, zero, k, copy);
        const words none = words_bytes(zero + k);
        for (int x = 0; x < WINOGRAD_PATCH; x++) {
            words d[WINOGRAD_PATCH], done[WINOGRAD_PATCH];
            UNROLL
            for (int y = 0; y < WINOGRAD_PATCH; y++)
                d[y] = words_sub(words_bytes(from.first + y * from.row + x * from.pixel), none);
            patch_line(done, d);
            UNROLL
            for (int a = 0; a < WINOGRAD_PATCH; a++)
                words_store(columns[a][x], done[a]);
        }
        int16_t *to = out + k;
        for (int a = 0; a < WINOGRAD_PATCH; a++) {
            words d[WINOGRAD_PATCH], done[WINOGRAD_PATCH];
            UNROLL
            for (int x = 0; x < WINOGRAD_PATCH; x++)
                d[x] = words_load(columns[a][x]);
            patch_line(done, d);
            UNROLL
            for (int b = 0; b < WINOGRAD_PATCH; b++, to += point)
                words_store(to, done[b]);
        }
    }
}

/* ---- results ----------------------------------------------------------------------------- */

INLINE void result_line(vec out[WINOGRAD_TILE], const vec r[WINOGRAD_PATCH])
{
    const vec even_1 = vec_add(r[1], r[2]), odd_1 = vec_sub(r[1], r[2]);
    const vec even_2 = vec_add(r[3], r[4]), odd_2 = vec_sub(r[3], r[4]);
    out[0] = vec_add(r[0], vec_add(even_1, even_2));
    out[1] = vec_fma(vec_set(2.0F), odd_2, odd_1);
    out[2] = vec_fma(vec_set(4.0F), even_2, even_1);
    out[3] = vec_fma(vec_set(8.0F), odd_2, vec_add(odd_1, r[5]));
}

/* One column of the points' sums, scaled. */
INLINE void load_column(vec out[WINOGRAD_PATCH], const int32_t *in, ptrdiff_t point,
                        const float *scale, ptrdiff_t scale_point, int x, vec bias)
{
    UNROLL
    for (int y = 0; y < WINOGRAD_PATCH; y++) {
        const ptrdiff_t p = (ptrdiff_t)y * WINOGRAD_PATCH + x;
        const vec sum = pairs_float(in + p * point), factor = vec_load(scale + p * scale_point);
        out[y] = p == WHOLE_BIAS_POINT ? vec_fma(sum, factor, bias) : vec_mul(sum, factor);
    }
}

static void whole_result(const struct conv_call *call, const struct winograd_square *square,
                         const int32_t *in, ptrdiff_t point, const float *scale,
                         ptrdiff_t scale_point, int channel)
{
    const struct winograd_square s = *square;
    const struct conv_constants *c = call->c;
    const lanes some = lanes_first(call->shape->g.out_c - channel);
    const bool plain = conv_stores_bytes(call->shape);
    const vec bias = vec_load_some(c->bias + channel, some);
    const vec low = vec_set(c->low), high = vec_set(c->high);
    vec columns[WINOGRAD_TILE][WINOGRAD_PATCH];
    UNROLL
    for (int x = 0; x < WINOGRAD_PATCH; x++) {
        vec r[WINOGRAD_PATCH], done[WINOGRAD_TILE];
        load_column(r, in, point, scale, scale_point, x, bias);
        result_line(done, r);
        UNROLL
        for (int y = 0; y < WINOGRAD_TILE; y++)
            columns[y][x] = done[y];
    }
    UNROLL
    for (int y = 0; y < WINOGRAD_TILE; y++) {
        vec done[WINOGRAD_TILE];
        result_line(done, columns[y]);
        if (y >= s.y1)
            break;
        const ptrdiff_t at = s.origin + y * s.row + channel;
        UNROLL
        for (int x = 0; x < WINOGRAD_TILE; x++) {
            if (x >= s.x1)
                break;
            if (plain)
                vec_store_u8((uint8_t *)call->y + at + x * s.pixel, vec_limited(done[x], low, high),
                             c->out_zero, some);
            else
                conv_store_any(call, done[x], at + x * s.pixel,
                               ((s.origin + y * s.row) / s.pixel + x) * c->add_pitch + channel,
                               some);
        }
    }
}

static const struct whole_level level_simd = {
    .lanes = LANES,
    .words = WORDS,
    .max_vectors = WHOLE_MAX_VECTORS,
    .halves = WHOLE_HALVES,
    .max_rows = {TILE_MAX_1, TILE_MAX_2, TILE_MAX_3},
    .tile = {tiles_1, tiles_2, tiles_3},
#if WHOLE_HALVES
    .half_tile = {halves_1, halves_2, halves_3},
#endif
    .patch = whole_patch,
    .result = whole_result,
};

#endif
