/* The loss and the optimisers. Bound: 16 * 2^-24 of the terms' magnitudes. */
#include "check.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static const double unit = 0x1p-24;

static size_t draw_count(struct check *c, const char *kernel)
{
    const size_t n = (size_t)(draw_bool(c) ? draw(c, 1, 70) : draw(c, 1, 2000));
    snprintf(c->shape, sizeof(c->shape), "%s of %zu", kernel, n);
    return n;
}

static void check_loss(struct check *c)
{
    const size_t n = draw_count(c, "l2_loss");
    const struct map p = map_random(c, n, 1, 1);
    const struct map t = map_random(c, n, 1, 1);
    const struct map m = map_random(c, n, 1, 1);
    const struct map grad = map_new(c, n, 1, 1);
    const bool wanted = draw_bool(c);
    const float scale = draw_value(c);
    map_freeze(c, &p);
    map_freeze(c, &t);
    map_freeze(c, &m);
    const double loss =
        c->kernels->l2_loss(p.data, t.data, m.data, n, scale, wanted ? grad.data : NULL);
    double expected = 0.0;
    for (size_t i = 0; i < n; i++) {
        const double d = ((double)p.data[i] - (double)t.data[i]) * (double)m.data[i];
        expected += 0.5 * d * d;
        if (wanted) {
            const double value = (double)scale * d * (double)m.data[i];
            check_close(c, "grad", i, (double)grad.data[i], value,
                        8.0 * unit * fabs(value) + 1e-40);
        }
    }
    check_close(c, "loss", 0, loss, expected, 8.0 * unit * expected + 1e-40);
}

/* One parameter in double: k * (g + l1 sign(w) + l2 w), and the sum of its terms' magnitudes. */
static double slope(double k, double g, double l1, double l2, double w, double *size)
{
    const double sign = w > 0.0 ? 1.0 : w < 0.0 ? -1.0 : 0.0;
    *size = fabs(k) * (fabs(g) + fabs(l1) + fabs(l2 * w));
    return k * (g + l1 * sign + l2 * w);
}

static void check_momentum(struct check *c)
{
    const size_t n = draw_count(c, "momentum_step");
    const struct map w = map_random(c, n, 1, 1);
    const struct map v = map_random(c, n, 1, 1);
    const struct map g = map_random(c, n, 1, 1);
    const struct map old_w = map_copy(c, &w);
    const struct map old_v = map_copy(c, &v);
    const float lr = (float)rng_uniform(&c->rng);
    const float momentum = (float)rng_uniform(&c->rng);
    const float k = draw_value(c);
    const float l1 = draw_bool(c) ? draw_value(c) : 0.0F;
    const float l2 = draw_bool(c) ? draw_value(c) : 0.0F;
    const bool nesterov = draw_bool(c);
    map_freeze(c, &g);
    c->kernels->momentum_step(w.data, v.data, g.data, n, lr, momentum, k, l1, l2, nesterov);
    for (size_t i = 0; i < n; i++) {
        const double weight = (double)old_w.data[i];
        double size;
        const double s = slope((double)k, (double)g.data[i], (double)l1, (double)l2, weight, &size);
        const double kept = (double)momentum * (double)old_v.data[i];
        const double speed = kept + s;
        const double step = nesterov ? (double)momentum * speed + s : speed;
        const double total = size + fabs(kept);
        check_close(c, "v", i, (double)v.data[i], speed, 8.0 * unit * total + 1e-40);
        check_close(c, "w", i, (double)w.data[i], weight - (double)lr * step,
                    16.0 * unit * (fabs(weight) + (double)lr * (total + size)) + 1e-40);
    }
}

static void check_adam(struct check *c)
{
    const size_t n = draw_count(c, "adam_step");
    const struct map w = map_random(c, n, 1, 1);
    const struct map m = map_random(c, n, 1, 1);
    const struct map v = map_random(c, n, 1, 1);
    const struct map g = map_random(c, n, 1, 1);
    for (size_t i = 0; i < n; i++)
        v.data[i] = fabsf(v.data[i]);
    const struct map old_w = map_copy(c, &w);
    const struct map old_m = map_copy(c, &m);
    const struct map old_v = map_copy(c, &v);
    const float beta1 = 0.9F, beta2 = 0.999F, epsilon = 1e-3F;
    const float lr = (float)rng_uniform(&c->rng);
    const float c1 = 1.0F + (float)rng_uniform(&c->rng);
    const float c2 = 1.0F + (float)rng_uniform(&c->rng);
    const float k = draw_value(c);
    const float l1 = draw_bool(c) ? draw_value(c) : 0.0F;
    const float l2 = draw_bool(c) ? draw_value(c) : 0.0F;
    const float decay = draw_bool(c) ? draw_value(c) : 0.0F;
    map_freeze(c, &g);
    c->kernels->adam_step(w.data, m.data, v.data, g.data, n, lr, beta1, beta2, epsilon, c1, c2, k,
                          l1, l2, decay);
    for (size_t i = 0; i < n; i++) {
        const double weight = (double)old_w.data[i];
        double size;
        const double s = slope((double)k, (double)g.data[i], (double)l1, (double)l2, weight, &size);
        const double rest1 = (double)(1.0F - beta1);
        const double rest2 = (double)(1.0F - beta2);
        const double first = (double)beta1 * (double)old_m.data[i] + rest1 * s;
        const double first_size = fabs((double)old_m.data[i]) + rest1 * size;
        const double second = (double)beta2 * (double)old_v.data[i] + rest2 * s * s;
        const double second_error =
            8.0 * unit * (fabs((double)old_v.data[i]) + rest2 * size * size);
        const double root = sqrt(second * (double)c2);
        const double divisor = root + (double)epsilon;
        const double step = first * (double)c1 / divisor + (double)decay * weight;
        /* d(step) by the errors of first, of the root (>= epsilon apart), and of the rest */
        const double root_error =
            second_error * (double)c2 / (root + sqrt(second_error * (double)c2) + 1e-40);
        const double error = 16.0 * unit * first_size * (double)c1 / divisor +
                             fabs(first) * (double)c1 / divisor * (root_error / divisor) +
                             16.0 * unit * fabs((double)decay * weight);
        check_close(c, "m", i, (double)m.data[i], first, 8.0 * unit * first_size + 1e-40);
        check_close(c, "v", i, (double)v.data[i], second, second_error + 1e-40);
        check_close(c, "w", i, (double)w.data[i], weight - (double)lr * step,
                    (double)lr * error + 4.0 * unit * fabs(weight) + 1e-40);
    }
}

static void check(struct check *c)
{
    static void (*const checks[])(struct check * c) = {check_loss, check_momentum, check_adam};
    checks[c->number % 3](c);
}

struct bench_case {
    const struct kernels *k;
    size_t n;
    float *p[4];
    double sum;
};

static void bench_loss(void *ctx)
{
    struct bench_case *b = ctx;
    b->sum += b->k->l2_loss(b->p[0], b->p[1], b->p[2], b->n, 0.5F, b->p[3]);
}

static void bench_momentum(void *ctx)
{
    struct bench_case *b = ctx;
    b->k->momentum_step(b->p[0], b->p[1], b->p[2], b->n, 1e-9F, 0.9F, 1.0F, 0.0F, 1e-4F, false);
}

static void bench_adam(void *ctx)
{
    struct bench_case *b = ctx;
    b->k->adam_step(b->p[0], b->p[1], b->p[3], b->p[2], b->n, 1e-9F, 0.9F, 0.999F, 1e-7F, 1.0F,
                    1.0F, 1.0F, 0.0F, 1e-4F, 0.0F);
}

static void bench(const struct bench *bench)
{
    static const struct {
        const char *name;
        void (*run)(void *ctx);
        int streams;
    } rows[] = {{"l2_loss", bench_loss, 4},
                {"momentum_step", bench_momentum, 5},
                {"adam_step", bench_adam, 7}};
    struct bench_case b = {.k = bench->kernels, .n = 1 << 18};
    for (int i = 0; i < 4; i++) {
        b.p[i] = aligned_alloc(64, b.n * sizeof(float));
        if (!b.p[i])
            abort();
        for (size_t k = 0; k < b.n; k++)
            b.p[i][k] = (float)(k % 89 + 1) / 89.0F;
    }
    printf("%zu floats\n", b.n);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const double seconds = bench_time(rows[i].run, &b);
        printf("%-18s %8.1f us %6.1f GB/s\n", rows[i].name, seconds * 1e6,
               (double)(b.n * sizeof(float)) * rows[i].streams / seconds * 1e-9);
    }
    for (int i = 0; i < 4; i++)
        free(b.p[i]);
}

const struct family family_step = {
    .name = "step",
    .bound = "16 * 2^-24 of the magnitudes",
    .cases = 120,
    .highest = CPU_AVX512,
    .check = check,
    .bench = bench,
};
