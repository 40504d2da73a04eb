/*
 * Channels that must share a factor are found first: every channel of every tensor is an element,
 * and layers that hand channels on or add them unite elements to classes. A class is fixed where a
 * factor would change the results.
 */
#include "deploy/equalize.h"

#include "base/error.h"
#include "deploy/network_edit.h"

#include <math.h>
#include <stdlib.h>

struct classes {
    const struct network *net;
    int *first; /* per tensor: the element of its channel 0; those of joint tensors are unused */
    int n;      /* elements */
    int *parent;
    bool *fixed, *mixed; /* per root: factor 1; read by convolutions that sum channels */
    float *factor;       /* per root */
};

static int no_memory(const struct network *net)
{
    return error_set(BPNET_ENOMEM, "no memory to equalise %d tensors", net->n_tensors);
}

static void classes_free(struct classes *c)
{
    free(c->first);
    free(c->parent);
    free(c->fixed);
    free(c->mixed);
    free(c->factor);
}

/* ---- elements ------------------------------------------------------------------------------ */

/* A joint tensor's channel is that of a part. */
static int element(const struct classes *c, int tensor, int channel)
{
    const struct tensor *t = &c->net->tensors[tensor];
    for (int p = 0; p < t->n_parts;) {
        const struct tensor *part = &c->net->tensors[t->parts[p]];
        if (channel >= part->channels) {
            channel -= part->channels;
            p++;
            continue;
        }
        tensor = t->parts[p];
        t = part;
        p = 0;
    }
    return c->first[tensor] + channel;
}

static int root(const struct classes *c, int e)
{
    while (c->parent[e] != e)
        e = c->parent[e] = c->parent[c->parent[e]];
    return e;
}

static int class_of(const struct classes *c, int tensor, int channel)
{
    return root(c, element(c, tensor, channel));
}

static void unite(struct classes *c, int a, int b)
{
    for (int k = 0; k < c->net->tensors[a].channels; k++) {
        const int x = class_of(c, a, k), y = class_of(c, b, k);
        c->parent[y] = x;
        c->fixed[x] |= c->fixed[y];
        c->mixed[x] |= c->mixed[y];
    }
}

static void mark(const struct classes *c, bool *what, int tensor)
{
    for (int k = 0; k < c->net->tensors[tensor].channels; k++)
        what[class_of(c, tensor, k)] = true;
}

/* ---- classes ------------------------------------------------------------------------------- */

/* Results that grow with what is limited. */
static bool is_homogeneous(const struct layer *l)
{
    return (l->low <= -INFINITY || (l->low >= 0.0F && l->low <= 0.0F)) && l->high >= INFINITY;
}

/* Means that are computed as convolutions are not, in an ONNX file. */
static bool is_convolution(const struct network *net, const struct layer *l)
{
    return l->kind == LAYER_CONV && net->model->graph.nodes[l->node].op == OP_CONV;
}

/* Channels of the input become those of the output, unmixed. */
static bool hands_on(const struct layer *l)
{
    switch (l->kind) {
    case LAYER_CONVERT: return !l->weights;
    case LAYER_ACT: return l->slopes != NULL;
    case LAYER_ADD:
    case LAYER_MAX_POOL:
    case LAYER_AVG_POOL:
    case LAYER_UPSAMPLE2:
    case LAYER_ENLARGE: return true;
    default: return false;
    }
}

static void look_at(struct classes *c, const struct layer *l)
{
    const bool conv = is_convolution(c->net, l), on = hands_on(l);
    for (int k = 0; k < l->n_inputs; k++) {
        if (on)
            unite(c, l->output, l->inputs[k]);
        else if (!conv)
            mark(c, c->fixed, l->inputs[k]);
        else if (!l->depthwise)
            mark(c, c->mixed, l->inputs[k]);
    }
    if (l->added >= 0)
        unite(c, l->output, l->added);
    if ((!on && !conv) || !is_homogeneous(l))
        mark(c, c->fixed, l->output);
}

static int classes_init(struct classes *c, const struct network *net)
{
    *c = (struct classes){.net = net, .first = calloc((size_t)net->n_tensors, sizeof *c->first)};
    if (!c->first)
        return no_memory(net);
    for (int t = 0; t < net->n_tensors; t++) {
        c->first[t] = c->n;
        c->n += net->tensors[t].n_parts > 0 ? 0 : net->tensors[t].channels;
    }
    const size_t n = (size_t)c->n + 1;
    c->parent = calloc(n, sizeof *c->parent);
    c->fixed = calloc(n, sizeof *c->fixed);
    c->mixed = calloc(n, sizeof *c->mixed);
    c->factor = calloc(n, sizeof *c->factor);
    if (!c->parent || !c->fixed || !c->mixed || !c->factor) {
        classes_free(c);
        return no_memory(net);
    }
    for (int e = 0; e < c->n; e++)
        c->parent[e] = e;
    mark(c, c->fixed, 0);
    for (int k = 0; k < net->n_outputs; k++)
        mark(c, c->fixed, net->outputs[k]);
    for (int i = 0; i < net->n_layers; i++)
        look_at(c, &net->layers[i]);
    return BPNET_OK;
}

/* ---- choosing ------------------------------------------------------------------------------ */

/* The largest share that a channel of the class has in its tensor. */
static void find_shares(struct classes *c, float *const *maxima)
{
    const struct network *net = c->net;
    for (int t = 0; t < net->n_tensors; t++) {
        const int channels = net->tensors[t].n_parts > 0 ? 0 : net->tensors[t].channels;
        float largest = 0;
        for (int k = 0; k < channels && maxima[t]; k++)
            largest = fmaxf(largest, maxima[t][k]);
        for (int k = 0; k < channels; k++) {
            float *share = &c->factor[class_of(c, t, k)];
            *share = fmaxf(*share, !maxima[t] ? 1 : largest > 0 ? maxima[t][k] / largest : 0);
        }
    }
}

/* A channel that was always 0 keeps its size: nobody knows what it would be. */
static float factor_for(float share, bool mixed)
{
    if (!(share > 0))
        return 1;
    const float exponent = rintf(log2f(share) * (mixed ? 0.5F : 1.0F));
    return ldexpf(1, (int)fminf(fmaxf(exponent, -EQUALIZE_MOST), 0));
}

static int keep_factors(struct ranges *out, const struct classes *c, int tensor)
{
    const struct tensor *t = &c->net->tensors[tensor];
    float *factors = malloc((size_t)t->channels * sizeof *factors);
    bool any = false;
    int err = factors ? BPNET_OK : no_memory(c->net);
    for (int k = 0; err == BPNET_OK && k < t->channels; k++) {
        factors[k] = c->factor[class_of(c, tensor, k)];
        any |= factors[k] < 1;
    }
    if (any && (err = ranges_set(out, t->name, 0)) == BPNET_OK)
        err = ranges_set_factors(out, t->name, factors, t->channels);
    free(factors);
    return err;
}

int equalize_choose(struct ranges *out, const struct network *net, float *const *maxima)
{
    struct classes c;
    int err = classes_init(&c, net);
    if (err < 0)
        return err;
    find_shares(&c, maxima);
    for (int e = 0; e < c.n; e++)
        if (c.parent[e] == e)
            c.factor[e] = c.fixed[e] ? 1 : factor_for(c.factor[e], c.mixed[e]);
    for (int t = 0; t < net->n_tensors && err == BPNET_OK; t++)
        if (net->tensors[t].maker >= 0)
            err = keep_factors(out, &c, t);
    classes_free(&c);
    return err;
}

/* ---- applying ------------------------------------------------------------------------------ */

/* A class gets the factors of the channels it is made of, which must be the same. */
static int read_factors(struct classes *c, const struct ranges *ranges)
{
    const struct network *net = c->net;
    for (int t = 0; t < net->n_tensors; t++) {
        const struct tensor *tensor = &net->tensors[t];
        const struct range *range =
            tensor->n_parts > 0 || tensor->maker < 0 ? NULL : ranges_find(ranges, tensor->name);
        const int channels = tensor->n_parts > 0 ? 0 : tensor->channels;
        for (int k = 0; k < channels; k++) {
            const int class = class_of(c, t, k);
            const float factor = range && k < range->n_factors ? range->factors[k] : 1;
            const float known = c->factor[class] > 0 ? c->factor[class] : factor;
            if (factor < known || factor > known || (c->fixed[class] && factor < 1) ||
                (range && range->n_factors > channels))
                return error_set(
                    BPNET_EUSAGE,
                    "the calibration has factors for '%s' that do not fit; it is of another "
                    "network",
                    tensor->name);
            c->factor[class] = factor;
        }
    }
    return BPNET_OK;
}

static float factor_of(const struct classes *c, int tensor, int channel)
{
    return c->factor[class_of(c, tensor, channel)];
}

static void scale_conv(const struct classes *c, const struct layer *l)
{
    const struct conv_geometry *g = &l->geometry;
    const int rows = layer_macs_per_pixel(l);
    for (int j = 0; j < g->out_c; j++) {
        const float out = factor_of(c, l->output, j);
        for (int i = 0; i < rows; i++) {
            const int from = l->depthwise ? j : i % g->in_c;
            l->weights[(size_t)i * (size_t)g->out_c + (size_t)j] *=
                factor_of(c, l->inputs[0], from) / out;
        }
        l->bias[j] /= out;
    }
}

static bool has_factors(const struct ranges *ranges)
{
    for (size_t i = 0; i < ranges->n; i++)
        if (ranges->items[i].n_factors > 0)
            return true;
    return false;
}

int equalize(struct network *net, const struct ranges *ranges)
{
    struct classes c;
    if (net->equalized || !has_factors(ranges))
        return BPNET_OK;
    int err = classes_init(&c, net);
    if (err < 0)
        return err;
    if ((err = read_factors(&c, ranges)) == BPNET_OK) {
        for (int i = 0; i < net->n_layers; i++)
            if (is_convolution(net, &net->layers[i]))
                scale_conv(&c, &net->layers[i]);
        net->equalized = true;
    }
    classes_free(&c);
    return err;
}
