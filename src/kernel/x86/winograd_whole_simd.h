/*
 * Tiles and transforms of winograd_whole.h, written once for every vector width. A level's .c file
 * includes its simd headers, defines
 *
 *     words                  16-bit numbers, WORDS of them; words_load, words_store, words_bytes (a
 *                            load of bytes), words_add, words_sub, words_4 (4 v)
 *     pairs                  32-bit sums, LANES of them; pairs_zero, pairs_load, pairs_broadcast,
 *                            pairs_vec (as floats)
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

/* The sums are done. The empty asm keeps the compiler from making room for their floats before. */
INLINE void sums_done(pairs sum[TILE_PIXELS][WHOLE_MAX_VECTORS], int m, int n)
{
    UNROLL
    for (int p = 0; p < m; p++) {
        UNROLL
        for (int v = 0; v < n; v++)
            __asm__("" : "+v"(sum[p][v]));
    }
}

/* m rows by n whole vectors. */
INLINE void sum_pairs(int steps, const int16_t *x, ptrdiff_t x_row, const int16_t *w, float *y,
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
    sums_done(sum, m, n);
    UNROLL
    for (int p = 0; p < m; p++) {
        UNROLL
        for (int v = 0; v < n; v++)
            vec_store((float *)(void *)((uint8_t *)y + p * y_row) + v * LANES,
                      pairs_vec(sum[p][v]));
    }
}

#define WHOLE_TILE(m, n)                                                                           \
    static void tile_##m##x##n(int steps, const int16_t *x, ptrdiff_t x_row, const int16_t *w,     \
                               float *y, ptrdiff_t y_row)                                          \
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
INLINE void sum_half(int steps, const int16_t *x, ptrdiff_t x_row, const int16_t *w, float *y,
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
    sums_done(sum, m, n - 1);
    UNROLL
    for (int p = 0; p < m; p++)
        __asm__("" : "+v"(half[p]));
    UNROLL
    for (int p = 0; p < m; p++) {
        float *to = (float *)(void *)((uint8_t *)y + p * y_row);
        UNROLL
        for (int v = 0; v < n - 1; v++)
            vec_store(to + v * LANES, pairs_vec(sum[p][v]));
        half_store(to + (n - 1) * LANES, half[p]);
    }
}

#define WHOLE_HALF_TILE(m, n)                                                                      \
    static void half_##m##x##n(int steps, const int16_t *x, ptrdiff_t x_row, const int16_t *w,     \
                               float *y, ptrdiff_t y_row)                                          \
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

/*
 * The points of a line come in halves, 0..2 and 3..5: half of the points of a tile's six columns is
 * what the registers hold until the lines across are done.
 */
enum { HALF_POINTS = WINOGRAD_PATCH / 2, SHARED_COLUMNS = WINOGRAD_PATCH - WINOGRAD_TILE };

INLINE void first_points(words out[HALF_POINTS], const words d[WINOGRAD_PATCH])
{
    const words even_1 = words_sub(d[4], words_4(d[2]));
    const words odd_1 = words_sub(d[3], words_4(d[1]));
    out[0] = words_add(words_4(words_sub(d[0], d[2])), words_sub(d[4], d[2]));
    out[1] = words_add(even_1, odd_1);
    out[2] = words_sub(even_1, odd_1);
}

INLINE void last_points(words out[HALF_POINTS], const words d[WINOGRAD_PATCH])
{
    const words even_2 = words_sub(d[4], d[2]);
    const words half_2 = words_sub(d[3], d[1]);
    const words odd_2 = words_add(half_2, half_2);
    out[0] = words_add(even_2, odd_2);
    out[1] = words_sub(even_2, odd_2);
    out[2] = words_sub(words_sub(d[5], d[3]), words_4(half_2));
}

INLINE void half_points(words out[HALF_POINTS], const words d[WINOGRAD_PATCH], int half)
{
    if (half == 0)
        first_points(out, d);
    else
        last_points(out, d);
}

/* A strip's six rows; those outside the map are one pixel, zero, again and again. */
struct byte_rows {
    const uint8_t *row[WINOGRAD_PATCH];
    ptrdiff_t pixel[WINOGRAD_PATCH];
    int x0, x1;  /* columns inside */
    bool inside; /* all rows are */
};

static struct byte_rows rows_of(const struct winograd_square *s, const uint8_t *map,
                                const uint8_t *zero)
{
    struct byte_rows r = {
        .x0 = s->x0, .x1 = s->x1, .inside = s->y0 <= 0 && s->y1 >= WINOGRAD_PATCH};
    for (int y = 0; y < WINOGRAD_PATCH; y++) {
        const bool inside = y >= s->y0 && y < s->y1;
        r.row[y] = inside ? map + s->origin + y * s->row : zero;
        r.pixel[y] = inside ? s->pixel : 0;
    }
    return r;
}

/* Half of the points of columns x >= from of the tile that begins at column `at`, channels from k
 * on; `outside` are those of a column outside the map. */
INLINE void load_columns(words d[HALF_POINTS][WINOGRAD_PATCH], const struct byte_rows *r, int at,
                         int from, int k, const words outside[HALF_POINTS], int half, bool inside)
{
    const ptrdiff_t row = inside ? r->row[1] - r->row[0] : 0;
    UNROLL
    for (int x = from; x < WINOGRAD_PATCH; x++) {
        words points[HALF_POINTS] = {outside[0], outside[1], outside[2]};
        if (at + x >= r->x0 && at + x < r->x1) {
            const uint8_t *first = r->row[0] + (at + x) * r->pixel[0] + k;
            words bytes[WINOGRAD_PATCH];
            UNROLL
            for (int y = half; y < half + WINOGRAD_PATCH - 1; y++)
                bytes[y] =
                    words_bytes(inside ? first + y * row : r->row[y] + (at + x) * r->pixel[y] + k);
            half_points(points, bytes, half);
        }
        UNROLL
        for (int a = 0; a < HALF_POINTS; a++)
            d[a][x] = points[a];
    }
}

/* The lines of a tile across. Its place in `out` was used before, but is no longer near. */
INLINE void store_points(const words d[HALF_POINTS][WINOGRAD_PATCH], words zero_36, int16_t *out,
                         ptrdiff_t tile, ptrdiff_t point, int half)
{
    UNROLL
    for (int a = 0; a < HALF_POINTS; a++) {
        words done[WINOGRAD_PATCH];
        first_points(done, d[a]);
        last_points(done + HALF_POINTS, d[a]);
        if (half == 0 && a == 1)
            done[1] = words_sub(done[1], zero_36);
        UNROLL
        for (int b = 0; b < WINOGRAD_PATCH; b++, out += point) {
            __builtin_prefetch(out + tile, 1);
            words_store(out, done[b]);
        }
    }
}

/*
 * Half of the points of n tiles side by side, which share columns. Zero is not subtracted from the
 * bytes: every line of B but one has a sum of 0, so of the points only (1, 1) would notice.
 */
INLINE void strip_half(const struct byte_rows *r, int n, const uint8_t *zero, int k, int16_t *out,
                       ptrdiff_t tile, ptrdiff_t point, int half, bool inside)
{
    const words z = words_bytes(zero + k);
    const words zero_36 = words_4(words_add(words_add(words_4(z), words_4(z)), z));
    const words zeros[WINOGRAD_PATCH] = {z, z, z, z, z, z};
    words outside[HALF_POINTS], d[HALF_POINTS][WINOGRAD_PATCH];
    half_points(outside, zeros, half);
    out += k + half * HALF_POINTS * WINOGRAD_PATCH * point;
    load_columns(d, r, -WINOGRAD_TILE, WINOGRAD_TILE, k, outside, half, inside);
    for (int i = 0; i < n; i++, out += tile) {
        UNROLL
        for (int a = 0; a < HALF_POINTS; a++) {
            UNROLL
            for (int x = 0; x < SHARED_COLUMNS; x++)
                d[a][x] = d[a][x + WINOGRAD_TILE];
        }
        load_columns(d, r, i * WINOGRAD_TILE, SHARED_COLUMNS, k, outside, half, inside);
        store_points((const words(*)[WINOGRAD_PATCH])d, zero_36, out, tile, point, half);
    }
}

static void whole_patches(const struct winograd_square *s, int n, const uint8_t *map,
                          const uint8_t *zero, int channels, int16_t *out, ptrdiff_t tile,
                          ptrdiff_t point)
{
    const struct byte_rows rows = rows_of(s, map, zero);
    for (int k = 0; k < channels; k += WORDS) {
        if (rows.inside) {
            strip_half(&rows, n, zero, k, out, tile, point, 0, true);
            strip_half(&rows, n, zero, k, out, tile, point, 1, true);
        } else {
            strip_half(&rows, n, zero, k, out, tile, point, 0, false);
            strip_half(&rows, n, zero, k, out, tile, point, 1, false);
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
INLINE void load_column(vec out[WINOGRAD_PATCH], const float *in, ptrdiff_t point,
                        const float *scale, ptrdiff_t scale_point, int x, vec bias)
{
    UNROLL
    for (int y = 0; y < WINOGRAD_PATCH; y++) {
        const ptrdiff_t p = (ptrdiff_t)y * WINOGRAD_PATCH + x;
        const vec sum = vec_load(in + p * point), factor = vec_load(scale + p * scale_point);
        out[y] = p == WHOLE_BIAS_POINT ? vec_fma(sum, factor, bias) : vec_mul(sum, factor);
    }
}

/* n results side by side in bytes; `added`: what is added to the first one, or NULL. */
INLINE void store_bytes(const struct conv_constants *c, const vec *r, uint8_t *y, ptrdiff_t pixel,
                        const uint8_t *added, lanes some, int n)
{
    const struct byte_limits limits = byte_limits_of(c->low, c->high, c->out_zero);
    uint8_t *to[WINOGRAD_TILE] = {NULL};
    lanes part[WINOGRAD_TILE];
    vec sum[WINOGRAD_TILE];
    UNROLL
    for (int x = 0; x < n; x++) {
        to[x] = y + x * pixel;
        part[x] = some;
        sum[x] = r[x];
        if (added) {
            const vec q = vec_load_u8(added + (ptrdiff_t)x * c->add_pitch, some);
            sum[x] = vec_fma(vec_sub(q, vec_set((float)c->add_zero)), vec_set(c->add_scale), r[x]);
        }
    }
    vec_store_four(to, sum, &limits, part, n);
}

/* A tile's results, of some channels from `channel` on; bytes, to which a map is added or not. */
INLINE void store_tile_bytes(const struct conv_call *call, const struct winograd_square *s,
                             const vec r[WINOGRAD_TILE][WINOGRAD_TILE], int channel, lanes some,
                             bool adds)
{
    const struct conv_constants *c = call->c;
    uint8_t *to = (uint8_t *)call->y + s->origin + channel;
    const uint8_t *added = NULL;
    ptrdiff_t added_row = 0;
    if (adds) {
        added = (const uint8_t *)call->add + s->origin / s->pixel * c->add_pitch + channel;
        added_row = s->row / s->pixel * c->add_pitch;
    }
    UNROLL
    for (int y = 0; y < WINOGRAD_TILE; y++, to += s->row) {
        if (y >= s->y1)
            break;
        const uint8_t *from = adds ? added + y * added_row : NULL;
        if (s->x1 >= WINOGRAD_TILE) {
            store_bytes(c, r[y], to, s->pixel, from, some, WINOGRAD_TILE);
            continue;
        }
        UNROLL
        for (int x = 0; x < WINOGRAD_TILE - 1; x++)
            if (x < s->x1)
                store_bytes(c, r[y] + x, to + x * s->pixel, s->pixel,
                            adds ? from + (ptrdiff_t)x * c->add_pitch : NULL, some, 1);
    }
}

/* The same for maps of any type. */
INLINE void store_tile_any(const struct conv_call *call, const struct winograd_square *s,
                           const vec r[WINOGRAD_TILE][WINOGRAD_TILE], int channel, lanes some)
{
    UNROLL
    for (int y = 0; y < WINOGRAD_TILE; y++) {
        if (y >= s->y1)
            break;
        const ptrdiff_t first = s->origin + y * s->row;
        UNROLL
        for (int x = 0; x < WINOGRAD_TILE; x++)
            if (x < s->x1)
                conv_store_any(call, r[y][x], first + x * s->pixel + channel,
                               (first / s->pixel + x) * call->c->add_pitch + channel, some);
    }
}

static void whole_result(const struct conv_call *call, const struct winograd_square *square,
                         const float *in, ptrdiff_t point, const float *scale,
                         ptrdiff_t scale_point, int channel)
{
    const struct winograd_square s = *square;
    const lanes some = lanes_first(call->shape->g.out_c - channel);
    const vec bias = vec_load_some(call->c->bias + channel, some);
    vec columns[WINOGRAD_TILE][WINOGRAD_PATCH], results[WINOGRAD_TILE][WINOGRAD_TILE];
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
    for (int y = 0; y < WINOGRAD_TILE; y++)
        result_line(results[y], columns[y]);
    const vec(*r)[WINOGRAD_TILE] = (const vec(*)[WINOGRAD_TILE])results;
    if (call->shape->out != MAP_U8)
        store_tile_any(call, &s, r, channel, some);
    else if (call->shape->adds)
        store_tile_bytes(call, &s, r, channel, some, true);
    else
        store_tile_bytes(call, &s, r, channel, some, false);
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
    .patches = whole_patches,
    .result = whole_result,
};

#endif
