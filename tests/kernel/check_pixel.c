/*
 * Kernels that treat every pixel alike. Bound: for sums over n pixels (4 sqrt(n) + 4) * 2^-24 of
 * the terms' magnitudes; otherwise 8 * 2^-24 of them.
 */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const double unit = 0x1p-24;

/* The sizes of a case and what its maps share. */
struct pixels {
    size_t n;
    int channels;
};

static struct pixels draw_pixels(struct check *c, const char *kernel)
{
    static const int channels[] = {1,  2,  3,  7,  8,  9,  15, 16, 17,  19,
                                   31, 32, 33, 38, 48, 64, 65, 96, 128, 153};
    const struct pixels p = {(size_t)(draw_bool(c) ? draw(c, 1, 40) : draw(c, 1, 700)),
                             draw_of(c, channels, 20)};
    snprintf(c->shape, sizeof(c->shape), "%s of %zu pixels of %d channels", kernel, p.n,
             p.channels);
    return p;
}

static struct map draw_map(struct check *c, const struct pixels *p)
{
    return map_random(c, p->n, p->channels, draw_pitch(c, p->channels));
}

/* A copy to work on: the kernel gets `from` itself when it runs in place. */
static struct map result_map(struct check *c, const struct pixels *p, const struct map *from,
                             bool *in_place)
{
    *in_place = from != NULL && draw(c, 0, 2) == 0;
    return *in_place ? map_copy(c, from) : draw_map(c, p);
}

static double at(const struct map *map, size_t pixel, int k)
{
    return (double)map_pixel(map, pixel)[k];
}

static enum activation draw_act(struct check *c)
{
    return (enum activation)draw(c, 0, ACT_COUNT - 1);
}

/* Some case or other has a NaN, which has to come out again. */
static void poke_nan(struct check *c, const struct pixels *p, const struct map *map)
{
    if (draw(c, 0, 5) == 0)
        map_pixel(map, (size_t)draw(c, 0, (int)p->n - 1))[draw(c, 0, p->channels - 1)] = NAN;
}

/* Value and bound of an activation whose argument is known within `error`. */
static double activated(enum activation act, double x, double *error)
{
    switch (act) {
    case ACT_RELU: return x < 0.0 ? 0.0 : x;
    case ACT_RELU6: return x < 0.0 ? 0.0 : x > 6.0 ? 6.0 : x;
    case ACT_SIGMOID:
    case ACT_TANH: {
        const double y = act == ACT_TANH ? tanh(x) : 1.0 / (1.0 + exp(-x));
        *error += 8.0 * unit * fabs(y) + 1e-34;
        return y;
    }
    default: return x;
    }
}

static void check_sums(struct check *c)
{
    const struct pixels p = draw_pixels(c, "channel_sums");
    const struct map x = draw_map(c, &p);
    const struct map sum = map_random(c, (size_t)p.channels, 1, 1);
    const struct map squares = map_random(c, (size_t)p.channels, 1, 1);
    const struct map old_sum = map_copy(c, &sum);
    const struct map old_squares = map_copy(c, &squares);
    const bool both = draw_bool(c);
    map_freeze(c, &x);
    c->kernels->channel_sums(x.data, p.n, p.channels, x.pitch, sum.data,
                             both ? squares.data : NULL);
    const double factor = (4.0 * sqrt((double)p.n) + 4.0) * unit;
    for (int k = 0; k < p.channels; k++) {
        double total = (double)old_sum.data[k];
        double total_squares = (double)old_squares.data[k];
        double size = fabs(total);
        double size_squares = fabs(total_squares);
        for (size_t i = 0; i < p.n; i++) {
            const double value = at(&x, i, k);
            total += value;
            size += fabs(value);
            total_squares += both ? value * value : 0.0;
            size_squares += both ? value * value : 0.0;
        }
        check_close(c, "sum", (size_t)k, (double)sum.data[k], total, factor * size);
        check_close(c, "squares", (size_t)k, (double)squares.data[k], total_squares,
                    factor * size_squares);
    }
}

static void check_scale_shift(struct check *c)
{
    const struct pixels p = draw_pixels(c, "scale_shift");
    const struct map x = draw_map(c, &p);
    const float *scale = floats_random(c, (size_t)p.channels);
    const float *shift = floats_random(c, (size_t)p.channels);
    const enum activation act = draw_act(c);
    bool in_place;
    poke_nan(c, &p, &x);
    const struct map y = result_map(c, &p, &x, &in_place);
    map_freeze(c, &x);
    c->kernels->scale_shift(in_place ? y.data : x.data, x.pitch, scale, shift, act, y.data, y.pitch,
                            p.n, p.channels);
    for (size_t i = 0; i < p.n; i++) {
        for (int k = 0; k < p.channels; k++) {
            const double product = at(&x, i, k) * (double)scale[k];
            double error = 4.0 * unit * (fabs(product) + fabs((double)shift[k])) + 1e-40;
            const double expected = activated(act, product + (double)shift[k], &error);
            check_close(c, "y", i, at(&y, i, k), expected, error);
        }
    }
}

static void check_norm_sums(struct check *c)
{
    const struct pixels p = draw_pixels(c, "norm_back_sums");
    const struct map x = draw_map(c, &p);
    const struct map y = draw_map(c, &p);
    const struct map dy = draw_map(c, &p);
    const float *mean = floats_random(c, (size_t)p.channels);
    const float *inv_std = floats_random(c, (size_t)p.channels);
    const struct map sum_g = map_random(c, (size_t)p.channels, 1, 1);
    const struct map sum_gx = map_random(c, (size_t)p.channels, 1, 1);
    const struct map old_g = map_copy(c, &sum_g);
    const struct map old_gx = map_copy(c, &sum_gx);
    const bool gate = draw_bool(c);
    map_freeze(c, &x);
    map_freeze(c, &y);
    map_freeze(c, &dy);
    c->kernels->norm_back_sums(x.data, x.pitch, gate ? y.data : NULL, y.pitch, dy.data, dy.pitch,
                               mean, inv_std, p.n, p.channels, sum_g.data, sum_gx.data);
    const double factor = (4.0 * sqrt((double)p.n) + 8.0) * unit;
    for (int k = 0; k < p.channels; k++) {
        double g_total = (double)old_g.data[k];
        double gx_total = (double)old_gx.data[k];
        double g_size = fabs(g_total);
        double gx_size = fabs(gx_total);
        for (size_t i = 0; i < p.n; i++) {
            const double g = gate && !(at(&y, i, k) > 0.0) ? 0.0 : at(&dy, i, k);
            const double scaled = g * (double)inv_std[k];
            g_total += g;
            g_size += fabs(g);
            gx_total += scaled * (at(&x, i, k) - (double)mean[k]);
            gx_size += fabs(scaled) * (fabs(at(&x, i, k)) + fabs((double)mean[k]));
        }
        check_close(c, "sum_g", (size_t)k, (double)sum_g.data[k], g_total, factor * g_size);
        check_close(c, "sum_gx", (size_t)k, (double)sum_gx.data[k], gx_total, factor * gx_size);
    }
}

static void check_norm_apply(struct check *c)
{
    const struct pixels p = draw_pixels(c, "norm_back_apply");
    const struct map x = draw_map(c, &p);
    const struct map y = draw_map(c, &p);
    const struct map dy = draw_map(c, &p);
    const float *a = floats_random(c, (size_t)p.channels);
    const float *b = floats_random(c, (size_t)p.channels);
    const float *shift = floats_random(c, (size_t)p.channels);
    const bool gate = draw_bool(c);
    const bool accumulate = draw_bool(c);
    bool in_place;
    const struct map dx = result_map(c, &p, &dy, &in_place);
    const struct map old = map_copy(c, &dx);
    map_freeze(c, &x);
    map_freeze(c, &y);
    map_freeze(c, &dy);
    c->kernels->norm_back_apply(x.data, x.pitch, gate ? y.data : NULL, y.pitch,
                                in_place ? dx.data : dy.data, dy.pitch, a, b, shift, accumulate,
                                dx.data, dx.pitch, p.n, p.channels);
    for (size_t i = 0; i < p.n; i++) {
        for (int k = 0; k < p.channels; k++) {
            const double g = gate && !(at(&y, i, k) > 0.0) ? 0.0 : at(&dy, i, k);
            const double parts[] = {(double)a[k] * g, (double)b[k] * at(&x, i, k), (double)shift[k],
                                    accumulate ? at(&old, i, k) : 0.0};
            double total = 0.0;
            double size = 1e-40;
            for (int j = 0; j < 4; j++) {
                total += parts[j];
                size += fabs(parts[j]);
            }
            check_close(c, "dx", i, at(&dx, i, k), total, 8.0 * unit * size);
        }
    }
}

static void check_act(struct check *c)
{
    const struct pixels p = draw_pixels(c, "act");
    const struct map x = draw_map(c, &p);
    const enum activation act = draw_act(c);
    const float scale = draw_bool(c) ? 1.0F : draw_bool(c) ? 1e-4F : 40.0F;
    for (size_t i = 0; i < p.n; i++)
        for (int k = 0; k < p.channels; k++)
            map_pixel(&x, i)[k] *= scale;
    bool in_place;
    poke_nan(c, &p, &x);
    const struct map y = result_map(c, &p, &x, &in_place);
    map_freeze(c, &x);
    c->kernels->act(act, in_place ? y.data : x.data, x.pitch, y.data, y.pitch, p.n, p.channels);
    for (size_t i = 0; i < p.n; i++) {
        for (int k = 0; k < p.channels; k++) {
            double error = 1e-34;
            const double expected = activated(act, at(&x, i, k), &error);
            check_close(c, "y", i, at(&y, i, k), expected, error);
        }
    }
}

static double slope(enum activation act, double y)
{
    switch (act) {
    case ACT_RELU: return y > 0.0 ? 1.0 : 0.0;
    case ACT_RELU6: return y > 0.0 && y < 6.0 ? 1.0 : 0.0;
    case ACT_SIGMOID: return y * (1.0 - y);
    case ACT_TANH: return 1.0 - y * y;
    default: return 1.0;
    }
}

static void check_act_back(struct check *c)
{
    const struct pixels p = draw_pixels(c, "act_back");
    const struct map y = draw_map(c, &p);
    const struct map dy = draw_map(c, &p);
    const enum activation act = draw_act(c);
    const bool accumulate = draw_bool(c);
    bool in_place;
    const struct map dx = result_map(c, &p, &dy, &in_place);
    const struct map old = map_copy(c, &dx);
    map_freeze(c, &y);
    map_freeze(c, &dy);
    c->kernels->act_back(act, y.data, y.pitch, in_place ? dx.data : dy.data, dy.pitch, accumulate,
                         dx.data, dx.pitch, p.n, p.channels);
    for (size_t i = 0; i < p.n; i++) {
        for (int k = 0; k < p.channels; k++) {
            const double before = accumulate ? at(&old, i, k) : 0.0;
            const double value = at(&y, i, k);
            const double grad = at(&dy, i, k);
            const double size = fabs(before) + fabs(grad) * (1.0 + fabs(value) + value * value);
            check_close(c, "dx", i, at(&dx, i, k), before + grad * slope(act, value),
                        8.0 * unit * size + 1e-40);
        }
    }
}

static void check_add(struct check *c)
{
    const struct pixels p = draw_pixels(c, "add");
    const struct map x = draw_map(c, &p);
    const struct map y = draw_map(c, &p);
    const enum activation act = draw_act(c);
    bool in_place;
    poke_nan(c, &p, &y);
    const struct map z = result_map(c, &p, &x, &in_place);
    map_freeze(c, &x);
    map_freeze(c, &y);
    c->kernels->add(in_place ? z.data : x.data, x.pitch, y.data, y.pitch, act, z.data, z.pitch, p.n,
                    p.channels);
    for (size_t i = 0; i < p.n; i++) {
        for (int k = 0; k < p.channels; k++) {
            double error = 2.0 * unit * (fabs(at(&x, i, k)) + fabs(at(&y, i, k))) + 1e-34;
            const double expected = activated(act, at(&x, i, k) + at(&y, i, k), &error);
            check_close(c, "z", i, at(&z, i, k), expected, error);
        }
    }
}

static void check_mul(struct check *c)
{
    const struct pixels p = draw_pixels(c, "mul");
    const struct map x = draw_map(c, &p);
    const struct map y = draw_map(c, &p);
    const bool accumulate = draw_bool(c);
    bool in_place;
    const struct map z = result_map(c, &p, &x, &in_place);
    const struct map old = map_copy(c, &z);
    map_freeze(c, &x);
    map_freeze(c, &y);
    c->kernels->mul(in_place ? z.data : x.data, x.pitch, y.data, y.pitch, accumulate, z.data,
                    z.pitch, p.n, p.channels);
    for (size_t i = 0; i < p.n; i++) {
        for (int k = 0; k < p.channels; k++) {
            const double before = accumulate ? at(&old, i, k) : 0.0;
            const double product = at(&x, i, k) * at(&y, i, k);
            check_close(c, "z", i, at(&z, i, k), before + product,
                        2.0 * unit * (fabs(before) + fabs(product)) + 1e-40);
        }
    }
}

static void check_copy(struct check *c)
{
    const struct pixels p = draw_pixels(c, "copy");
    const struct map x = draw_map(c, &p);
    const bool accumulate = draw_bool(c);
    const struct map y = draw_map(c, &p);
    const struct map old = map_copy(c, &y);
    map_freeze(c, &x);
    c->kernels->copy(x.data, x.pitch, accumulate, y.data, y.pitch, p.n, p.channels);
    for (size_t i = 0; i < p.n; i++) {
        for (int k = 0; k < p.channels; k++) {
            const double before = accumulate ? at(&old, i, k) : 0.0;
            const double error =
                accumulate ? 2.0 * unit * (fabs(before) + fabs(at(&x, i, k))) : 0.0;
            check_close(c, "y", i, at(&y, i, k), before + at(&x, i, k), error + 1e-45);
        }
    }
}

static void check(struct check *c)
{
    static void (*const checks[])(struct check * c) = {
        check_sums,     check_scale_shift, check_norm_sums, check_norm_apply, check_act,
        check_act_back, check_add,         check_mul,       check_copy,
    };
    checks[(size_t)c->number % (sizeof(checks) / sizeof(checks[0]))](c);
}

enum { BENCH_PIXELS = 64 * 64, BENCH_CHANNELS = 32 };

struct bench_case {
    const struct kernels *k;
    size_t n;
    int channels;
    float *x, *y, *dy, *dx, *a, *b, *c;
};

static void bench_sums(void *ctx)
{
    const struct bench_case *b = ctx;
    b->k->channel_sums(b->x, b->n, b->channels, b->channels, b->a, b->b);
}

static void bench_scale_shift(void *ctx)
{
    const struct bench_case *b = ctx;
    b->k->scale_shift(b->x, b->channels, b->a, b->b, ACT_RELU, b->y, b->channels, b->n,
                      b->channels);
}

static void bench_norm_sums(void *ctx)
{
    const struct bench_case *b = ctx;
    b->k->norm_back_sums(b->x, b->channels, b->y, b->channels, b->dy, b->channels, b->c, b->c, b->n,
                         b->channels, b->a, b->b);
}

static void bench_norm_apply(void *ctx)
{
    const struct bench_case *b = ctx;
    b->k->norm_back_apply(b->x, b->channels, b->y, b->channels, b->dy, b->channels, b->c, b->c,
                          b->c, false, b->dx, b->channels, b->n, b->channels);
}

static void bench_sigmoid(void *ctx)
{
    const struct bench_case *b = ctx;
    b->k->act(ACT_SIGMOID, b->x, b->channels, b->y, b->channels, b->n, b->channels);
}

static void bench_relu_back(void *ctx)
{
    const struct bench_case *b = ctx;
    b->k->act_back(ACT_RELU, b->y, b->channels, b->dy, b->channels, false, b->dx, b->channels, b->n,
                   b->channels);
}

static void bench_add(void *ctx)
{
    const struct bench_case *b = ctx;
    b->k->add(b->x, b->channels, b->dy, b->channels, ACT_RELU, b->dx, b->channels, b->n,
              b->channels);
}

static void bench_mul(void *ctx)
{
    const struct bench_case *b = ctx;
    b->k->mul(b->x, b->channels, b->dy, b->channels, false, b->dx, b->channels, b->n, b->channels);
}

/* Into a slice of a wider map. */
static void bench_copy(void *ctx)
{
    const struct bench_case *b = ctx;
    b->k->copy(b->x, b->channels, false, b->dx, b->channels + 1, b->n - b->n / 8, b->channels);
}

static float *bench_floats(size_t n)
{
    float *p = aligned_alloc(64, (n * sizeof(*p) + 63) / 64 * 64);
    if (!p)
        abort();
    for (size_t i = 0; i < n; i++)
        p[i] = (float)(i % 97) / 97.0F - 0.5F;
    return p;
}

static void bench(const struct bench *bench)
{
    static const struct {
        const char *name;
        void (*run)(void *ctx);
        int streams; /* maps read or written */
    } rows[] = {
        {"channel_sums", bench_sums, 1},
        {"scale_shift relu", bench_scale_shift, 2},
        {"norm_back_sums", bench_norm_sums, 3},
        {"norm_back_apply", bench_norm_apply, 4},
        {"act sigmoid", bench_sigmoid, 2},
        {"act_back relu", bench_relu_back, 3},
        {"add relu", bench_add, 3},
        {"mul", bench_mul, 3},
        {"copy to a slice", bench_copy, 2},
    };
    const size_t n = (size_t)BENCH_PIXELS * BENCH_CHANNELS;
    struct bench_case b = {bench->kernels,   BENCH_PIXELS,    BENCH_CHANNELS,  bench_floats(n),
                           bench_floats(n),  bench_floats(n), bench_floats(n), bench_floats(64),
                           bench_floats(64), bench_floats(64)};
    printf("64x64 pixels of 32 channels\n");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const double seconds = bench_time(rows[i].run, &b);
        printf("%-18s %8.1f us %6.1f GB/s\n", rows[i].name, seconds * 1e6,
               (double)(n * sizeof(float)) * rows[i].streams / seconds * 1e-9);
    }
    float *const all[] = {b.x, b.y, b.dy, b.dx, b.a, b.b, b.c};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        free(all[i]);
}

const struct family family_pixel = {
    .name = "pixel",
    .bound = "8 * 2^-24 of the magnitudes; sums over n pixels (4 sqrt(n) + 8) * 2^-24",
    .cases = 400,
    .highest = CPU_AVX512,
    .check = check,
    .bench = bench,
};
