/* Activations and limits. */
#include "onnx/importer.h"

#include "base/error.h"

#include <math.h>

static int channels_of(const struct importer *im, const struct value *v)
{
    return im->graph->nodes[v->node].channels;
}

/* ---- activations ------------------------------------------------------------------------- */

static int import_act(struct importer *im, enum activation act)
{
    struct value *v;
    const int err = op_map(im, 0, &v);
    if (err < 0)
        return err;
    return define_map(im, node_simple(im, (struct node){.op = OP_ACT, .act = act}, v, ""), v);
}

int import_relu(struct importer *im)
{
    return import_act(im, ACT_RELU);
}

int import_sigmoid(struct importer *im)
{
    return import_act(im, ACT_SIGMOID);
}

int import_tanh(struct importer *im)
{
    return import_act(im, ACT_TANH);
}

/* One slope for all channels, or one each. */
static int add_prelu(struct importer *im, const struct value *v, const double *slopes, bool each)
{
    const int node = node_simple(im, (struct node){.op = OP_PRELU}, v, "");
    if (node < 0)
        return node;
    const int channels = channels_of(im, v);
    float *w;
    const int err = node_weights(&w, im, node, PARAM_SLOPE, (size_t)channels);
    if (err < 0)
        return err;
    for (int c = 0; c < channels; c++)
        w[c] = (float)slopes[each ? c : 0];
    return define_map(im, node, v);
}

int import_leaky_relu(struct importer *im)
{
    struct value *v;
    const int err = op_map(im, 0, &v);
    const double slope = op_number(im->op, "alpha", 0.01);
    return err < 0 ? err : add_prelu(im, v, &slope, false);
}

int import_prelu(struct importer *im)
{
    struct value *v;
    const struct onnx_tensor *t;
    double slopes[GRAPH_MAX_CHANNELS];
    int err;
    if ((err = op_map(im, 0, &v)) < 0 || (err = op_constant(im, 1, &t)) < 0)
        return err;
    if (t->n_dims == 1 && t->n == (size_t)channels_of(im, v) && !v->channels_last) {
        for (size_t c = 0; c < t->n; c++) /* as older exporters have it */
            slopes[c] = onnx_number(t, c);
        return add_prelu(im, v, slopes, true);
    }
    if ((err = channel_numbers(im, t, v, slopes)) < 0)
        return err;
    return add_prelu(im, v, slopes, true);
}

/* ---- limits ------------------------------------------------------------------------------ */

static int clip_limit(struct importer *im, size_t input, const char *name, double fallback,
                      double *out)
{
    const struct onnx_tensor *t;
    *out = op_number(im->op, name, fallback);
    if (!op_value(im, input))
        return BPNET_OK;
    const int err = op_constant(im, input, &t);
    if (err < 0)
        return err;
    if (t->n != 1)
        return import_error(im, BPNET_EUNSUPPORTED, "a limit of %zu numbers", t->n);
    *out = onnx_number(t, 0);
    return BPNET_OK;
}

/* x * scale + shift in a node of its own. */
static int add_scale(struct importer *im, int input, double scale, double shift, const char *suffix)
{
    const int channels = im->graph->nodes[input].channels;
    const struct node n = {.op = OP_CONV,
                           .n_inputs = 1,
                           .inputs = {input},
                           .channels = channels,
                           .kernel = 1,
                           .stride = 1,
                           .dilation = 1,
                           .groups = channels,
                           .bias = true,
                           .kernel_lr = 1.0F,
                           .bias_lr = 1.0F};
    const int node = node_add(im, &n, suffix);
    if (node < 0)
        return node;
    float *w, *b;
    int err = node_weights(&w, im, node, PARAM_KERNEL, (size_t)channels);
    if (err < 0 || (err = node_weights(&b, im, node, PARAM_BIAS, (size_t)channels)) < 0)
        return err;
    for (int c = 0; c < channels; c++) {
        w[c] = (float)scale;
        b[c] = (float)shift;
    }
    return node;
}

/* f(x * scale + shift) with f a ReLU or ReLU6, and back. */
static int add_scaled_act(struct importer *im, const struct value *v, enum activation act,
                          double scale, double shift)
{
    int node = node_of(im, v);
    if (node < 0 || (node = add_scale(im, node, scale, shift, "_to")) < 0)
        return node;
    const struct node n = {
        .op = OP_ACT, .n_inputs = 1, .inputs = {node}, .channels = channels_of(im, v), .act = act};
    if ((node = node_add(im, &n, "_limit")) < 0)
        return node;
    return add_scale(im, node, 1.0 / scale, -shift / scale, "");
}

int import_clip(struct importer *im)
{
    struct value *v;
    double low, high;
    int err;
    if ((err = op_map(im, 0, &v)) < 0 || (err = clip_limit(im, 1, "min", -INFINITY, &low)) < 0 ||
        (err = clip_limit(im, 2, "max", INFINITY, &high)) < 0)
        return err;
    if (!(low < high))
        return import_error(im, BPNET_EUNSUPPORTED, "limits of %g and %g", low, high);
    const bool below = low > -1e30, above = high < 1e30, zero = fabs(low) < 1e-12;
    if (!below && !above)
        return define_alias(im, v);
    if (zero && above && fabs(high - 6.0) < 1e-6)
        return import_act(im, ACT_RELU6);
    if (zero && !above)
        return import_act(im, ACT_RELU);
    if (below && above)
        return define_map(
            im, add_scaled_act(im, v, ACT_RELU6, 6.0 / (high - low), -low * 6.0 / (high - low)), v);
    return define_map(im,
                      below ? add_scaled_act(im, v, ACT_RELU, 1.0, -low)
                            : add_scaled_act(im, v, ACT_RELU, -1.0, high),
                      v);
}
