/* Importance of filters, from gradients over a few batches of a training that never steps. */
#include "train/taylor.h"

#include "base/error.h"
#include "train/maps.h"
#include "train/session.h"

#include <math.h>
#include <stdlib.h>

/* ---- one batch --------------------------------------------------------------------------- */

static int run_batch(struct session *s)
{
    struct loss_map maps[LOSS_MAX_MAPS];
    struct loss_value loss;
    const struct batch *batch;
    int n_maps, err;
    if ((err = loader_next(s->loader, &batch)) < 0)
        return err;
    maps_feed(s->exec, batch);
    if ((err = exec_forward(s->exec)) < 0 ||
        (err = maps_bind(maps, &n_maps, s->exec, batch, true)) < 0)
        return err;
    loss_run(s->loss, &loss, maps, n_maps, batch->n);
    if (!isfinite(loss.data))
        return error_set(BPNET_ENUMERIC, "the model's loss is not finite on this data");
    return exec_backward(s->exec);
}

/* Adds w * dw of a node's parameter to the sums of its filters, the last dimension. */
static void add_products(double *sum, const struct session *s, int node, enum param_role role)
{
    const struct model *m = s->start.model;
    const int index = m->graph.nodes[node].params[role];
    if (index < 0)
        return;
    const struct param *p = &m->params.list[index];
    const float *w = m->params.value + p->offset, *dw = exec_grads(s->exec) + p->offset;
    const size_t n = (size_t)m->graph.nodes[node].channels;
    for (size_t i = 0; i < p->count; i += n)
        for (size_t j = 0; j < n; j++)
            sum[j] += (double)w[i + j] * (double)dw[i + j];
}

/* `sum` has room for the channels of any node. */
static void add_batch(struct taylor_scores *out, const struct session *s, double *sum)
{
    const struct graph *g = &s->start.model->graph;
    for (int i = 0; i < g->n_nodes; i++) {
        if (!out->of[i])
            continue;
        const int norm = graph_norm_of(g, i);
        for (int j = 0; j < g->nodes[i].channels; j++)
            sum[j] = 0.0;
        add_products(sum, s, norm < 0 ? i : norm, norm < 0 ? PARAM_KERNEL : PARAM_GAMMA);
        add_products(sum, s, norm < 0 ? i : norm, norm < 0 ? PARAM_BIAS : PARAM_BETA);
        for (int j = 0; j < g->nodes[i].channels; j++)
            out->of[i][j] += sum[j] * sum[j];
    }
}

/* ---- all of them ------------------------------------------------------------------------- */

static int open_scores(struct taylor_scores *out, const struct graph *g)
{
    out->n_nodes = g->n_nodes;
    out->of = calloc((size_t)g->n_nodes, sizeof *out->of);
    bool failed = !out->of;
    for (int i = 0; i < g->n_nodes && !failed; i++)
        if (g->nodes[i].op == OP_CONV)
            failed = !(out->of[i] = calloc((size_t)g->nodes[i].channels, sizeof **out->of));
    return failed ? error_set(BPNET_ENOMEM, "no memory for the scores of %d layers", g->n_nodes)
                  : BPNET_OK;
}

static int run_batches(struct taylor_scores *out, struct session *s, const struct taylor_options *o)
{
    double sum[GRAPH_MAX_CHANNELS];
    for (int k = 0; k < o->batches; k++) {
        if (o->stop && *o->stop)
            return error_set(BPNET_ESTOPPED, "stopped on request");
        const int err = run_batch(s);
        if (err < 0)
            return err;
        add_batch(out, s, sum);
        if (o->progress)
            o->progress(o->ctx, k + 1, o->batches);
    }
    for (int i = 0; i < out->n_nodes; i++)
        for (int j = 0; out->of[i] && j < s->start.model->graph.nodes[i].channels; j++)
            out->of[i][j] /= o->batches;
    return BPNET_OK;
}

int taylor_score(struct taylor_scores *out, const struct experiment_spec *spec,
                 const struct taylor_options *options)
{
    *out = (struct taylor_scores){0};
    /* As a training that begins from the model, but by itself. */
    struct experiment_spec own = *spec;
    own.pretrained_weights = (char *)options->model;
    own.load_graph = true;
    own.is_finetune = false;
    own.validation_every_n_epoch = 0;
    own.teacher.model_path = NULL;
    if (options->stages > 0)
        own.model.stages = options->stages;
    own.ema_decay = 0.0;
    struct trainer_options how;
    trainer_options_default(&how);
    how.results_dir = ".";
    how.dry_run = how.fresh = true;
    how.threads = options->threads;
    how.cpu = options->cpu;
    how.key = options->key;
    struct session s;
    int err = session_open(&s, &own, &how);
    if (err < 0)
        return err;
    if ((err = open_scores(out, &s.start.model->graph)) == BPNET_OK)
        err = run_batches(out, &s, options);
    session_close(&s);
    if (err < 0)
        taylor_scores_free(out);
    return err;
}

void taylor_scores_free(struct taylor_scores *s)
{
    for (int i = 0; s->of && i < s->n_nodes; i++)
        free(s->of[i]);
    free(s->of);
    *s = (struct taylor_scores){0};
}
