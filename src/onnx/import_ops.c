/* Joins, enlargements, quantisation, and what passes maps on as they are. */
#include "onnx/importer.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int channels_of(const struct importer *im, const struct value *v)
{
    return im->graph->nodes[v->node].channels;
}

/*
 * A constant that is one number, or one a channel, in a tensor that is broadcast over the map:
 * n numbers at `out`, which holds GRAPH_MAX_CHANNELS.
 */
int channel_numbers(struct importer *im, const struct onnx_tensor *t, const struct value *v,
                    double *out)
{
    const int channels = channels_of(im, v), axis = channel_axis(v);
    for (int d = 0; d < t->n_dims; d++) {
        const int at = d + 4 - t->n_dims;
        if (t->dims[d] != 1 && !(at == axis && t->dims[d] == channels))
            return import_error(im, BPNET_EUNSUPPORTED,
                                "a constant that is neither one number nor one a channel");
    }
    if (t->n_dims > 4 || (t->n != 1 && t->n != (size_t)channels))
        return import_error(im, BPNET_EUNSUPPORTED, "a constant of %zu numbers for %d channels",
                            t->n, channels);
    for (int c = 0; c < channels; c++)
        out[c] = onnx_number(t, t->n == 1 ? 0 : (size_t)c);
    return BPNET_OK;
}

/* ---- sums and products ------------------------------------------------------------------- */

static int join_maps(struct importer *im, const struct value *a, const struct value *b)
{
    const bool sum = strcmp(im->op->type, "Add") == 0, product = strcmp(im->op->type, "Mul") == 0;
    if (!sum && !product)
        return import_error(im, BPNET_EUNSUPPORTED, "of two maps; only sums and products are");
    if (a->channels_last != b->channels_last)
        return import_error(im, BPNET_EUNSUPPORTED, "maps with their channels first and last");
    struct node n = {.op = sum ? OP_ADD : OP_MUL, .n_inputs = 2};
    n.inputs[0] = node_of(im, a);
    n.inputs[1] = n.inputs[0] < 0 ? n.inputs[0] : node_of(im, b);
    if (n.inputs[1] < 0)
        return n.inputs[1];
    n.channels = channels_of(im, a);
    return define_map(im, node_add(im, &n, ""), a);
}

int import_arithmetic(struct importer *im)
{
    struct value *a = op_value(im, 0), *b = op_value(im, 1);
    double k[GRAPH_MAX_CHANNELS], scale[GRAPH_MAX_CHANNELS], shift[GRAPH_MAX_CHANNELS];
    const char *type = im->op->type;
    if (a && b && a->kind == VALUE_CONSTANT && b->kind == VALUE_CONSTANT)
        return fold_arithmetic(im, a, b);
    if (a && b && a->kind == VALUE_MAP && b->kind == VALUE_MAP)
        return join_maps(im, a, b);
    if (strcmp(type, "Mod") == 0 || strcmp(type, "Max") == 0 || strcmp(type, "Min") == 0)
        return import_error(im, BPNET_EUNSUPPORTED, "of maps");
    const bool first = a && a->kind == VALUE_MAP;
    struct value *map;
    const struct onnx_tensor *t;
    int err;
    if ((err = op_map(im, first ? 0 : 1, &map)) < 0 ||
        (err = op_constant(im, first ? 1 : 0, &t)) < 0 ||
        (err = channel_numbers(im, t, map, k)) < 0)
        return err;
    if (strcmp(type, "Div") == 0 && !first)
        return import_error(im, BPNET_EUNSUPPORTED, "divides by a map");
    for (int c = 0; c < channels_of(im, map); c++) {
        scale[c] = 1.0;
        shift[c] = 0.0;
        if (strcmp(type, "Add") == 0)
            shift[c] = k[c];
        else if (strcmp(type, "Mul") == 0)
            scale[c] = k[c];
        else if (strcmp(type, "Div") == 0)
            scale[c] = 1.0 / k[c];
        else
            shift[c] = first ? -k[c] : k[c];
        if (strcmp(type, "Sub") == 0 && !first)
            scale[c] = -1.0;
    }
    return node_affine(im, map, scale, shift);
}

/* ---- concatenation ----------------------------------------------------------------------- */

/* More inputs than a node may have are joined by several. */
static int concat_nodes(struct importer *im, const int *inputs, size_t n)
{
    struct node node = {.op = OP_CONCAT};
    for (size_t i = 0; i < n; i++) {
        if (node.n_inputs == GRAPH_MAX_INPUTS) {
            const int joined = node_add(im, &node, "_part");
            if (joined < 0)
                return joined;
            node = (struct node){
                .op = OP_CONCAT, .n_inputs = 1, .inputs = {joined}, .channels = node.channels};
        }
        node.inputs[node.n_inputs++] = inputs[i];
        node.channels += im->graph->nodes[inputs[i]].channels;
    }
    return node.n_inputs == 1 ? node.inputs[0] : node_add(im, &node, "");
}

int import_concat(struct importer *im)
{
    enum { MOST = 256 };
    int inputs[MOST];
    const struct value *first = op_value(im, 0);
    if (first && first->kind == VALUE_CONSTANT)
        return fold_concat(im);
    if (im->op->n_inputs < 1 || im->op->n_inputs > MOST)
        return import_error(im, BPNET_EUNSUPPORTED, "%zu inputs", im->op->n_inputs);
    int64_t axis = op_integer(im->op, "axis", 1);
    for (size_t i = 0; i < im->op->n_inputs; i++) {
        struct value *v;
        const int err = op_map(im, i, &v);
        if (err < 0)
            return err;
        if (v->channels_last != first->channels_last)
            return import_error(im, BPNET_EUNSUPPORTED, "maps with their channels first and last");
        if ((inputs[i] = node_of(im, v)) < 0)
            return inputs[i];
    }
    axis = axis < 0 ? axis + 4 : axis;
    if (axis != channel_axis(first))
        return import_error(im, BPNET_EUNSUPPORTED,
                            "joins along axis %lld, which is not that of "
                            "the channels",
                            (long long)axis);
    return define_map(im, concat_nodes(im, inputs, im->op->n_inputs), first);
}

/* ---- enlargement ------------------------------------------------------------------------- */

/* The factor by which height and width grow: a whole number, or an error. */
static int whole_factor(struct importer *im, const double f[2])
{
    const double nearest = floor(f[0] + 0.5);
    if (!(fabs(f[0] - nearest) < 1e-4 && fabs(f[1] - nearest) < 1e-4) || nearest < 1.0 ||
        nearest > GRAPH_MAX_FACTOR)
        return import_error(im, BPNET_EUNSUPPORTED,
                            "enlarges by %g and %g, expected one whole number of 1 to %d", f[0],
                            f[1], GRAPH_MAX_FACTOR);
    return (int)nearest;
}

static int resize_factor(struct importer *im, const struct value *v)
{
    const struct onnx_op *op = im->op;
    const bool old = strcmp(op->type, "Upsample") == 0 || im->file->opset < 11;
    const struct onnx_attribute *listed = onnx_attribute(op, "scales");
    const struct onnx_tensor *t = NULL;
    const int axis = v->channels_last ? 1 : 2;
    double f[2] = {0.0, 0.0};
    int err;
    if (onnx_attribute(op, "axes"))
        return import_error(im, BPNET_EUNSUPPORTED, "attribute axes");
    if (old && listed && listed->n_floats == 4) {
        f[0] = (double)listed->floats[axis];
        f[1] = (double)listed->floats[axis + 1];
        return whole_factor(im, f);
    }
    const struct value *scales = op_value(im, old ? 1 : 2);
    const bool by_scale = scales && scales->kind == VALUE_CONSTANT && scales->tensor->n > 0;
    if ((err = op_constant(im, old ? 1 : by_scale ? 2 : 3, &t)) < 0)
        return err;
    if (t->n != 4)
        return import_error(im, BPNET_EUNSUPPORTED, "%zu scales or sizes, expected 4", t->n);
    for (int k = 0; k < 2; k++) {
        const double number = onnx_number(t, (size_t)(axis + k));
        f[k] = old || by_scale ? number : number / (double)im->hw[v->node][k];
    }
    return whole_factor(im, f);
}

/* Which of our enlargements it is. */
static int resize_kind(struct importer *im, int factor, enum enlarge *out)
{
    const bool old = strcmp(im->op->type, "Upsample") == 0 || im->file->opset < 11;
    const char *mode = op_text(im->op, "mode", "nearest");
    const char *where =
        op_text(im->op, "coordinate_transformation_mode", old ? "asymmetric" : "half_pixel");
    const char *nearest = op_text(im->op, "nearest_mode", old ? "floor" : "round_prefer_floor");
    const bool half = strcmp(where, "half_pixel") == 0 || strcmp(where, "pytorch_half_pixel") == 0;
    const bool asymmetric = strcmp(where, "asymmetric") == 0;
    if (strcmp(mode, "nearest") == 0) {
        const bool rounds = strncmp(nearest, "round", 5) == 0;
        const bool repeats =
            (asymmetric && strcmp(nearest, "floor") == 0) || (half && rounds) ||
            (asymmetric && factor == 2 && strcmp(nearest, "round_prefer_floor") == 0);
        *out = ENLARGE_NEAREST;
        return repeats ? BPNET_OK
                       : import_error(im, BPNET_EUNSUPPORTED,
                                      "nearest neighbours by '%.40s' and "
                                      "'%.40s'",
                                      where, nearest);
    }
    *out = half ? ENLARGE_HALF_PIXEL : asymmetric ? ENLARGE_ASYMMETRIC : ENLARGE_CORNERS;
    if ((strcmp(mode, "linear") != 0 && strcmp(mode, "bilinear") != 0) ||
        (!half && !asymmetric && strcmp(where, "align_corners") != 0))
        return import_error(im, BPNET_EUNSUPPORTED, "mode '%.40s' with '%.40s'", mode, where);
    return BPNET_OK;
}

int import_resize(struct importer *im)
{
    struct value *v;
    enum enlarge kind;
    int err;
    if ((err = op_map(im, 0, &v)) < 0)
        return err;
    const int factor = resize_factor(im, v);
    if (factor < 0 || (err = resize_kind(im, factor, &kind)) < 0)
        return factor < 0 ? factor : err;
    if (factor == 1)
        return define_alias(im, v);
    struct node n = {.op = OP_RESIZE, .factor = factor, .enlarge = kind};
    if (kind == ENLARGE_HALF_PIXEL && factor == 2)
        n = (struct node){.op = OP_UPSAMPLE2};
    return define_map(im, node_simple(im, n, v, ""), v);
}

/* ---- padding ----------------------------------------------------------------------------- */

int import_pad(struct importer *im)
{
    struct value *v;
    const struct onnx_tensor *t = NULL;
    int64_t pads[8];
    int err;
    if ((err = op_map(im, 0, &v)) < 0)
        return err;
    struct value padded = *v;
    const struct value *amounts = op_value(im, 1), *fill = op_value(im, 2);
    if (onnx_attribute(im->op, "pads")) {
        if ((err = op_integers(im, "pads", pads, 8, 0)) < 0)
            return err;
    } else {
        if ((err = op_constant(im, 1, &t)) < 0)
            return err;
        if (t->n != 8 || !t->integral)
            return import_error(im, BPNET_EUNSUPPORTED, "%zu amounts of padding, expected 8", t->n);
        for (size_t i = 0; i < 8; i++)
            pads[i] = onnx_integer(t, i);
        padded.pad_measured = v->pad_measured || amounts->measured > 0;
    }
    const double value = fill && fill->kind == VALUE_CONSTANT && fill->tensor->n == 1
                             ? onnx_number(fill->tensor, 0)
                             : op_number(im->op, "value", 0.0);
    if (strcmp(op_text(im->op, "mode", "constant"), "constant") != 0 || !(fabs(value) < 1e-30))
        return import_error(im, BPNET_EUNSUPPORTED, "pads with something else than zeros");
    const int c = channel_axis(v), h = v->channels_last ? 1 : 2;
    if (pads[0] || pads[4] || pads[c] || pads[c + 4])
        return import_error(im, BPNET_EUNSUPPORTED, "pads channels or pictures");
    const int64_t sides[4] = {pads[h], pads[h + 1], pads[h + 4], pads[h + 5]};
    for (int side = 0; side < 4; side++) {
        if (sides[side] < 0 || sides[side] > GRAPH_MAX_SIZE)
            return import_error(im, BPNET_EUNSUPPORTED, "a padding of %lld",
                                (long long)sides[side]);
        padded.pad[side] += (int)sides[side];
    }
    return define_alias(im, &padded);
}

/* ---- no operation here ------------------------------------------------------------------- */

int import_pass(struct importer *im)
{
    struct value *v = op_value(im, 0);
    if (v && v->kind == VALUE_CONSTANT)
        return strcmp(im->op->type, "Cast") == 0 ? fold_cast(im, v) : define_alias(im, v);
    const int err = op_map(im, 0, &v);
    return err < 0 ? err : define_alias(im, v);
}

int import_transpose(struct importer *im)
{
    static const int64_t to_last[4] = {0, 2, 3, 1}, to_first[4] = {0, 3, 1, 2},
                         same[4] = {0, 1, 2, 3};
    struct value *v = op_value(im, 0);
    int64_t perm[4];
    int err;
    if (v && v->kind == VALUE_CONSTANT)
        return fold_transpose(im, v);
    if ((err = op_map(im, 0, &v)) < 0 || (err = op_integers(im, "perm", perm, 4, 0)) < 0)
        return err;
    struct value moved = *v;
    const int64_t *expected = v->channels_last ? to_first : to_last;
    if (memcmp(perm, same, sizeof perm) != 0) {
        if (memcmp(perm, expected, sizeof perm) != 0)
            return import_error(im, BPNET_EUNSUPPORTED,
                                "neither moves the channels to the end nor back");
        moved.channels_last = !v->channels_last;
    }
    return define_alias(im, &moved);
}

/* A map may only be given the shape that it has. */
int import_reshape(struct importer *im)
{
    struct value *v = op_value(im, 0);
    const struct onnx_tensor *t;
    int err;
    if (v && v->kind == VALUE_CONSTANT)
        return fold_reshape(im, v);
    if ((err = op_map(im, 0, &v)) < 0 || (err = op_constant(im, 1, &t)) < 0)
        return err;
    int64_t dims[4] = {1, 0, 0, 0};
    dims[channel_axis(v)] = channels_of(im, v);
    dims[v->channels_last ? 1 : 2] = im->hw[v->node][0];
    dims[v->channels_last ? 2 : 3] = im->hw[v->node][1];
    bool same = t->integral && t->n == 4;
    for (size_t d = 0; d < 4 && same; d++) {
        const int64_t wanted = onnx_integer(t, d);
        same = wanted == dims[d] || wanted == 0 || wanted == -1;
    }
    return same ? define_alias(im, v)
                : import_error(im, BPNET_EUNSUPPORTED, "gives a map another shape");
}

/* ---- quantisation ------------------------------------------------------------------------ */

/* Rounding of maps is left out: what follows computes with the numbers themselves. */
int import_quantize(struct importer *im)
{
    struct value *v;
    int err = op_map(im, 0, &v);
    if (err == BPNET_OK && (err = define_alias(im, v)) == BPNET_OK)
        value_find(im, im->op->outputs[0])->steps = true;
    return err;
}

/* Of a map: of one that was rounded, or of pixels that are a rounded picture. */
static int dequantize_map(struct importer *im, struct value *v, const struct onnx_tensor *s,
                          const struct onnx_tensor *zero)
{
    const int channels = im->graph->nodes[v->node].channels;
    double scale[GRAPH_MAX_CHANNELS], shift[GRAPH_MAX_CHANNELS];
    if (v->steps) {
        const int err = define_alias(im, v);
        if (err == BPNET_OK)
            value_find(im, im->op->outputs[0])->steps = false;
        return err;
    }
    if (s->n != 1 || (zero && (zero->n != 1 || !zero->integral)))
        return import_error(im, BPNET_EUNSUPPORTED, "a map with more than one scale");
    for (int c = 0; c < channels; c++) {
        scale[c] = onnx_number(s, 0);
        shift[c] = zero ? -scale[c] * (double)onnx_integer(zero, 0) : 0.0;
    }
    return node_affine(im, v, scale, shift);
}

/* Scale and zero are one number each, or one for each slice along an axis. */
static int dequantize(struct importer *im, const struct onnx_tensor *q, const struct onnx_tensor *s,
                      const struct onnx_tensor *zero)
{
    int64_t axis = op_integer(im->op, "axis", 1);
    size_t inner = 1;
    axis = axis < 0 ? axis + q->n_dims : axis;
    const bool each = s->n != 1;
    if (each && (axis < 0 || axis >= q->n_dims || q->dims[axis] != (int64_t)s->n))
        return import_error(im, BPNET_EFORMAT, "%zu scales for axis %lld", s->n, (long long)axis);
    if (s->n == 0 || (zero && (zero->n != s->n || !zero->integral)) || !q->integral)
        return import_error(im, BPNET_EFORMAT, "scales and zeros that do not fit");
    for (int64_t d = axis + 1; each && d < q->n_dims; d++)
        inner *= (size_t)q->dims[d];
    struct onnx_tensor *out;
    const int err = derive(im, &out, q->dims, q->n_dims, false);
    if (err < 0)
        return err;
    for (size_t i = 0; i < q->n; i++) {
        const size_t k = each ? i / inner % s->n : 0;
        const double offset = zero ? (double)onnx_integer(zero, k) : 0.0;
        derived_set(out, i, ((double)onnx_integer(q, i) - offset) * onnx_number(s, k), 0);
    }
    return define_constant(im, out, 0);
}

int import_dequantize(struct importer *im)
{
    struct value *v = op_value(im, 0);
    const struct onnx_tensor *scale, *zero = NULL;
    int err;
    if ((err = op_constant(im, 1, &scale)) < 0 ||
        (op_value(im, 2) && (err = op_constant(im, 2, &zero)) < 0))
        return err;
    if (v && v->kind == VALUE_MAP)
        return dequantize_map(im, v, scale, zero);
    const struct onnx_tensor *q;
    return (err = op_constant(im, 0, &q)) < 0 ? err : dequantize(im, q, scale, zero);
}
