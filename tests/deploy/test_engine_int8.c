/*
 * Engines of bytes with direct kernels, bit for bit: every level of CPU and every team against a
 * slow computation from the definitions, on networks that are trained and on random graphs.
 */
#include "deploy/calibrate.h"
#include "deploy/engines.h"
#include "deploy/plain_network.h"
#include "deploy/quantize.h"
#include "nn/networks.h"

struct pictures {
    int h, w, n;
};

static int feed(void *ctx, uint8_t *pixels)
{
    struct pictures *p = ctx;
    if (p->n == 0)
        return 0;
    uint8_t *made = random_pixels(p->h, p->w, (uint64_t)p->n--);
    memcpy(pixels, made, (size_t)p->h * (size_t)p->w * 3);
    free(made);
    return 1;
}

/* Lower, calibrate on two pictures, quantise, insert conversions. */
static void make_network(struct network *net, struct model *m, int h, int w)
{
    struct ranges ranges = {0};
    struct channel_means means = {0};
    struct pictures pictures = {h, w, 2};
    const struct calibration_options how = {.algorithm = CALIBRATE_MAX,
                                            .level = cpu_level_detect()};
    const struct quantize_options options = {.means = &means};
    if (network_lower(net, m, h, w) < 0 ||
        calibrate(&ranges, &means, net, feed, &pictures, &how) < 0 ||
        quantize(net, &ranges, &options) < 0 || network_insert_converts(net) < 0)
        fail_msg("%s", error_message());
    ranges_free(&ranges);
    channel_means_free(&means);
}

static float *plain_outputs(const struct network *net, const uint8_t *pixels, size_t n)
{
    struct plain p;
    float *all = malloc(n * sizeof *all), *to = all;
    plain_run(&p, net, pixels);
    for (int k = 0; k < net->n_outputs; k++) {
        const struct tensor *t = &net->tensors[net->outputs[k]];
        for (int y = 0; y < t->h; y++)
            for (int x = 0; x < t->w; x++)
                for (int c = 0; c < t->channels; c++)
                    *to++ = *plain_at(&p, net->outputs[k], y, x, c);
    }
    assert_int_equal(to - all, n);
    plain_free(&p);
    return all;
}

static void compare_levels(const struct network *net, int h, int w, uint64_t seed)
{
    uint8_t *pixels = random_pixels(h, w, seed);
    float *expected = NULL;
    for (int level = CPU_REF; level <= (int)cpu_level_detect(); level++) {
        struct machine machine;
        size_t n;
        const struct compile_options how = {.level = (enum cpu_level)level,
                                            .no_timing = (level + (int)seed) % 3 != 0,
                                            .direct = true};
        machine_make(&machine, net, 1 + (unsigned)level % 3, &how);
        float *found = machine_run(&machine, pixels, &n);
        if (!expected)
            expected = plain_outputs(net, pixels, n);
        for (size_t i = 0; i < n; i++)
            if (memcmp(&found[i], &expected[i], sizeof *found) != 0 &&
                !(found[i] == 0 && expected[i] == 0))
                fail_msg("seed %d, %s: value %zu of %zu is %.9g, expected %.9g", (int)seed,
                         cpu_level_name((enum cpu_level)level), i, n, (double)found[i],
                         (double)expected[i]);
        free(found);
        machine_close(&machine);
    }
    free(expected);
    free(pixels);
}

static void test_trained_kinds(void **state)
{
    (void)state;
    struct model_spec specs[3] = {
        default_spec(MODEL_LIGHT, 2),
        default_spec(MODEL_LITE, 2),
        default_spec(MODEL_FULL, 2),
    };
    static const int sizes[3][2] = {{32, 48}, {24, 40}, {19, 27}};
    for (int k = 0; k < 3; k++) {
        struct model *m;
        struct network net;
        struct rng rng = rng_stream(13, 0, 0);
        specs[k].width_multiplier = 0.125;
        assert_int_equal(model_build_graph(&m, &specs[k], 5), 0);
        random_values(&m->params, &rng);
        set_normalisation(m);
        m->meta.skeleton = (struct skeleton){0};
        make_network(&net, m, sizes[k][0], sizes[k][1]);
        assert_true(plain_knows(&net));
        compare_levels(&net, sizes[k][0], sizes[k][1], (uint64_t)k);
        network_free(&net);
        model_free(m);
    }
}

static void test_random_graphs(void **state)
{
    (void)state;
    static const int sizes[][2] = {{16, 16}, {13, 9}, {11, 17}, {7, 31}};
    int n_compared = 0;
    for (uint64_t seed = 0; seed < 150; seed++) {
        struct rng rng = rng_stream(seed, 5, 0);
        struct network net;
        const int *size = sizes[seed % 4];
        struct model *m = random_model((enum op)(OP_CONV + (int)(seed % (OP_COUNT - OP_CONV))),
                                       size[0], size[1], &rng);
        if (!m)
            continue;
        set_normalisation(m);
        make_network(&net, m, size[0], size[1]);
        if (plain_knows(&net)) {
            compare_levels(&net, size[0], size[1], seed);
            n_compared++;
        }
        network_free(&net);
        model_free(m);
    }
    assert_true(n_compared >= 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_trained_kinds),
        cmocka_unit_test(test_random_graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
