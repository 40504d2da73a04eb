/*
 * Engines whose convolutions transform: at every level of CPU and for maps of every type near an
 * engine of plain floats, the same for any number of threads, and in 8 bits no worse than direct
 * kernels. A cache of timings that were never measured makes the builder choose them.
 */
#include "deploy/calibrate.h"
#include "deploy/engines.h"
#include "deploy/quantize.h"
#include "deploy/timing_cache.h"
#include "io/scratch.h"
#include "nn/networks.h"

enum { H = 64, W = 80, CALIBRATION = 3 };

static int feed(void *ctx, uint8_t *pixels)
{
    int *given = ctx;
    if (*given == CALIBRATION)
        return 0;
    uint8_t *made = random_pixels(H, W, (uint64_t)++ * given);
    memcpy(pixels, made, (size_t)H * W * 3);
    free(made);
    return 1;
}

/* Lowered, and in this type. */
static void make_network(struct network *net, const struct model *m, enum map_type type)
{
    struct ranges ranges = {0};
    struct channel_means means = {0};
    int given = 0;
    const struct calibration_options how = {.algorithm = CALIBRATE_MAX,
                                            .level = cpu_level_detect()};
    const struct quantize_options options = {.means = &means};
    if (network_lower(net, m, H, W) < 0)
        fail_msg("%s", error_message());
    if (type == MAP_U8 && (calibrate(&ranges, &means, net, feed, &given, &how) < 0 ||
                           quantize(net, &ranges, &options) < 0))
        fail_msg("%s", error_message());
    if (type == MAP_BF16)
        network_set_type(net, MAP_BF16);
    ranges_free(&ranges);
    channel_means_free(&means);
}

static struct model *make_model(void)
{
    struct model *m;
    struct rng rng = rng_stream(17, 0, 0);
    struct model_spec spec = default_spec(MODEL_FULL, 2);
    spec.width_multiplier = 0.125;
    assert_int_equal(model_build_graph(&m, &spec, 5), 0);
    random_values(&m->params, &rng);
    set_normalisation(m);
    m->meta.skeleton = (struct skeleton){0};
    return m;
}

/* Write a cache in which kernels that transform are fast and all others slow. */
static void prefer_transforms(const char *path, unsigned threads)
{
    struct timing_cache c;
    assert_int_equal(timing_cache_open(&c, path, threads), 0);
    assert_true(c.n > 0);
    for (size_t i = 0; i < c.n; i++)
        c.list[i].ns = strstr(c.list[i].key, "fourier") ? 1 : 1000;
    c.changed = true;
    assert_int_equal(timing_cache_save(&c), 0);
    timing_cache_close(&c);
}

static int count_transforms(const struct machine *m)
{
    int n = 0;
    for (int i = 0; i < engine_info(m->engine)->n_steps; i++)
        n += strstr(engine_step(m->engine, i).kernel, "fourier") != NULL;
    return n;
}

/* Outputs with transforms wherever they can be had; NULL: this level has none. */
static float *transformed(const struct network *net, enum cpu_level level, unsigned threads,
                          const uint8_t *pixels, size_t *n)
{
    struct machine machine;
    char path[64];
    snprintf(path, sizeof path, "%.40s/timings-%d-%u", scratch_folder, (int)level, threads);
    const struct compile_options how = {.level = level, .timing_cache = path};
    machine_make(&machine, net, threads, &how);
    machine_close(&machine);
    prefer_transforms(path, threads);
    machine_make(&machine, net, threads, &how);
    float *found = NULL;
    if (count_transforms(&machine) > 0) {
        assert_true(count_transforms(&machine) >= 8); /* 3x3 and 7x7 */
        found = machine_run(&machine, pixels, n);
    }
    machine_close(&machine);
    return found;
}

static float *direct(const struct network *net, const uint8_t *pixels, size_t *n)
{
    struct machine machine;
    machine_open(&machine, net, cpu_level_detect(), 1, true);
    assert_int_equal(count_transforms(&machine), 0);
    float *found = machine_run(&machine, pixels, n);
    machine_close(&machine);
    return found;
}

static void compare(const struct model *m, enum map_type type)
{
    struct network exact_net, net;
    size_t n, n_exact;
    uint8_t *pixels = random_pixels(H, W, 99);
    make_network(&exact_net, m, MAP_F32);
    make_network(&net, m, type);
    float *exact = direct(&exact_net, pixels, &n_exact), *plain = direct(&net, pixels, &n);
    assert_int_equal(n, n_exact);
    const double limit = type == MAP_F32 ? 2e-5 : 1.1 * relative_distance(plain, exact, n);
    for (int level = CPU_REF; level <= (int)cpu_level_detect(); level++) {
        float *found = transformed(&net, (enum cpu_level)level, 1, pixels, &n);
        assert_non_null(found);
        const double distance = relative_distance(found, exact, n);
        if (!(distance < limit))
            fail_msg("%s, %s: distance %g, expected less than %g", map_type_names[type],
                     cpu_level_name((enum cpu_level)level), distance, limit);
        for (unsigned threads = 2; threads < 4; threads++) {
            float *again = transformed(&net, (enum cpu_level)level, threads, pixels, &n);
            assert_memory_equal(again, found, n * sizeof *found);
            free(again);
        }
        free(found);
    }
    free(exact);
    free(plain);
    free(pixels);
    network_free(&net);
    network_free(&exact_net);
}

static void test_types(void **state)
{
    (void)state;
    struct model *m = make_model();
    for (int type = 0; type < MAP_TYPES; type++)
        compare(m, (enum map_type)type);
    model_free(m);
}

/* Nobody who asks for direct sums gets others, however fast these are. */
static void test_direct(void **state)
{
    (void)state;
    struct model *m = make_model();
    struct network net;
    struct machine machine;
    char path[64];
    snprintf(path, sizeof path, "%.40s/timings-direct", scratch_folder);
    make_network(&net, m, MAP_U8);
    struct compile_options how = {.level = cpu_level_detect(), .timing_cache = path};
    machine_make(&machine, &net, 1, &how);
    machine_close(&machine);
    prefer_transforms(path, 1);
    how.direct = true;
    machine_make(&machine, &net, 1, &how);
    assert_int_equal(count_transforms(&machine), 0);
    machine_close(&machine);
    network_free(&net);
    model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_direct),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
