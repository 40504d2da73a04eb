/*
 * The networks of spec 6: parameters, convolutions and multiply-accumulates against the numbers
 * that the reference's own calculator gives (they include the six totals that the reference's unit
 * tests assert), names, outputs, regularisation, first values.
 */
#include "base/error.h"
#include "networks.h"
#include "nn/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct model *build(const struct model_spec *spec)
{
    struct model *m = NULL;
    if (model_build_shape(&m, spec) < 0)
        fail_msg("%s", error_message());
    return m;
}

static struct model *build_initialized(const struct model_spec *spec)
{
    struct model *m = NULL;
    if (model_build_graph(&m, spec, 42) < 0)
        fail_msg("%s", error_message());
    return m;
}

static int count_convs(const struct graph *g)
{
    int n = 0;
    for (int i = 0; i < g->n_nodes; i++)
        n += g->nodes[i].op == OP_CONV;
    return n;
}

/* ---- totals ------------------------------------------------------------------------------ */

static const int sizes[5][2] = {{256, 256}, {224, 320}, {288, 384}, {320, 448}, {368, 368}};

static const struct total {
    enum model_kind kind;
    int stages;
    size_t params;
    int convs;
    int64_t macs[5];
} totals[] = {
    {MODEL_LITE, 1, 7952633, 19, {20359675904, 22268395520, 34356953088, 44536791040, 42071361536}},
    {MODEL_LITE,
     2,
     12365234,
     28,
     {24877203456, 27209441280, 41980280832, 54418882560, 51406408704}},
    {MODEL_LITE,
     3,
     16777835,
     37,
     {29394731008, 32150487040, 49603608576, 64300974080, 60741455872}},
    {MODEL_LITE,
     4,
     21190436,
     46,
     {33912258560, 37091532800, 57226936320, 74183065600, 70076503040}},
    {MODEL_LITE,
     5,
     25603037,
     55,
     {38429786112, 42032578560, 64850264064, 84065157120, 79411550208}},
    {MODEL_LITE,
     6,
     30015638,
     64,
     {42947313664, 46973624320, 72473591808, 93947248640, 88746597376}},
    {MODEL_LITE,
     7,
     34428239,
     73,
     {47464841216, 51914670080, 80096919552, 103829340160, 98081644544}},
    {MODEL_FULL, 1, 8395385, 22, {20812660736, 22763847680, 35121364992, 45527695360, 43007412224}},
    {MODEL_FULL,
     2,
     17180210,
     36,
     {29806690304, 32601067520, 50298789888, 65202135040, 61592731136}},
    {MODEL_FULL,
     3,
     25965035,
     50,
     {38800719872, 42438287360, 65476214784, 84876574720, 80178050048}},
    {MODEL_FULL,
     4,
     34749860,
     64,
     {47794749440, 52275507200, 80653639680, 104551014400, 98763368960}},
    {MODEL_FULL,
     5,
     43534685,
     78,
     {56788779008, 62112727040, 95831064576, 124225454080, 117348687872}},
    {MODEL_FULL,
     6,
     52319510,
     92,
     {65782808576, 71949946880, 111008489472, 143899893760, 135934006784}},
    {MODEL_FULL,
     7,
     61104335,
     106,
     {74776838144, 81787166720, 126185914368, 163574333440, 154519325696}},
};

static void test_totals(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof totals / sizeof totals[0]; i++) {
        const struct total *t = &totals[i];
        const struct model_spec spec = default_spec(t->kind, t->stages);
        struct model *m = build(&spec);
        assert_int_equal(params_total(&m->params), t->params);
        assert_int_equal(count_convs(&m->graph), t->convs);
        assert_int_equal(m->meta.stride, 8);
        for (int k = 0; k < 5; k++)
            assert_int_equal(graph_macs(&m->graph, sizes[k][0], sizes[k][1], NULL), t->macs[k]);
        model_free(m);
    }
}

static void test_parts(void **state)
{
    (void)state;
    const struct model_spec spec = default_spec(MODEL_LITE, 3);
    struct model *m = build(&spec);
    size_t backbone = 0, norms = 0, reduction = 0, stages[3] = {0};
    for (int i = 0; i < m->params.n; i++) {
        const struct param *p = &m->params.list[i];
        const char *name = p->name;
        if (strncmp(name, "block_", 6) == 0)
            backbone += p->count;
        else if (strncmp(name, "channel_reduction_conv", 22) == 0)
            reduction += p->count;
        else if (strncmp(name, "stage", 5) == 0)
            stages[name[5] - '1'] += p->count;
        else
            stages[2] += p->count; /* paf_out, heatmap_out */
        if (p->role >= PARAM_GAMMA)
            norms += p->count;
    }
    assert_int_equal(backbone, 7053504);
    assert_int_equal(reduction, 295040);
    assert_int_equal(stages[0], 604089);
    assert_int_equal(stages[1], 4412601);
    assert_int_equal(stages[2], 4412601);
    assert_int_equal(norms, 10752);
    assert_int_equal(params_trainable(&m->params), 16772459);
    model_free(m);
}

static void test_attention(void **state)
{
    (void)state;
    static const struct {
        enum model_kind kind;
        size_t params;
    } rows[] = {{MODEL_LITE, 17368171}, {MODEL_FULL, 26555371}};
    for (int i = 0; i < 2; i++) {
        struct model_spec spec = default_spec(rows[i].kind, 3);
        spec.self_attention = true;
        struct model *m = build(&spec);
        assert_int_equal(params_total(&m->params), rows[i].params);
        const int heat = graph_find(&m->graph, "stage2/heat_branch/attention_sigmoid");
        const int paf = graph_find(&m->graph, "stage3/paf_branch/attention_tanh");
        assert_true(heat > 0 && paf > 0);
        assert_int_equal(m->graph.nodes[heat].act, ACT_SIGMOID);
        assert_int_equal(m->graph.nodes[paf].act, ACT_TANH);
        model_free(m);
    }
}

/* The reference's unit tests, with HelNet without batch norm (and so with biases). */
static void test_helnet_checks(void **state)
{
    (void)state;
    static const struct {
        enum model_kind kind;
        int layers, stages;
        size_t params;
        int convs;
    } rows[] = {{MODEL_LITE, 18, 3, 12463531, 39}, {MODEL_FULL, 10, 6, 46456022, 88}};
    for (int i = 0; i < 2; i++) {
        struct model_spec spec = default_spec(rows[i].kind, rows[i].stages);
        spec.backbone = BACKBONE_HELNET;
        spec.backbone_layers = rows[i].layers;
        spec.helnet = HELNET_S8_3RD;
        spec.backbone_bias = true;
        spec.backbone_batch_norm = false;
        struct model *m = build(&spec);
        assert_int_equal(params_total(&m->params), rows[i].params);
        assert_int_equal(count_convs(&m->graph), rows[i].convs);
        model_free(m);
    }
}

/* Millions of parameters and GMAC at 288x384, to two decimals. */
static void test_helnet_table(void **state)
{
    (void)state;
    static const struct {
        int layers;
        double params, gmac[3];
    } rows[] = {
        {6, 10.14, {4.97, 17.95, 19.88}},  {10, 10.91, {5.73, 19.48, 22.93}},
        {12, 12.09, {6.24, 21.52, 24.97}}, {18, 12.46, {7.26, 22.54, 29.05}},
        {26, 14.31, {9.30, 26.10, 37.20}}, {34, 17.85, {10.83, 32.22, 43.32}},
    };
    static const enum helnet_type types[2][3] = {
        {HELNET_DEFAULT, HELNET_S8_3RD, HELNET_S8_1ST},
        {HELNET_DEFAULT, HELNET_S8_3RD_DILATED, HELNET_S8_1ST_DILATED}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        for (int k = 0; k < 6; k++) {
            struct model_spec spec = default_spec(MODEL_LITE, 3);
            spec.backbone = BACKBONE_HELNET;
            spec.backbone_layers = rows[i].layers;
            spec.helnet = types[k / 3][k % 3];
            struct model *m = build(&spec);
            const double macs = (double)graph_macs(&m->graph, 288, 384, NULL);
            assert_true(fabs(macs * 1e-9 - rows[i].gmac[k % 3]) <= 0.005001);
            assert_true(fabs((double)params_total(&m->params) * 1e-6 - rows[i].params) < 0.015);
            assert_int_equal(m->meta.stride, k % 3 == 0 ? 16 : 8);
            model_free(m);
        }
    }
}

static void test_dilated_helnet(void **state)
{
    (void)state;
    struct model_spec spec = default_spec(MODEL_LITE, 1);
    spec.backbone = BACKBONE_HELNET;
    spec.backbone_layers = 26;
    spec.helnet = HELNET_S8_3RD_DILATED;
    struct model *m = build(&spec);
    const struct node *nodes = m->graph.nodes;
    assert_int_equal(nodes[graph_find(&m->graph, "block_3a_conv_1")].dilation, 2);
    assert_int_equal(nodes[graph_find(&m->graph, "block_3b_conv_1")].dilation, 2);
    assert_int_equal(nodes[graph_find(&m->graph, "block_3b_conv_2")].dilation, 1);
    assert_int_equal(nodes[graph_find(&m->graph, "conv1")].dilation, 1);
    model_free(m);
    spec.helnet = HELNET_S8_1ST_DILATED;
    m = build(&spec);
    assert_int_equal(m->graph.nodes[graph_find(&m->graph, "conv1")].dilation, 2);
    assert_int_equal(m->graph.nodes[graph_find(&m->graph, "block_3a_conv_1")].dilation, 1);
    model_free(m);
}

/* Trunks of He et al. without the classifier: 11.18 M for 18 layers, 23.51 M for 50, known to all.
 */
static void test_resnet(void **state)
{
    (void)state;
    static const struct {
        int layers;
        size_t trunk;
    } rows[] = {{18, 11176512}, {34, 21284672}, {50, 23508032}};
    for (int i = 0; i < 3; i++) {
        struct model_spec spec = default_spec(MODEL_LITE, 1);
        spec.backbone = BACKBONE_RESNET;
        spec.backbone_layers = rows[i].layers;
        struct model *m = build(&spec);
        size_t trunk = 0;
        for (int k = 0; k < m->params.n; k++) {
            const struct param *p = &m->params.list[k];
            const bool statistic = p->role == PARAM_MEAN || p->role == PARAM_VARIANCE;
            if (strncmp(p->name, "stage", 5) != 0 && strncmp(p->name, "channel_", 8) != 0)
                trunk += statistic ? 0 : p->count;
        }
        assert_int_equal(trunk, rows[i].trunk);
        assert_int_equal(m->meta.stride, 32);
        model_free(m);
    }
}

/* ---- the light network ------------------------------------------------------------------- */

static void test_light(void **state)
{
    (void)state;
    struct model_spec spec = default_spec(MODEL_LIGHT, 2);
    struct model *m = build(&spec);
    assert_true(params_total(&m->params) <= 2000000);
    assert_true(graph_macs(&m->graph, 256, 256, NULL) <= 1500000000);
    assert_int_equal(m->meta.stride, 8);
    for (int i = 0; i < m->graph.n_nodes; i++) {
        const struct node *n = &m->graph.nodes[i];
        const bool out = strstr(n->name, "out") != NULL;
        if (n->op == OP_CONV) {
            assert_true(out || n->channels % 16 == 0);
            assert_int_equal(n->bias, out);
        }
    }
    model_free(m);
    spec.width_multiplier = 0.7; /* 16, 32, 64, 96, 128 become 8 round(2.. ) */
    m = build(&spec);
    assert_int_equal(m->graph.nodes[graph_find(&m->graph, "block_1a_conv_1")].channels, 8);
    assert_int_equal(m->graph.nodes[graph_find(&m->graph, "block_2a_conv_1")].channels, 24);
    assert_int_equal(m->graph.nodes[graph_find(&m->graph, "block_3a_conv_1")].channels, 48);
    assert_int_equal(m->graph.nodes[graph_find(&m->graph, "block_4a_conv_1")].channels, 88);
    assert_int_equal(m->graph.nodes[graph_find(&m->graph, "features")].channels, 64);
    assert_int_equal(m->graph.nodes[graph_find(&m->graph, "paf_out")].channels, 38);
    model_free(m);
}

/* Any input size works, and the maps are ceil(n / 8). */
static void test_light_sizes(void **state)
{
    (void)state;
    struct model_spec spec = default_spec(MODEL_LIGHT, 3);
    struct model *m = build(&spec);
    int(*hw)[2] = malloc((size_t)m->graph.n_nodes * sizeof *hw);
    for (int h = 1; h < 70; h += 3) {
        for (int w = 1; w < 70; w++) {
            assert_int_equal(graph_infer(&m->graph, h, w, hw), 0);
            for (int k = 0; k < m->graph.n_outputs; k++) {
                assert_int_equal(hw[m->graph.outputs[k]][0], (h + 7) / 8);
                assert_int_equal(hw[m->graph.outputs[k]][1], (w + 7) / 8);
            }
        }
    }
    free(hw);
    model_free(m);
}

/* ---- names and attributes ---------------------------------------------------------------- */

static void assert_outputs(const struct model *m, const char *const *names, int n)
{
    assert_int_equal(m->graph.n_outputs, n);
    for (int k = 0; k < n; k++)
        assert_string_equal(m->graph.nodes[m->graph.outputs[k]].name, names[k]);
}

static void test_output_names(void **state)
{
    (void)state;
    static const char *const three[] = {
        "stage1/heat_branch/out", "stage2/heat_branch/out", "heatmap_out",
        "stage1/paf_branch/out",  "stage2/paf_branch/out",  "paf_out"};
    static const char *const one[] = {"stage1/heat_branch/out", "stage1/paf_branch/out"};
    for (int kind = MODEL_LITE; kind <= MODEL_LIGHT; kind++) {
        struct model_spec spec = default_spec((enum model_kind)kind, 3);
        struct model *m = build(&spec);
        assert_outputs(m, three, 6);
        model_free(m);
        spec.stages = 1;
        m = build(&spec);
        assert_outputs(m, one, 2);
        model_free(m);
    }
}

static void test_layer_names(void **state)
{
    (void)state;
    static const char *const lite[] = {
        "block_1a_conv_1", "block_1a_bn_1", "block_1a_relu_1",         "block_3a_conv_4",
        "block_6a_bn_1",   "stage1/conv3",  "channel_reduction_conv",  "stage1/paf_branch/conv4",
        "stage2/conv5",    "stage2/concat", "stage3/heat_branch/conv6"};
    static const char *const full[] = {"stage1/heat_branch/conv1", "stage3/paf_branch/conv6"};
    struct model_spec spec = default_spec(MODEL_LITE, 3);
    struct model *m = build(&spec);
    for (size_t i = 0; i < sizeof lite / sizeof lite[0]; i++)
        assert_true(graph_find(&m->graph, lite[i]) > 0);
    const struct node *concat = &m->graph.nodes[graph_find(&m->graph, "stage2/concat")];
    assert_int_equal(concat->channels, 185);
    assert_string_equal(m->graph.nodes[concat->inputs[0]].name, "channel_reduction_conv_relu");
    assert_string_equal(m->graph.nodes[concat->inputs[1]].name, "stage1/heat_branch/out");
    assert_string_equal(m->graph.nodes[concat->inputs[2]].name, "stage1/paf_branch/out");
    assert_true(param_find(&m->params, "block_1a_bn_1/variance") >= 0);
    assert_true(param_find(&m->params, "block_1a_conv_1/bias") < 0);
    assert_true(param_find(&m->params, "stage1/conv1/bias") >= 0);
    model_free(m);
    spec.kind = MODEL_FULL;
    m = build(&spec);
    for (size_t i = 0; i < sizeof full / sizeof full[0]; i++)
        assert_true(graph_find(&m->graph, full[i]) > 0);
    model_free(m);
}

static void test_kernel_lists(void **state)
{
    (void)state;
    struct model_spec spec = default_spec(MODEL_LITE, 2);
    spec.n_stage1_kernels = 2;
    spec.stage1_kernels[1] = 5;
    spec.n_stage_t_kernels = 1;
    spec.stage_t_kernels[0] = 9;
    struct model *m = build(&spec);
    assert_int_equal(m->graph.nodes[graph_find(&m->graph, "stage1/conv2")].kernel, 5);
    assert_int_equal(m->graph.nodes[graph_find(&m->graph, "stage1/paf_branch/conv3")].kernel, 1);
    assert_int_equal(m->graph.nodes[graph_find(&m->graph, "stage2/conv1")].kernel, 9);
    assert_int_equal(m->graph.nodes[graph_find(&m->graph, "stage2/paf_branch/conv2")].kernel, 1);
    model_free(m);
}

static const struct node *find_node(const struct model *m, const char *name)
{
    const int i = graph_find(&m->graph, name);
    assert_true(i >= 0);
    return &m->graph.nodes[i];
}

static void test_learning_rates(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        float kernel, bias;
    } rows[] = {
        {"block_2a_conv_1", 1, 2}, {"channel_reduction_conv", 1, 2},
        {"stage1/conv1", 1, 2},    {"stage1/paf_branch/out", 1, 2},
        {"stage2/conv3", 4, 8},    {"stage2/heat_branch/out", 4, 8},
        {"paf_out", 4, 8},         {"heatmap_out", 4, 8},
    };
    const struct model_spec spec = default_spec(MODEL_LITE, 3);
    struct model *m = build(&spec);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_float_equal(find_node(m, rows[i].name)->kernel_lr, rows[i].kernel, 0);
        assert_float_equal(find_node(m, rows[i].name)->bias_lr, rows[i].bias, 0);
    }
    model_free(m);
}

/* Both factors of l1_l2 are the spec's; HelNet and ResNet are not regularised, heads are. */
static void test_regularization(void **state)
{
    (void)state;
    struct model_spec spec = default_spec(MODEL_LITE, 2);
    spec.regularization = REGULARIZE_L1_L2;
    spec.kernel_regularization = 0.5;
    spec.bias_regularization = 0.25;
    struct model *m = build(&spec);
    const struct node *n = find_node(m, "block_1a_conv_1");
    assert_true(n->l1 == 0.5F && n->l2 == 0.5F && n->bias_l1 == 0.25F && n->bias_l2 == 0.25F);
    model_free(m);
    spec.regularization = REGULARIZE_L2;
    spec.backbone = BACKBONE_HELNET;
    spec.backbone_layers = 6;
    m = build(&spec);
    n = find_node(m, "block_1a_conv_1");
    assert_true(n->l1 == 0.0F && n->l2 == 0.0F);
    n = find_node(m, "stage2/conv1");
    assert_true(n->l1 == 0.0F && n->l2 == 0.5F && n->bias_l1 == 0.0F && n->bias_l2 == 0.25F);
    model_free(m);
}

/* ---- first values ------------------------------------------------------------------------ */

static void moments(const struct model *m, const char *name, double *mean, double *deviation,
                    double *largest)
{
    const int i = param_find(&m->params, name);
    assert_true(i >= 0);
    const struct param *p = &m->params.list[i];
    double sum = 0, squares = 0;
    *largest = 0;
    for (size_t k = 0; k < p->count; k++) {
        const double v = (double)m->params.value[p->offset + k];
        sum += v;
        squares += v * v;
        *largest = fmax(*largest, fabs(v));
    }
    *mean = sum / (double)p->count;
    *deviation = sqrt(squares / (double)p->count - *mean * *mean);
}

static void assert_near(double value, double expected, double relative)
{
    assert_true(fabs(value - expected) <= relative * fabs(expected));
}

/* The reference's kind of network, with few weights. */
static struct model_spec small_spec(void)
{
    struct model_spec spec = default_spec(MODEL_LITE, 2);
    spec.backbone = BACKBONE_HELNET;
    spec.backbone_layers = 10;
    spec.n_stage_t_kernels = 2;
    return spec;
}

static void test_initialization(void **state)
{
    (void)state;
    double mean, deviation, largest;
    struct model_spec spec = small_spec();
    struct model *m = build_initialized(&spec);
    const double limit = sqrt(6.0 / (9 * 64 + 9 * 64)); /* Glorot's */
    moments(m, "block_1a_conv_2/kernel", &mean, &deviation, &largest);
    assert_near(deviation, limit / sqrt(3.0), 0.01);
    assert_true(largest <= limit && largest > 0.999 * limit && fabs(mean) < 0.02 * limit);
    moments(m, "stage2/conv2/kernel", &mean, &deviation, &largest);
    assert_near(deviation, 0.01, 0.01);
    assert_true(largest > 0.035);
    moments(m, "stage2/conv2/bias", &mean, &deviation, &largest);
    assert_true(largest == 0.0);
    moments(m, "block_1a_bn_1/gamma", &mean, &deviation, &largest);
    assert_true(mean == 1.0 && deviation == 0.0);
    moments(m, "block_1a_bn_1/variance", &mean, &deviation, &largest);
    assert_true(mean == 1.0 && deviation == 0.0);
    moments(m, "block_1a_bn_1/mean", &mean, &deviation, &largest);
    assert_true(largest == 0.0);
    model_free(m);

    spec.initializer = INIT_XAVIER;
    m = build_initialized(&spec);
    moments(m, "stage2/conv2/kernel", &mean, &deviation, &largest);
    assert_near(deviation, sqrt(2.0 / (2 * 49 * 128)), 0.01);
    model_free(m);

    spec = default_spec(MODEL_LIGHT, 2);
    spec.initializer = INIT_HE;
    m = build_initialized(&spec);
    moments(m, "features/kernel", &mean, &deviation, &largest);
    assert_near(deviation, sqrt(2.0 / (9 * 96)), 0.02);
    moments(m, "paf_out/kernel", &mean, &deviation, &largest);
    assert_near(deviation, 0.01, 0.05);
    model_free(m);
}

/* One seed, one network; another seed, another. */
static void test_seed(void **state)
{
    (void)state;
    const struct model_spec spec = default_spec(MODEL_LIGHT, 1);
    char hash[3][33];
    for (int i = 0; i < 3; i++) {
        struct model *m;
        assert_int_equal(model_build_graph(&m, &spec, i == 2 ? 43 : 42), 0);
        params_hash(&m->params, hash[i]);
        model_free(m);
    }
    assert_string_equal(hash[0], hash[1]);
    assert_string_not_equal(hash[0], hash[2]);
}

static void test_block_layout(void **state)
{
    (void)state;
    const struct model_spec spec = default_spec(MODEL_LIGHT, 2);
    struct model *m = build(&spec);
    size_t end = 0;
    for (int i = 0; i < m->params.n; i++) {
        const struct param *p = &m->params.list[i];
        const bool statistic = p->role == PARAM_MEAN || p->role == PARAM_VARIANCE;
        assert_int_equal(p->offset % 16, 0);
        assert_true(p->offset >= end);
        assert_int_equal(p->offset < m->params.n_trainable, !statistic);
        assert_int_equal(m->graph.nodes[p->node].params[p->role], i);
        for (; end < p->offset; end++)
            assert_true(m->params.value[end] == 0.0F);
        end = p->offset + p->count;
    }
    assert_true(end <= m->params.n_floats && m->params.n_floats - end < 16);
    model_free(m);
}

/* ---- refusals ---------------------------------------------------------------------------- */

static void expect_refused(const struct model_spec *spec, const char *part)
{
    struct model *m;
    assert_int_equal(model_build_graph(&m, spec, 1), BPNET_ECONFIG);
    assert_null(m);
    if (!strstr(error_message(), part))
        fail_msg("'%s' lacks '%s'", error_message(), part);
}

static void test_refusals(void **state)
{
    (void)state;
    struct model_spec spec = default_spec(MODEL_LITE, 3);
    spec.backbone_layers = 16;
    expect_refused(&spec, "vgg has 19, found 16");
    spec.backbone = BACKBONE_HELNET;
    expect_refused(&spec, "helnet has 6, 10, 12, 18, 26 or 34, found 16");
    spec.backbone = BACKBONE_RESNET;
    expect_refused(&spec, "resnet has 10, 18, 34 or 50, found 16");
    spec = default_spec(MODEL_LITE, 0);
    expect_refused(&spec, "stages");
    spec = default_spec(MODEL_LITE, 1);
    spec.width_multiplier = NAN;
    expect_refused(&spec, "width_multiplier");
}

static void test_width_limit(void **state)
{
    (void)state;
    struct model_spec spec = default_spec(MODEL_LITE, 1);
    struct model *m;
    spec.width_multiplier = 1e30;
    assert_true(model_build_graph(&m, &spec, 1) < 0);
    assert_non_null(strstr(error_message(), "channels"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_totals),         cmocka_unit_test(test_parts),
        cmocka_unit_test(test_attention),      cmocka_unit_test(test_helnet_checks),
        cmocka_unit_test(test_helnet_table),   cmocka_unit_test(test_dilated_helnet),
        cmocka_unit_test(test_resnet),         cmocka_unit_test(test_light),
        cmocka_unit_test(test_light_sizes),    cmocka_unit_test(test_output_names),
        cmocka_unit_test(test_layer_names),    cmocka_unit_test(test_kernel_lists),
        cmocka_unit_test(test_learning_rates), cmocka_unit_test(test_regularization),
        cmocka_unit_test(test_initialization), cmocka_unit_test(test_seed),
        cmocka_unit_test(test_block_layout),   cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_width_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
