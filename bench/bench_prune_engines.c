/*
 * Which granularity of pruning suits engines: networks pruned at random to one share of their
 * multiply-accumulates, with kept counts a multiple of 1, 8, 16 or 32, built as engines of every
 * type and timed in turns. Rows of the table in docs/pruning.md come out. Usage:
 *
 *     taskset -c 0 bench-prune-engines [light|vgg|all [SHARE [ROUNDS]]]
 *
 * SHARE 0: one half, then a quarter.
 */
#include "random_prune.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "deploy/engine_build.h"
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const int granularities[] = {1, 8, 16, 32};

enum {
    N_GRANULARITIES = sizeof(granularities) / sizeof(granularities[0]),
    VARIANTS = 1 + N_GRANULARITIES, /* the first is whole */
    CALIBRATION = 4,                /* pictures of noise: only speed counts */
    RGB = 3,
    FOLDER = 256 /* longest name of one */
};

static const struct subject {
    const char *name;
    enum model_kind kind;
    double width;
    int side;
    const char *title;
} subjects[] = {
    {"light", MODEL_LIGHT, 1.0, 256, "light, 256 x 256"},
    {"vgg", MODEL_LITE, 0.5, 128, "VGG at half width, 128 x 128"},
};

static const struct {
    enum build_precision precision;
    enum cpu_level level; /* those above the machine's are left out */
} kinds[] = {
    {BUILD_FP32, CPU_AVX2},       {BUILD_INT8, CPU_AVX2},       {BUILD_FP32, CPU_AVX512},
    {BUILD_BF16, CPU_AVX512BF16}, {BUILD_INT8, CPU_AVX512VNNI},
};

struct contest {
    const struct subject *subject;
    double share;
    int rounds;
    struct workers *workers;
    const char *folder; /* of engines and timings */
    uint8_t *pixels;
    struct model *models[VARIANTS];
    int64_t macs[VARIANTS];
    struct engine *engines[VARIANTS];
    struct engine_context *contexts[VARIANTS];
    double best[VARIANTS]; /* seconds */
};

/* ---- engines ----------------------------------------------------------------------------- */

static void fill_noise(uint8_t *pixels, int side, uint64_t stream)
{
    struct rng rng = rng_stream(1, stream, 0);
    for (int i = 0; i < side * side * RGB; i++)
        pixels[i] = (uint8_t)rng_integer(&rng, 0, 255);
}

struct noise {
    int side, given;
};

/* A calibration_feed. */
static int feed_noise(void *ctx, uint8_t *pixels)
{
    struct noise *noise = ctx;
    if (noise->given == CALIBRATION)
        return 0;
    fill_noise(pixels, noise->side, (uint64_t)++noise->given);
    return 1;
}

/* Without a name left in the folder: the engine stays mapped. */
static int open_engine(struct contest *c, int k, enum build_precision precision,
                       enum cpu_level level)
{
    char path[FOLDER + 16], timings[FOLDER + 16];
    struct noise noise = {.side = c->subject->side};
    snprintf(path, sizeof path, "%s/engine", c->folder);
    snprintf(timings, sizeof timings, "%s/timings", c->folder);
    const struct build_options how = {.h = c->subject->side,
                                      .w = c->subject->side,
                                      .precision = precision,
                                      .level = level,
                                      .workers = c->workers,
                                      .timing_cache = timings,
                                      .leave_out_model = true,
                                      .feed = feed_noise,
                                      .feed_ctx = &noise,
                                      .algorithm = CALIBRATE_MAX};
    int err = engine_build(path, c->models[k], &how, NULL);
    if (err == BPNET_OK && (err = engine_open(&c->engines[k], path, NULL, level, NULL)) == BPNET_OK)
        err = engine_context_open(&c->contexts[k], c->engines[k], c->workers);
    unlink(path);
    c->best[k] = 1e9;
    return err;
}

static void close_engines(struct contest *c)
{
    for (int k = 0; k < VARIANTS; k++) {
        engine_context_close(c->contexts[k]);
        engine_close(c->engines[k]);
        c->contexts[k] = NULL;
        c->engines[k] = NULL;
    }
}

/* ---- timing ------------------------------------------------------------------------------ */

/* One run of each in turn, so that all of them see the same disturbances. */
static void time_in_turns(struct contest *c)
{
    for (int r = 0; r < c->rounds; r++)
        for (int k = 0; k < VARIANTS; k++) {
            const int64_t start = clock_ns();
            engine_run(c->contexts[k], c->pixels);
            const double seconds = clock_seconds_since(start);
            if (seconds < c->best[k])
                c->best[k] = seconds;
        }
}

static double speed(const struct contest *c, int k)
{
    return (double)c->macs[k] * 1e-9 / c->best[k];
}

static void print_row(const struct contest *c, enum build_precision precision, enum cpu_level level)
{
    int best = 1;
    for (int k = 2; k < VARIANTS; k++)
        if (speed(c, k) > speed(c, best))
            best = k;
    printf("| %s | %s | %s | %.0f %% | %.1f |", c->subject->title, build_precision_names[precision],
           cpu_level_name(level), 100 * c->share, speed(c, 0));
    for (int k = 1; k < VARIANTS; k++)
        printf(k == best ? " **%.1f** |" : " %.1f |", speed(c, k));
    printf("\n");
    fflush(stdout);
}

static int compete(struct contest *c, enum build_precision precision, enum cpu_level level)
{
    int err = BPNET_OK;
    for (int k = 0; k < VARIANTS && err == BPNET_OK; k++)
        err = open_engine(c, k, precision, level);
    if (err == BPNET_OK) {
        time_in_turns(c);
        print_row(c, precision, level);
    }
    close_engines(c);
    return err;
}

/* ---- networks ---------------------------------------------------------------------------- */

static int make_models(struct contest *c)
{
    const int side = c->subject->side;
    int err = random_network(&c->models[0], c->subject->kind, c->subject->width);
    for (int k = 1; k < VARIANTS && err == BPNET_OK; k++)
        err = random_prune(&c->models[k], c->models[0], granularities[k - 1], c->share);
    for (int k = 0; k < VARIANTS && err == BPNET_OK; k++)
        c->macs[k] = graph_macs(&c->models[k]->graph, side, side, NULL);
    return err;
}

static int measure(const struct subject *subject, double share, int rounds, struct workers *workers,
                   const char *folder)
{
    struct contest c = {
        .subject = subject, .share = share, .rounds = rounds, .workers = workers, .folder = folder};
    c.pixels = malloc((size_t)subject->side * (size_t)subject->side * RGB);
    int err = c.pixels ? make_models(&c) : error_set(BPNET_ENOMEM, "no memory for a picture");
    if (err == BPNET_OK)
        fill_noise(c.pixels, subject->side, 0);
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0] && err == BPNET_OK; i++)
        if (kinds[i].level <= cpu_level_detect())
            err = compete(&c, kinds[i].precision, kinds[i].level);
    for (int k = 0; k < VARIANTS; k++)
        model_free(c.models[k]);
    free(c.pixels);
    return err;
}

static int measure_all(const char *name, double share, int rounds, struct workers *workers)
{
    static const double usual[] = {0.5, 0.25};
    char folder[FOLDER], timings[FOLDER + 16];
    const char *tmp = getenv("TMPDIR");
    int err = BPNET_OK;
    snprintf(folder, sizeof folder, "%s/bench-prune-XXXXXX", tmp && *tmp ? tmp : P_tmpdir);
    if (!mkdtemp(folder))
        return error_set_errno(BPNET_ECREATE, "%s", folder);
    printf("| net | type | level | remains | whole | `-pg 1` | `-pg 8` | `-pg 16` | `-pg 32` |\n"
           "| --- | --- | --- | --- | --- | --- | --- | --- | --- |\n");
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++)
        for (int s = 0; s < (share > 0 ? 1 : 2) && err == BPNET_OK; s++)
            if (strcmp(name, "all") == 0 || strcmp(name, subjects[i].name) == 0)
                err = measure(&subjects[i], share > 0 ? share : usual[s], rounds, workers, folder);
    snprintf(timings, sizeof timings, "%s/timings", folder);
    unlink(timings);
    rmdir(folder);
    return err;
}

static bool known(const char *name)
{
    bool found = strcmp(name, "all") == 0;
    for (size_t i = 0; i < sizeof subjects / sizeof subjects[0]; i++)
        found |= strcmp(name, subjects[i].name) == 0;
    return found;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "all";
    const double share = argc > 2 ? strtod(argv[2], NULL) : 0;
    const int rounds = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 100;
    struct workers *workers;
    if (!known(name) || !(share >= 0.0 && share < 1.0) || rounds < 1) {
        fprintf(stderr, "usage: bench-prune-engines [light|vgg|all [SHARE [ROUNDS]]]\n");
        return 64;
    }
    int err = workers_open(&workers, 1);
    if (err == BPNET_OK)
        err = measure_all(name, share, rounds, workers);
    if (err < 0)
        fprintf(stderr, "bench-prune-engines: %s\n", error_message());
    workers_close(workers);
    return err < 0;
}
