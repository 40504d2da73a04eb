/*
 * Winograd's transforms (see winograd.h), written once for every vector width; lanes are channels.
 * A transform is the same small matrix along columns and then along rows; even and odd powers of a
 * point and of its negative are shared.
 */
#ifndef KERNEL_WINOGRAD_SIMD_H
#define KERNEL_WINOGRAD_SIMD_H

#include "kernel/winograd.h"
#include "kernel/x86/simd_words.h"

static const float point_a = WINOGRAD_A, point_b = WINOGRAD_B;
static const float a_2 = WINOGRAD_A * WINOGRAD_A, b_2 = WINOGRAD_B * WINOGRAD_B;
static const float a_3 = WINOGRAD_A * WINOGRAD_A * WINOGRAD_A;
static const float b_3 = WINOGRAD_B * WINOGRAD_B * WINOGRAD_B;

/* v * factor + w */
INLINE vec times(float factor, vec v, vec w)
{
    return vec_fma(vec_set(factor), v, w);
}

/* Six pixels: the products of (t - q) over all points q but one, applied to them. */
INLINE void patch_line(vec out[WINOGRAD_PATCH], const vec d[WINOGRAD_PATCH])
{
    const vec even_a = times(-b_2, d[2], d[4]);
    const vec odd_a = times(-b_2, d[1], d[3]);
    const vec even_b = times(-a_2, d[2], d[4]);
    const vec odd_b = times(-a_2, d[1], d[3]);
    out[0] = times(a_2 * b_2, d[0], times(-(a_2 + b_2), d[2], d[4]));
    out[1] = times(point_a, odd_a, even_a);
    out[2] = times(-point_a, odd_a, even_a);
    out[3] = times(point_b, odd_b, even_b);
    out[4] = times(-point_b, odd_b, even_b);
    out[5] = times(a_2 * b_2, d[1], times(-(a_2 + b_2), d[3], d[5]));
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
    const float at_0 = 1.0F / (a_2 * b_2);
    const float at_a = 1.0F / (2.0F * a_2 * (a_2 - b_2));
    const float at_b = 1.0F / (2.0F * b_2 * (b_2 - a_2));
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

/* One column of a square: zeros where it lies outside the map. */
INLINE void load_column(vec out[], const struct winograd_square *s, const float *map, int x,
                        int size, lanes some)
{
    const bool inside = x >= s->x0 && x < s->x1;
    UNROLL
    for (int y = 0; y < size; y++) {
        const ptrdiff_t at = s->origin + y * s->row + x * s->pixel;
        out[y] = inside && y >= s->y0 && y < s->y1 ? vec_load_some(map + at, some) : vec_zero();
    }
}

static void winograd_patch(const struct winograd_square *square, const float *map, int channels,
                           float *out, ptrdiff_t point)
{
    const struct winograd_square s = *square;
    for (int k = 0; k < channels; k += LANES) {
        const lanes some = lanes_first(channels - k);
        vec columns[WINOGRAD_PATCH][WINOGRAD_PATCH]; /* [y][x] */
        UNROLL
        for (int x = 0; x < WINOGRAD_PATCH; x++) {
            vec in[WINOGRAD_PATCH], done[WINOGRAD_PATCH];
            load_column(in, &s, map + k, x, WINOGRAD_PATCH, some);
            patch_line(done, in);
            UNROLL
            for (int y = 0; y < WINOGRAD_PATCH; y++)
                columns[y][x] = done[y];
        }
        UNROLL
        for (int y = 0; y < WINOGRAD_PATCH; y++) {
            vec done[WINOGRAD_PATCH];
            patch_line(done, columns[y]);
            UNROLL
            for (int x = 0; x < WINOGRAD_PATCH; x++)
                vec_store(out + (y * WINOGRAD_PATCH + x) * point + k, done[x]);
        }
    }
}

static void winograd_grad(const struct winograd_square *square, const float *map, int channels,
                          float *out, ptrdiff_t point)
{
    const struct winograd_square s = *square;
    for (int k = 0; k < channels; k += LANES) {
        const lanes some = lanes_first(channels - k);
        vec columns[WINOGRAD_PATCH][WINOGRAD_TILE];
        UNROLL
        for (int x = 0; x < WINOGRAD_TILE; x++) {
            vec in[WINOGRAD_TILE], done[WINOGRAD_PATCH];
            load_column(in, &s, map + k, x, WINOGRAD_TILE, some);
            grad_line(done, in);
            UNROLL
            for (int y = 0; y < WINOGRAD_PATCH; y++)
                columns[y][x] = done[y];
        }
        UNROLL
        for (int y = 0; y < WINOGRAD_PATCH; y++) {
            vec done[WINOGRAD_PATCH];
            grad_line(done, columns[y]);
            UNROLL
            for (int x = 0; x < WINOGRAD_PATCH; x++)
                vec_store(out + (y * WINOGRAD_PATCH + x) * point + k, done[x]);
        }
    }
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

static void winograd_result(const struct winograd_square *square, const float *in, ptrdiff_t point,
                            int channels, const struct conv_finish *how, float *map)
{
    const struct winograd_square s = *square;
    const struct conv_finish finish = *how;
    for (int k = 0; k < channels; k += LANES) {
        const lanes some = lanes_first(channels - k);
        const vec bias = finish.bias ? vec_load_some(finish.bias + k, some) : vec_zero();
        vec columns[WINOGRAD_TILE][WINOGRAD_PATCH];
        UNROLL
        for (int x = 0; x < WINOGRAD_PATCH; x++) {
            vec sums[WINOGRAD_PATCH], done[WINOGRAD_TILE];
            UNROLL
            for (int y = 0; y < WINOGRAD_PATCH; y++)
                sums[y] = vec_load(in + (y * WINOGRAD_PATCH + x) * point + k);
            result_line(done, sums);
            UNROLL
            for (int y = 0; y < WINOGRAD_TILE; y++)
                columns[y][x] = done[y];
        }
        UNROLL
        for (int y = 0; y < WINOGRAD_TILE; y++) {
            vec done[WINOGRAD_TILE];
            result_line(done, columns[y]);
            if (y < s.y0 || y >= s.y1)
                continue;
            UNROLL
            for (int x = 0; x < WINOGRAD_TILE; x++)
                if (x < s.x1)
                    finish_one(done[x], &finish, bias, map + s.origin + y * s.row + x * s.pixel + k,
                               some);
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
            UNROLL
            for (int y = 0; y < WINOGRAD_PATCH; y++)
                sums[y] = vec_load(in + (y * WINOGRAD_PATCH + x) * point + k);
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
