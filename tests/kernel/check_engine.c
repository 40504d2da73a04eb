/*
 * The convolutions that engines choose from (conv_kernel.h): every kernel of the level under test
 * that fits a shape. Weights of 8 bits: equal to the definition bit for bit. Float weights: with n
 * terms, |error| <= (4 sqrt(n) + 4) * 2^-24 * the sum of the terms' magnitudes, and Winograd's
 * algorithm may err by 16 * 2^-24 * the largest such sum in the map more; then the result's own
 * rounding, half a step of its type.
 *
 * In the frequency domain errors spread over a tile. With u the rounding of the transformed numbers
 * (2^-24, 2^-9 for BF16), X the root of the sum of squares over all channels of the square of
 * source pixels (the largest one in the map) and W that over an output channel's weights, every
 * result is within 8 u X W: each of the products' factors is rounded once, three products make a
 * number, and the sum of |product| over the frequencies is at most X W (Cauchy, Parseval). Rounding
 * in transforms and sums of C channels adds (16 + 4 sqrt(C)) * 2^-24 * X W.
 */
#include "check.h"

#include "kernel/bf16.h"
#include "kernel/ceiling.h"
#include "kernel/conv_kernel.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CASES = 150, MAX_MACS = 1000000, BEHIND = 64 };

/* A convolution, and one call of it with everything but kernel's own. */
struct trial {
    struct conv_shape shape;
    struct conv_constants constants;
    void *x, *add, *w;
    size_t n_out; /* pixels */
};

static float value_of(enum map_type type, const void *map, size_t i)
{
    switch (type) {
    case MAP_F32: return ((const float *)map)[i];
    case MAP_BF16: return bf16_float(((const uint16_t *)map)[i]);
    default: return (float)((const uint8_t *)map)[i];
    }
}

/* A map of random values; bytes of three sorts: any, extremes, small ones (many halves to round).
 */
static void *map_of(struct check *c, enum map_type type, size_t n, int channels, int pitch,
                    int sort)
{
    const size_t size = map_type_size(type);
    unsigned char *map = pixels_new(c, n, (size_t)channels * size, (size_t)pitch * size, BEHIND);
    for (size_t p = 0; p < n; p++) {
        for (size_t k = 0; k < (size_t)channels; k++) {
            const size_t at = p * (size_t)pitch + k;
            const float value = draw_value(c);
            if (type == MAP_F32)
                ((float *)(void *)map)[at] = value;
            else if (type == MAP_BF16)
                ((uint16_t *)(void *)map)[at] = bf16_round(value);
            else
                map[at] = (uint8_t)(sort == 0   ? draw(c, 0, 255)
                                    : sort == 1 ? 255 * draw(c, 0, 3) / 2 % 256
                                                : draw(c, 0, 3));
        }
    }
    freeze(c, map);
    return map;
}

static size_t weight_count(const struct conv_shape *s)
{
    const size_t n = (size_t)s->g.kernel_h * (size_t)s->g.kernel_w * (size_t)s->g.in_c;
    return s->depthwise ? n : n * (size_t)s->g.out_c;
}

/* Height, width, channels, kernel, stride, dilation: of the first cases. */
static const int large[][7] = {
    {1, 2, 70000, 3, 1, 1, 1},  {64, 60, 16, 8, 3, 1, 1},  {150, 130, 3, 5, 3, 2, 1},
    {40, 40, 64, 4, 3, 1, 2},   {101, 98, 8, 9, 3, 1, 1},  {43, 40, 3, 1000, 3, 1, 1},
    {23, 32, 33, 40, 7, 1, 1},  {36, 21, 17, 70, 7, 1, 1}, {31, 18, 48, 17, 5, 1, 1},
    {140, 150, 3, 20, 5, 1, 1},
};
enum { LARGE = sizeof(large) / sizeof(large[0]) };

static void draw_shape(struct check *c, struct conv_shape *s, enum weight_type weights)
{
    static const int depths[] = {1, 3, 8, 15, 16, 17, 24, 32, 40, 63, 64, 65, 100, 144};
    memset(s, 0, sizeof(*s));
    struct conv_geometry *g = &s->g;
    s->depthwise = draw(c, 0, 3) == 0;
    do {
        memset(g, 0, sizeof(*g));
        draw_conv_sizes(c, g);
        if (s->depthwise)
            g->in_c = g->out_c = draw_of(c, depths, 14);
        if (c->number < LARGE) {
            const int *l = large[c->number];
            s->depthwise = false;
            *g = (struct conv_geometry){.in_h = l[0],
                                        .in_w = l[1],
                                        .in_c = l[2],
                                        .out_c = l[3],
                                        .kernel_h = l[4],
                                        .kernel_w = l[4],
                                        .stride = l[5],
                                        .dilation = l[6]};
        }
        draw_conv_padding(c, g);
    } while (c->number >= LARGE && conv_macs(g) > (s->depthwise ? 32.0 * MAX_MACS : MAX_MACS));
    g->in_pitch = draw_pitch(c, g->in_c);
    g->out_pitch = draw_pitch(c, g->out_c);
    const int in = draw(c, 0, 5);
    s->in = weights == WEIGHT_S8 ? MAP_U8 : in < 3 ? MAP_F32 : in < 5 ? MAP_BF16 : MAP_U8;
    s->out = (enum map_type)draw(c, 0, MAP_TYPES - 1);
    s->adds = draw_bool(c);
}

static void describe(struct check *c, const struct conv_shape *s, const char *kernel)
{
    static const char *const types[MAP_TYPES] = {"f32", "bf16", "u8"};
    const struct conv_geometry *g = &s->g;
    snprintf(c->shape, sizeof(c->shape),
             "%s: %dx%dx%d %s -> %dx%dx%d %s%s%s, kernel %dx%d, stride %d, dilation %d, padding "
             "%d,%d, pitches %d,%d",
             kernel, g->in_h, g->in_w, g->in_c, types[s->in], g->out_h, g->out_w, g->out_c,
             types[s->out], s->adds ? ", adds" : "", s->depthwise ? ", depthwise" : "", g->kernel_h,
             g->kernel_w, g->stride, g->dilation, g->pad_top, g->pad_left, g->in_pitch,
             g->out_pitch);
}

static void draw_limits(struct check *c, struct trial *t)
{
    struct conv_constants *k = &t->constants;
    k->out_zero = draw_bool(c) ? 128 : 0;
    k->add_zero = draw_bool(c) ? 128 : 0;
    k->add_scale = draw(c, 0, 3) == 0 ? 0.5F : (float)rng_uniform(&c->rng);
    if (t->shape.out == MAP_U8) {
        k->low = (float)-k->out_zero;
        k->high = (float)(255 - k->out_zero);
        if (draw(c, 0, 3) == 0) {
            k->low = 0.0F;
            k->high = (float)draw(c, 1, 127);
        }
        return;
    }
    const int kind = draw(c, 0, 2);
    k->low = kind == 0 ? -INFINITY : 0.0F;
    k->high = kind == 2 ? 0.75F : INFINITY;
}

/* Multipliers (units of one product) so that results fill the range of the output. */
static void draw_scales(struct check *c, struct trial *t, int sort)
{
    const size_t n = (size_t)t->shape.g.out_c;
    float *multiplier = floats_new(c, n, false);
    float *bias = floats_new(c, n, false);
    const double terms = (double)weight_count(&t->shape) / (t->shape.depthwise ? 1.0 : (double)n);
    for (size_t j = 0; j < n; j++) {
        const double size = sort == 2 ? 1.0 : 40.0 / (127.0 * 127.0 * sqrt(terms));
        multiplier[j] = sort == 2 ? 0.5F : (float)(size * (0.5 + rng_uniform(&c->rng)));
        bias[j] = sort == 2 ? 0.0F : 20.0F * draw_value(c);
    }
    freeze(c, multiplier);
    freeze(c, bias);
    t->constants.multiplier = multiplier;
    t->constants.bias = bias;
}

static void draw_trial(struct check *c, struct trial *t, enum weight_type weights)
{
    memset(t, 0, sizeof(*t));
    draw_shape(c, &t->shape, weights);
    describe(c, &t->shape, "drawing");
    const struct conv_geometry *g = &t->shape.g;
    const int sort = c->number == 0 ? 1 : draw(c, 0, 2);
    const size_t n_weights = weight_count(&t->shape);
    t->n_out = (size_t)g->out_h * (size_t)g->out_w;
    t->x = map_of(c, t->shape.in, (size_t)g->in_h * (size_t)g->in_w, g->in_c, g->in_pitch, sort);
    t->constants.add_pitch = draw_pitch(c, g->out_c);
    t->add = map_of(c, t->shape.out, t->n_out, g->out_c, t->constants.add_pitch, 0);
    t->constants.zero = map_of(c, MAP_U8, 1, g->in_c, g->in_c, 0);
    draw_limits(c, t);
    draw_scales(c, t, sort);
    if (weights == WEIGHT_F32) {
        float *w = floats_random(c, n_weights);
        freeze(c, w);
        t->w = w;
        return;
    }
    int8_t *w = pixels_new(c, n_weights, 1, 1, 0);
    for (size_t i = 0; i < n_weights; i++)
        w[i] = (int8_t)(sort == 0   ? draw(c, -127, 127)
                        : sort == 1 ? 127 - 254 * (draw(c, 0, 7) == 0)
                                    : draw(c, -1, 1));
    freeze(c, w);
    t->w = w;
    int32_t *offset = pixels_new(c, (size_t)g->out_c, 4, 4, 0);
    for (int j = 0; j < g->out_c; j++)
        offset[j] = sort == 1 ? draw(c, INT32_MIN, INT32_MAX) : draw(c, -500, 500);
    freeze(c, offset);
    t->constants.offset = offset;
}

/* What one output value should be: exactly for 8-bit weights, else in double with its bound. */
struct answer {
    float exact;
    double value, bound;
};

struct sum {
    uint32_t whole;
    double value, magnitude, terms;
};

static struct sum sum_of(const struct trial *t, enum weight_type weights, size_t pixel, int j)
{
    const struct conv_shape *s = &t->shape;
    const struct conv_geometry *g = &s->g;
    struct sum sum = {0};
    if (weights == WEIGHT_S8)
        sum.whole = (uint32_t)t->constants.offset[j];
    for (int tap = 0; tap < g->kernel_h * g->kernel_w; tap++) {
        const int y = (int)pixel / g->out_w * g->stride + tap / g->kernel_w * g->dilation;
        const int x = (int)pixel % g->out_w * g->stride + tap % g->kernel_w * g->dilation;
        const int iy = y - g->pad_top;
        const int ix = x - g->pad_left;
        const bool inside = iy >= 0 && iy < g->in_h && ix >= 0 && ix < g->in_w;
        if (!inside && weights == WEIGHT_F32)
            continue;
        const int first = s->depthwise ? j : 0;
        const int end = s->depthwise ? j + 1 : g->in_c;
        for (int ci = first; ci < end; ci++) {
            const size_t at = ((size_t)iy * (size_t)g->in_w + (size_t)ix) * (size_t)g->in_pitch;
            const size_t wi = (size_t)tap * (size_t)g->in_c + (size_t)ci;
            const size_t w = s->depthwise ? wi : wi * (size_t)g->out_c + (size_t)j;
            if (weights == WEIGHT_S8) {
                const uint8_t q =
                    inside ? ((uint8_t *)t->x)[at + (size_t)ci] : t->constants.zero[ci];
                sum.whole += (uint32_t)((int32_t)q * ((int8_t *)t->w)[w]);
                continue;
            }
            double v = (double)value_of(s->in, t->x, at + (size_t)ci);
            if (s->in == MAP_U8)
                v -= (double)t->constants.zero[ci];
            const float weight = ((float *)t->w)[w];
            v *= (double)(s->in == MAP_BF16 ? bf16_float(bf16_round(weight)) : weight);
            sum.value += v;
            sum.magnitude += fabs(v);
            sum.terms += 1.0;
        }
    }
    return sum;
}

static float limited(const struct conv_constants *k, float r)
{
    r = r > k->low ? r : k->low;
    return r < k->high ? r : k->high;
}

/* conv_kernel.h's 8-bit definition from the sum on; for floats the value and bound of a result. */
static struct answer answer_of(const struct trial *t, enum weight_type weights,
                               const struct sum *sum, size_t pixel, int j)
{
    const struct conv_constants *k = &t->constants;
    const size_t at = pixel * (size_t)k->add_pitch + (size_t)j;
    const float other = t->shape.adds ? value_of(t->shape.out, t->add, at) : 0.0F;
    const bool scaled = t->shape.out == MAP_U8;
    struct answer a = {0};
    if (weights == WEIGHT_S8) {
        float r = fmaf((float)(int32_t)sum->whole, k->multiplier[j], k->bias[j]);
        if (t->shape.adds)
            r = scaled ? fmaf(other - (float)k->add_zero, k->add_scale, r) : r + other;
        r = limited(k, r);
        a.exact = scaled                    ? rintf(r) + (float)k->out_zero
                  : t->shape.out == MAP_F32 ? r
                                            : bf16_float(bf16_round(r));
        return a;
    }
    double added = 0.0;
    if (t->shape.adds)
        added =
            scaled ? (double)(other - (float)k->add_zero) * (double)k->add_scale : (double)other;
    const double r = sum->value + (double)k->bias[j] + added;
    const double size = sum->magnitude + fabs((double)k->bias[j]) + fabs(added);
    a.value = r > (double)k->low ? r : (double)k->low;
    a.value = a.value < (double)k->high ? a.value : (double)k->high;
    a.value += scaled ? (double)k->out_zero : 0.0;
    a.bound = (4.0 * sqrt(sum->terms) + 8.0) * 0x1p-24 * size + 1e-30;
    return a;
}

/* The rounding of the result itself is added to the bound at last. */
static double bound_of(const struct trial *t, const struct answer *a, double shared)
{
    const double bound = a->bound + shared;
    if (t->shape.out == MAP_U8)
        return bound + 0.5;
    return t->shape.out == MAP_BF16 ? bound + 0x1.01p-8 * (fabs(a->value) + bound) : bound;
}

static void compare(struct check *c, const struct trial *t, enum weight_type weights, const void *y,
                    const struct answer *answers, double shared)
{
    const struct conv_geometry *g = &t->shape.g;
    for (size_t i = 0; i < t->n_out * (size_t)g->out_c; i++) {
        const size_t pixel = i / (size_t)g->out_c;
        const size_t at = pixel * (size_t)g->out_pitch + i % (size_t)g->out_c;
        const float value = value_of(t->shape.out, y, at);
        const struct answer *a = &answers[i];
        if (weights == WEIGHT_F32)
            check_close(c, "y", i, (double)value, a->value, bound_of(t, a, shared));
        else if (memcmp(&value, &a->exact, sizeof(value)) != 0)
            check_fail(c, "y[%zu] is %.9g, expected %.9g", i, (double)value, (double)a->exact);
    }
}

/* All phases of a call; in pieces, the last ones first, when `pieces`. */
static void run_call(struct check *c, const struct conv_kernel *k, const struct conv_call *call,
                     bool pieces)
{
    const struct conv_shape *s = call->shape;
    const int n_phases = k->phases ? k->phases(s) : 1;
    for (int phase = 0; phase < n_phases; phase++) {
        const int n = k->items(s, phase);
        for (int left = n, piece; (piece = pieces ? draw_piece(c, left) : left) > 0; left -= piece)
            k->run(call, phase, left - piece, left);
    }
}

static void check_kernel(struct check *c, const struct trial *t, const struct conv_kernel *k,
                         const struct answer *answers, double shared)
{
    const struct conv_shape *s = &t->shape;
    const struct conv_geometry *g = &s->g;
    const size_t size = map_type_size(s->out);
    const size_t channels = (size_t)g->out_c * size;
    const size_t pitch = (size_t)g->out_pitch * size;
    describe(c, s, k->name);
    struct conv_constants constants = t->constants;
    void *packed = bytes_new(c, k->packed(s));
    k->pack(s, t->w, packed);
    freeze(c, packed);
    constants.packed = packed;
    struct conv_call call = {
        .shape = s,
        .c = &constants,
        .x = t->x,
        .add = s->adds ? t->add : NULL,
        .scratch = k->scratch ? bytes_new(c, k->scratch(s)) : NULL,
        .workspace = k->workspace ? bytes_new(c, k->workspace(s)) : NULL,
    };
    unsigned char *y = call.y = pixels_new(c, t->n_out, channels, pitch, 0);
    run_call(c, k, &call, false);
    compare(c, t, k->weights, y, answers, shared);
    unsigned char *pieces = call.y = pixels_new(c, t->n_out, channels, pitch, 0);
    run_call(c, k, &call, true);
    for (size_t p = 0; p < t->n_out; p++)
        if (memcmp(y + p * pitch, pieces + p * pitch, channels) != 0) {
            check_fail(c, "y depends on how its items are shared out");
            break;
        }
}

/*
 * What a kernel that transforms may add to the error of a sum, in shares of the largest sum of
 * magnitudes: rounding of floats; of weights to BF16, which the answers have and it has not; of
 * transformed values to BF16 (winograd.h).
 */
static double transform_error(const struct conv_kernel *k)
{
    static const struct {
        const char *name;
        double error;
    } known[] = {
        {"f32_fast", 16.0 * 0x1p-24},
        {"bf16_winograd_avx512bf16", 0x1p-6},
        {"bf16_winograd", 0x1p-9},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strncmp(k->name, known[i].name, strlen(known[i].name)) == 0)
            return known[i].error;
    return 0.0;
}

/* The root of the largest sum of squares over a square of source pixels, all channels. */
static double square_norm(const struct trial *t, int side)
{
    const struct conv_geometry *g = &t->shape.g;
    const int w = g->in_w + 1;
    double *total = calloc((size_t)w * (size_t)(g->in_h + 1), sizeof(*total)), largest = 0.0;
    if (!total)
        abort();
    for (int y = 0; y < g->in_h; y++)
        for (int x = 0; x < g->in_w; x++) {
            double energy = 0.0;
            for (int k = 0; k < g->in_c; k++) {
                const size_t at = (size_t)(y * g->in_w + x) * (size_t)g->in_pitch + (size_t)k;
                double v = (double)value_of(t->shape.in, t->x, at);
                if (t->shape.in == MAP_U8)
                    v -= (double)t->constants.zero[k];
                energy += v * v;
            }
            total[(y + 1) * w + x + 1] =
                energy + total[y * w + x + 1] + total[(y + 1) * w + x] - total[y * w + x];
        }
    for (int y = 1; y <= g->in_h; y++)
        for (int x = 1; x <= g->in_w; x++) {
            const int y0 = y > side ? y - side : 0, x0 = x > side ? x - side : 0;
            largest = fmax(largest, total[y * w + x] - total[y0 * w + x] - total[y * w + x0] +
                                        total[y0 * w + x0]);
        }
    free(total);
    return sqrt(largest);
}

/* The same over the weights of an output channel. */
static double weight_norm(const struct trial *t)
{
    const size_t n = (size_t)t->shape.g.out_c, terms = weight_count(&t->shape) / n;
    double largest = 0.0;
    for (size_t j = 0; j < n; j++) {
        double sum = 0.0;
        for (size_t i = 0; i < terms; i++) {
            const double w = (double)((const float *)t->w)[i * n + j];
            sum += w * w;
        }
        largest = fmax(largest, sum);
    }
    return sqrt(largest);
}

/* What a kernel may err by besides the bound of direct sums. */
static double shared_bound(const struct trial *t, const struct conv_kernel *k, double largest)
{
    const char *fourier = strstr(k->name, "fourier");
    if (!fourier)
        return transform_error(k) * largest;
    const double norms = square_norm(t, atoi(fourier + strlen("fourier"))) * weight_norm(t);
    const double rounding = strncmp(k->name, "bf16", 4) == 0 ? 0x1p-9 : 0x1p-24;
    /* BF16 maps: direct kernels round the weights, which these do not */
    const double weights = t->shape.in == MAP_BF16 ? 0x1p-9 : 0.0;
    return norms *
           (8.0 * rounding + weights + (16.0 + 4.0 * sqrt((double)t->shape.g.in_c)) * 0x1p-24);
}

static void check_weights(struct check *c, enum weight_type weights)
{
    struct trial t;
    draw_trial(c, &t, weights);
    const size_t channels = (size_t)t.shape.g.out_c;
    struct answer *answers = calloc(t.n_out * channels, sizeof(*answers));
    if (!answers)
        abort();
    double largest = 0.0;
    for (size_t i = 0; i < t.n_out * channels; i++) {
        const int j = (int)(i % channels);
        const struct sum sum = sum_of(&t, weights, i / channels, j);
        answers[i] = answer_of(&t, weights, &sum, i / channels, j);
        largest = fmax(largest, sum.magnitude);
    }
    for (const struct conv_kernel *const *k = conv_kernels; *k; k++) {
        if (c->kernel && strcmp(c->kernel, (*k)->name) != 0)
            continue;
        if (strncmp((*k)->name, "s16_winograd", 12) == 0) /* check_whole.c */
            continue;
        if ((*k)->level != c->level || (*k)->weights != weights || !(*k)->fits(&t.shape))
            continue;
        c->met = true;
        check_kernel(c, &t, *k, answers, shared_bound(&t, *k, largest));
    }
    free(answers);
}

static void check_q8(struct check *c)
{
    check_weights(c, WEIGHT_S8);
}

static void check_float(struct check *c)
{
    check_weights(c, WEIGHT_F32);
}

/* One call of one kernel, again and again. */
struct bench_call {
    const struct conv_kernel *k;
    struct conv_call call;
};

static void bench_run(void *ctx)
{
    const struct bench_call *b = ctx;
    const int n_phases = b->k->phases ? b->k->phases(b->call.shape) : 1;
    for (int phase = 0; phase < n_phases; phase++)
        b->k->run(&b->call, phase, 0, b->k->items(b->call.shape, phase));
}

static void *bench_bytes(size_t n)
{
    unsigned char *p = aligned_alloc(64, (n + 127) / 64 * 64);
    if (!p)
        abort();
    for (size_t i = 0; i < n + 64; i++)
        p[i] = 0;
    return p;
}

static void bench_kernel(const struct bench *bench, const struct conv_kernel *k,
                         const struct conv_shape *s)
{
    const struct conv_geometry *g = &s->g;
    const size_t n_in = (size_t)g->in_h * (size_t)g->in_w * (size_t)g->in_pitch;
    const size_t n_out = (size_t)g->out_h * (size_t)g->out_w * (size_t)g->out_pitch;
    const size_t n = (size_t)g->out_c * 4;
    void *blocks[] = {bench_bytes(n_in * map_type_size(s->in)),
                      bench_bytes(n_out * map_type_size(s->out)),
                      bench_bytes(n_out * map_type_size(s->out)),
                      bench_bytes(weight_count(s) * 4),
                      bench_bytes(k->packed(s)),
                      bench_bytes(k->scratch ? k->scratch(s) : 64),
                      bench_bytes(k->workspace ? k->workspace(s) : 64),
                      bench_bytes(n),
                      bench_bytes(n),
                      bench_bytes(n),
                      bench_bytes((size_t)g->in_c)};
    const struct conv_constants constants = {.packed = blocks[4],
                                             .offset = blocks[7],
                                             .multiplier = blocks[8],
                                             .bias = blocks[9],
                                             .zero = blocks[10],
                                             .high = s->out == MAP_U8 ? 255.0F : INFINITY,
                                             .add_scale = 1.0F,
                                             .add_pitch = g->out_pitch};
    k->pack(s, blocks[3], blocks[4]);
    struct bench_call b = {k,
                           {.shape = s,
                            .c = &constants,
                            .x = blocks[0],
                            .y = blocks[1],
                            .add = blocks[2],
                            .scratch = blocks[5],
                            .workspace = blocks[6]}};
    const double seconds = bench_time(bench_run, &b);
    const double macs = conv_macs(g) / (s->depthwise ? g->in_c : 1);
    const double rate = macs / seconds;
    const double ceiling = ceiling_macs(bench->level, s->in);
    printf("%3dx%-3d %3d -> %3d  %dx%d s%d d%d%s%s | %-24s | %9.1f us | %6.1f %3.0f %% |\n",
           g->in_h, g->in_w, g->in_c, g->out_c, g->kernel_h, g->kernel_w, g->stride, g->dilation,
           s->depthwise ? " dw" : "", s->adds ? " +" : "", k->name, seconds * 1e6, rate * 1e-9,
           100.0 * rate / ceiling);
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++)
        free(blocks[i]);
}

/* in_h, in_w, in_c, out_c, kernel, stride, dilation, depthwise */
static const int bench_layers[][8] = {
    {256, 256, 3, 16, 3, 2, 1, 0},    {128, 128, 16, 32, 3, 2, 1, 0},
    {64, 64, 32, 32, 3, 1, 1, 0},     {64, 64, 32, 64, 3, 2, 1, 0},
    {32, 32, 64, 64, 3, 1, 1, 0},     {32, 32, 96, 96, 3, 1, 1, 0},
    {32, 32, 153, 96, 3, 1, 1, 0},    {32, 32, 64, 128, 3, 2, 1, 0},
    {16, 16, 128, 128, 3, 1, 1, 0},   {16, 16, 128, 128, 3, 1, 2, 0},
    {32, 32, 128, 96, 1, 1, 1, 0},    {32, 32, 96, 38, 1, 1, 1, 0},
    {32, 32, 96, 19, 1, 1, 1, 0},     {64, 64, 24, 24, 3, 1, 1, 0},
    {64, 64, 40, 40, 3, 1, 1, 0},     {64, 64, 48, 48, 3, 1, 1, 0},
    {64, 64, 56, 56, 3, 1, 1, 0},     {32, 32, 256, 256, 3, 1, 1, 0},
    {32, 32, 128, 128, 7, 1, 1, 0},   {32, 32, 185, 128, 7, 1, 1, 0},
    {64, 64, 64, 64, 3, 1, 1, 0},     {128, 128, 64, 64, 3, 1, 1, 0},
    {64, 64, 64, 64, 3, 1, 1, 1},     {64, 64, 64, 64, 3, 2, 1, 1},
    {32, 32, 96, 96, 5, 1, 1, 1},     {36, 48, 128, 128, 7, 1, 1, 0},
    {36, 48, 185, 128, 7, 1, 1, 0},   {36, 48, 48, 48, 7, 1, 1, 0},
    {36, 48, 113, 56, 7, 1, 1, 0},    {36, 48, 128, 128, 3, 1, 1, 0},
    {36, 48, 512, 512, 3, 1, 1, 0},   {72, 96, 256, 256, 3, 1, 1, 0},
    {144, 192, 128, 128, 3, 1, 1, 0}, {288, 384, 64, 64, 3, 1, 1, 0},
    {144, 192, 48, 48, 3, 1, 1, 0},
};

static void bench_weights(const struct bench *b, enum weight_type weights, enum map_type in)
{
    for (size_t i = 0; i < sizeof(bench_layers) / sizeof(bench_layers[0]); i++) {
        const int *l = bench_layers[i];
        struct conv_shape s = {.g = {.in_h = l[0],
                                     .in_w = l[1],
                                     .in_c = l[2],
                                     .out_c = l[3],
                                     .kernel_h = l[4],
                                     .kernel_w = l[4],
                                     .stride = l[5],
                                     .dilation = l[6],
                                     .in_pitch = l[2],
                                     .out_pitch = l[3]},
                               .depthwise = l[7] != 0,
                               .in = in,
                               .out = in};
        struct conv_geometry *g = &s.g;
        g->out_h = (g->in_h - 1) / g->stride + 1;
        g->out_w = (g->in_w - 1) / g->stride + 1;
        const int over = (g->out_h - 1) * g->stride + (g->kernel_h - 1) * g->dilation + 1 - g->in_h;
        g->pad_top = g->pad_left = over > 0 ? over / 2 : 0;
        for (const struct conv_kernel *const *k = conv_kernels; *k; k++)
            if ((*k)->level == b->level && (*k)->weights == weights && (*k)->fits(&s) &&
                (!b->kernel || strcmp(b->kernel, (*k)->name) == 0))
                bench_kernel(b, *k, &s);
    }
}

static void bench_q8(const struct bench *b)
{
    bench_weights(b, WEIGHT_S8, MAP_U8);
}

static void bench_float(const struct bench *b)
{
    bench_weights(b, WEIGHT_F32, MAP_F32);
    bench_weights(b, WEIGHT_F32, MAP_BF16);
    bench_weights(b, WEIGHT_F32, MAP_U8);
}

const struct family family_q8 = {
    .name = "q8",
    .bound = "exact",
    .cases = CASES,
    .highest = CPU_LEVELS,
    .check = check_q8,
    .bench = bench_q8,
};

const struct family family_float = {
    .name = "float",
    .bound = "(4 sqrt(n) + 8) * 2^-24 * sum of magnitudes; Winograd + 16 * 2^-24 of the largest; "
             "Fourier + 8 u X W",
    .cases = CASES,
    .highest = CPU_LEVELS,
    .check = check_float,
    .bench = bench_float,
};
