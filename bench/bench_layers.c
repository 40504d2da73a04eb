/*
 * Where a network's time goes: forward and backward of every layer, of the light or the lite
 * network or of a model file, on random pictures; of every layer the fastest of all runs.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "nn/exec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct setup {
    int threads, batch, height, width, runs, training, lite, stages, bf16;
    const char *file;
    struct kernels kernels, mixed;
    struct workers *workers;
    struct model *model;
    struct exec *exec;
};

static int open_all(struct setup *s)
{
    const struct model_spec spec = {
        .kind = s->lite ? MODEL_LITE : MODEL_LIGHT,
        .backbone = BACKBONE_VGG,
        .backbone_layers = 19,
        .backbone_batch_norm = true,
        .width_multiplier = 1,
        .stages = s->stages,
        .heat_channels = 19,
        .paf_channels = 38,
        .n_stage1_kernels = 3,
        .stage1_kernels = {3, 3, 3},
        .n_stage_t_kernels = 5,
        .stage_t_kernels = {7, 7, 7, 7, 7},
        .head_bias = true,
        .initializer = INIT_HE,
    };
    int error;
    kernels_init(&s->kernels, cpu_level_detect());
    s->mixed = s->kernels;
    if (s->bf16 && !kernels_mix(&s->mixed, cpu_level_detect()))
        return error_set(BPNET_EUNSUPPORTED, "this CPU has no BF16 arithmetic");
    if ((error = workers_open(&s->workers, (unsigned)s->threads)) < 0 ||
        (error = s->file ? model_load(&s->model, s->file, NULL)
                         : model_build_graph(&s->model, &spec, 1)) < 0)
        return error;
    const struct exec_options options = {
        .training = s->training,
        .batch = s->batch,
        .h = s->height,
        .w = s->width,
        .kernels = &s->kernels,
        .mixed = s->bf16 ? &s->mixed : NULL,
        .workers = s->workers,
    };
    return exec_open(&s->exec, s->model, &options);
}

static void fill(float *values, size_t n)
{
    struct rng rng = rng_stream(1, 0, 0);
    for (size_t i = 0; i < n; i++)
        values[i] = (float)rng_uniform(&rng) - 0.5F;
}

static int run(struct setup *s)
{
    fill(exec_input(s->exec), (size_t)s->batch * (size_t)s->height * (size_t)s->width * 3);
    int error = exec_forward(s->exec);
    for (int k = 0; error == BPNET_OK && s->training && k < exec_n_outputs(s->exec); k++) {
        int h, w, channels, pitch;
        exec_output(s->exec, k, &h, &w, &channels, &pitch);
        fill(exec_output_grad(s->exec, k), (size_t)(s->batch * h * w * channels));
    }
    return error == BPNET_OK && s->training ? exec_backward(s->exec) : error;
}

static void print_row(const char *name, const char *op, double macs, double forward,
                      double backward)
{
    printf("%-32s %-9s %8.1f  %8.3f ms %7.1f  %8.3f ms %7.1f\n", name, op, macs * 1e-6, forward,
           forward > 0 ? macs * 1e-6 / forward : 0, backward,
           backward > 0 ? 2e-6 * macs / backward : 0);
}

enum { MAX_STEPS = 4096 };

/* The fastest of all runs, step by step: what other programs do meanwhile costs it little. */
static void note_best(const struct exec *e, bool first, int64_t best[MAX_STEPS][2])
{
    for (int k = 0; k < exec_n_steps(e) && k < MAX_STEPS; k++) {
        const struct exec_time t = exec_step_time(e, k);
        if (first || t.forward_ns < best[k][0])
            best[k][0] = t.forward_ns;
        if (first || t.backward_ns < best[k][1])
            best[k][1] = t.backward_ns;
    }
}

static int measure(struct setup *s)
{
    static int64_t best[MAX_STEPS][2];
    int error = BPNET_OK;
    for (int i = -2; i < s->runs && error == BPNET_OK; i++) {
        exec_profile_start(s->exec);
        error = run(s);
        if (i >= 0)
            note_best(s->exec, i == 0, best);
    }
    double macs = 0, forward = 0, backward = 0;
    printf("%-32s %-9s %8s  %11s %7s  %11s %7s\n", "layer", "op", "MMAC", "forward", "GMAC/s",
           "backward", "GMAC/s");
    for (int k = 0; k < exec_n_steps(s->exec) && k < MAX_STEPS; k++) {
        const struct exec_time t = exec_step_time(s->exec, k);
        const double f = (double)best[k][0] * 1e-6, b = (double)best[k][1] * 1e-6;
        print_row(t.name, t.op, (double)t.macs, f, b);
        macs += (double)t.macs;
        forward += f;
        backward += b;
    }
    print_row("total", "", macs, forward, backward);
    return error;
}

int main(int argc, char **argv)
{
    struct setup s = {.threads = 2,
                      .batch = 8,
                      .height = 256,
                      .width = 256,
                      .runs = 5,
                      .training = 1,
                      .stages = 2};
    const struct {
        const char *name;
        int *value;
    } options[] = {
        {"--threads", &s.threads}, {"--batch", &s.batch},   {"--height", &s.height},
        {"--width", &s.width},     {"--runs", &s.runs},     {"--training", &s.training},
        {"--lite", &s.lite},       {"--stages", &s.stages}, {"--bf16", &s.bf16},
    };
    for (int i = 1; i < argc; i += 2) {
        if (strcmp(argv[i], "--model") == 0 && i + 1 < argc) {
            s.file = argv[i + 1];
            continue;
        }
        size_t k = 0;
        while (k < sizeof options / sizeof options[0] && strcmp(argv[i], options[k].name) != 0)
            k++;
        char *end = NULL;
        const bool known = k < sizeof options / sizeof options[0] && i + 1 < argc;
        const long value = known ? strtol(argv[i + 1], &end, 10) : -1;
        if (!end || *end || value < 0 || value > 4096) {
            fprintf(stderr, "usage: bench-layers [--threads N] [--batch N] [--height N] [--width N]"
                            " [--runs N] [--training 0|1] [--lite 0|1] [--stages N] [--bf16 0|1]"
                            " [--model FILE]\n");
            return 64;
        }
        *options[k].value = (int)value;
    }
    int error = open_all(&s);
    if (error == BPNET_OK)
        error = measure(&s);
    if (error < 0)
        fprintf(stderr, "bench-layers: %s\n", error_message());
    exec_close(s.exec);
    model_free(s.model);
    workers_close(s.workers);
    return error_exit_status(error);
}
