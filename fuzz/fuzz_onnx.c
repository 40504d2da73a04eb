/*
 * Any bytes as an ONNX file. What is imported is a model: it is written as sections, and small ones
 * run forward and backward.
 */
#include "base/error.h"
#include "base/log.h"
#include "fuzz.h"
#include "nn/exec.h"
#include "onnx/import.h"

#include <string.h>

enum { SIDE = 16, MAX_MACS = 1 << 16, MAX_FLOATS = 1 << 14 };

/* Whether running it takes little time and memory. */
static bool is_small(const struct model *m)
{
    const struct graph *g = &m->graph;
    int(*hw)[2] = malloc((size_t)g->n_nodes * sizeof *hw);
    require(hw);
    bool small = g->n_nodes < 100 && graph_infer(g, SIDE, SIDE, hw) == BPNET_OK;
    double floats = 0.0;
    for (int i = 0; small && i < g->n_nodes; i++)
        floats += (double)hw[i][0] * hw[i][1] * g->nodes[i].channels *
                  (1 + g->nodes[i].kernel * g->nodes[i].kernel);
    free(hw);
    const int64_t macs = small && floats < MAX_FLOATS * 8.0 ? graph_macs(g, SIDE, SIDE, NULL) : -1;
    return macs >= 0 && macs < MAX_MACS && m->params.n_floats < MAX_FLOATS;
}

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
                                         .workers = workers,
                                         .output_stage = -1};
    if (exec_open(&e, m, &options) == BPNET_OK) {
        memset(exec_input(e), 0, sizeof(float) * 3 * SIDE * SIDE);
        require(exec_forward(e) == BPNET_OK);
        for (int k = 0; k < exec_n_outputs(e); k++) {
            int h, w, channels, pitch;
            const float *map = exec_output(e, k, &h, &w, &channels, &pitch);
            for (int i = 0; i < h * w; i++)
                touch(map + (size_t)i * (size_t)pitch, (size_t)channels * sizeof(float));
            if (training)
                memset(exec_output_grad(e, k), 0, (size_t)(h * w * channels) * sizeof(float));
        }
        if (training)
            require(exec_backward(e) == BPNET_OK);
        exec_close(e);
    }
    workers_close(workers);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct onnx_import_options options = {.input_h = SIDE, .input_w = SIDE};
    struct model *m;
    struct section sections[3];
    struct model_sections *keep;
    log_set_level(LOG_QUIET);
    const int error = onnx_import_memory(&m, bytes, size, "it", &options);
    require((error == BPNET_OK) == (m != NULL));
    if (error < 0) {
        require(error_message()[0]);
        return 0;
    }
    require(model_sections(m, sections, &keep) == BPNET_OK);
    touch(sections[0].bytes, sections[0].size);
    model_sections_free(keep);
    if (is_small(m)) {
        run(m, false);
        run(m, true);
    }
    model_free(m);
    return 0;
}
