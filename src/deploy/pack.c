/*
 * From layers to steps: constants in the units of the maps' types, and weights in the streams of
 * the kernels that were chosen.
 */
#include "deploy/compilation.h"

#include "base/error.h"
#include "deploy/network_edit.h"
#include "deploy/quantize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the section "weights" --------------------------------------------------------------- */

/* `size` zeroed bytes: their offset, or an error code. */
static int64_t reserve(struct constants *s, size_t size)
{
    const size_t at = s->size, end = at + (size + 63) / 64 * 64;
    if (end > s->capacity) {
        size_t capacity = s->capacity > 0 ? s->capacity : (size_t)1 << 16;
        while (capacity < end)
            capacity *= 2;
        uint8_t *bytes = aligned_alloc(64, capacity);
        if (!bytes)
            return error_set(BPNET_ENOMEM, "no memory for %zu bytes of weights", capacity);
        if (at > 0)
            memcpy(bytes, s->bytes, at);
        free(s->bytes);
        s->bytes = bytes;
        s->capacity = capacity;
    }
    memset(s->bytes + at, 0, end - at);
    s->size = end;
    return (int64_t)at;
}

static int64_t append(struct constants *s, const void *bytes, size_t size)
{
    const int64_t at = reserve(s, size);
    if (at >= 0)
        memcpy(s->bytes + at, bytes, size);
    return at;
}

/* Offsets that could not be taken are error codes. */
static int check_offsets(const struct plan_step *s)
{
    const int64_t offsets[] = {s->stream, s->zero,  s->offset, s->multiplier,
                               s->bias,   s->scale, s->shift,  s->slopes};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++)
        if (offsets[i] < -1)
            return (int)offsets[i];
    return BPNET_OK;
}

/* ---- limits ------------------------------------------------------------------------------ */

/* In quanta about the zero, within what bytes can hold. */
static float in_quanta(float v, const struct tensor *t)
{
    const float low = t->zero == 0 ? 0.0F : -127.0F, high = t->zero == 0 ? 255.0F : 127.0F;
    return fminf(fmaxf(rintf(v / t->scale), low), high);
}

static void set_limits(const struct compilation *c, const struct layer *l, struct plan_step *s)
{
    const struct tensor *t = &c->net.tensors[l->output];
    const bool bytes = t->type == MAP_U8;
    s->low = bytes ? in_quanta(l->low, t) : l->low;
    s->high = bytes ? in_quanta(l->high, t) : l->high;
    s->out_zero = bytes ? t->zero : 0;
}

/* ---- convolutions ------------------------------------------------------------------------ */

static size_t n_weights(const struct layer *l)
{
    return (size_t)layer_macs_per_pixel(l) * (size_t)l->geometry.out_c;
}

static void set_added(const struct compilation *c, const struct layer *l, struct plan_step *s)
{
    if (l->added < 0 || c->net.tensors[l->output].type != MAP_U8)
        return;
    const struct quantum q = tensor_common_quantum(&c->net, l->added);
    s->add_scale = q.scale / c->net.tensors[l->output].scale;
    s->add_zero = q.zero;
}

static int64_t append_zeros(struct compilation *c, const struct layer *l)
{
    uint8_t zeros[PLAN_MAX_CHANNELS + PLAN_TAIL] = {0};
    const int channels = c->net.tensors[l->inputs[0]].channels;
    for (int k = 0; k < channels; k++) {
        float scale, shift;
        int zero;
        tensor_quantum(&c->net, l->inputs[0], k, &scale, &zero, &shift);
        zeros[k] = (uint8_t)zero;
    }
    return append(&c->constants, zeros, (size_t)channels + PLAN_TAIL);
}

/* The kernel's stream from weights of its type. */
static int pack_stream(struct compilation *c, const struct conv_kernel *kernel,
                       const struct conv_shape *shape, const void *weights, struct plan_step *s)
{
    const size_t size = kernel->packed(shape);
    s->stream = reserve(&c->constants, size);
    s->stream_size = (int64_t)size;
    if (s->stream < 0)
        return (int)s->stream;
    kernel->pack(shape, weights, c->constants.bytes + s->stream);
    return BPNET_OK;
}

static int pack_bytes(struct compilation *c, const struct conv_kernel *kernel,
                      const struct conv_shape *shape, const struct layer *l, struct plan_step *s)
{
    const size_t channels = (size_t)l->geometry.out_c;
    int8_t *w8 = malloc(n_weights(l));
    int32_t *offset = calloc(channels, sizeof *offset);
    float *values = calloc(3 * channels, sizeof *values);
    float *multiplier = values, *bias = values + channels, *weight_scale = values + 2 * channels;
    int err = w8 && offset && values ? BPNET_OK
                                     : error_set(BPNET_ENOMEM, "no memory to quantise weights");
    if (err == BPNET_OK &&
        (err = quantize_weights(&c->net, l, w8, offset, multiplier, bias, weight_scale)) >= 0 &&
        (err = pack_stream(c, kernel, shape, w8, s)) >= 0) {
        s->zero = append_zeros(c, l);
        s->offset = append(&c->constants, offset, channels * sizeof *offset);
        s->multiplier = append(&c->constants, multiplier, channels * sizeof *multiplier);
        s->bias = append(&c->constants, bias, channels * sizeof *bias);
    }
    free(w8);
    free(offset);
    free(values);
    return err;
}

/* Float weights, and bytes that they multiply. */
static int pack_scaled(struct compilation *c, const struct conv_kernel *kernel,
                       const struct conv_shape *shape, const struct layer *l, struct plan_step *s)
{
    const size_t channels = (size_t)l->geometry.out_c;
    float *w = malloc(n_weights(l) * sizeof *w), *bias = malloc(channels * sizeof *bias);
    int err = w && bias ? BPNET_OK
                        : error_set(BPNET_ENOMEM, "no memory to scale %zu weights", n_weights(l));
    if (err == BPNET_OK && (err = scale_weights(&c->net, l, w, bias)) >= 0 &&
        (err = pack_stream(c, kernel, shape, w, s)) >= 0) {
        s->zero = append_zeros(c, l);
        s->bias = append(&c->constants, bias, channels * sizeof *bias);
    }
    free(w);
    free(bias);
    return err;
}

static int pack_conv(struct compilation *c, const struct layer *l, struct plan_step *s)
{
    int err;
    const struct conv_kernel *kernel = c->kernels[l - c->net.layers];
    const struct conv_shape shape = compile_shape(c, l);
    const struct conv_geometry *g = &shape.g;
    s->kernel = compile_text(c, kernel->name);
    s->depthwise = l->depthwise;
    if ((int)kernel->level > c->plan.head.level)
        c->plan.head.level = (int32_t)kernel->level;
    set_added(c, l, s);
    if (kernel->weights == WEIGHT_S8)
        return pack_bytes(c, kernel, &shape, l, s);
    if (shape.in == MAP_U8)
        return pack_scaled(c, kernel, &shape, l, s);
    if ((err = pack_stream(c, kernel, &shape, l->weights, s)) < 0)
        return err;
    s->bias = append(&c->constants, l->bias, (size_t)g->out_c * sizeof *l->bias);
    return BPNET_OK;
}

/* ---- other layers ------------------------------------------------------------------------ */

/* v, the number as it stands, to the output's number: real = scale (v - zero) + shift, through the
 * layer's factors, and divided by the output's quantum. */
static int pack_convert(struct compilation *c, const struct layer *l, struct plan_step *s)
{
    const struct network *n = &c->net;
    const struct tensor *to = &n->tensors[l->output];
    const bool from_bytes = n->tensors[l->inputs[0]].type == MAP_U8;
    const double unit = to->type == MAP_U8 ? 1.0 / (double)to->scale : 1.0;
    const size_t channels = (size_t)to->channels;
    float *values = calloc(2 * channels, sizeof *values);
    if (!values)
        return error_set(BPNET_ENOMEM, "no memory for a conversion of %zu channels", channels);
    for (size_t k = 0; k < channels; k++) {
        float scale = 1.0F, shift = 0.0F;
        int zero = 0;
        if (from_bytes)
            tensor_quantum(n, l->inputs[0], (int)k, &scale, &zero, &shift);
        const double factor = l->weights ? (double)l->weights[k] : 1.0;
        const double summand = l->bias ? (double)l->bias[k] : 0.0;
        values[k] = (float)((double)scale * factor * unit);
        values[channels + k] =
            (float)((((double)shift - (double)scale * zero) * factor + summand) * unit);
    }
    s->scale = append(&c->constants, values, channels * sizeof *values);
    s->shift = append(&c->constants, values + channels, channels * sizeof *values);
    free(values);
    return BPNET_OK;
}

static int pack_add(struct compilation *c, const struct layer *l, struct plan_step *s)
{
    const struct network *n = &c->net;
    const struct tensor *to = &n->tensors[l->output];
    s->a = s->b = 1.0F;
    if (to->type != MAP_U8)
        return BPNET_OK;
    const struct quantum x = tensor_common_quantum(n, l->inputs[0]);
    const struct quantum y = tensor_common_quantum(n, l->inputs[1]);
    s->a = x.scale / to->scale;
    s->b = y.scale / to->scale;
    s->c = -((float)x.zero * s->a + (float)y.zero * s->b);
    return BPNET_OK;
}

static int pack_act(struct compilation *c, const struct layer *l, struct plan_step *s)
{
    if (!l->slopes) {
        s->act = (int32_t)l->act;
        return BPNET_OK;
    }
    const size_t channels = (size_t)c->net.tensors[l->output].channels;
    s->op = STEP_PRELU;
    s->slopes = append(&c->constants, l->slopes, channels * sizeof *l->slopes);
    return BPNET_OK;
}

static int pack_enlarge(struct compilation *c, const struct layer *l, struct plan_step *s)
{
    (void)c;
    s->stride = l->factor;
    s->act = (int32_t)l->enlarge;
    return BPNET_OK;
}

static const struct {
    enum step_op op;
    int (*pack)(struct compilation *c, const struct layer *l, struct plan_step *s);
} rows[LAYER_KINDS] = {
    [LAYER_CONV] = {STEP_CONV, pack_conv},
    [LAYER_CONVERT] = {STEP_CONVERT, pack_convert},
    [LAYER_ADD] = {STEP_ADD, pack_add},
    [LAYER_MUL] = {STEP_MUL, NULL},
    [LAYER_ACT] = {STEP_ACT, pack_act},
    [LAYER_MAX_POOL] = {STEP_MAX_POOL, NULL},
    [LAYER_AVG_POOL] = {STEP_AVG_POOL, NULL},
    [LAYER_UPSAMPLE2] = {STEP_UPSAMPLE2, NULL},
    [LAYER_ENLARGE] = {STEP_ENLARGE, pack_enlarge},
};

static int pack_step(struct compilation *c, const struct layer *l)
{
    struct plan_step *s = &c->plan.steps[c->plan.head.n_steps++];
    const struct conv_geometry *g = &l->geometry;
    *s = (struct plan_step){
        .op = (int32_t)rows[l->kind].op,
        .name = compile_text(c, c->net.tensors[l->output].name),
        .inputs = {c->maps[l->inputs[0]], l->n_inputs > 1 ? c->maps[l->inputs[1]] : -1},
        .added = l->added >= 0 ? c->maps[l->added] : -1,
        .output = c->maps[l->output],
        .kernel_h = g->kernel_h,
        .kernel_w = g->kernel_w,
        .stride = g->stride,
        .dilation = g->dilation,
        .pad_top = g->pad_top,
        .pad_left = g->pad_left,
        .stream = -1,
        .zero = -1,
        .offset = -1,
        .multiplier = -1,
        .bias = -1,
        .scale = -1,
        .shift = -1,
        .slopes = -1,
    };
    set_limits(c, l, s);
    const int err = rows[l->kind].pack ? rows[l->kind].pack(c, l, s) : BPNET_OK;
    return err < 0 ? err : check_offsets(s);
}

int pack_steps(struct compilation *c)
{
    const int n = c->net.n_layers;
    c->plan.steps = calloc((size_t)n + 1, sizeof *c->plan.steps);
    if (!c->plan.steps)
        return error_set(BPNET_ENOMEM, "no memory for %d steps", n);
    for (int i = 0; i < n; i++) {
        const int err = pack_step(c, &c->net.layers[i]);
        if (err < 0)
            return err;
    }
    c->plan.head.weights = (int64_t)c->constants.size;
    return BPNET_OK;
}
