/* Weights of convolutions: norms folded, in ONNX's order, and in 8 bits where ranges say so. */
#include "base/error.h"
#include "nn/fold.h"
#include "onnx/exporter.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A convolution's real weights (KH, KW, CI, CO), norms folded in. */
struct folded {
    const struct param *kernel;
    size_t taps, in, out; /* KH * KW, CI of a group, CO */
    float *w, *bias;
    bool has_bias;
};

static void folded_free(struct folded *f)
{
    free(f->w);
    free(f->bias);
}

/* The norms behind the convolution, in order; `scale` has room for a value per channel. */
static void fold_norms(struct folded *f, const struct exporter *x, int index, float *scale)
{
    for (int k = x->norm[index]; k >= 0; k = x->norm[k]) {
        const struct node *norm = export_node(x, k);
        fold_scale(x->m, norm, scale);
        for (size_t i = 0; i < f->kernel->count; i++)
            f->w[i] *= scale[i % f->out];
        fold_bias(x->m, norm, f->bias, scale, f->bias);
    }
}

static int fold(struct folded *f, const struct exporter *x, int index)
{
    const struct model *m = x->m;
    const struct node *n = export_node(x, index);
    const struct param *p = &m->params.list[n->params[PARAM_KERNEL]];
    const float *own =
        n->bias ? m->params.value + m->params.list[n->params[PARAM_BIAS]].offset : NULL;
    *f = (struct folded){.kernel = p,
                         .taps = (size_t)p->dims[0] * (size_t)p->dims[1],
                         .in = (size_t)p->dims[2],
                         .out = (size_t)p->dims[3],
                         .has_bias = n->bias || x->norm[index] >= 0};
    f->w = malloc(p->count * sizeof(*f->w));
    f->bias = calloc(f->out, sizeof(*f->bias));
    float *scale = malloc(f->out * sizeof(*scale));
    if (!f->w || !f->bias || !scale) {
        folded_free(f);
        free(scale);
        return error_set(BPNET_ENOMEM, "no memory for the weights of '%s'", n->name);
    }
    memcpy(f->w, m->params.value + p->offset, p->count * sizeof(*f->w));
    if (own)
        memcpy(f->bias, own, f->out * sizeof(*f->bias));
    fold_norms(f, x, index, scale);
    free(scale);
    return BPNET_OK;
}

/* Where element i of (KH, KW, CI, CO) is in (CO, CI, KH, KW). */
static size_t place(const struct folded *f, size_t i)
{
    const size_t co = i % f->out, ci = i / f->out % f->in, tap = i / f->out / f->in;
    return (co * f->in + ci) * f->taps + tap;
}

static void *add_kernel(struct exporter *x, const struct folded *f, const char *name,
                        enum onnx_type type)
{
    const int *d = f->kernel->dims;
    return onnx_constant(x->w, name, type, (const int64_t[]){d[3], d[2], d[0], d[1]}, 4);
}

static void add_float(struct exporter *x, const struct folded *f, const char *kernel,
                      const char *bias)
{
    float *to = add_kernel(x, f, kernel, ONNX_FLOAT);
    for (size_t i = 0; to && i < f->kernel->count; i++)
        to[place(f, i)] = f->w[i];
    if (!f->has_bias)
        return;
    to = onnx_constant(x->w, bias, ONNX_FLOAT, (const int64_t[]){(int64_t)f->out}, 1);
    if (to)
        memcpy(to, f->bias, f->out * sizeof(*to));
}

/* ---- 8 bits -------------------------------------------------------------------------------- */

/* max / 127 of every output channel; a channel of zeros has any scale. */
static void kernel_scales(const struct folded *f, float *scale)
{
    memset(scale, 0, f->out * sizeof(*scale));
    for (size_t i = 0; i < f->kernel->count; i++)
        scale[i % f->out] = fmaxf(scale[i % f->out], fabsf(f->w[i]));
    for (size_t c = 0; c < f->out; c++)
        scale[c] = scale[c] > 0.0F ? scale[c] / 127.0F : 1.0F;
}

static int8_t rounded(float v)
{
    return (int8_t)fminf(fmaxf(nearbyintf(v), -127.0F), 127.0F);
}

/* `value` = scale * (the integers called `name`), per output channel. */
static void add_scaled(struct exporter *x, const char *name, enum onnx_type type,
                       const float *scale, size_t n, const char *value)
{
    const int64_t dims[] = {(int64_t)n};
    char scale_name[ONNX_TEXT_SIZE], zero_name[ONNX_TEXT_SIZE];
    snprintf(scale_name, sizeof(scale_name), "%s_scale", value);
    snprintf(zero_name, sizeof(zero_name), "%s_zero", value);
    float *to = onnx_constant(x->w, scale_name, ONNX_FLOAT, dims, 1);
    if (to)
        memcpy(to, scale, n * sizeof(*to));
    onnx_constant(x->w, zero_name, type, dims, 1);
    onnx_node(x->w, "DequantizeLinear", value);
    onnx_node_int(x->w, "axis", 0);
    onnx_node_input(x->w, name);
    onnx_node_input(x->w, scale_name);
    onnx_node_input(x->w, zero_name);
}

/* The input's channels had scales of their own: kernel / input_scale, which for groups depends on
 * the output channel too. */
static void unscale_inputs(struct exporter *x, const struct node *n, const struct folded *f,
                           const float *input_scale, char kernel[ONNX_TEXT_SIZE])
{
    const size_t rows = n->groups > 1 ? f->out : 1, group = f->out / (size_t)n->groups;
    char factors[ONNX_TEXT_SIZE], value[ONNX_TEXT_SIZE];
    export_name(factors, n, "kernel_factors");
    export_name(value, n, "kernel_unscaled");
    float *to = onnx_constant(x->w, factors, ONNX_FLOAT,
                              (const int64_t[]){(int64_t)rows, (int64_t)f->in, 1, 1}, 4);
    for (size_t i = 0; to && i < rows * f->in; i++)
        to[i] = 1.0F / input_scale[i / f->in / group * f->in + i % f->in];
    onnx_node(x->w, "Mul", value);
    onnx_node_input(x->w, kernel);
    onnx_node_input(x->w, factors);
    memcpy(kernel, value, sizeof(value));
}

static void add_kernel8(struct exporter *x, const struct node *n, const struct folded *f,
                        const struct onnx_weights *given, const float *scale,
                        char kernel[ONNX_TEXT_SIZE])
{
    char name[ONNX_TEXT_SIZE];
    export_name(name, n, "kernel");
    export_name(kernel, n, "kernel_real");
    int8_t *to = add_kernel(x, f, name, ONNX_INT8);
    for (size_t i = 0; to && i < f->kernel->count; i++)
        to[place(f, i)] = given->kernel ? given->kernel[i] : rounded(f->w[i] / scale[i % f->out]);
    add_scaled(x, name, ONNX_INT8, scale, f->out, kernel);
    if (given->input_scale)
        unscale_inputs(x, n, f, given->input_scale, kernel);
}

/* In steps of input scale times weight scale, as an 8-bit convolution adds up. */
static void add_bias32(struct exporter *x, const struct node *n, const struct folded *f,
                       const float *real, float *scale, float input_scale,
                       char bias[ONNX_TEXT_SIZE])
{
    char name[ONNX_TEXT_SIZE];
    export_name(name, n, "bias");
    export_name(bias, n, "bias_real");
    int32_t *to = onnx_constant(x->w, name, ONNX_INT32, (const int64_t[]){(int64_t)f->out}, 1);
    for (size_t c = 0; c < f->out; c++) {
        scale[c] *= input_scale;
        const double steps = nearbyint((double)real[c] / (double)scale[c]);
        if (to)
            to[c] = (int32_t)fmin(fmax(steps, -INT32_MAX), INT32_MAX);
    }
    add_scaled(x, name, ONNX_INT32, scale, f->out, bias);
}

static int add_8bit(struct exporter *x, const struct node *n, const struct folded *f,
                    const struct onnx_weights *given, char kernel[ONNX_TEXT_SIZE],
                    char bias[ONNX_TEXT_SIZE])
{
    const struct onnx_range *input = export_range(x, n->inputs[0]);
    const float *real = given->bias ? given->bias : f->bias;
    float *scale = malloc(f->out * sizeof(*scale));
    if (!scale)
        return error_set(BPNET_ENOMEM, "no memory for the scales of '%s'", n->name);
    if (given->kernel)
        memcpy(scale, given->scale, f->out * sizeof(*scale));
    else
        kernel_scales(f, scale);
    add_kernel8(x, n, f, given, scale, kernel);
    if ((f->has_bias || given->bias) && input && !given->input_scale) {
        add_bias32(x, n, f, real, scale, input->scale, bias);
    } else if (f->has_bias || given->bias) {
        export_name(bias, n, "bias");
        float *to = onnx_constant(x->w, bias, ONNX_FLOAT, (const int64_t[]){(int64_t)f->out}, 1);
        if (to)
            memcpy(to, real, f->out * sizeof(*to));
    }
    free(scale);
    return BPNET_OK;
}

static void replace(struct folded *f, const struct onnx_weights *given)
{
    memcpy(f->w, given->real, f->kernel->count * sizeof(*f->w));
    if (given->bias)
        memcpy(f->bias, given->bias, f->out * sizeof(*f->bias));
    f->has_bias |= given->bias != NULL;
}

int export_weights(struct exporter *x, int index, char kernel[ONNX_TEXT_SIZE],
                   char bias[ONNX_TEXT_SIZE])
{
    const struct node *n = export_node(x, index);
    const struct onnx_weights *given = export_conv_weights(x, index);
    struct folded f;
    int err = fold(&f, x, index);
    if (err < 0)
        return err;
    bias[0] = '\0';
    if (given && given->real)
        replace(&f, given);
    if (given && !given->real) {
        err = add_8bit(x, n, &f, given, kernel, bias);
    } else {
        export_name(kernel, n, "kernel");
        if (f.has_bias)
            export_name(bias, n, "bias");
        add_float(x, &f, kernel, bias);
    }
    folded_free(&f);
    return err;
}
