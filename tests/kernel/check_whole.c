/*
 * Winograd's algorithm in whole numbers (winograd_whole.h): every level equals plain C bit for bit.
 * Plain C is held against sums in double: rounding the transformed weights makes independent errors
 * of at most half a step s[p][j] each, so a result errs with a variance of at most
 * V = sum over p of (A[p] s[p][j])^2 / 12 * sum over c of v[p]^2, with A[p] the largest factor of
 * point p in a result; the bound is 8 sqrt(V), and 2^-18 of the largest sum of magnitudes for
 * floats.
 */
#include "check.h"

#include "kernel/bf16.h"
#include "kernel/winograd_whole.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CASES = 120, BEHIND = 64, TAPS = 9, PATCH = 6, POINTS = 36 };

static const double matrix_b[PATCH][PATCH] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0},
                                              {0, 4, -4, -1, 1, 0}, {0, -2, -1, 2, 1, 0},
                                              {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
static const double matrix_g[PATCH][3] = {{6. / 24, 0, 0},
                                          {-4. / 24, -4. / 24, -4. / 24},
                                          {-4. / 24, 4. / 24, -4. / 24},
                                          {1. / 24, 2. / 24, 4. / 24},
                                          {1. / 24, -2. / 24, 4. / 24},
                                          {0, 0, 1}};
static const double largest_a[PATCH] = {1, 1, 1, 8, 8, 1};

struct trial {
    struct conv_shape shape;
    struct conv_constants constants;
    uint8_t *x;
    void *add;
    float *w;
    size_t n_out;
};

/* ---- drawing ----------------------------------------------------------------------------- */

static uint8_t *draw_bytes(struct check *c, size_t n, int channels, int pitch, int kind)
{
    uint8_t *map = pixels_new(c, n, (size_t)channels, (size_t)pitch, BEHIND);
    for (size_t p = 0; p < n; p++)
        for (int k = 0; k < channels; k++)
            map[p * (size_t)pitch + (size_t)k] = (uint8_t)(kind == 0   ? draw(c, 0, 255)
                                                           : kind == 1 ? 255 * draw(c, 0, 1)
                                                                       : 128);
    freeze(c, map);
    return map;
}

static void *draw_added(struct check *c, enum map_type type, size_t n, int channels, int pitch)
{
    const size_t size = map_type_size(type);
    unsigned char *map = pixels_new(c, n, (size_t)channels * size, (size_t)pitch * size, BEHIND);
    for (size_t i = 0; i < n; i++)
        for (int k = 0; k < channels; k++) {
            const size_t at = i * (size_t)pitch + (size_t)k;
            if (type == MAP_U8)
                map[at] = (uint8_t)draw(c, 0, 255);
            else if (type == MAP_BF16)
                ((uint16_t *)(void *)map)[at] = bf16_round(draw_value(c));
            else
                ((float *)(void *)map)[at] = draw_value(c);
        }
    freeze(c, map);
    return map;
}

static void draw_shape(struct check *c, struct conv_shape *s)
{
    static const int depths[] = {1, 2, 3, 8, 15, 16, 17, 24, 31, 32, 33, 40, 56, 64, 100, 104};
    const int most = c->number < 4 ? 40 : 13;
    struct conv_geometry *g = &s->g;
    *s = (struct conv_shape){.g = {.in_h = draw(c, 1, most),
                                   .in_w = draw(c, 1, most),
                                   .in_c = draw_of(c, depths, sizeof depths / sizeof depths[0]),
                                   .out_c = draw_of(c, depths, sizeof depths / sizeof depths[0]),
                                   .kernel_h = 3,
                                   .kernel_w = 3,
                                   .stride = 1,
                                   .dilation = 1}};
    draw_conv_padding(c, g);
    g->in_pitch = draw_pitch(c, g->in_c);
    g->out_pitch = draw_pitch(c, g->out_c);
    s->in = MAP_U8;
    s->out = draw(c, 0, 2) > 0 ? MAP_U8 : draw_bool(c) ? MAP_F32 : MAP_BF16;
    s->adds = draw(c, 0, 2) == 0;
}

static void draw_trial(struct check *c, struct trial *t)
{
    *t = (struct trial){0};
    draw_shape(c, &t->shape);
    const struct conv_geometry *g = &t->shape.g;
    struct conv_constants *k = &t->constants;
    const bool bytes = t->shape.out == MAP_U8;
    snprintf(c->shape, sizeof c->shape, "%dx%dx%d -> %dx%dx%d, type %d%s, padding %d,%d", g->in_h,
             g->in_w, g->in_c, g->out_h, g->out_w, g->out_c, (int)t->shape.out,
             t->shape.adds ? ", adds" : "", g->pad_top, g->pad_left);
    t->n_out = (size_t)g->out_h * (size_t)g->out_w;
    t->x = draw_bytes(c, (size_t)g->in_h * (size_t)g->in_w, g->in_c, g->in_pitch, draw(c, 0, 1));
    k->zero = draw_bytes(c, 1, g->in_c, g->in_c, draw(c, 0, 2));
    k->add_pitch = draw_pitch(c, g->out_c);
    t->add = draw_added(c, t->shape.out, t->n_out, g->out_c, k->add_pitch);
    k->out_zero = bytes && draw_bool(c) ? 128 : 0;
    k->add_zero = draw_bool(c) ? 128 : 0;
    k->add_scale = (float)rng_uniform(&c->rng);
    k->low = bytes ? (float)-k->out_zero : -INFINITY;
    k->high = bytes ? (float)(255 - k->out_zero) : draw_bool(c) ? 0.5F : INFINITY;
    const size_t n = (size_t)g->in_c * (size_t)g->out_c * TAPS;
    const float unit = (bytes ? 60.0F : 1.0F) / (100.0F * sqrtf((float)(TAPS * g->in_c)));
    t->w = floats_new(c, n, false);
    for (size_t i = 0; i < n; i++) /* some channels of zeros, some far larger than others */
        t->w[i] = draw_value(c) * unit * (i % 7 == 3 ? 0.0F : i % 11 == 5 ? 20.0F : 1.0F);
    float *bias = floats_new(c, (size_t)g->out_c, false);
    for (int j = 0; j < g->out_c; j++)
        bias[j] = (bytes ? 30.0F : 1.0F) * draw_value(c);
    freeze(c, t->w);
    freeze(c, bias);
    k->bias = bias;
}

/* ---- in double --------------------------------------------------------------------------- */

static double pixel_at(const struct trial *t, int y, int x, int c)
{
    const struct conv_geometry *g = &t->shape.g;
    if (y < 0 || x < 0 || y >= g->in_h || x >= g->in_w)
        return 0;
    return (double)t->x[(y * g->in_w + x) * g->in_pitch + c] - (double)t->constants.zero[c];
}

/* The largest sum over channels of v[p]^2 of any tile. */
static void square_points(const struct trial *t, double out[POINTS])
{
    const struct conv_geometry *g = &t->shape.g;
    memset(out, 0, POINTS * sizeof *out);
    for (int y = 0; y < g->out_h; y += 4)
        for (int x = 0; x < g->out_w; x += 4)
            for (int p = 0; p < POINTS; p++) {
                double sum = 0;
                for (int c = 0; c < g->in_c; c++) {
                    double v = 0;
                    for (int i = 0; i < POINTS; i++)
                        v +=
                            matrix_b[p / PATCH][i / PATCH] * matrix_b[p % PATCH][i % PATCH] *
                            pixel_at(t, y + i / PATCH - g->pad_top, x + i % PATCH - g->pad_left, c);
                    sum += v * v;
                }
                out[p] = fmax(out[p], sum);
            }
}

/* The step of rounded weights, as the definition has it. */
static double step_of(const struct trial *t, int p, int j)
{
    const struct conv_geometry *g = &t->shape.g;
    double sum = 0, largest = 0, positive = 0, negative = 0;
    for (int c = 0; c < g->in_c; c++) {
        double u = 0;
        for (int i = 0; i < TAPS; i++)
            u += matrix_g[p / PATCH][i / 3] * matrix_g[p % PATCH][i % 3] *
                 (double)t->w[(i * g->in_c + c) * g->out_c + j];
        sum += fabs(u);
        largest = fmax(largest, fabs(u));
    }
    for (int i = 0; i < POINTS; i++) {
        const double b = matrix_b[p / PATCH][i / PATCH] * matrix_b[p % PATCH][i % PATCH];
        positive += fmax(b, 0);
        negative += fmax(-b, 0);
    }
    const double most = 2147483647.0 / (255 * fmax(positive, negative)) - g->in_c / 2.0 - 1;
    return fmax(sum / most, largest / 32767) * (1 + 0x1p-22);
}

static double error_of(const struct trial *t, const double squares[POINTS], int j)
{
    double variance = 0;
    for (int p = 0; p < POINTS; p++) {
        const double a = largest_a[p / PATCH] * largest_a[p % PATCH] * step_of(t, p, j);
        variance += a * a / 12 * squares[p];
    }
    return 8 * sqrt(variance);
}

static float value_of(enum map_type type, const void *map, size_t i)
{
    switch (type) {
    case MAP_F32: return ((const float *)map)[i];
    case MAP_BF16: return bf16_float(((const uint16_t *)map)[i]);
    default: return (float)((const uint8_t *)map)[i];
    }
}

static double answer_of(const struct trial *t, size_t pixel, int j, double *magnitude)
{
    const struct conv_geometry *g = &t->shape.g;
    const struct conv_constants *k = &t->constants;
    double r = (double)k->bias[j];
    *magnitude = fabs(r);
    for (int i = 0; i < TAPS; i++)
        for (int c = 0; c < g->in_c; c++) {
            const int y = (int)pixel / g->out_w + i / 3 - g->pad_top;
            const int x = (int)pixel % g->out_w + i % 3 - g->pad_left;
            const double v = pixel_at(t, y, x, c) * (double)t->w[(i * g->in_c + c) * g->out_c + j];
            r += v;
            *magnitude += fabs(v);
        }
    if (t->shape.adds) {
        const double other =
            (double)value_of(t->shape.out, t->add, pixel * (size_t)k->add_pitch + (size_t)j);
        r += t->shape.out == MAP_U8 ? (other - k->add_zero) * (double)k->add_scale : other;
    }
    r = fmin(fmax(r, (double)k->low), (double)k->high);
    return t->shape.out == MAP_U8 ? r + k->out_zero : r;
}

static void compare_double(struct check *c, const struct trial *t, const void *y)
{
    const struct conv_geometry *g = &t->shape.g;
    double squares[POINTS], largest = 0;
    square_points(t, squares);
    for (int j = 0; j < g->out_c; j++) {
        const double error = error_of(t, squares, j);
        for (size_t i = 0; i < t->n_out; i++) {
            double magnitude;
            const double expected = answer_of(t, i, j, &magnitude);
            largest = fmax(largest, magnitude);
            double bound = error + 0x1p-18 * largest + 1e-30;
            if (t->shape.out == MAP_U8)
                bound += 0.5;
            else if (t->shape.out == MAP_BF16)
                bound += 0x1.01p-8 * (fabs(expected) + bound);
            const float value = value_of(t->shape.out, y, i * (size_t)g->out_pitch + (size_t)j);
            check_close(c, "y", i * (size_t)g->out_c + (size_t)j, (double)value, expected, bound);
        }
    }
}

/* ---- running ----------------------------------------------------------------------------- */

static unsigned char *run_kernel(struct check *c, const struct trial *t,
                                 const struct conv_kernel *k, bool pieces)
{
    const struct conv_shape *s = &t->shape;
    const size_t size = map_type_size(s->out);
    struct conv_constants constants = t->constants;
    void *packed = bytes_new(c, k->packed(s));
    k->pack(s, t->w, packed);
    freeze(c, packed);
    constants.packed = packed;
    unsigned char *y =
        pixels_new(c, t->n_out, (size_t)s->g.out_c * size, (size_t)s->g.out_pitch * size, 0);
    const struct conv_call call = {.shape = s,
                                   .c = &constants,
                                   .x = t->x,
                                   .add = t->add,
                                   .y = y,
                                   .scratch = bytes_new(c, k->scratch(s))};
    const int n = k->items(s, 0);
    for (int left = n, piece; (piece = pieces ? draw_piece(c, left) : left) > 0; left -= piece)
        k->run(&call, 0, left - piece, left);
    return y;
}

static void compare_bits(struct check *c, const struct trial *t, const unsigned char *y,
                         const unsigned char *expected)
{
    const size_t size = map_type_size(t->shape.out), pitch = (size_t)t->shape.g.out_pitch * size;
    for (size_t p = 0; p < t->n_out; p++)
        if (memcmp(y + p * pitch, expected + p * pitch, (size_t)t->shape.g.out_c * size) != 0) {
            check_fail(c, "pixel %zu differs from plain C, or from a run in other pieces", p);
            return;
        }
}

static void check_whole(struct check *c)
{
    const struct conv_kernel *plain = conv_kernel_find("s16_winograd_ref");
    struct trial t;
    draw_trial(c, &t);
    const unsigned char *expected = run_kernel(c, &t, plain, false);
    if (c->level == CPU_REF)
        compare_double(c, &t, expected);
    for (const struct conv_kernel *const *k = conv_kernels; *k; k++) {
        if ((c->kernel && strcmp(c->kernel, (*k)->name) != 0) || (*k)->level != c->level ||
            strncmp((*k)->name, "s16_winograd", 12) != 0 || !(*k)->fits(&t.shape))
            continue;
        c->met = true;
        compare_bits(c, &t, run_kernel(c, &t, *k, false), expected);
        compare_bits(c, &t, run_kernel(c, &t, *k, true), expected);
    }
}

const struct family family_whole = {
    .name = "whole",
    .bound = "plain C bit for bit; that: 8 standard deviations of the rounding of weights",
    .cases = CASES,
    .highest = CPU_AVX512VNNI,
    .check = check_whole,
};
