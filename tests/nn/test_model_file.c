/* Model files: what is written comes back, what is damaged or lies is refused with a sentence. */
#include "base/error.h"
#include "base/rng.h"
#include "base/str.h"
#include "nn/model.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/bpnet-test-model-XXXXXX";

static struct model *small(void)
{
    const struct model_spec spec = {
        .kind = MODEL_LIGHT,
        .width_multiplier = 0.5,
        .stages = 2,
        .heat_channels = 19,
        .paf_channels = 38,
        .head_bias = true,
        .initializer = INIT_HE,
    };
    struct model *m;
    assert_int_equal(model_build_graph(&m, &spec, 7), BPNET_OK);
    skeleton_default(&m->meta.skeleton);
    for (int k = 0; k < 3; k++) {
        m->meta.scale[k] = 256;
        m->meta.offset[k] = 0.5F;
    }
    m->meta.epoch = 3;
    snprintf(m->meta.description, sizeof(m->meta.description), "a \"test\"\nof two lines");
    return m;
}

static void round_trip(void **state)
{
    (void)state;
    struct model *m = small(), *back;
    assert_int_equal(model_save(m, path, NULL), BPNET_OK);
    assert_int_equal(model_load(&back, path, NULL), BPNET_OK);
    char before[33], after[33];
    params_hash(&m->params, before);
    params_hash(&back->params, after);
    assert_string_equal(before, after);
    assert_int_equal(back->graph.n_nodes, m->graph.n_nodes);
    for (int i = 0; i < m->graph.n_nodes; i++)
        assert_memory_equal(&m->graph.nodes[i], &back->graph.nodes[i], sizeof(struct node));
    assert_memory_equal(m->graph.outputs, back->graph.outputs,
                        (size_t)m->graph.n_outputs * sizeof(int));
    assert_memory_equal(&m->meta.skeleton, &back->meta.skeleton, sizeof(struct skeleton));
    assert_string_equal(m->meta.description, back->meta.description);
    assert_int_equal(back->meta.epoch, 3);
    model_free(m);
    model_free(back);
}

static void safetensors_round_trip(void **state)
{
    (void)state;
    struct model *m = small(), *other = small();
    memset(other->params.value, 0, other->params.n_floats * sizeof(float));
    int n_loaded;
    assert_int_equal(model_save_safetensors(m, path), BPNET_OK);
    assert_int_equal(model_load_safetensors(other, path, &n_loaded), BPNET_OK);
    assert_int_equal(n_loaded, m->params.n);
    assert_memory_equal(m->params.value, other->params.value, m->params.n_floats * sizeof(float));
    other->params.list[0].dims[0]++;
    assert_int_equal(model_load_safetensors(other, path, &n_loaded), BPNET_EFORMAT);
    other->params.list[0].dims[0]--;
    model_free(m);
    model_free(other);
}

static void refuse(const char *file, const char *sentence)
{
    struct model *m;
    assert_true(model_load(&m, file, NULL) < 0);
    assert_null(m);
    if (!strstr(error_message(), sentence))
        fail_msg("'%s' does not say '%s'", error_message(), sentence);
}

/* The file with one piece of its graph text replaced; checksums are right. */
static void write_changed(const struct model *m, const char *from, const char *to)
{
    struct section sections[3];
    struct model_sections *keep;
    assert_int_equal(model_sections(m, sections, &keep), BPNET_OK);
    const char *text = sections[0].bytes, *at = strstr(text, from);
    assert_non_null(at);
    struct str changed = {0};
    str_append_bytes(&changed, text, (size_t)(at - text));
    str_append(&changed, to);
    str_append(&changed, at + strlen(from));
    sections[0].bytes = changed.text;
    sections[0].size = changed.length;
    assert_int_equal(container_write(path, "model", sections, 3, NULL), BPNET_OK);
    str_free(&changed);
    model_sections_free(keep);
}

static void lies_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to, *sentence;
    } lies[] = {
        {"\"op\": \"conv\"", "\"op\": \"deconv\"", "does not know"},
        {"\"kernel\": 3", "\"kernel\": 300", "expected 1 to"},
        {"\"kernel\": 3", "\"kernel\": \"3\"", "found a string, expected an integer"},
        {"\"channels\": 8", "\"channels\": 16", "'"},
        {"\"bias\": false", "\"bias\": 0", "expected true or false"},
        {"\"offset\": 0", "\"offset\": 16", "not where or what it should be"},
        {"\"stages\": 2", "\"stages\": 3", "expected two a stage"},
        {"\"image_scale\": [", "\"image_scale\": [1, ", "expected 3 numbers"},
        {"\"limbs\": [", "\"limbs\": [[0, 99], ", "not a pair of joints"},
        {"\"outputs\": [", "\"outputs\": [\"nobody\", ", "names no node"},
        {"\"format\": 2", "\"format\": 3", "expected 1 to 2"},
        {"\"limbs\": [", "\"limbs\": [[0, 1], ", "channels; the skeleton needs"},
        {"\"nodes\": [", "\"nodes\": [7, ", "node 0"},
        {"\"name\": \"input\",\n   \"op\": \"input\",\n   \"inputs\": [],\n   \"channels\": 3",
         "\"name\": \"input\",\n   \"op\": \"input\",\n   \"inputs\": [],\n   \"channels\": 4",
         "not where or what it should be"},
        {"\"stride\": 8", "\"stride\": 4", "which is not a stride of 4"},
        {"\"input_height\": 64", "\"input_height\": 0", "expected 1 to"},
        {"\"epsilon\": 0.001", "\"epsilon\": 0", "epsilon 0"},
        {"\"act\": \"relu\"", "\"act\": \"none\"", "its activation is unknown"},
        {"{", "", "graph"},
    };
    struct model *m = small();
    for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        write_changed(m, lies[i].from, lies[i].to);
        refuse(path, lies[i].sentence);
    }
    model_free(m);
}

/* Weights that no training would leave. */
static void bad_weights_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        float value;
        const char *sentence;
    } rows[] = {
        {"block_1a_conv_1/kernel", NAN, "value 1 of parameter 'block_1a_conv_1/kernel' is"},
        {"paf_out/bias", INFINITY, "value 1 of parameter 'paf_out/bias' is inf"},
        {"features_bn/variance", -0.5F, "'features_bn/variance' is -0.5"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct model *m = small();
        const int at = param_find(&m->params, rows[i].name);
        assert_true(at >= 0);
        m->params.value[m->params.list[at].offset + 1] = rows[i].value;
        assert_int_equal(model_save(m, path, NULL), BPNET_OK);
        refuse(path, rows[i].sentence);
        model_free(m);
    }
}

static int read_memory(const uint8_t *bytes, size_t size)
{
    struct container c;
    struct model *m = NULL;
    int error = container_open_memory(&c, bytes, size, "bytes", "model");
    if (error == BPNET_OK) {
        error = model_from_container(&m, &c);
        container_close(&c);
    }
    model_free(m);
    return error;
}

static void damage_is_refused(void **state)
{
    (void)state;
    struct model *m = small();
    assert_int_equal(model_save(m, path, NULL), BPNET_OK);
    model_free(m);
    struct file_view view;
    assert_int_equal(file_view_open(&view, path, SIZE_MAX), BPNET_OK);
    uint8_t *bytes = malloc(view.size);
    const size_t size = view.size;
    assert_non_null(bytes);
    memcpy(bytes, view.bytes, size);
    file_view_close(&view);

    struct rng rng = rng_stream(3, 0, 0);
    for (int i = 0; i < 100; i++) { /* cut off anywhere */
        const size_t cut = (size_t)rng_integer(&rng, 0, (int64_t)size - 1);
        assert_true(read_memory(bytes, cut) < 0);
    }
    for (int i = 0; i < 500; i++) { /* one bit flipped anywhere */
        const size_t at = (size_t)rng_integer(&rng, 0, (int64_t)size - 1);
        const uint8_t bit = (uint8_t)(1 << rng_integer(&rng, 0, 7));
        bytes[at] ^= bit;
        assert_true(read_memory(bytes, size) < 0);
        bytes[at] ^= bit;
    }
    assert_int_equal(read_memory(bytes, size), BPNET_OK);
    free(bytes);
}

static void kinds(void **state)
{
    (void)state;
    struct model *m = small(), *back;
    struct section sections[3];
    struct model_sections *keep;
    assert_int_equal(model_sections(m, sections, &keep), BPNET_OK);
    assert_int_equal(container_write(path, "checkpoint", sections, 3, NULL), BPNET_OK);
    assert_int_equal(model_load(&back, path, NULL), BPNET_OK);
    model_free(back);
    assert_int_equal(container_write(path, "recipe", sections, 3, NULL), BPNET_OK);
    refuse(path, "is a recipe file, expected a model");
    assert_int_equal(container_write(path, "model", sections, 1, NULL), BPNET_OK);
    refuse(path, "has no section 'weights'");
    model_sections_free(keep);
    model_free(m);
    refuse("/nonexistent.bpnet", "/nonexistent.bpnet: cannot open");
}

int main(void)
{
    const int fd = mkstemp(path);
    if (fd < 0)
        return 1;
    close(fd);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),        cmocka_unit_test(safetensors_round_trip),
        cmocka_unit_test(lies_are_refused),  cmocka_unit_test(bad_weights_are_refused),
        cmocka_unit_test(damage_is_refused), cmocka_unit_test(kinds),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(path);
    return failed;
}
