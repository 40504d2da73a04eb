/* ONNX messages by protobuf-c. Everything that is built lives in one list of blocks. */
#include "onnx/onnx_writer.h"

#include "base/error.h"
#include "io/file.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "onnx.pb-c.h"

/* Weights are written as they lie in memory. */
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "ONNX's raw data is little-endian");

struct block {
    struct block *next;
    size_t reserved; /* keeps the bytes aligned to 16 */
    unsigned char bytes[];
};

struct onnx_writer {
    struct block *blocks;
    bool failed;
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    Onnx__NodeProto *node; /* the one that was begun last */
};

/* ---- memory -------------------------------------------------------------------------------- */

static void *take(struct onnx_writer *w, size_t size)
{
    struct block *block =
        size < SIZE_MAX - sizeof(*block) ? calloc(1, sizeof(*block) + size) : NULL;
    if (!block) {
        w->failed = true;
        return NULL;
    }
    block->next = w->blocks;
    w->blocks = block;
    return block->bytes;
}

static char *copy_text(struct onnx_writer *w, const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = take(w, size);
    return copy ? memcpy(copy, text, size) : NULL;
}

static void *copy_bytes(struct onnx_writer *w, const void *bytes, size_t size)
{
    void *copy = take(w, size);
    return copy && size ? memcpy(copy, bytes, size) : copy;
}

/* One more pointer in a list, whose capacity is the next power of two. */
static void append(struct onnx_writer *w, void *list, size_t *n, void *item)
{
    void **items;
    memcpy(&items, list, sizeof(items));
    if (!item)
        return;
    if ((*n & (*n - 1)) == 0) {
        void **grown = take(w, (*n ? 2 * *n : 1) * sizeof(*grown));
        if (!grown)
            return;
        if (*n)
            memcpy(grown, items, *n * sizeof(*grown));
        items = grown;
        memcpy(list, &items, sizeof(items));
    }
    items[(*n)++] = item;
}

/* A message with its fields' defaults; an empty one in a failed writer stays within `spare`. */
#define FRESH(w, type, init) ((type *)fresh(w, sizeof(type), &(const type)init))

static void *fresh(struct onnx_writer *w, size_t size, const void *initial)
{
    return copy_bytes(w, initial, size);
}

/* ---- the model ----------------------------------------------------------------------------- */

static void add_opset(struct onnx_writer *w)
{
    Onnx__OperatorSetIdProto *opset =
        FRESH(w, Onnx__OperatorSetIdProto, ONNX__OPERATOR_SET_ID_PROTO__INIT);
    if (opset)
        opset->version = ONNX_OPSET;
    append(w, &w->model.opset_import, &w->model.n_opset_import, opset);
}

int onnx_writer_open(struct onnx_writer **out, const char *graph_name)
{
    static char producer[] = "bpnet", version[] = BPNET_VERSION;
    struct onnx_writer *w = *out = calloc(1, sizeof(*w));
    if (!w)
        return error_set(BPNET_ENOMEM, "no memory for an ONNX model");
    onnx__model_proto__init(&w->model);
    onnx__graph_proto__init(&w->graph);
    w->model.ir_version = ONNX_IR_VERSION;
    w->model.producer_name = producer;
    w->model.producer_version = version;
    w->model.graph = &w->graph;
    char *name = copy_text(w, graph_name);
    if (name)
        w->graph.name = name;
    add_opset(w);
    return BPNET_OK;
}

void onnx_writer_close(struct onnx_writer *w)
{
    while (w && w->blocks) {
        struct block *next = w->blocks->next;
        free(w->blocks);
        w->blocks = next;
    }
    free(w);
}

void onnx_metadata(struct onnx_writer *w, const char *key, const char *value)
{
    Onnx__StringStringEntryProto *entry =
        FRESH(w, Onnx__StringStringEntryProto, ONNX__STRING_STRING_ENTRY_PROTO__INIT);
    if (entry) {
        entry->key = copy_text(w, key);
        entry->value = copy_text(w, value);
    }
    append(w, &w->model.metadata_props, &w->model.n_metadata_props, entry);
}

/* ---- nodes --------------------------------------------------------------------------------- */

void onnx_node(struct onnx_writer *w, const char *op_type, const char *output)
{
    Onnx__NodeProto *node = FRESH(w, Onnx__NodeProto, ONNX__NODE_PROTO__INIT);
    if (node) {
        node->op_type = copy_text(w, op_type);
        node->name = copy_text(w, output);
        append(w, &node->output, &node->n_output, node->name);
    }
    append(w, &w->graph.node, &w->graph.n_node, node);
    w->node = node;
}

void onnx_node_input(struct onnx_writer *w, const char *value)
{
    if (w->node)
        append(w, &w->node->input, &w->node->n_input, copy_text(w, value));
}

static Onnx__AttributeProto *add_attribute(struct onnx_writer *w, const char *name,
                                           Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *a = FRESH(w, Onnx__AttributeProto, ONNX__ATTRIBUTE_PROTO__INIT);
    if (a) {
        a->name = copy_text(w, name);
        a->type = type;
    }
    if (w->node)
        append(w, &w->node->attribute, &w->node->n_attribute, a);
    return a;
}

void onnx_node_int(struct onnx_writer *w, const char *name, int64_t value)
{
    Onnx__AttributeProto *a = add_attribute(w, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    if (a)
        a->i = value;
}

void onnx_node_ints(struct onnx_writer *w, const char *name, const int64_t *values, size_t n)
{
    Onnx__AttributeProto *a = add_attribute(w, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    if (a && (a->ints = copy_bytes(w, values, n * sizeof(*values))))
        a->n_ints = n;
}

void onnx_node_float(struct onnx_writer *w, const char *name, float value)
{
    Onnx__AttributeProto *a = add_attribute(w, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    if (a)
        a->f = value;
}

void onnx_node_text(struct onnx_writer *w, const char *name, const char *text)
{
    Onnx__AttributeProto *a = add_attribute(w, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__STRING);
    if (a && (a->s.data = copy_bytes(w, text, strlen(text))))
        a->s.len = strlen(text);
}

/* ---- constants ----------------------------------------------------------------------------- */

static size_t element_size(enum onnx_type type)
{
    static const size_t sizes[] = {
        [ONNX_FLOAT] = 4, [ONNX_UINT8] = 1, [ONNX_INT8] = 1, [ONNX_INT32] = 4, [ONNX_INT64] = 8};
    return sizes[type];
}

void *onnx_constant(struct onnx_writer *w, const char *name, enum onnx_type type,
                    const int64_t *dims, size_t n_dims)
{
    size_t size = element_size(type);
    for (size_t d = 0; d < n_dims; d++)
        size *= (size_t)dims[d]; /* of parameters, or small: they fit in memory */
    Onnx__TensorProto *t = FRESH(w, Onnx__TensorProto, ONNX__TENSOR_PROTO__INIT);
    if (!t)
        return NULL;
    t->name = copy_text(w, name);
    t->data_type = (int32_t)type;
    t->raw_data.data = take(w, size);
    if (!t->name || !t->raw_data.data || !(t->dims = copy_bytes(w, dims, n_dims * sizeof(*dims))))
        return NULL;
    t->n_dims = n_dims;
    t->raw_data.len = size;
    append(w, &w->graph.initializer, &w->graph.n_initializer, t);
    return t->raw_data.data;
}

void onnx_constant_ints(struct onnx_writer *w, const char *name, const int64_t *values, size_t n)
{
    const int64_t dims[] = {(int64_t)n};
    void *place = onnx_constant(w, name, ONNX_INT64, dims, 1);
    if (place)
        memcpy(place, values, n * sizeof(*values));
}

void onnx_constant_float(struct onnx_writer *w, const char *name, float value)
{
    void *place = onnx_constant(w, name, ONNX_FLOAT, NULL, 0);
    if (place)
        memcpy(place, &value, sizeof(value));
}

/* ---- what goes in and comes out ------------------------------------------------------------ */

static Onnx__TensorShapeProto *make_shape(struct onnx_writer *w, const struct onnx_dim *dims,
                                          size_t n_dims)
{
    typedef Onnx__TensorShapeProto__Dimension dimension;
    Onnx__TensorShapeProto *shape =
        FRESH(w, Onnx__TensorShapeProto, ONNX__TENSOR_SHAPE_PROTO__INIT);
    for (size_t d = 0; shape && d < n_dims; d++) {
        dimension *to = FRESH(w, dimension, ONNX__TENSOR_SHAPE_PROTO__DIMENSION__INIT);
        if (to && dims[d].size > 0) {
            to->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            to->dim_value = dims[d].size;
        } else if (to && (to->dim_param = copy_text(w, dims[d].name))) {
            to->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
        }
        append(w, &shape->dim, &shape->n_dim, to);
    }
    return shape;
}

static Onnx__ValueInfoProto *make_value(struct onnx_writer *w, const char *name,
                                        enum onnx_type type, const struct onnx_dim *dims,
                                        size_t n_dims)
{
    Onnx__ValueInfoProto *value = FRESH(w, Onnx__ValueInfoProto, ONNX__VALUE_INFO_PROTO__INIT);
    Onnx__TypeProto *kind = FRESH(w, Onnx__TypeProto, ONNX__TYPE_PROTO__INIT);
    Onnx__TypeProto__Tensor *tensor =
        FRESH(w, Onnx__TypeProto__Tensor, ONNX__TYPE_PROTO__TENSOR__INIT);
    if (!value || !kind || !tensor)
        return NULL;
    tensor->elem_type = (int32_t)type;
    tensor->shape = make_shape(w, dims, n_dims);
    kind->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    kind->tensor_type = tensor;
    value->name = copy_text(w, name);
    value->type = kind;
    return value;
}

void onnx_graph_input(struct onnx_writer *w, const char *name, enum onnx_type type,
                      const struct onnx_dim *dims, size_t n_dims)
{
    append(w, &w->graph.input, &w->graph.n_input, make_value(w, name, type, dims, n_dims));
}

void onnx_graph_output(struct onnx_writer *w, const char *name, enum onnx_type type,
                       const struct onnx_dim *dims, size_t n_dims)
{
    append(w, &w->graph.output, &w->graph.n_output, make_value(w, name, type, dims, n_dims));
}

/* ---- the file ------------------------------------------------------------------------------ */

struct sink {
    ProtobufCBuffer base; /* the first: protobuf-c passes it back */
    struct outfile *file;
    struct seal_writer *seal; /* or NULL */
    int err;
};

static void to_file(ProtobufCBuffer *buffer, size_t n, const uint8_t *bytes)
{
    struct sink *s = (struct sink *)(void *)buffer;
    if (s->seal && s->err == BPNET_OK)
        s->err = seal_writer_put(s->seal, bytes, n);
    else if (!s->seal) /* a failure is remembered by the file and told when it is committed */
        outfile_write(s->file, bytes, n);
}

static int pack_sealed(struct onnx_writer *w, struct sink *sink, size_t size, struct seal_key *key)
{
    int err = seal_writer_open(&sink->seal, sink->file, size, key);
    if (err == BPNET_OK) {
        onnx__model_proto__pack_to_buffer(&w->model, &sink->base);
        err = sink->err < 0 ? sink->err : seal_writer_end(sink->seal);
    }
    seal_writer_close(sink->seal);
    return err;
}

int onnx_writer_save(struct onnx_writer *w, const char *path, struct seal_key *key)
{
    struct outfile file;
    if (w->failed)
        return error_set(BPNET_ENOMEM, "%s: no memory for an ONNX model", path);
    const size_t size = onnx__model_proto__get_packed_size(&w->model);
    if (size > INT32_MAX)
        return error_set(BPNET_ELIMIT,
                         "%s: the network is larger than the 2 GiB an ONNX file holds", path);
    int err = outfile_open(&file, path);
    if (err < 0)
        return err;
    struct sink sink = {.base = {to_file}, .file = &file};
    if (key)
        err = pack_sealed(w, &sink, size, key);
    else
        onnx__model_proto__pack_to_buffer(&w->model, &sink.base);
    if (err < 0) {
        outfile_abort(&file);
        return err;
    }
    return outfile_commit(&file);
}
