/* Types, scales and 8-bit weights: by hand, against the definition of the kernels, error paths. */
#include "base/rng.h"
#include "deploy/engines.h"
#include "deploy/quantize.h"
#include "nn/networks.h"

/* ---- a convolution made by hand ---------------------------------------------------------------
 * Input: a joint tensor of two parts of one channel, scales 0.5 (zero 0) and 2 (zero 128).
 * Weights (1, 1, 2, 2):          to output 0   to output 1
 *     from channel 0                   4             0
 *     from channel 1                -127 / 4         0
 * In quanta of the input the column of output 0 is (2, -63.5), so its scale is 0.5 and its bytes
 * (4, -127); that of output 1 is nothing.
 */
struct by_hand {
    struct network net;
    struct tensor tensors[5];
    struct layer conv;
    float weights[4], bias[2];
};

static void by_hand(struct by_hand *b)
{
    *b = (struct by_hand){
        .tensors =
            {{.name = "input", .channels = 3, .maker = -1, .whole = -1, .type = MAP_U8},
             {.name = "joint",
              .channels = 2,
              .maker = -1,
              .whole = -1,
              .n_parts = 2,
              .parts = {2, 3},
              .type = MAP_U8},
             {.name = "a", .channels = 1, .maker = 0, .whole = 1, .type = MAP_U8, .scale = 0.5F},
             {.name = "b",
              .channels = 1,
              .maker = 1,
              .whole = 1,
              .channel = 1,
              .type = MAP_U8,
              .scale = 2,
              .zero = 128},
             {.name = "out",
              .channels = 2,
              .maker = 2,
              .whole = -1,
              .type = MAP_U8,
              .scale = 0.25F}},
        .weights = {4, 0, -127.0F / 4, 0},
        .bias = {3, -1},
    };
    b->net = (struct network){.tensors = b->tensors, .n_tensors = 5};
    b->conv = (struct layer){.kind = LAYER_CONV,
                             .inputs = {1},
                             .n_inputs = 1,
                             .added = -1,
                             .output = 4,
                             .geometry = {.in_c = 2, .out_c = 2, .kernel_h = 1, .kernel_w = 1},
                             .weights = b->weights,
                             .bias = b->bias,
                             .precision = MAP_U8};
}

static void test_weights_by_hand(void **state)
{
    (void)state;
    struct by_hand b;
    int8_t w8[4];
    int32_t offset[2];
    float multiplier[2], bias[2], scale[2];
    by_hand(&b);
    assert_int_equal(quantize_weights(&b.net, &b.conv, w8, offset, multiplier, bias, scale), 0);
    assert_true(scale[0] == 0.5F);
    assert_int_equal(w8[0], 4);
    assert_int_equal(w8[2], -127);
    assert_int_equal(offset[0], 128 * 127); /* only channel 1 has a zero that is not 0 */
    assert_true(multiplier[0] == 2);        /* 0.5 / 0.25 */
    assert_true(bias[0] == 12);             /* 3 / 0.25 */
    assert_int_equal(w8[1], 0);
    assert_int_equal(w8[3], 0);
    assert_int_equal(offset[1], 0);
    assert_true(scale[1] > 0 && multiplier[1] > 0);
    assert_true(bias[1] == -4);

    /* a = 10 * 0.5, b = (130 - 128) * 2: 4 * 5 - 31.75 * 4 + 3 = -104, in quarters */
    const int32_t acc = offset[0] + 10 * w8[0] + 130 * w8[2];
    assert_true((float)acc * multiplier[0] + bias[0] == -104 * 4);

    /* A float output is in real units. */
    b.tensors[4].type = MAP_F32;
    assert_int_equal(quantize_weights(&b.net, &b.conv, w8, offset, multiplier, bias, scale), 0);
    assert_true(multiplier[0] == 0.5F && bias[0] == 3);
}

/* ---- whole networks ---------------------------------------------------------------------------
 */

static struct model *light(void)
{
    struct model *m;
    struct model_spec spec = default_spec(MODEL_LIGHT, 2);
    struct rng rng = rng_stream(4, 0, 0);
    if (model_build_graph(&m, &spec, 5) < 0)
        fail_msg("%s", error_message());
    random_values(&m->params, &rng);
    set_normalisation(m);
    skeleton_default(&m->meta.skeleton);
    m->meta.stages = 2;
    m->meta.stride = 8;
    return m;
}

struct stream {
    size_t n, given, size;
};

static int next(void *ctx, uint8_t *pixels)
{
    struct stream *s = ctx;
    if (s->given == s->n)
        return 0;
    struct rng rng = rng_stream(21, s->given++, 0);
    /* Smooth pictures of several contrasts: noise alone looks the same everywhere. */
    const double contrast = rng_range(&rng, 10, 100), period = rng_range(&rng, 20, 300);
    for (size_t i = 0; i < s->size; i++)
        pixels[i] = (uint8_t)(128 + contrast * sin((double)i / period) + rng_range(&rng, -9, 9));
    return 1;
}

enum { SIZE = 64 };

static void ranges_of(struct ranges *r, struct channel_means *means, struct network *net)
{
    struct stream stream = {.n = 4, .size = SIZE * SIZE * 3};
    const struct calibration_options options = {.algorithm = CALIBRATE_MSE,
                                                .level = cpu_level_detect()};
    if (calibrate(r, means, net, next, &stream, &options) < 0)
        fail_msg("%s", error_message());
}

static void check_types(const struct network *net)
{
    for (int i = 0; i < net->n_layers; i++) {
        const struct layer *l = &net->layers[i];
        const struct tensor *t = &net->tensors[l->output];
        if (l->kind == LAYER_CONV)
            assert_int_equal(l->precision, MAP_U8);
        if (t->type != MAP_U8)
            continue;
        assert_true(t->scale > 0);
        assert_int_equal(t->zero, t->nonnegative ? 0 : 128);
    }
    for (int k = 0; k < net->n_outputs; k++)
        assert_int_equal(net->tensors[net->outputs[k]].type, MAP_F32);
}

/* Eight bits are near floats, nearer with means, and nearer still with layers in floats. */
static double error_of(struct model *m, const struct ranges *r, const struct channel_means *means,
                       bool keep_half, enum map_type float_type)
{
    struct network exact, net;
    struct machine a, b;
    size_t n, n_exact;
    assert_int_equal(network_lower(&exact, m, SIZE, SIZE), 0);
    assert_int_equal(network_lower(&net, m, SIZE, SIZE), 0);
    bool *keep = calloc((size_t)net.n_layers, sizeof(*keep));
    assert_non_null(keep);
    for (int i = 0; keep_half && i < net.n_layers; i += 2)
        keep[i] = true;
    const struct quantize_options options = {
        .means = means, .keep_float = keep, .float_type = float_type};
    if (quantize(&net, r, &options) < 0)
        fail_msg("%s", error_message());
    if (!keep_half)
        check_types(&net);
    machine_open(&a, &exact, cpu_level_detect(), 1, true);
    machine_open(&b, &net, cpu_level_detect(), 2, true);
    struct stream stream = {.n = 6, .given = 4, .size = SIZE * SIZE * 3};
    uint8_t *pixels = malloc(stream.size);
    double sum = 0;
    while (next(&stream, pixels) > 0) {
        float *expected = machine_run(&a, pixels, &n_exact), *found = machine_run(&b, pixels, &n);
        assert_int_equal(n, n_exact);
        sum += relative_distance(found, expected, n);
        free(expected);
        free(found);
    }
    free(pixels);
    free(keep);
    machine_close(&a);
    machine_close(&b);
    network_free(&exact);
    network_free(&net);
    return sum / 2;
}

static void test_networks(void **state)
{
    (void)state;
    struct model *m = light();
    struct network net;
    struct ranges r;
    struct channel_means means;
    assert_int_equal(network_lower(&net, m, SIZE, SIZE), 0);
    ranges_of(&r, &means, &net);
    const double plain = error_of(m, &r, NULL, false, MAP_F32);
    const double corrected = error_of(m, &r, &means, false, MAP_F32);
    const double half = error_of(m, &r, &means, true, MAP_F32);
    const double half_bf16 = error_of(m, &r, &means, true, MAP_BF16);
    if (!(plain < 0.1 && corrected < 0.1 && half < corrected && half_bf16 < 0.1))
        fail_msg("errors: %g, with means %g, half in floats %g, in bf16 %g", plain, corrected, half,
                 half_bf16);
    assert_true(half > 1e-4); /* it is not floats that were compared */
    ranges_free(&r);
    channel_means_free(&means);
    network_free(&net);
    model_free(m);
}

/* Means take off exactly what the weights' rounding adds for a map that is its mean everywhere. */
static void test_bias_correction(void **state)
{
    (void)state;
    struct by_hand b;
    float known_a = 5, known_b = 4;
    float *of_tensor[5] = {NULL, NULL, &known_a, &known_b, NULL};
    const struct channel_means means = {of_tensor, 5};
    struct ranges r = {0};
    by_hand(&b);
    b.weights[0] = 4.1F; /* 2.05 quanta of the input: rounded to 4 * 0.5 = 2 */
    struct layer layers[3] = {{.kind = LAYER_CONVERT, .output = 2, .added = -1},
                              {.kind = LAYER_CONVERT, .output = 3, .added = -1},
                              b.conv};
    b.net.layers = layers;
    b.net.n_layers = 3;
    b.tensors[2].nonnegative = true;
    assert_int_equal(ranges_set(&r, "a", 127.5F), 0); /* scale 0.5 */
    assert_int_equal(ranges_set(&r, "b", 254), 0);    /* scale 2 */
    assert_int_equal(ranges_set(&r, "out", 31.75F), 0);
    const struct quantize_options options = {.means = &means};
    layers[0].low = layers[1].low = -INFINITY;
    layers[0].high = layers[1].high = INFINITY;
    assert_int_equal(quantize(&b.net, &r, &options), 0);
    assert_true(b.tensors[2].scale == 0.5F && b.tensors[2].zero == 0);
    assert_true(b.tensors[3].scale == 2 && b.tensors[3].zero == 128);
    assert_true(b.tensors[4].scale == 0.25F);
    /* 4 instead of 4.1 at the mean 5: 0.5 too little, which the bias gets back. */
    assert_true(fabsf(b.bias[0] - 3.5F) < 1e-5F);
    assert_true(b.bias[1] == -1);
    /* Weights that are not rounded want the bias as it was. */
    float w[4], bias[2];
    b.tensors[4].type = MAP_U8;
    assert_int_equal(scale_weights(&b.net, &layers[2], w, bias), 0);
    assert_true(w[0] == 4.1F * 0.5F / 0.25F && w[1] == 0);
    assert_true(w[2] == -127.0F / 4 * 2 / 0.25F && w[3] == 0);
    assert_true(fabsf(bias[0] - 12) < 1e-5F && bias[1] == -4);
    free(layers[2].correction);

    r.n = 1; /* b and out are not there */
    assert_int_equal(quantize(&b.net, &r, NULL), BPNET_EUSAGE);
    assert_string_equal(error_message(),
                        "the calibration has no range for 'b'; it is of another network");
    ranges_free(&r);
}

/* A sum of more products than 32 bits hold stays in floats. */
static void test_overflow(void **state)
{
    (void)state;
    struct by_hand b;
    struct ranges r = {0};
    by_hand(&b);
    assert_int_equal(ranges_set(&r, "out", 1), 0);
    b.net.layers = &b.conv;
    b.net.n_layers = 1;
    b.conv.geometry.in_c = QUANTIZE_MAX_PRODUCTS;
    assert_int_equal(quantize(&b.net, &r, NULL), 0);
    assert_int_equal(b.conv.precision, MAP_U8);
    b.conv.geometry.in_c++;
    assert_int_equal(quantize(&b.net, &r, NULL), 0);
    assert_int_equal(b.conv.precision, MAP_F32);
    ranges_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights_by_hand), cmocka_unit_test(test_networks),
        cmocka_unit_test(test_bias_correction), cmocka_unit_test(test_overflow)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
