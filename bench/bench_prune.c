/*
 * Which granularity of pruning is worth it: networks pruned at random to one share of their
 * multiply-accumulates, with kept counts a multiple of 1, 8, 16 or 32, timed in turns. Usage:
 *
 *     taskset -c 0 bench-prune [SHARE [ROUNDS]]
 */
#include "random_prune.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "nn/exec.h"

#include <stdio.h>
#include <stdlib.h>

static const int granularities[] = {1, 8, 16, 32};

enum { VARIANTS = 1 + sizeof(granularities) / sizeof(granularities[0]) };

/* A network and its pruned forms; the first is whole. */
struct contest {
    struct model *models[VARIANTS];
    struct exec *execs[VARIANTS];
    int64_t macs[VARIANTS];
    double best[VARIANTS]; /* seconds */
};

static int open_exec(struct contest *c, int k, const struct kernels *kernels,
                     struct workers *workers, int side)
{
    const struct exec_options options = {
        .batch = 1, .h = side, .w = side, .kernels = kernels, .workers = workers};
    const int err = exec_open(&c->execs[k], c->models[k], &options);
    if (err < 0)
        return err;
    float *input = exec_input(c->execs[k]);
    struct rng rng = rng_stream(1, 0, 0);
    for (int i = 0; i < side * side * 3; i++)
        input[i] = (float)rng_uniform(&rng) - 0.5F;
    c->macs[k] = graph_macs(&c->models[k]->graph, side, side, NULL);
    c->best[k] = 1e9;
    return BPNET_OK;
}

/* One run of each in turn, so that all of them see the same disturbances. */
static int run(struct contest *c, int rounds)
{
    for (int r = 0; r < rounds; r++)
        for (int k = 0; k < VARIANTS; k++) {
            const int64_t start = clock_ns();
            const int err = exec_forward(c->execs[k]);
            if (err < 0)
                return err;
            const double seconds = clock_seconds_since(start);
            if (seconds < c->best[k])
                c->best[k] = seconds;
        }
    return BPNET_OK;
}

static void print(const struct contest *c, const char *name, enum cpu_level level)
{
    for (int k = 0; k < VARIANTS; k++) {
        char variant[16] = "whole";
        if (k > 0)
            snprintf(variant, sizeof variant, "-pg %d", granularities[k - 1]);
        printf("%-6s %-8s %-7s %8.1f %7.1f %% %8.2f %7.1f %% %7.1f\n", name, cpu_level_name(level),
               variant, (double)c->macs[k] * 1e-6, 100.0 * (double)c->macs[k] / (double)c->macs[0],
               1e3 * c->best[k], 100.0 * c->best[k] / c->best[0],
               (double)c->macs[k] * 1e-9 / c->best[k]);
    }
}

static int compete(struct contest *c, const char *name, enum cpu_level level,
                   struct workers *workers, int side, int rounds)
{
    struct kernels kernels;
    int err = BPNET_OK;
    kernels_init(&kernels, level);
    for (int k = 0; k < VARIANTS && err == BPNET_OK; k++)
        err = open_exec(c, k, &kernels, workers, side);
    if (err == BPNET_OK && (err = run(c, rounds)) == BPNET_OK)
        print(c, name, level);
    for (int k = 0; k < VARIANTS; k++) {
        exec_close(c->execs[k]);
        c->execs[k] = NULL;
    }
    return err;
}

static int measure(const char *name, enum model_kind kind, double width, int side, double share,
                   int rounds, struct workers *workers)
{
    static const enum cpu_level levels[] = {CPU_AVX2, CPU_AVX512};
    struct contest c = {0};
    int err = random_network(&c.models[0], kind, width);
    if (err < 0)
        return err;
    for (int k = 1; k < VARIANTS && err == BPNET_OK; k++)
        err = random_prune(&c.models[k], c.models[0], granularities[k - 1], share);
    for (int i = 0; i < 2 && err == BPNET_OK; i++)
        if (levels[i] <= cpu_level_detect())
            err = compete(&c, name, levels[i], workers, side, rounds);
    for (int k = 0; k < VARIANTS; k++)
        model_free(c.models[k]);
    return err;
}

int main(int argc, char **argv)
{
    const double share = argc > 1 ? strtod(argv[1], NULL) : 0.5;
    const int rounds = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 60;
    struct workers *workers;
    int err = workers_open(&workers, 1);
    if (err < 0 || !(share > 0.0 && share < 1.0) || rounds < 1) {
        fprintf(stderr, "usage: bench-prune [SHARE [ROUNDS]]\n");
        return 64;
    }
    printf("%-6s %-8s %-7s %8s %9s %8s %9s %7s\n", "net", "level", "kept", "MMAC", "of whole", "ms",
           "of whole", "GMAC/s");
    err = measure("light", MODEL_LIGHT, 1.0, 256, share, rounds, workers);
    if (err == BPNET_OK)
        err = measure("vgg", MODEL_LITE, 0.5, 128, share, rounds, workers);
    if (err < 0)
        fprintf(stderr, "%s\n", error_message());
    workers_close(workers);
    return err < 0;
}
