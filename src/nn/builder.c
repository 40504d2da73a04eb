/* Layers by name, and the first values of their parameters. */
#include "nn/builder.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const float norm_epsilon = 1e-3F, norm_momentum = 0.99F; /* Keras's */

int builder_open(struct builder *b, struct graph *graph, const struct model_spec *spec)
{
    *b = (struct builder){.spec = spec, .graph = graph};
    b->inits = calloc(GRAPH_MAX_NODES, sizeof *b->inits);
    return b->inits ? BPNET_OK : error_set(BPNET_ENOMEM, "no memory to build a network");
}

void builder_close(struct builder *b)
{
    free(b->inits);
    *b = (struct builder){0};
}

int builder_width(const struct builder *b, int channels)
{
    const double factor = b->spec->width_multiplier;
    const double eighths = floor(channels * factor / 8.0 + 0.5);
    if (!(fabs(factor - 1.0) > 0.0))
        return channels;
    return eighths < 1.0 ? 8 : eighths > 1e6 ? GRAPH_MAX_CHANNELS + 1 : 8 * (int)eighths;
}

/* ---- nodes ------------------------------------------------------------------------------- */

static int add(struct builder *b, const struct node *n)
{
    if (b->err < 0)
        return 0;
    const int index = graph_add(b->graph, n);
    if (index < 0)
        b->err = index;
    return index < 0 ? 0 : index;
}

static const struct node *node_at(const struct builder *b, int index)
{
    static const struct node nothing = {.channels = 1};
    return b->err < 0 ? &nothing : &b->graph->nodes[index];
}

struct node builder_conv(const char *name, int kernel, int channels)
{
    struct node n = {.op = OP_CONV,
                     .channels = channels,
                     .kernel = kernel,
                     .stride = 1,
                     .dilation = 1,
                     .kernel_lr = 1.0F,
                     .bias_lr = 2.0F};
    snprintf(n.name, sizeof n.name, "%s", name);
    return n;
}

void builder_regularize(const struct builder *b, struct node *conv)
{
    const struct model_spec *spec = b->spec;
    const float kernel = (float)spec->kernel_regularization;
    const float bias = (float)spec->bias_regularization;
    if (spec->regularization != REGULARIZE_L2) {
        conv->l1 = kernel;
        conv->bias_l1 = bias;
    }
    if (spec->regularization != REGULARIZE_L1) {
        conv->l2 = kernel;
        conv->bias_l2 = bias;
    }
}

int builder_input(struct builder *b, int channels)
{
    const struct node n = {.name = "input", .op = OP_INPUT, .channels = channels};
    return add(b, &n);
}

int builder_add_conv(struct builder *b, const struct node *conv, enum weight_init init, int input)
{
    struct node n = *conv;
    n.n_inputs = 1;
    n.inputs[0] = input;
    const int index = add(b, &n);
    b->inits[index] = init;
    return index;
}

/* The name of a layer that follows `input`, see the header. */
static void name_follower(char *out, const struct builder *b, const char *suffix, int input)
{
    const struct node *n = node_at(b, input);
    if (n->op != OP_CONV && n->n_inputs > 0) /* a batch norm: named after its convolution */
        n = n->op == OP_NORM ? node_at(b, n->inputs[0]) : n;
    const char *middle = strstr(n->name, "_conv_");
    if (middle)
        snprintf(out, GRAPH_NAME_SIZE, "%.*s_%s_%s", (int)(middle - n->name), n->name, suffix,
                 middle + strlen("_conv_"));
    else
        snprintf(out, GRAPH_NAME_SIZE, "%.55s_%s", n->name, suffix);
}

int builder_norm(struct builder *b, int input)
{
    struct node n = {.op = OP_NORM,
                     .n_inputs = 1,
                     .inputs = {input},
                     .channels = node_at(b, input)->channels,
                     .epsilon = norm_epsilon,
                     .momentum = norm_momentum,
                     .l1 = (float)b->spec->norm_scale_l1};
    name_follower(n.name, b, "bn", input);
    return add(b, &n);
}

int builder_act(struct builder *b, enum activation act, int input)
{
    static const char *const suffixes[ACT_COUNT] = {
        [ACT_RELU] = "relu", [ACT_RELU6] = "relu6", [ACT_SIGMOID] = "sigmoid", [ACT_TANH] = "tanh"};
    struct node n = {.op = OP_ACT,
                     .n_inputs = 1,
                     .inputs = {input},
                     .channels = node_at(b, input)->channels,
                     .act = act};
    name_follower(n.name, b, suffixes[act], input);
    return add(b, &n);
}

int builder_conv_relu(struct builder *b, const struct node *conv, enum weight_init init, bool norm,
                      int input)
{
    int x = builder_add_conv(b, conv, init, input);
    if (norm)
        x = builder_norm(b, x);
    return builder_act(b, ACT_RELU, x);
}

int builder_join(struct builder *b, enum op op, const char *name, const int *inputs, int n_inputs)
{
    struct node n = {.op = op, .n_inputs = n_inputs};
    snprintf(n.name, sizeof n.name, "%s", name);
    for (int i = 0; i < n_inputs; i++) {
        const int channels = node_at(b, inputs[i])->channels;
        n.inputs[i] = inputs[i];
        n.channels = op == OP_CONCAT ? n.channels + channels : channels;
    }
    return add(b, &n);
}

int builder_max_pool(struct builder *b, const char *name, int kernel, int stride, int input)
{
    struct node n = {.op = OP_MAX_POOL,
                     .n_inputs = 1,
                     .inputs = {input},
                     .channels = node_at(b, input)->channels,
                     .kernel = kernel,
                     .stride = stride,
                     .dilation = 1};
    snprintf(n.name, sizeof n.name, "%s", name);
    return add(b, &n);
}

int builder_upsample2(struct builder *b, const char *name, int input, int like)
{
    struct node n = {.op = OP_UPSAMPLE2,
                     .n_inputs = 2,
                     .inputs = {input, like},
                     .channels = node_at(b, input)->channels};
    snprintf(n.name, sizeof n.name, "%s", name);
    return add(b, &n);
}

/* ---- first values ------------------------------------------------------------------------ */

static void fill(float *out, size_t n, float value)
{
    for (size_t i = 0; i < n; i++)
        out[i] = value;
}

/* Glorot, Bengio 2010 (uniform); He et al. 2015; Normal(0, 0.01). */
static void fill_kernel(float *out, const struct param *p, enum weight_init init, struct rng rng)
{
    const double taps = (double)p->dims[0] * (double)p->dims[1];
    const double fan_in = taps * p->dims[2], fan_out = taps * p->dims[3];
    const double limit = sqrt(6.0 / (fan_in + fan_out));
    const double deviation = init == WEIGHTS_HE ? sqrt(2.0 / fan_in) : 0.01;
    for (size_t i = 0; i < p->count; i++)
        out[i] = (float)(init == WEIGHTS_GLOROT ? rng_range(&rng, -limit, limit)
                                                : deviation * rng_normal(&rng));
}

void builder_initialize(const struct builder *b, struct params *params, uint64_t seed)
{
    for (int i = 0; i < params->n; i++) {
        const struct param *p = &params->list[i];
        float *value = params->value + p->offset;
        if (p->role == PARAM_KERNEL)
            fill_kernel(value, p, b->inits[p->node],
                        rng_stream(seed, hash64(p->name, strlen(p->name)), 0));
        else
            fill(value, p->count, p->role == PARAM_GAMMA || p->role == PARAM_VARIANCE);
    }
}
