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

static int slice_list(struct importer *im)
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

/* The numbers of one list, at most 4 of them; *n is how many, 0 when there is no such list. */
static int slice_numbers(struct importer *im, const char *name, size_t input, int64_t out[4],
                         size_t *n)
{
    const struct onnx_attribute *a = onnx_attribute(im->op, name);
    const struct onnx_tensor *t = NULL;
    *n = 0;
    if (!a && op_value(im, input)) {
        const int err = op_constant(im, input, &t);
        if (err < 0)
            return err;
    }
    *n = a ? a->n_ints : t ? t->n : 0;
    if (*n > 4 || (t && !t->integral))
        return import_error(im, BPNET_EUNSUPPORTED, "%zu %s", *n, name);
    for (size_t i = 0; i < *n; i++)
        out[i] = a ? a->ints[i] : onnx_integer(t, i);
    return BPNET_OK;
}

/*
 * Height and width cut to those of another map: our enlargement by 2 does that itself. Where
 * nothing is cut off at the size we know, nothing is done.
 */
static int crop(struct importer *im, const struct value *v, const int size[2])
{
    const struct value *ends = op_value(im, 2);
    const int like = ends ? ends->measured - 1 : -1;
    struct node *n = &im->graph->nodes[v->node];
    int *hw = im->hw[v->node];
    if (n->op == OP_UPSAMPLE2 && n->n_inputs == 1 && like > 0 && like < v->node &&
        node_is_private(v) && im->hw[like][0] == size[0] && im->hw[like][1] == size[1]) {
        n->n_inputs = 2;
        n->inputs[1] = like;
        const int err = op_rows[n->op]->infer(im->graph, n, (const int(*)[2])im->hw, hw);
        return err < 0 ? import_prefix(im, BPNET_EUNSUPPORTED) : define_alias(im, v);
    }
    if (size[0] == hw[0] && size[1] == hw[1])
        return define_alias(im, v);
    return import_error(im, BPNET_EUNSUPPORTED, "cuts a map of %d x %d to %d x %d", hw[0], hw[1],
                        size[0], size[1]);
}

static int slice_map(struct importer *im, struct value *v)
{
    int64_t begin[4], end[4], axes[4] = {0, 1, 2, 3}, steps[4];
    size_t n, n_ends, n_axes, n_steps;
    int err, size[2] = {im->hw[v->node][0], im->hw[v->node][1]};
    const int channels = im->graph->nodes[v->node].channels, c = channel_axis(v);
    int64_t first = 0, last = channels;
    if ((err = slice_numbers(im, "starts", 1, begin, &n)) < 0 ||
        (err = slice_numbers(im, "ends", 2, end, &n_ends)) < 0 ||
        (err = slice_numbers(im, "axes", 3, axes, &n_axes)) < 0 ||
        (err = slice_numbers(im, "steps", 4, steps, &n_steps)) < 0)
        return err;
    if (n_ends != n || (n_axes && n_axes != n) || (n_steps && n_steps != n))
        return import_error(im, BPNET_EFORMAT, "lists of different lengths");
    for (size_t i = 0; i < n; i++) {
        const int64_t axis = axes[i] < 0 ? axes[i] + 4 : axes[i];
        const int h = v->channels_last ? 1 : 2;
        if (axis < 1 || axis > 3 || (n_steps && steps[i] != 1) ||
            (axis != c && (begin[i] != 0 || end[i] < 1)))
            return import_error(im, BPNET_EUNSUPPORTED,
                                "takes another part than the first of an axis");
        if (axis == c) {
            first = begin[i] < 0 ? begin[i] + channels : begin[i];
            last = end[i] < 0 ? end[i] + channels : end[i] > channels ? channels : end[i];
        } else if (end[i] < size[axis - h]) {
            size[axis - h] = (int)end[i];
        }
    }
    if (first < 0 || last <= first || last > channels)
        return import_error(im, BPNET_EFORMAT, "takes channels %lld to %lld of %d",
                            (long long)first, (long long)last, channels);
    if (last - first == channels)
        return crop(im, v, size);
    if (size[0] != im->hw[v->node][0] || size[1] != im->hw[v->node][1])
        return import_error(im, BPNET_EUNSUPPORTED, "cuts channels and sizes at once");
    const int whole = node_of(im, v);
    if (whole < 0)
        return whole;
    return define_map(im, node_channels(im, whole, (int)first, (int)(last - first), ""), v);
}

int import_slice(struct importer *im)
{
    struct value *v = op_value(im, 0);
    return v && v->kind == VALUE_MAP ? slice_map(im, v) : slice_list(im);
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

/* Of equal shapes, or one of them a single number. Whole numbers stay exact up to 2^53. */
int fold_arithmetic(struct importer *im, const struct value *a, const struct value *b)
{
    const struct onnx_tensor *x = a->tensor, *y = b->tensor;
    const struct onnx_tensor *like = x->n >= y->n ? x : y;
    const bool integral = x->integral && y->integral;
    size_t k = 0;
    struct onnx_tensor *t;
    while (strcmp(functions[k].type, im->op->type) != 0)
        k++; /* it is one of these */
    if (x->n != y->n && x->n != 1 && y->n != 1)
        return import_error(im, BPNET_EUNSUPPORTED, "constants of %zu and %zu numbers", x->n, y->n);
    const int err = derive(im, &t, like->dims, like->n_dims, integral);
    if (err < 0)
        return err;
    for (size_t i = 0; i < t->n; i++) {
        const double q = onnx_number(y, y->n == 1 ? 0 : i);
        double r = functions[k].of(onnx_number(x, x->n == 1 ? 0 : i), q);
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
