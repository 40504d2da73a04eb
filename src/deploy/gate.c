/* Trials of an engine with more and more layers in floats, until it scores well enough. */
#include "deploy/gate.h"

#include "base/error.h"
#include "deploy/compile.h"
#include "engine/engine.h"

#include <stdlib.h>

enum { MAX_TRIALS = 32, POINTS = 100 };

static int score_network(double *score, const struct network *net, const struct subject *subject,
                         const struct gate_options *options)
{
    const struct compile_options compile = {.level = subject->level,
                                            .workers = subject->workers,
                                            .no_timing = true,
                                            .precision = "int8"};
    uint8_t *bytes = NULL;
    size_t size;
    struct engine *engine = NULL;
    int err = compile_to_memory(&bytes, &size, net, &compile);
    if (err == 0)
        err = engine_open_memory(&engine, bytes, size, "trial", subject->level);
    if (err == 0)
        err = options->score(options->ctx, engine, score);
    engine_close(engine);
    free(bytes);
    return err;
}

static int score_exact(struct gate *g, const struct subject *subject,
                       const struct gate_options *options)
{
    struct network net;
    int err = network_lower(&net, subject->model, subject->h, subject->w);
    if (err < 0)
        return err;
    err = score_network(&g->exact, &net, subject, options);
    network_free(&net);
    return err;
}

/* With the first n of the sensitive convolutions in floats. */
static int try_kept(struct gate *g, size_t n, const struct subject *subject,
                    const struct gate_options *options)
{
    struct network net;
    bool *keep = n > 0 ? calloc((size_t)g->sensitivity.n_layers, sizeof(*keep)) : NULL;
    if (n > 0 && !keep)
        return error_set(BPNET_ENOMEM, "no memory for a trial");
    for (size_t i = 0; i < n; i++)
        keep[g->sensitivity.items[i].layer] = true;
    int err = subject_quantize(&net, subject, keep);
    free(keep);
    if (err < 0)
        return err;
    struct gate_trial *trial = &g->trials[g->n_trials];
    trial->n_kept = n;
    err = score_network(&trial->score, &net, subject, options);
    network_free(&net);
    if (err < 0)
        return err;
    trial->drop = POINTS * (g->exact - trial->score);
    g->passed = trial->drop <= options->max_drop;
    g->n_trials++;
    if (options->trial)
        options->trial(options->ctx, trial);
    return BPNET_OK;
}

int gate_run(struct gate *out, const struct subject *subject, const struct pictures *pictures,
             const struct gate_options *options)
{
    *out = (struct gate){.trials = calloc(MAX_TRIALS, sizeof(*out->trials))};
    int err = out->trials ? score_exact(out, subject, options)
                          : error_set(BPNET_ENOMEM, "no memory for trials");
    if (err == 0)
        err = try_kept(out, 0, subject, options);
    if (err == 0 && !out->passed)
        err = sensitivity_measure(&out->sensitivity, subject, pictures, options->progress,
                                  options->ctx);
    const size_t all = out->sensitivity.n;
    for (size_t n = 1; err == 0 && !out->passed && out->trials[out->n_trials - 1].n_kept < all;
         n *= 2)
        err = try_kept(out, n < all ? n : all, subject, options);
    if (err < 0)
        gate_free(out);
    return err;
}

void gate_free(struct gate *g)
{
    sensitivity_free(&g->sensitivity);
    free(g->trials);
    *g = (struct gate){0};
}
