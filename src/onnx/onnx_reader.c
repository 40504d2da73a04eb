/*
 * From protobuf-c's structs to ours. Unpacking is given a limited amount of memory, because a
 * message of two bytes can become a hundred.
 */
#include "onnx/onnx_reader.h"

#include "base/error.h"
#include "base/str.h"
#include "io/file.h"
#include "onnx/onnx_wire.h"

#include <stdlib.h>
#include <string.h>

#include "onnx.pb-c.h"

static const size_t spare_memory = (size_t)16 << 20, max_file = (size_t)2 << 30;

/* Everything that outlives reading; the lists are freed together. */
struct onnx_store {
    Onnx__ModelProto *message;
    struct budget {
        size_t left;
        bool exceeded, no_memory;
    } budget;
    struct onnx_tensor *attribute_tensors;
    struct onnx_attribute *attributes;
    char *texts; /* of attributes, with the zeros that they lack */
    char *path;
};

/* ---- memory ------------------------------------------------------------------------------ */

/* What is given back counts no longer; so every piece remembers its size. */
enum { HEAD = 16 };

static void *budget_take(void *ctx, size_t size)
{
    struct budget *b = ctx;
    if (size > b->left || b->left - size < HEAD) {
        b->exceeded = true;
        return NULL;
    }
    char *memory = malloc(size + HEAD);
    if (!memory) {
        b->no_memory = true;
        return NULL;
    }
    b->left -= size + HEAD;
    memcpy(memory, &size, sizeof size);
    return memory + HEAD;
}

static void budget_give(void *ctx, void *memory)
{
    struct budget *b = ctx;
    size_t size;
    if (!memory)
        return;
    memcpy(&size, (char *)memory - HEAD, sizeof size);
    b->left += size + HEAD;
    free((char *)memory - HEAD);
}

/* ---- tensors ----------------------------------------------------------------------------- */

static const struct tensor_type {
    const char *name; /* NULL: cannot be read */
    size_t size;
    bool integral;
} tensor_types[] = {
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT] = {"float32", 4, false},
    [ONNX__TENSOR_PROTO__DATA_TYPE__UINT8] = {"uint8", 1, true},
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT8] = {"int8", 1, true},
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT32] = {"int32", 4, true},
    [ONNX__TENSOR_PROTO__DATA_TYPE__INT64] = {"int64", 8, true},
    [ONNX__TENSOR_PROTO__DATA_TYPE__BOOL] = {"bool", 1, true},
    [ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16] = {"float16", 2, false},
    [ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE] = {"float64", 8, false},
};
enum { N_TYPES = sizeof(tensor_types) / sizeof(tensor_types[0]) };

/* IEEE 754 binary16; its numbers all are floats. */
static double half_number(uint16_t h)
{
    const int exponent = h >> 10 & 31, fraction = h & 1023;
    const double sign = h >> 15 ? -1.0 : 1.0;
    double value = (double)fraction / 1024.0;
    if (exponent == 31)
        return fraction ? (double)__builtin_nanf("") : sign * __builtin_inf();
    value = exponent > 0 ? 1.0 + value : 2.0 * value;
    for (int e = exponent > 0 ? exponent : 0; e < 15; e++)
        value /= 2.0;
    for (int e = 15; e < exponent; e++)
        value *= 2.0;
    return exponent > 0 ? sign * value : sign * value;
}

int64_t onnx_integer(const struct onnx_tensor *t, size_t i)
{
    const uint8_t *at = (const uint8_t *)t->data;
    int32_t narrow;
    int64_t wide;
    if (t->type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64) {
        memcpy(&wide, at + i * sizeof wide, sizeof wide);
        return wide;
    }
    if (t->type == ONNX__TENSOR_PROTO__DATA_TYPE__INT32 || !t->raw) {
        memcpy(&narrow, at + i * sizeof narrow, sizeof narrow);
        return narrow;
    }
    return t->type == ONNX__TENSOR_PROTO__DATA_TYPE__INT8 ? (int64_t)(int8_t)at[i] : (int64_t)at[i];
}

double onnx_number(const struct onnx_tensor *t, size_t i)
{
    const uint8_t *at = (const uint8_t *)t->data;
    float single;
    double wide;
    uint16_t half;
    int32_t word;
    switch (t->type) {
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT:
        memcpy(&single, at + i * sizeof single, sizeof single);
        return (double)single;
    case ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE:
        memcpy(&wide, at + i * sizeof wide, sizeof wide);
        return wide;
    case ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16:
        if (t->raw) {
            memcpy(&half, at + i * sizeof half, sizeof half);
            return half_number(half);
        }
        memcpy(&word, at + i * sizeof word, sizeof word);
        return half_number((uint16_t)word);
    default: return (double)onnx_integer(t, i);
    }
}

/* Sizes that are there, and whose product a file could hold. */
static int read_dims(struct onnx_tensor *t, const Onnx__TensorProto *p, const char *path)
{
    if (p->n_dims > ONNX_TENSOR_DIMS)
        return error_set(BPNET_EUNSUPPORTED,
                         "%s: tensor '%.80s' has %zu dimensions, at most %d "
                         "are supported",
                         path, p->name, p->n_dims, ONNX_TENSOR_DIMS);
    t->n_dims = (int)p->n_dims;
    t->n = 1;
    for (int d = 0; d < t->n_dims; d++) {
        t->dims[d] = p->dims[d];
        if (t->dims[d] < 0 || t->dims[d] > (int64_t)max_file ||
            (t->dims[d] > 0 && t->n > max_file / (size_t)t->dims[d]))
            return error_set(BPNET_EFORMAT, "%s: tensor '%.80s': its size is impossible", path,
                             p->name);
        t->n *= (size_t)t->dims[d];
    }
    return BPNET_OK;
}

/* Where the elements are, and whether there are as many as the sizes say. */
static int read_elements(struct onnx_tensor *t, const Onnx__TensorProto *p, const char *path)
{
    size_t found = p->n_int32_data;
    t->data = p->int32_data;
    t->raw = p->raw_data.len > 0;
    if (t->raw) {
        t->data = p->raw_data.data;
        found = p->raw_data.len % tensor_types[t->type].size
                    ? SIZE_MAX
                    : p->raw_data.len / tensor_types[t->type].size;
    } else if (t->type == ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT) {
        t->data = p->float_data;
        found = p->n_float_data;
    } else if (t->type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64) {
        t->data = p->int64_data;
        found = p->n_int64_data;
    } else if (t->type == ONNX__TENSOR_PROTO__DATA_TYPE__DOUBLE) {
        t->data = p->double_data;
        found = p->n_double_data;
    }
    if (found != t->n)
        return error_set(BPNET_EFORMAT,
                         "%s: tensor '%.80s' does not have the %zu elements that its "
                         "size says",
                         path, p->name, t->n);
    return BPNET_OK;
}

static int read_tensor(struct onnx_tensor *t, const Onnx__TensorProto *p, const char *path)
{
    *t = (struct onnx_tensor){.name = p->name, .type = p->data_type};
    if (p->data_location != ONNX__TENSOR_PROTO__DATA_LOCATION__DEFAULT || p->n_external_data > 0)
        return error_set(BPNET_EUNSUPPORTED,
                         "%s: tensor '%.80s' lies in another file; only files "
                         "that hold their weights themselves can be read",
                         path, p->name);
    if (p->data_type < 0 || p->data_type >= N_TYPES || !tensor_types[p->data_type].name)
        return error_set(BPNET_EUNSUPPORTED,
                         "%s: tensor '%.80s' is of type %d of ONNX, which is "
                         "not supported",
                         path, p->name, p->data_type);
    t->integral = tensor_types[p->data_type].integral;
    const int err = read_dims(t, p, path);
    return err < 0 ? err : read_elements(t, p, path);
}

/* ---- nodes ------------------------------------------------------------------------------- */

/* What comes next of the lists that all nodes share. */
struct cursor {
    struct onnx_attribute *attribute;
    struct onnx_tensor *tensor;
    char *text;
};

static int read_attribute(struct cursor *at, const Onnx__AttributeProto *p, const char *path)
{
    *at->attribute = (struct onnx_attribute){.name = p->name,
                                             .integer = p->i,
                                             .number = (double)p->f,
                                             .text = at->text,
                                             .ints = p->ints,
                                             .floats = p->floats,
                                             .n_ints = p->n_ints,
                                             .n_floats = p->n_floats};
    if (p->type == ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT)
        at->attribute->number = (double)p->i;
    if (p->s.len > 0)
        memcpy(at->text, p->s.data, p->s.len);
    at->text += p->s.len + 1;
    if (p->t) {
        const int err = read_tensor(at->tensor, p->t, path);
        if (err < 0)
            return err;
        at->attribute->tensor = at->tensor++;
    }
    at->attribute++;
    return BPNET_OK;
}

static int read_op(struct onnx_op *op, struct cursor *at, const Onnx__NodeProto *p,
                   const char *path)
{
    *op = (struct onnx_op){.name = p->name,
                           .type = p->op_type,
                           .foreign = p->domain[0] && strcmp(p->domain, "ai.onnx") != 0,
                           .inputs = p->input,
                           .outputs = p->output,
                           .n_inputs = p->n_input,
                           .n_outputs = p->n_output,
                           .n_attributes = p->n_attribute,
                           .attributes = at->attribute};
    int err = BPNET_OK;
    for (size_t i = 0; i < p->n_attribute && err == BPNET_OK; i++)
        err = read_attribute(at, p->attribute[i], path);
    return err;
}

static int read_ops(struct onnx_file *f, const Onnx__GraphProto *g)
{
    size_t n = 0, n_tensors = 0, text = 0;
    for (size_t i = 0; i < g->n_node; i++) {
        for (size_t k = 0; k < g->node[i]->n_attribute; k++) {
            n++;
            n_tensors += g->node[i]->attribute[k]->t != NULL;
            text += g->node[i]->attribute[k]->s.len + 1;
        }
    }
    struct onnx_store *s = f->store;
    f->ops = calloc(g->n_node + 1, sizeof *f->ops);
    s->attributes = calloc(n + 1, sizeof *s->attributes);
    s->attribute_tensors = calloc(n_tensors + 1, sizeof *s->attribute_tensors);
    s->texts = calloc(text + 1, 1);
    if (!f->ops || !s->attributes || !s->attribute_tensors || !s->texts)
        return error_set(BPNET_ENOMEM, "%s: no memory for %zu nodes", f->path, g->n_node);
    struct cursor at = {s->attributes, s->attribute_tensors, s->texts};
    for (; f->n_ops < g->n_node; f->n_ops++) {
        const int err = read_op(&f->ops[f->n_ops], &at, g->node[f->n_ops], f->path);
        if (err < 0)
            return err;
    }
    return BPNET_OK;
}

/* ---- the rest ---------------------------------------------------------------------------- */

static int read_tensors(struct onnx_file *f, const Onnx__GraphProto *g)
{
    f->tensors = calloc(g->n_initializer + 1, sizeof *f->tensors);
    if (!f->tensors)
        return error_set(BPNET_ENOMEM, "%s: no memory for %zu tensors", f->path, g->n_initializer);
    for (; f->n_tensors < g->n_initializer; f->n_tensors++) {
        const int err =
            read_tensor(&f->tensors[f->n_tensors], g->initializer[f->n_tensors], f->path);
        if (err < 0)
            return err;
    }
    return BPNET_OK;
}

static struct onnx_port read_port(const Onnx__ValueInfoProto *p)
{
    struct onnx_port port = {.name = p->name, .n_dims = -1};
    if (!p->type || p->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ||
        !p->type->tensor_type->shape || p->type->tensor_type->shape->n_dim > ONNX_TENSOR_DIMS)
        return port;
    const Onnx__TensorShapeProto *shape = p->type->tensor_type->shape;
    port.n_dims = (int)shape->n_dim;
    for (int d = 0; d < port.n_dims; d++) {
        const Onnx__TensorShapeProto__Dimension *dim = shape->dim[d];
        const bool given = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        port.dims[d] = given && dim->dim_value > 0 ? dim->dim_value : 0;
    }
    return port;
}

static int read_ports(struct onnx_port **out, size_t *n, Onnx__ValueInfoProto *const *list,
                      size_t count, const char *path)
{
    *out = calloc(count + 1, sizeof **out);
    if (!*out)
        return error_set(BPNET_ENOMEM, "%s: no memory for %zu inputs and outputs", path, count);
    for (; *n < count; (*n)++)
        (*out)[*n] = read_port(list[*n]);
    return BPNET_OK;
}

static int read_head(struct onnx_file *f, const Onnx__ModelProto *m)
{
    f->producer = m->producer_name;
    for (size_t i = 0; i < m->n_opset_import; i++)
        if (!m->opset_import[i]->domain[0] || strcmp(m->opset_import[i]->domain, "ai.onnx") == 0)
            f->opset = m->opset_import[i]->version;
    if (f->opset < ONNX_MIN_OPSET)
        return error_set(BPNET_EUNSUPPORTED, "%s: operator set %lld, expected %d or later", f->path,
                         (long long)f->opset, ONNX_MIN_OPSET);
    f->metadata = calloc(m->n_metadata_props + 1, sizeof *f->metadata);
    if (!f->metadata)
        return error_set(BPNET_ENOMEM, "%s: no memory for its metadata", f->path);
    for (; f->n_metadata < m->n_metadata_props; f->n_metadata++) {
        const Onnx__StringStringEntryProto *p = m->metadata_props[f->n_metadata];
        f->metadata[f->n_metadata] = (struct onnx_text){p->key, p->value};
    }
    return BPNET_OK;
}

static int read_graph(struct onnx_file *f, const Onnx__GraphProto *g)
{
    int err;
    if (g->n_node > ONNX_MAX_NODES || g->n_initializer > ONNX_MAX_NODES)
        return error_set(BPNET_ELIMIT, "%s: %zu nodes and %zu tensors, at most %d are supported",
                         f->path, g->n_node, g->n_initializer, ONNX_MAX_NODES);
    if ((err = read_ops(f, g)) < 0 || (err = read_tensors(f, g)) < 0 ||
        (err = read_ports(&f->inputs, &f->n_inputs, g->input, g->n_input, f->path)) < 0)
        return err;
    return read_ports(&f->outputs, &f->n_outputs, g->output, g->n_output, f->path);
}

static int unpack(struct onnx_file *f, const uint8_t *bytes, size_t size)
{
    struct budget *budget = &f->store->budget;
    ProtobufCAllocator allocator = {budget_take, budget_give, budget};
    budget->left = spare_memory + ONNX_MEMORY_FACTOR * size;
    f->store->message = onnx__model_proto__unpack(&allocator, size, bytes);
    if (f->store->message)
        return BPNET_OK;
    if (budget->no_memory)
        return error_set(BPNET_ENOMEM, "%s: no memory to read it", f->path);
    if (budget->exceeded)
        return error_set(BPNET_ELIMIT, "%s: would take more than %d times its size of memory",
                         f->path, ONNX_MEMORY_FACTOR);
    size_t offset = 0;
    const char *fault = onnx_wire_fault(bytes, size, &offset);
    return error_set(BPNET_EFORMAT, "%s: not an ONNX file, or damaged: %s at byte %zu of %zu",
                     f->path, fault ? fault : "a field that makes no sense", offset, size);
}

int onnx_file_open_memory(struct onnx_file *f, const uint8_t *bytes, size_t size, const char *name)
{
    int err = BPNET_OK;
    *f = (struct onnx_file){.size = size};
    if (size > max_file)
        return error_set(BPNET_ELIMIT, "%s: larger than 2 GiB, which no ONNX file is", name);
    f->store = calloc(1, sizeof *f->store);
    if (!f->store || !(f->store->path = str_copy(name))) {
        onnx_file_close(f);
        return error_set(BPNET_ENOMEM, "%s: no memory to read it", name);
    }
    f->path = f->store->path;
    if ((err = unpack(f, bytes, size)) < 0)
        goto done;
    if (!f->store->message->graph || f->store->message->graph->n_node == 0) {
        err = error_set(BPNET_EFORMAT, "%s: not an ONNX file: there is no graph in it", name);
        goto done;
    }
    if ((err = read_head(f, f->store->message)) == BPNET_OK)
        err = read_graph(f, f->store->message->graph);
done:
    if (err < 0)
        onnx_file_close(f);
    return err;
}

int onnx_file_open(struct onnx_file *f, const char *path, struct seal_key *key)
{
    struct file_view view;
    *f = (struct onnx_file){0};
    int err = seal_view_open(&view, path, max_file, key);
    if (err < 0)
        return err;
    err = onnx_file_open_memory(f, view.bytes, view.size, path);
    file_view_close(&view);
    return err;
}

void onnx_file_close(struct onnx_file *f)
{
    struct onnx_store *s = f->store;
    if (s) {
        ProtobufCAllocator allocator = {budget_take, budget_give, &s->budget};
        if (s->message)
            onnx__model_proto__free_unpacked(s->message, &allocator);
        free(s->attribute_tensors);
        free(s->attributes);
        free(s->texts);
        free(s->path);
        free(s);
    }
    free(f->ops);
    free(f->tensors);
    free(f->inputs);
    free(f->outputs);
    free(f->metadata);
    *f = (struct onnx_file){0};
}

const struct onnx_attribute *onnx_attribute(const struct onnx_op *op, const char *name)
{
    for (size_t i = 0; i < op->n_attributes; i++)
        if (strcmp(op->attributes[i].name, name) == 0)
            return &op->attributes[i];
    return NULL;
}

const char *onnx_metadata_text(const struct onnx_file *f, const char *key)
{
    for (size_t i = 0; i < f->n_metadata; i++)
        if (strcmp(f->metadata[i].key, key) == 0)
            return f->metadata[i].value;
    return NULL;
}
