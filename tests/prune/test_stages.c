/* The first stages alone compute what they computed among all, to the bit. */
#include "nn/runs.h"
#include "prune/stages.h"

enum { SIDE = 32 };

static struct model *build(enum model_kind kind, int stages)
{
    const struct model_spec spec = {.kind = kind,
                                    .width_multiplier = 0.25,
                                    .backbone = BACKBONE_VGG,
                                    .backbone_layers = 19,
                                    .backbone_batch_norm = true,
                                    .stages = stages,
                                    .n_stage1_kernels = 2,
                                    .stage1_kernels = {3, 3},
                                    .n_stage_t_kernels = 2,
                                    .stage_t_kernels = {7, 7},
                                    .heat_channels = 19,
                                    .paf_channels = 38,
                                    .head_bias = true,
                                    .initializer = INIT_HE};
    struct model *m;
    if (model_build_graph(&m, &spec, 5) < 0)
        fail_msg("%s", error_message());
    return m;
}

static void compare_output(const struct runner *whole, int of_whole, const struct runner *part,
                           int of_part)
{
    int h[2], w[2], channels[2], pitch[2];
    const float *a = exec_output(whole->exec, of_whole, &h[0], &w[0], &channels[0], &pitch[0]);
    const float *b = exec_output(part->exec, of_part, &h[1], &w[1], &channels[1], &pitch[1]);
    assert_true(h[0] == h[1] && w[0] == w[1] && channels[0] == channels[1]);
    for (int i = 0; i < h[0] * w[0]; i++)
        assert_memory_equal(a + (size_t)i * (size_t)pitch[0], b + (size_t)i * (size_t)pitch[1],
                            (size_t)channels[0] * sizeof *a);
}

static void check_part(struct model *m, int stages)
{
    struct model *part;
    struct runner a, b;
    int *origin;
    const int all = m->meta.stages;
    if (stages_keep(&part, &origin, m, stages) < 0)
        fail_msg("%s", error_message());
    assert_int_equal(part->meta.stages, stages);
    assert_int_equal(part->graph.n_outputs, 2 * stages);
    for (int i = 0; i < part->graph.n_nodes; i++)
        assert_string_equal(part->graph.nodes[i].name, m->graph.nodes[origin[i]].name);
    if (stages == all)
        assert_int_equal(part->graph.n_nodes, m->graph.n_nodes);
    else
        assert_true(params_total(&part->params) < params_total(&m->params));
    runner_open(&a, m, false, 1, SIDE, SIDE, CPU_REF, 1);
    runner_open(&b, part, false, 1, SIDE, SIDE, CPU_REF, 1);
    runner_feed(&a, 7);
    runner_feed(&b, 7);
    runner_forward(&a);
    runner_forward(&b);
    for (int k = 0; k < stages; k++) {
        compare_output(&a, k, &b, k);
        compare_output(&a, all + k, &b, stages + k);
    }
    runner_close(&a);
    runner_close(&b);
    free(origin);
    model_free(part);
}

static void test_first_stages(void **state)
{
    (void)state;
    static const enum model_kind kinds[] = {MODEL_LIGHT, MODEL_LITE, MODEL_FULL};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct model *m = build(kinds[i], 3);
        for (int stages = 1; stages <= 3; stages++)
            check_part(m, stages);
        model_free(m);
    }
}

static void test_errors(void **state)
{
    (void)state;
    struct model *m = build(MODEL_LIGHT, 2), *part;
    int *origin;
    assert_int_equal(stages_keep(&part, &origin, m, 3), BPNET_EUSAGE);
    assert_int_equal(stages_keep(&part, &origin, m, 0), BPNET_EUSAGE);
    assert_null(part);
    assert_null(origin);
    m->meta.stages = 0; /* as of an imported network of another kind */
    assert_int_equal(stages_keep(&part, &origin, m, 1), BPNET_EUNSUPPORTED);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_stages),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
