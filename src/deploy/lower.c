/*
 * From a model's graph to layers. Nodes are taken in order; what can be merged into a layer that is
 * there already is: batch norms into weights, ReLUs into limits, sums into the later one of the
 * convolutions that make their terms. Nothing is merged with a layer whose result somebody else
 * reads.
 */
#include "deploy/network.h"

#include "base/error.h"
#include "deploy/network_edit.h"
#include "nn/op.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct lowering {
    struct network *net;
    const struct model *model;
    const struct graph *graph;
    int (*hw)[2];
    int outputs[GRAPH_MAX_OUTPUTS], n_outputs; /* nodes */
    bool *needed;
    int *n_readers; /* of each node's value, outputs count as one */
    int *tensors;   /* of each node */
};

typedef int (*lower_node)(struct lowering *l, int index);

/* ---- pieces ------------------------------------------------------------------------------ */

static const struct node *node_at(const struct lowering *l, int index)
{
    return &l->graph->nodes[index];
}

static int input_tensor(const struct lowering *l, int index, int k)
{
    return l->tensors[node_at(l, index)->inputs[k]];
}

static const float *param(const struct lowering *l, int index, enum param_role role)
{
    const int p = node_at(l, index)->params[role];
    return p < 0 ? NULL : l->model->params.value + l->model->params.list[p].offset;
}

/* The layer that makes input k, when nobody but this node reads what it makes; or NULL. */
static struct layer *sole_maker(const struct lowering *l, int index, int k)
{
    const int input = node_at(l, index)->inputs[k];
    const int maker = l->net->tensors[l->tensors[input]].maker;
    return l->n_readers[input] == 1 && maker >= 0 ? &l->net->layers[maker] : NULL;
}

static bool is_limited(const struct layer *layer)
{
    return layer->low > -INFINITY || layer->high < INFINITY;
}

/* The node's value is what `layer` makes from now on. */
static int merge(struct lowering *l, int index, const struct layer *layer)
{
    struct tensor *t = &l->net->tensors[layer->output];
    memcpy(t->name, node_at(l, index)->name, sizeof t->name);
    l->tensors[index] = layer->output;
    return BPNET_OK;
}

/* A tensor of the node's size, made by a copy of `layer`, which reads the node's inputs. */
static int add_layer(struct lowering *l, int index, struct layer *layer)
{
    const struct node *n = node_at(l, index);
    layer->output =
        network_add_tensor(l->net, n->name, l->hw[index][0], l->hw[index][1], n->channels);
    if (layer->output < 0)
        return layer->output;
    l->tensors[index] = layer->output;
    const int added = network_add_layer(l->net, layer);
    return added < 0 ? added : BPNET_OK;
}

static struct layer new_layer(const struct lowering *l, int index, enum layer_kind kind)
{
    struct layer layer = {
        .kind = kind, .node = index, .added = -1, .low = -INFINITY, .high = INFINITY};
    layer.n_inputs = node_reads(node_at(l, index));
    for (int k = 0; k < layer.n_inputs && k < 2; k++)
        layer.inputs[k] = input_tensor(l, index, k);
    return layer;
}

static float *new_floats(size_t n)
{
    float *values = calloc(n > 0 ? n : 1, sizeof *values);
    if (!values)
        error_set(BPNET_ENOMEM, "no memory for %zu weights", n);
    return values;
}

/* A tensor of its own with the values of `from`. */
static int add_copy(struct lowering *l, int node, int from, const char *name)
{
    const struct tensor source = l->net->tensors[from];
    const int to = network_add_tensor(l->net, name, source.h, source.w, source.channels);
    if (to < 0)
        return to;
    struct layer copy = new_layer(l, node, LAYER_CONVERT);
    copy.n_inputs = 1;
    copy.inputs[0] = from;
    copy.output = to;
    const int err = network_add_layer(l->net, &copy);
    return err < 0 ? err : to;
}

static struct conv_geometry geometry_of(const struct lowering *l, int index)
{
    const struct node *n = node_at(l, index);
    const int *in = l->hw[n->inputs[0]], *out = l->hw[index];
    const struct window window = node_window(n, in);
    return (struct conv_geometry){
        .in_h = in[0],
        .in_w = in[1],
        .in_c = node_at(l, n->inputs[0])->channels,
        .out_h = out[0],
        .out_w = out[1],
        .out_c = n->channels,
        .kernel_h = n->kernel,
        .kernel_w = n->kernel,
        .stride = n->stride,
        .dilation = n->dilation,
        .pad_top = window.pad[0],
        .pad_left = window.pad[1],
    };
}

/* ---- convolution, batch norm ------------------------------------------------------------- */

/* A convolution with zeroed weights and biases, which the caller fills. */
static int add_conv(struct lowering *l, int index, bool depthwise, struct layer **added)
{
    struct layer conv = new_layer(l, index, LAYER_CONV);
    conv.geometry = geometry_of(l, index);
    conv.depthwise = depthwise;
    conv.weights = new_floats((size_t)layer_macs_per_pixel(&conv) * (size_t)conv.geometry.out_c);
    conv.bias = new_floats((size_t)conv.geometry.out_c);
    const int err = conv.weights && conv.bias ? add_layer(l, index, &conv) : BPNET_ENOMEM;
    if (err < 0) {
        free(conv.weights);
        free(conv.bias);
        return err;
    }
    *added = &l->net->layers[l->net->n_layers - 1];
    return BPNET_OK;
}

/* (KH, KW, CI / groups, CO) among the zeros of (KH, KW, CI, CO): engines have no groups. */
static void spread_groups(const struct layer *conv, const float *w, int groups)
{
    const struct conv_geometry *g = &conv->geometry;
    const int in_c = g->in_c / groups, out_c = g->out_c / groups;
    for (int tap = 0; tap < g->kernel_h * g->kernel_w; tap++)
        for (int i = 0; i < in_c; i++)
            for (int j = 0; j < g->out_c; j++) {
                const int from = j / out_c * in_c + i;
                conv->weights[(size_t)(tap * g->in_c + from) * (size_t)g->out_c + (size_t)j] =
                    w[(size_t)(tap * in_c + i) * (size_t)g->out_c + (size_t)j];
            }
}

static int lower_conv(struct lowering *l, int index)
{
    const struct node *n = node_at(l, index);
    const int in_c = node_at(l, n->inputs[0])->channels;
    const bool depthwise = n->groups == in_c && n->channels == in_c && in_c > 1;
    const float *w = param(l, index, PARAM_KERNEL), *bias = param(l, index, PARAM_BIAS);
    struct layer *conv;
    const int err = add_conv(l, index, depthwise, &conv);
    if (err < 0)
        return err;
    if (depthwise || n->groups <= 1)
        memcpy(conv->weights, w, l->model->params.list[n->params[PARAM_KERNEL]].count * sizeof *w);
    else
        spread_groups(conv, w, n->groups);
    if (bias)
        memcpy(conv->bias, bias, (size_t)n->channels * sizeof *bias);
    return BPNET_OK;
}

/* y = x * scale + shift with the running statistics, in double. */
static double norm_scale(const struct lowering *l, int index, int c)
{
    return (double)param(l, index, PARAM_GAMMA)[c] /
           sqrt((double)param(l, index, PARAM_VARIANCE)[c] + (double)node_at(l, index)->epsilon);
}

static double norm_shift(const struct lowering *l, int index, int c)
{
    return (double)param(l, index, PARAM_BETA)[c] -
           (double)param(l, index, PARAM_MEAN)[c] * norm_scale(l, index, c);
}

static void fold_norm(const struct lowering *l, int index, const struct layer *conv)
{
    const struct conv_geometry *g = &conv->geometry;
    const size_t channels = (size_t)g->out_c;
    const size_t rows = (size_t)layer_macs_per_pixel(conv);
    for (size_t c = 0; c < channels; c++) {
        const double scale = norm_scale(l, index, (int)c);
        for (size_t r = 0; r < rows; r++)
            conv->weights[r * channels + c] =
                (float)((double)conv->weights[r * channels + c] * scale);
        conv->bias[c] = (float)((double)conv->bias[c] * scale + norm_shift(l, index, (int)c));
    }
}

static int lower_norm(struct lowering *l, int index)
{
    const struct layer *maker = sole_maker(l, index, 0);
    if (maker && maker->kind == LAYER_CONV && maker->added < 0 && !is_limited(maker)) {
        fold_norm(l, index, maker);
        return merge(l, index, maker);
    }
    struct layer norm = new_layer(l, index, LAYER_CONVERT);
    const int channels = node_at(l, index)->channels;
    norm.weights = new_floats((size_t)channels);
    norm.bias = new_floats((size_t)channels);
    int err = norm.weights && norm.bias ? BPNET_OK : BPNET_ENOMEM;
    for (int c = 0; c < channels && err == BPNET_OK; c++) {
        norm.weights[c] = (float)norm_scale(l, index, c);
        norm.bias[c] = (float)norm_shift(l, index, c);
    }
    if (err == BPNET_OK)
        err = add_layer(l, index, &norm);
    if (err < 0) {
        free(norm.weights);
        free(norm.bias);
    }
    return err;
}

/* ---- sums, products, activations --------------------------------------------------------- */

/* Whether a tensor is complete before layer `before` runs. */
static bool is_made_before(const struct network *net, int tensor, int before)
{
    const struct tensor *t = &net->tensors[tensor];
    for (int i = 0; i < t->n_parts; i++)
        if (!is_made_before(net, t->parts[i], before))
            return false;
    return t->maker < before;
}

/* Let the convolution that makes term k add the other one. */
static bool merge_sum(struct lowering *l, int index, int k)
{
    struct layer *conv = sole_maker(l, index, k);
    const int other = input_tensor(l, index, 1 - k);
    if (!conv || conv->kind != LAYER_CONV || conv->added >= 0 || is_limited(conv) || other == 0 ||
        !is_made_before(l->net, other, (int)(conv - l->net->layers)))
        return false;
    conv->added = other;
    merge(l, index, conv);
    return true;
}

static int lower_add(struct lowering *l, int index)
{
    if (merge_sum(l, index, 0) || merge_sum(l, index, 1))
        return BPNET_OK;
    struct layer add = new_layer(l, index, LAYER_ADD);
    return add_layer(l, index, &add);
}

static int lower_mul(struct lowering *l, int index)
{
    struct layer mul = new_layer(l, index, LAYER_MUL);
    return add_layer(l, index, &mul);
}

/* Activations that are limits: what they leave through. */
static bool limits_of(enum activation act, float *low, float *high)
{
    *low = 0.0F;
    *high = act == ACT_RELU6 ? 6.0F : INFINITY;
    return act == ACT_RELU || act == ACT_RELU6;
}

static float limited(float v, float low, float high)
{
    return v < low ? low : v > high ? high : v;
}

static int lower_act(struct lowering *l, int index)
{
    const enum activation act = node_at(l, index)->act;
    float low, high;
    if (!limits_of(act, &low, &high)) {
        struct layer layer = new_layer(l, index, LAYER_ACT);
        layer.act = act;
        return add_layer(l, index, &layer);
    }
    struct layer *maker = sole_maker(l, index, 0);
    if (maker &&
        (maker->kind == LAYER_CONV || maker->kind == LAYER_ADD || maker->kind == LAYER_CONVERT)) {
        maker->low = limited(maker->low, low, high);
        maker->high = limited(maker->high, low, high);
        return merge(l, index, maker);
    }
    struct layer limits = new_layer(l, index, LAYER_CONVERT);
    limits.low = low;
    limits.high = high;
    return add_layer(l, index, &limits);
}

static int lower_prelu(struct lowering *l, int index)
{
    const size_t n = (size_t)node_at(l, index)->channels;
    struct layer prelu = new_layer(l, index, LAYER_ACT);
    prelu.slopes = new_floats(n);
    if (!prelu.slopes)
        return BPNET_ENOMEM;
    memcpy(prelu.slopes, param(l, index, PARAM_SLOPE), n * sizeof *prelu.slopes);
    const int err = add_layer(l, index, &prelu);
    if (err < 0)
        free(prelu.slopes);
    return err;
}

/* ---- sizes ------------------------------------------------------------------------------- */

static int lower_max_pool(struct lowering *l, int index)
{
    struct layer pool = new_layer(l, index, LAYER_MAX_POOL);
    pool.geometry = geometry_of(l, index);
    return add_layer(l, index, &pool);
}

static bool reaches_over(const struct conv_geometry *g)
{
    return g->pad_top > 0 || g->pad_left > 0 ||
           (g->out_h - 1) * g->stride + g->kernel_h > g->in_h ||
           (g->out_w - 1) * g->stride + g->kernel_w > g->in_w;
}

/* Where zeros around the map count, the mean is a convolution. */
static int lower_avg_pool(struct lowering *l, int index)
{
    struct layer pool = new_layer(l, index, LAYER_AVG_POOL);
    pool.geometry = geometry_of(l, index);
    if (!node_at(l, index)->count_padding || !reaches_over(&pool.geometry))
        return add_layer(l, index, &pool);
    struct layer *mean;
    const int err = add_conv(l, index, true, &mean);
    if (err < 0)
        return err;
    const int taps = pool.geometry.kernel_h * pool.geometry.kernel_w;
    const size_t n = (size_t)taps * (size_t)pool.geometry.out_c;
    for (size_t i = 0; i < n; i++)
        mean->weights[i] = 1.0F / (float)taps;
    return BPNET_OK;
}

static int lower_resize(struct lowering *l, int index)
{
    const struct node *n = node_at(l, index);
    const bool usual = n->factor == 2 && n->enlarge == ENLARGE_HALF_PIXEL;
    struct layer layer = new_layer(l, index, usual ? LAYER_UPSAMPLE2 : LAYER_ENLARGE);
    layer.factor = n->factor;
    layer.enlarge = n->enlarge;
    return add_layer(l, index, &layer);
}

static int lower_upsample2(struct lowering *l, int index)
{
    struct layer layer = new_layer(l, index, LAYER_UPSAMPLE2);
    return add_layer(l, index, &layer);
}

/* ---- concatenation ----------------------------------------------------------------------- */

static bool is_output_node(const struct lowering *l, int node)
{
    for (int k = 0; k < l->n_outputs; k++)
        if (l->outputs[k] == node)
            return true;
    return false;
}

/* Whether the tensor may lie within another. Outputs keep a type of their own. */
static bool may_be_part(const struct lowering *l, int node)
{
    const struct tensor *t = &l->net->tensors[l->tensors[node]];
    return t->maker >= 0 && t->whole < 0 && t->n_parts == 0 && !is_output_node(l, node);
}

static int add_part(struct lowering *l, int index, int joint, int k, int channel)
{
    const int node = node_at(l, index)->inputs[k];
    int part = l->tensors[node];
    if (!may_be_part(l, node)) {
        char name[GRAPH_NAME_SIZE];
        snprintf(name, sizeof name, "%.40s/part%d", node_at(l, index)->name, k);
        part = add_copy(l, index, part, name);
        if (part < 0)
            return part;
    }
    l->net->tensors[part].whole = joint;
    l->net->tensors[part].channel = channel;
    l->net->tensors[joint].parts[k] = part;
    return l->net->tensors[part].channels;
}

static int lower_concat(struct lowering *l, int index)
{
    const struct node *n = node_at(l, index);
    const int joint =
        network_add_tensor(l->net, n->name, l->hw[index][0], l->hw[index][1], n->channels);
    if (joint < 0)
        return joint;
    l->tensors[index] = joint;
    for (int k = 0, channel = 0; k < n->n_inputs; k++) {
        const int channels = add_part(l, index, joint, k, channel);
        if (channels < 0)
            return channels;
        channel += channels;
    }
    l->net->tensors[joint].n_parts = n->n_inputs;
    return BPNET_OK;
}

/* ---- all nodes --------------------------------------------------------------------------- */

static const lower_node lower_nodes[OP_COUNT] = {
    [OP_CONV] = lower_conv,         [OP_NORM] = lower_norm,
    [OP_ACT] = lower_act,           [OP_ADD] = lower_add,
    [OP_MUL] = lower_mul,           [OP_CONCAT] = lower_concat,
    [OP_MAX_POOL] = lower_max_pool, [OP_UPSAMPLE2] = lower_upsample2,
    [OP_AVG_POOL] = lower_avg_pool, [OP_RESIZE] = lower_resize,
    [OP_PRELU] = lower_prelu,
};

/* The last stage's maps of a pose network, all outputs of any other. */
static void choose_outputs(struct lowering *l)
{
    const struct graph *g = l->graph;
    const struct model_meta *m = &l->model->meta;
    if (m->stages > 0 && m->skeleton.n_joints > 0 && g->n_outputs == 2 * m->stages) {
        l->outputs[0] = g->outputs[m->stages - 1];
        l->outputs[1] = g->outputs[2 * m->stages - 1];
        l->n_outputs = 2;
        return;
    }
    l->n_outputs = g->n_outputs;
    memcpy(l->outputs, g->outputs, (size_t)g->n_outputs * sizeof *l->outputs);
}

static void find_readers(struct lowering *l)
{
    const struct graph *g = l->graph;
    for (int k = 0; k < l->n_outputs; k++) {
        l->needed[l->outputs[k]] = true;
        l->n_readers[l->outputs[k]]++;
    }
    for (int i = g->n_nodes - 1; i > 0; i--)
        for (int k = 0; l->needed[i] && k < node_reads(&g->nodes[i]); k++) {
            l->needed[g->nodes[i].inputs[k]] = true;
            l->n_readers[g->nodes[i].inputs[k]]++;
        }
}

/* Outputs are floats with memory of their own: pixels and joint tensors are copied. */
static int take_outputs(struct lowering *l)
{
    for (int k = 0; k < l->n_outputs; k++) {
        int tensor = l->tensors[l->outputs[k]];
        if (tensor == 0 || l->net->tensors[tensor].n_parts > 0) {
            char name[GRAPH_NAME_SIZE];
            snprintf(name, sizeof name, "%.40s/output%d", node_at(l, l->outputs[k])->name, k);
            tensor = add_copy(l, l->outputs[k], tensor, name);
            if (tensor < 0)
                return tensor;
        }
        l->net->outputs[l->net->n_outputs++] = tensor;
    }
    return BPNET_OK;
}

/* What cannot be negative, by construction; makers come before their readers. */
static bool cannot_be_negative(const struct network *net, const struct layer *l)
{
    const bool first = net->tensors[l->inputs[0]].nonnegative;
    const bool second = l->n_inputs < 2 || net->tensors[l->inputs[1]].nonnegative;
    if (l->low >= 0.0F)
        return true;
    switch (l->kind) {
    case LAYER_CONVERT: return first && !l->weights;
    case LAYER_ACT: return l->act == ACT_SIGMOID;
    case LAYER_ADD:
    case LAYER_MUL: return first && second;
    case LAYER_MAX_POOL:
    case LAYER_AVG_POOL:
    case LAYER_UPSAMPLE2: return first;
    default: return false;
    }
}

static bool parts_are_nonnegative(const struct network *net, const struct tensor *t)
{
    for (int i = 0; i < t->n_parts; i++)
        if (!net->tensors[t->parts[i]].nonnegative)
            return false;
    return t->n_parts > 0;
}

/* Joint tensors come before the copies that are made for them, so they are asked as read. */
static void find_nonnegative(struct network *net)
{
    for (int i = 0; i < net->n_layers; i++) {
        const struct layer *l = &net->layers[i];
        for (int k = 0; k < l->n_inputs; k++) {
            struct tensor *t = &net->tensors[l->inputs[k]];
            if (t->n_parts > 0)
                t->nonnegative = parts_are_nonnegative(net, t);
        }
        net->tensors[l->output].nonnegative = cannot_be_negative(net, l);
    }
    for (int i = 0; i < net->n_tensors; i++)
        if (net->tensors[i].n_parts > 0)
            net->tensors[i].nonnegative = parts_are_nonnegative(net, &net->tensors[i]);
}

static int lower_all(struct lowering *l)
{
    const struct node *input = node_at(l, 0);
    const int pixels = network_add_tensor(l->net, input->name, l->hw[0][0], l->hw[0][1], 3);
    if (pixels < 0)
        return pixels;
    l->net->tensors[pixels].type = MAP_U8;
    for (int i = 1; i < l->graph->n_nodes; i++) {
        if (!l->needed[i])
            continue;
        const lower_node lower = lower_nodes[node_at(l, i)->op];
        const int err = lower ? lower(l, i)
                              : error_set(BPNET_EUNSUPPORTED,
                                          "node '%s': engines do not have the operation '%s'",
                                          node_at(l, i)->name, op_name(node_at(l, i)->op));
        if (err < 0)
            return err;
    }
    const int err = take_outputs(l);
    find_nonnegative(l->net);
    return err;
}

int network_lower(struct network *out, const struct model *model, int h, int w)
{
    const struct graph *g = &model->graph;
    const size_t n = (size_t)g->n_nodes;
    *out = (struct network){.model = model};
    if (g->nodes[0].channels != 3)
        return error_set(BPNET_EUSAGE, "the network reads %d channels; engines read 3",
                         g->nodes[0].channels);
    struct lowering l = {.net = out, .model = model, .graph = g};
    l.hw = calloc(n, sizeof *l.hw);
    l.needed = calloc(n, sizeof *l.needed);
    l.n_readers = calloc(n, sizeof *l.n_readers);
    l.tensors = calloc(n, sizeof *l.tensors);
    int err = l.hw && l.needed && l.n_readers && l.tensors
                  ? graph_infer(g, h, w, l.hw)
                  : error_set(BPNET_ENOMEM, "no memory to lower a network of %zu nodes", n);
    if (err == BPNET_OK) {
        choose_outputs(&l);
        find_readers(&l);
        err = lower_all(&l);
    }
    free(l.hw);
    free(l.needed);
    free(l.n_readers);
    free(l.tensors);
    if (err < 0)
        network_free(out);
    return err;
}
