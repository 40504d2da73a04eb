/*
 * Depthwise convolution, average pooling, enlargement by a factor, PReLU, and their gradients, by
 * their definitions in double. With n terms, |error| <= (4 sqrt(n) + 8) * 2^-24 * the sum of the
 * terms' magnitudes.
 */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A sum in double, the magnitudes in it and their number. */
struct sum {
    double value, size, terms;
};

static void sum_add(struct sum *s, double a, double b)
{
    s->value += a * b;
    s->size += fabs(a * b);
    s->terms += 1.0;
}

static double bound(const struct sum *s)
{
    return (4.0 * sqrt(s->terms) + 8.0) * 0x1p-24 * s->size + 1e-34;
}

static double at(const struct map *map, int pixel, int k)
{
    return (double)map_pixel(map, (size_t)pixel)[k];
}

/* ---- windows ----------------------------------------------------------------------------- */

static void draw_geometry(struct check *c, struct conv_geometry *g, const char *what)
{
    static const int kernels[] = {1, 2, 3, 3, 3, 5, 5, 7};
    static const int channels[] = {1, 3, 7, 8, 9, 15, 16, 17, 24, 31, 33, 48, 67};
    memset(g, 0, sizeof(*g));
    g->kernel_h = draw_of(c, kernels, 8);
    g->kernel_w = draw_bool(c) ? g->kernel_h : draw_of(c, kernels, 8);
    g->stride = draw(c, 1, 3);
    g->dilation = draw(c, 0, 2) == 0 ? draw(c, 2, 3) : 1;
    g->in_h = draw(c, 1, 13);
    g->in_w = draw_bool(c) ? draw(c, 1, 8) : draw(c, 9, 40);
    g->in_c = g->out_c = draw_of(c, channels, 13);
    g->pad_top = draw(c, 0, (g->kernel_h - 1) * g->dilation);
    g->pad_left = draw(c, 0, (g->kernel_w - 1) * g->dilation);
    g->out_h = draw(c, 1, (g->in_h - 1) / g->stride + 1);
    g->out_w = draw(c, 1, (g->in_w - 1) / g->stride + 1);
    g->in_pitch = draw_pitch(c, g->in_c);
    g->out_pitch = draw_pitch(c, g->out_c);
    snprintf(c->shape, sizeof(c->shape),
             "%s %dx%dx%d -> %dx%d, kernel %dx%d, stride %d, dilation %d, padding %d,%d", what,
             g->in_h, g->in_w, g->in_c, g->out_h, g->out_w, g->kernel_h, g->kernel_w, g->stride,
             g->dilation, g->pad_top, g->pad_left);
}

static struct map input_map(struct check *c, const struct conv_geometry *g)
{
    return map_random(c, (size_t)(g->in_h * g->in_w), g->in_c, g->in_pitch);
}

static struct map output_map(struct check *c, const struct conv_geometry *g)
{
    return map_random(c, (size_t)(g->out_h * g->out_w), g->out_c, g->out_pitch);
}

static int taps_of(const struct conv_geometry *g)
{
    return g->kernel_h * g->kernel_w;
}

/* The input pixel under a tap of an output pixel, or -1. */
static int source(const struct conv_geometry *g, int out, int tap)
{
    const int y = out / g->out_w * g->stride + tap / g->kernel_w * g->dilation - g->pad_top;
    const int x = out % g->out_w * g->stride + tap % g->kernel_w * g->dilation - g->pad_left;
    return y < 0 || y >= g->in_h || x < 0 || x >= g->in_w ? -1 : y * g->in_w + x;
}

static void check_forward(struct check *c)
{
    static const enum activation acts[] = {ACT_NONE, ACT_RELU, ACT_RELU6};
    struct conv_geometry g;
    draw_geometry(c, &g, "depthwise");
    const struct map x = input_map(c, &g), y = output_map(c, &g);
    const float *w = floats_random(c, (size_t)(taps_of(&g) * g.in_c));
    const float *bias = draw_bool(c) ? floats_random(c, (size_t)g.in_c) : NULL;
    const enum activation act = acts[draw(c, 0, 2)];
    map_freeze(c, &x);
    for (int row = 0, n; (n = draw_piece(c, g.out_h - row)) > 0; row += n)
        c->kernels->depthwise(&g, x.data, w, bias, act, y.data, row, row + n);
    for (int out = 0; out < g.out_h * g.out_w; out++) {
        for (int k = 0; k < g.in_c; k++) {
            struct sum s = {0};
            sum_add(&s, bias ? (double)bias[k] : 0.0, 1.0);
            for (int tap = 0; tap < taps_of(&g); tap++)
                if (source(&g, out, tap) >= 0)
                    sum_add(&s, at(&x, source(&g, out, tap), k), (double)w[tap * g.in_c + k]);
            double expected = act != ACT_NONE ? fmax(s.value, 0.0) : s.value;
            expected = act == ACT_RELU6 ? fmin(expected, 6.0) : expected;
            check_close(c, "y", (size_t)out, at(&y, out, k), expected, bound(&s));
        }
    }
}

/* The gradient of the input, of a depthwise convolution or of average pooling. */
static void check_input_grad(struct check *c)
{
    struct conv_geometry g;
    const bool pool = draw_bool(c), count_padding = draw_bool(c), accumulate = draw_bool(c);
    draw_geometry(c, &g, pool ? "avg_pool_back" : "depthwise_dx");
    const struct map dy = output_map(c, &g), dx = input_map(c, &g), old = map_copy(c, &dx);
    const float *w = floats_random(c, (size_t)(taps_of(&g) * g.in_c));
    map_freeze(c, &dy);
    for (int row = 0, n; (n = draw_piece(c, g.in_h - row)) > 0; row += n) {
        if (pool)
            c->kernels->avg_pool_back(&g, count_padding, dy.data, accumulate, dx.data, row,
                                      row + n);
        else
            c->kernels->depthwise_dx(&g, dy.data, w, accumulate, dx.data, row, row + n);
    }
    for (int k = 0; k < g.in_c; k++) {
        struct sum sums[13 * 40] = {{0}};
        for (int in = 0; in < g.in_h * g.in_w; in++)
            sum_add(&sums[in], accumulate ? at(&old, in, k) : 0.0, 1.0);
        for (int out = 0; out < g.out_h * g.out_w; out++) {
            int n = 0;
            for (int tap = 0; tap < taps_of(&g); tap++)
                n += count_padding || source(&g, out, tap) >= 0;
            for (int tap = 0; tap < taps_of(&g); tap++)
                if (source(&g, out, tap) >= 0)
                    sum_add(&sums[source(&g, out, tap)], at(&dy, out, k),
                            pool ? 1.0 / n : (double)w[tap * g.in_c + k]);
        }
        for (int in = 0; in < g.in_h * g.in_w; in++)
            check_close(c, "dx", (size_t)in, at(&dx, in, k), sums[in].value, bound(&sums[in]));
    }
}

static void check_weight_grad(struct check *c)
{
    struct conv_geometry g;
    draw_geometry(c, &g, "depthwise_dw");
    const struct map x = input_map(c, &g), dy = output_map(c, &g);
    const struct map dw = map_random(c, (size_t)taps_of(&g), g.in_c, g.in_c);
    const struct map old = map_copy(c, &dw);
    map_freeze(c, &x);
    map_freeze(c, &dy);
    c->kernels->depthwise_dw(&g, x.data, dy.data, dw.data);
    for (int tap = 0; tap < taps_of(&g); tap++) {
        for (int k = 0; k < g.in_c; k++) {
            struct sum s = {0};
            sum_add(&s, at(&old, tap, k), 1.0);
            for (int out = 0; out < g.out_h * g.out_w; out++)
                if (source(&g, out, tap) >= 0)
                    sum_add(&s, at(&x, source(&g, out, tap), k), at(&dy, out, k));
            check_close(c, "dw", (size_t)tap, at(&dw, tap, k), s.value, bound(&s));
        }
    }
}

static void check_average(struct check *c)
{
    struct conv_geometry g;
    draw_geometry(c, &g, "avg_pool");
    const struct map x = input_map(c, &g), y = output_map(c, &g);
    const bool count_padding = draw_bool(c);
    map_freeze(c, &x);
    for (int row = 0, n; (n = draw_piece(c, g.out_h - row)) > 0; row += n)
        c->kernels->avg_pool(&g, count_padding, x.data, y.data, row, row + n);
    for (int out = 0; out < g.out_h * g.out_w; out++) {
        for (int k = 0; k < g.in_c; k++) {
            struct sum s = {0};
            int n = 0;
            for (int tap = 0; tap < taps_of(&g); tap++) {
                const int from = source(&g, out, tap);
                n += count_padding || from >= 0;
                if (from >= 0)
                    sum_add(&s, at(&x, from, k), 1.0);
            }
            s.value /= n > 0 ? n : 1;
            s.size /= n > 0 ? n : 1;
            check_close(c, "y", (size_t)out, at(&y, out, k), s.value, bound(&s));
        }
    }
}

/* ---- enlargement ------------------------------------------------------------------------- */

/* The part of input i in output o, by the definitions of enum enlarge. */
static double part_of(enum enlarge how, int factor, int size, int o, int i)
{
    double where = (double)o / factor;
    if (how == ENLARGE_NEAREST)
        return i == o / factor ? 1.0 : 0.0;
    if (how == ENLARGE_HALF_PIXEL)
        where = (o + 0.5) / factor - 0.5;
    if (how == ENLARGE_CORNERS)
        where = size > 1 ? o * (size - 1.0) / (factor * size - 1.0) : 0.0;
    where = fmin(fmax(where, 0.0), size - 1.0);
    return fmax(0.0, 1.0 - fabs(where - i));
}

static void check_enlarge(struct check *c)
{
    static const int channels_list[] = {1, 3, 8, 17, 33};
    const int h = draw(c, 1, 6), w = draw(c, 1, 7), factor = draw(c, 1, 4);
    const int channels = draw_of(c, channels_list, 5);
    const enum enlarge how = (enum enlarge)draw(c, 0, ENLARGE_COUNT - 1);
    const bool backward = draw_bool(c), accumulate = backward && draw_bool(c);
    snprintf(c->shape, sizeof(c->shape), "enlarge%s %dx%dx%d, factor %d, kind %d",
             backward ? "_back" : "", h, w, channels, factor, how);
    const struct map small = map_random(c, (size_t)(h * w), channels, draw_pitch(c, channels));
    const struct map large =
        map_random(c, (size_t)(factor * h * factor * w), channels, draw_pitch(c, channels));
    const struct map *out = backward ? &small : &large, *in = backward ? &large : &small;
    const struct map old = map_copy(c, out);
    const int rows = backward ? h : factor * h;
    map_freeze(c, in);
    for (int row = 0, n; (n = draw_piece(c, rows - row)) > 0; row += n) {
        if (backward)
            c->kernels->enlarge_back(how, factor, in->data, in->pitch, h, w, channels, accumulate,
                                     out->data, out->pitch, row, row + n);
        else
            c->kernels->enlarge(how, factor, in->data, h, w, channels, in->pitch, out->data,
                                out->pitch, row, row + n);
    }
    for (int o = 0; o < (int)out->n_pixels; o++) {
        for (int k = 0; k < channels; k++) {
            struct sum s = {0};
            sum_add(&s, accumulate ? at(&old, o, k) : 0.0, 1.0);
            for (int i = 0; i < (int)in->n_pixels; i++) {
                const int to = backward ? i : o, from = backward ? o : i;
                const double weight = part_of(how, factor, h, to / (factor * w), from / w) *
                                      part_of(how, factor, w, to % (factor * w), from % w);
                sum_add(&s, weight, at(in, i, k));
                s.size += 0x1p-20 * fabs(at(in, i, k)); /* of the weight's own rounding */
            }
            check_close(c, backward ? "dx" : "y", (size_t)o, at(out, o, k), s.value, bound(&s));
        }
    }
}

/* ---- PReLU ------------------------------------------------------------------------------- */

static void check_prelu(struct check *c)
{
    const int n = draw(c, 1, 200), channels = draw(c, 1, 80);
    const bool accumulate = draw_bool(c);
    snprintf(c->shape, sizeof(c->shape), "prelu of %d pixels of %d channels", n, channels);
    const struct map x = map_random(c, (size_t)n, channels, draw_pitch(c, channels));
    const struct map dy = map_random(c, (size_t)n, channels, draw_pitch(c, channels));
    const struct map y = map_random(c, (size_t)n, channels, draw_pitch(c, channels));
    const struct map dx = map_copy(c, &y), old = map_copy(c, &y);
    const struct map sum = map_random(c, (size_t)channels, 1, 1), old_sum = map_copy(c, &sum);
    const float *slope = floats_random(c, (size_t)channels);
    map_freeze(c, &x);
    map_freeze(c, &dy);
    c->kernels->prelu(x.data, x.pitch, slope, y.data, y.pitch, (size_t)n, channels);
    c->kernels->prelu_back(x.data, x.pitch, slope, dy.data, dy.pitch, accumulate, dx.data, dx.pitch,
                           sum.data, (size_t)n, channels);
    for (int k = 0; k < channels; k++) {
        struct sum total = {0};
        sum_add(&total, at(&old_sum, k, 0), 1.0);
        for (int i = 0; i < n; i++) {
            const double factor = at(&x, i, k) > 0.0 ? 1.0 : (double)slope[k];
            struct sum grad = {0};
            sum_add(&grad, accumulate ? at(&old, i, k) : 0.0, 1.0);
            sum_add(&grad, factor, at(&dy, i, k));
            check_close(c, "dx", (size_t)i, at(&dx, i, k), grad.value, bound(&grad));
            check_close(c, "y", (size_t)i, at(&y, i, k), factor * at(&x, i, k),
                        0x1p-23 * fabs(factor * at(&x, i, k)));
            sum_add(&total, fmin(at(&x, i, k), 0.0), at(&dy, i, k));
        }
        check_close(c, "sum", (size_t)k, at(&sum, k, 0), total.value, bound(&total));
    }
}

static void check(struct check *c)
{
    static void (*const checks[])(struct check * c) = {check_forward,     check_input_grad,
                                                       check_weight_grad, check_average,
                                                       check_enlarge,     check_prelu};
    checks[c->number % 6](c);
}

/* ---- speed ------------------------------------------------------------------------------- */

struct bench_case {
    const struct kernels *k;
    struct conv_geometry g;
    float *x, *w, *y;
};

static void bench_forward(void *ctx)
{
    const struct bench_case *b = ctx;
    b->k->depthwise(&b->g, b->x, b->w, NULL, ACT_RELU6, b->y, 0, b->g.out_h);
}

static void bench_dx(void *ctx)
{
    const struct bench_case *b = ctx;
    b->k->depthwise_dx(&b->g, b->y, b->w, false, b->x, 0, b->g.in_h);
}

static void bench_dw(void *ctx)
{
    const struct bench_case *b = ctx;
    b->k->depthwise_dw(&b->g, b->x, b->y, b->w);
}

static void bench(const struct bench *bench)
{
    static const struct {
        const char *name;
        void (*run)(void *ctx);
    } rows[] = {
        {"depthwise", bench_forward}, {"depthwise_dx", bench_dx}, {"depthwise_dw", bench_dw}};
    static const int shapes[][2] = {{3, 1}, {3, 2}, {5, 1}}; /* kernel, stride */
    struct bench_case b = {.k = bench->kernels};
    const size_t n = (size_t)48 * 48 * 96;
    b.x = calloc(n, sizeof(float));
    b.y = calloc(n, sizeof(float));
    b.w = calloc(25 * 96, sizeof(float));
    if (!b.x || !b.y || !b.w)
        abort();
    for (size_t s = 0; s < 3; s++) {
        const int kernel = shapes[s][0], stride = shapes[s][1], out = (48 - 1) / stride + 1;
        b.g = (struct conv_geometry){48,     48,     96, out,        out,        out, kernel,
                                     kernel, stride, 1,  kernel / 2, kernel / 2, 96,  96};
        b.g.out_c = 96;
        for (size_t i = 0; i < 3; i++) {
            const double seconds = bench_time(rows[i].run, &b);
            const double macs = (double)(kernel * kernel * out * out) * 96.0;
            printf("%-14s %dx%d stride %d, 48x48x96: %8.1f us %6.1f GMAC/s, %4.1f%%\n",
                   rows[i].name, kernel, kernel, stride, seconds * 1e6, macs / seconds * 1e-9,
                   100.0 * macs / seconds / bench->ceiling);
        }
    }
    free(b.x);
    free(b.y);
    free(b.w);
}

const struct family family_depthwise = {
    .name = "depthwise",
    .bound = "(4 sqrt(n) + 8) * 2^-24 of the magnitudes of n terms",
    .cases = 300,
    .check = check,
    .bench = bench,
};
