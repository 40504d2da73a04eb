/*
 * Types, scales and 8-bit weights. Scales of input channels are multiplied into the weights before
 * these are rounded, so that maps which were written side by side, each with its own scale, are
 * summed in one go.
 */
#include "deploy/quantize.h"

#include "base/error.h"
#include "deploy/equalize.h"
#include "deploy/network_edit.h"

#include <math.h>
#include <stdlib.h>

enum { LEVELS = 127, UNSIGNED_LEVELS = 255 };

/* ---- weights ------------------------------------------------------------------------------- */

/* The weights of one output channel: (taps, channels) values of every stride-th weight. */
struct column {
    size_t taps, channels, stride;
};

static struct column column_of(const struct layer *conv)
{
    const struct conv_geometry *g = &conv->geometry;
    return (struct column){.taps = (size_t)g->kernel_h * (size_t)g->kernel_w,
                           .channels = conv->depthwise ? 1 : (size_t)g->in_c,
                           .stride = (size_t)g->out_c};
}

/* What the input's channels stand for. */
struct quanta {
    float *scale, *rest;
    int *zero;
};

static void quanta_free(struct quanta *q)
{
    free(q->scale);
    free(q->rest);
    free(q->zero);
}

static int quanta_init(struct quanta *q, const struct network *net, const struct layer *conv)
{
    const size_t n = (size_t)conv->geometry.in_c;
    *q = (struct quanta){malloc(n * sizeof(*q->scale)), malloc(n * sizeof(*q->rest)),
                         malloc(n * sizeof(*q->zero))};
    if (!q->scale || !q->rest || !q->zero) {
        quanta_free(q);
        return error_set(BPNET_ENOMEM, "no memory to quantise %zu channels", n);
    }
    for (size_t c = 0; c < n; c++)
        tensor_quantum(net, conv->inputs[0], (int)c, &q->scale[c], &q->zero[c], &q->rest[c]);
    return BPNET_OK;
}

/* To nearest even: at this magnitude the last bit of a float is 1. Vectorises, unlike rintf(). */
static float rounded(float v, float scale)
{
    const float large = 12582912.0F; /* 1.5 * 2^23 */
    const float q = v / scale + large - large;
    return q > LEVELS ? LEVELS : q < -LEVELS ? -LEVELS : q;
}

/* Sum of (v - rounded and clipped v)^2. */
static double squared_error(const float *v, size_t n, float scale)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        const float d = v[i] - scale * rounded(v[i], scale);
        sum += (double)(d * d);
    }
    return sum;
}

/* The scale with the least squared error, from that of the largest weight down to half of it. */
static float best_scale(const float *v, size_t n)
{
    enum { CANDIDATES = 32 };
    float largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = fabsf(v[i]) > largest ? fabsf(v[i]) : largest;
    const float widest = largest / LEVELS;
    if (!(widest > 0)) /* nothing but zeros: any scale does */
        return 1;
    float best = widest;
    double least = squared_error(v, n, widest);
    for (int k = 1; k < CANDIDATES; k++) {
        const float scale = widest * (1 - 0.5F * (float)k / CANDIDATES);
        const double error = scale > 0 ? squared_error(v, n, scale) : INFINITY;
        if (error < least) {
            least = error;
            best = scale;
        }
    }
    return best;
}

/* Output channel j: its weights in quanta of the input into `v`, rounded into w8; the scale. */
static float quantize_column(const struct layer *conv, const struct column *col,
                             const struct quanta *q, size_t j, float *v, int8_t *w8)
{
    const size_t n = col->taps * col->channels;
    for (size_t i = 0; i < n; i++) {
        const size_t c = conv->depthwise ? j : i % col->channels;
        v[i] = conv->weights[i * col->stride + j] * q->scale[c];
    }
    const float scale = best_scale(v, n);
    for (size_t i = 0; i < n; i++)
        w8[i * col->stride + j] = (int8_t)rounded(v[i], scale);
    return scale;
}

int quantize_weights(const struct network *net, const struct layer *conv, int8_t *w8,
                     int32_t *offset, float *multiplier, float *bias, float *weight_scale)
{
    const struct column col = column_of(conv);
    const struct tensor *out = &net->tensors[conv->output];
    const float unit = out->type == MAP_U8 ? out->scale : 1;
    const size_t n = col.taps * col.channels;
    struct quanta q;
    int err = quanta_init(&q, net, conv);
    if (err < 0)
        return err;
    float *v = malloc(n * sizeof(*v));
    if (!v)
        err = error_set(BPNET_ENOMEM, "no memory to quantise %zu weights", n);
    for (size_t j = 0; err == 0 && j < col.stride; j++) {
        const float scale = quantize_column(conv, &col, &q, j, v, w8);
        int64_t zeros = 0;
        double real = (double)conv->bias[j];
        for (size_t i = 0; i < n; i++) {
            const size_t c = conv->depthwise ? j : i % col.channels;
            zeros += (int64_t)q.zero[c] * w8[i * col.stride + j];
            real += (double)q.rest[c] * (double)conv->weights[i * col.stride + j];
        }
        offset[j] = (int32_t)-zeros;
        multiplier[j] = scale / unit;
        bias[j] = (float)(real / (double)unit);
        weight_scale[j] = scale;
    }
    free(v);
    quanta_free(&q);
    return err;
}

int scale_weights(const struct network *net, const struct layer *conv, float *w, float *bias)
{
    const struct column col = column_of(conv);
    const struct tensor *out = &net->tensors[conv->output];
    const double unit = out->type == MAP_U8 ? (double)out->scale : 1;
    const size_t n = col.taps * col.channels;
    struct quanta q;
    const int err = quanta_init(&q, net, conv);
    if (err < 0)
        return err;
    for (size_t j = 0; j < col.stride; j++) {
        double real = (double)conv->bias[j];
        if (conv->correction)
            real -= (double)conv->correction[j];
        for (size_t i = 0; i < n; i++) {
            const size_t c = conv->depthwise ? j : i % col.channels, at = i * col.stride + j;
            w[at] = (float)((double)conv->weights[at] * (double)q.scale[c] / unit);
            real += (double)q.rest[c] * (double)conv->weights[at];
        }
        bias[j] = (float)(real / unit);
    }
    quanta_free(&q);
    return BPNET_OK;
}

/* ---- bias correction ----------------------------------------------------------------------- */

/* Means of the channels of a tensor, joint ones part by part; false: not known. */
static bool gather_means(const struct network *net, const struct channel_means *means, int tensor,
                         float *out)
{
    const struct tensor *t = &net->tensors[tensor];
    for (int p = 0; p < t->n_parts; p++) {
        if (!gather_means(net, means, t->parts[p], out))
            return false;
        out += net->tensors[t->parts[p]].channels;
    }
    if (t->n_parts > 0)
        return true;
    const float *known = tensor < means->n_tensors ? means->of_tensor[tensor] : NULL;
    for (int c = 0; known && c < t->channels; c++)
        out[c] = known[c];
    return known != NULL;
}

/* Take what rounded weights add on average, sum of (rounded - w) * mean, off the biases. */
static int correct_bias(struct layer *conv, const struct network *net,
                        const struct channel_means *means)
{
    const struct column col = column_of(conv);
    const size_t n = col.taps * col.channels;
    struct quanta q;
    int err = quanta_init(&q, net, conv);
    if (err < 0)
        return err;
    float *v = malloc(n * sizeof(*v)), *mean = malloc((size_t)conv->geometry.in_c * sizeof(*mean));
    float *correction = calloc(col.stride, sizeof(*correction));
    int8_t *w8 = malloc(n * col.stride);
    if (!v || !mean || !w8 || !correction)
        err = error_set(BPNET_ENOMEM, "no memory to correct %zu biases", col.stride);
    else if (!gather_means(net, means, conv->inputs[0], mean))
        goto done;
    for (size_t j = 0; err == 0 && j < col.stride; j++) {
        const float scale = quantize_column(conv, &col, &q, j, v, w8);
        double added = 0;
        for (size_t i = 0; i < n; i++) {
            const size_t c = conv->depthwise ? j : i % col.channels;
            const double rounding = (double)scale * w8[i * col.stride + j] - (double)v[i];
            /* v is in quanta, and so must the mean be. */
            added += rounding * ((double)mean[c] - (double)q.rest[c]) / (double)q.scale[c];
        }
        correction[j] = (float)-added;
        conv->bias[j] += correction[j];
    }
    if (err == 0) {
        free(conv->correction);
        conv->correction = correction;
        correction = NULL;
    }
done:
    free(correction);
    free(v);
    free(mean);
    free(w8);
    quanta_free(&q);
    return err;
}

/* ---- types --------------------------------------------------------------------------------- */

static bool reads(const struct layer *l, int tensor)
{
    for (int k = 0; k < l->n_inputs; k++) {
        if (l->inputs[k] == tensor)
            return true;
    }
    return l->added == tensor;
}

static bool is_for_floats(const struct layer *l)
{
    return l->kind == LAYER_MUL || l->kind == LAYER_ACT || l->kind == LAYER_ENLARGE ||
           (l->kind == LAYER_CONV && l->precision != MAP_U8);
}

/* Whether all who read the tensor, or the joint tensor around it, compute in floats. */
static bool only_floats_read(const struct network *net, int tensor)
{
    const int whole = net->tensors[tensor].whole;
    for (int i = 0; i < net->n_layers; i++) {
        const struct layer *l = &net->layers[i];
        if (!is_for_floats(l) && (reads(l, tensor) || (whole >= 0 && reads(l, whole))))
            return false;
    }
    return true;
}

static void set_precisions(struct network *net, const struct quantize_options *options)
{
    for (int i = 0; i < net->n_layers; i++) {
        struct layer *l = &net->layers[i];
        if (l->kind != LAYER_CONV)
            continue;
        const struct column col = column_of(l);
        const bool kept = options->keep_float && options->keep_float[i];
        l->precision =
            kept || col.taps * col.channels > QUANTIZE_MAX_PRODUCTS ? options->float_type : MAP_U8;
    }
}

/* The type of what a layer makes, when its inputs have theirs. */
static enum map_type type_made(const struct network *net, const struct layer *l,
                               enum map_type float_type)
{
    enum map_type type = MAP_U8;
    if (network_is_output(net, l->output))
        return MAP_F32;
    if (l->kind == LAYER_CONV) {
        if (l->precision != MAP_U8)
            return float_type;
        return only_floats_read(net, l->output) ? float_type : MAP_U8;
    }
    if (is_for_floats(l))
        return MAP_F32;
    for (int k = 0; k < l->n_inputs; k++) {
        type = net->tensors[l->inputs[k]].type;
        if (type == MAP_U8)
            break;
    }
    return type;
}

static void set_types(struct network *net, enum map_type float_type)
{
    for (int i = 0; i < net->n_layers; i++) {
        const struct layer *l = &net->layers[i];
        for (int k = 0; k < l->n_inputs; k++) { /* joint tensors are complete by now */
            struct tensor *t = &net->tensors[l->inputs[k]];
            for (int p = 0; p < t->n_parts; p++)
                t->type = p == 0 || net->tensors[t->parts[p]].type == MAP_U8
                              ? net->tensors[t->parts[p]].type
                              : t->type;
        }
        net->tensors[l->output].type = type_made(net, l, float_type);
    }
    /* One part in 8 bits makes the others so. */
    for (int i = 0; i < net->n_tensors; i++) {
        struct tensor *t = &net->tensors[i];
        enum map_type type = t->n_parts ? net->tensors[t->parts[0]].type : t->type;
        for (int p = 0; p < t->n_parts; p++)
            type = net->tensors[t->parts[p]].type == MAP_U8 ? MAP_U8 : type;
        t->type = type;
        for (int p = 0; p < t->n_parts; p++)
            net->tensors[t->parts[p]].type = type;
    }
}

/* ---- scales -------------------------------------------------------------------------------- */

/* Layers that hand bytes on as they are; a copy does so only when it copies one quantum. */
static bool keeps_quantum(const struct network *net, const struct layer *l)
{
    const int from = l->inputs[0];
    if (from == 0 || net->tensors[from].type != MAP_U8)
        return false;
    switch (l->kind) {
    case LAYER_MAX_POOL:
    case LAYER_AVG_POOL:
    case LAYER_UPSAMPLE2: return true;
    case LAYER_CONVERT:
        return !l->weights && l->low <= -INFINITY && l->high >= INFINITY &&
               tensor_is_uniform(net, from);
    default: return false;
    }
}

static int set_scale(struct network *net, const struct layer *l, const struct ranges *ranges)
{
    struct tensor *t = &net->tensors[l->output];
    if (t->type == MAP_U8 && keeps_quantum(net, l)) {
        const struct quantum q = tensor_common_quantum(net, l->inputs[0]);
        t->scale = q.scale;
        t->zero = q.zero;
        return BPNET_OK;
    }
    const struct range *range = ranges_find(ranges, t->name);
    if (!range && t->type != MAP_U8)
        return BPNET_OK;
    if (!range)
        return error_set(BPNET_EUSAGE,
                         "the calibration has no range for '%s'; it is of another network",
                         t->name);
    const float amax = range->amax > 1e-30F ? range->amax : 1; /* always 0: any scale does */
    t->zero = t->nonnegative ? 0 : 128;
    t->scale = amax / (t->nonnegative ? UNSIGNED_LEVELS : LEVELS);
    return BPNET_OK;
}

int quantize(struct network *net, const struct ranges *ranges,
             const struct quantize_options *options)
{
    static const struct quantize_options none = {.float_type = MAP_F32};
    if (!options)
        options = &none;
    int err = equalize(net, ranges);
    if (err < 0)
        return err;
    set_precisions(net, options);
    set_types(net, options->float_type);
    for (int i = 0; i < net->n_layers && err == 0; i++)
        err = set_scale(net, &net->layers[i], ranges);
    for (int i = 0; i < net->n_layers && err == 0 && options->means; i++) {
        struct layer *l = &net->layers[i];
        if (l->kind == LAYER_CONV && l->precision == MAP_U8)
            err = correct_bias(l, net, options->means);
    }
    return err;
}
