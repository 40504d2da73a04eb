/*
 * Opening an engine costs what reading it from memory does, a few times over at most: nothing is
 * copied, and the checksum runs at the memory's speed. Measured in turns, the best of several.
 */
#include "base/clock.h"
#include "deploy/engines.h"
#include "io/file.h"
#include "io/scratch.h"

enum { H = 32, W = 32, WIDE = 1024, TURNS = 9, MOST_READS = 5 };

static struct node convolution(const char *name, int input, int channels)
{
    struct node n = {.op = OP_CONV,
                     .n_inputs = 1,
                     .inputs = {input},
                     .channels = channels,
                     .kernel = 3,
                     .stride = 2,
                     .dilation = 1,
                     .groups = 1,
                     .bias = true};
    snprintf(n.name, sizeof n.name, "%s", name);
    return n;
}

/* 38 MB of weights in one layer. */
static void make_engine(const char *path)
{
    struct model *m = calloc(1, sizeof *m);
    struct rng rng = rng_stream(8, 0, 0);
    struct network net;
    uint8_t *bytes;
    size_t size;
    const struct node nodes[] = {{.name = "input", .op = OP_INPUT, .channels = 3},
                                 convolution("first", 0, WIDE),
                                 convolution("second", 1, WIDE)};
    m->spec_text = calloc(1, 1);
    for (int i = 0; i < 3; i++)
        assert_int_equal(graph_add(&m->graph, &nodes[i]), i);
    assert_int_equal(graph_set_outputs(&m->graph, (const int[]){2}, 1), 0);
    assert_int_equal(graph_check(&m->graph), 0);
    assert_int_equal(params_open(&m->params, &m->graph), 0);
    for (size_t i = 0; i < m->params.n_floats; i++)
        m->params.value[i] = (float)rng_uniform(&rng) - 0.5F;
    set_normalisation(m);
    const struct compile_options how = {
        .level = cpu_level_detect(), .no_timing = true, .precision = "fp32"};
    assert_int_equal(network_lower(&net, m, H, W), 0);
    if (compile_to_memory(&bytes, &size, &net, &how) < 0 || file_write(path, bytes, size) < 0)
        fail_msg("%s", error_message());
    assert_true(size > (size_t)9 * WIDE * WIDE * sizeof(float));
    free(bytes);
    network_free(&net);
    model_free(m);
}

static uint64_t read_all(const char *path)
{
    struct file_view file;
    uint64_t sum = 0, word;
    assert_int_equal(file_view_open(&file, path, SIZE_MAX), 0);
    for (size_t i = 0; i + sizeof word <= file.size; i += sizeof word) {
        memcpy(&word, file.bytes + i, sizeof word);
        sum += word;
    }
    file_view_close(&file);
    return sum;
}

static void open_it(const char *path, struct workers *team)
{
    struct engine *e;
    if (engine_open(&e, path, NULL, cpu_level_detect(), team) < 0)
        fail_msg("%s", error_message());
    engine_close(e);
}

static void test_time(void **state)
{
    (void)state;
    const char *path = scratch_path("wide.engine");
    int64_t reading = INT64_MAX, opening = INT64_MAX;
    make_engine(path);
    const uint64_t sum = read_all(path);
    for (int i = 0; i < TURNS; i++) {
        const int64_t start = clock_ns();
        assert_true(read_all(path) == sum);
        const int64_t between = clock_ns();
        open_it(path, NULL);
        const int64_t end = clock_ns();
        reading = between - start < reading ? between - start : reading;
        opening = end - between < opening ? end - between : opening;
    }
    print_message("reading %.2f ms, opening %.2f ms\n", (double)reading / 1e6,
                  (double)opening / 1e6);
    assert_true(opening < MOST_READS * reading);
}

/* A team verifies the same file, and finds the same bit changed. */
static void test_team(void **state)
{
    (void)state;
    const char *path = scratch_path("wide.engine"), *other = scratch_path("changed.engine");
    struct workers *team;
    struct engine *e;
    struct file_view file;
    make_engine(path);
    assert_int_equal(workers_open(&team, 2), 0);
    open_it(path, team);
    assert_int_equal(file_view_open(&file, path, SIZE_MAX), 0);
    uint8_t *bytes = malloc(file.size);
    memcpy(bytes, file.bytes, file.size);
    for (size_t k = 1; k < 4; k++) {
        bytes[file.size * k / 4] ^= 16;
        assert_int_equal(file_write(other, bytes, file.size), 0);
        assert_int_equal(engine_open(&e, other, NULL, cpu_level_detect(), team), BPNET_EFORMAT);
        assert_non_null(strstr(error_message(), "the checksum of section 'weights'"));
        assert_null(e);
        bytes[file.size * k / 4] ^= 16;
    }
    free(bytes);
    file_view_close(&file);
    workers_close(team);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_time), cmocka_unit_test(test_team)};
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
