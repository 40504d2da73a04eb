/*
 * ONNX files of every operator against what ONNX Runtime computes for them (made by
 * tests/fixture/onnx/make.py), and files that are refused.
 */
#include "base/cpu.h"
#include "base/error.h"
#include "io/file.h"
#include "nn/exec.h"
#include "nn/networks.h"
#include "nn/runs.h"
#include "onnx/export.h"
#include "onnx/import.h"
#include "onnx/onnx_wire.h"

#include <unistd.h>

static const struct onnx_import_options plain = {0};

static void path_of(char out[512], const char *name, const char *suffix)
{
    snprintf(out, 512, "%s/onnx/%s.%s", FIXTURES, name, suffix);
}

static struct model *import_named(const char *name, const struct onnx_import_options *options)
{
    char path[512];
    struct model *m;
    path_of(path, name, "onnx");
    if (onnx_import(&m, path, options) < 0)
        fail_msg("%s", error_message());
    return m;
}

/* The pixels of make.py, normalised as the model says; `bgr`: make.py counted from blue. */
static void fill_input(float *x, const struct model_meta *meta, int h, int w, bool bgr)
{
    for (int i = 0; i < h * w; i++)
        for (int c = 0; c < 3; c++) {
            const int y = i / w, column = i % w, channel = bgr ? 2 - c : c;
            const int pixel = (7 * y + 13 * column + 29 * channel + y * column / 5) % 256;
            x[i * 3 + c] = (float)pixel / meta->scale[c] - meta->offset[c];
        }
}

/* The expected floats from `at` on that are output k; `joined`: so many channels of them. */
static void compare(const struct exec *e, int k, const float *expected, int first, int joined,
                    double limit, const char *name)
{
    int h, w, channels, pitch;
    const float *map = exec_output(e, k, &h, &w, &channels, &pitch);
    double worst = 0.0, largest = 0.0;
    for (int i = 0; i < h * w; i++)
        for (int c = 0; c < channels; c++) {
            const double value = (double)expected[i * (joined ? joined : channels) + first + c];
            worst = fmax(worst, fabs((double)map[i * pitch + c] - value));
            largest = fmax(largest, fabs(value));
        }
    if (!(worst <= limit * fmax(largest, 1.0)))
        fail_msg("%s, output %d: differs by %g of %g", name, k, worst, largest);
}

/* Run a model and compare its outputs one after another, or as slices of one. */
static void check_outputs(struct model *m, const char *name, int h, int w, bool bgr, int joined,
                          double limit)
{
    struct kernels kernels;
    struct workers *workers;
    struct exec *e;
    struct file_view file;
    char path[512];
    path_of(path, name, "f32");
    assert_int_equal(file_view_open(&file, path, 1 << 20), 0);
    const float *expected = (const float *)(const void *)file.bytes;
    kernels_init(&kernels, cpu_level_detect());
    assert_int_equal(workers_open(&workers, 2), 0);
    const struct exec_options how = {
        .batch = 1, .h = h, .w = w, .kernels = &kernels, .workers = workers, .output_stage = -1};
    if (exec_open(&e, m, &how) < 0)
        fail_msg("%s: %s", name, error_message());
    fill_input(exec_input(e), &m->meta, h, w, bgr);
    assert_int_equal(exec_forward(e), 0);
    size_t at = 0;
    int first = 0;
    for (int k = 0; k < exec_n_outputs(e); k++) {
        int oh, ow, channels, pitch;
        exec_output(e, k, &oh, &ow, &channels, &pitch);
        const int width = joined ? joined : channels;
        assert_true((at + (size_t)(oh * ow * width)) * sizeof(float) <= file.size);
        compare(e, k, expected + at, first, joined, limit, name);
        first += joined ? channels : 0;
        at += joined ? 0 : (size_t)(oh * ow * channels);
    }
    if (!joined)
        assert_int_equal(at * sizeof(float), file.size);
    exec_close(e);
    workers_close(workers);
    file_view_close(&file);
}

static const struct fixture {
    const char *name;
    int h, w;
    bool bgr;
    double limit; /* of the largest value */
} fixtures[] = {
    {"conv", 12, 16, true, 1e-5},    {"act", 12, 16, false, 1e-5},
    {"pool", 11, 15, false, 1e-5},   {"join", 12, 16, false, 1e-5},
    {"resize", 5, 6, false, 1e-5},   {"upsample", 5, 6, false, 1e-5},
    {"last", 12, 16, true, 1e-5},    {"sizes", 8, 12, false, 1e-5},
    {"types", 12, 16, false, 2e-5},  {"rounded", 12, 16, false, 0.03},
    {"pixels", 12, 16, false, 0.01},
};

static void test_operators(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof fixtures / sizeof fixtures[0]; i++) {
        const struct fixture *f = &fixtures[i];
        const struct onnx_import_options options = {.input_h = f->h, .input_w = f->w};
        struct model *m = import_named(f->name, &options);
        assert_int_equal(m->meta.stages, 0);
        check_outputs(m, f->name, f->h, f->w, f->bgr, 0, f->limit);
        model_free(m);
    }
}

/* What was imported is a model like others: it is saved, loaded, and computes the same. */
static void test_file(void **state)
{
    (void)state;
    char path[] = "/tmp/bpnet-import-XXXXXX";
    struct model *m = import_named("conv", &plain), *again;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(model_save(m, path, NULL), 0);
    assert_int_equal(model_load(&again, path, NULL), 0);
    check_outputs(again, "conv", 12, 16, true, 0, 1e-5);
    assert_int_equal(model_need_people(again, "it"), BPNET_EUNSUPPORTED);
    assert_string_equal(error_message(), "it: finds no people: its outputs are not heatmaps and "
                                         "part affinity fields");
    model_free(again);
    model_free(m);
    remove(path);
    close(fd);
}

/* ---- poses ------------------------------------------------------------------------------- */

static void test_stages(void **state)
{
    (void)state;
    const struct onnx_import_options options = {.input_h = 12, .input_w = 16};
    struct model *m = import_named("pose_two", &options);
    assert_int_equal(m->meta.stages, 2);
    assert_int_equal(m->meta.stride, 2);
    assert_string_equal(m->meta.skeleton.type, "stick");
    assert_string_equal(m->meta.skeleton.joints[1], "foot");
    assert_int_equal(m->meta.skeleton.limbs[0][0], 1);
    assert_int_equal(m->graph.n_outputs, 4);
    static const int channels[4] = {3, 3, 2, 2};
    for (int k = 0; k < 4; k++)
        assert_int_equal(m->graph.nodes[m->graph.outputs[k]].channels, channels[k]);
    for (int i = 0; i < m->graph.n_nodes; i++) /* the PAFs are taken before they are enlarged */
        assert_true(m->graph.nodes[i].op != OP_RESIZE);
    assert_true(fabsf(m->meta.scale[0] - 127.5F) < 1e-4F);
    assert_true(fabsf(m->meta.offset[2] - 1.0F) < 1e-6F);
    model_free(m);
}

/* Heatmaps and PAFs in one map: the joined maps, or slices of a convolution's. */
static void test_joined(void **state)
{
    (void)state;
    static const char *const names[] = {"pose_joined", "pose_whole"};
    for (int i = 0; i < 2; i++) {
        const struct onnx_import_options options = {.input_h = 12, .input_w = 16};
        struct model *m = import_named(names[i], &options);
        assert_int_equal(m->meta.stages, 1);
        check_outputs(m, names[i], 12, 16, false, 5, 1e-5);
        model_free(m);
    }
}

static void test_options(void **state)
{
    (void)state;
    struct skeleton s = {.type = "three", .n_joints = 3, .n_limbs = 2, .limbs = {{0, 1}, {1, 2}}};
    struct onnx_import_options options = {.skeleton = &s, .scale = 255.0F, .offset = 0.5F};
    struct model *m = import_named("pose_two", &options); /* four heatmaps: there are none */
    assert_int_equal(m->meta.stages, 0);
    assert_true(fabsf(m->meta.scale[1] - 255.0F) < 1e-3F);
    assert_true(fabsf(m->meta.offset[1] - 0.5F) < 1e-6F);
    model_free(m);
    options = (struct onnx_import_options){.heat = "heat_2", .paf = "paf_2"};
    m = import_named("pose_two", &options);
    assert_int_equal(m->meta.stages, 1);
    model_free(m);
    char path[512];
    path_of(path, "pose_two", "onnx");
    options.heat = "no_such";
    assert_int_equal(onnx_import(&m, path, &options), BPNET_EUSAGE);
    assert_non_null(strstr(error_message(), "no output is called 'no_such'"));
}

/* ---- there and back ---------------------------------------------------------------------- */

/* What our exporter writes of any network is the same network. */
static void check_round_trip(struct model *m, const struct onnx_export_options *how, bool poses)
{
    static const int sizes[][2] = {{64, 96}, {41, 57}};
    char path[] = "/tmp/bpnet-import-XXXXXX";
    struct model *again;
    struct runner there, back;
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    if (onnx_export(m, how, path) < 0)
        fail_msg("%s", error_message());
    if (onnx_import(&again, path, &plain) < 0)
        fail_msg("%s", error_message());
    remove(path);
    close(fd);
    assert_int_equal(again->meta.stages, poses ? 1 : 0);
    for (int i = 0; i < 2; i++) {
        const int h = sizes[i][0], w = sizes[i][1];
        runner_open(&there, m, false, 1, h, w, cpu_level_detect(), 1);
        runner_open(&back, again, false, 1, h, w, cpu_level_detect(), 1);
        runner_feed(&there, 3);
        runner_feed(&back, 3);
        runner_forward(&there);
        runner_forward(&back);
        const int last = exec_n_outputs(there.exec) / 2 - 1;
        for (int k = 0; k < 2; k++) { /* files have PAFs first, of the last stage */
            int oh, ow, channels, pitch, oh2, ow2, channels2, pitch2;
            const float *a =
                exec_output(there.exec, k * (last + 1) + last, &oh, &ow, &channels, &pitch);
            const float *b =
                exec_output(back.exec, poses ? k : 1 - k, &oh2, &ow2, &channels2, &pitch2);
            assert_true(oh == oh2 && ow == ow2 && channels == channels2);
            double distance = 0.0, size = 0.0;
            for (int p = 0; p < oh * ow; p++)
                for (int c = 0; c < channels; c++) {
                    const double value = (double)a[p * pitch + c];
                    distance = fmax(distance, fabs((double)b[p * pitch2 + c] - value));
                    size = fmax(size, fabs(value));
                }
            if (!(distance <= 1e-5 * size))
                fail_msg("output %d at %dx%d: differs by %g of %g", k, h, w, distance, size);
        }
        runner_close(&there);
        runner_close(&back);
    }
    model_free(again);
}

static void test_round_trip_random(void **state)
{
    (void)state;
    const struct onnx_export_options how = {.h = 64, .w = 96};
    for (int op = OP_CONV; op < OP_COUNT; op++)
        for (int i = 0; i < 4; i++) {
            struct rng rng = rng_stream((uint64_t)op, (uint64_t)i, 1);
            struct model *m = random_model((enum op)op, 41, 57, &rng);
            assert_non_null(m);
            const int last = m->graph.n_nodes - 1, outputs[] = {last, last - 1};
            assert_int_equal(graph_set_outputs(&m->graph, outputs, 2), 0);
            for (int c = 0; c < 3; c++)
                m->meta.scale[c] = 1.0F;
            check_round_trip(m, &how, false);
            model_free(m);
        }
}

static void test_round_trip_built(void **state)
{
    (void)state;
    static const struct onnx_export_options ways[] = {
        {.h = 64, .w = 96},
        {.h = 64, .w = 96, .layout = ONNX_NCHW, .keep_norms = true},
        {.h = 64, .w = 96, .input = ONNX_PIXELS_U8},
        {.h = 64, .w = 96, .paf_upsample = 4}};
    for (int i = 0; i < 4; i++) {
        struct model_spec spec = default_spec(i % 2 ? MODEL_LIGHT : MODEL_LITE, 2);
        struct model *m;
        struct rng rng = rng_stream(1, (uint64_t)i, 0);
        spec.width_multiplier = 0.125;
        assert_int_equal(model_build_shape(&m, &spec), 0);
        skeleton_default(&m->meta.skeleton);
        for (int c = 0; c < 3; c++) {
            m->meta.scale[c] = 256.0F;
            m->meta.offset[c] = 0.5F;
        }
        random_values(&m->params, &rng);
        check_round_trip(m, &ways[i], true);
        model_free(m);
    }
}

/* ---- refusals ---------------------------------------------------------------------------- */

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int code;
        const char *message;
    } rows[] = {
        {"bad_operator", BPNET_EUNSUPPORTED,
         "node 1 'n_soft' (Softmax): this operator is not supported"},
        {"bad_external", BPNET_EUNSUPPORTED, "tensor 'v1' lies in another file"},
        {"bad_order", BPNET_EFORMAT, "node 0 'n_v1' (Relu): its input 'later' is made by no node"},
        {"bad_kernel", BPNET_EFORMAT, "a kernel for 2 of 3 channels in 1 groups"},
        {"bad_length", BPNET_EFORMAT, "tensor 'v1' does not have the 108 elements"},
        {"bad_resize", BPNET_EUNSUPPORTED, "(Resize): enlarges by 1.5 and 1.5"},
        {"bad_slices", BPNET_ELIMIT, "(Slice): the weights it makes are too large"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char path[512];
        struct model *m;
        path_of(path, rows[i].name, "onnx");
        assert_int_equal(onnx_import(&m, path, &plain), rows[i].code);
        assert_null(m);
        if (!strstr(error_message(), rows[i].message))
            fail_msg("'%s' does not say '%s'", error_message(), rows[i].message);
    }
}

/* What is wrong with bytes that are no message, and where the field begins in which it is. */
static void test_wire(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size, offset;
        const char *fault; /* NULL: none */
    } rows[] = {
        {"", 0, 0, NULL},
        {"\x08\x07", 2, 0, NULL},
        {"\x08\x07\x12\x02ok", 6, 0, NULL},
        {"\x08\x07\x12\x03ok", 6, 2, "a field that reaches over its end"},
        {"\x08\x07\x08\xff", 4, 2, "a field that reaches over its end"},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12, 0, "a number without end"},
        {"\x08\x07\x0b", 3, 2, "a field of another type than an ONNX model has there"},
        {"\x08\x07\xfb\x07", 4, 2, "a field of no known type"},
        {"\x08\x07\x02\x00", 4, 2, "a field without number"},
        {"\x08\x07\x0d\x01\x02\x03\x04", 7, 2,
         "a field of another type than an ONNX model has there"},
        {"\xf8\x07\x01", 3, 0, NULL}, /* a field that we do not know */
        /* graph, node, input: inside, and beyond the node's end */
        {"\x3a\x06\x0a\x04\x0a\x02hi", 8, 4, NULL},
        {"\x3a\x06\x0a\x04\x0a\x03hi", 8, 4, "a field that reaches over its end"},
        {"\x3a\x06\x0a\x05\x0a\x02hi", 8, 2, "a field that reaches over its end"},
        /* graph, initializer, three bytes of packed floats */
        {"\x3a\x07\x2a\x05\x22\x03\x01\x02\x03", 9, 4, "numbers that are cut off"},
        {"\x3a\x05\x2a\x03\x12\x01\x01", 7, 4,
         "a field of another type than an ONNX model has there"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t offset = 77;
        uint8_t *copy = malloc(rows[i].size + 1); /* so that reading too far is seen */
        memcpy(copy, rows[i].bytes, rows[i].size);
        const char *fault = onnx_wire_fault(copy, rows[i].size, &offset);
        if ((fault == NULL) != (rows[i].fault == NULL) ||
            (fault && (strcmp(fault, rows[i].fault) != 0 || offset != rows[i].offset)))
            fail_msg("row %zu: '%s' at %zu", i, fault ? fault : "", offset);
        free(copy);
    }
}

/* All that protobuf-c refuses has a place; nothing that it takes has a fault. */
static void test_wire_agrees(void **state)
{
    (void)state;
    struct file_view file;
    char path[512];
    path_of(path, "sizes", "onnx");
    assert_int_equal(file_view_open(&file, path, 1 << 20), 0);
    struct rng rng = rng_stream(5, 0, 0);
    uint8_t *copy = malloc(file.size);
    int n_refused = 0;
    for (int i = 0; i < 20000; i++) {
        const size_t size = (size_t)rng_integer(&rng, 1, (int64_t)file.size);
        memcpy(copy, file.bytes, size);
        for (int k = 0; k < 2; k++)
            copy[rng_integer(&rng, 0, (int64_t)size - 1)] = (uint8_t)rng_integer(&rng, 0, 255);
        struct model *m;
        size_t offset;
        const char *fault = onnx_wire_fault(copy, size, &offset);
        if (onnx_import_memory(&m, copy, size, "it", &plain) < 0) {
            const bool unreadable = strstr(error_message(), "not an ONNX file, or damaged");
            assert_int_equal(unreadable, fault != NULL);
            assert_null(strstr(error_message(), "makes no sense"));
            n_refused += unreadable;
        } else {
            assert_null(fault);
        }
        model_free(m);
    }
    assert_true(n_refused > 1000);
    free(copy);
    file_view_close(&file);
}

/* Cut anywhere, a file is refused or is a shorter one; nothing else happens. */
static void test_cut(void **state)
{
    (void)state;
    struct file_view file;
    char path[512];
    path_of(path, "sizes", "onnx");
    assert_int_equal(file_view_open(&file, path, 1 << 20), 0);
    for (size_t size = 0; size < file.size; size++) {
        struct model *m;
        uint8_t *copy = malloc(size + 1);
        memcpy(copy, file.bytes, size);
        assert_true(onnx_import_memory(&m, copy, size, "it", &plain) < 0 || m->graph.n_outputs > 0);
        model_free(m);
        free(copy);
    }
    file_view_close(&file);
}

/* Two bytes a message: what they become is bounded. */
static void test_memory(void **state)
{
    (void)state;
    enum { SIZE = 1 << 20 };
    uint8_t *bytes = calloc(1, SIZE);
    struct model *m;
    for (size_t i = 0; i + 1 < SIZE; i += 2)
        bytes[i] = 14 << 3 | 2; /* an empty metadata entry */
    assert_int_equal(onnx_import_memory(&m, bytes, SIZE, "it", &plain), BPNET_ELIMIT);
    assert_string_equal(error_message(), "it: would take more than 16 times its size of memory");
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operators),
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_stages),
        cmocka_unit_test(test_joined),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_round_trip_random),
        cmocka_unit_test(test_round_trip_built),
        cmocka_unit_test(test_wire),
        cmocka_unit_test(test_wire_agrees),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
