/*
 * Engines of floats against the executor that training uses: the shipped kinds of networks, random
 * graphs, odd sizes, numbers of threads, with and without timing.
 */
#include "deploy/engines.h"
#include "nn/networks.h"

static void compare(struct model *m, const struct network *net, int h, int w, int stage,
                    unsigned threads, bool no_timing, double limit)
{
    struct machine machine;
    size_t n, n_expected;
    uint8_t *pixels = random_pixels(h, w, 3);
    machine_open(&machine, net, cpu_level_detect(), threads, no_timing);
    float *found = machine_run(&machine, pixels, &n);
    float *expected = executor_run(m, pixels, h, w, stage, &n_expected);
    assert_int_equal(n, n_expected);
    const double distance = relative_distance(found, expected, n);
    if (!(distance < limit))
        fail_msg("distance %g at %d x %d", distance, h, w);
    free(found);
    free(expected);
    free(pixels);
    machine_close(&machine);
}

/* ---- the kinds of networks that are trained ---------------------------------------------- */

static struct model *build(struct model_spec spec)
{
    struct model *m;
    struct rng rng = rng_stream(11, 0, 0);
    if (model_build_graph(&m, &spec, 5) < 0)
        fail_msg("%s", error_message());
    random_values(&m->params, &rng);
    set_normalisation(m);
    m->meta.skeleton = (struct skeleton){0}; /* not a pose network: all outputs are made */
    return m;
}

static void test_trained_kinds(void **state)
{
    (void)state;
    struct model_spec specs[4] = {
        default_spec(MODEL_LIGHT, 2),
        default_spec(MODEL_LITE, 2),
        default_spec(MODEL_FULL, 2),
        default_spec(MODEL_FULL, 2),
    };
    specs[1].width_multiplier = specs[2].width_multiplier = 0.125;
    specs[3].width_multiplier = 0.125;
    specs[3].self_attention = true;
    static const int sizes[][2] = {{64, 64}, {40, 56}, {51, 75}};
    for (int k = 0; k < 4; k++) {
        struct model *m = build(specs[k]);
        for (int i = 0; i < 3; i++) {
            struct network net;
            if (network_lower(&net, m, sizes[i][0], sizes[i][1]) < 0)
                fail_msg("%s", error_message());
            compare(m, &net, sizes[i][0], sizes[i][1], -1, 1 + (unsigned)i, i > 0, 2e-5);
            network_free(&net);
        }
        model_free(m);
    }
}

/* With a skeleton the engine makes the last stage's maps, and a predictor can run it. */
static void test_pose_outputs(void **state)
{
    (void)state;
    struct model *m = build(default_spec(MODEL_LIGHT, 2));
    struct network net;
    skeleton_default(&m->meta.skeleton);
    m->meta.stages = 2;
    m->meta.stride = 8;
    assert_int_equal(network_lower(&net, m, 64, 96), 0);
    assert_int_equal(net.n_outputs, 2);
    compare(m, &net, 64, 96, 2, 2, true, 2e-5);
    struct machine machine;
    machine_open(&machine, &net, cpu_level_detect(), 1, true);
    const struct engine_info *info = engine_info(machine.engine);
    assert_int_equal(info->heat_output, 0);
    assert_int_equal(info->paf_output, 1);
    assert_int_equal(info->stride, 8);
    assert_int_equal(info->input_h, 64);
    assert_int_equal(info->input_w, 96);
    assert_string_equal(info->skeleton->joints[0], m->meta.skeleton.joints[0]);
    assert_memory_equal(info->skeleton->limbs, m->meta.skeleton.limbs,
                        sizeof(int16_t) * 2 * (size_t)m->meta.skeleton.n_limbs);
    struct net as_net;
    struct maps maps;
    uint8_t *pixels = random_pixels(64, 96, 1);
    engine_as_net(machine.context, &as_net);
    assert_int_equal(as_net.run_pixels(as_net.ctx, pixels, 64, 96, &maps), 0);
    assert_int_equal(maps.h, 8);
    assert_int_equal(maps.w, 12);
    assert_int_equal(maps.heat_channels, 19);
    assert_int_equal(maps.paf_channels, 38);
    assert_int_equal(as_net.run_pixels(as_net.ctx, pixels, 64, 64, &maps), BPNET_EUSAGE);
    free(pixels);
    machine_close(&machine);
    network_free(&net);
    model_free(m);
}

/* ---- random graphs ----------------------------------------------------------------------- */

static void test_random_graphs(void **state)
{
    (void)state;
    static const int sizes[][2] = {{16, 16}, {13, 9}, {24, 17}, {7, 31}};
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct rng rng = rng_stream(seed, 3, 0);
        const int *size = sizes[seed % 4];
        struct model *m = random_model((enum op)(OP_CONV + (int)(seed % (OP_COUNT - OP_CONV))),
                                       size[0], size[1], &rng);
        if (!m)
            continue;
        struct network net;
        set_normalisation(m);
        if (network_lower(&net, m, size[0], size[1]) < 0)
            fail_msg("seed %d: %s", (int)seed, error_message());
        compare(m, &net, size[0], size[1], -1, 1 + (unsigned)(seed % 3), seed % 7 > 0, 1e-4);
        network_free(&net);
        model_free(m);
    }
}

/* The team has no influence on a single bit. */
static void test_threads(void **state)
{
    (void)state;
    struct model *m = build(default_spec(MODEL_LIGHT, 2));
    struct network net;
    float *outputs[3];
    size_t n[3];
    uint8_t *pixels = random_pixels(51, 75, 9);
    assert_int_equal(network_lower(&net, m, 51, 75), 0);
    for (unsigned k = 0; k < 3; k++) {
        struct machine machine;
        machine_open(&machine, &net, cpu_level_detect(), k + 1, true);
        free(machine_run(&machine, pixels, &n[k])); /* and none from the run before */
        outputs[k] = machine_run(&machine, pixels, &n[k]);
        machine_close(&machine);
        assert_int_equal(n[k], n[0]);
        assert_memory_equal(outputs[k], outputs[0], n[0] * sizeof(float));
    }
    for (int k = 0; k < 3; k++)
        free(outputs[k]);
    free(pixels);
    network_free(&net);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trained_kinds),
        cmocka_unit_test(test_pose_outputs),
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
