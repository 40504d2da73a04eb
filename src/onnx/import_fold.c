/*
 * Constants from constants: what exporters write to move weights about and to compute sizes. Sizes
 * of maps are known (for one size of the input), so their arithmetic is that of constants.
 */
#include "onnx/importer.h"

#include "base/error.h"

#include <math.h>
#include <string.h>

static bool measured(const struct importer *im)
{
    for (size_t i = 0; i < im->op->n_inputs; i++) {
        const struct value *v = op_value(im, i);
        if (v && v->measured)
            return true;
    }
    return false;
}

static void copy_element(struct onnx_tensor *to, size_t at, const struct onnx_tensor *from,
                         size_t i)
{
    derived_set(to, at, to->integral ? 0.0 : onnx_number(from, i),
                to->integral && from->integral ? onnx_integer(from, i) : 0);
}

int import_constant(struct importer *im)
{
    const struct onnx_attribute *a = onnx_attribute(im->op, "value");
    struct onnx_tensor *t;
    int err;
    if (a && a->tensor)
        return define_constant(im, a->tensor, false);
    if ((a = onnx_attribute(im->op, "value_float")) || (a = onnx_attribute(im->op, "value_int"))) {
        const bool integral = strcmp(a->name, "value_int") == 0;
        if ((err = derive(im, &t, NULL, 0, integral)) < 0)
            return err;
        derived_set(t, 0, a->number, a->integer);
        return define_constant(im, t, false);
    }
    if ((a = onnx_attribute(im->op, "value_floats")) ||
        (a = onnx_attribute(im->op, "value_ints"))) {
        const bool integral = strcmp(a->name, "value_ints") == 0;
        const int64_t n = (int64_t)(integral ? a->n_ints : a->n_floats);
        if ((err = derive(im, &t, &n, 1, integral)) < 0)
            return err;
        for (size_t i = 0; i < (size_t)n; i++)
            derived_set(t, i, integral ? 0.0 : (double)a->floats[i], integral ? a->ints[i] : 0);
        return define_constant(im, t, false);
    }
    return import_error(im, BPNET_EUNSUPPORTED, "a constant that is neither a tensor nor numbers");
}

int import_shape(struct importer *im)
{
    struct value *v = op_value(im, 0);
    struct onnx_tensor *t;
    int64_t dims[ONNX_TENSOR_DIMS] = {1}, n = 4;
    int err;
    if (v && v->kind == VALUE_CONSTANT) {
        n = v->tensor->n_dims;
        memcpy(dims, v->tensor->dims, sizeof dims);
    } else {
        if ((err = op_map(im, 0, &v)) < 0)
            return err;
        const int h = v->channels_last ? 1 : 2;
        dims[channel_axis(v)] = im->graph->nodes[v->node].channels;
        dims[h] = im->hw[v->node][0] + v->pad[0] + v->pad[2];
        dims[h + 1] = im->hw[v->node][1] + v->pad[1] + v->pad[3];
    }
    int64_t begin = op_integer(im->op, "start", 0), end = op_integer(im->op, "end", n);
    begin = begin < 0 ? begin + n : begin;
    end = end < 0 ? end + n : end > n ? n : end;
    if (begin < 0 || begin > end)
        return import_error(im, BPNET_EFORMAT, "from %lld to %lld", (long long)begin,
                            (long long)end);
    if ((err = derive(im, &t, (int64_t[]){end - begin}, 1, true)) < 0)
        return err;
    for (int64_t i = begin; i < end; i++)
        derived_set(t, (size_t)(i - begin), 0.0, dims[i]);
    return define_constant(im, t, true);
}

/* From the first axis, which is all that sizes need. */
int import_gather(struct importer *im)
{
    const struct onnx_tensor *from, *index;
    struct onnx_tensor *t;
    int err;
    if ((err = op_constant(im, 0, &from)) < 0 || (err = op_constant(im, 1, &index)) < 0)
        return err;
    if (op_integer(im->op, "axis", 0) != 0 || from->n_dims != 1 || !index->integral)
        return import_error(im, BPNET_EUNSUPPORTED,
                            "gathers something else than numbers of a list");
    if ((err = derive(im, &t, index->dims, index->n_dims, from->integral)) < 0)
        return err;
    for (size_t i = 0; i < index->n; i++) {
        int64_t at = onnx_integer(index, i);
        at = at < 0 ? at + (int64_t)from->n : at;
        if (at < 0 || at >= (int64_t)from->n)
            return import_error(im, BPNET_EFORMAT, "element %lld of %zu", (long long)at, from->n);
        copy_element(t, i, from, (size_t)at);
    }
    return define_constant(im, t, measured(im));
}

/* One number of an attribute (before opset 10) or input. */
static int slice_number(struct importer *im, const char *name, size_t input, int64_t fallback,
                        int64_t *out)
{
    const struct onnx_attribute *a = onnx_attribute(im->op, name);
    const struct onnx_tensor *t;
    *out = fallback;
    if (a && a->n_ints == 1)
        *out = a->ints[0];
    if (a || !op_value(im, input))
        return a && a->n_ints != 1 ? import_error(im, BPNET_EUNSUPPORTED, "slices several axes")
                                   : BPNET_OK;
    const int err = op_constant(im, input, &t);
    if (err < 0)
        return err;
    if (t->n != 1 || !t->integral)
        return import_error(im, BPNET_EUNSUPPORTED, "slices several axes");
    *out = onnx_integer(t, 0);
    return BPNET_OK;
}

int import_slice(struct importer *im)
{
    const struct onnx_tensor *from;
    struct onnx_tensor *t;
    int64_t begin, end, axis, step;
    int err;
    if ((err = op_constant(im, 0, &from)) < 0 ||
        (err = slice_number(im, "starts", 1, 0, &begin)) < 0 ||
        (err = slice_number(im, "ends", 2, INT64_MAX, &end)) < 0 ||
        (err = slice_number(im, "axes", 3, 0, &axis)) < 0 ||
        (err = slice_number(im, "steps", 4, 1, &step)) < 0)
        return err;
    const int64_t n = (int64_t)from->n;
    if (axis != 0 || step != 1 || from->n_dims != 1)
        return import_error(im, BPNET_EUNSUPPORTED, "slices something else than a list");
    begin = begin < 0 ? (begin < -n ? 0 : begin + n) : begin > n ? n : begin;
    end = end < 0 ? (end < -n ? 0 : end + n) : end > n ? n : end;
    end = end < begin ? begin : end;
    if ((err = derive(im, &t, (int64_t[]){end - begin}, 1, from->integral)) < 0)
        return err;
    for (int64_t i = begin; i < end; i++)
        copy_element(t, (size_t)(i - begin), from, (size_t)i);
    return define_constant(im, t, measured(im));
}

/* ---- elementwise ------------------------------------------------------------------------- */

static double calculate(const char *type, double a, double b)
{
    return strcmp(type, "Add") == 0   ? a + b
           : strcmp(type, "Sub") == 0 ? a - b
           : strcmp(type, "Mul") == 0 ? a * b
                                      : a / b;
}

/* Of equal shapes, or one of them a single number. Whole numbers stay exact up to 2^53. */
int fold_arithmetic(struct importer *im, const struct value *a, const struct value *b)
{
    const struct onnx_tensor *x = a->tensor, *y = b->tensor;
    const struct onnx_tensor *like = x->n >= y->n ? x : y;
    const bool integral = x->integral && y->integral;
    struct onnx_tensor *t;
    if (x->n != y->n && x->n != 1 && y->n != 1)
        return import_error(im, BPNET_EUNSUPPORTED, "constants of %zu and %zu numbers", x->n, y->n);
    const int err = derive(im, &t, like->dims, like->n_dims, integral);
    if (err < 0)
        return err;
    for (size_t i = 0; i < t->n; i++) {
        const double q = onnx_number(y, y->n == 1 ? 0 : i);
        double r = calculate(im->op->type, onnx_number(x, x->n == 1 ? 0 : i), q);
        r = integral && strcmp(im->op->type, "Div") == 0 ? trunc(r) : r;
        if (integral && !(fabs(r) < 9e15))
            return import_error(im, BPNET_EFORMAT, "whole numbers that are too large");
        derived_set(t, i, r, integral ? (int64_t)r : 0);
    }
    return define_constant(im, t, a->measured || b->measured);
}

/* Of lists of numbers. */
int fold_concat(struct importer *im)
{
    int64_t total = 0;
    bool integral = true;
    struct onnx_tensor *t;
    const struct onnx_tensor *part;
    int err;
    for (size_t i = 0; i < im->op->n_inputs; i++) {
        if ((err = op_constant(im, i, &part)) < 0)
            return err;
        if (part->n_dims > 1)
            return import_error(im, BPNET_EUNSUPPORTED, "joins constants that are not lists");
        total += (int64_t)part->n;
        integral = integral && part->integral;
    }
    if ((err = derive(im, &t, &total, 1, integral)) < 0)
        return err;
    size_t at = 0;
    for (size_t i = 0; i < im->op->n_inputs; i++) {
        if ((err = op_constant(im, i, &part)) < 0)
            return err;
        for (size_t k = 0; k < part->n; k++)
            copy_element(t, at++, part, k);
    }
    return define_constant(im, t, measured(im));
}

int fold_cast(struct importer *im, const struct value *v)
{
    enum { FIRST_INTEGER = 2, LAST_INTEGER = 7, BOOL = 9, UINT32 = 12, UINT64 = 13 };
    const int64_t to = op_integer(im->op, "to", 1);
    const bool integral =
        (to >= FIRST_INTEGER && to <= LAST_INTEGER) || to == BOOL || to == UINT32 || to == UINT64;
    struct onnx_tensor *t;
    if (integral == v->tensor->integral)
        return define_alias(im, v);
    const int err = derive(im, &t, v->tensor->dims, v->tensor->n_dims, integral);
    if (err < 0)
        return err;
    for (size_t i = 0; i < t->n; i++) {
        const double number = onnx_number(v->tensor, i);
        if (integral && !(fabs(number) < 9e15))
            return import_error(im, BPNET_EFORMAT, "%g is no whole number", number);
        derived_set(t, i, number, integral ? (int64_t)number : 0);
    }
    return define_constant(im, t, v->measured);
}

/* ---- shapes ------------------------------------------------------------------------------ */

int fold_transpose(struct importer *im, const struct value *v)
{
    const struct onnx_tensor *from = v->tensor;
    const size_t n = (size_t)from->n_dims;
    int64_t perm[ONNX_TENSOR_DIMS], dims[ONNX_TENSOR_DIMS] = {0};
    size_t stride[ONNX_TENSOR_DIMS], seen = 0;
    struct onnx_tensor *t;
    int err = op_integers(im, "perm", perm, n, 0);
    if (err < 0)
        return err;
    for (size_t d = 0; d < n && !onnx_attribute(im->op, "perm"); d++)
        perm[d] = (int64_t)(n - 1 - d);
    for (size_t d = 0; d < n; d++) {
        if (perm[d] < 0 || perm[d] >= (int64_t)n || seen >> perm[d] & 1)
            return import_error(im, BPNET_EFORMAT, "perm is no order of %zu axes", n);
        seen |= (size_t)1 << perm[d];
        dims[d] = from->dims[perm[d]];
        stride[d] = 1;
        for (size_t k = (size_t)perm[d] + 1; k < n; k++)
            stride[d] *= (size_t)from->dims[k];
    }
    if ((err = derive(im, &t, dims, (int)n, from->integral)) < 0)
        return err;
    for (size_t i = 0; i < t->n; i++) {
        size_t rest = i, at = 0;
        for (size_t d = n; d-- > 0; rest /= (size_t)dims[d])
            at += rest % (size_t)dims[d] * stride[d];
        copy_element(t, i, from, at);
    }
    return define_constant(im, t, v->measured);
}

/* The elements stay in order: only the list of sizes changes. Also Unsqueeze, Squeeze, Flatten. */
int fold_reshape(struct importer *im, const struct value *v)
{
    const struct onnx_tensor *from = v->tensor, *shape;
    int64_t dims[ONNX_TENSOR_DIMS];
    int n_dims = 1, err, unknown = -1;
    size_t known = 1;
    dims[0] = (int64_t)from->n;
    if (strcmp(im->op->type, "Squeeze") == 0 && from->n == 1)
        n_dims = 0;
    if (strcmp(im->op->type, "Reshape") == 0) {
        if ((err = op_constant(im, 1, &shape)) < 0)
            return err;
        if (shape->n > ONNX_TENSOR_DIMS || !shape->integral)
            return import_error(im, BPNET_EUNSUPPORTED, "a shape of %zu sizes", shape->n);
        n_dims = (int)shape->n;
        for (int d = 0; d < n_dims; d++) {
            dims[d] = onnx_integer(shape, (size_t)d);
            dims[d] = dims[d] == 0 && d < from->n_dims ? from->dims[d] : dims[d];
            if (dims[d] == -1 && unknown < 0)
                unknown = d;
            else if (dims[d] < 1 || known > (from->n + 1) / (size_t)dims[d] + 1)
                return import_error(im, BPNET_EFORMAT, "a shape that does not fit");
            else
                known *= (size_t)dims[d];
        }
        if (unknown >= 0)
            dims[unknown] = (int64_t)(from->n / known);
    } else if (strcmp(im->op->type, "Flatten") == 0) {
        return import_error(im, BPNET_EUNSUPPORTED, "flattens a constant");
    }
    struct onnx_tensor *t;
    if ((err = derive(im, &t, dims, n_dims, from->integral)) < 0)
        return err;
    if (t->n != from->n)
        return import_error(im, BPNET_EFORMAT, "%zu elements, not %zu", from->n, t->n);
    for (size_t i = 0; i < t->n; i++)
        copy_element(t, i, from, i);
    return define_constant(im, t, v->measured);
}
