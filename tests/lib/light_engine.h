/* An engine of the shipped network in memory, and a photograph to run it on. */
#ifndef TESTS_LIB_LIGHT_ENGINE_H
#define TESTS_LIB_LIGHT_ENGINE_H

#include "bpnet.h"

#include "deploy/compile.h"

#include <stdint.h>
#include <stdlib.h>

static uint8_t *engine;
static size_t engine_size;
static bpnet_image photo;

static inline int light_engine_open(int h, int w)
{
    struct model *model;
    struct network net;
    if (model_load(&model, SOURCE_DIR "/models/bpnet-light.bpnet", NULL) < 0 ||
        network_lower(&net, model, h, w) < 0)
        return -1;
    const struct compile_options how = {
        .level = cpu_level_detect(), .no_timing = true, .precision = "fp32"};
    const int err = compile_to_memory(&engine, &engine_size, &net, &how);
    network_free(&net);
    model_free(model);
    return err < 0 ? err
                   : bpnet_image_load(&photo, SOURCE_DIR "/examples/photos/hard/basketball.jpg");
}

/* cmocka group tear-down */
static inline int light_engine_close(void **state)
{
    (void)state;
    free(engine);
    bpnet_image_free(&photo);
    return 0;
}

#endif
