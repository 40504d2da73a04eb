/*
 * Equalised networks: in floats the same results, on random graphs and the kinds that are trained;
 * in 8 bits better ones where channels differ; factors that do not fit are refused.
 */
#include "deploy/calibrate.h"
#include "deploy/engines.h"
#include "deploy/equalize.h"
#include "deploy/quantize.h"
#include "nn/networks.h"

/* Maxima of all tensors over many powers of two, some of them 0; freed one by one. */
static float **random_maxima(const struct network *net, struct rng *rng)
{
    float **maxima = calloc((size_t)net->n_tensors, sizeof *maxima);
    for (int t = 0; t < net->n_tensors; t++) {
        const int channels = net->tensors[t].channels;
        maxima[t] = malloc((size_t)channels * sizeof **maxima);
        for (int k = 0; k < channels; k++)
            maxima[t][k] = rng_integer(rng, 0, 9) == 0 ? 0 : (float)exp(rng_range(rng, -9, 3));
    }
    return maxima;
}

static size_t count_factors(const struct ranges *r)
{
    size_t n = 0;
    for (size_t i = 0; i < r->n; i++)
        for (int k = 0; k < r->items[i].n_factors; k++) {
            const float f = r->items[i].factors[k];
            assert_true(f <= 1 && f >= ldexpf(1, -EQUALIZE_MOST));
            n += f < 1;
        }
    return n;
}

/* Equalise by random maxima: how many channels got a factor. */
static size_t equalize_by_chance(struct network *net, struct ranges *r, uint64_t seed)
{
    struct rng rng = rng_stream(seed, 17, 0);
    float **maxima = random_maxima(net, &rng);
    *r = (struct ranges){0};
    if (equalize_choose(r, net, maxima) < 0 || equalize(net, r) < 0)
        fail_msg("%s", error_message());
    for (int t = 0; t < net->n_tensors; t++)
        free(maxima[t]);
    free(maxima);
    return count_factors(r);
}

static float *outputs_of(const struct network *net, const uint8_t *pixels, size_t *n)
{
    struct machine machine;
    machine_open(&machine, net, cpu_level_detect(), 1, true);
    float *outputs = machine_run(&machine, pixels, n);
    machine_close(&machine);
    return outputs;
}

/* ---- in floats ----------------------------------------------------------------------------- */

static size_t check_same(const struct model *m, int h, int w, uint64_t seed)
{
    struct network before, after;
    struct ranges r;
    size_t n, n_after;
    assert_int_equal(network_lower(&before, m, h, w), 0);
    assert_int_equal(network_lower(&after, m, h, w), 0);
    const size_t changed = equalize_by_chance(&after, &r, seed);
    uint8_t *pixels = random_pixels(h, w, seed);
    float *expected = outputs_of(&before, pixels, &n),
          *found = outputs_of(&after, pixels, &n_after);
    assert_int_equal(n, n_after);
    const double distance = relative_distance(found, expected, n);
    if (!(distance < 1e-6))
        fail_msg("seed %d: distance %g, %zu factors", (int)seed, distance, changed);
    free(pixels);
    free(expected);
    free(found);
    ranges_free(&r);
    network_free(&before);
    network_free(&after);
    return changed;
}

static void test_random_graphs(void **state)
{
    (void)state;
    static const int sizes[][2] = {{16, 16}, {13, 9}, {11, 17}, {7, 31}};
    int n_changed = 0;
    for (uint64_t seed = 0; seed < 150; seed++) {
        struct rng rng = rng_stream(seed, 23, 0);
        const int *size = sizes[seed % 4];
        struct model *m = random_model((enum op)(OP_CONV + (int)(seed % (OP_COUNT - OP_CONV))),
                                       size[0], size[1], &rng);
        if (!m)
            continue;
        set_normalisation(m);
        n_changed += check_same(m, size[0], size[1], seed) > 0;
        model_free(m);
    }
    assert_true(n_changed >= 30);
}

static struct model *trained_kind(enum model_kind kind)
{
    struct model *m;
    struct model_spec spec = default_spec(kind, 2);
    struct rng rng = rng_stream(13, 0, 0);
    spec.width_multiplier = 0.25;
    if (model_build_graph(&m, &spec, 5) < 0)
        fail_msg("%s", error_message());
    random_values(&m->params, &rng);
    set_normalisation(m);
    m->meta.skeleton = (struct skeleton){0};
    return m;
}

static void test_trained_kinds(void **state)
{
    (void)state;
    static const enum model_kind kinds[] = {MODEL_LIGHT, MODEL_LITE, MODEL_FULL};
    for (int k = 0; k < 3; k++) {
        struct model *m = trained_kind(kinds[k]);
        assert_true(check_same(m, 32, 48, (uint64_t)k) > 100);
        model_free(m);
    }
}

/* ---- in 8 bits ----------------------------------------------------------------------------- */

enum { H = 32, W = 48 };

/* Random pictures; those before the last one are dark on request. */
struct stream {
    int n, given, rewound;
    bool dark;
};

static int feed(void *ctx, uint8_t *pixels)
{
    struct stream *s = ctx;
    const size_t n = (size_t)H * W * 3;
    if (s->given == s->n)
        return 0;
    uint8_t *made = random_pixels(H, W, (uint64_t)++s->given);
    for (size_t i = 0; i < n; i++)
        pixels[i] = s->dark && s->given < s->n ? made[i] / 128 : made[i];
    free(made);
    return 1;
}

static void rewind_stream(void *ctx)
{
    struct stream *s = ctx;
    s->given = 0;
    s->rewound++;
}

/* The network with channels that differ by powers of two, which floats do not mind. */
static void lower_uneven(struct network *net, const struct model *m)
{
    struct ranges r;
    assert_int_equal(network_lower(net, m, H, W), 0);
    assert_true(equalize_by_chance(net, &r, 5) > 100);
    net->equalized = false;
    ranges_free(&r);
}

static double error_in_bytes(const struct model *m, bool equalized)
{
    struct network exact, net;
    struct ranges ranges;
    struct channel_means means;
    struct stream stream = {.n = 40};
    size_t n;
    const struct calibration_options how = {.algorithm = CALIBRATE_MSE,
                                            .level = cpu_level_detect(),
                                            .equalize = equalized,
                                            .rewind = rewind_stream};
    lower_uneven(&exact, m);
    lower_uneven(&net, m);
    if (calibrate(&ranges, &means, &net, feed, &stream, &how) < 0)
        fail_msg("%s", error_message());
    assert_int_equal(stream.given, stream.n);
    assert_int_equal(stream.rewound, equalized);
    assert_int_equal(net.equalized, equalized);
    const struct quantize_options options = {.means = &means};
    assert_int_equal(quantize(&net, &ranges, &options), 0);
    uint8_t *pixels = random_pixels(H, W, 1000);
    float *expected = outputs_of(&exact, pixels, &n), *found = outputs_of(&net, pixels, &n);
    const double error = relative_distance(found, expected, n);
    free(pixels);
    free(expected);
    free(found);
    ranges_free(&ranges);
    channel_means_free(&means);
    network_free(&exact);
    network_free(&net);
    return error;
}

static void test_bytes(void **state)
{
    (void)state;
    struct model *m = trained_kind(MODEL_LIGHT);
    const double uneven = error_in_bytes(m, false), even = error_in_bytes(m, true);
    if (!(even < 0.5 * uneven))
        fail_msg("error %g, equalised %g", uneven, even);
    model_free(m);
}

static struct ranges largest_values(const struct model *m, bool equalized)
{
    struct network net;
    struct ranges ranges;
    struct stream stream = {.n = 40, .dark = true};
    const struct calibration_options how = {.algorithm = CALIBRATE_MAX,
                                            .level = cpu_level_detect(),
                                            .equalize = equalized,
                                            .rewind = rewind_stream};
    lower_uneven(&net, m);
    if (calibrate(&ranges, NULL, &net, feed, &stream, &how) < 0)
        fail_msg("%s", error_message());
    network_free(&net);
    return ranges;
}

/*
 * Channels grow up to the largest of their map, whichever picture shows it (a factor is rounded to
 * a power of two: by up to the root of 2). Were the last picture not looked at when factors are
 * chosen, its values would leave nothing of the others in 8 bits.
 */
static void test_late_picture(void **state)
{
    (void)state;
    struct model *m = trained_kind(MODEL_LITE);
    struct ranges plain = largest_values(m, false), even = largest_values(m, true);
    assert_int_equal(even.n, plain.n);
    assert_true(count_factors(&even) > 100);
    for (size_t i = 0; i < plain.n; i++)
        if (!(even.items[i].amax <= 1.4143F * plain.items[i].amax))
            fail_msg("'%s': up to %g, equalised %g", plain.items[i].name,
                     (double)plain.items[i].amax, (double)even.items[i].amax);
    ranges_free(&plain);
    ranges_free(&even);
    model_free(m);
}

/* ---- tables -------------------------------------------------------------------------------- */

/* Factors go through the text; quantising a network by it equalises it as before. */
static void test_through_table(void **state)
{
    (void)state;
    struct model *m = trained_kind(MODEL_LIGHT);
    struct network first, second;
    struct ranges r, back;
    struct str text = {0};
    assert_int_equal(network_lower(&first, m, H, W), 0);
    assert_int_equal(network_lower(&second, m, H, W), 0);
    const size_t n = equalize_by_chance(&first, &r, 9);
    ranges_print(&r, &text);
    assert_int_equal(ranges_parse(&back, text.text, text.length, "table"), 0);
    assert_int_equal(count_factors(&back), n);
    assert_int_equal(equalize(&second, &back), 0);
    assert_int_equal(equalize(&second, &back), 0); /* once is enough */
    for (int i = 0; i < first.n_layers; i++)
        if (first.layers[i].kind == LAYER_CONV)
            assert_memory_equal(first.layers[i].bias, second.layers[i].bias,
                                (size_t)first.layers[i].geometry.out_c * sizeof(float));
    str_free(&text);
    ranges_free(&r);
    ranges_free(&back);
    network_free(&first);
    network_free(&second);
    model_free(m);
}

/* Outputs have no factors, members of a class the same, and no tensor more than channels. */
static void test_misfits(void **state)
{
    (void)state;
    struct model *m = trained_kind(MODEL_LIGHT);
    struct network net;
    struct ranges r = {0}, good;
    float factors[4096];
    for (int k = 0; k < 4096; k++)
        factors[k] = 0.5F;
    assert_int_equal(network_lower(&net, m, H, W), 0);
    const char *output = net.tensors[net.outputs[0]].name;
    assert_int_equal(ranges_set_factors(&r, output, factors, 1), BPNET_EUSAGE);
    assert_int_equal(ranges_set(&r, output, 1), 0);
    assert_int_equal(ranges_set_factors(&r, output, factors, 1), 0);
    assert_int_equal(equalize(&net, &r), BPNET_EUSAGE);
    assert_non_null(strstr(error_message(), "it is of another network"));
    assert_false(net.equalized);
    ranges_free(&r);
    assert_true(equalize_by_chance(&net, &good, 9) > 0);
    net.equalized = false;
    assert_int_equal(ranges_set_factors(&good, good.items[0].name, factors, 4096), 0);
    assert_int_equal(equalize(&net, &good), BPNET_EUSAGE);
    ranges_free(&good);
    network_free(&net);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_graphs), cmocka_unit_test(test_trained_kinds),
        cmocka_unit_test(test_bytes),         cmocka_unit_test(test_late_picture),
        cmocka_unit_test(test_through_table), cmocka_unit_test(test_misfits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
