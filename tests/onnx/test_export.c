/*
 * ONNX files, read back message by message: names, structure, weights, rounding. That runtimes get
 * the same maps from them is tests/oracle/onnx-compare's business.
 */
#include "base/error.h"
#include "io/file.h"
#include "nn/networks.h"
#include "nn/random_graph.h"
#include "onnx/export.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "onnx.pb-c.h"

static const char path[] = "test_export.onnx";

/* ---- reading back -------------------------------------------------------------------------- */

static Onnx__ModelProto *read_back(void)
{
    struct file_view view = {0};
    assert_int_equal(file_view_open(&view, path, SIZE_MAX), 0);
    Onnx__ModelProto *p = onnx__model_proto__unpack(NULL, view.size, view.bytes);
    file_view_close(&view);
    assert_non_null(p);
    return p;
}

static Onnx__ModelProto *exported(const struct model *m, const struct onnx_export_options *o)
{
    if (onnx_export(m, o, path) < 0)
        fail_msg("%s", error_message());
    return read_back();
}

static const Onnx__NodeProto *maker_of(const Onnx__ModelProto *p, const char *value)
{
    for (size_t i = 0; i < p->graph->n_node; i++)
        if (strcmp(p->graph->node[i]->output[0], value) == 0)
            return p->graph->node[i];
    return NULL;
}

/* The maker of `value`, which must be of this kind. */
static const Onnx__NodeProto *expect(const Onnx__ModelProto *p, const char *value,
                                     const char *op_type)
{
    const Onnx__NodeProto *n = maker_of(p, value);
    if (!n)
        fail_msg("nobody makes %s", value);
    assert_string_equal(n->op_type, op_type);
    assert_string_equal(n->name, value);
    return n;
}

static const Onnx__TensorProto *constant(const Onnx__ModelProto *p, const char *name)
{
    for (size_t i = 0; i < p->graph->n_initializer; i++)
        if (strcmp(p->graph->initializer[i]->name, name) == 0)
            return p->graph->initializer[i];
    fail_msg("there is no constant %s", name);
    return NULL;
}

static const Onnx__AttributeProto *attribute(const Onnx__NodeProto *n, const char *name)
{
    for (size_t i = 0; i < n->n_attribute; i++)
        if (strcmp(n->attribute[i]->name, name) == 0)
            return n->attribute[i];
    return NULL;
}

static void expect_ints(const Onnx__NodeProto *n, const char *name, const int64_t *v, size_t count)
{
    const Onnx__AttributeProto *a = attribute(n, name);
    assert_non_null(a);
    assert_int_equal(a->type, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    assert_int_equal(a->n_ints, count);
    assert_memory_equal(a->ints, v, count * sizeof(*v));
}

static void expect_dims(const Onnx__TensorProto *t, const int64_t *dims, size_t n)
{
    assert_int_equal(t->n_dims, n);
    assert_memory_equal(t->dims, dims, n * sizeof(*dims));
}

static void expect_floats(const Onnx__TensorProto *t, const float *v, size_t n)
{
    assert_int_equal(t->data_type, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
    assert_int_equal(t->raw_data.len, n * sizeof(*v));
    assert_memory_equal(t->raw_data.data, v, n * sizeof(*v));
}

static size_t count_ops(const Onnx__ModelProto *p, const char *op_type)
{
    size_t n = 0;
    for (size_t i = 0; i < p->graph->n_node; i++)
        n += strcmp(p->graph->node[i]->op_type, op_type) == 0;
    return n;
}

static const char *metadata(const Onnx__ModelProto *p, const char *key)
{
    for (size_t i = 0; i < p->n_metadata_props; i++)
        if (strcmp(p->metadata_props[i]->key, key) == 0)
            return p->metadata_props[i]->value;
    return NULL;
}

/* "batch,height,width,3": sizes and names of free ones. */
static void expect_shape(const Onnx__ValueInfoProto *v, const char *name, int type,
                         const char *shape)
{
    char text[128] = "";
    const Onnx__TypeProto__Tensor *t = v->type->tensor_type;
    for (size_t d = 0; d < t->shape->n_dim; d++) {
        const Onnx__TensorShapeProto__Dimension *dim = t->shape->dim[d];
        const size_t at = strlen(text);
        if (dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM)
            snprintf(text + at, sizeof(text) - at, "%s%s", d ? "," : "", dim->dim_param);
        else
            snprintf(text + at, sizeof(text) - at, "%s%d", d ? "," : "", (int)dim->dim_value);
    }
    assert_string_equal(v->name, name);
    assert_int_equal(t->elem_type, type);
    assert_string_equal(text, shape);
}

/* Every value is made once, before it is read; names are unique. */
static void expect_sound(const Onnx__ModelProto *p)
{
    const Onnx__GraphProto *g = p->graph;
    const char *known[2048];
    size_t n = 0;
    known[n++] = g->input[0]->name;
    for (size_t i = 0; i < g->n_initializer; i++)
        known[n++] = g->initializer[i]->name;
    for (size_t i = 0; i < g->n_node; i++) {
        for (size_t k = 0; k < g->node[i]->n_input; k++) {
            bool found = g->node[i]->input[k][0] == '\0';
            for (size_t j = 0; j < n; j++)
                found = found || strcmp(known[j], g->node[i]->input[k]) == 0;
            if (!found)
                fail_msg("%s reads %s too early", g->node[i]->name, g->node[i]->input[k]);
        }
        assert_true(n < sizeof(known) / sizeof(known[0]));
        known[n++] = g->node[i]->output[0];
    }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(known[i], known[j]) == 0)
                fail_msg("%s is made twice", known[i]);
    for (size_t i = 0; i < g->n_output; i++)
        assert_non_null(maker_of(p, g->output[i]->name));
}

/* ---- networks ------------------------------------------------------------------------------ */

/* input - conv - norm - relu - (heat, paf), all small enough to write down. */
static struct model *small_model(int kernel, int stride, int dilation)
{
    const struct node nodes[] = {
        {.name = "input", .op = OP_INPUT, .channels = 3},
        {.name = "conv",
         .op = OP_CONV,
         .n_inputs = 1,
         .inputs = {0},
         .channels = 2,
         .kernel = kernel,
         .stride = stride,
         .dilation = dilation,
         .bias = true},
        {.name = "norm",
         .op = OP_NORM,
         .n_inputs = 1,
         .inputs = {1},
         .channels = 2,
         .epsilon = 0.25F,
         .momentum = 0.5F},
        {.name = "relu",
         .op = OP_ACT,
         .n_inputs = 1,
         .inputs = {2},
         .channels = 2,
         .act = ACT_RELU},
        {.name = "heat",
         .op = OP_CONV,
         .n_inputs = 1,
         .inputs = {3},
         .channels = 1,
         .kernel = 1,
         .stride = 1,
         .dilation = 1},
        {.name = "paf",
         .op = OP_CONV,
         .n_inputs = 1,
         .inputs = {3},
         .channels = 2,
         .kernel = 1,
         .stride = 1,
         .dilation = 1,
         .bias = true},
    };
    struct model *m = calloc(1, sizeof(*m));
    for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
        assert_true(graph_add(&m->graph, &nodes[i]) >= 0);
    assert_int_equal(graph_set_outputs(&m->graph, (const int[]){4, 5}, 2), 0);
    assert_int_equal(params_open(&m->params, &m->graph), 0);
    m->spec_text = calloc(1, 1);
    m->meta.input_h = m->meta.input_w = 16;
    m->meta.stride = stride;
    m->meta.stages = 1;
    skeleton_default(&m->meta.skeleton);
    for (int c = 0; c < 3; c++) {
        m->meta.scale[c] = 256.0F;
        m->meta.offset[c] = 0.5F;
    }
    return m;
}

static float *param(struct model *m, const char *name)
{
    const int i = param_find(&m->params, name);
    assert_true(i >= 0);
    return m->params.value + m->params.list[i].offset;
}

/* kernel element (ky, kx, ci, co) = 1000 ky + 100 kx + 10 ci + co + 1. */
static void number_kernel(struct model *m, const char *name, int kernel, int in, int out)
{
    float *w = param(m, name);
    for (int i = 0; i < kernel * kernel * in * out; i++) {
        const int co = i % out, ci = i / out % in, kx = i / out / in % kernel;
        const int ky = i / out / in / kernel;
        w[i] = (float)(1000 * ky + 100 * kx + 10 * ci + co + 1);
    }
}

static void set(float *to, float a, float b)
{
    to[0] = a;
    to[1] = b;
}

/* Scales of 2 and 0.5: 2 = 3 / sqrt(2 + 0.25), 0.5 = 1 / sqrt(3.75 + 0.25). */
static struct model *numbered_model(void)
{
    struct model *m = small_model(2, 1, 1);
    number_kernel(m, "conv/kernel", 2, 3, 2);
    set(param(m, "conv/bias"), 4, 6);
    set(param(m, "norm/gamma"), 3, 1);
    set(param(m, "norm/beta"), 10, 20);
    set(param(m, "norm/mean"), 1, 2);
    set(param(m, "norm/variance"), 2, 3.75F);
    set(param(m, "heat/kernel"), 0.5F, -1.0F);
    set(param(m, "paf/bias"), 7, 8);
    return m;
}

/* ---- tests --------------------------------------------------------------------------------- */

static void test_interface(void **state)
{
    (void)state;
    struct model *m = numbered_model();
    const struct onnx_export_options o = {0};
    Onnx__ModelProto *p = exported(m, &o);
    assert_int_equal(p->ir_version, 7);
    assert_string_equal(p->producer_name, "bpnet");
    assert_string_equal(p->producer_version, BPNET_VERSION);
    assert_int_equal(p->n_opset_import, 1);
    assert_int_equal(p->opset_import[0]->version, 13);
    assert_int_equal(p->graph->n_input, 1);
    expect_shape(p->graph->input[0], "input_1:0", 1, "batch,height,width,3");
    assert_int_equal(p->graph->n_output, 2);
    expect_shape(p->graph->output[0], "paf_out/BiasAdd:0", 1, "batch,map_height,map_width,2");
    expect_shape(p->graph->output[1], "heatmap_out/BiasAdd:0", 1, "batch,map_height,map_width,1");
    const Onnx__NodeProto *in = expect(p, "input:0", "Transpose");
    expect_ints(in, "perm", (const int64_t[]){0, 3, 1, 2}, 4);
    assert_string_equal(in->input[0], "input_1:0");
    const Onnx__NodeProto *out = expect(p, "paf_out/BiasAdd:0", "Transpose");
    expect_ints(out, "perm", (const int64_t[]){0, 2, 3, 1}, 4);
    assert_string_equal(out->input[0], "paf:0");
    assert_string_equal(expect(p, "heatmap_out/BiasAdd:0", "Transpose")->input[0], "heat:0");
    expect_sound(p);
    onnx__model_proto__free_unpacked(p, NULL);
    model_free(m);
}

/* Scale 2 for the first channel, 0.5 for the second; bias 10 + (4 - 1) 2, 20 + (6 - 2) / 2. */
static void test_folding(void **state)
{
    (void)state;
    struct model *m = numbered_model();
    const struct onnx_export_options o = {0};
    Onnx__ModelProto *p = exported(m, &o);
    const Onnx__NodeProto *conv = expect(p, "norm:0", "Conv");
    assert_null(maker_of(p, "conv:0"));
    assert_int_equal(conv->n_input, 3);
    assert_string_equal(conv->input[0], "input:0");
    assert_string_equal(conv->input[1], "conv/kernel");
    assert_string_equal(conv->input[2], "conv/bias");
    float w[24];
    for (int i = 0; i < 24; i++) { /* (CO, CI, KH, KW) */
        const int kx = i % 2, ky = i / 2 % 2, ci = i / 4 % 3, co = i / 12;
        w[i] = (float)(1000 * ky + 100 * kx + 10 * ci + co + 1) * (co == 0 ? 2.0F : 0.5F);
    }
    expect_dims(constant(p, "conv/kernel"), (const int64_t[]){2, 3, 2, 2}, 4);
    expect_floats(constant(p, "conv/kernel"), w, 24);
    expect_floats(constant(p, "conv/bias"), (const float[]){16, 22}, 2);
    assert_string_equal(expect(p, "relu:0", "Relu")->input[0], "norm:0");
    const Onnx__NodeProto *heat = expect(p, "heat:0", "Conv");
    assert_int_equal(heat->n_input, 2); /* it has no bias */
    expect_floats(constant(p, "heat/kernel"), (const float[]){0.5F, -1.0F}, 2);
    expect_floats(constant(p, "paf/bias"), (const float[]){7, 8}, 2);
    onnx__model_proto__free_unpacked(p, NULL);
    model_free(m);
}

static void test_norms_kept(void **state)
{
    (void)state;
    struct model *m = numbered_model();
    const struct onnx_export_options o = {.keep_norms = true};
    Onnx__ModelProto *p = exported(m, &o);
    const Onnx__NodeProto *norm = expect(p, "norm:0", "BatchNormalization");
    assert_string_equal(expect(p, "conv:0", "Conv")->output[0], norm->input[0]);
    assert_true(attribute(norm, "epsilon")->f == 0.25F);
    const char *const names[] = {"norm/gamma", "norm/beta", "norm/mean", "norm/variance"};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(norm->input[i + 1], names[i]);
    expect_floats(constant(p, "norm/mean"), (const float[]){1, 2}, 2);
    expect_floats(constant(p, "conv/bias"), (const float[]){4, 6}, 2);
    onnx__model_proto__free_unpacked(p, NULL);
    model_free(m);
}

/* A second reader of the convolution needs its own map: nothing is folded. */
static void test_shared_convolution_is_not_folded(void **state)
{
    (void)state;
    struct model *m = numbered_model();
    m->graph.nodes[5].inputs[0] = 1;
    const struct onnx_export_options o = {0};
    Onnx__ModelProto *p = exported(m, &o);
    expect(p, "conv:0", "Conv");
    expect(p, "norm:0", "BatchNormalization");
    assert_string_equal(expect(p, "paf:0", "Conv")->input[0], "conv:0");
    onnx__model_proto__free_unpacked(p, NULL);
    model_free(m);
}

static void test_padding(void **state)
{
    static const struct {
        int kernel, stride, dilation;
        int before, after; /* -1: SAME_UPPER, -2: computed */
    } rows[] = {
        {1, 1, 1, 0, 0},  {3, 1, 1, 1, 1},  {2, 1, 1, 0, 1},  {3, 1, 2, 2, 2},
        {4, 1, 3, 4, 5},  {1, 2, 1, 0, 0},  {1, 2, 2, 0, 0},  {3, 2, 1, -1, 0},
        {7, 2, 1, -1, 0}, {2, 2, 1, -1, 0}, {2, 3, 1, -2, 0}, {3, 2, 2, -2, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct model *m = small_model(rows[i].kernel, rows[i].stride, rows[i].dilation);
        const struct onnx_export_options o = {0};
        Onnx__ModelProto *p = exported(m, &o);
        const Onnx__NodeProto *conv = expect(p, "norm:0", "Conv");
        const int64_t before = rows[i].before, after = rows[i].after;
        expect_ints(conv, "kernel_shape", (const int64_t[]){rows[i].kernel, rows[i].kernel}, 2);
        expect_ints(conv, "strides", (const int64_t[]){rows[i].stride, rows[i].stride}, 2);
        expect_ints(conv, "dilations", (const int64_t[]){rows[i].dilation, rows[i].dilation}, 2);
        if (before >= 0)
            expect_ints(conv, "pads", (const int64_t[]){before, before, after, after}, 4);
        else
            assert_null(attribute(conv, "pads"));
        const Onnx__AttributeProto *automatic = attribute(conv, "auto_pad");
        assert_int_equal(automatic != NULL, before == -1);
        if (automatic) {
            assert_int_equal(automatic->s.len, strlen("SAME_UPPER"));
            assert_memory_equal(automatic->s.data, "SAME_UPPER", strlen("SAME_UPPER"));
        }
        assert_int_equal(count_ops(p, "Pad"), before == -2);
        expect_sound(p);
        onnx__model_proto__free_unpacked(p, NULL);
        model_free(m);
    }
}

static void test_layout_and_sizes(void **state)
{
    (void)state;
    struct model *m = small_model(3, 2, 1);
    const struct onnx_export_options o = {
        .layout = ONNX_NCHW, .batch = 4, .h = 9, .w = 14, .fixed_size = true};
    Onnx__ModelProto *p = exported(m, &o);
    expect_shape(p->graph->input[0], "input_1:0", 1, "4,3,9,14");
    expect_shape(p->graph->output[0], "paf_out/BiasAdd:0", 1, "4,2,5,7");
    expect_shape(p->graph->output[1], "heatmap_out/BiasAdd:0", 1, "4,1,5,7");
    assert_int_equal(count_ops(p, "Transpose"), 0);
    assert_string_equal(expect(p, "norm:0", "Conv")->input[0], "input_1:0");
    assert_string_equal(metadata(p, "input_size"), "9,14");
    expect_sound(p);
    onnx__model_proto__free_unpacked(p, NULL);
    model_free(m);
}

static void test_sdk(void **state)
{
    (void)state;
    struct model *m = small_model(3, 2, 1);
    const struct onnx_export_options o = {.paf_upsample = 3};
    Onnx__ModelProto *p = exported(m, &o);
    expect_shape(p->graph->output[0], "conv2d_transpose_1/BiasAdd:0", 1,
                 "batch,paf_height,paf_width,2");
    expect_shape(p->graph->output[1], "heatmap_out/BiasAdd:0", 1, "batch,map_height,map_width,1");
    const Onnx__NodeProto *out = expect(p, "conv2d_transpose_1/BiasAdd:0", "Transpose");
    const Onnx__NodeProto *up = expect(p, out->input[0], "ConvTranspose");
    expect_ints(up, "kernel_shape", (const int64_t[]){3, 3}, 2);
    expect_ints(up, "strides", (const int64_t[]){3, 3}, 2);
    const Onnx__TensorProto *w = constant(p, up->input[1]);
    float diagonal[36];
    for (int i = 0; i < 36; i++)
        diagonal[i] = i / 9 == 0 || i / 9 == 3 ? 1.0F : 0.0F;
    expect_dims(w, (const int64_t[]){2, 2, 3, 3}, 4);
    expect_floats(w, diagonal, 36);
    expect_floats(constant(p, up->input[2]), (const float[]){0, 0}, 2);
    assert_string_equal(metadata(p, "paf_upsample"), "3");
    expect_sound(p);
    onnx__model_proto__free_unpacked(p, NULL);
    model_free(m);
}

static void test_pixels(void **state)
{
    (void)state;
    struct model *m = small_model(3, 2, 1);
    struct onnx_export_options o = {.input = ONNX_PIXELS_U8};
    Onnx__ModelProto *p = exported(m, &o);
    expect_shape(p->graph->input[0], "input_1:0", 2, "batch,height,width,3");
    const Onnx__NodeProto *sub = expect(p, "input:0", "Sub");
    const Onnx__NodeProto *div = expect(p, sub->input[0], "Div");
    const Onnx__NodeProto *cast = expect(p, div->input[0], "Cast");
    assert_int_equal(attribute(cast, "to")->i, 1);
    assert_string_equal(expect(p, cast->input[0], "Transpose")->input[0], "input_1:0");
    expect_floats(constant(p, div->input[1]), (const float[]){256}, 1);
    expect_floats(constant(p, sub->input[1]), (const float[]){0.5F}, 1);
    assert_string_equal(metadata(p, "normalisation"), "inside");
    onnx__model_proto__free_unpacked(p, NULL);

    o = (struct onnx_export_options){.input = ONNX_PIXELS_FLOAT, .layout = ONNX_NCHW};
    m->meta.scale[1] = 100.0F;
    p = exported(m, &o);
    expect_shape(p->graph->input[0], "input_1:0", 1, "batch,3,height,width");
    assert_int_equal(count_ops(p, "Cast"), 0);
    sub = expect(p, "input:0", "Sub");
    div = expect(p, sub->input[0], "Div");
    assert_string_equal(div->input[0], "input_1:0");
    expect_dims(constant(p, div->input[1]), (const int64_t[]){1, 3, 1, 1}, 4);
    expect_floats(constant(p, div->input[1]), (const float[]){256, 100, 256}, 3);
    onnx__model_proto__free_unpacked(p, NULL);
    model_free(m);
}

static void test_metadata(void **state)
{
    (void)state;
    struct model *m = numbered_model();
    snprintf(m->meta.description, sizeof(m->meta.description), "a test");
    struct onnx_export_options o = {.licence = "terms"};
    Onnx__ModelProto *p = exported(m, &o);
    assert_string_equal(metadata(p, "description"), "a test");
    assert_string_equal(metadata(p, "colour_order"), "RGB");
    assert_string_equal(metadata(p, "normalisation"), "outside: x / scale - offset");
    assert_string_equal(metadata(p, "scale"), "256,256,256");
    assert_string_equal(metadata(p, "offset"), "0.5,0.5,0.5");
    assert_string_equal(metadata(p, "heat_threshold"), "0.1");
    assert_string_equal(metadata(p, "paf_threshold"), "0.05");
    assert_string_equal(metadata(p, "input_size"), "16,16");
    assert_string_equal(metadata(p, "stride"), "1");
    assert_string_equal(metadata(p, "stages"), "1");
    assert_string_equal(metadata(p, "licence"), "terms");
    const char *skeleton = metadata(p, "skeleton");
    assert_non_null(strstr(skeleton, "\"type\": \"bpnet_18_joints\""));
    assert_non_null(strstr(skeleton, "\"joints\": [\"nose\", \"neck\", \"right_shoulder\","));
    assert_non_null(strstr(skeleton, "\"limbs\": [[1, 8], [8, 9],"));
    onnx__model_proto__free_unpacked(p, NULL);
    model_free(m);
}

static struct model *built(enum model_kind kind, int stages, bool attention)
{
    struct model_spec spec = default_spec(kind, stages);
    struct model *m = NULL;
    spec.width_multiplier = 0.0625;
    spec.self_attention = attention;
    assert_int_equal(model_build_graph(&m, &spec, 3), 0);
    return m;
}

/* The reference's networks: sound graphs, one convolution each, only the last stage's outputs. */
static void test_networks(void **state)
{
    static const struct {
        enum model_kind kind;
        int stages;
        bool attention;
        size_t convs;
    } rows[] = {
        {MODEL_LITE, 1, false, 19}, {MODEL_LITE, 3, false, 37},  {MODEL_LITE, 3, true, 41},
        {MODEL_FULL, 2, false, 36}, {MODEL_LIGHT, 2, false, 30},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct model *m = built(rows[i].kind, rows[i].stages, rows[i].attention);
        const struct onnx_export_options o = {0};
        Onnx__ModelProto *p = exported(m, &o);
        expect_sound(p);
        assert_int_equal(count_ops(p, "Conv"), rows[i].convs);
        assert_int_equal(count_ops(p, "BatchNormalization"), 0);
        assert_int_equal(p->graph->n_output, 2);
        onnx__model_proto__free_unpacked(p, NULL);
        model_free(m);
    }
}

static void test_random_networks(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct rng rng = rng_stream(seed, 5, 0);
        struct model *m =
            random_model((enum op)(OP_CONV + seed % (OP_COUNT - OP_CONV)), 13, 11, &rng);
        if (!m)
            continue;
        const int last = m->graph.n_nodes - 1;
        assert_int_equal(graph_set_outputs(&m->graph, (const int[]){last, 2}, 2), 0);
        const struct onnx_export_options o = {.h = 13, .w = 11};
        Onnx__ModelProto *p = exported(m, &o);
        expect_sound(p);
        onnx__model_proto__free_unpacked(p, NULL);
        model_free(m);
    }
}

static void test_same_bytes(void **state)
{
    (void)state;
    struct model *m = built(MODEL_LIGHT, 2, false);
    const struct onnx_export_options o = {0};
    struct file_view first = {0}, second = {0};
    assert_int_equal(onnx_export(m, &o, "test_export.first.onnx"), 0);
    assert_int_equal(onnx_export(m, &o, path), 0);
    assert_int_equal(file_view_open(&first, "test_export.first.onnx", SIZE_MAX), 0);
    assert_int_equal(file_view_open(&second, path, SIZE_MAX), 0);
    assert_int_equal(first.size, second.size);
    assert_memory_equal(first.bytes, second.bytes, first.size);
    file_view_close(&first);
    file_view_close(&second);
    remove("test_export.first.onnx");
    model_free(m);
}

/* ---- 8 bits -------------------------------------------------------------------------------- */

static void test_ranges(void **state)
{
    (void)state;
    struct model *m = numbered_model();
    set(param(m, "heat/kernel"), 2.54F, -1.0F);
    const struct onnx_range maps[] = {{"input", 1.0F / 256.0F, 128}, {"relu", 0.25F, 0}};
    const int8_t paf[] = {1, -2, 3, -4}; /* (1, 1, CI, CO) */
    const float paf_scale[] = {0.5F, 2.0F};
    const struct onnx_weights convs[] = {
        {.node = "conv"}, {.node = "heat"}, {.node = "paf", .kernel = paf, .scale = paf_scale}};
    const struct onnx_ranges ranges = {maps, 2, convs, 3};
    const struct onnx_export_options o = {.ranges = &ranges};
    Onnx__ModelProto *p = exported(m, &o);
    expect_sound(p);
    /* Maps: rounded once, and all readers read that. */
    const Onnx__NodeProto *back = expect(p, "relu/rounded", "DequantizeLinear");
    const Onnx__NodeProto *steps = expect(p, back->input[0], "QuantizeLinear");
    assert_string_equal(steps->input[0], "relu:0");
    assert_string_equal(steps->input[1], back->input[1]);
    expect_floats(constant(p, back->input[1]), (const float[]){0.25F}, 1);
    assert_int_equal(constant(p, back->input[2])->data_type, ONNX__TENSOR_PROTO__DATA_TYPE__UINT8);
    assert_int_equal(constant(p, back->input[2])->raw_data.data[0], 0);
    assert_string_equal(expect(p, "heat:0", "Conv")->input[0], "relu/rounded");
    assert_string_equal(expect(p, "norm:0", "Conv")->input[0], "input/rounded");
    /* Given weights, in ONNX's order. */
    const Onnx__NodeProto *w = expect(p, expect(p, "paf:0", "Conv")->input[1], "DequantizeLinear");
    assert_int_equal(attribute(w, "axis")->i, 0);
    assert_int_equal(constant(p, "paf/kernel")->data_type, ONNX__TENSOR_PROTO__DATA_TYPE__INT8);
    assert_memory_equal(constant(p, "paf/kernel")->raw_data.data, ((const int8_t[]){1, 3, -2, -4}),
                        4);
    expect_floats(constant(p, w->input[1]), paf_scale, 2);
    /* Bias 7, 8 in steps of 0.25 times the weights' scales. */
    const Onnx__NodeProto *b = expect(p, expect(p, "paf:0", "Conv")->input[2], "DequantizeLinear");
    expect_floats(constant(p, b->input[1]), (const float[]){0.125F, 0.5F}, 2);
    assert_memory_equal(constant(p, "paf/bias")->raw_data.data, ((const int32_t[]){56, 16}), 8);
    /* Rounded here: 2.54 / 127 = 0.02. */
    assert_memory_equal(constant(p, "heat/kernel")->raw_data.data, ((const int8_t[]){127, -50}), 2);
    onnx__model_proto__free_unpacked(p, NULL);
    model_free(m);
}

/* Bytes that are the quantised input already go straight in. */
static void test_ranges_of_pixels(void **state)
{
    (void)state;
    struct model *m = numbered_model();
    const struct onnx_range maps[] = {{"input", 1.0F / 256.0F, 128}};
    const struct onnx_ranges ranges = {maps, 1, NULL, 0};
    const struct onnx_export_options o = {.input = ONNX_PIXELS_U8, .ranges = &ranges};
    Onnx__ModelProto *p = exported(m, &o);
    const Onnx__NodeProto *in = expect(p, "input:0", "DequantizeLinear");
    assert_int_equal(constant(p, in->input[2])->raw_data.data[0], 128);
    assert_string_equal(expect(p, in->input[0], "Transpose")->input[0], "input_1:0");
    assert_int_equal(count_ops(p, "Cast") + count_ops(p, "QuantizeLinear"), 0);
    onnx__model_proto__free_unpacked(p, NULL);
    model_free(m);
}

/* Weights rounded after multiplication with the input's own scales are divided again. */
static void test_scales_of_inputs(void **state)
{
    (void)state;
    struct model *m = numbered_model();
    const struct onnx_range maps[] = {{"relu", 0.25F, 0}};
    const int8_t w[] = {1, -2};
    const float scale[] = {0.5F}, input_scale[] = {0.5F, 4.0F};
    const struct onnx_weights convs[] = {
        {.node = "heat", .kernel = w, .scale = scale, .input_scale = input_scale}};
    const struct onnx_ranges ranges = {maps, 1, convs, 1};
    const struct onnx_export_options o = {.ranges = &ranges};
    Onnx__ModelProto *p = exported(m, &o);
    const Onnx__NodeProto *mul = expect(p, expect(p, "heat:0", "Conv")->input[1], "Mul");
    expect(p, mul->input[0], "DequantizeLinear");
    expect_dims(constant(p, mul->input[1]), (const int64_t[]){1, 2, 1, 1}, 4);
    expect_floats(constant(p, mul->input[1]), (const float[]){2.0F, 0.25F}, 2);
    expect_sound(p);
    onnx__model_proto__free_unpacked(p, NULL);
    model_free(m);
}

/* ---- failures ------------------------------------------------------------------------------ */

static void expect_failure(const struct model *m, const struct onnx_export_options *o,
                           const char *to, int code, const char *part)
{
    assert_int_equal(onnx_export(m, o, to), code);
    if (!strstr(error_message(), part))
        fail_msg("'%s' does not say '%s'", error_message(), part);
    assert_false(file_exists(to));
}

static void test_failures(void **state)
{
    (void)state;
    struct model *m = numbered_model();
    struct onnx_export_options o = {.batch = -1};
    remove(path);
    expect_failure(m, &o, path, BPNET_EUSAGE, "batches of -1");
    o = (struct onnx_export_options){.h = 5};
    expect_failure(m, &o, path, BPNET_EUSAGE, "5 x 0");
    o = (struct onnx_export_options){.paf_upsample = 33};
    expect_failure(m, &o, path, BPNET_EUSAGE, "enlarged 33 times");
    o = (struct onnx_export_options){0};
    expect_failure(m, &o, "no/such/folder.onnx", BPNET_ECREATE, "no/such/folder.onnx");
    assert_int_equal(graph_set_outputs(&m->graph, (const int[]){4, 5, 3}, 3), 0);
    expect_failure(m, &o, path, BPNET_EUNSUPPORTED, "3 outputs");
    assert_int_equal(graph_set_outputs(&m->graph, (const int[]){4, 4}, 2), 0);
    expect_failure(m, &o, path, BPNET_EUNSUPPORTED, "'heat'");
    model_free(m);
}

static void test_bad_ranges(void **state)
{
    static const struct {
        struct onnx_range maps[2];
        size_t n_maps;
        const char *message;
    } rows[] = {
        {{{"nowhere", 1.0F, 0}}, 1, "'nowhere': the network has no such layer"},
        {{{"relu", 1.0F, 0}, {"relu", 1.0F, 0}}, 2, "'relu' has two ranges"},
        {{{"relu", 0.0F, 0}}, 1, "'relu': scale 0, zero 0"},
        {{{"relu", __builtin_nanf(""), 0}}, 1, "'relu': scale nan"},
        {{{"relu", 1.0F, 256}}, 1, "zero 256"},
    };
    (void)state;
    struct model *m = numbered_model();
    remove(path);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct onnx_ranges ranges = {.maps = rows[i].maps, .n_maps = rows[i].n_maps};
        const struct onnx_export_options o = {.ranges = &ranges};
        expect_failure(m, &o, path, BPNET_EUSAGE, rows[i].message);
    }
    const int8_t w[4] = {0};
    const float scale[] = {1.0F, -1.0F};
    const struct onnx_weights convs[] = {{.node = "relu"},
                                         {.node = "paf", .kernel = w, .scale = scale}};
    for (size_t i = 0; i < 2; i++) {
        const struct onnx_ranges ranges = {.convs = &convs[i], .n_convs = 1};
        const struct onnx_export_options o = {.ranges = &ranges};
        expect_failure(m, &o, path, BPNET_EUSAGE,
                       i == 0 ? "'relu': the network has no such convolution" : "of channel 1");
    }
    model_free(m);
}

/* The names of the interface belong to it, whatever the network's layers are called. */
static void test_names_in_the_way(void **state)
{
    (void)state;
    struct model *m = numbered_model();
    snprintf(m->graph.nodes[0].name, GRAPH_NAME_SIZE, "input_1");
    snprintf(m->graph.nodes[3].name, GRAPH_NAME_SIZE, "paf_out/BiasAdd");
    snprintf(m->graph.nodes[5].name, GRAPH_NAME_SIZE, "heatmap_out/BiasAdd");
    const struct onnx_export_options o = {.input = ONNX_PIXELS_U8};
    Onnx__ModelProto *p = exported(m, &o);
    expect_sound(p);
    assert_string_equal(expect(p, "paf_out/BiasAdd:0", "Transpose")->input[0],
                        "heatmap_out/BiasAdd:inner");
    onnx__model_proto__free_unpacked(p, NULL);
    model_free(m);
}

static int remove_file(void **state)
{
    (void)state;
    remove(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interface),
        cmocka_unit_test(test_folding),
        cmocka_unit_test(test_norms_kept),
        cmocka_unit_test(test_shared_convolution_is_not_folded),
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_layout_and_sizes),
        cmocka_unit_test(test_sdk),
        cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_networks),
        cmocka_unit_test(test_random_networks),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_ranges_of_pixels),
        cmocka_unit_test(test_scales_of_inputs),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_bad_ranges),
        cmocka_unit_test(test_names_in_the_way),
    };
    return cmocka_run_group_tests(tests, NULL, remove_file);
}
