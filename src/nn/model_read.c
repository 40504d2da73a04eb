/*
 * Models from files: whatever is accepted here, an executor runs. Every member is typed and
 * bounded, the graph passes graph_check(), and parameters must lie exactly where this program puts
 * them.
 */
#include "nn/model.h"

#include "base/error.h"
#include "base/str.h"
#include "io/json.h"
#include "nn/model_check.h"
#include "nn/model_names.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *const model_act_names[ACT_COUNT] = {
    [ACT_NONE] = "none",       [ACT_RELU] = "relu", [ACT_RELU6] = "relu6",
    [ACT_SIGMOID] = "sigmoid", [ACT_TANH] = "tanh",
};

const char *const model_padding_names[PAD_COUNT] = {
    [PAD_SAME] = "same",
    [PAD_SAME_LOWER] = "same_lower",
    [PAD_GIVEN] = "given",
};

const char *const model_enlarge_names[ENLARGE_COUNT] = {
    [ENLARGE_NEAREST] = "nearest",
    [ENLARGE_HALF_PIXEL] = "half_pixel",
    [ENLARGE_ASYMMETRIC] = "asymmetric",
    [ENLARGE_CORNERS] = "corners",
};

const struct model_conv_float model_conv_floats[MODEL_CONV_FLOATS] = {
    {"l1", offsetof(struct node, l1)},
    {"l2", offsetof(struct node, l2)},
    {"bias_l1", offsetof(struct node, bias_l1)},
    {"bias_l2", offsetof(struct node, bias_l2)},
    {"kernel_lr", offsetof(struct node, kernel_lr)},
    {"bias_lr", offsetof(struct node, bias_lr)},
};

float *model_conv_float(struct node *n, int index)
{
    return (float *)(void *)((char *)n + model_conv_floats[index].offset);
}

/* ---- typed members ----------------------------------------------------------------------- */

static int need_int(int *out, const struct json *object, const char *key, int low, int high,
                    const char *where)
{
    int64_t value;
    const int error = json_need_integer(&value, object, key, where);
    if (error < 0)
        return error;
    if (value < low || value > high)
        return error_set(BPNET_EFORMAT, "%s: key '%s' is %lld, expected %d to %d", where, key,
                         (long long)value, low, high);
    *out = (int)value;
    return BPNET_OK;
}

static int need_float(float *out, const struct json *object, const char *key, const char *where)
{
    double value;
    const int error = json_need_number(&value, object, key, where);
    if (error < 0)
        return error;
    if (!(fabs(value) <= 3e38))
        return error_set(BPNET_EFORMAT, "%s: key '%s' is not a finite number", where, key);
    *out = (float)value;
    return BPNET_OK;
}

static int need_text(char *out, size_t size, const struct json *object, const char *key,
                     const char *where)
{
    const char *text;
    const int error = json_need_string(&text, object, key, where);
    if (error < 0)
        return error;
    if (strlen(text) >= size)
        return error_set(BPNET_EFORMAT, "%s: key '%s' is longer than %zu bytes", where, key,
                         size - 1);
    memcpy(out, text, strlen(text) + 1);
    return BPNET_OK;
}

static int one_of(int *out, const struct json *object, const char *key, const char *const *names,
                  int n, const char *where)
{
    const char *text;
    const int error = json_need_string(&text, object, key, where);
    if (error < 0)
        return error;
    for (int i = 0; i < n; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return BPNET_OK;
        }
    return error_set(BPNET_EUNSUPPORTED,
                     "%s: key '%s' is '%.60s', which this program does not know", where, key, text);
}

/* ---- nodes ------------------------------------------------------------------------------- */

static int read_inputs(struct node *n, const struct graph *g, const struct json *v,
                       const char *where)
{
    const struct json *inputs;
    const int error = json_need_array(&inputs, v, "inputs", where);
    if (error < 0)
        return error;
    if (json_length(inputs) > GRAPH_MAX_INPUTS)
        return error_set(BPNET_EFORMAT, "%s: %zu inputs, at most %d are allowed", where,
                         json_length(inputs), GRAPH_MAX_INPUTS);
    n->n_inputs = (int)json_length(inputs);
    for (int i = 0; i < n->n_inputs; i++) {
        const char *name = json_as_string(json_at(inputs, (size_t)i));
        n->inputs[i] = graph_find(g, name);
        if (n->inputs[i] < 0)
            return error_set(BPNET_EFORMAT, "%s: no node '%.60s' before it to read from", where,
                             name);
    }
    return BPNET_OK;
}

static int need_bool(bool *out, const struct json *object, const char *key, const char *where)
{
    const enum json_kind kind = json_kind(json_get(object, key));
    if (kind != JSON_KIND_TRUE && kind != JSON_KIND_FALSE)
        return error_set(BPNET_EFORMAT, "%s: key '%s': found %s, expected true or false", where,
                         key, json_kind_name(kind));
    *out = kind == JSON_KIND_TRUE;
    return BPNET_OK;
}

/* Without the key, padding is TensorFlow's SAME; format 1 had no other. */
static int read_padding(struct node *n, const struct json *v, const char *where)
{
    int padding = PAD_SAME, error;
    double pad[4];
    if (!json_get(v, "padding"))
        return BPNET_OK;
    if ((error = one_of(&padding, v, "padding", model_padding_names, PAD_COUNT, where)) < 0)
        return error;
    n->padding = (enum padding)padding;
    if (n->padding != PAD_GIVEN)
        return BPNET_OK;
    if ((error = json_need_numbers(pad, 4, v, "pad", where)) < 0)
        return error;
    for (int side = 0; side < 4; side++) {
        if (!(pad[side] >= 0.0 && pad[side] <= GRAPH_MAX_KERNEL * GRAPH_MAX_DILATION))
            return error_set(BPNET_EFORMAT, "%s: key 'pad' is out of range", where);
        n->pad[side] = (int)pad[side];
    }
    return BPNET_OK;
}

static int read_window(struct node *n, const struct json *v, const char *where)
{
    int error;
    if ((error = need_int(&n->kernel, v, "kernel", 1, GRAPH_MAX_KERNEL, where)) < 0 ||
        (error = need_int(&n->stride, v, "stride", 1, GRAPH_MAX_STRIDE, where)) < 0 ||
        (error = need_int(&n->dilation, v, "dilation", 1, GRAPH_MAX_DILATION, where)) < 0)
        return error;
    return read_padding(n, v, where);
}

static int read_conv(struct node *n, const struct json *v, const char *where)
{
    int error;
    if ((error = read_window(n, v, where)) < 0 ||
        (error = need_bool(&n->bias, v, "bias", where)) < 0)
        return error;
    if (json_get(v, "groups"))
        error = need_int(&n->groups, v, "groups", 1, GRAPH_MAX_CHANNELS, where);
    for (int k = 0; k < MODEL_CONV_FLOATS && error == BPNET_OK; k++)
        error = need_float(model_conv_float(n, k), v, model_conv_floats[k].key, where);
    return error;
}

static int read_max_pool(struct node *n, const struct json *v, const char *where)
{
    return read_window(n, v, where);
}

static int read_avg_pool(struct node *n, const struct json *v, const char *where)
{
    const int error = read_window(n, v, where);
    return error < 0 ? error : need_bool(&n->count_padding, v, "count_padding", where);
}

static int read_act(struct node *n, const struct json *v, const char *where)
{
    int act = ACT_NONE;
    const int error = one_of(&act, v, "act", model_act_names, ACT_COUNT, where);
    n->act = (enum activation)act;
    return error;
}

static int read_norm(struct node *n, const struct json *v, const char *where)
{
    int error;
    if ((error = need_float(&n->epsilon, v, "epsilon", where)) < 0 ||
        (error = need_float(&n->momentum, v, "momentum", where)) < 0)
        return error;
    return json_get(v, "l1") ? need_float(&n->l1, v, "l1", where) : BPNET_OK;
}

static int read_resize(struct node *n, const struct json *v, const char *where)
{
    int enlarge = ENLARGE_NEAREST;
    const int error = one_of(&enlarge, v, "enlarge", model_enlarge_names, ENLARGE_COUNT, where);
    n->enlarge = (enum enlarge)enlarge;
    return error < 0 ? error : need_int(&n->factor, v, "factor", 1, GRAPH_MAX_FACTOR, where);
}

static int read_attributes(struct node *n, const struct json *v, const char *where)
{
    static int (*const readers[OP_COUNT])(struct node *, const struct json *, const char *) = {
        [OP_CONV] = read_conv,         [OP_NORM] = read_norm,         [OP_ACT] = read_act,
        [OP_MAX_POOL] = read_max_pool, [OP_AVG_POOL] = read_avg_pool, [OP_RESIZE] = read_resize,
    };
    const int error = need_int(&n->channels, v, "channels", 1, GRAPH_MAX_CHANNELS, where);
    return error < 0 || !readers[n->op] ? error : readers[n->op](n, v, where);
}

static int read_nodes(struct graph *g, const struct json *root, const char *path)
{
    const struct json *nodes;
    int error = json_need_array(&nodes, root, "nodes", path);
    if (error < 0)
        return error;
    if (json_length(nodes) > GRAPH_MAX_NODES)
        return error_set(BPNET_ELIMIT, "%s: %zu nodes, the limit is %d", path, json_length(nodes),
                         GRAPH_MAX_NODES);
    const char *ops[OP_COUNT];
    for (int op = 0; op < OP_COUNT; op++)
        ops[op] = op_name((enum op)op);
    for (size_t i = 0; i < json_length(nodes); i++) {
        char where[512];
        int op = OP_INPUT;
        snprintf(where, sizeof(where), "%.400s: node %zu", path, i);
        const struct json *v = json_at(nodes, i);
        struct node n = {0};
        if ((error = need_text(n.name, sizeof(n.name), v, "name", where)) < 0 ||
            (error = one_of(&op, v, "op", ops, OP_COUNT, where)) < 0)
            return error;
        n.op = (enum op)op;
        if ((error = read_inputs(&n, g, v, where)) < 0 ||
            (error = read_attributes(&n, v, where)) < 0 || (error = graph_add(g, &n)) < 0)
            return error;
    }
    return BPNET_OK;
}

static int read_outputs(struct graph *g, const struct json *root, const char *path)
{
    const struct json *outputs;
    const int error = json_need_array(&outputs, root, "outputs", path);
    if (error < 0)
        return error;
    int list[GRAPH_MAX_OUTPUTS];
    const size_t n = json_length(outputs);
    if (n < 1 || n > GRAPH_MAX_OUTPUTS)
        return error_set(BPNET_EFORMAT, "%s: %zu outputs, expected 1 to %d", path, n,
                         GRAPH_MAX_OUTPUTS);
    for (size_t i = 0; i < n; i++) {
        const char *name = json_as_string(json_at(outputs, i));
        if ((list[i] = graph_find(g, name)) < 0)
            return error_set(BPNET_EFORMAT, "%s: output %zu names no node: '%.60s'", path, i, name);
    }
    return graph_set_outputs(g, list, (int)n);
}

/* ---- the rest ---------------------------------------------------------------------------- */

static int read_triple(float out[3], const struct json *meta, const char *key, const char *where)
{
    double value[3];
    const int error = json_need_numbers(value, 3, meta, key, where);
    for (int k = 0; k < 3 && error == BPNET_OK; k++) {
        if (!(fabs(value[k]) <= 1e9))
            return error_set(BPNET_EFORMAT, "%s: key '%s' is out of range", where, key);
        out[k] = (float)value[k];
    }
    return error;
}

static int read_meta(struct model_meta *out, const struct json *root, const char *path)
{
    const struct json *meta = json_get(root, "meta");
    char where[512];
    snprintf(where, sizeof(where), "%.400s: meta", path);
    int error;
    if ((error = need_int(&out->input_h, meta, "input_height", 1, GRAPH_MAX_SIZE, where)) < 0 ||
        (error = need_int(&out->input_w, meta, "input_width", 1, GRAPH_MAX_SIZE, where)) < 0 ||
        (error = need_int(&out->stride, meta, "stride", 1, 1024, where)) < 0 ||
        (error = need_int(&out->stages, meta, "stages", 0, GRAPH_MAX_OUTPUTS / 2, where)) < 0 ||
        (error = read_triple(out->scale, meta, "image_scale", where)) < 0 ||
        (error = read_triple(out->offset, meta, "image_offset", where)) < 0 ||
        (error = json_need_integer(&out->epoch, meta, "epoch", where)) < 0 ||
        (error =
             need_text(out->description, sizeof(out->description), meta, "description", where)) < 0)
        return error;
    for (int k = 0; k < 3; k++)
        if (out->scale[k] == 0)
            return error_set(BPNET_EFORMAT, "%s: key 'image_scale' has a zero", where);
    return BPNET_OK;
}

static int read_limb(struct skeleton *s, const struct json *v, const char *where)
{
    for (size_t end = 0; end < 2; end++) {
        const int64_t joint = json_length(v) == 2 && json_is_integral(json_at(v, end))
                                  ? json_as_integer(json_at(v, end))
                                  : -1;
        if (joint < 0 || joint >= s->n_joints)
            return error_set(BPNET_EFORMAT, "%s: limb %d is not a pair of joints 0 to %d", where,
                             s->n_limbs, s->n_joints - 1);
        s->limbs[s->n_limbs][end] = (int16_t)joint;
    }
    s->n_limbs++;
    return BPNET_OK;
}

int model_read_skeleton(struct skeleton *s, const struct json *v, const char *where)
{
    const struct json *joints, *limbs;
    int error;
    *s = (struct skeleton){0};
    if ((error = need_text(s->type, sizeof(s->type), v, "type", where)) < 0 ||
        (error = need_text(s->category, sizeof(s->category), v, "category", where)) < 0 ||
        (error = json_need_array(&joints, v, "joints", where)) < 0 ||
        (error = json_need_array(&limbs, v, "limbs", where)) < 0)
        return error;
    if (json_length(joints) > SKELETON_MAX_JOINTS || json_length(limbs) > SKELETON_MAX_LIMBS)
        return error_set(BPNET_ELIMIT, "%s: %zu joints and %zu limbs, the limits are %d and %d",
                         where, json_length(joints), json_length(limbs), SKELETON_MAX_JOINTS,
                         SKELETON_MAX_LIMBS);
    for (size_t j = 0; j < json_length(joints); j++) {
        const char *name = json_as_string(json_at(joints, j));
        if (!*name || strlen(name) >= SKELETON_NAME_SIZE)
            return error_set(BPNET_EFORMAT, "%s: joint %zu has no proper name", where, j);
        memcpy(s->joints[s->n_joints++], name, strlen(name) + 1);
    }
    for (size_t k = 0; k < json_length(limbs); k++)
        if ((error = read_limb(s, json_at(limbs, k), where)) < 0)
            return error;
    skeleton_find_mirror(s);
    return BPNET_OK;
}

static int read_skeleton(struct skeleton *s, const struct json *root, const char *path)
{
    char where[512];
    snprintf(where, sizeof(where), "%.400s: skeleton", path);
    return model_read_skeleton(s, json_get(root, "skeleton"), where);
}

static int check_parameter(const struct param *p, const struct json *v, const char *path)
{
    const struct json *shape = json_get(v, "shape");
    bool same = strcmp(json_as_string(json_get(v, "name")), p->name) == 0 &&
                json_as_integer(json_get(v, "offset")) == (int64_t)p->offset &&
                json_length(shape) == (size_t)p->n_dims;
    for (int d = 0; same && d < p->n_dims; d++)
        same = json_as_integer(json_at(shape, (size_t)d)) == p->dims[d];
    if (!same)
        return error_set(BPNET_EFORMAT, "%s: parameter '%s' is not where or what it should be",
                         path, p->name);
    return BPNET_OK;
}

static int read_weights(struct model *m, const struct json *root, struct container *c)
{
    const struct json *list;
    const uint8_t *bytes;
    size_t size;
    int error;
    if ((error = params_open(&m->params, &m->graph)) < 0)
        return error_prefix(error, "%s", c->path);
    if ((error = json_need_array(&list, root, "parameters", c->path)) < 0)
        return error;
    if (json_length(list) != (size_t)m->params.n)
        return error_set(BPNET_EFORMAT, "%s: lists %zu parameters, its graph has %d", c->path,
                         json_length(list), m->params.n);
    for (int i = 0; i < m->params.n; i++)
        if ((error = check_parameter(&m->params.list[i], json_at(list, (size_t)i), c->path)) < 0)
            return error;
    if ((error = container_section(c, "weights", &bytes, &size)) < 0)
        return error;
    if (size != m->params.n_floats * sizeof(float))
        return error_set(BPNET_EFORMAT, "%s: %zu bytes of weights, its graph needs %zu", c->path,
                         size, m->params.n_floats * sizeof(float));
    memcpy(m->params.value, bytes, size);
    return BPNET_OK;
}

static int read_model(struct model *m, const struct json *root, struct container *c)
{
    const char *path = c->path;
    int format, error;
    if ((error = need_int(&format, root, "format", 1, MODEL_FORMAT, path)) < 0 ||
        (error = read_nodes(&m->graph, root, path)) < 0 ||
        (error = read_outputs(&m->graph, root, path)) < 0)
        return error;
    if ((error = graph_check(&m->graph)) < 0)
        return error_prefix(error, "%s", path);
    if ((error = read_meta(&m->meta, root, path)) < 0 ||
        (error = read_skeleton(&m->meta.skeleton, root, path)) < 0 ||
        (error = read_weights(m, root, c)) < 0)
        return error;
    if ((error = model_check(m)) < 0)
        return error_prefix(error, "%s", path);
    return BPNET_OK;
}

static int read_spec(struct model *m, struct container *c)
{
    const uint8_t *bytes = NULL;
    size_t size = 0;
    if (container_has(c, "spec")) {
        const int error = container_section(c, "spec", &bytes, &size);
        if (error < 0)
            return error;
    }
    m->spec_text = malloc(size + 1);
    if (!m->spec_text)
        return error_set(BPNET_ENOMEM, "%s: no memory for its spec", c->path);
    if (size)
        memcpy(m->spec_text, bytes, size);
    m->spec_text[size] = '\0';
    return BPNET_OK;
}

int model_from_container(struct model **out, struct container *c)
{
    const uint8_t *bytes;
    size_t size;
    struct json *root = NULL;
    *out = NULL;
    struct model *m = calloc(1, sizeof(*m));
    if (!m)
        return error_set(BPNET_ENOMEM, "%s: no memory for a model", c->path);
    char where[512];
    snprintf(where, sizeof(where), "%.400s: graph", c->path);
    int error = container_section(c, "graph", &bytes, &size);
    if (error == BPNET_OK && (error = json_parse(&root, (const char *)bytes, size, where)) == 0 &&
        (error = read_model(m, root, c)) == 0)
        error = read_spec(m, c);
    json_free(root);
    if (error < 0)
        model_free(m);
    else
        *out = m;
    return error;
}

/* A checkpoint is a model with more sections. */
int model_load(struct model **out, const char *path, struct seal_key *key)
{
    struct container c;
    *out = NULL;
    int error = container_open(&c, path, NULL, key);
    if (error < 0)
        return error;
    if (strcmp(c.kind, "model") != 0 && strcmp(c.kind, "checkpoint") != 0)
        error = error_set(BPNET_EFORMAT, "%s: is %s %s file, expected a model or a checkpoint",
                          path, str_article(c.kind), c.kind);
    else
        error = model_from_container(out, &c);
    container_close(&c);
    return error;
}
