/*
 * Any bytes as the plan of an engine file, with as many constants as it asks for. What is accepted
 * is written again as it was read, and runs.
 */
#include "base/error.h"
#include "engine/engine.h"
#include "engine/plan.h"
#include "fuzz.h"
#include "io/container.h"

#include <string.h>

enum { MAX_WEIGHTS = 1 << 20, WEIGHTS_AT = 112, MAX_MACS = 20 * 1000 * 1000 };
static const size_t max_memory = (size_t)16 << 20;

/* How many bytes of constants the plan's header asks for. */
static size_t weights_size(const uint8_t *plan, size_t size)
{
    uint64_t wanted = 0;
    for (size_t i = 0; i < 8 && WEIGHTS_AT + i < size; i++)
        wanted |= (uint64_t)plan[WEIGHTS_AT + i] << (8 * i);
    return wanted < MAX_WEIGHTS ? (size_t)wanted : MAX_WEIGHTS;
}

static void write_and_read(const uint8_t *bytes, size_t size)
{
    struct plan plan;
    struct str again = {0};
    if (plan_read(&plan, bytes, size, "it") < 0)
        return;
    require(plan_write(&plan, &again) == BPNET_OK);
    require(again.length == size && memcmp(again.text, bytes, size) == 0);
    str_free(&again);
    plan_free(&plan);
}

static void run(const struct engine *e)
{
    struct engine_context *c;
    const struct engine_info *info = engine_info(e);
    int64_t macs = 0;
    for (int i = 0; i < info->n_steps; i++) {
        const struct engine_step_info step = engine_step(e, i);
        macs += step.macs + (int64_t)step.h * step.w * step.channels;
    }
    if (info->workspace_bytes > max_memory || macs > MAX_MACS)
        return;
    uint8_t *pixels = calloc((size_t)info->input_h * (size_t)info->input_w, 3);
    require(pixels && engine_context_open(&c, e, NULL) == BPNET_OK);
    engine_run(c, pixels);
    for (int k = 0; k < info->n_outputs; k++) {
        const struct map_view v = engine_output(c, k);
        touch(engine_output_name(e, k), strlen(engine_output_name(e, k)));
        for (int i = 0; i < v.h * v.w; i++)
            touch((const float *)v.data + (size_t)i * (size_t)v.pitch,
                  (size_t)v.channels * sizeof(float));
    }
    engine_context_close(c);
    free(pixels);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct engine *e;
    uint8_t *file;
    size_t file_size;
    const size_t n = weights_size(bytes, size);
    uint8_t *weights = malloc(n + 1);
    require(weights);
    for (size_t i = 0; i < n; i++)
        weights[i] = (uint8_t)(i * 37 + 11);
    const struct section sections[2] = {{"plan", bytes, size}, {"weights", weights, n}};
    require(container_compose(&file, &file_size, "engine", sections, 2) == BPNET_OK);
    const int error = engine_open_memory(&e, file, file_size, "it", cpu_level_detect());
    require((error == BPNET_OK) == (e != NULL));
    if (e)
        run(e);
    engine_close(e);
    free(file);
    free(weights);
    write_and_read(bytes, size);
    return 0;
}
