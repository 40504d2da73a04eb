/* The importer: one walk over the file's nodes, then the model is put together. */
#include "onnx/import.h"

#include "base/error.h"
#include "nn/model_check.h"
#include "onnx/importer.h"

#include <stdlib.h>
#include <string.h>

/* Bytes that constants of our own may take, and as many again the parameters of our nodes, beyond
 * so many times the file's size. */
static const size_t spare_memory = (size_t)16 << 20;
enum { MEMORY_FACTOR = 32 };

static const struct importer_row {
    const char *type;
    int (*run)(struct importer *im);
} rows[] = {
    {"Conv", import_conv},
    {"ConvTranspose", import_conv_transpose},
    {"BatchNormalization", import_norm},
    {"MaxPool", import_max_pool},
    {"AveragePool", import_average_pool},
    {"Relu", import_relu},
    {"Sigmoid", import_sigmoid},
    {"Tanh", import_tanh},
    {"LeakyRelu", import_leaky_relu},
    {"PRelu", import_prelu},
    {"Clip", import_clip},
    {"Add", import_arithmetic},
    {"Sub", import_arithmetic},
    {"Mul", import_arithmetic},
    {"Div", import_arithmetic},
    {"Mod", import_arithmetic},
    {"Max", import_arithmetic},
    {"Min", import_arithmetic},
    {"Floor", import_floor},
    {"Ceil", import_floor},
    {"Concat", import_concat},
    {"Resize", import_resize},
    {"Upsample", import_resize},
    {"Pad", import_pad},
    {"Identity", import_pass},
    {"Dropout", import_pass},
    {"Cast", import_pass},
    {"Transpose", import_transpose},
    {"Reshape", import_reshape},
    {"Unsqueeze", import_reshape},
    {"Squeeze", import_reshape},
    {"QuantizeLinear", import_quantize},
    {"DequantizeLinear", import_dequantize},
    {"Constant", import_constant},
    {"Shape", import_shape},
    {"Gather", import_gather},
    {"Slice", import_slice},
};

static int import_op(struct importer *im)
{
    if (!im->op->foreign)
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            if (strcmp(rows[i].type, im->op->type) == 0)
                return rows[i].run(im);
    return import_error(im, BPNET_EUNSUPPORTED, "this operator is not supported");
}

/* ---- only what the outputs need ---------------------------------------------------------- */

static void free_weights(struct weights *w)
{
    for (int role = 0; role < PARAM_ROLES; role++)
        free(w->data[role]);
    *w = (struct weights){0};
}

/* Leave out what no output depends on: to[] is where a node goes, or -1. */
static void drop_unused(struct importer *im, int *to)
{
    struct graph *g = im->graph;
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++)
        to[i] = i == 0 ? 0 : -1;
    for (int k = 0; k < g->n_outputs; k++)
        to[g->outputs[k]] = 0;
    for (int i = g->n_nodes - 1; i > 0; i--)
        for (int k = 0; to[i] >= 0 && k < g->nodes[i].n_inputs; k++)
            to[g->nodes[i].inputs[k]] = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        if (to[i] < 0) {
            free_weights(&im->weights[i]);
            continue;
        }
        struct node node = g->nodes[i];
        for (int k = 0; k < node.n_inputs; k++)
            node.inputs[k] = to[node.inputs[k]];
        const struct weights w = im->weights[i];
        im->weights[i] = (struct weights){0};
        to[i] = n;
        g->nodes[n] = node;
        im->weights[n++] = w;
    }
    g->n_nodes = n;
    for (int k = 0; k < g->n_outputs; k++)
        g->outputs[k] = to[g->outputs[k]];
}

static int fill_params(struct importer *im)
{
    struct params *p = &im->model->params;
    const int err = params_open(p, im->graph);
    for (int i = 0; i < p->n && err == BPNET_OK; i++) {
        const struct param *param = &p->list[i];
        const struct weights *w = &im->weights[param->node];
        if (w->n[param->role] != param->count)
            return error_set(BPNET_EFORMAT, "%s: parameter '%s' has %zu values, expected %zu",
                             im->file->path, param->name, w->n[param->role], param->count);
        memcpy(p->value + param->offset, w->data[param->role], param->count * sizeof(float));
    }
    return err;
}

static int complete(struct importer *im)
{
    int *to = malloc(((size_t)im->graph->n_nodes + 2) * sizeof *to);
    if (!to)
        return error_set(BPNET_ENOMEM, "%s: no memory for its graph", im->file->path);
    drop_unused(im, to);
    free(to);
    int err = graph_check(im->graph);
    if (err == BPNET_OK)
        err = fill_params(im);
    if (err == BPNET_OK)
        err = model_check(im->model);
    return err < 0 ? error_prefix(err, "%s", im->file->path) : BPNET_OK;
}

/* ---- all of it --------------------------------------------------------------------------- */

static int walk(struct importer *im)
{
    int err;
    if ((err = values_open(im)) < 0 || (err = meta_begin(im)) < 0)
        return err;
    for (; im->op_index < im->file->n_ops; im->op_index++) {
        im->op = &im->file->ops[im->op_index];
        if ((err = import_op(im)) < 0)
            return err;
    }
    if ((err = meta_finish(im)) < 0)
        return err;
    return complete(im);
}

static int import_file(struct model **out, const struct onnx_file *file,
                       const struct onnx_import_options *options)
{
    struct importer im = {.file = file,
                          .options = options,
                          .scale = {1.0F, 1.0F, 1.0F},
                          .derived_left = spare_memory + MEMORY_FACTOR * file->size,
                          .weights_left = spare_memory + MEMORY_FACTOR * file->size};
    int err = BPNET_OK;
    im.model = calloc(1, sizeof *im.model);
    if (im.model)
        im.model->spec_text = calloc(1, 1);
    if (!im.model || !im.model->spec_text) {
        err = error_set(BPNET_ENOMEM, "%s: no memory for a network", file->path);
    } else {
        im.graph = &im.model->graph;
        err = walk(&im);
    }
    for (int i = 0; i < im.capacity; i++)
        free_weights(&im.weights[i]);
    values_close(&im);
    free(im.weights);
    free(im.hw);
    if (err < 0)
        model_free(im.model);
    else
        *out = im.model;
    return err;
}

int onnx_import_memory(struct model **out, const uint8_t *bytes, size_t size, const char *name,
                       const struct onnx_import_options *options)
{
    struct onnx_file file;
    *out = NULL;
    int err = onnx_file_open_memory(&file, bytes, size, name);
    if (err == BPNET_OK)
        err = import_file(out, &file, options);
    onnx_file_close(&file);
    return err;
}

int onnx_import(struct model **out, const char *path, const struct onnx_import_options *options)
{
    struct onnx_file file;
    *out = NULL;
    int err = onnx_file_open(&file, path, options->key);
    if (err == BPNET_OK)
        err = import_file(out, &file, options);
    onnx_file_close(&file);
    return err;
}
