/*
 * Constants from constants: what exporters write to move weights about and to compute sizes. Sizes
 * of maps are known (for one size of the input), so their arithmetic is that of constants.
 */
#include "onnx/importer.h"

#include "base/error.h"

#include <math.h>
#include <string.h>

/* The map whose size some input follows from, as struct value has it. */
static int measured(const struct importer *im)
{
    for (size_t i = 0; i < im->op->n_inputs; i++) {
        const struct value *v = op_value(im, i);
        if (v && v->measured)
            return v->measured;
    }
    return 0;
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
        return define_constant(im, a->tensor, 0);
    if ((a = onnx_attribute(im->op, "value_float")) || (a = onnx_attribute(im->op, "value_int"))) {
        const bool integral = strcmp(a->name, "value_int") == 0;
        if ((err = derive(im, &t, NULL, 0, integral)) < 0)
            return err;
        derived_set(t, 0, a->number, a->integer);
        return define_constant(im, t, 0);
    }
    if ((a = onnx_attribute(im->op, "value_floats")) ||
        (a = onnx_attribute(im->op, "value_ints"))) {
        const bool integral = strcmp(a->name, "value_ints") == 0;
        const int64_t n = (int64_t)(integral ? a->n_ints : a->n_floats);
        if ((err = derive(im, &t, &n, 1, integral)) < 0)
            return err;
        for (size_t i = 0; i < (size_t)n; i++)
            derived_set(t, i, integral ? 0.0 : (double)a->floats[i], integral ? a->ints[i] : 0);
        return define_constant(im, t, 0);
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
    return define_constant(im, t, v->kind == VALUE_MAP ? v->node + 1 : 0);
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

int fold_slice(struct importer *im)
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

static double add(double a, double b)
{
    return a + b;
}

static double subtract(double a, double b)
{
    return a - b;
}

static double multiply(double a, double b)
{
    return a * b;
}

static double divide(double a, double b)
{
    return a / b;
}

/* With the sign of the divisor. */
static double modulo(double a, double b)
{
    return a - floor(a / b) * b;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static double smaller(double a, double b)
{
    return a < b ? a : b;
}

static const struct {
    const char *type;
    double (*of)(double, double);
} functions[] = {{"Add", add},    {"Sub", subtract}, {"Mul", multiply}, {"Div", divide},
                 {"Mod", modulo}, {"Max", larger},   {"Min", smaller}};

/* The size of two constants together: sizes are aligned at the last one, and 1 is repeated. */
static int broadcast(const struct importer *im, const struct onnx_tensor *x,
                     const struct onnx_tensor *y, int64_t dims[ONNX_TENSOR_DIMS], int *n_dims)
{
    *n_dims = x->n_dims > y->n_dims ? x->n_dims : y->n_dims;
    for (int d = 0; d < *n_dims; d++) {
        const int of_x = d - (*n_dims - x->n_dims), of_y = d - (*n_dims - y->n_dims);
        const int64_t a = of_x < 0 ? 1 : x->dims[of_x], b = of_y < 0 ? 1 : y->dims[of_y];
        if (a != b && a != 1 && b != 1)
            return import_error(im, BPNET_EFORMAT, "constants of %lld and %lld numbers",
                                (long long)a, (long long)b);
        dims[d] = a == 1 ? b : a;
    }
    return BPNET_OK;
}

/* Where the element at `index` of a tensor of this size is in t, which is repeated to that size. */
static size_t repeated(const struct onnx_tensor *t, const int64_t *dims, int n_dims, size_t index)
{
    size_t at = 0, step = 1;
    for (int d = n_dims - 1; d >= 0; d--) {
        const int own = d - (n_dims - t->n_dims);
        const size_t i = index % (size_t)dims[d];
        index /= (size_t)dims[d];
        if (own >= 0 && t->dims[own] != 1) {
            at += i * step;
            step *= (size_t)t->dims[own];
        }
    }
    return at;
}

/* Whole numbers stay exact up to 2^53. */
int fold_arithmetic(struct importer *im, const struct value *a, const struct value *b)
{
    const struct onnx_tensor *x = a->tensor, *y = b->tensor;
    const bool integral = x->integral && y->integral;
    size_t k = 0;
    struct onnx_tensor *t;
    int64_t dims[ONNX_TENSOR_DIMS];
    int n_dims, err;
    while (strcmp(functions[k].type, im->op->type) != 0)
        k++; /* it is one of these */
    if ((err = broadcast(im, x, y, dims, &n_dims)) < 0 ||
        (err = derive(im, &t, dims, n_dims, integral)) < 0)
        return err;
    for (size_t i = 0; i < t->n; i++) {
        const double p = onnx_number(x, repeated(x, dims, n_dims, i));
        double r = functions[k].of(p, onnx_number(y, repeated(y, dims, n_dims, i)));
        r = integral && functions[k].of == divide ? trunc(r) : r;
        if (integral && !(fabs(r) < 9e15))
            return import_error(im, BPNET_EFORMAT, "whole numbers that are too large");
        derived_set(t, i, r, integral ? (int64_t)r : 0);
    }
    return define_constant(im, t, a->measured ? a->measured : b->measured);
}

int import_floor(struct importer *im)
{
    const struct onnx_tensor *from;
    struct onnx_tensor *t;
    int err = op_constant(im, 0, &from);
    if (err < 0 || (err = derive(im, &t, from->dims, from->n_dims, false)) < 0)
        return err;
    for (size_t i = 0; i < t->n; i++) {
        const double number = onnx_number(from, i);
        derived_set(t, i, strcmp(im->op->type, "Floor") == 0 ? floor(number) : ceil(number), 0);
    }
    return define_constant(im, t, measured(im));
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

/* The axes of Squeeze and Unsqueeze, an attribute before opset 13, as a set of `rank` bits. */
static int axes_of(struct importer *im, int rank, unsigned *out)
{
    const struct onnx_attribute *a = onnx_attribute(im->op, "axes");
    const struct onnx_tensor *t = NULL;
    int err;
    if (!a && op_value(im, 1) && (err = op_constant(im, 1, &t)) < 0)
        return err;
    const size_t n = a ? a->n_ints : t ? t->n : 0;
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        int64_t axis = a ? a->ints[i] : t->integral ? onnx_integer(t, i) : rank;
        axis = axis < 0 ? axis + rank : axis;
        if (axis < 0 || axis >= rank)
            return import_error(im, BPNET_EFORMAT, "an axis that there is not");
        *out |= 1U << axis;
    }
    return (int)n;
}

/* All axes of size 1 where none is named. */
static int squeezed(struct importer *im, const struct onnx_tensor *from, int64_t *dims)
{
    unsigned axes;
    int n_dims = 0;
    const int n = axes_of(im, from->n_dims, &axes);
    for (int d = 0; d < from->n_dims && n >= 0; d++)
        if (n > 0 ? !(axes >> d & 1) : from->dims[d] != 1)
            dims[n_dims++] = from->dims[d];
    return n < 0 ? n : n_dims;
}

static int unsqueezed(struct importer *im, const struct onnx_tensor *from, int64_t *dims)
{
    const struct onnx_attribute *a = onnx_attribute(im->op, "axes");
    const struct value *v = op_value(im, 1);
    const size_t more = a ? a->n_ints : v && v->kind == VALUE_CONSTANT ? v->tensor->n : 0;
    unsigned axes;
    if (more > ONNX_TENSOR_DIMS - (size_t)from->n_dims)
        return import_error(im, BPNET_EUNSUPPORTED, "more than %d dimensions", ONNX_TENSOR_DIMS);
    const int rank = from->n_dims + (int)more, n = axes_of(im, rank, &axes);
    for (int d = 0, k = 0; d < rank && n >= 0; d++)
        dims[d] = axes >> d & 1 || k == from->n_dims ? 1 : from->dims[k++];
    return n < 0 ? n : rank;
}

static int reshaped(struct importer *im, const struct onnx_tensor *from, int64_t *dims)
{
    const struct onnx_tensor *shape;
    size_t known = 1;
    int unknown = -1;
    const int err = op_constant(im, 1, &shape);
    if (err < 0)
        return err;
    if (shape->n > ONNX_TENSOR_DIMS || !shape->integral)
        return import_error(im, BPNET_EUNSUPPORTED, "a shape of %zu sizes", shape->n);
    for (int d = 0; d < (int)shape->n; d++) {
        dims[d] = onnx_integer(shape, (size_t)d);
        dims[d] = dims[d] == 0 && d < from->n_dims ? from->dims[d] : dims[d];
        if (dims[d] == -1 && unknown < 0) {
            unknown = d;
            continue;
        }
        if (dims[d] < 1 || known > from->n / (size_t)dims[d])
            return import_error(im, BPNET_EFORMAT, "a shape that does not fit");
        known *= (size_t)dims[d];
    }
    if (unknown >= 0)
        dims[unknown] = (int64_t)(from->n / known);
    return (int)shape->n;
}

/* The elements stay in order: only the list of sizes changes. */
int fold_reshape(struct importer *im, const struct value *v)
{
    const struct onnx_tensor *from = v->tensor;
    const char *type = im->op->type;
    int64_t dims[ONNX_TENSOR_DIMS];
    struct onnx_tensor *t;
    const int n_dims = strcmp(type, "Reshape") == 0   ? reshaped(im, from, dims)
                       : strcmp(type, "Squeeze") == 0 ? squeezed(im, from, dims)
                                                      : unsqueezed(im, from, dims);
    if (n_dims < 0)
        return n_dims;
    const int err = derive(im, &t, dims, n_dims, from->integral);
    if (err < 0)
        return err;
    if (t->n != from->n)
        return import_error(im, BPNET_EFORMAT, "%zu elements, not %zu", from->n, t->n);
    for (size_t i = 0; i < t->n; i++)
        copy_element(t, i, from, i);
    return define_constant(im, t, v->measured);
}
