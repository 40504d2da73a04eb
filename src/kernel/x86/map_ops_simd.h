/*
 * Map operations, written once for every vector width: everything is computed in floats, which hold
 * bytes and their sums exactly. Functions marked INLINE take the map's type as a constant, so that
 * each type gets code of its own. A level's .c file includes its simd headers and then this.
 */
#ifndef KERNEL_MAP_OPS_SIMD_H
#define KERNEL_MAP_OPS_SIMD_H

#include "kernel/map_family.h"
#include "kernel/pool_window.h"

enum {
    FEW = LANES,         /* channels from which on pixels are worth vectors of their own */
    MOST_TAPS = 1 << 14, /* of a mean of bytes: what a float holds beyond any doubt */
};

INLINE vec load_as(enum map_type type, const void *map, ptrdiff_t i, lanes some)
{
    switch (type) {
    case MAP_F32: return vec_load_some((const float *)map + i, some);
    case MAP_BF16: return vec_load_bf16((const uint16_t *)map + i, some);
    default: return vec_load_u8((const uint8_t *)map + i, some);
    }
}

/* r is no NaN when it becomes BF16, and within the range of bytes when it becomes one. */
INLINE void store_as(enum map_type type, void *map, ptrdiff_t i, vec r, int zero, lanes some)
{
    switch (type) {
    case MAP_F32: vec_store_some((float *)map + i, r, some); break;
    case MAP_BF16: vec_store_bf16((uint16_t *)map + i, r, some); break;
    default: vec_store_u8((uint8_t *)map + i, r, zero, some); break;
    }
}

INLINE lanes lanes_left(ptrdiff_t n)
{
    return lanes_first(n < LANES ? (int)n : LANES);
}

struct conversion {
    const void *x;
    void *y;
    ptrdiff_t n, x_pitch, y_pitch; /* pixels */
    int channels;
    const float *scale, *shift;
    float low, high;
    int zero;
};

/* A pixel's channels with their factors; or, with `period` > 0, all numbers of a map without gaps
 * whose factors repeat after that many vectors. */
INLINE void convert_run(const struct conversion *c, ptrdiff_t from, ptrdiff_t to, ptrdiff_t n,
                        int period, enum map_type in, enum map_type out)
{
    const vec low = vec_set(c->low);
    const vec high = vec_set(c->high);
    ptrdiff_t factor = 0;
    for (ptrdiff_t k = 0; k < n; k += LANES, factor += LANES) {
        const lanes some = lanes_left(n - k);
        if (period > 0 && factor == (ptrdiff_t)period * LANES)
            factor = 0;
        const lanes factors = period > 0 ? lanes_first(LANES) : some;
        const vec scale = vec_load_some(c->scale + factor, factors);
        const vec shift = vec_load_some(c->shift + factor, factors);
        const vec r = vec_fma(load_as(in, c->x, from + k, some), scale, shift);
        store_as(out, c->y, to + k, vec_limited(r, low, high), c->zero, some);
    }
}

INLINE void convert_map(const struct conversion *c, enum map_type in, enum map_type out)
{
    const bool dense = c->x_pitch == c->channels && c->y_pitch == c->channels;
    if (!dense || c->channels >= FEW) {
        for (ptrdiff_t i = 0; i < c->n; i++)
            convert_run(c, i * c->x_pitch, i * c->y_pitch, c->channels, 0, in, out);
        return;
    }
    float scale[FEW * LANES], shift[FEW * LANES];
    for (int i = 0; i < c->channels * LANES; i++) {
        scale[i] = c->scale[i % c->channels];
        shift[i] = c->shift[i % c->channels];
    }
    struct conversion flat = *c;
    flat.scale = scale;
    flat.shift = shift;
    convert_run(&flat, 0, 0, c->n * c->channels, c->channels, in, out);
}

#define CONVERT(in, out)                                                                           \
    static void convert_##in##_##out(const struct conversion *c)                                   \
    {                                                                                              \
        convert_map(c, MAP_##in, MAP_##out);                                                       \
    }
CONVERT(F32, F32)
CONVERT(F32, BF16)
CONVERT(F32, U8)
CONVERT(BF16, F32)
CONVERT(BF16, BF16)
CONVERT(BF16, U8)
CONVERT(U8, F32)
CONVERT(U8, BF16)
CONVERT(U8, U8)

static void convert(const struct map_view *x, const struct map_convert *how,
                    const struct map_view *y, int row0, int row1)
{
    static void (*const converters[MAP_TYPES][MAP_TYPES])(const struct conversion *c) = {
        [MAP_F32] = {convert_F32_F32, convert_F32_BF16, convert_F32_U8},
        [MAP_BF16] = {convert_BF16_F32, convert_BF16_BF16, convert_BF16_U8},
        [MAP_U8] = {convert_U8_F32, convert_U8_BF16, convert_U8_U8},
    };
    const ptrdiff_t first = (ptrdiff_t)row0 * y->w;
    const struct conversion c = {
        .x = (const uint8_t *)x->data + first * x->pitch * (ptrdiff_t)map_type_size(x->type),
        .y = (uint8_t *)y->data + first * y->pitch * (ptrdiff_t)map_type_size(y->type),
        .n = (ptrdiff_t)(row1 - row0) * y->w,
        .x_pitch = x->pitch,
        .y_pitch = y->pitch,
        .channels = y->channels,
        .scale = how->scale,
        .shift = how->shift,
        .low = how->low,
        .high = how->high,
        .zero = how->zero,
    };
    converters[x->type][y->type](&c);
}

struct addition {
    float a, b, c, low, high;
    int zero;
};

INLINE void add_rows(const struct map_view *x, const struct map_view *y, const struct addition *how,
                     const struct map_view *z, int row0, int row1, enum map_type type)
{
    const vec a = vec_set(how->a), b = vec_set(how->b), c = vec_set(how->c);
    const vec low = vec_set(how->low), high = vec_set(how->high);
    const bool dense =
        x->pitch == z->channels && y->pitch == z->channels && z->pitch == z->channels;
    const ptrdiff_t pixels = (ptrdiff_t)(row1 - row0) * z->w;
    const ptrdiff_t first = (ptrdiff_t)row0 * z->w;
    const ptrdiff_t n = dense ? pixels * z->channels : z->channels;
    for (ptrdiff_t i = first; i < first + (dense ? 1 : pixels); i++) {
        for (ptrdiff_t k = 0; k < n; k += LANES) {
            const lanes some = lanes_left(n - k);
            const vec p = load_as(type, x->data, i * x->pitch + k, some);
            const vec q = load_as(type, y->data, i * y->pitch + k, some);
            const vec r = vec_fma(p, a, vec_fma(q, b, c));
            store_as(type, z->data, i * z->pitch + k, vec_limited(r, low, high), how->zero, some);
        }
    }
}

static void add(const struct map_view *x, const struct map_view *y, float a, float b, float c,
                float low, float high, int zero, const struct map_view *z, int row0, int row1)
{
    const struct addition how = {a, b, c, low, high, zero};
    switch (z->type) {
    case MAP_F32: add_rows(x, y, &how, z, row0, row1, MAP_F32); break;
    case MAP_BF16: add_rows(x, y, &how, z, row0, row1, MAP_BF16); break;
    default: add_rows(x, y, &how, z, row0, row1, MAP_U8); break;
    }
}

INLINE ptrdiff_t element_at(const struct conv_geometry *g, int y, int x)
{
    return ((ptrdiff_t)y * g->in_w + x) * g->in_pitch;
}

/* 0 over padding alone; a later tap has to be larger to win. */
INLINE vec largest(const struct conv_geometry *g, struct axis rows, struct axis columns,
                   const void *x, ptrdiff_t k, lanes some, enum map_type type)
{
    if (rows.first >= rows.end || columns.first >= columns.end)
        return vec_zero();
    vec best = load_as(type, x, element_at(g, rows.first, columns.first) + k, some);
    for (int iy = rows.first; iy < rows.end; iy += g->dilation) {
        for (int ix = columns.first; ix < columns.end; ix += g->dilation) {
            const vec value = load_as(type, x, element_at(g, iy, ix) + k, some);
            best = vec_select(vec_above(value, best), value, best);
        }
    }
    return best;
}

/* Sums in the order of the plain level; a mean of bytes is rounded when it is stored. */
INLINE vec mean(const struct conv_geometry *g, struct axis rows, struct axis columns, const void *x,
                ptrdiff_t k, lanes some, enum map_type type)
{
    const int n = axis_count(g, rows) * axis_count(g, columns);
    vec sum = vec_zero();
    if (n == 0)
        return sum;
    for (int iy = rows.first; iy < rows.end; iy += g->dilation)
        for (int ix = columns.first; ix < columns.end; ix += g->dilation)
            sum = vec_add(sum, load_as(type, x, element_at(g, iy, ix) + k, some));
    return vec_div(sum, vec_set((float)n));
}

INLINE void pool_rows(const struct conv_geometry *g, const void *x, void *y, int row0, int row1,
                      bool max, enum map_type type)
{
    ptrdiff_t out = (ptrdiff_t)row0 * g->out_w * g->out_pitch;
    for (int oy = row0; oy < row1; oy++) {
        const struct axis rows = window_rows(g, oy);
        for (int ox = 0; ox < g->out_w; ox++, out += g->out_pitch) {
            const struct axis columns = window_columns(g, ox);
            for (ptrdiff_t k = 0; k < g->in_c; k += LANES) {
                const lanes some = lanes_left(g->in_c - k);
                const vec r = max ? largest(g, rows, columns, x, k, some, type)
                                  : mean(g, rows, columns, x, k, some, type);
                store_as(type, y, out + k, r, 0, some);
            }
        }
    }
}

static void max_pool(const struct conv_geometry *g, enum map_type type, const void *x, void *y,
                     int row0, int row1)
{
    switch (type) {
    case MAP_F32: pool_rows(g, x, y, row0, row1, true, MAP_F32); break;
    case MAP_BF16: pool_rows(g, x, y, row0, row1, true, MAP_BF16); break;
    default: pool_rows(g, x, y, row0, row1, true, MAP_U8); break;
    }
}

static void avg_pool(const struct conv_geometry *g, enum map_type type, const void *x, void *y,
                     int row0, int row1)
{
    if (type == MAP_U8 && g->kernel_h > MOST_TAPS / g->kernel_w) {
        struct map_ops plain;
        map_ops_init_ref(&plain);
        plain.avg_pool(g, type, x, y, row0, row1);
        return;
    }
    switch (type) {
    case MAP_F32: pool_rows(g, x, y, row0, row1, false, MAP_F32); break;
    case MAP_BF16: pool_rows(g, x, y, row0, row1, false, MAP_BF16); break;
    default: pool_rows(g, x, y, row0, row1, false, MAP_U8); break;
    }
}

/* a is the nearest, d the farthest. A byte is floor(sum / 16 + 1/2), which is sum / 16 + 1/32
 * rounded to nearest: sixteenths are never halfway then. */
INLINE vec blend(vec a, vec b, vec c, vec d, enum map_type type)
{
    const vec much = vec_set(0.75F);
    const vec little = vec_set(0.25F);
    const vec near = vec_fma(little, c, vec_mul(much, a));
    const vec far = vec_fma(little, d, vec_mul(much, b));
    const vec r = vec_fma(little, far, vec_mul(much, near));
    return type == MAP_U8 ? vec_add(r, vec_set(0.03125F)) : r;
}

/* A pixel in whole numbers, as many channels as are whole vectors: that many. */
INLINE ptrdiff_t blend_bytes(const uint8_t *a, const uint8_t *b, const uint8_t *c, const uint8_t *d,
                             uint8_t *y, ptrdiff_t channels)
{
    ptrdiff_t k = 0;
    for (; k + WORDS <= channels; k += WORDS) {
        const words near = words_add(words_3(words_bytes(a + k)), words_bytes(c + k));
        const words far = words_add(words_3(words_bytes(b + k)), words_bytes(d + k));
        words_store_sixteenths(y + k, words_add(words_3(near), far));
    }
    return k;
}

INLINE void enlarge_rows(const struct map_view *x, const struct map_view *y, int row0, int row1,
                         enum map_type type)
{
    ptrdiff_t out = (ptrdiff_t)row0 * y->w * y->pitch;
    const ptrdiff_t pitch = x->pitch;
    for (int oy = row0; oy < row1; oy++) {
        int y_near, y_far;
        halves(oy, x->h, &y_near, &y_far);
        const ptrdiff_t near = (ptrdiff_t)y_near * x->w * pitch;
        const ptrdiff_t far = (ptrdiff_t)y_far * x->w * pitch;
        for (int ox = 0; ox < y->w; ox++, out += y->pitch) {
            int x_near, x_far;
            halves(ox, x->w, &x_near, &x_far);
            const ptrdiff_t here = x_near * pitch;
            const ptrdiff_t beside = x_far * pitch;
            ptrdiff_t k = 0;
            if (type == MAP_U8) {
                const uint8_t *from = x->data;
                k = blend_bytes(from + near + here, from + near + beside, from + far + here,
                                from + far + beside, (uint8_t *)y->data + out, y->channels);
            }
            for (; k < y->channels; k += LANES) {
                const lanes some = lanes_left(y->channels - k);
                const vec a = load_as(type, x->data, near + here + k, some);
                const vec b = load_as(type, x->data, near + beside + k, some);
                const vec c = load_as(type, x->data, far + here + k, some);
                const vec d = load_as(type, x->data, far + beside + k, some);
                store_as(type, y->data, out + k, blend(a, b, c, d, type), 0, some);
            }
        }
    }
}

static void upsample2(const struct map_view *x, const struct map_view *y, int row0, int row1)
{
    switch (x->type) {
    case MAP_F32: enlarge_rows(x, y, row0, row1, MAP_F32); break;
    case MAP_BF16: enlarge_rows(x, y, row0, row1, MAP_BF16); break;
    default: enlarge_rows(x, y, row0, row1, MAP_U8); break;
    }
}

void LEVEL_NAME(map_ops_init)(struct map_ops *ops)
{
    ops->convert = convert;
    ops->add = add;
    ops->max_pool = max_pool;
    ops->avg_pool = avg_pool;
    ops->upsample2 = upsample2;
}

#endif
