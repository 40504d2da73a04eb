/*
 * An engine as a contender of bench/peers, and the machine's ceilings as another. Usage:
 *
 *     bench-engine ENGINE THREADS
 *     bench-engine --ceiling fp32|bf16|int8 THREADS
 *
 * It says "ready N" (N: multiply-accumulates of a picture); then for every line with a number n it
 * does n runs and says a line of n times in milliseconds; of a ceiling, the time of 10^9
 * multiply-accumulates on all threads together.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "kernel/ceiling.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_RUNS = 100000, WARM_UP = 2, RGB = 3 };

struct contender {
    struct workers *workers;
    struct engine *engine;
    struct engine_context *context;
    uint8_t *pixels;
    enum map_type type; /* of a ceiling */
    double rates[64];   /* per thread */
};

/* ---- turns ------------------------------------------------------------------------------- */

/* One time per run, all of a line at once, so that printing disturbs no run. */
static int take_turns(struct contender *c, double (*run)(struct contender *c))
{
    char line[64];
    double *ms = malloc(MAX_RUNS * sizeof *ms);
    while (ms && fgets(line, sizeof line, stdin)) {
        const long n = strtol(line, NULL, 10);
        for (long i = 0; i < n && i < MAX_RUNS; i++)
            ms[i] = run(c);
        for (long i = 0; i < n && i < MAX_RUNS; i++)
            printf("%s%.4f", i ? " " : "", ms[i]);
        printf("\n");
        fflush(stdout);
    }
    free(ms);
    return ms ? BPNET_OK : error_set(BPNET_ENOMEM, "no memory for %d times", MAX_RUNS);
}

/* ---- engines ----------------------------------------------------------------------------- */

static double run_engine(struct contender *c)
{
    const int64_t start = clock_ns();
    engine_run(c->context, c->pixels);
    return clock_seconds_since(start) * 1e3;
}

/* Noise, so that no layer has an easy input. */
static uint8_t *noise(size_t n)
{
    uint8_t *pixels = malloc(n);
    struct rng rng = rng_stream(1, 0, 0);
    for (size_t i = 0; pixels && i < n; i++)
        pixels[i] = (uint8_t)rng_integer(&rng, 0, 255);
    return pixels;
}

static int play_engine(struct contender *c, const char *path)
{
    int64_t macs = 0;
    int err;
    if ((err = engine_open(&c->engine, path, NULL, cpu_level_detect(), c->workers)) < 0 ||
        (err = engine_context_open(&c->context, c->engine, c->workers)) < 0)
        return err;
    const struct engine_info *info = engine_info(c->engine);
    for (int i = 0; i < info->n_steps; i++)
        macs += engine_step(c->engine, i).macs;
    c->pixels = noise((size_t)info->input_h * (size_t)info->input_w * RGB);
    if (!c->pixels)
        return error_set(BPNET_ENOMEM, "no memory for a picture");
    for (int i = 0; i < WARM_UP; i++)
        engine_run(c->context, c->pixels);
    printf("ready %lld\n", (long long)macs);
    fflush(stdout);
    return take_turns(c, run_engine);
}

/* ---- ceilings ---------------------------------------------------------------------------- */

static void measure(void *ctx, size_t item, unsigned thread)
{
    struct contender *c = ctx;
    (void)thread;
    c->rates[item] = ceiling_macs(cpu_level_detect(), c->type);
}

/* All threads at once, since clocks may fall when more cores work. */
static double run_ceiling(struct contender *c)
{
    const unsigned n = workers_count(c->workers);
    double sum = 0;
    workers_run(c->workers, n, measure, c);
    for (unsigned i = 0; i < n; i++)
        sum += c->rates[i];
    return sum > 0 ? 1e12 / sum : 0;
}

static int play_ceiling(struct contender *c, const char *type)
{
    static const char *const names[MAP_TYPES] = {"fp32", "bf16", "int8"};
    for (int i = 0; i < MAP_TYPES; i++)
        if (strcmp(type, names[i]) == 0) {
            c->type = (enum map_type)i;
            printf("ready 0\n");
            fflush(stdout);
            return take_turns(c, run_ceiling);
        }
    return error_set(BPNET_EUSAGE, "found '%s', expected fp32, bf16 or int8", type);
}

int main(int argc, char **argv)
{
    struct contender c = {0};
    const bool ceiling = argc == 4 && strcmp(argv[1], "--ceiling") == 0;
    const long threads = argc > 2 ? strtol(argv[argc - 1], NULL, 10) : 0;
    const long most = (long)(sizeof c.rates / sizeof c.rates[0]);
    if ((argc != 3 && !ceiling) || threads < 1 || threads > most) {
        fprintf(stderr, "usage: bench-engine ENGINE THREADS\n"
                        "       bench-engine --ceiling fp32|bf16|int8 THREADS\n");
        return 64;
    }
    int err = workers_open(&c.workers, (unsigned)threads);
    if (err == BPNET_OK)
        err = ceiling ? play_ceiling(&c, argv[2]) : play_engine(&c, argv[1]);
    if (err < 0)
        fprintf(stderr, "bench-engine: %s\n", error_message());
    engine_context_close(c.context);
    engine_close(c.engine);
    workers_close(c.workers);
    free(c.pixels);
    return err < 0;
}
