/* Windows of dot.h: border, gaps and types are dealt with here, so that tiles know none of them. */
#include "kernel/dot_window.h"

#include "kernel/integers.h"

#include <string.h>

enum {
    BAND_BYTES = 128 * 1024, /* of a window: leaves room for weights in a 1 MiB cache */
    BANDS = 8,               /* at least, where there are rows enough: work for several threads */
    BEHIND = 64              /* readable bytes behind a window */
};

static bool type_kept(const struct conv_shape *s, enum dot_sort sort)
{
    switch (s->in) {
    case MAP_U8: return sort == DOT_U8;
    case MAP_BF16: return sort == DOT_BF16;
    default: return sort == DOT_F32;
    }
}

/* Runs may end in the middle of a group: what follows has to be harmless when multiplied by 0. */
static bool ends_well(const struct conv_shape *s, enum dot_sort sort, int run_elements)
{
    return s->in == MAP_U8 || run_elements % dot_per_group(sort) == 0;
}

static bool inside(const struct conv_geometry *g)
{
    const int end_y = (g->out_h - 1) * g->stride + (g->kernel_h - 1) * g->dilation + 1 - g->pad_top;
    const int end_x =
        (g->out_w - 1) * g->stride + (g->kernel_w - 1) * g->dilation + 1 - g->pad_left;
    return g->pad_top <= 0 && g->pad_left <= 0 && end_y <= g->in_h && end_x <= g->in_w;
}

static ptrdiff_t pixel_bytes(const struct dot_window *w, const struct conv_shape *s)
{
    return (ptrdiff_t)s->g.in_c * 4 / dot_per_group(w->sort);
}

static int window_rows(const struct conv_geometry *g, int rows)
{
    return (rows - 1) * g->stride + (g->kernel_h - 1) * g->dilation + 1;
}

struct dot_window dot_window_of(const struct conv_shape *s, enum dot_sort sort)
{
    const struct conv_geometry *g = &s->g;
    const bool joined = g->dilation == 1 || g->kernel_w == 1;
    struct dot_window w = {
        .sort = sort,
        .n_rows = g->kernel_h,
        .n_runs = joined ? 1 : g->kernel_w,
        .run_elements = joined ? g->kernel_w * g->in_c : g->in_c,
        .width = (g->out_w - 1) * g->stride + (g->kernel_w - 1) * g->dilation + 1,
        .band = divide_up(g->out_h, BANDS),
    };
    w.run = divide_up(w.run_elements, dot_per_group(sort));
    w.direct = type_kept(s, sort) && ends_well(s, sort, w.run_elements) && inside(g) &&
               (g->in_pitch == g->in_c || g->kernel_w == 1 || !joined);
    const ptrdiff_t row = w.width * pixel_bytes(&w, s);
    while (w.band > 1 && window_rows(g, w.band) * row > BAND_BYTES)
        w.band--;
    return w;
}

size_t dot_window_bytes(const struct dot_window *w, const struct conv_shape *s)
{
    if (w->direct)
        return 0;
    const ptrdiff_t row = w->width * pixel_bytes(w, s);
    return (size_t)(window_rows(&s->g, w->band) * row + BEHIND + 63) / 64 * 64;
}

/* n numbers of a map as the window has them; bytes that become floats count from `zero`. */
static void copy_numbers(const struct conv_shape *s, enum dot_sort sort, const void *in,
                         const uint8_t *zero, void *out, ptrdiff_t n)
{
    const uint8_t *bytes = in;
    if (type_kept(s, sort)) {
        memcpy(out, in, (size_t)n * map_type_size(s->in));
    } else if (sort == DOT_S16) {
        int16_t *to = out;
        for (ptrdiff_t i = 0; i < n; i++)
            to[i] = bytes[i];
    } else if (s->in == MAP_BF16) {
        float *to = out;
        for (ptrdiff_t i = 0; i < n; i++)
            to[i] = bf16_float(((const uint16_t *)in)[i]);
    } else {
        float *to = out;
        for (ptrdiff_t i = 0; i < n; i++)
            to[i] = (float)(bytes[i] - zero[i]);
    }
}

/* Neighbouring pixels of the map. */
static uint8_t *copy_pixels(const struct dot_window *w, const struct conv_call *call,
                            ptrdiff_t pixel, ptrdiff_t n, uint8_t *out)
{
    const struct conv_shape *s = call->shape;
    const ptrdiff_t size = (ptrdiff_t)map_type_size(s->in);
    const ptrdiff_t bytes = pixel_bytes(w, s);
    const uint8_t *in = (const uint8_t *)call->x + pixel * s->g.in_pitch * size;
    const bool by_channel = s->in == MAP_U8 && w->sort == DOT_F32; /* `zero` differs */
    if (s->g.in_pitch == s->g.in_c && !by_channel) {
        copy_numbers(s, w->sort, in, NULL, out, n * s->g.in_c);
        return out + n * bytes;
    }
    for (ptrdiff_t i = 0; i < n; i++, in += s->g.in_pitch * size, out += bytes)
        copy_numbers(s, w->sort, in, call->c->zero, out, s->g.in_c);
    return out;
}

/* Pixels outside the map. */
static uint8_t *fill_pixels(const struct dot_window *w, const struct conv_call *call, ptrdiff_t n,
                            uint8_t *out)
{
    const ptrdiff_t bytes = pixel_bytes(w, call->shape);
    if (w->sort != DOT_U8 && w->sort != DOT_S16) {
        memset(out, 0, (size_t)(n * bytes));
        return out + n * bytes;
    }
    for (ptrdiff_t i = 0; i < n; i++, out += bytes)
        copy_numbers(call->shape, w->sort, call->c->zero, NULL, out, call->shape->g.in_c);
    return out;
}

struct dot_source dot_window_fill(const struct dot_window *w, const struct conv_call *call,
                                  int row0, int row1)
{
    const struct conv_shape *s = call->shape;
    const struct conv_geometry *g = &s->g;
    const int y0 = row0 * g->stride - g->pad_top;
    const int x0 = -g->pad_left;
    if (w->direct) {
        const ptrdiff_t pixel = g->in_pitch * (ptrdiff_t)map_type_size(s->in);
        return (struct dot_source){
            .data = (const uint8_t *)call->x + ((ptrdiff_t)y0 * g->in_w + x0) * pixel,
            .row = g->in_w * pixel,
            .pixel = pixel,
            .joined = g->stride == 1 && g->out_w == g->in_w,
        };
    }
    const int left = smaller(larger(-x0, 0), w->width);
    const int right = smaller(larger(x0 + w->width - g->in_w, 0), w->width - left);
    uint8_t *out = call->scratch;
    for (int y = y0; y < y0 + window_rows(g, row1 - row0); y++) {
        if (y < 0 || y >= g->in_h) {
            out = fill_pixels(w, call, w->width, out);
            continue;
        }
        out = fill_pixels(w, call, left, out);
        out =
            copy_pixels(w, call, (ptrdiff_t)y * g->in_w + x0 + left, w->width - left - right, out);
        out = fill_pixels(w, call, right, out);
    }
    memset(out, 0, BEHIND);
    const ptrdiff_t pixel = pixel_bytes(w, s);
    return (struct dot_source){
        .data = call->scratch,
        .row = w->width * pixel,
        .pixel = pixel,
        .joined = w->width == g->out_w && g->stride == 1,
    };
}
