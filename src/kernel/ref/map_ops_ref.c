/* What an engine does to maps besides convolving them, in plain C: the definition. */
#include "kernel/map_family.h"
#include "kernel/map_value.h"
#include "kernel/pool_window.h"

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

/* The largest value of one channel of a window; 0 when it is padding alone. */
static float window_max(const struct conv_geometry *g, struct axis rows, struct axis columns,
                        enum map_type type, const void *x, int c)
{
    float best = 0.0F;
    bool any = false;
    for (int iy = rows.first; iy < rows.end; iy += g->dilation) {
        for (int ix = columns.first; ix < columns.end; ix += g->dilation) {
            const float v = map_value(type, x, ((ptrdiff_t)iy * g->in_w + ix) * g->in_pitch + c);
            best = !any || v > best ? v : best;
            any = true;
        }
    }
    return best;
}

static void max_pool(const struct conv_geometry *g, enum map_type type, const void *x, void *y,
                     int row0, int row1)
{
    for (int i = row0 * g->out_w; i < row1 * g->out_w; i++) {
        const struct axis rows = window_rows(g, i / g->out_w);
        const struct axis columns = window_columns(g, i % g->out_w);
        for (int c = 0; c < g->in_c; c++)
            map_store(type, y, (ptrdiff_t)i * g->out_pitch + c,
                      window_max(g, rows, columns, type, x, c), 0);
    }
}

/* sum / n, halves to even. */
static int mean_byte(int sum, int n)
{
    const int q = sum / n;
    const int twice = sum % n * 2;
    return q + (twice > n || (twice == n && q % 2 != 0));
}

static float window_mean(const struct conv_geometry *g, struct axis rows, struct axis columns,
                         enum map_type type, const void *x, int c)
{
    const int n = axis_count(g, rows) * axis_count(g, columns);
    float sum = 0.0F;
    int bytes = 0;
    if (n == 0)
        return 0.0F;
    for (int iy = rows.first; iy < rows.end; iy += g->dilation) {
        for (int ix = columns.first; ix < columns.end; ix += g->dilation) {
            const ptrdiff_t at = ((ptrdiff_t)iy * g->in_w + ix) * g->in_pitch + c;
            if (type == MAP_U8)
                bytes += ((const uint8_t *)x)[at];
            else
                sum += map_value(type, x, at);
        }
    }
    return type == MAP_U8 ? (float)mean_byte(bytes, n) : sum / (float)n;
}

static void avg_pool(const struct conv_geometry *g, enum map_type type, const void *x, void *y,
                     int row0, int row1)
{
    for (int i = row0 * g->out_w; i < row1 * g->out_w; i++) {
        const struct axis rows = window_rows(g, i / g->out_w);
        const struct axis columns = window_columns(g, i % g->out_w);
        for (int c = 0; c < g->in_c; c++)
            map_store(type, y, (ptrdiff_t)i * g->out_pitch + c,
                      window_mean(g, rows, columns, type, x, c), 0);
    }
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
