/* Maps in 8 bits: what ranges name, and the pairs of nodes that round a value. */
#include "base/error.h"
#include "onnx/exporter.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const struct onnx_range *export_range(const struct exporter *x, int index)
{
    const struct onnx_ranges *r = x->options->ranges;
    for (size_t i = 0; r && i < r->n_maps; i++)
        if (strcmp(r->maps[i].node, export_node(x, index)->name) == 0)
            return &r->maps[i];
    return NULL;
}

const struct onnx_weights *export_conv_weights(const struct exporter *x, int index)
{
    const struct onnx_ranges *r = x->options->ranges;
    for (size_t i = 0; r && i < r->n_convs; i++)
        if (strcmp(r->convs[i].node, export_node(x, index)->name) == 0)
            return &r->convs[i];
    return NULL;
}

static int check_map(const struct exporter *x, const struct onnx_range *r)
{
    const int index = graph_find(&x->m->graph, r->node);
    if (index < 0)
        return error_set(BPNET_EUSAGE, "a range of '%s': the network has no such layer", r->node);
    if (export_range(x, index) != r)
        return error_set(BPNET_EUSAGE, "'%s' has two ranges", r->node);
    if (!(r->scale > 0.0F) || !isfinite(r->scale) || r->zero < 0 || r->zero > 255)
        return error_set(BPNET_EUSAGE,
                         "the range of '%s': scale %g, zero %d; expected more than 0, and 0 to 255",
                         r->node, (double)r->scale, r->zero);
    return BPNET_OK;
}

static int check_conv(const struct exporter *x, const struct onnx_weights *c)
{
    const int index = graph_find(&x->m->graph, c->node);
    if (index < 0 || export_node(x, index)->op != OP_CONV)
        return error_set(BPNET_EUSAGE, "8-bit weights of '%s': the network has no such convolution",
                         c->node);
    if (export_conv_weights(x, index) != c)
        return error_set(BPNET_EUSAGE, "'%s' has 8-bit weights twice", c->node);
    const float *scale = c->kernel ? c->scale : NULL;
    for (int i = 0; scale && i < export_node(x, index)->channels; i++)
        if (!(scale[i] > 0.0F) || !isfinite(scale[i]))
            return error_set(BPNET_EUSAGE,
                             "8-bit weights of '%s': scale %g of channel %d; expected more than 0",
                             c->node, (double)scale[i], i);
    return BPNET_OK;
}

int export_check_ranges(const struct exporter *x)
{
    const struct onnx_ranges *r = x->options->ranges;
    int err = BPNET_OK;
    for (size_t i = 0; r && i < r->n_maps && err == 0; i++)
        err = check_map(x, &r->maps[i]);
    for (size_t i = 0; r && i < r->n_convs && err == 0; i++)
        err = check_conv(x, &r->convs[i]);
    return err;
}

/* The constants of a pair of nodes. */
static void add_constants(struct exporter *x, const struct onnx_range *range,
                          char scale[ONNX_TEXT_SIZE], char zero[ONNX_TEXT_SIZE])
{
    snprintf(scale, ONNX_TEXT_SIZE, "%s/scale", range->node);
    snprintf(zero, ONNX_TEXT_SIZE, "%s/zero", range->node);
    onnx_constant_float(x->w, scale, range->scale);
    uint8_t *place = onnx_constant(x->w, zero, ONNX_UINT8, NULL, 0);
    if (place)
        *place = (uint8_t)range->zero;
}

static void add_node(struct exporter *x, const char *op_type, const char *from, const char *to,
                     const char *scale, const char *zero)
{
    onnx_node(x->w, op_type, to);
    onnx_node_input(x->w, from);
    onnx_node_input(x->w, scale);
    onnx_node_input(x->w, zero);
}

void export_dequantize(struct exporter *x, const char *from, const char *to,
                       const struct onnx_range *range)
{
    char scale[ONNX_TEXT_SIZE], zero[ONNX_TEXT_SIZE];
    add_constants(x, range, scale, zero);
    add_node(x, "DequantizeLinear", from, to, scale, zero);
}

void export_round(struct exporter *x, int index)
{
    const struct onnx_range *range = export_range(x, index);
    char scale[ONNX_TEXT_SIZE], zero[ONNX_TEXT_SIZE], steps[ONNX_TEXT_SIZE];
    if (!range)
        return;
    const struct node *n = export_node(x, index);
    add_constants(x, range, scale, zero);
    export_name(steps, n, "steps");
    add_node(x, "QuantizeLinear", x->value[index], steps, scale, zero);
    export_name(x->value[index], n, "rounded");
    add_node(x, "DequantizeLinear", steps, x->value[index], scale, zero);
}
