/*
 * Convolution and its gradients. Bound: with n terms, |error| <= (4 sqrt(n) + 4) * 2^-24 * the sum
 * of the terms' magnitudes. Levels that may use Winograd's algorithm have rounding errors from
 * neighbouring results, too: to them 16 * 2^-24 * the largest such sum in the map (borders apart)
 * is allowed more.
 *
 * In mixed precision the same holds of products of rounded operands; where Winograd's algorithm may
 * be used, these are not rounded, and 2^-6 of the largest sum is allowed.
 */
#include "check_conv.h"

#include "kernel/bf16.h"
#include "kernel/ceiling.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CASES = 150, MAX_MACS = 1500000 };

/* Weighted sums in double, with their magnitudes and term counts. */
struct sums {
    double *value, *magnitude, *terms;
    size_t n;
};

static struct sums sums_new(size_t n)
{
    struct sums s = {calloc(n, sizeof(double)), calloc(n, sizeof(double)),
                     calloc(n, sizeof(double)), n};
    if (!s.value || !s.magnitude || !s.terms)
        abort();
    return s;
}

static void sums_free(struct sums *s)
{
    free(s->value);
    free(s->magnitude);
    free(s->terms);
}

static void sums_add(struct sums *s, size_t at, double a, double b)
{
    s->value[at] += a * b;
    s->magnitude[at] += fabs(a * b);
    s->terms[at] += 1.0;
}

/* `whole` is how many terms a sum has that no border cuts. */
static void sums_compare(struct check *c, const struct sums *s, const char *what,
                         const struct map *map, bool relu, double shared, double whole)
{
    double largest = 0.6 * whole; /* what that many products of our values come to */
    for (size_t i = 0; i < s->n; i++)
        largest = fmax(largest, s->magnitude[i]);
    for (size_t i = 0; i < s->n; i++) {
        const double own = (4.0 * sqrt(s->terms[i]) + 4.0) * 0x1p-24 * s->magnitude[i];
        const double bound = own + shared * 0x1p-24 * largest + 1e-30;
        const double expected = relu && s->value[i] < 0.0 ? 0.0 : s->value[i];
        const size_t pixel = i / (size_t)map->channels;
        check_close(c, what, i, (double)map_pixel(map, pixel)[i % (size_t)map->channels], expected,
                    bound);
    }
}

/* Whether Winograd's algorithm may be used. */
static bool may_transform(const struct check *c, const struct conv_geometry *g)
{
    return c->kernels->level >= CPU_AVX2 && g->stride == 1 && g->dilation == 1 &&
           g->kernel_h * g->kernel_w > 1;
}

/* Units of the largest magnitude that results may err by because of their neighbours. */
static double shared_error(const struct check *c, const struct conv_geometry *g, bool mixed)
{
    if (!may_transform(c, g))
        return 0.0;
    return mixed ? 0x1p18 : 16.0;
}

struct conv_case {
    const struct kernels *k;
    bool mixed;  /* in mixed precision */
    bool rounds; /* and operands are those of direct sums */
    int n_images;
    struct conv_geometry g;
    struct map x, y; /* y: the output's, or its gradient's, values */
    float *w;
    size_t n_weights;
};

double conv_macs(const struct conv_geometry *g)
{
    return (double)g->out_h * g->out_w * g->out_c * g->kernel_h * g->kernel_w * g->in_c;
}

void draw_conv_sizes(struct check *c, struct conv_geometry *g)
{
    static const int kernels[] = {1, 1, 2, 3, 3, 3, 4, 5, 7};
    static const int strides[] = {1, 1, 1, 2, 2, 3};
    static const int dilations[] = {1, 1, 1, 1, 2, 3};
    static const int channels[] = {1,  2,  3,  7,  8,  9,  15, 16, 17,
                                   19, 24, 31, 32, 33, 38, 48, 65, 80};
    g->kernel_h = draw_of(c, kernels, 9);
    g->kernel_w = draw_bool(c) ? g->kernel_h : draw_of(c, kernels, 9);
    g->stride = draw_of(c, strides, 6);
    g->dilation = draw_of(c, dilations, 6);
    g->in_c = draw_of(c, channels, 18);
    g->out_c = draw_of(c, channels, 18);
    g->in_h = draw(c, 1, 12);
    g->in_w = draw_bool(c) ? draw(c, 1, 8) : draw(c, 1, 40);
    if (draw(c, 0, 3) == 0) { /* where a faster algorithm may be used */
        g->kernel_h = g->kernel_w = draw(c, 0, 3) == 0 ? 5 : 3;
        g->stride = g->dilation = 1;
        g->in_c = draw_of(c, channels + 4, 14);
        g->out_c = draw_of(c, channels + 4, 14);
        g->in_h = draw(c, 3, 20);
        g->in_w = draw(c, 3, 20);
    }
}

/* Too large for one band of rows or one batch of tiles: height, width, channels, kernel, … */
static const int large_maps[][7] = {
    {44, 40, 16, 24, 3, 1, 1}, {30, 36, 40, 17, 3, 1, 1}, {70, 66, 24, 16, 3, 2, 1},
    {60, 64, 40, 9, 1, 1, 1},  {150, 130, 3, 5, 3, 2, 1}, {40, 40, 64, 4, 3, 1, 2},
};
enum { N_LARGE = sizeof(large_maps) / sizeof(large_maps[0]) };

static void large_sizes(struct conv_geometry *g, const int sizes[7])
{
    g->in_h = sizes[0];
    g->in_w = sizes[1];
    g->in_c = sizes[2];
    g->out_c = sizes[3];
    g->kernel_h = g->kernel_w = sizes[4];
    g->stride = sizes[5];
    g->dilation = sizes[6];
}

void draw_conv_padding(struct check *c, struct conv_geometry *g)
{
    const int reach_h = (g->kernel_h - 1) * g->dilation + 1;
    const int reach_w = (g->kernel_w - 1) * g->dilation + 1;
    const int kind = draw(c, 0, 3);
    if (kind == 0 && g->in_h >= reach_h && g->in_w >= reach_w) {
        g->out_h = (g->in_h - reach_h) / g->stride + 1;
        g->out_w = (g->in_w - reach_w) / g->stride + 1;
    } else if (kind == 1) {
        g->pad_top = draw(c, 0, reach_h + 1);
        g->pad_left = draw(c, 0, reach_w + 1);
        g->out_h = draw(c, 1, g->in_h + 3);
        g->out_w = draw(c, 1, g->in_w + 3);
    } else {
        g->out_h = (g->in_h - 1) / g->stride + 1;
        g->out_w = (g->in_w - 1) / g->stride + 1;
        const int over_h = (g->out_h - 1) * g->stride + reach_h - g->in_h;
        const int over_w = (g->out_w - 1) * g->stride + reach_w - g->in_w;
        g->pad_top = over_h > 0 ? over_h / 2 : 0;
        g->pad_left = over_w > 0 ? over_w / 2 : 0;
    }
}

static void draw_geometry(struct check *c, struct conv_geometry *g)
{
    const int large = c->number - (CASES - N_LARGE); /* the last cases */
    do {
        memset(g, 0, sizeof(*g));
        if (large >= 0)
            large_sizes(g, large_maps[large]);
        else
            draw_conv_sizes(c, g);
        draw_conv_padding(c, g);
    } while (large < 0 && conv_macs(g) > MAX_MACS);
    g->in_pitch = draw_pitch(c, g->in_c);
    g->out_pitch = draw_pitch(c, g->out_c);
    snprintf(c->shape, sizeof(c->shape),
             "%dx%dx%d -> %dx%dx%d, kernel %dx%d, stride %d, dilation %d, padding %d,%d, pitches "
             "%d,%d",
             g->in_h, g->in_w, g->in_c, g->out_h, g->out_w, g->out_c, g->kernel_h, g->kernel_w,
             g->stride, g->dilation, g->pad_top, g->pad_left, g->in_pitch, g->out_pitch);
}

/* Called with indices into x (dense), y (dense) and w for every product there is. */
typedef void (*product_fn)(struct sums *s, const struct conv_case *t, size_t in, size_t ci,
                           size_t out, size_t co, size_t w);

static void for_pixel(struct sums *s, const struct conv_case *t, int tap, size_t in, size_t out,
                      product_fn fn)
{
    const size_t n_in = (size_t)t->g.in_c;
    const size_t n_out = (size_t)t->g.out_c;
    for (size_t ci = 0; ci < n_in; ci++)
        for (size_t co = 0; co < n_out; co++)
            fn(s, t, in, ci, out, co, ((size_t)tap * n_in + ci) * n_out + co);
}

static void for_products(struct sums *s, const struct conv_case *t, product_fn fn)
{
    const struct conv_geometry *g = &t->g;
    for (int out = 0; out < g->out_h * g->out_w; out++) {
        for (int tap = 0; tap < g->kernel_h * g->kernel_w; tap++) {
            const int iy =
                out / g->out_w * g->stride + tap / g->kernel_w * g->dilation - g->pad_top;
            const int ix =
                out % g->out_w * g->stride + tap % g->kernel_w * g->dilation - g->pad_left;
            if (iy >= 0 && iy < g->in_h && ix >= 0 && ix < g->in_w)
                for_pixel(s, t, tap, (size_t)(iy * g->in_w + ix), (size_t)out, fn);
        }
    }
}

static void add_product(struct sums *s, const struct conv_case *t, size_t at, float a, float b)
{
    if (t->rounds) {
        a = bf16_float(bf16_round(a));
        b = bf16_float(bf16_round(b));
    }
    sums_add(s, at, (double)a, (double)b);
}

static void product_forward(struct sums *s, const struct conv_case *t, size_t in, size_t ci,
                            size_t out, size_t co, size_t w)
{
    add_product(s, t, out * (size_t)t->g.out_c + co, map_pixel(&t->x, in)[ci], t->w[w]);
}

static void product_dx(struct sums *s, const struct conv_case *t, size_t in, size_t ci, size_t out,
                       size_t co, size_t w)
{
    add_product(s, t, in * (size_t)t->g.in_c + ci, map_pixel(&t->y, out)[co], t->w[w]);
}

static void product_dw(struct sums *s, const struct conv_case *t, size_t in, size_t ci, size_t out,
                       size_t co, size_t w)
{
    add_product(s, t, w, map_pixel(&t->x, in)[ci], map_pixel(&t->y, out)[co]);
}

/* The old values a kernel adds to. */
static void sums_start(struct sums *s, const struct map *old)
{
    for (size_t i = 0; i < s->n; i++)
        sums_add(s, i, (double)map_pixel(old, i / (size_t)old->channels)[i % (size_t)old->channels],
                 1.0);
}

static void check_forward(struct check *c, const struct conv_case *t)
{
    const struct kernels *k = t->k;
    const struct conv_geometry *g = &t->g;
    const double taps = g->kernel_h * g->kernel_w;
    const bool accumulate = draw_bool(c);
    const enum activation act = !accumulate && draw_bool(c) ? ACT_RELU : ACT_NONE;
    const float *bias = draw_bool(c) ? floats_random(c, (size_t)g->out_c) : NULL;
    float *packed = floats_new(c, k->conv_packed(g), true);
    float *scratch = floats_new(c, k->conv_scratch(g), true);
    const size_t n_pixels = (size_t)g->out_h * (size_t)g->out_w;
    struct map y = map_new(c, n_pixels, g->out_c, g->out_pitch);
    if (accumulate)
        y = map_random(c, n_pixels, g->out_c, g->out_pitch);
    const struct map pieces = map_copy(c, &y);
    struct sums s = sums_new(n_pixels * (size_t)g->out_c);
    if (accumulate)
        sums_start(&s, &y);
    for (size_t i = 0; bias && i < s.n; i++)
        sums_add(&s, i, (double)bias[i % (size_t)g->out_c], 1.0);
    for_products(&s, t, product_forward);

    k->conv_pack(g, t->w, packed);
    k->conv(g, t->x.data, packed, bias, act, accumulate, y.data, 0, g->out_h, scratch);
    sums_compare(c, &s, "y", &y, act == ACT_RELU, shared_error(c, g, t->mixed), taps * g->in_c);
    for (int row = 0, n; (n = draw_piece(c, g->out_h - row)) > 0; row += n)
        k->conv(g, t->x.data, packed, bias, act, accumulate, pieces.data, row, row + n, scratch);
    if (!map_same_bits(&y, &pieces))
        check_fail(c, "y depends on how its rows are shared out");
    sums_free(&s);
}

static void check_dx(struct check *c, const struct conv_case *t)
{
    const struct kernels *k = t->k;
    const struct conv_geometry *g = &t->g;
    const double taps = g->kernel_h * g->kernel_w;
    const bool accumulate = draw_bool(c);
    float *packed = floats_new(c, k->conv_dx_packed(g), true);
    float *scratch = floats_new(c, k->conv_dx_scratch(g), true);
    const size_t n_pixels = (size_t)g->in_h * (size_t)g->in_w;
    const struct map dx = accumulate ? map_random(c, n_pixels, g->in_c, g->in_pitch)
                                     : map_new(c, n_pixels, g->in_c, g->in_pitch);
    const struct map pieces = map_copy(c, &dx);
    struct sums s = sums_new(n_pixels * (size_t)g->in_c);
    if (accumulate)
        sums_start(&s, &dx);
    for_products(&s, t, product_dx);

    k->conv_dx_pack(g, t->w, packed);
    k->conv_dx(g, t->y.data, packed, accumulate, dx.data, 0, g->in_h, scratch);
    sums_compare(c, &s, "dx", &dx, false, shared_error(c, g, t->mixed), taps * g->out_c);
    for (int row = 0, n; (n = draw_piece(c, g->in_h - row)) > 0; row += n)
        k->conv_dx(g, t->y.data, packed, accumulate, pieces.data, row, row + n, scratch);
    if (!map_same_bits(&dx, &pieces))
        check_fail(c, "dx depends on how its rows are shared out");
    sums_free(&s);
}

static void check_dw(struct check *c, const struct conv_case *t)
{
    const struct kernels *k = t->k;
    const struct conv_geometry *g = &t->g;
    const int n_tiles = k->conv_dw_tiles(g);
    float *scratch = floats_new(c, k->conv_dw_scratch(g), true);
    const struct map dw = map_random(c, t->n_weights, 1, 1);
    const struct map pieces = map_copy(c, &dw);
    struct sums s = sums_new(t->n_weights);
    sums_start(&s, &dw);
    for (int image = 0; image < t->n_images; image++) {
        struct conv_case one = *t;
        one.x.data += (size_t)(image * g->in_h * g->in_w * g->in_pitch);
        one.y.data += (size_t)(image * g->out_h * g->out_w * g->out_pitch);
        for_products(&s, &one, product_dw);
    }

    k->conv_dw(g, t->x.data, t->y.data, t->n_images, dw.data, 0, n_tiles, scratch);
    sums_compare(c, &s, "dw", &dw, false, shared_error(c, g, t->mixed),
                 (double)t->n_images * g->out_h * g->out_w);
    for (int tile = 0, n; (n = draw_piece(c, n_tiles - tile)) > 0; tile += n)
        k->conv_dw(g, t->x.data, t->y.data, t->n_images, pieces.data, tile, tile + n, scratch);
    if (!map_same_bits(&dw, &pieces))
        check_fail(c, "dw depends on how its tiles are shared out");
    sums_free(&s);
}

/* The gradient of the weights is of several images, the others are of the first. */
static void check_case(struct check *c, struct conv_case *t)
{
    draw_geometry(c, &t->g);
    t->n_images = draw(c, 1, 3);
    t->rounds = t->mixed && !may_transform(c, &t->g);
    t->n_weights =
        (size_t)t->g.kernel_h * (size_t)t->g.kernel_w * (size_t)t->g.in_c * (size_t)t->g.out_c;
    const struct map w = map_random(c, t->n_weights, 1, 1);
    t->x = map_random(c, (size_t)(t->n_images * t->g.in_h * t->g.in_w), t->g.in_c, t->g.in_pitch);
    t->y =
        map_random(c, (size_t)(t->n_images * t->g.out_h * t->g.out_w), t->g.out_c, t->g.out_pitch);
    t->w = w.data;
    map_freeze(c, &w);
    map_freeze(c, &t->x);
    map_freeze(c, &t->y);
    check_forward(c, t);
    check_dx(c, t);
    check_dw(c, t);
}

static void check(struct check *c)
{
    struct conv_case t = {.k = c->kernels};
    check_case(c, &t);
}

/* Nothing where the level has no such kernels. */
static void check_mixed(struct check *c)
{
    struct kernels kernels = *c->kernels;
    struct conv_case t = {.k = &kernels, .mixed = true};
    if (kernels_mix(&kernels, c->level))
        check_case(c, &t);
}

static void bench(const struct bench *b)
{
    bench_conv(b->kernels, b->ceiling);
}

static void bench_mixed(const struct bench *b)
{
    struct kernels kernels = *b->kernels;
    if (kernels_mix(&kernels, b->level))
        bench_conv(&kernels, ceiling_macs(b->level, MAP_BF16));
}

const struct family family_conv = {
    .name = "conv",
    .bound = "(4 sqrt(n) + 4) * 2^-24 * sum of magnitudes; Winograd + 16 * 2^-24 of the largest",
    .cases = CASES,
    .highest = CPU_AVX512,
    .check = check,
    .bench = bench,
};

const struct family family_mixed = {
    .name = "mixed",
    .bound = "as conv, of operands rounded to BF16; Winograd 2^-6 of the largest instead",
    .cases = CASES,
    .highest = CPU_LEVELS,
    .check = check_mixed,
    .bench = bench_mixed,
};
