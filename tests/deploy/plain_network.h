/*
 * A quantised network computed slowly from the definitions in conv_kernel.h and map_ops.h, without
 * kernels, packed weights, slices or memory plans. Every tensor has all its numbers in floats:
 * bytes as they are, or real numbers.
 */
#ifndef PLAIN_NETWORK_H
#define PLAIN_NETWORK_H

#include "deploy/network.h"
#include "deploy/quantize.h"

#include <math.h>
#include <stdlib.h>

struct plain {
    const struct network *net; /* with its conversions */
    float **values;            /* per tensor, (h, w, channels); NULL for joint tensors */
};

static inline float *plain_at(const struct plain *p, int tensor, int y, int x, int c)
{
    const struct tensor *t = &p->net->tensors[tensor];
    for (int i = 0; i < t->n_parts; i++) {
        const int channels = p->net->tensors[t->parts[i]].channels;
        if (c < channels)
            return plain_at(p, t->parts[i], y, x, c);
        c -= channels;
    }
    return &p->values[tensor]
                     [((size_t)y * (size_t)t->w + (size_t)x) * (size_t)t->channels + (size_t)c];
}

/* The numbers of one channel's quantum; float tensors have none. */
struct plain_quantum {
    float scale, shift;
    int zero;
};

static inline struct plain_quantum plain_quantum(const struct plain *p, int tensor, int c)
{
    struct plain_quantum q = {1.0F, 0.0F, 0};
    if (p->net->tensors[tensor].type == MAP_U8)
        tensor_quantum(p->net, tensor, c, &q.scale, &q.zero, &q.shift);
    return q;
}

/* Limits of a layer's result, then its rounding: r is in the output's quanta or real units. */
static inline float plain_finish(const struct plain *p, const struct layer *l, float r)
{
    const struct tensor *t = &p->net->tensors[l->output];
    float low = l->low, high = l->high;
    if (t->type == MAP_U8) {
        const float least = t->zero == 0 ? 0.0F : -127.0F, most = t->zero == 0 ? 255.0F : 127.0F;
        low = fminf(fmaxf(rintf(low / t->scale), least), most);
        high = fminf(fmaxf(rintf(high / t->scale), least), most);
    }
    r = r > low ? r : low;
    r = r < high ? r : high;
    return t->type == MAP_U8 ? rintf(r) + (float)t->zero : r;
}

static inline void plain_conv(const struct plain *p, const struct layer *l)
{
    const struct conv_geometry *g = &l->geometry;
    const struct tensor *out = &p->net->tensors[l->output];
    const size_t co = (size_t)g->out_c, ci = l->depthwise ? 1 : (size_t)g->in_c;
    int8_t *w = malloc((size_t)(g->kernel_h * g->kernel_w) * ci * co);
    int32_t *offset = malloc(co * sizeof *offset);
    float *multiplier = malloc(co * sizeof(float)), *bias = malloc(co * sizeof(float));
    float *scale = malloc(co * sizeof(float));
    if (quantize_weights(p->net, l, w, offset, multiplier, bias, scale) < 0)
        abort();
    for (int y = 0; y < g->out_h; y++)
        for (int x = 0; x < g->out_w; x++)
            for (int j = 0; j < g->out_c; j++) {
                int64_t acc = offset[j];
                for (int ky = 0; ky < g->kernel_h; ky++)
                    for (int kx = 0; kx < g->kernel_w; kx++)
                        for (size_t i = 0; i < ci; i++) {
                            const int iy = y * g->stride - g->pad_top + ky * g->dilation;
                            const int ix = x * g->stride - g->pad_left + kx * g->dilation;
                            const int c = l->depthwise ? j : (int)i;
                            const bool inside = iy >= 0 && iy < g->in_h && ix >= 0 && ix < g->in_w;
                            const int q = inside ? (int)*plain_at(p, l->inputs[0], iy, ix, c)
                                                 : plain_quantum(p, l->inputs[0], c).zero;
                            const size_t tap = (size_t)(ky * g->kernel_w + kx);
                            acc += (int64_t)q * w[(tap * ci + i) * co + (size_t)j];
                        }
                float r = fmaf((float)(int32_t)acc, multiplier[j], bias[j]);
                if (l->added >= 0 && out->type == MAP_U8) {
                    const struct plain_quantum q = plain_quantum(p, l->added, j);
                    r = fmaf(*plain_at(p, l->added, y, x, j) - (float)q.zero, q.scale / out->scale,
                             r);
                } else if (l->added >= 0) {
                    r += *plain_at(p, l->added, y, x, j);
                }
                *plain_at(p, l->output, y, x, j) = plain_finish(p, l, r);
            }
    free(w);
    free(offset);
    free(multiplier);
    free(bias);
    free(scale);
}

static inline float plain_converted(const struct plain *p, const struct layer *l, float v, int c)
{
    const struct tensor *out = &p->net->tensors[l->output];
    const struct plain_quantum q = plain_quantum(p, l->inputs[0], c);
    const double unit = out->type == MAP_U8 ? 1.0 / (double)out->scale : 1.0;
    const double factor = l->weights ? (double)l->weights[c] : 1.0;
    const double summand = l->bias ? (double)l->bias[c] : 0.0;
    const float scale = (float)((double)q.scale * factor * unit);
    const float shift =
        (float)((((double)q.shift - (double)q.scale * q.zero) * factor + summand) * unit);
    return plain_finish(p, l, fmaf(v, scale, shift));
}

static inline float plain_sum(const struct plain *p, const struct layer *l, float x, float y)
{
    const struct tensor *out = &p->net->tensors[l->output];
    if (out->type != MAP_U8)
        return plain_finish(p, l, fmaf(x, 1.0F, fmaf(y, 1.0F, 0.0F)));
    const struct plain_quantum s = plain_quantum(p, l->inputs[0], 0);
    const struct plain_quantum t = plain_quantum(p, l->inputs[1], 0);
    const float a = s.scale / out->scale, b = t.scale / out->scale;
    const float c = -((float)s.zero * a + (float)t.zero * b);
    return plain_finish(p, l, fmaf(x, a, fmaf(y, b, c)));
}

/* Only bytes: floats of pools are summed in an order of the kernel's own. */
static inline float plain_pool(const struct plain *p, const struct layer *l, int y, int x, int c)
{
    const struct conv_geometry *g = &l->geometry;
    int sum = 0, n = 0;
    float most = -INFINITY;
    for (int ky = 0; ky < g->kernel_h; ky++)
        for (int kx = 0; kx < g->kernel_w; kx++) {
            const int iy = y * g->stride - g->pad_top + ky;
            const int ix = x * g->stride - g->pad_left + kx;
            if (iy < 0 || iy >= g->in_h || ix < 0 || ix >= g->in_w)
                continue;
            const float v = *plain_at(p, l->inputs[0], iy, ix, c);
            sum += (int)v;
            n++;
            most = v > most ? v : most;
        }
    return l->kind == LAYER_MAX_POOL ? most : (float)rint((double)sum / n);
}

static inline float plain_enlarged(const struct plain *p, const struct layer *l, int y, int x,
                                   int c)
{
    const struct tensor *in = &p->net->tensors[l->inputs[0]];
    int y1 = y / 2 + (y % 2 ? 1 : -1), x1 = x / 2 + (x % 2 ? 1 : -1);
    y1 = y1 < 0 ? 0 : y1 >= in->h ? in->h - 1 : y1;
    x1 = x1 < 0 ? 0 : x1 >= in->w ? in->w - 1 : x1;
    const int a = (int)*plain_at(p, l->inputs[0], y / 2, x / 2, c);
    const int b = (int)*plain_at(p, l->inputs[0], y / 2, x1, c);
    const int d = (int)*plain_at(p, l->inputs[0], y1, x / 2, c);
    const int e = (int)*plain_at(p, l->inputs[0], y1, x1, c);
    return (float)((9 * a + 3 * b + 3 * d + e + 8) >> 4);
}

static inline void plain_layer(const struct plain *p, const struct layer *l)
{
    const struct tensor *out = &p->net->tensors[l->output];
    if (l->kind == LAYER_CONV) {
        plain_conv(p, l);
        return;
    }
    for (int y = 0; y < out->h; y++)
        for (int x = 0; x < out->w; x++)
            for (int c = 0; c < out->channels; c++) {
                float *z = plain_at(p, l->output, y, x, c);
                if (l->kind == LAYER_CONVERT)
                    *z = plain_converted(p, l, *plain_at(p, l->inputs[0], y, x, c), c);
                else if (l->kind == LAYER_ADD)
                    *z = plain_sum(p, l, *plain_at(p, l->inputs[0], y, x, c),
                                   *plain_at(p, l->inputs[1], y, x, c));
                else if (l->kind == LAYER_UPSAMPLE2)
                    *z = plain_enlarged(p, l, y, x, c);
                else
                    *z = plain_pool(p, l, y, x, c);
            }
}

/* Whether it is made of what this knows exactly: bytes, and floats that are only scaled. */
static inline bool plain_knows(const struct network *net)
{
    for (int i = 0; i < net->n_layers; i++) {
        const struct layer *l = &net->layers[i];
        const bool bytes = net->tensors[l->inputs[0]].type == MAP_U8;
        const bool sizes =
            l->kind == LAYER_MAX_POOL || l->kind == LAYER_AVG_POOL || l->kind == LAYER_UPSAMPLE2;
        if (!(l->kind == LAYER_CONVERT || l->kind == LAYER_ADD ||
              (l->kind == LAYER_CONV && bytes) || (sizes && bytes)))
            return false;
    }
    return true;
}

static inline void plain_run(struct plain *p, const struct network *net, const uint8_t *pixels)
{
    *p = (struct plain){net, calloc((size_t)net->n_tensors, sizeof(float *))};
    for (int i = 0; i < net->n_tensors; i++) {
        const struct tensor *t = &net->tensors[i];
        const size_t n = (size_t)t->h * (size_t)t->w * (size_t)t->channels;
        if (t->n_parts == 0)
            p->values[i] = calloc(n, sizeof(float));
        for (size_t k = 0; i == 0 && k < n; k++)
            p->values[0][k] = (float)pixels[k];
    }
    for (int i = 0; i < net->n_layers; i++)
        plain_layer(p, &net->layers[i]);
}

static inline void plain_free(struct plain *p)
{
    for (int i = 0; i < p->net->n_tensors; i++)
        free(p->values[i]);
    free(p->values);
}

#endif
