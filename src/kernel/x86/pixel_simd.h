/*
 * Kernels that treat every pixel alike, written once for every vector width. All are bound by
 * memory. Those with parameters per channel take up to BLOCK vectors of channels at a time, keep
 * the parameters in registers and run over the pixels; the others see rows of floats, and one
 * single row where no map has gaps between its pixels.
 */
#ifndef KERNEL_PIXEL_SIMD_H
#define KERNEL_PIXEL_SIMD_H

#include "kernel/family.h"
#include "kernel/x86/simd_words.h"

enum {
    BLOCK = 4,       /* vectors of channels at a time */
    SUM_PIXELS = 256 /* pixels summed in single precision before the sum goes into a double */
};

/* What the kernels with parameters per channel work on; pointers are to the block's channels. */
struct block {
    const float *x, *y, *dy;
    float *out;
    ptrdiff_t x_pitch, y_pitch, dy_pitch, out_pitch;
    const float *a, *b, *c;
    float *sum, *other_sum;
    ptrdiff_t n_pixels;
    int last_lanes;
    enum activation act;
    bool accumulate;
};

typedef void (*block_fn)(const struct block *b);

/* Cut the channels into blocks of BLOCK vectors and a smaller one; fn[n - 1] does n vectors. */
static void for_blocks(const block_fn fn[BLOCK], struct block b, int channels)
{
    for (int done = 0; done < channels;) {
        const int left = channels - done;
        const int n = left >= BLOCK * LANES ? BLOCK : (left + LANES - 1) / LANES;
        const int width = left < n * LANES ? left : n * LANES;
        b.last_lanes = width - (n - 1) * LANES;
        fn[n - 1](&b);
        done += width;
        b.x += width;
        b.y = b.y ? b.y + width : NULL;
        b.dy = b.dy ? b.dy + width : NULL;
        b.out = b.out ? b.out + width : NULL;
        b.a = b.a ? b.a + width : NULL;
        b.b = b.b ? b.b + width : NULL;
        b.c = b.c ? b.c + width : NULL;
        b.sum = b.sum ? b.sum + width : NULL;
        b.other_sum = b.other_sum ? b.other_sum + width : NULL;
    }
}

INLINE void load_parameters(vec out[BLOCK], const float *p, int n, lanes some)
{
    UNROLL
    for (int v = 0; v < n; v++)
        out[v] = load_part(p + v * LANES, v == n - 1, some);
}

INLINE void add_total(float *sum, const vec_total total[BLOCK], int n, lanes some)
{
    UNROLL
    for (int v = 0; v < n; v++) {
        float *to = sum + v * LANES;
        const vec old = load_part(to, v == n - 1, some);
        store_part(to, vec_add(old, vec_total_round(total[v])), v == n - 1, some);
    }
}

INLINE void sums_block(const struct block *b, int n)
{
    const lanes some = lanes_first(b->last_lanes);
    vec_total total[BLOCK], total_squares[BLOCK];
    UNROLL
    for (int v = 0; v < n; v++)
        total[v] = total_squares[v] = vec_total_zero();
    const float *x = b->x;
    for (ptrdiff_t left = b->n_pixels; left > 0; left -= SUM_PIXELS) {
        const ptrdiff_t run = left < SUM_PIXELS ? left : SUM_PIXELS;
        vec sum[BLOCK], squares[BLOCK];
        UNROLL
        for (int v = 0; v < n; v++)
            sum[v] = squares[v] = vec_zero();
        for (ptrdiff_t p = 0; p < run; p++, x += b->x_pitch) {
            UNROLL
            for (int v = 0; v < n; v++) {
                const vec value = load_part(x + v * LANES, v == n - 1, some);
                sum[v] = vec_add(sum[v], value);
                squares[v] = vec_fma(value, value, squares[v]);
            }
        }
        UNROLL
        for (int v = 0; v < n; v++) {
            total[v] = vec_total_add(total[v], sum[v]);
            total_squares[v] = vec_total_add(total_squares[v], squares[v]);
        }
    }
    add_total(b->sum, total, n, some);
    if (b->other_sum)
        add_total(b->other_sum, total_squares, n, some);
}

INLINE void scale_shift_block(const struct block *b, int n)
{
    const lanes some = lanes_first(b->last_lanes);
    vec scale[BLOCK], shift[BLOCK];
    load_parameters(scale, b->a, n, some);
    load_parameters(shift, b->b, n, some);
    const float *x = b->x;
    float *out = b->out;
    const enum activation kind = b->act;
    const ptrdiff_t x_pitch = b->x_pitch, out_pitch = b->out_pitch;
    for (ptrdiff_t p = b->n_pixels; p > 0; p--, x += x_pitch, out += out_pitch) {
        UNROLL
        for (int v = 0; v < n; v++) {
            const vec value = load_part(x + v * LANES, v == n - 1, some);
            store_part(out + v * LANES, activate(kind, vec_fma(value, scale[v], shift[v])),
                       v == n - 1, some);
        }
    }
}

/* The gradient before the activation. */
INLINE vec gated(const float *y, const float *dy, bool last, lanes some)
{
    const vec grad = load_part(dy, last, some);
    return y ? where_positive(load_part(y, last, some), grad) : grad;
}

/* a and b are mean and inv_std. */
INLINE void norm_sums_block(const struct block *b, int n)
{
    const lanes some = lanes_first(b->last_lanes);
    vec mean[BLOCK], inv_std[BLOCK];
    load_parameters(mean, b->a, n, some);
    load_parameters(inv_std, b->b, n, some);
    vec_total total_g[BLOCK], total_gx[BLOCK];
    UNROLL
    for (int v = 0; v < n; v++)
        total_g[v] = total_gx[v] = vec_total_zero();
    const float *x = b->x, *y = b->y, *dy = b->dy;
    for (ptrdiff_t left = b->n_pixels; left > 0; left -= SUM_PIXELS) {
        const ptrdiff_t run = left < SUM_PIXELS ? left : SUM_PIXELS;
        vec sum_g[BLOCK], sum_gx[BLOCK];
        UNROLL
        for (int v = 0; v < n; v++)
            sum_g[v] = sum_gx[v] = vec_zero();
        for (ptrdiff_t p = 0; p < run; p++, x += b->x_pitch, dy += b->dy_pitch) {
            UNROLL
            for (int v = 0; v < n; v++) {
                const int at = v * LANES;
                const bool last = v == n - 1;
                const vec g = gated(y ? y + at : NULL, dy + at, last, some);
                const vec centred = vec_sub(load_part(x + at, last, some), mean[v]);
                sum_g[v] = vec_add(sum_g[v], g);
                sum_gx[v] = vec_fma(g, vec_mul(centred, inv_std[v]), sum_gx[v]);
            }
            y = y ? y + b->y_pitch : NULL;
        }
        UNROLL
        for (int v = 0; v < n; v++) {
            total_g[v] = vec_total_add(total_g[v], sum_g[v]);
            total_gx[v] = vec_total_add(total_gx[v], sum_gx[v]);
        }
    }
    add_total(b->sum, total_g, n, some);
    add_total(b->other_sum, total_gx, n, some);
}

INLINE void norm_apply_block(const struct block *block, int n)
{
    const struct block b = *block; /* known not to be what `out` points to */
    const lanes some = lanes_first(b.last_lanes);
    vec a[BLOCK], slope[BLOCK], offset[BLOCK];
    load_parameters(a, b.a, n, some);
    load_parameters(slope, b.b, n, some);
    load_parameters(offset, b.c, n, some);
    const float *x = b.x, *y = b.y, *dy = b.dy;
    float *out = b.out;
    for (ptrdiff_t p = 0; p < b.n_pixels; p++) {
        UNROLL
        for (int v = 0; v < n; v++) {
            const int at = v * LANES;
            const bool last = v == n - 1;
            const vec g = gated(y ? y + at : NULL, dy + at, last, some);
            vec value = vec_fma(slope[v], load_part(x + at, last, some), offset[v]);
            value = vec_fma(a[v], g, value);
            if (b.accumulate)
                value = vec_add(load_part(out + at, last, some), value);
            store_part(out + at, value, last, some);
        }
        x += b.x_pitch;
        dy += b.dy_pitch;
        out += b.out_pitch;
        y = y ? y + b.y_pitch : NULL;
    }
}

#define BLOCK_KERNEL(name, n)                                                                      \
    static void name##_##n(const struct block *b)                                                  \
    {                                                                                              \
        name##_block(b, n);                                                                        \
    }
#define BLOCK_KERNELS(name)                                                                        \
    BLOCK_KERNEL(name, 1)                                                                          \
    BLOCK_KERNEL(name, 2)                                                                          \
    BLOCK_KERNEL(name, 3)                                                                          \
    BLOCK_KERNEL(name, 4)                                                                          \
    static const block_fn name##_blocks[BLOCK] = {name##_1, name##_2, name##_3, name##_4};

BLOCK_KERNELS(sums)
BLOCK_KERNELS(scale_shift)
BLOCK_KERNELS(norm_sums)
BLOCK_KERNELS(norm_apply)

static void channel_sums(const float *x, size_t n_pixels, int channels, int pitch, float *sum,
                         float *squares)
{
    const struct block b = {
        .x = x,
        .x_pitch = pitch,
        .sum = sum,
        .other_sum = squares,
        .n_pixels = (ptrdiff_t)n_pixels,
    };
    for_blocks(sums_blocks, b, channels);
}

static void scale_shift(const float *x, int x_pitch, const float *scale, const float *shift,
                        enum activation kind, float *y, int y_pitch, size_t n_pixels, int channels)
{
    const struct block b = {
        .x = x,
        .x_pitch = x_pitch,
        .a = scale,
        .b = shift,
        .out = y,
        .out_pitch = y_pitch,
        .n_pixels = (ptrdiff_t)n_pixels,
        .act = kind,
    };
    for_blocks(scale_shift_blocks, b, channels);
}

static void norm_back_sums(const float *x, int x_pitch, const float *y, int y_pitch,
                           const float *dy, int dy_pitch, const float *mean, const float *inv_std,
                           size_t n_pixels, int channels, float *sum_g, float *sum_gx)
{
    const struct block b = {
        .x = x,
        .x_pitch = x_pitch,
        .y = y,
        .y_pitch = y_pitch,
        .dy = dy,
        .dy_pitch = dy_pitch,
        .a = mean,
        .b = inv_std,
        .sum = sum_g,
        .other_sum = sum_gx,
        .n_pixels = (ptrdiff_t)n_pixels,
    };
    for_blocks(norm_sums_blocks, b, channels);
}

static void norm_back_apply(const float *x, int x_pitch, const float *y, int y_pitch,
                            const float *dy, int dy_pitch, const float *a, const float *b,
                            const float *c, bool accumulate, float *dx, int dx_pitch,
                            size_t n_pixels, int channels)
{
    const struct block block = {
        .x = x,
        .x_pitch = x_pitch,
        .y = y,
        .y_pitch = y_pitch,
        .dy = dy,
        .dy_pitch = dy_pitch,
        .a = a,
        .b = b,
        .c = c,
        .out = dx,
        .out_pitch = dx_pitch,
        .n_pixels = (ptrdiff_t)n_pixels,
        .accumulate = accumulate,
    };
    for_blocks(norm_apply_blocks, block, channels);
}

/* Rows of floats: one per pixel, or a single one when no map has gaps. */
struct rows {
    size_t n, width;
};

static struct rows rows_of(size_t n_pixels, int channels, bool dense)
{
    const size_t width = (size_t)channels;
    return dense ? (struct rows){1, n_pixels * width} : (struct rows){n_pixels, width};
}

static void act(enum activation kind, const float *x, int x_pitch, float *y, int y_pitch,
                size_t n_pixels, int channels)
{
    const struct rows rows =
        rows_of(n_pixels, channels, x_pitch == channels && y_pitch == channels);
    for (size_t i = 0; i < rows.n; i++, x += x_pitch, y += y_pitch) {
        for (size_t k = 0; k < rows.width; k += LANES) {
            const size_t left = rows.width - k;
            store_next(y + k, activate(kind, load_next(x + k, left)), left);
        }
    }
}

/* grad * act'(.), from the activated value. */
INLINE vec activate_back(enum activation kind, vec y, vec grad)
{
    const vec one = vec_set(1.0F);
    switch (kind) {
    case ACT_RELU: return where_positive(y, grad);
    case ACT_RELU6: return where_positive(vec_sub(vec_set(6.0F), y), where_positive(y, grad));
    case ACT_SIGMOID: return vec_mul(grad, vec_mul(y, vec_sub(one, y)));
    case ACT_TANH: return vec_mul(grad, vec_sub(one, vec_mul(y, y)));
    default: return grad;
    }
}

static void act_back(enum activation kind, const float *y, int y_pitch, const float *dy,
                     int dy_pitch, bool accumulate, float *dx, int dx_pitch, size_t n_pixels,
                     int channels)
{
    const bool dense = y_pitch == channels && dy_pitch == channels && dx_pitch == channels;
    const struct rows rows = rows_of(n_pixels, channels, dense);
    for (size_t i = 0; i < rows.n; i++, y += y_pitch, dy += dy_pitch, dx += dx_pitch) {
        for (size_t k = 0; k < rows.width; k += LANES) {
            const size_t left = rows.width - k;
            vec value = activate_back(kind, load_next(y + k, left), load_next(dy + k, left));
            if (accumulate)
                value = vec_add(load_next(dx + k, left), value);
            store_next(dx + k, value, left);
        }
    }
}

static void add(const float *x, int x_pitch, const float *y, int y_pitch, enum activation kind,
                float *z, int z_pitch, size_t n_pixels, int channels)
{
    const bool dense = x_pitch == channels && y_pitch == channels && z_pitch == channels;
    const struct rows rows = rows_of(n_pixels, channels, dense);
    for (size_t i = 0; i < rows.n; i++, x += x_pitch, y += y_pitch, z += z_pitch) {
        for (size_t k = 0; k < rows.width; k += LANES) {
            const size_t left = rows.width - k;
            const vec sum = vec_add(load_next(x + k, left), load_next(y + k, left));
            store_next(z + k, activate(kind, sum), left);
        }
    }
}

static void mul(const float *x, int x_pitch, const float *y, int y_pitch, bool accumulate, float *z,
                int z_pitch, size_t n_pixels, int channels)
{
    const bool dense = x_pitch == channels && y_pitch == channels && z_pitch == channels;
    const struct rows rows = rows_of(n_pixels, channels, dense);
    for (size_t i = 0; i < rows.n; i++, x += x_pitch, y += y_pitch, z += z_pitch) {
        for (size_t k = 0; k < rows.width; k += LANES) {
            const size_t left = rows.width - k;
            const vec old = accumulate ? load_next(z + k, left) : vec_zero();
            const vec product = vec_mul(load_next(x + k, left), load_next(y + k, left));
            store_next(z + k, accumulate ? vec_add(old, product) : product, left);
        }
    }
}

static void copy(const float *x, int x_pitch, bool accumulate, float *y, int y_pitch,
                 size_t n_pixels, int channels)
{
    const struct rows rows =
        rows_of(n_pixels, channels, x_pitch == channels && y_pitch == channels);
    for (size_t i = 0; i < rows.n; i++, x += x_pitch, y += y_pitch) {
        for (size_t k = 0; k < rows.width; k += LANES) {
            const size_t left = rows.width - k;
            const vec value = load_next(x + k, left);
            store_next(y + k, accumulate ? vec_add(load_next(y + k, left), value) : value, left);
        }
    }
}

void LEVEL_NAME(pixel_init)(struct kernels *k)
{
    k->channel_sums = channel_sums;
    k->scale_shift = scale_shift;
    k->norm_back_sums = norm_back_sums;
    k->norm_back_apply = norm_back_apply;
    k->act = act;
    k->act_back = act_back;
    k->add = add;
    k->mul = mul;
    k->copy = copy;
}

#endif
