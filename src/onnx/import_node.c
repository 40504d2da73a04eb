/* Nodes of our graph: names, parameters, who reads the input and how. */
#include "onnx/importer.h"

#include "base/error.h"
#include "nn/builder.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- adding ------------------------------------------------------------------------------ */

/*
 * TensorFlow's ":0" is dropped, a long name loses its beginning, and what is no plain character
 * becomes '_'. A name that there is already gets a number.
 */
static void name_node(const struct importer *im, const char *suffix, char out[GRAPH_NAME_SIZE])
{
    enum { ROOM = GRAPH_NAME_SIZE - 16 };
    const char *from = im->op && im->op->n_outputs ? im->op->outputs[0] : "node";
    size_t length = strlen(from);
    if (length > 2 && strcmp(from + length - 2, ":0") == 0)
        length -= 2;
    const size_t room = ROOM - strlen(suffix);
    if (length > GRAPH_NAME_SIZE - 1 - strlen(suffix)) {
        const char *slash = memchr(from + length - room, '/', room / 2);
        const char *start = slash ? slash + 1 : from + length - room;
        length -= (size_t)(start - from);
        from = start;
    }
    snprintf(out, GRAPH_NAME_SIZE, "%.*s%s", (int)length, from, suffix);
    for (char *c = out; *c; c++)
        if (*c < '!' || *c > '~')
            *c = '_';
    for (int k = im->graph->n_nodes; !out[0] || graph_find(im->graph, out) >= 0; k++)
        snprintf(out, GRAPH_NAME_SIZE, "%.*s%s_%d", (int)(length < room ? length : room), from,
                 suffix, k);
    for (char *c = out; *c; c++)
        if (*c < '!' || *c > '~')
            *c = '_';
}

int node_room(struct importer *im)
{
    if (im->graph->n_nodes < im->capacity)
        return BPNET_OK;
    const int capacity = im->capacity ? 2 * im->capacity : 32;
    struct weights *weights = realloc(im->weights, (size_t)capacity * sizeof *weights);
    if (weights)
        im->weights = weights;
    int(*hw)[2] = realloc(im->hw, (size_t)capacity * sizeof *hw);
    if (hw)
        im->hw = hw;
    if (!weights || !hw)
        return error_set(BPNET_ENOMEM, "%s: no memory for %d nodes", im->file->path, capacity);
    memset(weights + im->capacity, 0, (size_t)(capacity - im->capacity) * sizeof *weights);
    im->capacity = capacity;
    return BPNET_OK;
}

int node_add(struct importer *im, const struct node *n, const char *suffix)
{
    struct node copy = *n;
    if (n->channels < 1 || n->channels > GRAPH_MAX_CHANNELS)
        return import_error(im, BPNET_EUNSUPPORTED, "%d channels, expected 1 to %d", n->channels,
                            GRAPH_MAX_CHANNELS);
    const int room = node_room(im);
    if (room < 0)
        return room;
    name_node(im, suffix, copy.name);
    const int index = graph_add(im->graph, &copy);
    if (index < 0)
        return import_prefix(im, index);
    const struct node *added = &im->graph->nodes[index];
    const struct op_row *row = op_rows[added->op];
    im->hw[index][0] = im->hw[index][1] = 0;
    int err = row->check(im->graph, added);
    if (err == BPNET_OK)
        err = row->infer(im->graph, added, (const int(*)[2])im->hw, im->hw[index]);
    if (err == BPNET_OK && (im->hw[index][0] > GRAPH_MAX_SIZE || im->hw[index][1] > GRAPH_MAX_SIZE))
        err = error_set(BPNET_ELIMIT, "a map of %d x %d, at most %d each way", im->hw[index][0],
                        im->hw[index][1], GRAPH_MAX_SIZE);
    if (err < 0)
        return import_prefix(im, err == BPNET_EUSAGE ? BPNET_EUNSUPPORTED : err);
    return index;
}

int node_weights(float **out, struct importer *im, int node, enum param_role role, size_t n)
{
    struct weights *w = &im->weights[node];
    if (n > im->weights_left / sizeof(float))
        return import_error(im, BPNET_ELIMIT,
                            "the weights it makes are too large for a file of this size");
    im->weights_left -= n * sizeof(float);
    w->data[role] = calloc(n, sizeof(float));
    w->n[role] = n;
    *out = w->data[role];
    return *out ? BPNET_OK
                : error_set(BPNET_ENOMEM, "%s: no memory for %zu weights", im->file->path, n);
}

/* ---- reading ----------------------------------------------------------------------------- */

/* The input's normalisation becomes the model's; so there can be only one. */
static int fix_input(struct importer *im, const struct value *v)
{
    for (int c = 0; c < 3; c++) {
        const bool same = fabsf(im->scale[c] - v->scale[c]) <= 1e-6F * fabsf(im->scale[c]) &&
                          fabsf(im->shift[c] - v->shift[c]) <= 1e-6F * fabsf(im->shift[c]) + 1e-9F;
        if (im->input_fixed && !same)
            return import_error(im, BPNET_EUNSUPPORTED,
                                "reads a picture that is normalised otherwise than for its other "
                                "readers");
    }
    memcpy(im->scale, v->scale, sizeof im->scale);
    memcpy(im->shift, v->shift, sizeof im->shift);
    im->input_fixed = true;
    return BPNET_OK;
}

static int depthwise_like(struct importer *im, int input, int channels, int groups,
                          const char *suffix)
{
    struct node n = builder_conv("", 1, channels);
    n.groups = groups;
    n.bias = groups > 1 || channels == 1;
    n.n_inputs = 1;
    n.inputs[0] = input;
    return node_add(im, &n, suffix);
}

/* A convolution that exchanges red and blue. */
static int reorder_input(struct importer *im)
{
    if (im->reordered)
        return im->reordered;
    const int node = depthwise_like(im, 0, 3, 1, "_rgb_to_bgr");
    if (node < 0)
        return node;
    float *w;
    const int err = node_weights(&w, im, node, PARAM_KERNEL, 9);
    if (err < 0)
        return err;
    for (int c = 0; c < 3; c++)
        w[c * 3 + (2 - c)] = 1.0F;
    return im->reordered = node;
}

int node_of_any(struct importer *im, const struct value *v, bool *reverse)
{
    *reverse = v->node == 0 && im->bgr;
    const int err = v->node == 0 ? fix_input(im, v) : BPNET_OK;
    return err < 0 ? err : v->node;
}

int node_of(struct importer *im, const struct value *v)
{
    bool reverse;
    if (v->pad[0] || v->pad[1] || v->pad[2] || v->pad[3])
        return import_error(im, BPNET_EUNSUPPORTED,
                            "reads a padded map; only convolutions can take up a padding");
    const int node = node_of_any(im, v, &reverse);
    return node < 0 || !reverse ? node : reorder_input(im);
}

bool node_is_private(const struct value *v)
{
    return !v->shared && v->readers == 1;
}

int node_channels(struct importer *im, int whole, int first, int channels, const char *suffix)
{
    struct node n = builder_conv("", 1, channels);
    const int inputs = im->graph->nodes[whole].channels;
    n.n_inputs = 1;
    n.inputs[0] = whole;
    const int node = node_add(im, &n, suffix);
    if (node < 0)
        return node;
    float *w;
    const int err = node_weights(&w, im, node, PARAM_KERNEL, (size_t)inputs * (size_t)channels);
    if (err < 0)
        return err;
    for (int c = 0; c < channels; c++)
        w[(first + c) * channels + c] = 1.0F;
    return node;
}

int node_simple(struct importer *im, struct node n, const struct value *v, const char *suffix)
{
    n.inputs[0] = node_of(im, v);
    if (n.inputs[0] < 0)
        return n.inputs[0];
    n.n_inputs = 1;
    n.channels = im->graph->nodes[v->node].channels;
    return node_add(im, &n, suffix);
}

/* ---- scale and shift --------------------------------------------------------------------- */

static bool foldable(const struct importer *im, const struct value *v)
{
    const struct node *n = &im->graph->nodes[v->node];
    return n->op == OP_CONV && v->node != im->reordered && node_is_private(v);
}

static int fold_affine(struct importer *im, int node, const double *scale, const double *shift)
{
    struct node *n = &im->graph->nodes[node];
    struct weights *w = &im->weights[node];
    const size_t channels = (size_t)n->channels;
    for (size_t i = 0; i < w->n[PARAM_KERNEL]; i++)
        w->data[PARAM_KERNEL][i] = (float)((double)w->data[PARAM_KERNEL][i] * scale[i % channels]);
    float *unused;
    const int err = n->bias ? BPNET_OK : node_weights(&unused, im, node, PARAM_BIAS, channels);
    if (err < 0)
        return err;
    n->bias = true;
    for (size_t c = 0; c < channels; c++)
        w->data[PARAM_BIAS][c] = (float)((double)w->data[PARAM_BIAS][c] * scale[c] + shift[c]);
    return node;
}

static int add_affine(struct importer *im, int input, const double *scale, const double *shift)
{
    const int channels = im->graph->nodes[input].channels;
    const int node = depthwise_like(im, input, channels, channels, "_scale");
    if (node < 0)
        return node;
    float *w, *b;
    int err = node_weights(&w, im, node, PARAM_KERNEL, (size_t)channels);
    if (err < 0 || (err = node_weights(&b, im, node, PARAM_BIAS, (size_t)channels)) < 0)
        return err;
    for (int c = 0; c < channels; c++) {
        w[c] = (float)scale[c];
        b[c] = (float)shift[c];
    }
    return node;
}

int node_affine(struct importer *im, struct value *v, const double *scale, const double *shift)
{
    for (int c = 0; c < im->graph->nodes[v->node].channels; c++)
        if (!(fabs(scale[c]) <= 1e30 && fabs(shift[c]) <= 1e30))
            return import_error(im, BPNET_EFORMAT, "factors or summands that are not finite");
    if (v->node == 0) {
        struct value next = *v;
        for (int c = 0; c < 3; c++) {
            next.scale[c] = (float)((double)v->scale[c] * scale[c]);
            next.shift[c] = (float)((double)v->shift[c] * scale[c] + shift[c]);
        }
        return define_alias(im, &next);
    }
    const int input = node_of(im, v);
    if (input < 0)
        return input;
    return define_map(im,
                      foldable(im, v) ? fold_affine(im, input, scale, shift)
                                      : add_affine(im, input, scale, shift),
                      v);
}
