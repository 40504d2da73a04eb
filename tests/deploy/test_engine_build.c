/*
 * Building engine files: the same inputs give the same bytes, floats and bytes agree about the
 * maps, engines are built again from what they keep, and errors say what is missing.
 */
#include "deploy/engine_build.h"
#include "deploy/engines.h"
#include "io/container.h"
#include "io/json.h"
#include "io/scratch.h"
#include "nn/networks.h"

enum { H = 32, W = 48, PICTURES = 2 };

struct fixture {
    struct model *model;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    struct model_spec spec = default_spec(MODEL_LIGHT, 2);
    spec.width_multiplier = 0.25;
    struct rng rng = rng_stream(21, 0, 0);
    assert_int_equal(scratch_open(state), 0);
    assert_int_equal(model_build_graph(&f->model, &spec, 5), 0);
    random_values(&f->model->params, &rng);
    set_normalisation(f->model);
    skeleton_default(&f->model->meta.skeleton);
    f->model->meta.stages = 2;
    f->model->meta.stride = 8;
    f->model->meta.input_h = H;
    f->model->meta.input_w = W;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    model_free(f->model);
    free(f);
    return scratch_close(state);
}

static int feed(void *ctx, uint8_t *pixels)
{
    int *n = ctx;
    if (*n == PICTURES)
        return 0;
    uint8_t *made = random_pixels(H, W, (uint64_t)++ * n);
    memcpy(pixels, made, (size_t)H * W * 3);
    free(made);
    return 1;
}

static struct build_options options_of(enum build_precision precision, int *n)
{
    *n = 0;
    return (struct build_options){.h = H,
                                  .w = W,
                                  .precision = precision,
                                  .level = cpu_level_detect(),
                                  .no_timing = true,
                                  .feed = feed,
                                  .feed_ctx = n,
                                  .algorithm = CALIBRATE_MAX};
}

static void build(const struct fixture *f, const char *path, enum build_precision precision)
{
    int n;
    const struct build_options options = options_of(precision, &n);
    if (engine_build(path, f->model, &options, NULL) < 0)
        fail_msg("%s", error_message());
}

static void assert_same_files(const char *a, const char *b)
{
    struct file_view x, y;
    assert_int_equal(file_view_open(&x, a, SIZE_MAX), 0);
    assert_int_equal(file_view_open(&y, b, SIZE_MAX), 0);
    assert_int_equal(x.size, y.size);
    assert_memory_equal(x.bytes, y.bytes, x.size);
    file_view_close(&x);
    file_view_close(&y);
}

/* With `exact`, also the least cosine of an output with it. */
static float *outputs_of(const char *path, size_t *n, const float *exact, double *least)
{
    struct machine m = {0};
    uint8_t *pixels = random_pixels(H, W, 2);
    if (engine_open(&m.engine, path, NULL, cpu_level_detect(), NULL) < 0)
        fail_msg("%s", error_message());
    assert_int_equal(engine_context_open(&m.context, m.engine, NULL), 0);
    float *all = machine_run(&m, pixels, n);
    if (exact)
        *least = machine_cosine(&m, all, exact);
    free(pixels);
    machine_close(&m);
    return all;
}

static void test_repeatable(void **state)
{
    const struct fixture *f = *state;
    const char *a = scratch_path("a.engine"), *b = scratch_path("b.engine");
    build(f, a, BUILD_INT8);
    build(f, b, BUILD_INT8);
    assert_same_files(a, b);
}

/*
 * How far bytes and short floats are from floats, over all (bounds seen, and doubled) and by the
 * cosine of every output.
 */
static void test_precisions(void **state)
{
    const struct fixture *f = *state;
    static const double limits[BUILD_PRECISIONS] = {0, 0.02, 0.1};
    static const double least[BUILD_PRECISIONS] = {1, 0.999, 0.99};
    double cosines = 0;
    size_t n, n_exact;
    build(f, scratch_path("exact.engine"), BUILD_FP32);
    float *exact = outputs_of(scratch_path("exact.engine"), &n_exact, NULL, NULL);
    for (int p = BUILD_BF16; p < BUILD_PRECISIONS; p++) {
        const char *path = scratch_path("other.engine");
        build(f, path, (enum build_precision)p);
        float *found = outputs_of(path, &n, exact, &cosines);
        assert_int_equal(n, n_exact);
        const double distance = relative_distance(found, exact, n);
        if (!(distance > 0 && distance < limits[p] && cosines >= least[p]))
            fail_msg("%s: distance %g, cosine %g", build_precision_names[p], distance, cosines);
        free(found);
    }
    free(exact);
}

/* From the file alone, with its channel means: every byte as before. */
static void test_rebuild(void **state)
{
    const struct fixture *f = *state;
    int n;
    struct build_options options = options_of(BUILD_FP32, &n);
    const char *first = scratch_path("first.engine"), *again = scratch_path("again.engine");
    options.feed = NULL;
    options.h = options.w = 0; /* the file knows */
    for (int p = 0; p < BUILD_PRECISIONS; p++) {
        build(f, first, (enum build_precision)p);
        if (engine_rebuild(again, first, &options) < 0)
            fail_msg("%s", error_message());
        assert_same_files(first, again);
    }
    assert_int_equal(engine_rebuild(again, again, &options), 0); /* over itself */
    assert_same_files(first, again);
}

/* Layers that were kept in floats still are. */
static void test_rebuild_floats(void **state)
{
    const struct fixture *f = *state;
    int n, n_floats = 0;
    struct network net;
    struct engine *engine;
    struct build_options options = options_of(BUILD_INT8, &n);
    const char *first = scratch_path("first.engine"), *again = scratch_path("again.engine");
    assert_int_equal(network_lower(&net, f->model, H, W), 0);
    const char *const names[2] = {net.tensors[net.outputs[1]].name,
                                  net.tensors[net.layers[0].output].name};
    options.keep_float = names;
    options.n_keep_float = 2;
    assert_int_equal(engine_build(first, f->model, &options, NULL), 0);
    options.keep_float = NULL;
    options.n_keep_float = 0;
    assert_int_equal(engine_rebuild(again, first, &options), 0);
    assert_same_files(first, again);
    assert_int_equal(engine_open(&engine, again, NULL, cpu_level_detect(), NULL), 0);
    for (int i = 0; i < engine_info(engine)->n_steps; i++) {
        const struct engine_step_info step = engine_step(engine, i);
        n_floats += strcmp(step.kind, "conv") == 0 && step.in == MAP_F32;
    }
    assert_int_equal(n_floats, 2);
    engine_close(engine);
    network_free(&net);
}

static void test_not_kept(void **state)
{
    const struct fixture *f = *state;
    int n;
    struct build_options options = options_of(BUILD_FP32, &n);
    const char *path = scratch_path("small.engine");
    options.leave_out_model = true;
    assert_int_equal(engine_build(path, f->model, &options, NULL), 0);
    assert_int_equal(engine_rebuild(path, path, &options), BPNET_EUSAGE);
    assert_non_null(strstr(error_message(), "does not keep its model"));
}

static void test_report(void **state)
{
    const struct fixture *f = *state;
    int n;
    struct build_options options = options_of(BUILD_INT8, &n);
    struct engine *e;
    struct json *json;
    options.no_timing = false;
    options.timing_cache = scratch_path("timings");
    const char *path = scratch_path("timed.engine");
    assert_int_equal(engine_build(path, f->model, &options, NULL), 0);
    assert_true(file_exists(options.timing_cache));
    assert_int_equal(engine_open(&e, path, NULL, cpu_level_detect(), NULL), 0);
    const char *report = engine_info(e)->report;
    assert_int_equal(json_parse(&json, report, strlen(report), "report"), 0);
    assert_string_equal(json_as_string(json_get(json, "precision")), "int8");
    assert_true(json_as_number(json_get(json, "milliseconds")) > 0);
    const struct json *layers = json_get(json, "layers");
    assert_int_equal(json_length(layers), engine_info(e)->n_steps);
    double sum = 0;
    for (size_t i = 0; i < json_length(layers); i++)
        sum += json_as_number(json_get(json_at(layers, i), "microseconds"));
    assert_true(sum > 0 && sum <= 1001 * json_as_number(json_get(json, "milliseconds")));
    json_free(json);
    engine_close(e);
}

static void test_keep_float(void **state)
{
    const struct fixture *f = *state;
    int n;
    struct build_options options = options_of(BUILD_INT8, &n);
    const char *path = scratch_path("mixed.engine");
    struct engine *e;
    /* the first convolution and one in the middle, by the names that an engine tells */
    char first[GRAPH_NAME_SIZE] = "", middle[GRAPH_NAME_SIZE] = "";
    build(f, path, BUILD_INT8);
    assert_int_equal(engine_open(&e, path, NULL, cpu_level_detect(), NULL), 0);
    for (int i = 0; i < engine_info(e)->n_steps; i++) {
        const struct engine_step_info step = engine_step(e, i);
        if (step.macs > 0 && !*first)
            snprintf(first, sizeof first, "%s", step.name);
        if (step.macs > 0 && i < engine_info(e)->n_steps / 2)
            snprintf(middle, sizeof middle, "%s", step.name);
    }
    engine_close(e);
    const char *kept[] = {first, middle};
    options.keep_float = kept;
    options.n_keep_float = 2;
    if (engine_build(path, f->model, &options, NULL) < 0)
        fail_msg("%s", error_message());
    assert_int_equal(engine_open(&e, path, NULL, cpu_level_detect(), NULL), 0);
    int n_float = 0;
    for (int i = 0; i < engine_info(e)->n_steps; i++)
        n_float += engine_step(e, i).macs > 0 && engine_step(e, i).in == MAP_F32;
    assert_int_equal(n_float, 2);
    engine_close(e);
    const char *const none = "nothing like it";
    options.keep_float = &none;
    options.n_keep_float = 1;
    n = 0;
    assert_int_equal(engine_build(path, f->model, &options, NULL), BPNET_EUSAGE);
    assert_non_null(strstr(error_message(), "nothing like it"));
}

static void test_no_pictures(void **state)
{
    const struct fixture *f = *state;
    int n;
    struct build_options options = options_of(BUILD_INT8, &n);
    options.feed = NULL;
    assert_int_equal(engine_build(scratch_path("none.engine"), f->model, &options, NULL),
                     BPNET_EUSAGE);
    assert_false(file_exists(scratch_path("none.engine")));
}

/* ---- a judge --------------------------------------------------------------------------------- */

struct verdict {
    int code, n_steps;
    const struct model *model;
    size_t n_keep_float;
};

static int judge(void *ctx, const struct engine *engine, const struct model *model,
                 const struct build_options *how)
{
    struct verdict *v = ctx;
    v->n_steps = engine_info(engine)->n_steps;
    v->model = model;
    v->n_keep_float = how->n_keep_float;
    return v->code;
}

/* What is judged is what is written, or not: then what was there before stays. */
static void test_judge(void **state)
{
    const struct fixture *f = *state;
    int n;
    struct verdict v = {.code = BPNET_EGOAL};
    struct engine *engine;
    struct build_options options = options_of(BUILD_FP32, &n);
    const char *path = scratch_path("judged.engine");
    options.judge = judge;
    options.judge_ctx = &v;
    assert_int_equal(engine_build(path, f->model, &options, NULL), BPNET_EGOAL);
    assert_false(file_exists(path));
    v.code = BPNET_OK;
    assert_int_equal(engine_build(path, f->model, &options, NULL), 0);
    assert_true(v.model == f->model);
    assert_int_equal(engine_open(&engine, path, NULL, cpu_level_detect(), NULL), 0);
    assert_int_equal(engine_info(engine)->n_steps, v.n_steps);
    engine_close(engine);

    v = (struct verdict){.code = BPNET_EGOAL}; /* built again: the model is the file's */
    assert_int_equal(engine_rebuild(scratch_path("no.engine"), path, &options), BPNET_EGOAL);
    assert_true(v.model && v.model != f->model && v.n_steps > 0);
    assert_false(file_exists(scratch_path("no.engine")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeatable), cmocka_unit_test(test_precisions),
        cmocka_unit_test(test_rebuild),    cmocka_unit_test(test_rebuild_floats),
        cmocka_unit_test(test_not_kept),   cmocka_unit_test(test_report),
        cmocka_unit_test(test_keep_float), cmocka_unit_test(test_no_pictures),
        cmocka_unit_test(test_judge),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
