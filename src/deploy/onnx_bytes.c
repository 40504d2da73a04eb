/* From a quantised network back to the nodes of its graph. */
#include "deploy/onnx_bytes.h"

#include "base/error.h"
#include "deploy/eight_bits.h"
#include "deploy/network_edit.h"
#include "deploy/quantize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What onnx_ranges points to. */
struct lists {
    struct onnx_range *maps;
    struct onnx_weights *convs;
    size_t n_maps, n_convs;
    void **arrays; /* of the convolutions */
    size_t n_arrays;
};

static void lists_free(struct lists *l)
{
    for (size_t i = 0; i < l->n_arrays; i++)
        free(l->arrays[i]);
    free(l->arrays);
    free(l->maps);
    free(l->convs);
}

enum { ARRAYS = 3 }; /* of a convolution at most */

static int lists_init(struct lists *l, const struct network *net)
{
    const size_t n_layers = (size_t)net->n_layers + 1, n_tensors = (size_t)net->n_tensors;
    l->maps = calloc(n_tensors, sizeof *l->maps);
    l->convs = calloc(n_layers, sizeof *l->convs);
    l->arrays = calloc(ARRAYS * n_layers, sizeof *l->arrays);
    if (!l->maps || !l->convs || !l->arrays)
        return error_set(BPNET_ENOMEM, "no memory for the ranges of an ONNX file");
    return BPNET_OK;
}

/* Zeroed, and freed with the lists; NULL: no memory. */
static void *new_array(struct lists *l, size_t n, size_t size)
{
    void *array = calloc(n, size);
    if (array)
        l->arrays[l->n_arrays++] = array;
    return array;
}

/* ---- maps ---------------------------------------------------------------------------------- */

/* The name is the network's, which outlives the lists. */
static void add_range(struct lists *l, const char *node, struct quantum q)
{
    for (size_t i = 0; i < l->n_maps; i++)
        if (strcmp(l->maps[i].node, node) == 0)
            return;
    l->maps[l->n_maps++] = (struct onnx_range){node, q.scale, q.zero};
}

static bool reads_pixels_in_bytes(const struct network *net)
{
    for (int i = 0; i < net->n_layers; i++) {
        const struct layer *l = &net->layers[i];
        if (l->kind == LAYER_CONV && l->precision == MAP_U8 && l->inputs[0] == 0)
            return true;
    }
    return false;
}

/* Pixels, where one scale and zero give their values: then rounding them changes nothing. */
static void add_pixels(struct lists *l, const struct network *net)
{
    struct quantum q = {0};
    for (int c = 0; c < net->tensors[0].channels; c++) {
        float scale, shift;
        int zero;
        tensor_quantum(net, 0, c, &scale, &zero, &shift);
        if (c == 0)
            q = (struct quantum){scale, zero};
        if (fabsf(shift) > 0.0F || zero != q.zero || fabsf(scale - q.scale) > 0.0F)
            return;
    }
    if (reads_pixels_in_bytes(net))
        add_range(l, net->tensors[0].name, q);
}

/*
 * Every map of bytes that one layer makes. One that was made by converting floats belongs to the
 * node that makes these; other helpers that have no node (copies into joint maps, common quanta)
 * are left out: their values have been rounded already.
 */
static void list_maps(struct lists *l, const struct network *net)
{
    add_pixels(l, net);
    for (int i = 0; i < net->n_layers; i++) {
        const struct layer *layer = &net->layers[i];
        const struct tensor *t = &net->tensors[layer->output];
        const struct tensor *from = &net->tensors[layer->inputs[0]];
        const bool known = graph_find(&net->model->graph, t->name) >= 0;
        if (t->type != MAP_U8)
            continue;
        if (known)
            add_range(l, t->name, (struct quantum){t->scale, t->zero});
        else if (layer->kind == LAYER_CONVERT && from->type == MAP_F32 &&
                 graph_find(&net->model->graph, from->name) >= 0)
            add_range(l, from->name, (struct quantum){t->scale, t->zero});
    }
}

/* ---- weights ------------------------------------------------------------------------------- */

/* (KH, KW, CI, CO) with zeros between the groups, to (KH, KW, CI / groups, CO), in place. */
static void gather_groups(void *weights, size_t size, const struct conv_geometry *g, int groups)
{
    uint8_t *w = weights;
    const size_t in_c = (size_t)g->in_c, out_c = (size_t)g->out_c;
    const size_t in = in_c / (size_t)groups, out = out_c / (size_t)groups;
    for (size_t tap = 0; tap < (size_t)g->kernel_h * (size_t)g->kernel_w; tap++)
        for (size_t i = 0; i < in; i++)
            for (size_t j = 0; j < out_c; j++)
                memmove(w + ((tap * in + i) * out_c + j) * size,
                        w + ((tap * in_c + j / out * in + i) * out_c + j) * size, size);
}

/* Scales of the input's channels; whether they are one. */
static bool input_scales(float *scales, const struct network *net, const struct layer *conv)
{
    bool one = true;
    for (int c = 0; c < conv->geometry.in_c; c++) {
        float shift;
        int zero;
        tensor_quantum(net, conv->inputs[0], c, &scales[c], &zero, &shift);
        one = one && !(fabsf(scales[c] - scales[0]) > 0.0F);
    }
    return one;
}

/* w = w8 * weight scale / input scale: the latter goes into the former where that is possible. */
static void set_scales(struct onnx_weights *w, const struct network *net, const struct layer *conv,
                       float *scale, float *inputs)
{
    const bool one = input_scales(inputs, net, conv);
    if (one || conv->depthwise)
        for (int j = 0; j < conv->geometry.out_c; j++)
            scale[j] /= inputs[conv->depthwise ? j : 0];
    else
        w->input_scale = inputs;
    w->scale = scale;
}

static int list_conv(struct lists *l, const struct network *net, const struct layer *conv)
{
    const struct conv_geometry *g = &conv->geometry;
    const struct node *node = &net->model->graph.nodes[conv->node];
    const size_t in_c = (size_t)g->in_c, out_c = (size_t)g->out_c;
    int8_t *kernel = new_array(l, (size_t)layer_macs_per_pixel(conv) * out_c, sizeof *kernel);
    float *scale = new_array(l, out_c, sizeof *scale), *inputs = new_array(l, in_c, sizeof *inputs);
    int32_t *offset = calloc(out_c, sizeof *offset);
    float *unused = calloc(2 * out_c, sizeof *unused);
    int err = kernel && scale && inputs && offset && unused
                  ? quantize_weights(net, conv, kernel, offset, unused, unused + out_c, scale)
                  : error_set(BPNET_ENOMEM, "no memory for the weights of '%s'", node->name);
    free(offset);
    free(unused);
    if (err < 0)
        return err;
    struct onnx_weights *w = &l->convs[l->n_convs++];
    *w = (struct onnx_weights){.node = node->name, .kernel = kernel, .bias = conv->bias};
    set_scales(w, net, conv, scale, inputs);
    if (!conv->depthwise && node->groups > 1)
        gather_groups(kernel, sizeof *kernel, g, node->groups);
    return BPNET_OK;
}

/* One that stays in float has other weights than the model's when the network is equalised. */
static int list_float(struct lists *l, const struct network *net, const struct layer *conv)
{
    const struct node *node = &net->model->graph.nodes[conv->node];
    const size_t n = (size_t)layer_macs_per_pixel(conv) * (size_t)conv->geometry.out_c;
    float *real = new_array(l, n, sizeof *real);
    if (!real)
        return error_set(BPNET_ENOMEM, "no memory for the weights of '%s'", node->name);
    memcpy(real, conv->weights, n * sizeof *real);
    if (!conv->depthwise && node->groups > 1)
        gather_groups(real, sizeof *real, &conv->geometry, node->groups);
    l->convs[l->n_convs++] =
        (struct onnx_weights){.node = node->name, .bias = conv->bias, .real = real};
    return BPNET_OK;
}

/* Means that are computed as convolutions are no convolutions in the graph. */
static int list_convs(struct lists *l, const struct network *net)
{
    int err = BPNET_OK;
    for (int i = 0; i < net->n_layers && err == BPNET_OK; i++) {
        const struct layer *layer = &net->layers[i];
        if (layer->kind != LAYER_CONV || net->model->graph.nodes[layer->node].op != OP_CONV)
            continue;
        if (layer->precision == MAP_U8)
            err = list_conv(l, net, layer);
        else if (net->equalized)
            err = list_float(l, net, layer);
    }
    return err;
}

/* ---- the table ----------------------------------------------------------------------------- */

/* `to`, an ONNX value "<name>:0", gets the range that `from` has, unless it has one. */
static int add_alias(struct ranges *r, const char *from, const char *to)
{
    char name[ONNX_VALUE_SIZE];
    const struct range *known = ranges_find(r, from);
    snprintf(name, sizeof name, "%.*s", (int)(strlen(to) - strlen(":0")), to);
    return known && !ranges_find(r, name) ? ranges_set(r, name, known->amax) : BPNET_OK;
}

int onnx_write_table(const struct ranges *ranges, const struct model *model, const char *path)
{
    const struct graph *g = &model->graph;
    const int stages = g->n_outputs / 2;
    struct ranges table = {0};
    int err = ranges_copy(&table, ranges);
    if (err == BPNET_OK)
        err = add_alias(&table, g->nodes[0].name, ONNX_INPUT_NAME);
    if (err == BPNET_OK && stages > 0 && model->meta.stages == stages) {
        const char *heat = g->nodes[g->outputs[stages - 1]].name;
        const char *paf = g->nodes[g->outputs[2 * stages - 1]].name;
        if ((err = add_alias(&table, paf, ONNX_PAF_NAME)) == BPNET_OK &&
            (err = add_alias(&table, paf, ONNX_ENLARGED_PAF_NAME)) == BPNET_OK)
            err = add_alias(&table, heat, ONNX_HEAT_NAME);
    }
    if (err == BPNET_OK)
        err = ranges_write(&table, path);
    ranges_free(&table);
    return err;
}

/* ---- all of it ----------------------------------------------------------------------------- */

int onnx_export_bytes(const struct model *model, const struct build_options *build,
                      const struct onnx_export_options *how, const char *path)
{
    struct network net = {0};
    struct ranges ranges = {0};
    struct channel_means means = {0};
    struct lists lists = {0};
    int err = network_lower(&net, model, build->h, build->w);
    if (err == BPNET_OK && (err = eight_bits(&net, &ranges, &means, build)) == BPNET_OK &&
        (err = network_insert_converts(&net)) == BPNET_OK &&
        (err = lists_init(&lists, &net)) == BPNET_OK) {
        list_maps(&lists, &net);
        err = list_convs(&lists, &net);
    }
    if (err == BPNET_OK) {
        const struct onnx_ranges in = {lists.maps, lists.n_maps, lists.convs, lists.n_convs};
        struct onnx_export_options options = *how;
        options.ranges = &in;
        err = onnx_export(model, &options, path);
    }
    lists_free(&lists);
    ranges_free(&ranges);
    channel_means_free(&means);
    network_free(&net);
    return err;
}
