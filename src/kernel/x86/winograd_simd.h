/*
 * Winograd's transforms (see winograd.h), written once for every vector width; lanes are channels.
 * A transform is the same small matrix along columns and then along rows; even and odd powers of a
 * point and of its negative are shared.
 */
#ifndef KERNEL_WINOGRAD_SIMD_H
#define KERNEL_WINOGRAD_SIMD_H

#include "kernel/winograd.h"
#include "kernel/x86/simd_words.h"

#ifndef CONV_SLOT
#define CONV_SLOT 1 /* operands to a slot; 2: mixed precision */
#endif

#if CONV_SLOT == 1
/* Never called: for the transforms that know both. */
INLINE void narrow_store(float *to, vec v)
{
    vec_store(to, v);
}
#endif

static const float point_a = WINOGRAD_A, point_b = WINOGRAD_B;
static const float a_2 = WINOGRAD_A * WINOGRAD_A, b_2 = WINOGRAD_B * WINOGRAD_B;
static const float a_3 = WINOGRAD_A * WINOGRAD_A * WINOGRAD_A;
static const float b_3 = WINOGRAD_B * WINOGRAD_B * WINOGRAD_B;

/* One over the Lagrange factors of 0, +-a and +-b. */
static const float at_0 = 1.0F / (WINOGRAD_A * WINOGRAD_A * WINOGRAD_B * WINOGRAD_B);
static const float at_a =
    1.0F / (2.0F * WINOGRAD_A * WINOGRAD_A * (WINOGRAD_A * WINOGRAD_A - WINOGRAD_B * WINOGRAD_B));
static const float at_b =
    1.0F / (2.0F * WINOGRAD_B * WINOGRAD_B * (WINOGRAD_B * WINOGRAD_B - WINOGRAD_A * WINOGRAD_A));

/* v * factor + w */
INLINE vec times(float factor, vec v, vec w)
{
    return vec_fma(vec_set(factor), v, w);
}

/*
 * The product of (t - q) over all points q but one, applied to six pixels: `end` for the points 0
 * (pixels 0, 2, 4) and infinity (1, 3, 5), `pair` for a point and its negative (pixels 1 to 4),
 * where `other` is the square of the other pair.
 */
INLINE vec patch_end(vec first, vec second, vec third)
{
    return times(a_2 * b_2, first, times(-(a_2 + b_2), second, third));
}

INLINE void patch_pair(vec out[2], float point, float other, vec d1, vec d2, vec d3, vec d4)
{
    const vec even = times(-other, d2, d4);
    const vec odd = times(-other * point, d1, vec_mul(vec_set(point), d3));
    out[0] = vec_add(even, odd);
    out[1] = vec_sub(even, odd);
}

INLINE void patch_line(vec out[WINOGRAD_PATCH], const vec d[WINOGRAD_PATCH])
{
    out[0] = patch_end(d[0], d[2], d[4]);
    patch_pair(out + 1, point_a, b_2, d[1], d[2], d[3], d[4]);
    patch_pair(out + 3, point_b, a_2, d[1], d[2], d[3], d[4]);
    out[5] = patch_end(d[1], d[3], d[5]);
}

/* Four results from six points. */
INLINE void result_line(vec out[WINOGRAD_TILE], const vec m[WINOGRAD_PATCH])
{
    const vec even_a = vec_add(m[1], m[2]);
    const vec odd_a = vec_sub(m[1], m[2]);
    const vec even_b = vec_add(m[3], m[4]);
    const vec odd_b = vec_sub(m[3], m[4]);
    out[0] = vec_add(m[0], vec_add(even_a, even_b));
    out[1] = times(point_a, odd_a, vec_mul(vec_set(point_b), odd_b));
    out[2] = times(a_2, even_a, vec_mul(vec_set(b_2), even_b));
    out[3] = times(a_3, odd_a, times(b_3, odd_b, m[5]));
}

/* Four gradients as a polynomial at the points, divided by the Lagrange factors. */
INLINE void grad_line(vec out[WINOGRAD_PATCH], const vec d[WINOGRAD_TILE])
{
    const vec even_a = times(at_a * a_2, d[2], vec_mul(vec_set(at_a), d[0]));
    const vec odd_a = times(at_a * a_3, d[3], vec_mul(vec_set(at_a * point_a), d[1]));
    const vec even_b = times(at_b * b_2, d[2], vec_mul(vec_set(at_b), d[0]));
    const vec odd_b = times(at_b * b_3, d[3], vec_mul(vec_set(at_b * point_b), d[1]));
    out[0] = vec_mul(vec_set(at_0), d[0]);
    out[1] = vec_add(even_a, odd_a);
    out[2] = vec_sub(even_a, odd_a);
    out[3] = vec_add(even_b, odd_b);
    out[4] = vec_sub(even_b, odd_b);
    out[5] = d[3];
}

/* Three taps from six points. */
INLINE void weights_line(vec out[WINOGRAD_PIECE], const vec m[WINOGRAD_PATCH])
{
    const vec even_a = vec_add(m[1], m[2]);
    const vec odd_a = vec_sub(m[1], m[2]);
    const vec even_b = vec_add(m[3], m[4]);
    const vec odd_b = vec_sub(m[3], m[4]);
    out[0] = vec_add(m[0], vec_add(even_a, even_b));
    out[1] = times(point_a, odd_a, vec_mul(vec_set(point_b), odd_b));
    out[2] = times(a_2, even_a, times(b_2, even_b, m[5]));
}

/*
 * The same pointer, but the compiler no longer knows how it was made. Otherwise it keeps every one
 * of a transform's 36 addresses, on the stack, instead of stepping from one to the next.
 */
INLINE const float *stepped(const float *p)
{
    __asm__("" : "+r"(p));
    return p;
}

INLINE float *stepped_out(float *p)
{
    __asm__("" : "+r"(p));
    return p;
}

/* Pixels of one vector of channels, as a transform reads them. */
struct pixels {
    const float *first;
    ptrdiff_t row, pixel; /* floats between rows and pixels */
};

/*
 * The pixels of a square from channel k on: in the map itself, or in `copy` when some of them lie
 * outside (these are zeros) or the map has less than a vector of channels left.
 */
INLINE struct pixels pixels_of(const struct winograd_square *s, const float *map, int k,
                               int channels, int size, float *copy)
{
    const bool inside = s->y0 <= 0 && s->x0 <= 0 && s->y1 >= size && s->x1 >= size;
    if (inside && channels - k >= LANES)
        return (struct pixels){map + s->origin + k, s->row, s->pixel};
    const lanes some = lanes_first(channels - k);
    float *to = copy;
    for (int y = 0; y < size; y++) {
        for (int x = 0; x < size; x++, to += LANES) {
            vec value = vec_zero();
            if (y >= s->y0 && y < s->y1 && x >= s->x0 && x < s->x1)
                value = vec_load_some(map + s->origin + y * s->row + x * s->pixel + k, some);
            vec_store(to, value);
        }
    }
    return (struct pixels){copy, (ptrdiff_t)size * LANES, LANES};
}

/* Six points, as floats or rounded to BF16 (narrow). */
INLINE void store_points(float *out, ptrdiff_t point, const vec done[WINOGRAD_PATCH], bool narrow)
{
    UNROLL
    for (int x = 0; x < WINOGRAD_PATCH; x++) {
        if (narrow)
            narrow_store(out, done[x]);
        else
            vec_store(out, done[x]);
        out = stepped_out(out + point);
    }
}

/* Points 0 (first = 0) or infinity (first = 1) of the columns. */
INLINE void patch_outer(struct pixels p, float *out, ptrdiff_t point, int first, bool narrow)
{
    vec line[WINOGRAD_PATCH], done[WINOGRAD_PATCH];
    const float *from = p.first + first * p.row;
    UNROLL
    for (int x = 0; x < WINOGRAD_PATCH; x++) {
        line[x] = patch_end(vec_load(from), vec_load(from + 2 * p.row), vec_load(from + 4 * p.row));
        from = stepped(from + p.pixel);
    }
    patch_line(done, line);
    store_points(out, point, done, narrow);
}

/* A point and its negative of the columns, into two rows of points. */
INLINE void patch_inner(struct pixels p, float *out, ptrdiff_t point, float at, float other,
                        bool narrow)
{
    vec above[WINOGRAD_PATCH], below[WINOGRAD_PATCH], done[WINOGRAD_PATCH];
    const float *from = p.first + p.row;
    UNROLL
    for (int x = 0; x < WINOGRAD_PATCH; x++) {
        vec pair[2];
        patch_pair(pair, at, other, vec_load(from), vec_load(from + p.row),
                   vec_load(from + 2 * p.row), vec_load(from + 3 * p.row));
        above[x] = pair[0];
        below[x] = pair[1];
        from = stepped(from + p.pixel);
    }
    patch_line(done, above);
    store_points(out, point, done, narrow);
    patch_line(done, below);
    store_points(out + WINOGRAD_PATCH * point, point, done, narrow);
}

/* The same of a BF16 map, always in `copy`. */
INLINE struct pixels pixels_of_bf16(const struct winograd_square *s, const uint16_t *map, int k,
                                    int channels, float *copy)
{
    const lanes some = lanes_first(channels - k);
    float *to = copy;
    for (int y = 0; y < WINOGRAD_PATCH; y++) {
        for (int x = 0; x < WINOGRAD_PATCH; x++, to += LANES) {
            vec value = vec_zero();
            if (y >= s->y0 && y < s->y1 && x >= s->x0 && x < s->x1)
                value = vec_load_bf16(map + s->origin + y * s->row + x * s->pixel + k, some);
            vec_store(to, value);
        }
    }
    return (struct pixels){copy, (ptrdiff_t)WINOGRAD_PATCH * LANES, LANES};
}

/*
 * One vector of channels. Only one or two rows of points are made at a time,
 * straight from the pixels: reading these again from the first-level cache is cheaper than keeping
 * all 36 values outside the registers.
 */
INLINE void patch_points(struct pixels p, float *out, ptrdiff_t point, bool narrow)
{
    const ptrdiff_t row = WINOGRAD_PATCH * point;
    patch_outer(p, out, point, 0, narrow);
    patch_inner(p, out + row, point, point_a, b_2, narrow);
    patch_inner(p, out + 3 * row, point, point_b, a_2, narrow);
    patch_outer(p, out + 5 * row, point, 1, narrow);
}

/* From channel k on. */
INLINE void patch_vector(const struct winograd_square *s, const float *map, int k, int channels,
                         float *out, ptrdiff_t point, bool narrow)
{
    _Alignas(64) float copy[WINOGRAD_POINTS * LANES];
    patch_points(pixels_of(s, map, k, channels, WINOGRAD_PATCH, copy), out, point, narrow);
}

static void winograd_patch(const struct winograd_square *square, const float *map, int channels,
                           float *out, ptrdiff_t point)
{
    const struct winograd_square s = *square;
    for (int k = 0; k < channels; k += LANES)
        patch_vector(&s, map, k, channels, out + k / CONV_SLOT, point, CONV_SLOT == 2);
}

static void winograd_patch_bf16(const struct winograd_square *square, const uint16_t *map,
                                int channels, float *out, ptrdiff_t point)
{
    _Alignas(64) float copy[WINOGRAD_POINTS * LANES];
    const struct winograd_square s = *square;
    for (int k = 0; k < channels; k += LANES)
        patch_points(pixels_of_bf16(&s, map, k, channels, copy), out + k / CONV_SLOT, point,
                     CONV_SLOT == 2);
}

INLINE void grad_vector(const struct winograd_square *s, const float *map, int k, int channels,
                        float *out, ptrdiff_t point)
{
    _Alignas(64) float copy[WINOGRAD_TILE * WINOGRAD_TILE * LANES];
    const struct pixels p = pixels_of(s, map, k, channels, WINOGRAD_TILE, copy);
    const float *from = p.first;
    vec columns[WINOGRAD_PATCH][WINOGRAD_TILE]; /* [y][x] */
    UNROLL
    for (int x = 0; x < WINOGRAD_TILE; x++) {
        vec in[WINOGRAD_TILE], done[WINOGRAD_PATCH];
        UNROLL
        for (int y = 0; y < WINOGRAD_TILE; y++)
            in[y] = vec_load(from + y * p.row);
        from = stepped(from + p.pixel);
        grad_line(done, in);
        UNROLL
        for (int y = 0; y < WINOGRAD_PATCH; y++)
            columns[y][x] = done[y];
    }
    UNROLL
    for (int y = 0; y < WINOGRAD_PATCH; y++) {
        vec done[WINOGRAD_PATCH];
        grad_line(done, columns[y]);
        store_points(out, point, done, false);
        out = stepped_out(out + WINOGRAD_PATCH * point);
    }
}

/* Ask for what the next square to the right has and this one has not; it may lie outside. */
INLINE void fetch_next(const struct winograd_square *s, const float *map, int k, int size)
{
    const uintptr_t first = (uintptr_t)(map + k) + (uintptr_t)(s->origin * (ptrdiff_t)sizeof *map);
    for (int y = 0; y < size; y++)
        for (int x = size; x < size + WINOGRAD_TILE; x++) {
            const ptrdiff_t offset = (y * s->row + x * s->pixel) * (ptrdiff_t)sizeof *map;
            __builtin_prefetch((const void *)(first + (uintptr_t)offset));
        }
}

#if CONV_SLOT == 2

/* The points of two squares, slot by slot; `b` is NULL when there is one. */
INLINE void pair_points(const float *a, const float *b, float *out, ptrdiff_t point)
{
    UNROLL
    for (int p = 0; p < WINOGRAD_POINTS; p++) {
        const vec second = b ? vec_load(b + p * LANES) : vec_zero();
        vec_store(out, vec_pairs(vec_load(a + p * LANES), second));
        out = stepped_out(out + point);
    }
}

static void winograd_x(const struct winograd_square *s, int n, const float *map, int channels,
                       float *out, ptrdiff_t point)
{
    _Alignas(64) float a[WINOGRAD_POINTS * LANES], b[WINOGRAD_POINTS * LANES];
    for (int k = 0; k < channels; k += LANES) {
        for (int i = 0; i < n; i++) {
            fetch_next(&s[i], map, k, WINOGRAD_PATCH);
            patch_vector(&s[i], map, k, channels, i == 0 ? a : b, LANES, false);
        }
        pair_points(a, n > 1 ? b : NULL, out + k, point);
    }
}

static void winograd_dy(const struct winograd_square *s, int n, const float *map, int channels,
                        float *out, ptrdiff_t point)
{
    _Alignas(64) float a[WINOGRAD_POINTS * LANES], b[WINOGRAD_POINTS * LANES];
    for (int k = 0; k < channels; k += LANES) {
        for (int i = 0; i < n; i++) {
            fetch_next(&s[i], map, k, WINOGRAD_TILE);
            grad_vector(&s[i], map, k, channels, i == 0 ? a : b, LANES);
        }
        pair_points(a, n > 1 ? b : NULL, out + k, point);
    }
}

#else

static void winograd_x(const struct winograd_square *square, int n, const float *map, int channels,
                       float *out, ptrdiff_t point)
{
    (void)n; /* 1 */
    const struct winograd_square s = *square;
    for (int k = 0; k < channels; k += LANES) {
        fetch_next(&s, map, k, WINOGRAD_PATCH);
        patch_vector(&s, map, k, channels, out + k, point, false);
    }
}

static void winograd_dy(const struct winograd_square *square, int n, const float *map, int channels,
                        float *out, ptrdiff_t point)
{
    (void)n; /* 1 */
    const struct winograd_square s = *square;
    for (int k = 0; k < channels; k += LANES) {
        fetch_next(&s, map, k, WINOGRAD_TILE);
        grad_vector(&s, map, k, channels, out + k, point);
    }
}

#endif

/* One column of the points' sums. */
INLINE void load_sums(vec out[WINOGRAD_PATCH], const float *in, ptrdiff_t point)
{
    UNROLL
    for (int y = 0; y < WINOGRAD_PATCH; y++) {
        out[y] = vec_load(in);
        in = stepped(in + WINOGRAD_PATCH * point);
    }
}

/* Three taps as a polynomial at the points, divided by the Lagrange factors. */
INLINE void taps_line(vec out[WINOGRAD_PATCH], vec g0, vec g1, vec g2)
{
    const vec even_a = times(at_a * a_2, g2, vec_mul(vec_set(at_a), g0));
    const vec even_b = times(at_b * b_2, g2, vec_mul(vec_set(at_b), g0));
    const vec odd_a = vec_mul(vec_set(at_a * point_a), g1);
    const vec odd_b = vec_mul(vec_set(at_b * point_b), g1);
    out[0] = vec_mul(vec_set(at_0), g0);
    out[1] = vec_add(even_a, odd_a);
    out[2] = vec_sub(even_a, odd_a);
    out[3] = vec_add(even_b, odd_b);
    out[4] = vec_sub(even_b, odd_b);
    out[5] = g2;
}

/* One vector of target channels; its taps are `width` floats apart. */
INLINE void taps_vector(const float *taps, int width, float *out, ptrdiff_t point)
{
    vec columns[WINOGRAD_PIECE][WINOGRAD_PATCH]; /* [x][y] */
    UNROLL
    for (int x = 0; x < WINOGRAD_PIECE; x++) {
        const float *from = taps + x * width;
        taps_line(columns[x], vec_load(from), vec_load(from + WINOGRAD_PIECE * width),
                  vec_load(from + 2 * WINOGRAD_PIECE * width));
    }
    UNROLL
    for (int y = 0; y < WINOGRAD_PATCH; y++) {
        vec done[WINOGRAD_PATCH];
        taps_line(done, columns[0][y], columns[1][y], columns[2][y]);
        store_points(out, point, done, false);
        out = stepped_out(out + WINOGRAD_PATCH * point);
    }
}

static void winograd_taps(const float *taps, int width, float *out, ptrdiff_t point)
{
#if CONV_SLOT == 2
    _Alignas(64) float a[WINOGRAD_POINTS * LANES], b[WINOGRAD_POINTS * LANES];
    const float *second = taps + (ptrdiff_t)WINOGRAD_PIECE * WINOGRAD_PIECE * width;
    for (int k = 0; k < width; k += LANES) {
        taps_vector(taps + k, width, a, LANES);
        taps_vector(second + k, width, b, LANES);
        pair_points(a, b, out + k, point);
    }
#else
    for (int k = 0; k < width; k += LANES)
        taps_vector(taps + k, width, out + k, point);
#endif
}

/* One result on its way into the map. */
INLINE void finish_one(vec sum, const struct conv_finish *finish, vec bias, float *to, lanes some)
{
    vec value = vec_add(sum, bias);
    if (finish->accumulate)
        value = vec_add(vec_load_some(to, some), value);
    if (finish->relu)
        value = vec_relu(value);
    vec_store_some(to, value, some);
}

/* The 4x4 results of one vector of channels. */
INLINE void result_tile(const float *in, ptrdiff_t point, vec out[WINOGRAD_TILE][WINOGRAD_TILE])
{
    vec columns[WINOGRAD_TILE][WINOGRAD_PATCH];
    UNROLL
    for (int x = 0; x < WINOGRAD_PATCH; x++) {
        vec sums[WINOGRAD_PATCH], done[WINOGRAD_TILE];
        load_sums(sums, in + x * point, point);
        result_line(done, sums);
        UNROLL
        for (int y = 0; y < WINOGRAD_TILE; y++)
            columns[y][x] = done[y];
    }
    UNROLL
    for (int y = 0; y < WINOGRAD_TILE; y++)
        result_line(out[y], columns[y]);
}

static void winograd_result(const struct winograd_square *square, const float *in, ptrdiff_t point,
                            int channels, const struct conv_finish *how, float *map)
{
    const struct winograd_square s = *square;
    const struct conv_finish finish = *how;
    for (int k = 0; k < channels; k += LANES) {
        const lanes some = lanes_first(channels - k);
        const vec bias = finish.bias ? vec_load_some(finish.bias + k, some) : vec_zero();
        vec tile[WINOGRAD_TILE][WINOGRAD_TILE];
        result_tile(in + k, point, tile);
        UNROLL
        for (int y = 0; y < WINOGRAD_TILE; y++) {
            if (y < s.y0 || y >= s.y1)
                continue;
            UNROLL
            for (int x = 0; x < WINOGRAD_TILE; x++)
                if (x < s.x1)
                    finish_one(tile[y][x], &finish, bias,
                               map + s.origin + y * s.row + x * s.pixel + k, some);
        }
    }
}

static void winograd_result_bf16(const struct winograd_square *square, const float *in,
                                 ptrdiff_t point, int channels, const struct conv_call *call)
{
    const struct winograd_square s = *square;
    const struct conv_constants *c = call->c;
    const vec low = vec_set(c->low), high = vec_set(c->high);
    const ptrdiff_t columns = s.row / s.pixel, first = s.origin / s.pixel;
    for (int k = 0; k < channels; k += LANES) {
        const lanes some = lanes_first(channels - k);
        const vec bias = vec_load_some(c->bias + k, some);
        vec tile[WINOGRAD_TILE][WINOGRAD_TILE];
        result_tile(in + k, point, tile);
        UNROLL
        for (int y = 0; y < WINOGRAD_TILE; y++) {
            if (y < s.y0 || y >= s.y1)
                continue;
            UNROLL
            for (int x = 0; x < WINOGRAD_TILE; x++) {
                const ptrdiff_t pixel = first + y * columns + x;
                vec r = vec_add(tile[y][x], bias);
                if (x >= s.x1)
                    continue;
                if (call->add)
                    r = vec_add(
                        r, vec_load_bf16((const uint16_t *)call->add + pixel * c->add_pitch + k,
                                         some));
                vec_store_bf16((uint16_t *)call->y + pixel * s.pixel + k, vec_limited(r, low, high),
                               some);
            }
        }
    }
}

static void winograd_weights(const struct winograd_square *square, const float *in, ptrdiff_t point,
                             int channels, float *dw)
{
    const struct winograd_square s = *square;
    for (int k = 0; k < channels; k += LANES) {
        const lanes some = lanes_first(channels - k);
        vec columns[WINOGRAD_PIECE][WINOGRAD_PATCH];
        UNROLL
        for (int x = 0; x < WINOGRAD_PATCH; x++) {
            vec sums[WINOGRAD_PATCH], done[WINOGRAD_PIECE];
            load_sums(sums, in + x * point + k, point);
            weights_line(done, sums);
            UNROLL
            for (int y = 0; y < WINOGRAD_PIECE; y++)
                columns[y][x] = done[y];
        }
        UNROLL
        for (int y = 0; y < WINOGRAD_PIECE; y++) {
            vec done[WINOGRAD_PIECE];
            weights_line(done, columns[y]);
            if (y >= s.y1)
                continue;
            UNROLL
            for (int x = 0; x < WINOGRAD_PIECE; x++) {
                float *to = dw + s.origin + y * s.row + x * s.pixel + k;
                if (x < s.x1)
                    vec_store_some(to, vec_add(vec_load_some(to, some), done[x]), some);
            }
        }
    }
}

#endif
