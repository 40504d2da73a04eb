/* Operators with windows: convolutions and poolings; and batch norms. */
#include "onnx/importer.h"

#include "base/error.h"
#include "nn/builder.h"

#include <math.h>
#include <string.h>

/* ---- windows ----------------------------------------------------------------------------- */

/* A window as the file has it; [0] is along the height. */
struct window_attributes {
    int64_t kernel[2], stride[2], dilation[2], pad[4];
    enum padding padding;
};

static int read_auto_pad(struct importer *im, struct window_attributes *w)
{
    static const struct {
        const char *name;
        enum padding padding;
    } kinds[] = {{"NOTSET", PAD_GIVEN},
                 {"VALID", PAD_GIVEN},
                 {"SAME_UPPER", PAD_SAME},
                 {"SAME_LOWER", PAD_SAME_LOWER}};
    const char *text = op_text(im->op, "auto_pad", "NOTSET");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, text) == 0) {
            w->padding = kinds[i].padding;
            if (strcmp(text, "VALID") == 0)
                memset(w->pad, 0, sizeof w->pad);
            return BPNET_OK;
        }
    return import_error(im, BPNET_EUNSUPPORTED, "auto_pad '%.40s' is unknown", text);
}

static int read_window(struct importer *im, const struct value *v, struct window_attributes *w)
{
    int err;
    if ((err = op_integers(im, "strides", w->stride, 2, 1)) < 0 ||
        (err = op_integers(im, "dilations", w->dilation, 2, 1)) < 0 ||
        (err = op_integers(im, "pads", w->pad, 4, 0)) < 0 || (err = read_auto_pad(im, w)) < 0)
        return err;
    if (v->channels_last)
        return import_error(im, BPNET_EUNSUPPORTED, "its input has its channels last");
    for (int axis = 0; axis < 2; axis++)
        if (w->kernel[axis] < 1 || w->kernel[axis] > GRAPH_MAX_KERNEL || w->stride[axis] < 1 ||
            w->stride[axis] > GRAPH_MAX_STRIDE || w->dilation[axis] < 1 ||
            w->dilation[axis] > GRAPH_MAX_DILATION)
            return import_error(im, BPNET_EUNSUPPORTED,
                                "kernel %lld, stride %lld, dilation %lld; expected 1 to %d, %d and "
                                "%d",
                                (long long)w->kernel[axis], (long long)w->stride[axis],
                                (long long)w->dilation[axis], GRAPH_MAX_KERNEL, GRAPH_MAX_STRIDE,
                                GRAPH_MAX_DILATION);
    for (int side = 0; side < 4; side++) {
        w->pad[side] += v->pad[side];
        if (w->pad[side] < 0 || w->pad[side] > GRAPH_MAX_SIZE)
            return import_error(im, BPNET_EUNSUPPORTED, "a padding of %lld",
                                (long long)w->pad[side]);
        if (v->pad[side] && w->padding != PAD_GIVEN)
            return import_error(im, BPNET_EUNSUPPORTED, "pads a map that is padded already");
    }
    if (w->stride[0] != w->stride[1])
        return import_error(im, BPNET_EUNSUPPORTED, "strides of %lld and %lld; they must be equal",
                            (long long)w->stride[0], (long long)w->stride[1]);
    return BPNET_OK;
}

/* A given padding that is SAME, at every size or (when it was measured) at the one known, is
 * called so. */
static void name_padding(const struct importer *im, struct node *n, int input, bool measured)
{
    static const enum padding kinds[] = {PAD_SAME, PAD_SAME_LOWER};
    if (n->padding != PAD_GIVEN)
        return;
    const int reach = (n->kernel - 1) * n->dilation + 1;
    const bool whole = n->pad[0] + n->pad[2] == reach - 1 && n->pad[1] + n->pad[3] == reach - 1;
    if (n->stride > 1 && reach > 1 && !measured)
        return;
    if (n->stride == 1 && !whole)
        return;
    const struct window given = node_window(n, im->hw[input]);
    for (int k = 0; k < 2; k++) {
        struct node same = *n;
        same.padding = kinds[k];
        const struct window w = node_window(&same, im->hw[input]);
        if (memcmp(&w, &given, sizeof w) == 0) {
            n->padding = kinds[k];
            memset(n->pad, 0, sizeof n->pad);
            return;
        }
    }
}

/*
 * Our windows are square: a narrower one lies in the middle of zeros, `margin` of them in front
 * along an axis, and the padding grows by as much.
 */
static int square_window(struct importer *im, const struct window_attributes *w, struct node *n,
                         int margin[2])
{
    const int axis = w->kernel[0] >= w->kernel[1] ? 0 : 1;
    n->kernel = (int)w->kernel[axis];
    n->stride = (int)w->stride[0];
    n->dilation = (int)w->dilation[axis];
    n->padding = w->padding;
    for (int a = 0; a < 2; a++) {
        const int missing = n->kernel - (int)w->kernel[a];
        margin[a] = missing / 2;
        if (w->dilation[a] != n->dilation && w->kernel[a] > 1)
            return import_error(im, BPNET_EUNSUPPORTED, "dilations that differ");
        if (missing > 0 && w->padding != PAD_GIVEN && (n->stride > 1 || missing % 2))
            return import_error(im, BPNET_EUNSUPPORTED,
                                "a kernel of %lld x %lld with a padding that follows from the size",
                                (long long)w->kernel[0], (long long)w->kernel[1]);
        n->pad[a] = (int)w->pad[a] + margin[a] * n->dilation;
        n->pad[a + 2] = (int)w->pad[a + 2] + (missing - margin[a]) * n->dilation;
    }
    if (n->padding != PAD_GIVEN)
        memset(n->pad, 0, sizeof n->pad);
    return BPNET_OK;
}

/* ---- convolution ------------------------------------------------------------------------- */

/* (CO, CI, KH, KW) becomes (KH, KW, CI, CO), within a square and with channels reversed. */
static int take_kernel(struct importer *im, const struct onnx_tensor *t, int node,
                       const int margin[2], bool reverse)
{
    const struct node *n = &im->graph->nodes[node];
    const size_t outputs = (size_t)t->dims[0], inputs = (size_t)t->dims[1];
    const size_t k = (size_t)n->kernel;
    float *w;
    const int err = node_weights(&w, im, node, PARAM_KERNEL, k * k * inputs * outputs);
    if (err < 0)
        return err;
    size_t from = 0;
    for (size_t o = 0; o < outputs; o++)
        for (size_t i = 0; i < inputs; i++)
            for (size_t y = 0; y < (size_t)t->dims[2]; y++)
                for (size_t x = 0; x < (size_t)t->dims[3]; x++, from++) {
                    const size_t tap = (y + (size_t)margin[0]) * k + x + (size_t)margin[1];
                    const size_t input = reverse ? inputs - 1 - i : i;
                    w[(tap * inputs + input) * outputs + o] = (float)onnx_number(t, from);
                }
    return BPNET_OK;
}

static int take_vector(struct importer *im, const struct onnx_tensor *t, int node,
                       enum param_role role, const char *what)
{
    const size_t channels = (size_t)im->graph->nodes[node].channels;
    if (t->n != channels)
        return import_error(im, BPNET_EFORMAT, "%zu numbers as its %s, expected %zu", t->n, what,
                            channels);
    float *out;
    const int err = node_weights(&out, im, node, role, channels);
    if (err < 0)
        return err;
    for (size_t c = 0; c < channels; c++)
        out[c] = (float)onnx_number(t, c);
    return BPNET_OK;
}

static int check_kernel(struct importer *im, const struct onnx_tensor *t, int inputs,
                        int64_t groups)
{
    if (t->n_dims != 4 || t->n == 0)
        return import_error(im, BPNET_EUNSUPPORTED,
                            "a kernel of %d dimensions, expected 4 that are not 0", t->n_dims);
    if (groups < 1 || groups > inputs || t->dims[1] * groups != inputs ||
        t->dims[0] > GRAPH_MAX_CHANNELS)
        return import_error(
            im, BPNET_EFORMAT, "a kernel for %lld of %d channels in %lld groups, with %lld outputs",
            (long long)t->dims[1], inputs, (long long)groups, (long long)t->dims[0]);
    return BPNET_OK;
}

int import_conv(struct importer *im)
{
    struct value *v;
    const struct onnx_tensor *kernel, *bias = NULL;
    struct window_attributes w;
    int err, margin[2];
    bool reverse;
    if ((err = op_map(im, 0, &v)) < 0 || (err = op_constant(im, 1, &kernel)) < 0 ||
        (op_value(im, 2) && (err = op_constant(im, 2, &bias)) < 0))
        return err;
    const int64_t groups = op_integer(im->op, "group", 1);
    if ((err = check_kernel(im, kernel, im->graph->nodes[v->node].channels, groups)) < 0)
        return err;
    w.kernel[0] = kernel->dims[2];
    w.kernel[1] = kernel->dims[3];
    struct node n = builder_conv("", 1, (int)kernel->dims[0]);
    if ((err = read_window(im, v, &w)) < 0 || (err = square_window(im, &w, &n, margin)) < 0)
        return err;
    struct value unpadded = *v;
    memset(unpadded.pad, 0, sizeof unpadded.pad);
    reverse = false;
    const int input = groups == 1 ? node_of_any(im, &unpadded, &reverse) : node_of(im, &unpadded);
    if (input < 0)
        return input;
    name_padding(im, &n, input, v->pad_measured);
    n.groups = (int)groups;
    n.bias = bias != NULL;
    n.n_inputs = 1;
    n.inputs[0] = input;
    const int node = node_add(im, &n, "");
    if (node < 0 || (err = take_kernel(im, kernel, node, margin, reverse)) < 0 ||
        (bias && (err = take_vector(im, bias, node, PARAM_BIAS, "bias")) < 0))
        return node < 0 ? node : err;
    return define_map(im, node, v);
}

/* A list of an attribute has this number everywhere; `fallback` is what it has when it is absent.
 */
static bool all_are(const struct importer *im, const char *name, int64_t number, int64_t fallback)
{
    const struct onnx_attribute *a = onnx_attribute(im->op, name);
    bool same = a || fallback == number;
    for (size_t i = 0; a && i < a->n_ints; i++)
        same = same && a->ints[i] == number;
    return same;
}

/*
 * Whether every channel, and it alone, is spread by ones into squares that neither overlap nor
 * leave gaps. The kernel is (C, C, k, k) or, depthwise, (C, 1, k, k).
 */
static bool repeats_pixels(const struct importer *im, const struct onnx_tensor *t, int64_t channels)
{
    const int64_t groups = op_integer(im->op, "group", 1);
    if (t->n_dims != 4 || t->dims[0] != channels || t->dims[2] != t->dims[3] ||
        (groups != 1 && groups != channels) || t->dims[1] != channels / groups)
        return false;
    if (!all_are(im, "strides", t->dims[2], 1) || !all_are(im, "pads", 0, 0) ||
        !all_are(im, "output_padding", 0, 0) || !all_are(im, "dilations", 1, 1))
        return false;
    const size_t taps = (size_t)(t->dims[2] * t->dims[3]), inner = taps * (size_t)t->dims[1];
    for (size_t i = 0; i < t->n; i++) {
        const bool own = groups > 1 || i / inner == i % inner / taps;
        if (!(fabs(onnx_number(t, i) - (own ? 1.0 : 0.0)) < 1e-6))
            return false;
    }
    return true;
}

int import_conv_transpose(struct importer *im)
{
    struct value *v;
    const struct onnx_tensor *t, *bias = NULL;
    int err;
    if ((err = op_map(im, 0, &v)) < 0 || (err = op_constant(im, 1, &t)) < 0 ||
        (op_value(im, 2) && (err = op_constant(im, 2, &bias)) < 0))
        return err;
    bool biased = false;
    for (size_t i = 0; bias && i < bias->n; i++)
        biased = biased || !(fabs(onnx_number(bias, i)) < 1e-12);
    const int channels = im->graph->nodes[v->node].channels;
    if (v->channels_last || biased || !repeats_pixels(im, t, channels) ||
        t->dims[2] > GRAPH_MAX_FACTOR)
        return import_error(im, BPNET_EUNSUPPORTED,
                            "only transposed convolutions that repeat every pixel are supported");
    const struct node n = {.op = OP_RESIZE,
                           .n_inputs = 1,
                           .inputs = {node_of(im, v)},
                           .channels = channels,
                           .factor = (int)t->dims[2],
                           .enlarge = ENLARGE_NEAREST};
    return n.inputs[0] < 0 ? n.inputs[0] : define_map(im, node_add(im, &n, ""), v);
}

/* ---- batch norm -------------------------------------------------------------------------- */

int import_norm(struct importer *im)
{
    static const struct {
        enum param_role role;
        const char *name;
    } parts[] = {{PARAM_GAMMA, "scale"},
                 {PARAM_BETA, "bias"},
                 {PARAM_MEAN, "mean"},
                 {PARAM_VARIANCE, "variance"}};
    struct value *v;
    int err = op_map(im, 0, &v);
    if (err < 0)
        return err;
    if (op_integer(im->op, "training_mode", 0) != 0 || op_integer(im->op, "spatial", 1) != 1)
        return import_error(im, BPNET_EUNSUPPORTED,
                            "a batch norm that is not one of inference, per channel");
    if (v->channels_last)
        return import_error(im, BPNET_EUNSUPPORTED, "its input has its channels last");
    const int input = node_of(im, v);
    if (input < 0)
        return input;
    const struct node n = {.op = OP_NORM,
                           .n_inputs = 1,
                           .inputs = {input},
                           .channels = im->graph->nodes[input].channels,
                           .epsilon = (float)op_number(im->op, "epsilon", 1e-5),
                           .momentum = 0.99F};
    const int node = node_add(im, &n, "");
    if (node < 0)
        return node;
    for (size_t i = 0; i < 4; i++) {
        const struct onnx_tensor *t;
        if ((err = op_constant(im, i + 1, &t)) < 0 ||
            (err = take_vector(im, t, node, parts[i].role, parts[i].name)) < 0)
            return err;
    }
    return define_map(im, node, v);
}

/* ---- pooling ----------------------------------------------------------------------------- */

static int import_pool(struct importer *im, enum op op)
{
    struct value *v;
    struct window_attributes w;
    int err, margin[2];
    if ((err = op_map(im, 0, &v)) < 0)
        return err;
    if (!onnx_attribute(im->op, "kernel_shape"))
        return import_error(im, BPNET_EFORMAT, "has no kernel_shape");
    if ((err = op_integers(im, "kernel_shape", w.kernel, 2, 1)) < 0 ||
        (err = read_window(im, v, &w)) < 0)
        return err;
    struct node n = {.op = op, .n_inputs = 1};
    n.count_padding = op == OP_AVG_POOL && op_integer(im->op, "count_include_pad", 0) != 0;
    if (w.kernel[0] != w.kernel[1])
        return import_error(im, BPNET_EUNSUPPORTED, "a window that is not square");
    if ((err = square_window(im, &w, &n, margin)) < 0)
        return err;
    if (op_integer(im->op, "ceil_mode", 0) != 0 && n.padding == PAD_GIVEN) {
        if (n.kernel != n.stride || n.pad[0] || n.pad[1] || n.pad[2] || n.pad[3] || n.count_padding)
            return import_error(im, BPNET_EUNSUPPORTED,
                                "ceil_mode, but windows that overlap or are padded");
        n.padding = PAD_SAME; /* the last window reaches over the border, which is never counted */
    }
    n.inputs[0] = node_of(im, v);
    if (n.inputs[0] < 0)
        return n.inputs[0];
    name_padding(im, &n, n.inputs[0], false);
    n.channels = im->graph->nodes[n.inputs[0]].channels;
    return define_map(im, node_add(im, &n, ""), v);
}

int import_max_pool(struct importer *im)
{
    return import_pool(im, OP_MAX_POOL);
}

int import_average_pool(struct importer *im)
{
    return import_pool(im, OP_AVG_POOL);
}
