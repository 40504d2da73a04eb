/* Optimisers: a table of pieces, each a run of one parameter, stepped in any order by any thread.
 */
#include "train/optim.h"

#include "base/arena.h"
#include "base/error.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum { PIECE_FLOATS = 16384 }; /* four arrays of 64 KiB stay within the second cache */

struct piece {
    size_t offset, count;
    float k, l1, l2, decay;
};

struct optimizer {
    const struct optimizer_spec *spec;
    const struct kernels *kernels;
    struct workers *workers;
    float *value;
    size_t n_trainable;

    struct arena arena;
    float *moments; /* one block or two */
    size_t n_moments;
    struct piece *pieces;
    double *sums; /* one per piece */
    size_t n_pieces;

    const float *grads; /* of the step in hand */
    double lr;
    float c1, c2;
};

static bool trainable(const struct param *p)
{
    return p->role != PARAM_MEAN && p->role != PARAM_VARIANCE;
}

static size_t count_pieces(const struct params *params)
{
    size_t n = 0;
    for (int i = 0; i < params->n; i++)
        if (trainable(&params->list[i]))
            n += (params->list[i].count + PIECE_FLOATS - 1) / PIECE_FLOATS;
    return n;
}

/* What a parameter's steps have in common. */
static struct piece param_piece(const struct optimizer_spec *spec, bool stagewise,
                                const struct param *p, const struct node *node)
{
    struct piece piece = {.k = (float)spec->weight_default};
    if (p->role == PARAM_KERNEL) {
        piece.k = stagewise ? node->kernel_lr : piece.k;
        piece.l1 = node->l1;
        piece.l2 = node->l2;
        piece.decay = (float)spec->weight_decay;
    } else if (p->role == PARAM_BIAS) {
        piece.k = stagewise ? node->bias_lr : piece.k;
        piece.l1 = node->bias_l1;
        piece.l2 = node->bias_l2;
    } else if (p->role == PARAM_GAMMA) {
        piece.l1 = node->l1;
    }
    return piece;
}

static void fill_pieces(struct optimizer *o, bool stagewise, const struct model *model)
{
    for (int i = 0; i < model->params.n; i++) {
        const struct param *p = &model->params.list[i];
        if (!trainable(p))
            continue;
        struct piece piece = param_piece(o->spec, stagewise, p, &model->graph.nodes[p->node]);
        for (size_t at = 0; at < p->count; at += PIECE_FLOATS) {
            piece.offset = p->offset + at;
            piece.count = p->count - at < PIECE_FLOATS ? p->count - at : PIECE_FLOATS;
            o->pieces[o->n_pieces++] = piece;
        }
    }
}

int optimizer_open(struct optimizer **out, const struct optimizer_spec *spec, bool stagewise,
                   struct model *model, const struct kernels *kernels, struct workers *workers)
{
    *out = NULL;
    struct optimizer *o = calloc(1, sizeof *o);
    if (!o)
        return error_set(BPNET_ENOMEM, "no memory for an optimiser");
    o->spec = spec;
    o->kernels = kernels;
    o->workers = workers;
    o->value = model->params.value;
    o->n_trainable = model->params.n_trainable;
    o->n_moments = o->n_trainable * (spec->kind == OPTIMIZER_ADAM ? 2 : 1);

    const size_t n = count_pieces(&model->params);
    const size_t moments = arena_round(o->n_moments * sizeof(float));
    const size_t pieces = arena_round(n * sizeof(struct piece));
    const int err = arena_open(&o->arena, moments + pieces + arena_round(n * sizeof(double)));
    if (err < 0) {
        optimizer_close(o);
        return err;
    }
    o->moments = arena_take(&o->arena, moments); /* fresh mappings are zero: no velocity yet */
    o->pieces = arena_take(&o->arena, pieces);
    o->sums = arena_take(&o->arena, n * sizeof(double));
    fill_pieces(o, stagewise, model);
    assert(o->n_pieces == n);
    *out = o;
    return BPNET_OK;
}

void optimizer_close(struct optimizer *o)
{
    if (!o)
        return;
    arena_close(&o->arena);
    free(o);
}

static void momentum_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct optimizer *o = ctx;
    const struct piece *p = &o->pieces[item];
    o->kernels->momentum_step(o->value + p->offset, o->moments + p->offset, o->grads + p->offset,
                              p->count, (float)o->lr, (float)o->spec->momentum, p->k, p->l1,
                              2.0F * p->l2, o->spec->nesterov);
}

static void adam_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct optimizer *o = ctx;
    const struct piece *p = &o->pieces[item];
    o->kernels->adam_step(o->value + p->offset, o->moments + p->offset,
                          o->moments + o->n_trainable + p->offset, o->grads + p->offset, p->count,
                          (float)o->lr * p->k, (float)o->spec->beta1, (float)o->spec->beta2,
                          (float)o->spec->epsilon, o->c1, o->c2, 1.0F, p->l1, 2.0F * p->l2,
                          p->decay);
}

void optimizer_step(struct optimizer *o, const float *grads, double lr, uint64_t step)
{
    o->grads = grads;
    o->lr = lr;
    if (o->spec->kind == OPTIMIZER_MOMENTUM) {
        workers_run(o->workers, o->n_pieces, momentum_item, o);
        return;
    }
    /* From the rounded betas, which the kernel uses: the first steps divide by nearly nothing. */
    const double t = (double)step + 1.0;
    o->c1 = (float)(1.0 / (1.0 - pow((double)(float)o->spec->beta1, t)));
    o->c2 = (float)(1.0 / (1.0 - pow((double)(float)o->spec->beta2, t)));
    workers_run(o->workers, o->n_pieces, adam_item, o);
}

static void regularization_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct optimizer *o = ctx;
    const struct piece *p = &o->pieces[item];
    const float *w = o->value + p->offset;
    double l1 = 0.0, l2 = 0.0;
    if (p->l1 != 0.0F)
        for (size_t i = 0; i < p->count; i++)
            l1 += (double)fabsf(w[i]);
    if (p->l2 != 0.0F)
        for (size_t i = 0; i < p->count; i++)
            l2 += (double)w[i] * (double)w[i];
    o->sums[item] = (double)p->l1 * l1 + (double)p->l2 * l2;
}

double optimizer_regularization(struct optimizer *o)
{
    workers_run(o->workers, o->n_pieces, regularization_item, o);
    double sum = 0.0;
    for (size_t i = 0; i < o->n_pieces; i++)
        sum += o->sums[i];
    return sum;
}

float *optimizer_moments(struct optimizer *o, size_t *n_floats)
{
    *n_floats = o->n_moments;
    return o->moments;
}

struct average_job {
    float *average;
    const float *value;
    size_t n;
    float keep;
};

static void average_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct average_job *job = ctx;
    const size_t first = item * PIECE_FLOATS;
    const size_t end = job->n - first < PIECE_FLOATS ? job->n : first + PIECE_FLOATS;
    for (size_t i = first; i < end; i++)
        job->average[i] += (1.0F - job->keep) * (job->value[i] - job->average[i]);
}

void average_update(float *average, const float *value, size_t n, double decay, uint64_t step,
                    struct workers *workers)
{
    const double young = ((double)step + 1.0) / ((double)step + 10.0);
    struct average_job job = {average, value, n, (float)(young < decay ? young : decay)};
    workers_run(workers, (n + PIECE_FLOATS - 1) / PIECE_FLOATS, average_item, &job);
}
