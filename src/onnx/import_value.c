/* Values by name, and the attributes of the operator in work. */
#include "onnx/importer.h"

#include "base/error.h"
#include "base/hash.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The types of constants of our own, numbers of TensorProto.DataType. */
enum { TYPE_INT64 = 7, TYPE_FLOAT64 = 11 };

/* ---- messages ---------------------------------------------------------------------------- */

int import_prefix(const struct importer *im, int code)
{
    const struct onnx_op *op = im->op;
    if (!op)
        return error_prefix(code, "%s", im->file->path);
    const char *name = op->name[0] ? op->name : op->n_outputs ? op->outputs[0] : "";
    return error_prefix(code, "%s: node %zu '%.80s' (%.40s)", im->file->path, im->op_index, name,
                        op->type);
}

int import_error(const struct importer *im, int code, const char *format, ...)
{
    char text[400];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    error_set(code, "%s", text);
    return import_prefix(im, code);
}

/* ---- the table --------------------------------------------------------------------------- */

static uint32_t *slot_of(const struct importer *im, const char *name)
{
    size_t at = (size_t)hash64(name, strlen(name)) & (im->n_slots - 1);
    while (im->slots[at] && strcmp(im->values[im->slots[at] - 1].name, name) != 0)
        at = (at + 1) & (im->n_slots - 1);
    return &im->slots[at];
}

struct value *value_find(const struct importer *im, const char *name)
{
    const uint32_t slot = *slot_of(im, name);
    return slot ? &im->values[slot - 1] : NULL;
}

static struct value *enter(struct importer *im, const char *name)
{
    uint32_t *slot = slot_of(im, name);
    if (!*slot) {
        im->values[im->n_values++] = (struct value){.name = name};
        *slot = (uint32_t)im->n_values;
    }
    return &im->values[*slot - 1];
}

static void count_reader(const struct importer *im, const char *name)
{
    struct value *v = value_find(im, name);
    if (v)
        v->readers++;
}

int values_open(struct importer *im)
{
    const struct onnx_file *f = im->file;
    size_t n = f->n_tensors + f->n_inputs;
    for (size_t i = 0; i < f->n_ops; i++)
        n += f->ops[i].n_outputs;
    if (n > UINT32_MAX / 4)
        return error_set(BPNET_ELIMIT, "%s: %zu values are too many", f->path, n);
    for (im->n_slots = 64; im->n_slots < 2 * n; im->n_slots *= 2)
        ;
    im->values = calloc(n + 1, sizeof *im->values);
    im->slots = calloc(im->n_slots, sizeof *im->slots);
    if (!im->values || !im->slots)
        return error_set(BPNET_ENOMEM, "%s: no memory for %zu values", f->path, n);
    for (size_t i = 0; i < f->n_tensors; i++) {
        struct value *v = enter(im, f->tensors[i].name);
        v->kind = VALUE_CONSTANT;
        v->tensor = &f->tensors[i];
    }
    for (size_t i = 0; i < f->n_inputs; i++)
        enter(im, f->inputs[i].name);
    for (size_t i = 0; i < f->n_ops; i++)
        for (size_t k = 0; k < f->ops[i].n_outputs; k++)
            enter(im, f->ops[i].outputs[k]);
    for (size_t i = 0; i < f->n_ops; i++)
        for (size_t k = 0; k < f->ops[i].n_inputs; k++)
            count_reader(im, f->ops[i].inputs[k]);
    for (size_t i = 0; i < f->n_outputs; i++)
        count_reader(im, f->outputs[i].name);
    return BPNET_OK;
}

/* ---- inputs of the operator -------------------------------------------------------------- */

struct value *op_value(const struct importer *im, size_t i)
{
    const char *name = i < im->op->n_inputs ? im->op->inputs[i] : "";
    struct value *v = name[0] ? value_find(im, name) : NULL;
    return v && v->kind != VALUE_ABSENT ? v : NULL;
}

static int missing(const struct importer *im, size_t i, const char *expected)
{
    const char *name = i < im->op->n_inputs ? im->op->inputs[i] : "";
    if (!name[0])
        return import_error(im, BPNET_EFORMAT, "input %zu is missing, expected %s", i, expected);
    if (!op_value(im, i))
        return import_error(im, BPNET_EFORMAT, "its input '%.80s' is made by no node before it",
                            name);
    return import_error(im, BPNET_EUNSUPPORTED, "its input '%.80s' is not %s", name, expected);
}

int op_map(const struct importer *im, size_t i, struct value **out)
{
    *out = op_value(im, i);
    return *out && (*out)->kind == VALUE_MAP ? BPNET_OK : missing(im, i, "a map");
}

int op_constant(const struct importer *im, size_t i, const struct onnx_tensor **out)
{
    const struct value *v = op_value(im, i);
    if (!v || v->kind != VALUE_CONSTANT)
        return missing(im, i, "a constant");
    *out = v->tensor;
    return BPNET_OK;
}

/* ---- its output -------------------------------------------------------------------------- */

static int define(struct importer *im, const struct value *as)
{
    if (im->op->n_outputs < 1 || !im->op->outputs[0][0])
        return import_error(im, BPNET_EFORMAT, "has no output");
    struct value *v = value_find(im, im->op->outputs[0]);
    if (v->kind != VALUE_ABSENT)
        return import_error(im, BPNET_EFORMAT, "'%.80s' is defined twice", v->name);
    const char *name = v->name;
    const int readers = v->readers;
    *v = *as;
    v->name = name;
    v->readers = readers;
    return BPNET_OK;
}

int define_map(struct importer *im, int node, const struct value *like)
{
    if (node < 0)
        return node;
    const struct value v = {.kind = VALUE_MAP,
                            .node = node,
                            .channels_last = like && like->channels_last,
                            .steps = like && like->steps};
    return define(im, &v);
}

int define_alias(struct importer *im, const struct value *of)
{
    struct value v = *of;
    v.shared = of->shared || of->readers > 1;
    return define(im, &v);
}

int define_constant(struct importer *im, const struct onnx_tensor *t, int measured)
{
    const struct value v = {.kind = VALUE_CONSTANT, .tensor = t, .measured = measured};
    return define(im, &v);
}

/* ---- constants of our own ---------------------------------------------------------------- */

struct derived {
    struct derived *next;
    struct onnx_tensor tensor;
    double elements[]; /* or int64_t, which is as large */
};

int derive(struct importer *im, struct onnx_tensor **out, const int64_t *dims, int n_dims,
           bool integral)
{
    size_t n = 1;
    if (n_dims > ONNX_TENSOR_DIMS)
        return import_error(im, BPNET_EUNSUPPORTED, "%d dimensions, at most %d are supported",
                            n_dims, ONNX_TENSOR_DIMS);
    for (int d = 0; d < n_dims; d++) {
        if (dims[d] < 0 || (dims[d] > 0 && n > im->derived_left / (size_t)dims[d]))
            return import_error(im, BPNET_ELIMIT, "the constants it makes are too large");
        n *= (size_t)dims[d];
    }
    const size_t bytes = sizeof(struct derived) + n * sizeof(double);
    if (n > im->derived_left / sizeof(double) || bytes > im->derived_left)
        return import_error(im, BPNET_ELIMIT, "the constants it makes are too large");
    struct derived *d = calloc(1, bytes);
    if (!d)
        return error_set(BPNET_ENOMEM, "%s: no memory for a constant", im->file->path);
    im->derived_left -= bytes;
    d->next = im->derived;
    im->derived = d;
    d->tensor = (struct onnx_tensor){.name = "",
                                     .n_dims = n_dims,
                                     .n = n,
                                     .integral = integral,
                                     .type = integral ? TYPE_INT64 : TYPE_FLOAT64,
                                     .raw = true,
                                     .data = d->elements};
    for (int k = 0; k < n_dims; k++)
        d->tensor.dims[k] = dims[k];
    *out = &d->tensor;
    return BPNET_OK;
}

void derived_set(struct onnx_tensor *t, size_t i, double number, int64_t integer)
{
    char *at = (char *)(uintptr_t)t->data + i * sizeof number;
    if (t->integral)
        memcpy(at, &integer, sizeof integer);
    else
        memcpy(at, &number, sizeof number);
}

void values_close(struct importer *im)
{
    while (im->derived) {
        struct derived *next = im->derived->next;
        free(im->derived);
        im->derived = next;
    }
    free(im->values);
    free(im->slots);
}

/* ---- attributes -------------------------------------------------------------------------- */

int64_t op_integer(const struct onnx_op *op, const char *name, int64_t fallback)
{
    const struct onnx_attribute *a = onnx_attribute(op, name);
    return a ? a->integer : fallback;
}

double op_number(const struct onnx_op *op, const char *name, double fallback)
{
    const struct onnx_attribute *a = onnx_attribute(op, name);
    return a ? a->number : fallback;
}

const char *op_text(const struct onnx_op *op, const char *name, const char *fallback)
{
    const struct onnx_attribute *a = onnx_attribute(op, name);
    return a ? a->text : fallback;
}

int op_integers(const struct importer *im, const char *name, int64_t *out, size_t n,
                int64_t fallback)
{
    const struct onnx_attribute *a = onnx_attribute(im->op, name);
    if (a && a->n_ints != n)
        return import_error(im, BPNET_EUNSUPPORTED, "%s: found %zu numbers, expected %zu", name,
                            a->n_ints, n);
    for (size_t i = 0; i < n; i++)
        out[i] = a ? a->ints[i] : fallback;
    return BPNET_OK;
}
