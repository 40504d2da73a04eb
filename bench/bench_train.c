/*
 * Training throughput of our networks on random pictures: forward, losses, backward and Adam, as
 * bench/train_torch.py does it. bench/training runs both in turns.
 */
#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/rng.h"
#include "nn/exec.h"
#include "train/maps.h"
#include "train/optim.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WARM_UP = 3, MAX_STEPS = 1000 };

/* By number: --model 0, 1, 2. */
static const struct {
    const char *name;
    struct model_spec spec;
} models[] = {
    {"light", {.kind = MODEL_LIGHT, .stages = 2}},
    {"lite", {.kind = MODEL_LITE, .stages = 3}},
    {"full", {.kind = MODEL_FULL, .stages = 3}},
};
enum { N_MODELS = sizeof(models) / sizeof(models[0]) };

struct setup {
    int threads, batch, size, steps, which, bf16;
    struct kernels kernels, mixed;
    struct workers *workers;
    struct model *model;
    struct exec *exec;
    struct loss *loss;
    struct optimizer *optimizer;
    struct batch data;
};

static void fill(float *values, size_t n, uint64_t stream)
{
    struct rng rng = rng_stream(1, stream, 0);
    for (size_t i = 0; i < n; i++)
        values[i] = (float)rng_uniform(&rng) - 0.5f;
}

static float *random_floats(size_t n, uint64_t stream)
{
    float *values = malloc(n * sizeof(*values));
    if (values)
        fill(values, n, stream);
    return values;
}

static int make_batch(struct setup *s)
{
    const int side = s->size / 8, n = s->batch;
    const size_t cells = (size_t)n * (size_t)side * (size_t)side;
    s->data = (struct batch){
        .n = n,
        .image_h = s->size,
        .image_w = s->size,
        .label_h = side,
        .label_w = side,
        .heat_channels = 19,
        .paf_channels = 38,
        .image = random_floats((size_t)n * (size_t)s->size * (size_t)s->size * 3, 0),
        .heat = random_floats(cells * 19, 1),
        .heat_mask = random_floats(cells * 19, 2),
        .paf = random_floats(cells * 38, 3),
        .paf_mask = random_floats(cells * 38, 4),
    };
    if (!s->data.image || !s->data.heat || !s->data.heat_mask || !s->data.paf || !s->data.paf_mask)
        return error_set(BPNET_ENOMEM, "no memory for a batch of %d", n);
    return BPNET_OK;
}

static int open_all(struct setup *s)
{
    struct model_spec model = {
        .backbone = BACKBONE_VGG,
        .backbone_layers = 19,
        .backbone_batch_norm = true,
        .n_stage1_kernels = 3,
        .stage1_kernels = {3, 3, 3},
        .n_stage_t_kernels = 5,
        .stage_t_kernels = {7, 7, 7, 7, 7},
        .width_multiplier = 1,
        .heat_channels = 19,
        .paf_channels = 38,
        .head_bias = true,
        .initializer = INIT_HE,
    };
    model.kind = models[s->which].spec.kind;
    model.stages = models[s->which].spec.stages;
    const struct optimizer_spec adam = {
        .kind = OPTIMIZER_ADAM,
        .weight_default = 1,
        .beta1 = 0.9,
        .beta2 = 0.999,
        .epsilon = 1e-8,
    };
    const struct loss_spec loss = {.focal = false};
    int error;
    kernels_init(&s->kernels, cpu_level_detect());
    s->mixed = s->kernels;
    if (s->bf16 && !kernels_mix(&s->mixed, cpu_level_detect()))
        return error_set(BPNET_EUNSUPPORTED, "this CPU has no BF16 arithmetic");
    if ((error = workers_open(&s->workers, (unsigned)s->threads)) < 0 ||
        (error = model_build_graph(&s->model, &model, 1)) < 0)
        return error;
    const struct exec_options options = {
        .training = true,
        .batch = s->batch,
        .h = s->size,
        .w = s->size,
        .kernels = &s->kernels,
        .mixed = s->bf16 ? &s->mixed : NULL,
        .workers = s->workers,
        .output_stage = -1,
    };
    if ((error = exec_open(&s->exec, s->model, &options)) < 0 ||
        (error = loss_open(&s->loss, &loss, s->batch, &s->kernels, s->workers)) < 0 ||
        (error = optimizer_open(&s->optimizer, &adam, false, s->model, &s->kernels, s->workers)) <
            0)
        return error;
    return make_batch(s);
}

static int step(struct setup *s, uint64_t number)
{
    struct loss_map maps[LOSS_MAX_MAPS];
    struct loss_value value;
    int n_maps, error;
    maps_feed(s->exec, &s->data);
    if ((error = exec_forward(s->exec)) < 0 ||
        (error = maps_bind(maps, &n_maps, s->exec, &s->data, true)) < 0)
        return error;
    loss_run(s->loss, &value, maps, n_maps, s->batch);
    if ((error = exec_backward(s->exec)) < 0)
        return error;
    optimizer_step(s->optimizer, exec_grads(s->exec), 1e-3, number);
    return BPNET_OK;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Seconds that processors spent for this process. */
static double cpu_seconds(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

static int measure(struct setup *s)
{
    static double rate[MAX_STEPS], cpu[MAX_STEPS];
    const int warm_up = s->steps > WARM_UP ? WARM_UP : 1;
    for (int i = 0; i < warm_up + s->steps; i++) {
        const int64_t start = clock_ns();
        const double cpu_start = cpu_seconds();
        const int error = step(s, (uint64_t)i);
        if (error < 0)
            return error;
        if (i < warm_up)
            continue;
        rate[i - warm_up] = s->batch / clock_seconds_since(start);
        cpu[i - warm_up] = s->batch / (cpu_seconds() - cpu_start);
    }
    qsort(rate, (size_t)s->steps, sizeof(rate[0]), compare);
    qsort(cpu, (size_t)s->steps, sizeof(cpu[0]), compare);
    printf("bpnet %s %s %s threads=%d batch=%d size=%d %s images/s %.2f %.2f %.2f cpu %.2f\n",
           BPNET_VERSION, cpu_level_name(s->kernels.level), models[s->which].name, s->threads,
           s->batch, s->size, s->bf16 ? "bf16" : "fp32", rate[0], rate[s->steps / 2],
           rate[s->steps - 1], cpu[s->steps / 2]);
    return BPNET_OK;
}

static void close_all(struct setup *s)
{
    free(s->data.image);
    free(s->data.heat);
    free(s->data.heat_mask);
    free(s->data.paf);
    free(s->data.paf_mask);
    optimizer_close(s->optimizer);
    loss_close(s->loss);
    exec_close(s->exec);
    model_free(s->model);
    workers_close(s->workers);
}

int main(int argc, char **argv)
{
    struct setup s = {.threads = 2, .batch = 8, .size = 256, .steps = 12};
    const struct {
        const char *name;
        int *value;
        int most;
    } options[] = {
        {"--threads", &s.threads, 256},      {"--batch", &s.batch, 256},
        {"--size", &s.size, 2048},           {"--steps", &s.steps, MAX_STEPS},
        {"--model", &s.which, N_MODELS - 1}, {"--bf16", &s.bf16, 1},
    };
    const size_t n_options = sizeof(options) / sizeof(options[0]);
    for (int i = 1; i < argc; i += 2) {
        size_t k = 0;
        while (k < n_options && strcmp(argv[i], options[k].name) != 0)
            k++;
        char *end = NULL;
        const long value = k < n_options && i + 1 < argc ? strtol(argv[i + 1], &end, 10) : 0;
        if (!end || *end || value < (k < 4) || value > options[k].most) {
            fprintf(stderr, "usage: bench-train [--threads N] [--batch N] [--size N] [--steps N] "
                            "[--model 0|1|2: light, lite, full] [--bf16 0|1]\n");
            return 64;
        }
        *options[k].value = (int)value;
    }
    int error = open_all(&s);
    if (error == BPNET_OK)
        error = measure(&s);
    if (error < 0)
        fprintf(stderr, "bench-train: %s\n", error_message());
    close_all(&s);
    return error_exit_status(error);
}
