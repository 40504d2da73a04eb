/*
 * Engines of BF16 against the executor that training uses, at every level of this machine: every
 * output of the shipped kinds of networks keeps its direction, whichever kernels are chosen.
 */
#include "deploy/engines.h"
#include "deploy/quantize.h"
#include "nn/networks.h"

static const double least_cosine = 0.999;

static struct model *build(struct model_spec spec)
{
    struct model *m;
    struct rng rng = rng_stream(12, 0, 0);
    if (model_build_graph(&m, &spec, 5) < 0)
        fail_msg("%s", error_message());
    random_values(&m->params, &rng);
    set_normalisation(m);
    m->meta.skeleton = (struct skeleton){0};
    return m;
}

static void compare(struct model *m, int h, int w)
{
    uint8_t *pixels = random_pixels(h, w, 3);
    size_t n, n_expected;
    float *expected = executor_run(m, pixels, h, w, -1, &n_expected);
    struct network net;
    assert_int_equal(network_lower(&net, m, h, w), 0);
    network_set_type(&net, MAP_BF16);
    for (int level = CPU_REF; level <= (int)cpu_level_detect(); level++) {
        for (unsigned threads = 1; threads <= 2; threads++) {
            struct machine machine;
            machine_open(&machine, &net, (enum cpu_level)level, threads, level % 2 > 0);
            float *found = machine_run(&machine, pixels, &n);
            assert_int_equal(n, n_expected);
            const double c = machine_cosine(&machine, found, expected);
            if (!(c >= least_cosine && c < 1.0 - 1e-9)) /* and it is BF16 */
                fail_msg("cosine %.9f at %d x %d, level %d", c, h, w, level);
            free(found);
            machine_close(&machine);
        }
    }
    network_free(&net);
    free(expected);
    free(pixels);
}

static void test_trained_kinds(void **state)
{
    (void)state;
    struct model_spec specs[3] = {default_spec(MODEL_LIGHT, 2), default_spec(MODEL_LITE, 2),
                                  default_spec(MODEL_FULL, 2)};
    specs[1].width_multiplier = specs[2].width_multiplier = 0.125;
    specs[2].self_attention = true;
    for (int k = 0; k < 3; k++) {
        struct model *m = build(specs[k]);
        compare(m, 64, 96);
        compare(m, 51, 75);
        model_free(m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_trained_kinds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
