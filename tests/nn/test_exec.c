/*
 * Executors: values worked out by hand, inference against training with the same statistics,
 * changes of size, choice of stages, running statistics, errors, use as a predictor's network.
 */
#include "networks.h"
#include "pose/predict.h"
#include "runs.h"

static enum cpu_level best(void)
{
    return cpu_level_detect();
}

/* ---- by hand ----------------------------------------------------------------------------- */

/* A network of one operation behind the input of 3 channels. */
static struct model *single(const struct node *node)
{
    struct model *m = calloc(1, sizeof *m);
    const struct node input = {.name = "input", .op = OP_INPUT, .channels = 3};
    m->spec_text = calloc(1, 1);
    assert_int_equal(graph_add(&m->graph, &input), 0);
    assert_int_equal(graph_add(&m->graph, node), 1);
    assert_int_equal(graph_set_outputs(&m->graph, &(int){1}, 1), 0);
    assert_int_equal(graph_check(&m->graph), 0);
    assert_int_equal(params_open(&m->params, &m->graph), 0);
    return m;
}

static void fill_kernel(struct model *m, float value)
{
    for (size_t i = 0; i < m->params.list[0].count; i++)
        m->params.value[m->params.list[0].offset + i] = value;
}

/* A parameter of that one operation. */
static float *param_of(struct model *m, enum param_role role)
{
    return m->params.value + m->params.list[m->graph.nodes[1].params[role]].offset;
}

/* SAME pads 0 before and 1 after for 3x3 stride 2 on even sizes, 1 and 1 on odd ones. */
static void test_padding(void **state)
{
    (void)state;
    static const struct {
        int size, n;
        float rows[3]; /* inputs under the kernel, along one axis */
    } cases[] = {{4, 2, {3, 2, 0}}, {5, 3, {2, 3, 2}}};
    for (int k = 0; k < 2; k++) {
        const struct node conv = {.name = "conv",
                                  .op = OP_CONV,
                                  .n_inputs = 1,
                                  .channels = 1,
                                  .kernel = 3,
                                  .stride = 2,
                                  .dilation = 1};
        struct model *m = single(&conv);
        struct runner r;
        fill_kernel(m, 1.0F);
        runner_open(&r, m, false, 1, cases[k].size, cases[k].size, best(), 1);
        for (int i = 0; i < cases[k].size * cases[k].size * 3; i++)
            exec_input(r.exec)[i] = 1.0F;
        runner_forward(&r);
        int h, w, channels, pitch;
        const float *y = exec_output(r.exec, 0, &h, &w, &channels, &pitch);
        assert_int_equal(h, cases[k].n);
        assert_int_equal(channels, 1);
        for (int i = 0; i < h; i++)
            for (int j = 0; j < w; j++)
                assert_float_equal(y[(i * w + j) * pitch], 3 * cases[k].rows[i] * cases[k].rows[j],
                                   0);
        runner_close(&r);
        model_free(m);
    }
}

/* The batch's mean and variance, the biased one within, the other in the running statistics. */
static void test_norm(void **state)
{
    (void)state;
    const struct node norm = {.name = "norm",
                              .op = OP_NORM,
                              .n_inputs = 1,
                              .channels = 3,
                              .epsilon = 0.5F,
                              .momentum = 0.75F};
    struct model *m = single(&norm);
    struct runner r;
    static const float values[3][4] = {{1, 2, 3, 6}, {-1, -1, 1, 1}, {5, 5, 5, 5}};
    static const double means[3] = {3, 0, 5}, variances[3] = {3.5, 1, 0};
    for (int c = 0; c < 3; c++) {
        param_of(m, PARAM_GAMMA)[c] = 2.0F;
        param_of(m, PARAM_BETA)[c] = 1.0F;
    }
    runner_open(&r, m, true, 2, 1, 2, best(), 2);
    for (int i = 0; i < 4; i++)
        for (int c = 0; c < 3; c++)
            exec_input(r.exec)[i * 3 + c] = values[c][i];
    runner_forward(&r);
    int h, w, channels, pitch;
    const float *y = exec_output(r.exec, 0, &h, &w, &channels, &pitch);
    const float *mean = param_of(m, PARAM_MEAN), *variance = param_of(m, PARAM_VARIANCE);
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < 4; i++) {
            const double centred = (double)values[c][i] - means[c];
            const double expected = 1 + 2 * centred / sqrt(variances[c] + 0.5);
            assert_float_equal(y[i * pitch + c], (float)expected, 1e-5F);
        }
        assert_float_equal(mean[c], (float)(0.25 * means[c]), 1e-6F);
        assert_float_equal(variance[c], (float)(0.25 * variances[c] * 4 / 3), 1e-6F);
    }
    runner_close(&r);
    model_free(m);
}

/* ---- inference against training ---------------------------------------------------------- */

/* Running statistics that are exactly the last batch's. */
static void take_statistics(struct model *m, int batch, int h, int w)
{
    int(*hw)[2] = malloc((size_t)m->graph.n_nodes * sizeof *hw);
    assert_int_equal(graph_infer(&m->graph, h, w, hw), 0);
    for (int i = 0; i < m->params.n; i++) {
        const struct param *p = &m->params.list[i];
        const double n = (double)batch * hw[p->node][0] * hw[p->node][1];
        for (size_t k = 0; p->role == PARAM_VARIANCE && n > 1 && k < p->count; k++)
            m->params.value[p->offset + k] *= (float)((n - 1) / n);
    }
    free(hw);
}

static void compare_with_training(struct model *m, int batch, int h, int w, double limit)
{
    struct runner training, inference;
    size_t n, n_inference;
    for (int i = 0; i < m->graph.n_nodes; i++)
        m->graph.nodes[i].momentum = 0.0F;
    runner_open(&training, m, true, batch, h, w, best(), 1);
    runner_feed(&training, 5);
    runner_forward(&training);
    take_statistics(m, batch, h, w);
    runner_open(&inference, m, false, batch, h, w, best(), 2);
    runner_feed(&inference, 5);
    runner_forward(&inference);
    float *expected = runner_outputs(&training, &n),
          *found = runner_outputs(&inference, &n_inference);
    assert_int_equal(n, n_inference);
    const double distance = relative_distance(found, expected, n);
    if (!(distance < limit))
        fail_msg("inference differs from training by %g", distance);
    if (h * w > 200) /* below, two threads' scratch may outweigh the maps */
        assert_true(exec_memory(inference.exec) < exec_memory(training.exec));
    free(expected);
    free(found);
    runner_close(&training);
    runner_close(&inference);
}

static void test_inference_random(void **state)
{
    (void)state;
    for (int op = OP_CONV; op < OP_COUNT; op++) {
        for (int i = 0; i < 20; i++) {
            struct rng rng = rng_stream(11, (uint64_t)op, (uint64_t)i);
            const int h = pick(&rng, 3, 14), w = pick(&rng, 3, 14);
            struct model *m = random_model((enum op)op, h, w, &rng);
            assert_non_null(m);
            compare_with_training(m, pick(&rng, 1, 3), h, w, 2e-4);
            model_free(m);
        }
    }
}

static struct model *build(const struct model_spec *spec)
{
    struct model *m;
    if (model_build_graph(&m, spec, 3) < 0)
        fail_msg("%s", error_message());
    return m;
}

/* The reference's networks, narrow. */
static struct model_spec narrow_spec(enum model_kind kind, int stages)
{
    struct model_spec spec = default_spec(kind, stages);
    spec.width_multiplier = 0.125;
    spec.initializer = INIT_HE;
    return spec;
}

static void test_inference_models(void **state)
{
    (void)state;
    for (int kind = MODEL_LITE; kind <= MODEL_LIGHT; kind++) {
        for (int k = 0; k < 3; k++) {
            struct model_spec spec = narrow_spec((enum model_kind)kind, 1 + k);
            spec.self_attention = k == 2;
            struct model *m = build(&spec);
            compare_with_training(m, 2, 24 + 9 * k, 40 - 7 * k, 1e-3);
            model_free(m);
        }
    }
}

static void test_inference_backbones(void **state)
{
    (void)state;
    static const struct {
        enum backbone_kind backbone;
        int layers;
        bool bias, norm;
    } rows[] = {{BACKBONE_HELNET, 10, true, false},
                {BACKBONE_HELNET, 12, false, true},
                {BACKBONE_RESNET, 10, true, true},
                {BACKBONE_RESNET, 50, false, true}};
    for (int k = 0; k < 4; k++) {
        struct model_spec spec = narrow_spec(MODEL_LITE, 2);
        spec.backbone = rows[k].backbone;
        spec.backbone_layers = rows[k].layers;
        spec.backbone_bias = rows[k].bias;
        spec.backbone_batch_norm = rows[k].norm;
        spec.helnet = HELNET_S8_3RD_DILATED;
        struct model *m = build(&spec);
        compare_with_training(m, 2, 70, 65, 5e-3);
        model_free(m);
    }
}

/* ---- sizes ------------------------------------------------------------------------------- */

/* An executor that was at other sizes before gives what a fresh one gives, bit for bit. */
static void test_resize(void **state)
{
    (void)state;
    static const int sizes[][3] = {{1, 64, 64}, {2, 33, 47}, {1, 8, 120}, {1, 1, 1}, {3, 64, 72}};
    const struct model_spec spec = narrow_spec(MODEL_LIGHT, 2);
    struct model *m = build(&spec);
    struct runner old;
    runner_open(&old, m, false, 1, 16, 16, best(), 2);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct runner fresh;
        size_t n, n_old;
        runner_open(&fresh, m, false, sizes[i][0], sizes[i][1], sizes[i][2], best(), 1);
        assert_int_equal(exec_resize(old.exec, sizes[i][0], sizes[i][1], sizes[i][2]), 0);
        old.batch = fresh.batch;
        old.h = fresh.h;
        old.w = fresh.w;
        runner_feed(&fresh, i);
        runner_feed(&old, i);
        runner_forward(&fresh);
        runner_forward(&old);
        float *a = runner_outputs(&fresh, &n), *b = runner_outputs(&old, &n_old);
        assert_int_equal(n, n_old);
        assert_memory_equal(a, b, n * sizeof *a);
        free(a);
        free(b);
        runner_close(&fresh);
    }
    runner_close(&old);
    model_free(m);
}

static void test_bad_sizes(void **state)
{
    (void)state;
    static const int sizes[][3] = {
        {0, 8, 8}, {1, 0, 8}, {1, 8, -1}, {1, 8, GRAPH_MAX_SIZE + 1}, {1 << 20, 8, 8}};
    const struct model_spec spec = narrow_spec(MODEL_LIGHT, 1);
    struct model *m = build(&spec);
    struct runner r;
    runner_open(&r, m, false, 1, 16, 16, best(), 1);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_int_equal(exec_resize(r.exec, sizes[i][0], sizes[i][1], sizes[i][2]), BPNET_EUSAGE);
        assert_int_equal(exec_forward(r.exec), BPNET_EUSAGE); /* not ready for any size now */
    }
    assert_int_equal(exec_resize(r.exec, 1, 16, 16), 0);
    runner_forward(&r);
    assert_int_equal(exec_backward(r.exec), BPNET_EUSAGE);
    runner_close(&r);
    model_free(m);
}

/* Two maps that fit at one size but not at another. */
static void test_unfit_size(void **state)
{
    (void)state;
    struct model *m = calloc(1, sizeof *m);
    struct graph *g = &m->graph;
    const struct node input = {.name = "input", .op = OP_INPUT, .channels = 3};
    m->spec_text = calloc(1, 1);
    graph_add(g, &input);
    const int half = add_conv(g, 0, 1, 2, 3);
    const struct node up = {
        .name = "up", .op = OP_UPSAMPLE2, .n_inputs = 1, .inputs = {half}, .channels = 3};
    const int enlarged = graph_add(g, &up);
    const struct node sum = {
        .name = "sum", .op = OP_ADD, .n_inputs = 2, .inputs = {0, enlarged}, .channels = 3};
    const int last = graph_add(g, &sum);
    assert_int_equal(graph_set_outputs(g, &last, 1), 0);
    assert_int_equal(graph_check(g), 0);
    assert_int_equal(params_open(&m->params, g), 0);
    struct runner r;
    runner_open(&r, m, false, 1, 4, 6, best(), 1);
    assert_int_equal(exec_resize(r.exec, 1, 5, 6), BPNET_EUSAGE);
    assert_non_null(strstr(error_message(), "'sum' joins 'input' of 5 x 6 and 'up' of 6 x 6"));
    assert_int_equal(graph_macs(g, 5, 6, NULL), -1);
    runner_close(&r);
    model_free(m);
}

/* ---- stages and use ---------------------------------------------------------------------- */

static void test_stages(void **state)
{
    (void)state;
    const struct model_spec spec = narrow_spec(MODEL_LITE, 3);
    struct model *m = build(&spec);
    struct runner all;
    runner_open(&all, m, false, 1, 40, 32, best(), 1);
    assert_int_equal(exec_n_outputs(all.exec), 6);
    runner_feed(&all, 9);
    runner_forward(&all);
    size_t memory = 0;
    for (int stage = 0; stage <= 3; stage++) {
        struct exec *e;
        const struct exec_options options = {.batch = 1,
                                             .h = 40,
                                             .w = 32,
                                             .kernels = &all.kernels,
                                             .workers = all.workers,
                                             .output_stage = stage};
        assert_int_equal(exec_open(&e, m, &options), 0);
        assert_int_equal(exec_n_outputs(e), 2);
        memcpy(exec_input(e), exec_input(all.exec), 40 * 32 * 3 * sizeof(float));
        assert_int_equal(exec_forward(e), 0);
        for (int k = 0; k < 2; k++) {
            int h, w, channels, pitch, pitch_all;
            const float *one = exec_output(e, k, &h, &w, &channels, &pitch);
            const int index = (stage == 0 ? 3 : stage) - 1 + 3 * k;
            const float *of_all = exec_output(all.exec, index, &h, &w, &channels, &pitch_all);
            assert_int_equal(channels, k == 0 ? 19 : 38);
            for (int p = 0; p < h * w; p++)
                assert_memory_equal(one + p * pitch, of_all + p * pitch_all,
                                    (size_t)channels * sizeof *one);
        }
        assert_true(stage <= 1 || exec_memory(e) >= memory); /* later stages cost more */
        memory = exec_memory(e);
        exec_close(e);
    }
    struct exec *e;
    const struct exec_options options = {.batch = 1,
                                         .h = 40,
                                         .w = 32,
                                         .kernels = &all.kernels,
                                         .workers = all.workers,
                                         .output_stage = 4};
    assert_int_equal(exec_open(&e, m, &options), BPNET_EUSAGE);
    assert_null(e);
    assert_non_null(strstr(error_message(), "output stage 4: the network has 3"));
    runner_close(&all);
    model_free(m);
}

static void test_net(void **state)
{
    (void)state;
    const struct model_spec spec = narrow_spec(MODEL_LIGHT, 2);
    struct model *m = build(&spec);
    struct runner r;
    struct net net;
    struct maps maps;
    runner_open(&r, m, false, 2, 64, 64, best(), 1);
    exec_as_net(r.exec, &net);
    assert_int_equal(net.stride, 8);
    assert_false(net.fixed_size);
    assert_float_equal(net.scale[1], 256, 0);
    assert_float_equal(net.offset[2], 0.5, 0);
    assert_ptr_equal(net.skeleton, &m->meta.skeleton);
    float *input = calloc(41 * 30 * 3, sizeof *input);
    for (int i = 0; i < 41 * 30 * 3; i++)
        input[i] = (float)(i % 7) * 0.1F;
    assert_int_equal(net.run(net.ctx, input, 41, 30, &maps), 0);
    assert_int_equal(maps.h, 6);
    assert_int_equal(maps.w, 4);
    assert_int_equal(maps.heat_channels, 19);
    assert_int_equal(maps.paf_channels, 38);
    int h, w, channels, pitch;
    assert_ptr_equal(maps.heat, exec_output(r.exec, 1, &h, &w, &channels, &pitch));
    assert_ptr_equal(maps.paf, exec_output(r.exec, 3, &h, &w, &channels, &pitch));
    assert_int_equal(net.run(net.ctx, input, 0, 30, &maps), BPNET_EUSAGE);
    free(input);
    runner_close(&r);
    model_free(m);
}

/* ---- any graph --------------------------------------------------------------------------- */

/* Change a few attributes of a network at random: it may be nonsense now. */
static void disturb(struct graph *g, struct rng *rng)
{
    for (int changes = pick(rng, 1, 4); changes > 0; changes--) {
        struct node *n = &g->nodes[pick(rng, 0, g->n_nodes - 1)];
        int *const fields[] = {&n->channels, &n->kernel,    &n->stride,    &n->dilation,
                               &n->n_inputs, &n->inputs[0], &n->inputs[1], &g->outputs[0]};
        const int kind = pick(rng, 0, 9);
        if (kind < 8)
            *fields[kind] += pick(rng, -2, 2);
        else if (kind == 8)
            n->op = (enum op)pick(rng, 0, OP_COUNT - 1);
        else
            n->act = (enum activation)pick(rng, 0, ACT_COUNT);
    }
}

/* Whatever graph_check() accepts runs, or is refused for its size; the sanitizers watch. */
static void test_any_graph(void **state)
{
    (void)state;
    int accepted = 0;
    for (uint64_t i = 0; i < 600; i++) {
        struct rng rng = rng_stream(23, i, 0);
        struct model *m = random_model((enum op)pick(&rng, OP_CONV, OP_COUNT - 1), 7, 6, &rng);
        params_close(&m->params);
        disturb(&m->graph, &rng);
        int hw[64][2];
        if (graph_check(&m->graph) == 0 && graph_infer(&m->graph, 7, 6, hw) == 0) {
            struct runner r;
            accepted++;
            assert_int_equal(params_open(&m->params, &m->graph), 0);
            random_values(&m->params, &rng);
            for (int training = 0; training < 2; training++) {
                runner_open(&r, m, training, 2, 7, 6, i % 2 ? CPU_REF : best(), 1);
                memset(exec_input(r.exec), 0,
                       (size_t)m->graph.nodes[0].channels * 2 * 7 * 6 * sizeof(float));
                runner_forward(&r);
                if (training)
                    runner_backward(&r, i);
                runner_close(&r);
            }
        }
        model_free(m);
    }
    assert_true(accepted > 100 && accepted < 550);
}

/* A NaN in the picture shows in the outputs: a diverging training is not hidden. */
static void test_nan(void **state)
{
    (void)state;
    const struct model_spec spec = narrow_spec(MODEL_LITE, 1);
    struct model *m = build(&spec);
    struct runner r;
    runner_open(&r, m, true, 1, 16, 16, best(), 1);
    runner_feed(&r, 1);
    exec_input(r.exec)[100] = NAN;
    runner_forward(&r);
    double size;
    assert_true(isnan(runner_loss(&r, 1, false, &size)));
    runner_close(&r);
    model_free(m);
}

/* After its parameters changed, an executor for inference follows when it is told. */
static void test_refresh(void **state)
{
    (void)state;
    const struct model_spec spec = narrow_spec(MODEL_LIGHT, 1);
    struct model *m = build(&spec);
    struct runner r, fresh;
    size_t n;
    struct rng rng = rng_stream(1, 2, 3);
    runner_open(&r, m, false, 1, 16, 16, best(), 1);
    random_values(&m->params, &rng);
    exec_refresh(r.exec);
    runner_open(&fresh, m, false, 1, 16, 16, best(), 1);
    runner_feed(&r, 1);
    runner_feed(&fresh, 1);
    runner_forward(&r);
    runner_forward(&fresh);
    float *a = runner_outputs(&r, &n), *b = runner_outputs(&fresh, &n);
    assert_memory_equal(a, b, n * sizeof *a);
    free(a);
    free(b);
    runner_close(&r);
    runner_close(&fresh);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_norm),
        cmocka_unit_test(test_inference_random),
        cmocka_unit_test(test_inference_models),
        cmocka_unit_test(test_inference_backbones),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_bad_sizes),
        cmocka_unit_test(test_unfit_size),
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_net),
        cmocka_unit_test(test_any_graph),
        cmocka_unit_test(test_nan),
        cmocka_unit_test(test_refresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
