/*
 * Any bytes as the graph of a model file, with as many weights as it asks for. What is accepted is
 * written again as it was read, and runs.
 */
#include "base/error.h"
#include "base/hash.h"
#include "fuzz.h"
#include "nn/exec.h"
#include "nn/model.h"

#include <string.h>

enum { MAX_WEIGHTS = 1 << 20, SIDE = 32, HEAD = 64 + 2 * 64 };

static size_t round_up(size_t n)
{
    return (n + 63) / 64 * 64;
}

static void describe(uint8_t *entry, const char *name, uint64_t offset, const uint8_t *bytes,
                     uint64_t size)
{
    const uint64_t sum = hash64(bytes, size);
    memcpy(entry, name, strlen(name));
    memcpy(entry + 24, &offset, 8);
    memcpy(entry + 32, &size, 8);
    memcpy(entry + 40, &sum, 8);
}

/* A container of "graph" and "weights", as io/container.h has it; free() */
static uint8_t *compose(const uint8_t *graph, size_t size, size_t weights_size, size_t *whole)
{
    const size_t weights_at = HEAD + round_up(size);
    const uint32_t version = 1, n = 2;
    *whole = weights_at + round_up(weights_size);
    uint8_t *file = aligned_alloc(64, *whole);
    require(file);
    memset(file, 0, *whole);
    memcpy(file, "BPNET\r\n\x1a", 8);
    memcpy(file + 8, &version, 4);
    memcpy(file + 12, &n, 4);
    memcpy(file + 16, whole, 8);
    memcpy(file + 32, "model", 5);
    if (size)
        memcpy(file + HEAD, graph, size);
    describe(file + 64, "graph", HEAD, file + HEAD, size);
    describe(file + 128, "weights", weights_at, file + weights_at, weights_size);
    const uint64_t sum = hash64(file + 32, HEAD - 32);
    memcpy(file + 24, &sum, 8);
    return file;
}

static int read_model(struct model **out, const uint8_t *graph, size_t size, size_t weights_size)
{
    size_t whole;
    struct container c;
    uint8_t *file = compose(graph, size, weights_size, &whole);
    require(container_open_memory(&c, file, whole, "it", "model") == BPNET_OK);
    const int error = model_from_container(out, &c);
    require((error == BPNET_OK) == (*out != NULL));
    container_close(&c);
    free(file);
    return error;
}

static void write_and_read(const struct model *m)
{
    struct section first[3], second[3];
    struct model_sections *keep_first, *keep_second;
    struct model *again;
    require(model_sections(m, first, &keep_first) == BPNET_OK);
    require(read_model(&again, first[0].bytes, first[0].size, first[1].size) == BPNET_OK);
    require(model_sections(again, second, &keep_second) == BPNET_OK);
    require(first[0].size == second[0].size &&
            memcmp(first[0].bytes, second[0].bytes, first[0].size) == 0);
    model_sections_free(keep_first);
    model_sections_free(keep_second);
    model_free(again);
}

static void touch_outputs(struct exec *e, bool training)
{
    for (int k = 0; k < exec_n_outputs(e); k++) {
        int h, w, channels, pitch;
        const float *map = exec_output(e, k, &h, &w, &channels, &pitch);
        for (int i = 0; i < h * w; i++)
            touch(map + (size_t)i * (size_t)pitch, (size_t)channels * sizeof(float));
        if (training)
            memset(exec_output_grad(e, k), 0, (size_t)(h * w * channels) * sizeof(float));
    }
}

/* Forward, and in training backward. */
static void run(struct model *m, bool training)
{
    struct kernels kernels;
    struct workers *workers;
    struct exec *e;
    kernels_init(&kernels, CPU_REF);
    require(workers_open(&workers, 1) == BPNET_OK);
    const struct exec_options options = {.training = training,
                                         .batch = 1,
                                         .h = SIDE,
                                         .w = SIDE,
                                         .kernels = &kernels,
                                         .workers = workers};
    if (exec_open(&e, m, &options) == BPNET_OK) {
        memset(exec_input(e), 0, sizeof(float) * 3 * SIDE * SIDE);
        require(exec_forward(e) == BPNET_OK);
        touch_outputs(e, training);
        if (training)
            require(exec_backward(e) == BPNET_OK);
        exec_close(e);
    }
    workers_close(workers);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct model *m;
    size_t needed = 0;
    int error = read_model(&m, bytes, size, 0);
    if (error < 0) { /* the message tells how many weights the graph wants */
        const char *number = strstr(error_message(), "its graph needs ");
        if (!number || sscanf(number, "its graph needs %zu", &needed) != 1 || needed > MAX_WEIGHTS)
            return 0;
        error = read_model(&m, bytes, size, needed);
    }
    if (error == BPNET_OK) {
        write_and_read(m);
        run(m, false);
        run(m, true);
    }
    model_free(m);
    return 0;
}
