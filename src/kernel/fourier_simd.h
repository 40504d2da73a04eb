/*
 * The transforms and register tiles of fourier.h, written once for every vector width; lanes are
 * channels. A level's .c file includes its simd headers, defines
 *
 *     FOURIER_GROUP                     numbers in 4 bytes: 1 float, 2 BF16
 *     product_add(sum, x, w)            the products of a group of 4 bytes, broadcast, with weights
 *     transformed_store(p, v)           a vector of the transformed source, as floats or as BF16
 *     FOURIER_READS(type)               whether maps of this type are read
 *
 * and then includes this. Loops over points, rows and vectors have constant bounds and are
 * unrolled.
 */
#ifndef KERNEL_FOURIER_SIMD_H
#define KERNEL_FOURIER_SIMD_H

#include "kernel/fourier.h"
#include "kernel/fourier_points.h"

#include <string.h>

enum { MAX_POINTS = 16, TILE_ROWS = 16, TILE_VECTORS = FOURIER_MAX_VECTORS };

/* ---- the source -------------------------------------------------------------------------- */

/* Pixels of one vector of channels: a whole square of them that can be read. */
struct square {
    enum map_type type;
    const uint8_t *first;
    ptrdiff_t row, pixel; /* bytes */
    lanes some;
    vec zero; /* of bytes */
};

INLINE vec square_load(const struct square *s, enum map_type type, int y, int x)
{
    const uint8_t *p = s->first + y * s->row + x * s->pixel;
    switch (type) {
    case MAP_F32: return vec_load_some((const float *)(const void *)p, s->some);
    case MAP_BF16: return vec_load_bf16((const uint16_t *)(const void *)p, s->some);
    default: return vec_sub(vec_load_u8(p, s->some), s->zero);
    }
}

INLINE vec square_load_any(const struct square *s, int y, int x)
{
    switch (s->type) {
    case MAP_F32: return square_load(s, MAP_F32, y, x);
    case MAP_BF16: return square_load(s, MAP_BF16, y, x);
    default: return square_load(s, MAP_U8, y, x);
    }
}

/* A square that reaches over the border, as floats in `copy`, zeros outside. */
static __attribute__((noinline)) void square_copy(struct square *s, const struct conv_geometry *g,
                                                  int y0, int x0, int points, float *copy)
{
    float *to = copy;
    for (int y = 0; y < points; y++)
        for (int x = 0; x < points; x++, to += LANES) {
            const bool inside = y + y0 >= 0 && y + y0 < g->in_h && x + x0 >= 0 && x + x0 < g->in_w;
            vec_store(to, inside ? square_load_any(s, y, x) : vec_zero());
        }
    s->type = MAP_F32;
    s->first = (const uint8_t *)copy;
    s->pixel = LANES * (ptrdiff_t)sizeof(float);
    s->row = points * s->pixel;
    s->some = lanes_first(LANES);
}

INLINE struct square square_at(const struct conv_call *call, int y, int x, int channel, int points,
                               float *copy)
{
    const struct conv_shape *shape = call->shape;
    const struct conv_geometry *g = &shape->g;
    const ptrdiff_t size = (ptrdiff_t)map_type_size(shape->in);
    struct square s = {
        .type = shape->in,
        .first = (const uint8_t *)call->x +
                 (((ptrdiff_t)y * g->in_w + x) * g->in_pitch + channel) * size,
        .row = (ptrdiff_t)g->in_w * g->in_pitch * size,
        .pixel = g->in_pitch * size,
        .some = lanes_first(g->in_c - channel),
        .zero = vec_zero(),
    };
    if (shape->in == MAP_U8)
        s.zero = vec_load_u8(call->c->zero + channel, s.some);
    if (y < 0 || x < 0 || y + points > g->in_h || x + points > g->in_w)
        square_copy(&s, g, y, x, points, copy);
    return s;
}

/* ---- forward ----------------------------------------------------------------------------- */

/* Rows of half-transformed numbers: [row][column], column 0 with column N / 2 as its imaginary
 * part. */
struct halfway {
    vec re[MAX_POINTS][MAX_POINTS / 2], im[MAX_POINTS][MAX_POINTS / 2];
};

/* Two real rows at a time, as real and imaginary part. Columns from 1 on come out doubled. */
INLINE void forward_rows(struct halfway *h, const struct square *s, enum map_type type, int points)
{
    for (int y = 0; y < points; y += 2) {
        vec r[MAX_POINTS], i[MAX_POINTS];
        UNROLL
        for (int x = 0; x < points; x++) {
            r[x] = square_load(s, type, y, x);
            i[x] = square_load(s, type, y + 1, x);
        }
        fourier_points(r, i, points);
        h->re[y][0] = r[0];
        h->im[y][0] = r[points / 2];
        h->re[y + 1][0] = i[0];
        h->im[y + 1][0] = i[points / 2];
        UNROLL
        for (int k = 1; k < points / 2; k++) {
            h->re[y][k] = vec_add(r[k], r[points - k]);
            h->im[y][k] = vec_sub(i[k], i[points - k]);
            h->re[y + 1][k] = vec_add(i[k], i[points - k]);
            h->im[y + 1][k] = vec_sub(r[points - k], r[k]);
        }
    }
}

/* The planes of a complex slot. */
INLINE void slot_store(uint8_t *slot, ptrdiff_t plane, vec re, vec im)
{
    transformed_store(slot, vec_add(re, im));
    transformed_store(slot + plane, im);
    transformed_store(slot + 2 * plane, re);
}

INLINE void slot_store_real(uint8_t *slot, ptrdiff_t plane, vec first, vec second)
{
    transformed_store(slot, first);
    transformed_store(slot + plane, second);
}

INLINE void forward_columns(const struct halfway *h, uint8_t *out, ptrdiff_t plane, int points)
{
    const ptrdiff_t slot = FOURIER_PLANES * plane;
    for (int c = 0; c < points / 2; c++) {
        vec r[MAX_POINTS], i[MAX_POINTS];
        UNROLL
        for (int y = 0; y < points; y++) {
            r[y] = h->re[y][c];
            i[y] = h->im[y][c];
        }
        fourier_points(r, i, points);
        uint8_t *to = out + c * points * slot;
        if (c > 0) {
            UNROLL
            for (int k = 0; k < points; k++, to += slot)
                slot_store(to, plane, r[k], i[k]);
            continue;
        }
        const int half = points / 2;
        slot_store_real(to, plane, r[0], r[half]);
        slot_store_real(to + half * slot, plane, i[0], i[half]);
        UNROLL
        for (int k = 1; k < half; k++) {
            slot_store(to + k * slot, plane, vec_add(r[k], r[points - k]),
                       vec_sub(i[k], i[points - k]));
            slot_store(to + (half + k) * slot, plane, vec_add(i[k], i[points - k]),
                       vec_sub(r[points - k], r[k]));
        }
    }
}

INLINE void forward_square(const struct conv_call *call, int y, int x, int channel, uint8_t *out,
                           ptrdiff_t plane, int points)
{
    _Alignas(64) float copy[MAX_POINTS * MAX_POINTS * LANES];
    struct halfway h;
    const struct square s = square_at(call, y, x, channel, points, copy);
    switch (s.type) {
    case MAP_F32: forward_rows(&h, &s, MAP_F32, points); break;
    case MAP_BF16: forward_rows(&h, &s, MAP_BF16, points); break;
    default: forward_rows(&h, &s, MAP_U8, points); break;
    }
    forward_columns(&h, out, plane, points);
}

/* ---- inverse ----------------------------------------------------------------------------- */

/* From the spectra of two real sequences to that of the first plus i times the second: number k
 * and number N - k. */
INLINE void join_spectra(vec *r, vec *i, int k, int points, vec ar, vec ai, vec br, vec bi)
{
    r[k] = vec_sub(ar, bi);
    i[k] = vec_add(ai, br);
    r[points - k] = vec_add(ar, bi);
    i[points - k] = vec_sub(br, ai);
}

INLINE void load_column(vec *r, vec *i, const float *in, ptrdiff_t part, int c, int points)
{
    const float *p = in + (ptrdiff_t)c * points * 2 * part;
    if (c > 0) {
        UNROLL
        for (int k = 0; k < points; k++, p += 2 * part) {
            r[k] = vec_load(p);
            i[k] = vec_load(p + part);
        }
        return;
    }
    const int half = points / 2;
    const float *second = p + half * 2 * part;
    r[0] = vec_load(p);
    r[half] = vec_load(p + part);
    i[0] = vec_load(second);
    i[half] = vec_load(second + part);
    UNROLL
    for (int k = 1; k < half; k++) {
        const float *a = p + k * 2 * part, *b = second + k * 2 * part;
        join_spectra(r, i, k, points, vec_load(a), vec_load(a + part), vec_load(b),
                     vec_load(b + part));
    }
}

/* `n` rows are wanted. */
INLINE void inverse_columns(struct halfway *h, const float *in, ptrdiff_t part, int n, int points)
{
    for (int c = 0; c < points / 2; c++) {
        vec r[MAX_POINTS], i[MAX_POINTS];
        load_column(r, i, in, part, c, points);
        fourier_points(i, r, points);
        UNROLL
        for (int y = 0; y < points; y++)
            if (y < n) {
                h->re[y][c] = r[y];
                h->im[y][c] = i[y];
            }
    }
}

/* What becomes of results of one vector of channels. */
struct finish {
    const struct conv_call *call;
    lanes some;
    vec bias, low, high;
};

INLINE vec finish_added(const struct finish *f, vec r, ptrdiff_t pixel, int channel)
{
    const struct conv_constants *c = f->call->c;
    const ptrdiff_t at = pixel * c->add_pitch + channel;
    switch (f->call->shape->out) {
    case MAP_F32: return vec_add(r, vec_load_some((const float *)f->call->add + at, f->some));
    case MAP_BF16: return vec_add(r, vec_load_bf16((const uint16_t *)f->call->add + at, f->some));
    default: {
        const vec q = vec_load_u8((const uint8_t *)f->call->add + at, f->some);
        return vec_fma(vec_sub(q, vec_set((float)c->add_zero)), vec_set(c->add_scale), r);
    }
    }
}

/* n neighbouring results of a row from pixel (counted from the map's first) on. */
static __attribute__((noinline)) void finish_row(const struct finish *f, const vec *results,
                                                 ptrdiff_t pixel, int channel, int n)
{
    const struct conv_shape *s = f->call->shape;
    for (int x = 0; x < n; x++, pixel++) {
        const ptrdiff_t at = pixel * s->g.out_pitch + channel;
        vec r = vec_add(results[x], f->bias);
        if (s->adds)
            r = finish_added(f, r, pixel, channel);
        r = vec_limited(r, f->low, f->high);
        if (s->out == MAP_F32)
            vec_store_some((float *)f->call->y + at, r, f->some);
        else if (s->out == MAP_BF16)
            vec_store_bf16((uint16_t *)f->call->y + at, r, f->some);
        else
            vec_store_u8((uint8_t *)f->call->y + at, r, f->call->c->out_zero, f->some);
    }
}

INLINE void inverse_rows(const struct halfway *h, const struct finish *f, int y, int x, int channel,
                         int n_rows, int n_columns, int points)
{
    const int width = f->call->shape->g.out_w;
    for (int q = 0; q < n_rows; q += 2) {
        vec r[MAX_POINTS], i[MAX_POINTS];
        r[0] = h->re[q][0];
        i[0] = h->re[q + 1][0];
        r[points / 2] = h->im[q][0];
        i[points / 2] = h->im[q + 1][0];
        UNROLL
        for (int k = 1; k < points / 2; k++)
            join_spectra(r, i, k, points, h->re[q][k], h->im[q][k], h->re[q + 1][k],
                         h->im[q + 1][k]);
        fourier_points(i, r, points);
        vec results[2][MAX_POINTS];
        UNROLL
        for (int k = 0; k < points; k++) {
            results[0][k] = r[k];
            results[1][k] = i[k];
        }
        const ptrdiff_t pixel = (ptrdiff_t)(y + q) * width + x;
        finish_row(f, results[0], pixel, channel, n_columns);
        if (q + 1 < n_rows)
            finish_row(f, results[1], pixel + width, channel, n_columns);
    }
}

INLINE int at_most(int n, int limit)
{
    return n < limit ? n : limit;
}

INLINE void inverse_square(const struct conv_call *call, int y, int x, int channel, const float *in,
                           ptrdiff_t part, int points)
{
    const struct conv_geometry *g = &call->shape->g;
    const int n_rows = at_most(points - g->kernel_h + 1, g->out_h - y);
    const int n_columns = at_most(points - g->kernel_w + 1, g->out_w - x);
    struct finish f = {
        .call = call,
        .some = lanes_first(g->out_c - channel),
        .low = vec_set(call->c->low),
        .high = vec_set(call->c->high),
    };
    f.bias = vec_load_some(call->c->bias + channel, f.some);
    struct halfway h;
    inverse_columns(&h, in, part, n_rows + n_rows % 2, points);
    inverse_rows(&h, &f, y, x, channel, n_rows, n_columns, points);
}

/* ---- products ---------------------------------------------------------------------------- */

/* m rows by n vectors of one plane. */
INLINE void add_plane(vec sum[TILE_ROWS][TILE_VECTORS], const struct fourier_span *span,
                      const uint8_t *x, const uint8_t *w, int m, int n)
{
    const uint8_t *rows[TILE_ROWS / 4];
    const ptrdiff_t once = span->x_row, thrice = 3 * span->x_row;
    UNROLL
    for (int i = 0; 4 * i < m; i++) {
        rows[i] = x + 4 * i * span->x_row;
        __asm__("" : "+r"(rows[i]));
    }
    const uint8_t *ahead = w + span->ahead;
    for (int k = 0; k < span->steps; k++, w += n * LANES * 4, ahead += 128) {
        vec weight[TILE_VECTORS];
        UNROLL
        for (int v = 0; v < n; v++)
            weight[v] = vec_load((const float *)(const void *)(w + v * LANES * 4));
        __builtin_prefetch(ahead, 0, 2);
        __builtin_prefetch(ahead + 64, 0, 2);
        UNROLL
        for (int p = 0; p < m; p++) {
            const uint8_t *from = p % 4 == 3 ? rows[p / 4] + thrice : rows[p / 4] + p % 4 * once;
            float group;
            memcpy(&group, from, sizeof(group));
            const vec value = vec_set(group);
            UNROLL
            for (int v = 0; v < n; v++)
                sum[p][v] = product_add(sum[p][v], value, weight[v]);
        }
        UNROLL
        for (int i = 0; 4 * i < m; i++)
            rows[i] += 4;
    }
}

INLINE void clear_sums(vec sum[TILE_ROWS][TILE_VECTORS], int m, int n)
{
    UNROLL
    for (int p = 0; p < m; p++) {
        UNROLL
        for (int v = 0; v < n; v++)
            sum[p][v] = vec_zero();
    }
}

/* Row after row; the empty asm keeps the compiler from holding all their addresses. */
INLINE void load_sums(vec sum[TILE_ROWS][TILE_VECTORS], const float *y, ptrdiff_t row, int m, int n)
{
    UNROLL
    for (int p = 0; p < m; p++, y += row) {
        UNROLL
        for (int v = 0; v < n; v++)
            sum[p][v] = vec_load(y + v * LANES);
        __asm__("" : "+r"(y));
    }
}

INLINE void store_sums(vec sum[TILE_ROWS][TILE_VECTORS], float *y, ptrdiff_t row, int m, int n)
{
    UNROLL
    for (int p = 0; p < m; p++, y += row) {
        UNROLL
        for (int v = 0; v < n; v++)
            vec_store(y + v * LANES, sum[p][v]);
        __asm__("" : "+r"(y));
    }
}

/* The first plane's sum is the beginning of both parts: it waits where the imaginary one will be.
 */
INLINE void sum_products(const struct fourier_span *span, const uint8_t *x, const uint8_t *w,
                         float *y, int m, int n)
{
    const ptrdiff_t plane = (ptrdiff_t)span->steps * n * LANES * 4, row = span->y_row;
    float *re = y, *im = y + span->y_part;
    vec sum[TILE_ROWS][TILE_VECTORS];
    clear_sums(sum, m, n);
    add_plane(sum, span, x, w, m, n);
    store_sums(sum, span->real ? re : im, row, m, n);
    if (span->real)
        clear_sums(sum, m, n);
    add_plane(sum, span, x + span->x_plane, w + plane, m, n);
    store_sums(sum, span->real ? im : re, row, m, n);
    if (span->real)
        return;
    load_sums(sum, im, row, m, n);
    add_plane(sum, span, x + 2 * span->x_plane, w + 2 * plane, m, n);
    store_sums(sum, im, row, m, n);
}

#define FOURIER_TILE(m, n)                                                                         \
    static void tile_##m##x##n(const struct fourier_span *span, const uint8_t *x,                  \
                               const uint8_t *w, float *y)                                         \
    {                                                                                              \
        sum_products(span, x, w, y, m, n);                                                         \
    }
TILES_1(FOURIER_TILE)
TILES_2(FOURIER_TILE)
TILES_3(FOURIER_TILE)

#define FOURIER_NAME(m, n) tile_##m##x##n,
static const fourier_tile tiles_1[] = {TILES_1(FOURIER_NAME)};
static const fourier_tile tiles_2[] = {TILES_2(FOURIER_NAME)};
static const fourier_tile tiles_3[] = {TILES_3(FOURIER_NAME)};

/* ---- the level --------------------------------------------------------------------------- */

#define FOURIER_LEVEL(n)                                                                           \
    static void forward_##n(const struct conv_call *call, int y, int x, int channel, uint8_t *out, \
                            ptrdiff_t plane)                                                       \
    {                                                                                              \
        forward_square(call, y, x, channel, out, plane, n);                                        \
    }                                                                                              \
    static void inverse_##n(const struct conv_call *call, int y, int x, int channel,               \
                            const float *in, ptrdiff_t part)                                       \
    {                                                                                              \
        inverse_square(call, y, x, channel, in, part, n);                                          \
    }                                                                                              \
    static const struct fourier_level level_##n = {                                                \
        .points = n,                                                                               \
        .lanes = LANES,                                                                            \
        .per_group = FOURIER_GROUP,                                                                \
        .max_rows = {TILE_MAX_1, TILE_MAX_2, TILE_MAX_3},                                          \
        .tile = {tiles_1, tiles_2, tiles_3},                                                       \
        .forward = forward_##n,                                                                    \
        .inverse = inverse_##n,                                                                    \
    };                                                                                             \
    static bool fits_##n(const struct conv_shape *s)                                               \
    {                                                                                              \
        return FOURIER_READS(s->in) && fourier_fits(s, &level_##n);                                \
    }
FOURIER_LEVEL(8)
FOURIER_LEVEL(16)

#endif
