/*
 * ONNX files in 8 bits, and networks that went through ONNX on their way to an engine. What other
 * runtimes make of such files is tests/oracle/onnx-compare's business.
 */
#include "base/error.h"
#include "deploy/engines.h"
#include "deploy/onnx_bytes.h"
#include "io/file.h"
#include "nn/networks.h"
#include "onnx/import.h"
#include "onnx/onnx_reader.h"

#include <math.h>

enum { H = 48, W = 64 };

static const char path[] = "test_onnx_bytes.onnx";

static int feed(void *ctx, uint8_t *pixels)
{
    int *left = ctx;
    if (*left == 0)
        return 0;
    uint8_t *made = random_pixels(H, W, (uint64_t)(*left)--);
    memcpy(pixels, made, (size_t)H * W * 3);
    free(made);
    return 1;
}

static void rewind_pictures(void *ctx)
{
    *(int *)ctx = 2;
}

static struct model *make_model(enum model_kind kind, bool attention)
{
    struct model_spec spec = default_spec(kind, 2);
    struct model *m;
    struct rng rng = rng_stream(17, (uint64_t)kind, attention);
    spec.width_multiplier = 0.125;
    spec.self_attention = attention;
    if (model_build_shape(&m, &spec) < 0)
        fail_msg("%s", error_message());
    random_values(&m->params, &rng);
    skeleton_default(&m->meta.skeleton);
    for (int c = 0; c < 3; c++) {
        m->meta.scale[c] = 256.0F;
        m->meta.offset[c] = 0.5F;
    }
    return m;
}

static struct build_options options_of(enum build_precision precision, int *pictures)
{
    return (struct build_options){.h = H,
                                  .w = W,
                                  .precision = precision,
                                  .level = cpu_level_detect(),
                                  .no_timing = true,
                                  .feed = feed,
                                  .feed_ctx = pictures,
                                  .algorithm = CALIBRATE_MSE};
}

/* The last stage's maps by an engine of the model; free(). */
static float *by_engine(const struct model *m, enum build_precision precision, size_t *n)
{
    int pictures = 2;
    const struct build_options how = options_of(precision, &pictures);
    struct machine machine = {0};
    uint8_t *pixels = random_pixels(H, W, 99);
    if (engine_build("test_onnx_bytes.engine", m, &how, NULL) < 0 ||
        engine_open(&machine.engine, "test_onnx_bytes.engine", NULL, how.level, NULL) < 0 ||
        engine_context_open(&machine.context, machine.engine, NULL) < 0)
        fail_msg("%s", error_message());
    remove("test_onnx_bytes.engine");
    float *all = machine_run(&machine, pixels, n);
    machine_close(&machine);
    free(pixels);
    return all;
}

static struct model *imported(void)
{
    static const struct onnx_import_options plain = {0};
    struct model *m;
    if (onnx_import(&m, path, &plain) < 0)
        fail_msg("%s", error_message());
    assert_int_equal(m->meta.stages, 1);
    return m;
}

/* Of b as a copy of a, in decibels. */
static double signal_to_noise(const float *a, const float *b, size_t n)
{
    double signal = 0, noise = 0;
    for (size_t i = 0; i < n; i++) {
        signal += (double)a[i] * (double)a[i];
        noise += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
    }
    assert_true(signal > 0);
    return 10 * log10(signal / (noise + 1e-30 * signal));
}

static void expect_same(const struct model *a, const struct model *b,
                        enum build_precision precision, double least)
{
    size_t n, m;
    float *x = by_engine(a, precision, &n), *y = by_engine(b, precision, &m);
    assert_int_equal(n, m);
    const double found = signal_to_noise(x, y, n);
    if (!(found >= least))
        fail_msg("%s engines: %.1f dB, expected %.0f", build_precision_names[precision], found,
                 least);
    free(x);
    free(y);
}

static const struct {
    enum model_kind kind;
    bool attention;
} kinds[] = {{MODEL_LIGHT, false}, {MODEL_LITE, false}, {MODEL_LITE, true}, {MODEL_FULL, false}};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

/* Export, import, build an engine: the same outputs as of an engine before that. */
static void test_round_trip(void **state)
{
    (void)state;
    const struct onnx_export_options how = {.h = H, .w = W};
    for (int k = 0; k < N_KINDS; k++) {
        struct model *m = make_model(kinds[k].kind, kinds[k].attention);
        if (onnx_export(m, &how, path) < 0)
            fail_msg("%s", error_message());
        struct model *again = imported();
        expect_same(m, again, BUILD_FP32, 90);
        expect_same(m, again, BUILD_INT8, 40);
        model_free(again);
        model_free(m);
    }
    remove(path);
}

static size_t count(const struct onnx_file *f, const char *type)
{
    size_t n = 0;
    for (size_t i = 0; i < f->n_ops; i++)
        n += strcmp(f->ops[i].type, type) == 0;
    return n;
}

static const struct onnx_tensor *tensor_named(const struct onnx_file *f, const char *name)
{
    for (size_t i = 0; i < f->n_tensors; i++)
        if (strcmp(f->tensors[i].name, name) == 0)
            return &f->tensors[i];
    return NULL;
}

/* All convolutions in 8 bits, with the weights that an engine has; read back as floats, what an
 * engine of 8 bits computes. */
static void test_bytes(void **state)
{
    (void)state;
    const struct onnx_export_options how = {.h = H, .w = W};
    for (int k = 0; k < N_KINDS; k++) {
        struct model *m = make_model(kinds[k].kind, kinds[k].attention);
        struct onnx_file file;
        int pictures = 2;
        const struct build_options build = options_of(BUILD_INT8, &pictures);
        if (onnx_export_bytes(m, &build, &how, path) < 0 || onnx_file_open(&file, path, NULL) < 0)
            fail_msg("%s", error_message());
        const size_t n_convs = count(&file, "Conv");
        size_t n_bytes = 0;
        for (size_t i = 0; i < file.n_tensors; i++)
            n_bytes += file.tensors[i].n_dims == 4 && file.tensors[i].integral;
        assert_int_equal(n_bytes, n_convs);
        assert_true(count(&file, "QuantizeLinear") >= n_convs / 2);
        assert_true(tensor_named(&file, "input/scale") != NULL);
        onnx_file_close(&file);
        struct model *again = imported();
        size_t n, n_again;
        float *bytes = by_engine(m, BUILD_INT8, &n),
              *floats = by_engine(again, BUILD_FP32, &n_again);
        assert_int_equal(n, n_again);
        if (!(signal_to_noise(bytes, floats, n) >= 20))
            fail_msg("network %d: %.1f dB", k, signal_to_noise(bytes, floats, n));
        free(bytes);
        free(floats);
        model_free(again);
        model_free(m);
    }
    remove(path);
}

/* A network with channels of very different sizes is equalised, and convolutions that stay in
 * floats are, too. */
static void test_equalized(void **state)
{
    (void)state;
    const struct onnx_export_options how = {.h = H, .w = W};
    struct model *m = make_model(MODEL_LIGHT, false);
    struct rng rng = rng_stream(18, 0, 0);
    for (size_t p = 0; p < (size_t)m->params.n; p++)
        if (m->params.list[p].role == PARAM_GAMMA || m->params.list[p].role == PARAM_BETA)
            for (size_t i = 0; i < m->params.list[p].count; i++)
                m->params.value[m->params.list[p].offset + i] *= (float)exp(rng_range(&rng, -4, 0));
    struct network net;
    const char *kept[3];
    int pictures = 2, n_kept = 0;
    assert_int_equal(network_lower(&net, m, H, W), 0);
    for (int i = 4; i < net.n_layers && n_kept < 3; i += 3)
        if (net.layers[i].kind == LAYER_CONV)
            kept[n_kept++] = net.tensors[net.layers[i].output].name;
    assert_int_equal(n_kept, 3);
    struct build_options build = options_of(BUILD_INT8, &pictures);
    build.keep_float = kept;
    build.n_keep_float = 3;
    build.equalize = true;
    build.rewind = rewind_pictures;
    if (onnx_export_bytes(m, &build, &how, path) < 0)
        fail_msg("%s", error_message());
    struct model *again = imported();
    size_t n, n_again;
    float *floats = by_engine(m, BUILD_FP32, &n), *read = by_engine(again, BUILD_FP32, &n_again);
    assert_int_equal(n, n_again);
    if (!(signal_to_noise(floats, read, n) >= 15)) /* without the kept ones' factors: below 0 */
        fail_msg("%.1f dB", signal_to_noise(floats, read, n));
    free(floats);
    free(read);
    network_free(&net);
    model_free(again);
    model_free(m);
    remove(path);
}

/* What a person could get wrong. */
static void test_refusals(void **state)
{
    (void)state;
    static const char *const nobody[] = {"nobody"};
    struct model *m = make_model(MODEL_LIGHT, false);
    int pictures = 1;
    struct build_options build = options_of(BUILD_INT8, &pictures);
    struct onnx_export_options how = {.h = H, .w = W, .keep_norms = true};
    assert_int_equal(onnx_export_bytes(m, &build, &how, path), BPNET_EUSAGE);
    how.keep_norms = false;
    build.keep_float = nobody;
    build.n_keep_float = 1;
    pictures = 1;
    assert_int_equal(onnx_export_bytes(m, &build, &how, path), BPNET_EUSAGE);
    assert_string_equal(error_message(), "no convolution makes 'nobody'");
    build.feed = NULL;
    assert_int_equal(onnx_export_bytes(m, &build, &how, path), BPNET_EUSAGE);
    assert_false(file_exists(path));
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_equalized),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
