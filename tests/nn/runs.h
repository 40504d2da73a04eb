/* Running networks in tests: teams, kernels, inputs, and the sum that stands for a loss. */
#ifndef RUNS_H
#define RUNS_H

#include "base/cpu.h"
#include "random_graph.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* An executor with a team of its own. */
struct runner {
    struct kernels kernels, mixed;
    struct workers *workers;
    struct exec *exec;
    struct model *model;
    int batch, h, w;
};

/* A training executor in mixed precision where `mixed` is set and the level can. */
static inline void runner_open_as(struct runner *r, struct model *m, bool training, bool mixed,
                                  int batch, int h, int w, enum cpu_level level, unsigned threads)
{
    *r = (struct runner){.model = m, .batch = batch, .h = h, .w = w};
    kernels_init(&r->kernels, level);
    r->mixed = r->kernels;
    mixed = mixed && kernels_mix(&r->mixed, level);
    assert_int_equal(workers_open(&r->workers, threads), 0);
    const struct exec_options options = {.training = training,
                                         .batch = batch,
                                         .h = h,
                                         .w = w,
                                         .kernels = &r->kernels,
                                         .mixed = mixed ? &r->mixed : NULL,
                                         .workers = r->workers,
                                         .output_stage = -1};
    if (exec_open(&r->exec, m, &options) < 0)
        fail_msg("%s", error_message());
}

static inline void runner_open(struct runner *r, struct model *m, bool training, int batch, int h,
                               int w, enum cpu_level level, unsigned threads)
{
    runner_open_as(r, m, training, false, batch, h, w, level, threads);
}

static inline void runner_close(struct runner *r)
{
    exec_close(r->exec);
    workers_close(r->workers);
}

/* Pictures that depend on the seed and the size alone. */
static inline void runner_feed(struct runner *r, uint64_t seed)
{
    struct rng rng = rng_stream(seed, 1, 0);
    float *input = exec_input(r->exec);
    for (int i = 0; i < r->batch * r->h * r->w * 3; i++)
        input[i] = (float)rng_normal(&rng);
}

static inline void runner_forward(struct runner *r)
{
    assert_int_equal(exec_forward(r->exec), 0);
}

/*
 * sum over all outputs of value * weight, the weights at random; *size is the sum of magnitudes.
 * With `grads`, the executor is given the gradient of this sum.
 */
static inline double runner_loss(struct runner *r, uint64_t seed, bool grads, double *size)
{
    struct rng rng = rng_stream(seed, 2, 0);
    double sum = 0.0;
    *size = 0.0;
    for (int k = 0; k < exec_n_outputs(r->exec); k++) {
        int h, w, channels, pitch;
        const float *value = exec_output(r->exec, k, &h, &w, &channels, &pitch);
        float *grad = grads ? exec_output_grad(r->exec, k) : NULL;
        for (int p = 0; p < r->batch * h * w; p++) {
            for (int c = 0; c < channels; c++) {
                const float weight = (float)rng_range(&rng, -1.0, 1.0);
                const double term = (double)value[p * pitch + c] * (double)weight;
                sum += term;
                *size += fabs(term);
                if (grads)
                    grad[p * channels + c] = weight;
            }
        }
    }
    return sum;
}

static inline void runner_backward(struct runner *r, uint64_t seed)
{
    double size;
    runner_loss(r, seed, true, &size);
    assert_int_equal(exec_backward(r->exec), 0);
}

/* All outputs, densely, in one block; free(). */
static inline float *runner_outputs(struct runner *r, size_t *n)
{
    float *all = NULL;
    *n = 0;
    for (int k = 0; k < exec_n_outputs(r->exec); k++) {
        int h, w, channels, pitch;
        const float *value = exec_output(r->exec, k, &h, &w, &channels, &pitch);
        const size_t pixels = (size_t)(r->batch * h * w);
        all = realloc(all, (*n + pixels * (size_t)channels) * sizeof *all);
        for (size_t p = 0; p < pixels; p++, *n += (size_t)channels)
            memcpy(all + *n, value + p * (size_t)pitch, (size_t)channels * sizeof *all);
    }
    return all;
}

/* |a - b| / |b|, or |a| where b is 0. */
static inline double relative_distance(const float *a, const float *b, size_t n)
{
    double distance = 0.0, norm = 0.0;
    for (size_t i = 0; i < n; i++) {
        distance += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        norm += (double)b[i] * (double)b[i];
    }
    return sqrt(distance) / (norm > 0.0 ? sqrt(norm) : 1.0);
}

#endif
