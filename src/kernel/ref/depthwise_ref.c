/* Depthwise convolution and its gradients, tap by tap, all channels of a pixel at a time. */
#include "kernel/family.h"

#include "kernel/ref/activate.h"

#include <string.h>

/* The input coordinate of a tap, or -1 outside. */
static int source_of(int out, int tap, int stride, int dilation, int pad, int size)
{
    const int at = out * stride - pad + tap * dilation;
    return at >= 0 && at < size ? at : -1;
}

static const float *tap_weights(const struct conv_geometry *g, const float *w, int ky, int kx)
{
    return w + ((size_t)ky * (size_t)g->kernel_w + (size_t)kx) * (size_t)g->in_c;
}

static size_t input_at(const struct conv_geometry *g, int y, int x)
{
    return ((size_t)y * (size_t)g->in_w + (size_t)x) * (size_t)g->in_pitch;
}

static size_t output_at(const struct conv_geometry *g, int y, int x)
{
    return ((size_t)y * (size_t)g->out_w + (size_t)x) * (size_t)g->out_pitch;
}

/* What a visitor does with one tap of one output pixel: everything it needs to know. */
struct tap {
    int input_row, output_row;
    size_t input, output; /* offsets of the pixels */
    size_t weights;       /* of the tap, in (KH, KW, C) */
};

struct visit {
    void (*tap)(const struct visit *v, const struct tap *t);
    const float *x, *w;
    float *out;
    int channels, row0, row1;
};

static void visit_pixel(const struct conv_geometry *g, const struct visit *v, int oy, int ox)
{
    for (int ky = 0; ky < g->kernel_h; ky++) {
        const int y = source_of(oy, ky, g->stride, g->dilation, g->pad_top, g->in_h);
        for (int kx = 0; y >= 0 && kx < g->kernel_w; kx++) {
            const int x = source_of(ox, kx, g->stride, g->dilation, g->pad_left, g->in_w);
            if (x < 0)
                continue;
            const struct tap t = {y, oy, input_at(g, y, x), output_at(g, oy, ox),
                                  (size_t)(tap_weights(g, v->w, ky, kx) - v->w)};
            v->tap(v, &t);
        }
    }
}

static void add_forward(const struct visit *v, const struct tap *t)
{
    const float *x = v->x + t->input, *w = v->w + t->weights;
    float *y = v->out + t->output;
    for (int c = 0; c < v->channels; c++)
        y[c] += x[c] * w[c];
}

static void depthwise(const struct conv_geometry *g, const float *x, const float *w,
                      const float *bias, enum activation act, float *y, int row0, int row1)
{
    const struct visit v = {.tap = add_forward, .x = x, .w = w, .out = y, .channels = g->in_c};
    for (int oy = row0; oy < row1; oy++) {
        for (int ox = 0; ox < g->out_w; ox++) {
            float *out = y + output_at(g, oy, ox);
            for (int c = 0; c < g->in_c; c++)
                out[c] = bias ? bias[c] : 0.0F;
            visit_pixel(g, &v, oy, ox);
            for (int c = 0; c < g->in_c; c++)
                out[c] = activate(act, out[c]);
        }
    }
}

static void add_dx(const struct visit *v, const struct tap *t)
{
    const float *dy = v->x + t->output, *w = v->w + t->weights;
    float *dx = v->out + t->input;
    if (t->input_row < v->row0 || t->input_row >= v->row1)
        return;
    for (int c = 0; c < v->channels; c++)
        dx[c] += dy[c] * w[c];
}

static void depthwise_dx(const struct conv_geometry *g, const float *dy, const float *w,
                         bool accumulate, float *dx, int row0, int row1)
{
    const struct visit v = {add_dx, dy, w, dx, g->in_c, row0, row1};
    for (int y = row0; y < row1 && !accumulate; y++)
        for (int x = 0; x < g->in_w; x++)
            memset(dx + input_at(g, y, x), 0, (size_t)g->in_c * sizeof *dx);
    for (int oy = 0; oy < g->out_h; oy++) {
        const int first = oy * g->stride - g->pad_top;
        if (first >= row1 || first + (g->kernel_h - 1) * g->dilation < row0)
            continue;
        for (int ox = 0; ox < g->out_w; ox++)
            visit_pixel(g, &v, oy, ox);
    }
}

/* Here `w` is the other map, dy. */
static void add_dw(const struct visit *v, const struct tap *t)
{
    const float *x = v->x + t->input, *dy = v->w + t->output;
    float *dw = v->out + t->weights;
    for (int c = 0; c < v->channels; c++)
        dw[c] += x[c] * dy[c];
}

static void depthwise_dw(const struct conv_geometry *g, const float *x, const float *dy, float *dw)
{
    const struct visit v = {.tap = add_dw, .x = x, .w = dy, .out = dw, .channels = g->in_c};
    for (int oy = 0; oy < g->out_h; oy++)
        for (int ox = 0; ox < g->out_w; ox++)
            visit_pixel(g, &v, oy, ox);
}

void depthwise_init_ref(struct kernels *k)
{
    k->depthwise = depthwise;
    k->depthwise_dx = depthwise_dx;
    k->depthwise_dw = depthwise_dw;
}
