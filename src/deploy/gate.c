/* Trials of an engine with more and more layers in floats, until it scores well enough. */
#include "deploy/gate.h"

#include "base/error.h"
#include "deploy/draft.h"

#include <stdlib.h>

enum { MAX_TRIALS = 32, POINTS = 100 };

static int score_network(double *score, const struct network *net, const struct subject *subject,
                         const struct gate_options *options)
{
    struct draft draft;
    int err = draft_open(&draft, net, subject->level, subject->workers);
    if (err == 0)
        err = options->score(options->ctx, draft.engine, score);
    draft_close(&draft);
    return err;
}

int gate_floats(double *score, const struct subject *subject, const struct gate_options *options)
{
    struct network net;
    int err = network_lower(&net, subject->model, subject->h, subject->w);
    if (err < 0)
        return err;
    err = score_network(score, &net, subject, options);
    network_free(&net);
    return err;
}

/* With the first n of the sensitive convolutions in floats. */
static int try_kept(struct gate *g, size_t n, const struct subject *subject,
                    const struct gate_options *options)
{
    struct network net;
    bool *keep = calloc((size_t)g->sensitivity.n_layers + 1, sizeof(*keep));
    if (!keep)
        return error_set(BPNET_ENOMEM, "no memory for a trial");
    sensitivity_keep(&g->sensitivity, n, keep);
    int err = subject_quantize(&net, subject, n > 0 ? keep : NULL);
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

static int rank(struct gate *g, const struct subject *subject, const struct pictures *pictures,
                const struct gate_options *options)
{
    struct output_error *outputs;
    int err = output_error_open(&outputs, subject, pictures);
    if (err == 0)
        err = sensitivity_measure(&g->sensitivity, outputs, SENSITIVITY_BUT_ONE, options->progress,
                                  options->ctx);
    output_error_close(outputs);
    return err;
}

int gate_run(struct gate *out, const struct subject *subject, const struct pictures *pictures,
             const struct gate_options *options)
{
    *out = (struct gate){.trials = calloc(MAX_TRIALS, sizeof(*out->trials))};
    int err = out->trials ? gate_floats(&out->exact, subject, options)
                          : error_set(BPNET_ENOMEM, "no memory for trials");
    if (err == 0)
        err = rank(out, subject, pictures, options);
    out->passed = options->no_trials;
    if (err == 0 && !options->no_trials)
        err = try_kept(out, 0, subject, options);
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
