/* Max pooling and bilinear enlargement with their gradients, written once for every vector width.
 */
#ifndef KERNEL_POOL_SIMD_H
#define KERNEL_POOL_SIMD_H

#include "kernel/family.h"
#include "kernel/pool_window.h"
#include "kernel/x86/simd_words.h"

static const float *pixel_at(const float *x, int row, int column, int width, int pitch)
{
    return x + ((ptrdiff_t)row * width + column) * pitch;
}

/* The maximum over a window, 0 over padding alone; a later tap has to be larger to win. */
INLINE vec window_max(const struct conv_geometry *g, struct axis rows, struct axis columns,
                      const float *x, size_t left)
{
    if (rows.first >= rows.end || columns.first >= columns.end)
        return vec_zero();
    vec best = load_next(pixel_at(x, rows.first, columns.first, g->in_w, g->in_pitch), left);
    for (int y = rows.first; y < rows.end; y += g->dilation) {
        for (int ix = columns.first; ix < columns.end; ix += g->dilation) {
            const vec value = load_next(pixel_at(x, y, ix, g->in_w, g->in_pitch), left);
            best = vec_select(vec_above(value, best), value, best);
        }
    }
    return best;
}

static void max_pool(const struct conv_geometry *g, const float *x, float *y, int row0, int row1)
{
    const size_t channels = (size_t)g->in_c;
    float *out = y + (ptrdiff_t)row0 * g->out_w * g->out_pitch;
    for (int oy = row0; oy < row1; oy++) {
        const struct axis rows = window_rows(g, oy);
        for (int ox = 0; ox < g->out_w; ox++, out += g->out_pitch) {
            const struct axis columns = window_columns(g, ox);
            for (size_t k = 0; k < channels; k += LANES) {
                const size_t left = channels - k;
                store_next(out + k, window_max(g, rows, columns, x + k, left), left);
            }
        }
    }
}

/*
 * Add a window's gradient where its maximum is. All taps are visited, for the lanes that have not
 * met their maximum yet; rows outside row0 <= y < row1 belong to somebody else.
 */
INLINE void window_back(const struct conv_geometry *g, struct axis rows, struct axis columns,
                        const float *x, vec grad, float *dx, int row0, int row1, size_t left)
{
    const vec best = window_max(g, rows, columns, x, left);
    for (int y = rows.first; y < rows.end; y += g->dilation) {
        for (int ix = columns.first; ix < columns.end; ix += g->dilation) {
            const ptrdiff_t at = pixel_at(x, y, ix, g->in_w, g->in_pitch) - x;
            const lanes found = vec_equal(load_next(x + at, left), best);
            if (y >= row0 && y < row1) {
                const vec old = load_next(dx + at, left);
                store_next(dx + at, vec_add(old, vec_select(found, grad, vec_zero())), left);
            }
            grad = vec_select(found, vec_zero(), grad);
        }
    }
}

static void clear_pixels(float *dx, ptrdiff_t n, int pitch, size_t channels)
{
    for (ptrdiff_t i = 0; i < n; i++, dx += pitch)
        for (size_t k = 0; k < channels; k += LANES)
            store_next(dx + k, vec_zero(), channels - k);
}

static void max_pool_back(const struct conv_geometry *g, const float *x, const float *dy,
                          bool accumulate, float *dx, int row0, int row1)
{
    const size_t channels = (size_t)g->in_c;
    if (!accumulate)
        clear_pixels(dx + (ptrdiff_t)row0 * g->in_w * g->in_pitch,
                     (ptrdiff_t)(row1 - row0) * g->in_w, g->in_pitch, channels);
    for (int oy = 0; oy < g->out_h; oy++) {
        const struct axis rows = window_rows(g, oy);
        if (rows.first >= row1 || rows.end <= row0)
            continue;
        for (int ox = 0; ox < g->out_w; ox++) {
            const struct axis columns = window_columns(g, ox);
            const float *in = pixel_at(dy, oy, ox, g->out_w, g->out_pitch);
            for (size_t k = 0; k < channels; k += LANES) {
                const size_t left = channels - k;
                window_back(g, rows, columns, x + k, load_next(in + k, left), dx + k, row0, row1,
                            left);
            }
        }
    }
}

static void upsample2(const float *x, int h, int w, int channels, int x_pitch, float *y,
                      int y_pitch, int row0, int row1)
{
    const vec much = vec_set(0.75F);
    const vec little = vec_set(0.25F);
    float *out = y + (ptrdiff_t)row0 * 2 * w * y_pitch;
    for (int oy = row0; oy < row1; oy++) {
        int y_near, y_far;
        halves(oy, h, &y_near, &y_far);
        const float *near = pixel_at(x, y_near, 0, w, x_pitch);
        const float *far = pixel_at(x, y_far, 0, w, x_pitch);
        for (int ox = 0; ox < 2 * w; ox++, out += y_pitch) {
            int x_near, x_far;
            halves(ox, w, &x_near, &x_far);
            const ptrdiff_t here = (ptrdiff_t)x_near * x_pitch;
            const ptrdiff_t beside = (ptrdiff_t)x_far * x_pitch;
            for (ptrdiff_t k = 0; k < channels; k += LANES) {
                const size_t left = (size_t)(channels - k);
                const vec a = vec_fma(little, load_next(far + here + k, left),
                                      vec_mul(much, load_next(near + here + k, left)));
                const vec b = vec_fma(little, load_next(far + beside + k, left),
                                      vec_mul(much, load_next(near + beside + k, left)));
                store_next(out + k, vec_fma(little, b, vec_mul(much, a)), left);
            }
        }
    }
}

/* Input i takes part in outputs first <= o < first + 4 (some outside), with these weights. */
static int parts(int i, int size, float weight[4])
{
    weight[0] = i > 0 ? 0.25F : 0.0F;
    weight[1] = i > 0 ? 0.75F : 1.0F;
    weight[2] = i < size - 1 ? 0.75F : 1.0F;
    weight[3] = i < size - 1 ? 0.25F : 0.0F;
    return 2 * i - 1;
}

static void upsample2_back(const float *dy, int dy_pitch, int h, int w, int channels,
                           bool accumulate, float *dx, int dx_pitch, int row0, int row1)
{
    float *out = dx + (ptrdiff_t)row0 * w * dx_pitch;
    for (int iy = row0; iy < row1; iy++) {
        float wy[4], wx[4];
        const int oy = parts(iy, h, wy);
        for (int ix = 0; ix < w; ix++, out += dx_pitch) {
            const int ox = parts(ix, w, wx);
            for (ptrdiff_t k = 0; k < channels; k += LANES) {
                const size_t left = (size_t)(channels - k);
                vec sum = accumulate ? load_next(out + k, left) : vec_zero();
                for (int j = oy < 0; j < 4 && oy + j < 2 * h; j++) {
                    vec row = vec_zero();
                    for (int i = ox < 0; i < 4 && ox + i < 2 * w; i++) {
                        const float *in = pixel_at(dy, oy + j, ox + i, 2 * w, dy_pitch);
                        row = vec_fma(vec_set(wx[i]), load_next(in + k, left), row);
                    }
                    sum = vec_fma(vec_set(wy[j]), row, sum);
                }
                store_next(out + k, sum, left);
            }
        }
    }
}

void LEVEL_NAME(pool_init)(struct kernels *k)
{
    k->max_pool = max_pool;
    k->max_pool_back = max_pool_back;
    k->upsample2 = upsample2;
    k->upsample2_back = upsample2_back;
}

#endif
