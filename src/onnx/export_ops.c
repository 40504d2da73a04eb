/* Each operation of our graphs as ONNX nodes. */
#include "base/error.h"
#include "onnx/exporter.h"

#include <float.h>
#include <stdio.h>
#include <string.h>

void export_name(char out[ONNX_TEXT_SIZE], const struct node *n, const char *part)
{
    snprintf(out, ONNX_TEXT_SIZE, "%s/%s", n->name, part);
}

static const char *input_value(const struct exporter *x, const struct node *n, int k)
{
    return x->value[n->inputs[k]];
}

/* The value for the node's map, which the next onnx_node() makes. */
static const char *output_value(const struct exporter *x, int index)
{
    return x->value[index];
}

/* ---- padding ------------------------------------------------------------------------------- */

static int effective_kernel(const struct node *n)
{
    return (n->kernel - 1) * n->dilation + 1;
}

enum way {
    WAY_FIXED,    /* the zeros do not depend on the size */
    WAY_AUTO,     /* SAME_UPPER, SAME_LOWER */
    WAY_COMPUTED, /* from the size, by nodes of their own */
};

/*
 * Runtimes disagree about SAME with dilation (ONNX Runtime rejects it) and about windows narrower
 * than their distance, where its formula goes below zero.
 */
static enum way padding_way(const struct node *n)
{
    if (n->padding == PAD_GIVEN || n->stride == 1 || n->kernel == 1)
        return WAY_FIXED;
    return n->dilation == 1 && n->kernel >= n->stride ? WAY_AUTO : WAY_COMPUTED;
}

/* Top, left, bottom, right. */
static void fixed_pads(const struct node *n, int64_t pads[4])
{
    const int total = effective_kernel(n) - 1, half = total / 2;
    const bool lower = n->padding == PAD_SAME_LOWER;
    for (int side = 0; side < 4; side++)
        pads[side] = n->padding == PAD_GIVEN ? n->pad[side]
                     : (side < 2) == lower   ? total - half
                                             : half;
}

static void binary(struct exporter *x, const char *op_type, const char *a, const char *b,
                   const char *out)
{
    onnx_node(x->w, op_type, out);
    onnx_node_input(x->w, a);
    onnx_node_input(x->w, b);
}

/* Height and width of a map: Shape, and its last two entries. */
static void add_size(struct exporter *x, const struct node *n, const char *of, char *size)
{
    char shape[ONNX_TEXT_SIZE], starts[ONNX_TEXT_SIZE], ends[ONNX_TEXT_SIZE];
    export_name(shape, n, "shape");
    export_name(starts, n, "shape_starts");
    export_name(ends, n, "shape_ends");
    export_name(size, n, "size");
    onnx_node(x->w, "Shape", shape);
    onnx_node_input(x->w, of);
    onnx_constant_ints(x->w, starts, (const int64_t[]){2}, 1);
    onnx_constant_ints(x->w, ends, (const int64_t[]){4}, 1);
    onnx_node(x->w, "Slice", size);
    onnx_node_input(x->w, shape);
    onnx_node_input(x->w, starts);
    onnx_node_input(x->w, ends);
}

/*
 * The input with SAME's border computed from its size n, of height and width at once:
 *     total = max(k - 1 - (n - 1) mod s, 0),  half = total div 2,  rest = total - half,
 * half in front; behind for SAME_LOWER.
 */
static void add_padding(struct exporter *x, const struct node *n, float border, char *padded)
{
    static const struct {
        const char *op_type, *a, *b, *out;
    } steps[] = {
        {"Sub", "size", "pads_one", "pads_last"},
        {"Mod", "pads_last", "pads_stride", "pads_over"},
        {"Sub", "pads_reach", "pads_over", "pads_wanted"},
        {"Max", "pads_wanted", "pads_zero", "pads_total"},
        {"Div", "pads_total", "pads_two", "pads_half"},
        {"Sub", "pads_total", "pads_half", "pads_rest"},
    };
    const bool lower = n->padding == PAD_SAME_LOWER;
    const char *const parts[] = {"pads_none", lower ? "pads_rest" : "pads_half", "pads_none",
                                 lower ? "pads_half" : "pads_rest"};
    const struct {
        const char *name;
        int64_t value;
    } constants[] = {{"pads_one", 1},
                     {"pads_stride", n->stride},
                     {"pads_reach", effective_kernel(n) - 1},
                     {"pads_zero", 0},
                     {"pads_two", 2}};
    char a[ONNX_TEXT_SIZE], b[ONNX_TEXT_SIZE], out[ONNX_TEXT_SIZE];
    add_size(x, n, input_value(x, n, 0), a);
    for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
        export_name(out, n, constants[i].name);
        onnx_constant_ints(x->w, out, &constants[i].value, 1);
    }
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        export_name(a, n, steps[i].a);
        export_name(b, n, steps[i].b);
        export_name(out, n, steps[i].out);
        binary(x, steps[i].op_type, a, b, out);
    }
    export_name(out, n, "pads_none"); /* of image and channels */
    onnx_constant_ints(x->w, out, (const int64_t[]){0, 0}, 2);
    export_name(out, n, "pads");
    onnx_node(x->w, "Concat", out);
    onnx_node_int(x->w, "axis", 0);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        export_name(a, n, parts[i]);
        onnx_node_input(x->w, a);
    }
    export_name(b, n, "pads_border");
    onnx_constant_float(x->w, b, border);
    export_name(padded, n, "padded");
    onnx_node(x->w, "Pad", padded);
    onnx_node_input(x->w, input_value(x, n, 0));
    onnx_node_input(x->w, out);
    onnx_node_input(x->w, b);
}

/* Begin a node whose window slides over input 0; its border, where it must be added, is `border`.
 */
static void begin_window(struct exporter *x, const struct node *n, const char *op_type,
                         const char *output, float border)
{
    const int64_t square[] = {n->kernel, n->kernel}, strides[] = {n->stride, n->stride};
    const enum way way = padding_way(n);
    char padded[ONNX_TEXT_SIZE];
    int64_t pads[4];
    if (way == WAY_COMPUTED)
        add_padding(x, n, border, padded);
    onnx_node(x->w, op_type, output);
    onnx_node_input(x->w, way == WAY_COMPUTED ? padded : input_value(x, n, 0));
    onnx_node_ints(x->w, "kernel_shape", square, 2);
    onnx_node_ints(x->w, "strides", strides, 2);
    if (way == WAY_FIXED) {
        fixed_pads(n, pads);
        onnx_node_ints(x->w, "pads", pads, 4);
    } else if (way == WAY_AUTO) {
        onnx_node_text(x->w, "auto_pad",
                       n->padding == PAD_SAME_LOWER ? "SAME_LOWER" : "SAME_UPPER");
    }
}

/* ---- the operations ------------------------------------------------------------------------ */

static int export_conv(struct exporter *x, int index)
{
    const struct node *n = export_node(x, index);
    int made = index;
    while (x->norm[made] >= 0)
        made = x->norm[made];
    char kernel[ONNX_TEXT_SIZE], bias[ONNX_TEXT_SIZE];
    const int err = export_weights(x, index, kernel, bias);
    if (err < 0)
        return err;
    begin_window(x, n, "Conv", output_value(x, made), 0.0F);
    onnx_node_ints(x->w, "dilations", (const int64_t[]){n->dilation, n->dilation}, 2);
    onnx_node_int(x->w, "group", n->groups);
    onnx_node_input(x->w, kernel);
    if (bias[0])
        onnx_node_input(x->w, bias);
    return BPNET_OK;
}

/* Folded ones have been written with their convolution. */
static int export_norm(struct exporter *x, int index)
{
    static const enum param_role roles[] = {PARAM_GAMMA, PARAM_BETA, PARAM_MEAN, PARAM_VARIANCE};
    const struct node *n = export_node(x, index);
    if (x->folded[index])
        return BPNET_OK;
    onnx_node(x->w, "BatchNormalization", output_value(x, index));
    onnx_node_float(x->w, "epsilon", n->epsilon);
    onnx_node_float(x->w, "momentum", n->momentum);
    onnx_node_input(x->w, input_value(x, n, 0));
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
        const struct param *p = &x->m->params.list[n->params[roles[i]]];
        float *to = onnx_constant(x->w, p->name, ONNX_FLOAT, (const int64_t[]){n->channels}, 1);
        if (to)
            memcpy(to, x->m->params.value + p->offset, p->count * sizeof(*to));
        onnx_node_input(x->w, p->name);
    }
    return BPNET_OK;
}

static void add_limit(struct exporter *x, const struct node *n, const char *part, float limit)
{
    char name[ONNX_TEXT_SIZE];
    export_name(name, n, part);
    onnx_constant_float(x->w, name, limit);
    onnx_node_input(x->w, name);
}

static int export_act(struct exporter *x, int index)
{
    static const char *const op_types[ACT_COUNT] = {
        [ACT_RELU] = "Relu", [ACT_SIGMOID] = "Sigmoid", [ACT_TANH] = "Tanh", [ACT_RELU6] = "Clip"};
    const struct node *n = export_node(x, index);
    onnx_node(x->w, op_types[n->act], output_value(x, index));
    onnx_node_input(x->w, input_value(x, n, 0));
    if (n->act == ACT_RELU6) {
        add_limit(x, n, "low", 0.0F);
        add_limit(x, n, "high", 6.0F);
    }
    return BPNET_OK;
}

static int export_prelu(struct exporter *x, int index)
{
    const struct node *n = export_node(x, index);
    const struct param *p = &x->m->params.list[n->params[PARAM_SLOPE]];
    float *to = onnx_constant(x->w, p->name, ONNX_FLOAT, (const int64_t[]){n->channels, 1, 1}, 3);
    if (to)
        memcpy(to, x->m->params.value + p->offset, p->count * sizeof(*to));
    onnx_node(x->w, "PRelu", output_value(x, index));
    onnx_node_input(x->w, input_value(x, n, 0));
    onnx_node_input(x->w, p->name);
    return BPNET_OK;
}

static int export_join(struct exporter *x, int index)
{
    static const char *const op_types[OP_COUNT] = {
        [OP_ADD] = "Add", [OP_MUL] = "Mul", [OP_CONCAT] = "Concat"};
    const struct node *n = export_node(x, index);
    onnx_node(x->w, op_types[n->op], output_value(x, index));
    if (n->op == OP_CONCAT)
        onnx_node_int(x->w, "axis", 1);
    for (int k = 0; k < n->n_inputs; k++)
        onnx_node_input(x->w, input_value(x, n, k));
    return BPNET_OK;
}

/* The border never wins: there is always a real pixel in the window. */
static int export_max_pool(struct exporter *x, int index)
{
    begin_window(x, export_node(x, index), "MaxPool", output_value(x, index), -FLT_MAX);
    return BPNET_OK;
}

static int export_avg_pool(struct exporter *x, int index)
{
    const struct node *n = export_node(x, index);
    if (padding_way(n) == WAY_COMPUTED)
        return error_set(
            BPNET_EUNSUPPORTED,
            "node '%s': a mean over %d x %d every %d cells with SAME padding cannot be "
            "written for every size",
            n->name, n->kernel, n->kernel, n->stride);
    begin_window(x, n, "AveragePool", output_value(x, index), 0.0F);
    onnx_node_int(x->w, "count_include_pad", n->count_padding);
    return BPNET_OK;
}

static void add_resize(struct exporter *x, const struct node *n, enum enlarge enlarge, int factor,
                       const char *output)
{
    static const char *const positions[ENLARGE_COUNT] = {
        [ENLARGE_NEAREST] = "asymmetric",
        [ENLARGE_HALF_PIXEL] = "half_pixel",
        [ENLARGE_ASYMMETRIC] = "asymmetric",
        [ENLARGE_CORNERS] = "align_corners",
    };
    char scales[ONNX_TEXT_SIZE];
    export_name(scales, n, "scales");
    float *factors = onnx_constant(x->w, scales, ONNX_FLOAT, (const int64_t[]){4}, 1);
    for (int d = 0; factors && d < 4; d++)
        factors[d] = d < 2 ? 1.0F : (float)factor;
    onnx_node(x->w, "Resize", output);
    onnx_node_text(x->w, "mode", enlarge == ENLARGE_NEAREST ? "nearest" : "linear");
    onnx_node_text(x->w, "coordinate_transformation_mode", positions[enlarge]);
    if (enlarge == ENLARGE_NEAREST)
        onnx_node_text(x->w, "nearest_mode", "floor");
    onnx_node_input(x->w, input_value(x, n, 0));
    onnx_node_input(x->w, "");
    onnx_node_input(x->w, scales);
}

static int export_resize(struct exporter *x, int index)
{
    const struct node *n = export_node(x, index);
    add_resize(x, n, n->enlarge, n->factor, output_value(x, index));
    return BPNET_OK;
}

/* Twice the size, and the part of it that is as large as the second input. */
static int export_upsample(struct exporter *x, int index)
{
    const struct node *n = export_node(x, index);
    const bool cropped = n->n_inputs > 1;
    char whole[ONNX_TEXT_SIZE], size[ONNX_TEXT_SIZE], starts[ONNX_TEXT_SIZE], axes[ONNX_TEXT_SIZE];
    export_name(whole, n, "whole");
    add_resize(x, n, ENLARGE_HALF_PIXEL, 2, cropped ? whole : output_value(x, index));
    if (!cropped)
        return BPNET_OK;
    add_size(x, n, input_value(x, n, 1), size);
    export_name(starts, n, "starts");
    export_name(axes, n, "axes");
    onnx_constant_ints(x->w, starts, (const int64_t[]){0, 0}, 2);
    onnx_constant_ints(x->w, axes, (const int64_t[]){2, 3}, 2);
    onnx_node(x->w, "Slice", output_value(x, index));
    onnx_node_input(x->w, whole);
    onnx_node_input(x->w, starts);
    onnx_node_input(x->w, size);
    onnx_node_input(x->w, axes);
    return BPNET_OK;
}

static int (*const exports[OP_COUNT])(struct exporter *, int) = {
    [OP_CONV] = export_conv,         [OP_NORM] = export_norm,
    [OP_ACT] = export_act,           [OP_ADD] = export_join,
    [OP_MUL] = export_join,          [OP_CONCAT] = export_join,
    [OP_MAX_POOL] = export_max_pool, [OP_UPSAMPLE2] = export_upsample,
    [OP_AVG_POOL] = export_avg_pool, [OP_RESIZE] = export_resize,
    [OP_PRELU] = export_prelu,
};

int export_op(struct exporter *x, int index)
{
    const struct node *n = export_node(x, index);
    if (!exports[n->op])
        return error_set(BPNET_EUNSUPPORTED, "node '%s': no ONNX form of '%s'", n->name,
                         op_name(n->op));
    return exports[n->op](x, index);
}
