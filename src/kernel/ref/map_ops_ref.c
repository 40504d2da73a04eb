/* What an engine does to maps besides convolving them, in plain C: the definition. */
#include "kernel/integers.h"
#include "kernel/map_family.h"
#include "kernel/map_value.h"

static ptrdiff_t element(const struct map_view *m, int y, int x)
{
    return ((ptrdiff_t)y * m->w + x) * m->pitch;
}

static void convert(const struct map_view *x, const struct map_convert *how,
                    const struct map_view *y, int row0, int row1)
{
    for (int i = row0 * y->w; i < row1 * y->w; i++) {
        const ptrdiff_t from = (ptrdiff_t)i * x->pitch;
        const ptrdiff_t to = (ptrdiff_t)i * y->pitch;
        for (int c = 0; c < y->channels; c++) {
            const float v = map_value(x->type, x->data, from + c);
            const float r = map_limited(fmaf(v, how->scale[c], how->shift[c]), how->low, how->high);
            map_store(y->type, y->data, to + c, r, how->zero);
        }
    }
}

static void add(const struct map_view *x, const struct map_view *y, float a, float b, float c,
                float low, float high, int zero, const struct map_view *z, int row0, int row1)
{
    for (int i = row0 * z->w; i < row1 * z->w; i++) {
        for (int k = 0; k < z->channels; k++) {
            const float p = map_value(x->type, x->data, (ptrdiff_t)i * x->pitch + k);
            const float q = map_value(y->type, y->data, (ptrdiff_t)i * y->pitch + k);
            const float r = map_limited(fmaf(p, a, fmaf(q, b, c)), low, high);
            map_store(z->type, z->data, (ptrdiff_t)i * z->pitch + k, r, zero);
        }
    }
}

/* The taps first <= k < end of one axis that meet the map. */
static void taps_inside(const struct conv_geometry *g, int start, int size, int n, int *first,
                        int *end)
{
    *first = smaller(divide_up(-start, g->dilation), n);
    *end = larger(smaller(divide_up(size - start, g->dilation), n), *first);
}

/* Largest or mean value of one channel of a window; 0 when it is padding alone. */
struct window {
    int y0, x0; /* of the first tap */
    int ky0, ky1, kx0, kx1;
};

static struct window window_at(const struct conv_geometry *g, int i)
{
    struct window w = {.y0 = i / g->out_w * g->stride - g->pad_top,
                       .x0 = i % g->out_w * g->stride - g->pad_left};
    taps_inside(g, w.y0, g->in_h, g->kernel_h, &w.ky0, &w.ky1);
    taps_inside(g, w.x0, g->in_w, g->kernel_w, &w.kx0, &w.kx1);
    return w;
}

static ptrdiff_t window_element(const struct conv_geometry *g, const struct window *w, int ky,
                                int kx)
{
    const ptrdiff_t y = w->y0 + ky * g->dilation;
    return (y * g->in_w + w->x0 + kx * g->dilation) * g->in_pitch;
}

static float window_max(const struct conv_geometry *g, const struct window *w, enum map_type type,
                        const void *x, int c)
{
    if (w->ky0 == w->ky1 || w->kx0 == w->kx1)
        return 0.0F;
    float best = map_value(type, x, window_element(g, w, w->ky0, w->kx0) + c);
    for (int ky = w->ky0; ky < w->ky1; ky++) {
        for (int kx = w->kx0; kx < w->kx1; kx++) {
            const float v = map_value(type, x, window_element(g, w, ky, kx) + c);
            best = v > best ? v : best;
        }
    }
    return best;
}

static void max_pool(const struct conv_geometry *g, enum map_type type, const void *x, void *y,
                     int row0, int row1)
{
    for (int i = row0 * g->out_w; i < row1 * g->out_w; i++) {
        const struct window w = window_at(g, i);
        for (int c = 0; c < g->in_c; c++)
            map_store(type, y, (ptrdiff_t)i * g->out_pitch + c, window_max(g, &w, type, x, c), 0);
    }
}

/* sum / n, halves to even. */
static int mean_byte(int sum, int n)
{
    const int q = sum / n;
    const int twice = sum % n * 2;
    return q + (twice > n || (twice == n && q % 2 != 0));
}

static float window_mean(const struct conv_geometry *g, const struct window *w, enum map_type type,
                         const void *x, int c)
{
    const int n = (w->ky1 - w->ky0) * (w->kx1 - w->kx0);
    float sum = 0.0F;
    int bytes = 0;
    for (int ky = w->ky0; ky < w->ky1; ky++) {
        for (int kx = w->kx0; kx < w->kx1; kx++) {
            const ptrdiff_t at = window_element(g, w, ky, kx) + c;
            if (type == MAP_U8)
                bytes += ((const uint8_t *)x)[at];
            else
                sum += map_value(type, x, at);
        }
    }
    if (n == 0)
        return 0.0F;
    return type == MAP_U8 ? (float)mean_byte(bytes, n) : sum / (float)n;
}

static void avg_pool(const struct conv_geometry *g, enum map_type type, const void *x, void *y,
                     int row0, int row1)
{
    for (int i = row0 * g->out_w; i < row1 * g->out_w; i++) {
        const struct window w = window_at(g, i);
        for (int c = 0; c < g->in_c; c++)
            map_store(type, y, (ptrdiff_t)i * g->out_pitch + c, window_mean(g, &w, type, x, c), 0);
    }
}

/* Output coordinate o lies between inputs near (weight 3/4) and far (weight 1/4). */
static void halves(int o, int size, int *near, int *far)
{
    const int other = o % 2 == 0 ? o / 2 - 1 : o / 2 + 1;
    *near = o / 2;
    *far = smaller(larger(other, 0), size - 1);
}

/* a is the nearest, d the farthest. */
static void blend(enum map_type type, const void *x, const ptrdiff_t from[4], void *y, ptrdiff_t to)
{
    if (type == MAP_U8) {
        const uint8_t *q = x;
        const int sum = 9 * q[from[0]] + 3 * q[from[1]] + 3 * q[from[2]] + q[from[3]];
        ((uint8_t *)y)[to] = (uint8_t)((sum + 8) >> 4);
        return;
    }
    const float a = 0.75F * map_value(type, x, from[0]) + 0.25F * map_value(type, x, from[2]);
    const float b = 0.75F * map_value(type, x, from[1]) + 0.25F * map_value(type, x, from[3]);
    map_store(type, y, to, 0.75F * a + 0.25F * b, 0);
}

static void upsample2(const struct map_view *x, const struct map_view *y, int row0, int row1)
{
    for (int oy = row0; oy < row1; oy++) {
        int y_near, y_far;
        halves(oy, x->h, &y_near, &y_far);
        for (int ox = 0; ox < y->w; ox++) {
            int x_near, x_far;
            halves(ox, x->w, &x_near, &x_far);
            const ptrdiff_t from[4] = {element(x, y_near, x_near), element(x, y_near, x_far),
                                       element(x, y_far, x_near), element(x, y_far, x_far)};
            for (int c = 0; c < y->channels; c++) {
                const ptrdiff_t here[4] = {from[0] + c, from[1] + c, from[2] + c, from[3] + c};
                blend(x->type, x->data, here, y->data, element(y, oy, ox) + c);
            }
        }
    }
}

void map_ops_init_ref(struct map_ops *ops)
{
    ops->convert = convert;
    ops->add = add;
    ops->max_pool = max_pool;
    ops->avg_pool = avg_pool;
    ops->upsample2 = upsample2;
}
