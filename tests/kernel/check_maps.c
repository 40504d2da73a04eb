/*
 * map_ops.h, for maps of every type. Bytes: equal to the definition. Floats: within 8 * 2^-24 of
 * the terms' magnitudes, and half a step of BF16 more when the result is one.
 */
#include "check.h"

#include "kernel/bf16.h"
#include "kernel/map_ops.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static float value_of(const struct map_view *m, int y, int x, int c)
{
    const size_t at = ((size_t)y * (size_t)m->w + (size_t)x) * (size_t)m->pitch + (size_t)c;
    switch (m->type) {
    case MAP_F32: return ((const float *)m->data)[at];
    case MAP_BF16: return bf16_float(((const uint16_t *)m->data)[at]);
    default: return (float)((const uint8_t *)m->data)[at];
    }
}

/* Without values; x maps are readable behind their ends, results are not writable there. */
static struct map_view view_new(struct check *c, enum map_type type, int h, int w, int channels)
{
    const size_t size = map_type_size(type);
    struct map_view m = {.type = type, .h = h, .w = w, .channels = channels};
    m.pitch = draw_pitch(c, channels);
    m.data =
        pixels_new(c, (size_t)h * (size_t)w, (size_t)channels * size, (size_t)m.pitch * size, 0);
    return m;
}

static struct map_view view_random(struct check *c, enum map_type type, int h, int w, int channels)
{
    struct map_view m = view_new(c, type, h, w, channels);
    for (int i = 0; i < h * w; i++) {
        for (int k = 0; k < channels; k++) {
            const size_t at = (size_t)i * (size_t)m.pitch + (size_t)k;
            const float value = draw_value(c);
            if (type == MAP_F32)
                ((float *)m.data)[at] = value;
            else if (type == MAP_BF16)
                ((uint16_t *)m.data)[at] = bf16_round(value);
            else
                ((uint8_t *)m.data)[at] = (uint8_t)draw(c, 0, 255);
        }
    }
    freeze(c, m.data);
    return m;
}

static enum map_type draw_type(struct check *c)
{
    return (enum map_type)draw(c, 0, MAP_TYPES - 1);
}

static void expect(struct check *c, const struct map_view *m, int y, int x, int k, double value,
                   double size)
{
    double bound = 8.0 * 0x1p-24 * size + 1e-30;
    if (m->type == MAP_BF16)
        bound += 0x1.01p-8 * fabs(value);
    if (m->type == MAP_U8)
        bound = 0.0;
    const size_t at = ((size_t)y * (size_t)m->w + (size_t)x) * (size_t)m->channels + (size_t)k;
    check_close(c, "y", at, (double)value_of(m, y, x, k), value, bound + 1e-30);
}

static float limited(float r, float low, float high)
{
    r = r > low ? r : low;
    return r < high ? r : high;
}

static int draw_channels(struct check *c)
{
    return draw_bool(c) ? draw(c, 1, 20) : draw(c, 1, 150);
}

static void draw_limits(struct check *c, enum map_type type, float *low, float *high, int *zero)
{
    *zero = draw_bool(c) ? 128 : 0;
    *low = type == MAP_U8 ? (float)-*zero : draw_bool(c) ? 0.0F : -INFINITY;
    *high = type == MAP_U8 ? (float)(255 - *zero) : draw_bool(c) ? 1.0F : INFINITY;
    if (type == MAP_U8 && draw_bool(c))
        *low = (float)draw(c, -*zero, 20);
}

static void check_convert(struct check *c, const struct map_ops *ops)
{
    const int h = draw(c, 1, 9), w = draw(c, 1, 9), channels = draw_channels(c);
    const struct map_view x = view_random(c, draw_type(c), h, w, channels);
    const struct map_view y = view_new(c, draw_type(c), h, w, channels);
    float *scale = floats_random(c, (size_t)channels);
    float *shift = floats_random(c, (size_t)channels);
    struct map_convert how = {.scale = scale, .shift = shift};
    for (int k = 0; k < channels && y.type == MAP_U8; k++) {
        scale[k] *= x.type == MAP_U8 ? 2.0F : 80.0F;
        shift[k] *= 40.0F;
        if (draw_bool(c)) /* many halves */
            scale[k] = 0.5F, shift[k] = 1.0F;
    }
    freeze(c, scale);
    freeze(c, shift);
    draw_limits(c, y.type, &how.low, &how.high, &how.zero);
    for (int row = 0, n; (n = draw_piece(c, h - row)) > 0; row += n)
        ops->convert(&x, &how, &y, row, row + n);
    for (int i = 0; i < h * w * channels; i++) {
        const int k = i % channels, at = i / channels;
        const float v = value_of(&x, at / w, at % w, k);
        const float r = limited(fmaf(v, scale[k], shift[k]), how.low, how.high);
        const float size = fabsf(v * scale[k]) + fabsf(shift[k]);
        expect(c, &y, at / w, at % w, k,
               (double)(y.type == MAP_U8 ? rintf(r) + (float)how.zero : r), (double)size);
    }
}

static void check_add(struct check *c, const struct map_ops *ops)
{
    const int h = draw(c, 1, 9), w = draw(c, 1, 9), channels = draw_channels(c);
    const enum map_type type = draw_type(c);
    const struct map_view x = view_random(c, type, h, w, channels);
    const struct map_view y = view_random(c, type, h, w, channels);
    const struct map_view z = view_new(c, type, h, w, channels);
    const bool halves = draw_bool(c);
    const float a = halves ? 0.5F : draw_value(c);
    const float b = halves ? 0.5F : draw_value(c);
    const float offset = halves ? 0.0F : 5.0F * draw_value(c);
    float low, high;
    int zero;
    draw_limits(c, type, &low, &high, &zero);
    for (int row = 0, n; (n = draw_piece(c, h - row)) > 0; row += n)
        ops->add(&x, &y, a, b, offset, low, high, zero, &z, row, row + n);
    for (int i = 0; i < h * w * channels; i++) {
        const int k = i % channels, at = i / channels;
        const float p = value_of(&x, at / w, at % w, k);
        const float q = value_of(&y, at / w, at % w, k);
        const float r = limited(fmaf(p, a, fmaf(q, b, offset)), low, high);
        expect(c, &z, at / w, at % w, k, (double)(type == MAP_U8 ? rintf(r) + (float)zero : r),
               (double)(fabsf(p * a) + fabsf(q * b) + fabsf(offset)));
    }
}

/* Mean with halves to even, of whole numbers. */
static double mean_even(double sum, double n)
{
    const double low = floor(sum / n);
    const double rest = sum - low * n;
    const bool odd = fmod(low, 2.0) > 0.5;
    return low + (2.0 * rest > n || (!(2.0 * rest < n) && odd) ? 1.0 : 0.0);
}

static void check_pool(struct check *c, const struct map_ops *ops)
{
    struct conv_geometry g = {.in_h = draw(c, 1, 12), .in_w = draw(c, 1, 12)};
    g.in_c = g.out_c = draw_channels(c);
    g.kernel_h = draw(c, 1, 4);
    g.kernel_w = draw(c, 1, 4);
    g.stride = draw(c, 1, 3);
    g.dilation = draw(c, 0, 3) == 0 ? 2 : 1;
    draw_conv_padding(c, &g);
    const enum map_type type = draw_type(c);
    const struct map_view x = view_random(c, type, g.in_h, g.in_w, g.in_c);
    const struct map_view y = view_new(c, type, g.out_h, g.out_w, g.out_c);
    g.in_pitch = x.pitch;
    g.out_pitch = y.pitch;
    const bool max = draw_bool(c);
    for (int row = 0, n; (n = draw_piece(c, g.out_h - row)) > 0; row += n)
        (max ? ops->max_pool : ops->avg_pool)(&g, type, x.data, y.data, row, row + n);
    for (int i = 0; i < g.out_h * g.out_w * g.out_c; i++) {
        const int k = i % g.out_c, oy = i / g.out_c / g.out_w, ox = i / g.out_c % g.out_w;
        double best = -INFINITY, sum = 0.0, size = 0.0, n = 0.0;
        for (int tap = 0; tap < g.kernel_h * g.kernel_w; tap++) {
            const int iy = oy * g.stride - g.pad_top + tap / g.kernel_w * g.dilation;
            const int ix = ox * g.stride - g.pad_left + tap % g.kernel_w * g.dilation;
            if (iy < 0 || iy >= g.in_h || ix < 0 || ix >= g.in_w)
                continue;
            const double v = (double)value_of(&x, iy, ix, k);
            best = fmax(best, v);
            sum += v;
            size += fabs(v);
            n += 1.0;
        }
        if (n < 1.0)
            expect(c, &y, oy, ox, k, 0.0, 0.0);
        else if (max)
            expect(c, &y, oy, ox, k, best, 0.0);
        else
            expect(c, &y, oy, ox, k, type == MAP_U8 ? mean_even(sum, n) : sum / n, size);
    }
}

static int clamped(int i, int n)
{
    return i < 0 ? 0 : i >= n ? n - 1 : i;
}

static void check_upsample(struct check *c, const struct map_ops *ops)
{
    const int h = draw(c, 1, 7), w = draw(c, 1, 9), channels = draw_channels(c);
    const enum map_type type = draw_type(c);
    const struct map_view x = view_random(c, type, h, w, channels);
    const struct map_view y =
        view_new(c, type, 2 * h - draw(c, 0, 1), 2 * w - draw(c, 0, 1), channels);
    for (int row = 0, n; (n = draw_piece(c, y.h - row)) > 0; row += n)
        ops->upsample2(&x, &y, row, row + n);
    for (int i = 0; i < y.h * y.w * channels; i++) {
        const int k = i % channels, oy = i / channels / y.w, ox = i / channels % y.w;
        const int ny = oy / 2, nx = ox / 2;
        const int fy = clamped(ny + (oy % 2 ? 1 : -1), h), fx = clamped(nx + (ox % 2 ? 1 : -1), w);
        const double a = (double)value_of(&x, ny, nx, k), b = (double)value_of(&x, ny, fx, k);
        const double d = (double)value_of(&x, fy, nx, k), e = (double)value_of(&x, fy, fx, k);
        const double sum = 9.0 * a + 3.0 * b + 3.0 * d + e;
        expect(c, &y, oy, ox, k, type == MAP_U8 ? floor((sum + 8.0) / 16.0) : sum / 16.0,
               fabs(a) + fabs(b) + fabs(d) + fabs(e));
    }
}

static void check(struct check *c)
{
    static void (*const checks[])(struct check * c, const struct map_ops *ops) = {
        check_convert, check_add, check_pool, check_upsample};
    static const char *const names[] = {"convert", "add", "pool", "upsample2"};
    struct map_ops ops;
    map_ops_init(&ops, c->level);
    snprintf(c->shape, sizeof(c->shape), "%s", names[c->number % 4]);
    checks[c->number % 4](c, &ops);
}

enum { BENCH_SIZE = 64, BENCH_CHANNELS = 64 };

struct bench_maps {
    struct map_ops ops;
    struct map_view x, y, small;
    struct map_convert how;
};

static void bench_convert(void *ctx)
{
    const struct bench_maps *b = ctx;
    b->ops.convert(&b->x, &b->how, &b->y, 0, BENCH_SIZE);
}

static void bench_add(void *ctx)
{
    const struct bench_maps *b = ctx;
    b->ops.add(&b->x, &b->x, 0.5F, 0.5F, 0.0F, 0.0F, 255.0F, 0, &b->y, 0, BENCH_SIZE);
}

static void bench_pool(void *ctx)
{
    const struct bench_maps *b = ctx;
    const struct conv_geometry g = {.in_h = BENCH_SIZE,
                                    .in_w = BENCH_SIZE,
                                    .in_c = BENCH_CHANNELS,
                                    .out_h = BENCH_SIZE / 2,
                                    .out_w = BENCH_SIZE / 2,
                                    .out_c = BENCH_CHANNELS,
                                    .kernel_h = 2,
                                    .kernel_w = 2,
                                    .stride = 2,
                                    .dilation = 1,
                                    .in_pitch = BENCH_CHANNELS,
                                    .out_pitch = BENCH_CHANNELS};
    b->ops.max_pool(&g, b->x.type, b->x.data, b->y.data, 0, BENCH_SIZE / 2);
}

static void bench_upsample(void *ctx)
{
    const struct bench_maps *b = ctx;
    b->ops.upsample2(&b->small, &b->y, 0, BENCH_SIZE);
}

static void bench(const struct bench *bench)
{
    static const char *const types[MAP_TYPES] = {"f32", "bf16", "u8"};
    static float data[2][BENCH_SIZE * BENCH_SIZE * BENCH_CHANNELS];
    static float ones[BENCH_CHANNELS];
    struct bench_maps b = {.how = {ones, ones, 0.0F, 255.0F, 0}};
    map_ops_init(&b.ops, bench->level);
    printf("%dx%d pixels of %d channels\n", BENCH_SIZE, BENCH_SIZE, BENCH_CHANNELS);
    for (int i = 0; i < MAP_TYPES; i++) {
        const enum map_type type = (enum map_type)i;
        b.x = (struct map_view){data[0],    type,           BENCH_SIZE,
                                BENCH_SIZE, BENCH_CHANNELS, BENCH_CHANNELS};
        b.y = b.small = b.x;
        b.y.data = data[1];
        b.small.h = b.small.w = BENCH_SIZE / 2;
        printf("%-5s add %8.1f us, max_pool %8.1f us, upsample2 %8.1f us, convert to", types[i],
               bench_time(bench_add, &b) * 1e6, bench_time(bench_pool, &b) * 1e6,
               bench_time(bench_upsample, &b) * 1e6);
        for (int j = 0; j < MAP_TYPES; j++) {
            b.y.type = (enum map_type)j;
            printf(" %s %8.1f us", types[j], bench_time(bench_convert, &b) * 1e6);
        }
        printf("\n");
    }
}

const struct family family_maps = {
    .name = "maps",
    .bound = "bytes exact; 8 * 2^-24 of the magnitudes, BF16 2^-8 more",
    .cases = 240,
    .highest = CPU_AVX512,
    .check = check,
    .bench = bench,
};
