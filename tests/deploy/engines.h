/* Engines in tests: from a model or a lowered network to outputs. */
#ifndef ENGINES_H
#define ENGINES_H

#include "deploy/compile.h"
#include "deploy/network.h"
#include "engine/engine.h"
#include "nn/runs.h"

/* An engine in memory with a context and a team. */
struct machine {
    uint8_t *bytes;
    size_t size;
    struct engine *engine;
    struct workers *workers;
    struct engine_context *context;
};

static inline void machine_close(struct machine *m)
{
    engine_context_close(m->context);
    engine_close(m->engine);
    workers_close(m->workers);
    free(m->bytes);
    *m = (struct machine){0};
}

/* With a team of its own. */
static inline void machine_make(struct machine *m, const struct network *net, unsigned threads,
                                const struct compile_options *how)
{
    struct compile_options options = *how;
    *m = (struct machine){0};
    assert_int_equal(workers_open(&m->workers, threads), 0);
    options.workers = m->workers;
    options.precision = "fp32";
    if (compile_to_memory(&m->bytes, &m->size, net, &options) < 0 ||
        engine_open_memory(&m->engine, m->bytes, m->size, "engine", options.level) < 0 ||
        engine_context_open(&m->context, m->engine, m->workers) < 0)
        fail_msg("%s", error_message());
}

static inline void machine_open(struct machine *m, const struct network *net, enum cpu_level level,
                                unsigned threads, bool no_timing)
{
    const struct compile_options options = {.level = level, .no_timing = no_timing};
    machine_make(m, net, threads, &options);
}

/* Outputs of a run, densely, in one block; free(). */
static inline float *machine_run(struct machine *m, const uint8_t *pixels, size_t *n)
{
    float *all = NULL;
    *n = 0;
    engine_run(m->context, pixels);
    for (int k = 0; k < engine_info(m->engine)->n_outputs; k++) {
        const struct map_view v = engine_output(m->context, k);
        const size_t cells = (size_t)v.h * (size_t)v.w, channels = (size_t)v.channels;
        assert_int_equal(v.type, MAP_F32);
        all = realloc(all, (*n + cells * channels) * sizeof *all);
        for (size_t i = 0; i < cells; i++, *n += channels)
            memcpy(all + *n, (const float *)v.data + i * (size_t)v.pitch, channels * sizeof *all);
    }
    return all;
}

/* 1 when both are all zero. */
static inline double cosine(const float *x, const float *y, size_t n)
{
    double xx = 0, yy = 0, xy = 0;
    for (size_t i = 0; i < n; i++) {
        xx += (double)x[i] * (double)x[i];
        yy += (double)y[i] * (double)y[i];
        xy += (double)x[i] * (double)y[i];
    }
    return xx > 0 || yy > 0 ? xy / sqrt(xx * yy) : 1;
}

/* The least of the outputs' own cosines, of two results as machine_run() gives them. */
static inline double machine_cosine(const struct machine *m, const float *x, const float *y)
{
    double least = 1;
    for (int k = 0; k < engine_info(m->engine)->n_outputs; k++) {
        const struct map_view v = engine_output(m->context, k);
        const size_t n = (size_t)v.h * (size_t)v.w * (size_t)v.channels;
        const double c = cosine(x, y, n);
        if (!(c >= least)) /* a NaN, too */
            least = c;
        x += n;
        y += n;
    }
    return least;
}

static inline uint8_t *random_pixels(int h, int w, uint64_t seed)
{
    struct rng rng = rng_stream(seed, 7, 0);
    const size_t n = (size_t)h * (size_t)w * 3;
    uint8_t *pixels = malloc(n);
    for (size_t i = 0; i < n; i++)
        pixels[i] = (uint8_t)rng_integer(&rng, 0, 255);
    return pixels;
}

/* How pixels become numbers in networks made for tests. */
static inline void set_normalisation(struct model *m)
{
    for (int c = 0; c < 3; c++) {
        m->meta.scale[c] = 200.0F + 10.0F * (float)c;
        m->meta.offset[c] = 0.4F + 0.1F * (float)c;
    }
}

/* The same outputs by the executor of nn; free(). */
static inline float *executor_run(struct model *m, const uint8_t *pixels, int h, int w, int stage,
                                  size_t *n)
{
    struct runner r = {.model = m, .batch = 1, .h = h, .w = w};
    kernels_init(&r.kernels, cpu_level_detect());
    assert_int_equal(workers_open(&r.workers, 1), 0);
    const struct exec_options options = {.batch = 1,
                                         .h = h,
                                         .w = w,
                                         .kernels = &r.kernels,
                                         .workers = r.workers,
                                         .output_stage = stage};
    if (exec_open(&r.exec, m, &options) < 0)
        fail_msg("%s", error_message());
    for (int i = 0; i < h * w * 3; i++)
        exec_input(r.exec)[i] = (float)pixels[i] / m->meta.scale[i % 3] - m->meta.offset[i % 3];
    runner_forward(&r);
    float *all = runner_outputs(&r, n);
    runner_close(&r);
    return all;
}

#endif
