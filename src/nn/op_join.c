/*
 * Operations that join maps: sum, product, concatenation. The inputs of a concatenation are
 * usually written in place by those who make them, and what is left is copied.
 */
#include "base/error.h"
#include "nn/run.h"

#include <string.h>

/* ---- shape ------------------------------------------------------------------------------- */

static int check_equal(const struct graph *g, const struct node *n)
{
    for (int i = 0; i < n->n_inputs; i++)
        if (n->channels != g->nodes[n->inputs[i]].channels)
            return error_set(BPNET_EFORMAT, "node '%s': %d channels, its input '%s' has %d",
                             n->name, n->channels, g->nodes[n->inputs[i]].name,
                             g->nodes[n->inputs[i]].channels);
    return BPNET_OK;
}

static int check_concat(const struct graph *g, const struct node *n)
{
    int sum = 0;
    for (int i = 0; i < n->n_inputs; i++)
        sum += g->nodes[n->inputs[i]].channels;
    if (n->channels != sum)
        return error_set(BPNET_EFORMAT, "node '%s': %d channels, its inputs have %d together",
                         n->name, n->channels, sum);
    return BPNET_OK;
}

static int infer(const struct graph *g, const struct node *n, const int (*hw)[2], int out[2])
{
    const int *first = hw[n->inputs[0]];
    for (int i = 1; i < n->n_inputs; i++) {
        const int *other = hw[n->inputs[i]];
        if (other[0] != first[0] || other[1] != first[1])
            return error_set(BPNET_EUSAGE, "node '%s' joins '%s' of %d x %d and '%s' of %d x %d",
                             n->name, g->nodes[n->inputs[0]].name, first[0], first[1],
                             g->nodes[n->inputs[i]].name, other[0], other[1]);
    }
    memcpy(out, first, 2 * sizeof *out);
    return BPNET_OK;
}

/* ---- pieces ------------------------------------------------------------------------------ */

static size_t band_pixels(const struct map *m, struct band b)
{
    return (size_t)(b.row1 - b.row0) * (size_t)m->w;
}

static void copy_band(const struct exec *e, const struct map *from, int from_channel, bool add,
                      const struct map *to, int to_channel, struct band b)
{
    const int channels = from->channels < to->channels ? from->channels : to->channels;
    e->kernels->copy(map_row(from, b.image, b.row0) + from_channel, from->pitch, add,
                     map_row(to, b.image, b.row0) + to_channel, to->pitch, band_pixels(from, b),
                     channels);
}

/* ---- sum --------------------------------------------------------------------------------- */

static void add_forward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct map *x = step_input(job->e, job->s, 0), *y = step_input(job->e, job->s, 1);
    const struct map *z = step_output(job->e, job->s);
    const struct band b = band_at(&job->s->bands, item);
    job->e->kernels->add(map_row(x, b.image, b.row0), x->pitch, map_row(y, b.image, b.row0),
                         y->pitch, job->s->act, map_row(z, b.image, b.row0), z->pitch,
                         band_pixels(z, b), z->channels);
}

static void add_forward(struct exec *e, struct step *s)
{
    step_run(e, s, s->bands.n, add_forward_item);
}

static void add_backward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct exec *e = job->e;
    const struct step *s = job->s;
    const struct map *z = step_output(e, s), *dz = step_output_grad(e, s);
    const struct band b = band_at(&s->bands, item);
    float *grad = map_row(dz, b.image, b.row0);
    if (s->act != ACT_NONE)
        e->kernels->act_back(s->act, map_row(z, b.image, b.row0), z->pitch, grad, dz->pitch, false,
                             grad, dz->pitch, band_pixels(z, b), z->channels);
    for (int i = 0; i < s->node->n_inputs; i++)
        if (s->back[i] == GRAD_WRITE || s->back[i] == GRAD_ADD)
            copy_band(e, dz, 0, s->back[i] == GRAD_ADD, step_input_grad(e, s, i), 0, b);
}

static bool nothing_to_do(const struct step *s)
{
    for (int i = 0; i < s->node->n_inputs; i++)
        if (s->back[i] == GRAD_WRITE || s->back[i] == GRAD_ADD)
            return false;
    return s->act == ACT_NONE;
}

static void add_backward(struct exec *e, struct step *s)
{
    if (!nothing_to_do(s))
        step_run(e, s, s->bands.n, add_backward_item);
}

const struct op_row op_add = {
    .name = "add",
    .min_inputs = 2,
    .max_inputs = 2,
    .check = check_equal,
    .infer = infer,
    .forward = add_forward,
    .backward = add_backward,
    .fuses_relu = true,
    .gates = true,
    .in_place = true,
};

/* ---- product ----------------------------------------------------------------------------- */

static void mul_forward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct map *x = step_input(job->e, job->s, 0), *y = step_input(job->e, job->s, 1);
    const struct map *z = step_output(job->e, job->s);
    const struct band b = band_at(&job->s->bands, item);
    job->e->kernels->mul(map_row(x, b.image, b.row0), x->pitch, map_row(y, b.image, b.row0),
                         y->pitch, false, map_row(z, b.image, b.row0), z->pitch, band_pixels(z, b),
                         z->channels);
}

static void mul_forward(struct exec *e, struct step *s)
{
    step_run(e, s, s->bands.n, mul_forward_item);
}

static void mul_backward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct exec *e = job->e;
    const struct step *s = job->s;
    const struct map *dz = step_output_grad(e, s);
    const struct band b = band_at(&s->bands, item);
    for (int i = 0; i < 2; i++) {
        const struct map *other = step_input(e, s, 1 - i), *to = step_input_grad(e, s, i);
        if (s->back[i] != GRAD_NONE)
            e->kernels->mul(map_row(dz, b.image, b.row0), dz->pitch,
                            map_row(other, b.image, b.row0), other->pitch, s->back[i] == GRAD_ADD,
                            map_row(to, b.image, b.row0), to->pitch, band_pixels(dz, b),
                            dz->channels);
    }
}

static void mul_backward(struct exec *e, struct step *s)
{
    if (s->back[0] != GRAD_NONE || s->back[1] != GRAD_NONE)
        step_run(e, s, s->bands.n, mul_backward_item);
}

const struct op_row op_mul = {
    .name = "mul",
    .min_inputs = 2,
    .max_inputs = 2,
    .check = check_equal,
    .infer = infer,
    .forward = mul_forward,
    .backward = mul_backward,
    .in_place = true,
    .keeps_input = true,
};

/* ---- concatenation ----------------------------------------------------------------------- */

static void concat_forward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct step *s = job->s;
    const struct band b = band_at(&s->bands, item);
    int channel = 0;
    for (int i = 0; i < s->node->n_inputs; i++) {
        const struct map *x = step_input(job->e, s, i);
        if (!s->placed[i])
            copy_band(job->e, x, 0, false, step_output(job->e, s), channel, b);
        channel += x->channels;
    }
}

static void concat_forward(struct exec *e, struct step *s)
{
    bool all = true;
    for (int i = 0; i < s->node->n_inputs; i++)
        all = all && s->placed[i];
    if (!all)
        step_run(e, s, s->bands.n, concat_forward_item);
}

static void concat_backward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct step *s = job->s;
    const struct band b = band_at(&s->bands, item);
    int channel = 0;
    for (int i = 0; i < s->node->n_inputs; i++) {
        if (s->back[i] == GRAD_WRITE || s->back[i] == GRAD_ADD)
            copy_band(job->e, step_output_grad(job->e, s), channel, s->back[i] == GRAD_ADD,
                      step_input_grad(job->e, s, i), 0, b);
        channel += step_input(job->e, s, i)->channels;
    }
}

static void concat_backward(struct exec *e, struct step *s)
{
    if (!nothing_to_do(s))
        step_run(e, s, s->bands.n, concat_backward_item);
}

const struct op_row op_concat = {
    .name = "concat",
    .min_inputs = 2,
    .max_inputs = GRAPH_MAX_INPUTS,
    .check = check_concat,
    .infer = infer,
    .forward = concat_forward,
    .backward = concat_backward,
};
