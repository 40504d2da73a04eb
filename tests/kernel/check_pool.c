/*
 * Max pooling (exact; its gradient within 16 * 2^-24 of the magnitudes) and enlargement by 2
 * (8 * 2^-24; its gradient 32 * 2^-24).
 */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double unit = 0x1p-24;

static size_t area(int h, int w)
{
    return (size_t)h * (size_t)w;
}

static void draw_geometry(struct check *c, struct conv_geometry *g)
{
    static const int channels[] = {1, 3, 8, 15, 16, 17, 19, 33, 48};
    memset(g, 0, sizeof(*g));
    g->kernel_h = draw(c, 1, 4);
    g->kernel_w = draw(c, 1, 4);
    g->stride = draw(c, 1, 3);
    g->dilation = draw(c, 0, 3) == 0 ? 2 : 1;
    g->in_h = draw(c, 1, 12);
    g->in_w = draw(c, 1, 12);
    g->in_c = g->out_c = draw_of(c, channels, 9);
    g->pad_top = draw(c, 0, (g->kernel_h - 1) * g->dilation);
    g->pad_left = draw(c, 0, (g->kernel_w - 1) * g->dilation);
    g->out_h = draw(c, 1, (g->in_h - 1) / g->stride + 1);
    g->out_w = draw(c, 1, (g->in_w - 1) / g->stride + 1);
    g->in_pitch = draw_pitch(c, g->in_c);
    g->out_pitch = draw_pitch(c, g->out_c);
    snprintf(c->shape, sizeof(c->shape),
             "pool %dx%dx%d -> %dx%d, kernel %dx%d, stride %d, dilation %d, padding %d,%d", g->in_h,
             g->in_w, g->in_c, g->out_h, g->out_w, g->kernel_h, g->kernel_w, g->stride, g->dilation,
             g->pad_top, g->pad_left);
}

/* Few different values, so that maxima are often tied. */
static struct map tied_map(struct check *c, size_t n_pixels, int channels, int pitch)
{
    const struct map map = map_new(c, n_pixels, channels, pitch);
    for (size_t p = 0; p < n_pixels; p++)
        for (int k = 0; k < channels; k++)
            map_pixel(&map, p)[k] = (float)draw(c, -3, 3);
    return map;
}

/* The pixel of the first maximum, or -1 where the window is padding only. */
static int first_maximum(const struct conv_geometry *g, const struct map *x, int out, int channel)
{
    int best = -1;
    for (int tap = 0; tap < g->kernel_h * g->kernel_w; tap++) {
        const int y = out / g->out_w * g->stride + tap / g->kernel_w * g->dilation - g->pad_top;
        const int ix = out % g->out_w * g->stride + tap % g->kernel_w * g->dilation - g->pad_left;
        if (y < 0 || y >= g->in_h || ix < 0 || ix >= g->in_w)
            continue;
        const int pixel = y * g->in_w + ix;
        if (best < 0 || map_pixel(x, (size_t)pixel)[channel] > map_pixel(x, (size_t)best)[channel])
            best = pixel;
    }
    return best;
}

static void check_max(struct check *c)
{
    struct conv_geometry g;
    draw_geometry(c, &g);
    const struct map x = tied_map(c, area(g.in_h, g.in_w), g.in_c, g.in_pitch);
    const struct map y = map_new(c, area(g.out_h, g.out_w), g.out_c, g.out_pitch);
    map_freeze(c, &x);
    for (int row = 0, n; (n = draw_piece(c, g.out_h - row)) > 0; row += n)
        c->kernels->max_pool(&g, x.data, y.data, row, row + n);
    for (int out = 0; out < g.out_h * g.out_w; out++) {
        for (int k = 0; k < g.in_c; k++) {
            const int best = first_maximum(&g, &x, out, k);
            const float expected = best < 0 ? 0.0F : map_pixel(&x, (size_t)best)[k];
            check_close(c, "y", (size_t)out, (double)map_pixel(&y, (size_t)out)[k],
                        (double)expected, 1e-30);
        }
    }
}

static void check_max_back(struct check *c)
{
    struct conv_geometry g;
    draw_geometry(c, &g);
    const struct map x = tied_map(c, area(g.in_h, g.in_w), g.in_c, g.in_pitch);
    const struct map dy = map_random(c, area(g.out_h, g.out_w), g.out_c, g.out_pitch);
    const bool accumulate = draw_bool(c);
    const struct map dx = map_random(c, x.n_pixels, g.in_c, g.in_pitch);
    const struct map old = map_copy(c, &dx);
    const struct map pieces = map_copy(c, &dx);
    map_freeze(c, &x);
    map_freeze(c, &dy);
    c->kernels->max_pool_back(&g, x.data, dy.data, accumulate, dx.data, 0, g.in_h);
    for (int row = 0, n; (n = draw_piece(c, g.in_h - row)) > 0; row += n)
        c->kernels->max_pool_back(&g, x.data, dy.data, accumulate, pieces.data, row, row + n);
    if (!map_same_bits(&dx, &pieces))
        check_fail(c, "dx depends on how its rows are shared out");
    for (int k = 0; k < g.in_c; k++) {
        double expected[12 * 12], size[12 * 12];
        for (size_t i = 0; i < x.n_pixels; i++) {
            expected[i] = accumulate ? (double)map_pixel(&old, i)[k] : 0.0;
            size[i] = fabs(expected[i]);
        }
        for (int out = 0; out < g.out_h * g.out_w; out++) {
            const int best = first_maximum(&g, &x, out, k);
            if (best < 0)
                continue;
            const double grad = (double)map_pixel(&dy, (size_t)out)[k];
            expected[best] += grad;
            size[best] += fabs(grad);
        }
        for (size_t i = 0; i < x.n_pixels; i++)
            check_close(c, "dx", i, (double)map_pixel(&dx, i)[k], expected[i],
                        16.0 * unit * size[i] + 1e-40);
    }
}

/* Bilinear weights by the definition: output o samples at (o + 1/2) / 2 - 1/2, clamped. */
static double weight_of(int o, int i, int size)
{
    const double at = ((double)o + 0.5) / 2.0 - 0.5;
    const int low = (int)floor(at);
    const double part = at - (double)low;
    const int first = low < 0 ? 0 : low;
    const int second = low + 1 >= size ? size - 1 : low + 1;
    return (i == first ? 1.0 - part : 0.0) + (i == second ? part : 0.0);
}

static void check_upsample(struct check *c)
{
    static const int channels_list[] = {1, 3, 8, 16, 17, 19, 33, 48};
    const int h = draw(c, 1, 7);
    const int w = draw(c, 1, 9);
    const int channels = draw_of(c, channels_list, 8);
    const bool backward = draw_bool(c);
    const bool accumulate = backward && draw_bool(c);
    snprintf(c->shape, sizeof(c->shape), "upsample2%s %dx%dx%d", backward ? "_back" : "", h, w,
             channels);
    const struct map small = map_random(c, area(h, w), channels, draw_pitch(c, channels));
    const struct map large = map_random(c, area(2 * h, 2 * w), channels, draw_pitch(c, channels));
    const struct map *out = backward ? &small : &large;
    const struct map *in = backward ? &large : &small;
    const struct map old = map_copy(c, out);
    const struct map pieces = map_copy(c, out);
    const int rows = backward ? h : 2 * h;
    map_freeze(c, in);
    for (int row = 0, n; row < rows; row += n) {
        n = draw_piece(c, rows - row);
        if (backward)
            c->kernels->upsample2_back(in->data, in->pitch, h, w, channels, accumulate, pieces.data,
                                       pieces.pitch, row, row + n);
        else
            c->kernels->upsample2(in->data, h, w, channels, in->pitch, pieces.data, pieces.pitch,
                                  row, row + n);
    }
    if (backward)
        c->kernels->upsample2_back(in->data, in->pitch, h, w, channels, accumulate, out->data,
                                   out->pitch, 0, rows);
    else
        c->kernels->upsample2(in->data, h, w, channels, in->pitch, out->data, out->pitch, 0, rows);
    if (!map_same_bits(out, &pieces))
        check_fail(c, "the result depends on how its rows are shared out");
    for (size_t o = 0; o < out->n_pixels; o++) {
        for (int k = 0; k < channels; k++) {
            double expected = accumulate ? (double)map_pixel(&old, o)[k] : 0.0;
            double size = fabs(expected);
            for (size_t i = 0; i < in->n_pixels; i++) {
                const int to = (int)(backward ? i : o);
                const int from = (int)(backward ? o : i);
                const double weight =
                    weight_of(to / (2 * w), from / w, h) * weight_of(to % (2 * w), from % w, w);
                expected += weight * (double)map_pixel(in, i)[k];
                size += fabs(weight * (double)map_pixel(in, i)[k]);
            }
            check_close(c, backward ? "dx" : "y", o, (double)map_pixel(out, o)[k], expected,
                        (backward ? 32.0 : 8.0) * unit * size + 1e-40);
        }
    }
}

static void check(struct check *c)
{
    static void (*const checks[])(struct check * c) = {check_max, check_max_back, check_upsample};
    checks[c->number % 3](c);
}

struct bench_case {
    const struct kernels *k;
    struct conv_geometry g;
    float *small, *large;
};

static void bench_max(void *ctx)
{
    const struct bench_case *b = ctx;
    b->k->max_pool(&b->g, b->large, b->small, 0, b->g.out_h);
}

static void bench_max_back(void *ctx)
{
    const struct bench_case *b = ctx;
    b->k->max_pool_back(&b->g, b->large, b->small, true, b->large, 0, b->g.in_h);
}

static void bench_upsample(void *ctx)
{
    const struct bench_case *b = ctx;
    b->k->upsample2(b->small, b->g.out_h, b->g.out_w, b->g.in_c, b->g.in_c, b->large, b->g.in_c, 0,
                    b->g.in_h);
}

static void bench_upsample_back(void *ctx)
{
    const struct bench_case *b = ctx;
    b->k->upsample2_back(b->large, b->g.in_c, b->g.out_h, b->g.out_w, b->g.in_c, false, b->small,
                         b->g.in_c, 0, b->g.out_h);
}

static void bench(const struct bench *bench)
{
    static const struct {
        const char *name;
        void (*run)(void *ctx);
    } rows[] = {{"max_pool", bench_max},
                {"max_pool_back", bench_max_back},
                {"upsample2", bench_upsample},
                {"upsample2_back", bench_upsample_back}};
    struct bench_case b = {.k = bench->kernels,
                           .g = {64, 64, 32, 32, 32, 32, 2, 2, 2, 1, 0, 0, 32, 32}};
    const size_t n = (size_t)64 * 64 * 32;
    b.small = calloc(n / 4, sizeof(float));
    b.large = calloc(n, sizeof(float));
    if (!b.small || !b.large)
        abort();
    printf("64x64 <-> 32x32 pixels of 32 channels\n");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const double seconds = bench_time(rows[i].run, &b);
        printf("%-18s %8.1f us %6.1f GB/s\n", rows[i].name, seconds * 1e6,
               (double)(n * sizeof(float)) * 1.25 / seconds * 1e-9);
    }
    free(b.small);
    free(b.large);
}

const struct family family_pool = {
    .name = "pool",
    .bound = "maxima exact; the rest 8 to 32 * 2^-24 of the magnitudes",
    .cases = 200,
    .highest = CPU_AVX512,
    .check = check,
    .bench = bench,
};
