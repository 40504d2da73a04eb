/* Activations on their own: sigmoid, tanh, and ReLUs that could not be fused; PReLU. */
#include "base/error.h"
#include "nn/run.h"

#include <string.h>

static int check(const struct graph *g, const struct node *n)
{
    if ((int)n->act <= ACT_NONE || n->act >= ACT_COUNT)
        return error_set(BPNET_EFORMAT, "node '%s': its activation is unknown", n->name);
    return check_same_channels(g, n);
}

static int infer(const struct graph *g, const struct node *n, const int (*hw)[2], int out[2])
{
    (void)g;
    memcpy(out, hw[n->inputs[0]], 2 * sizeof *out);
    return BPNET_OK;
}

static void forward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct map *x = step_input(job->e, job->s, 0), *y = step_output(job->e, job->s);
    const struct band b = band_at(&job->s->bands, item);
    job->e->kernels->act(job->s->node->act, map_row(x, b.image, b.row0), x->pitch,
                         map_row(y, b.image, b.row0), y->pitch,
                         (size_t)(b.row1 - b.row0) * (size_t)y->w, y->channels);
}

static void forward(struct exec *e, struct step *s)
{
    step_run(e, s, s->bands.n, forward_item);
}

static void backward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct step *s = job->s;
    const struct map *y = step_output(job->e, s);
    const struct map *dx = step_input_grad(job->e, s, 0), *dy = step_output_grad(job->e, s);
    const struct band b = band_at(&s->bands, item);
    job->e->kernels->act_back(s->node->act, map_row(y, b.image, b.row0), y->pitch,
                              map_row(dy, b.image, b.row0), dy->pitch, s->back[0] == GRAD_ADD,
                              map_row(dx, b.image, b.row0), dx->pitch,
                              (size_t)(b.row1 - b.row0) * (size_t)y->w, y->channels);
}

static void backward(struct exec *e, struct step *s)
{
    if (s->back[0] != GRAD_NONE)
        step_run(e, s, s->bands.n, backward_item);
}

const struct op_row op_act = {
    .name = "act",
    .min_inputs = 1,
    .max_inputs = 1,
    .check = check,
    .infer = infer,
    .forward = forward,
    .backward = backward,
    .in_place = true,
    .back_in_place = true,
    .keeps_output = true,
};

/* ---- PReLU ------------------------------------------------------------------------------- */

static int prelu_shape(const struct graph *g, const struct node *n, enum param_role role,
                       int dims[4])
{
    (void)g;
    dims[0] = n->channels;
    return role == PARAM_SLOPE ? 1 : 0;
}

static void prelu_prepare(struct exec *e, struct step *s)
{
    if (e->options.training)
        s->partials_size = (size_t)s->node->channels * s->bands.n;
}

static void prelu_forward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct map *x = step_input(job->e, job->s, 0), *y = step_output(job->e, job->s);
    const struct band b = band_at(&job->s->bands, item);
    job->e->kernels->prelu(map_row(x, b.image, b.row0), x->pitch,
                           exec_param(job->e, job->s->node, PARAM_SLOPE),
                           map_row(y, b.image, b.row0), y->pitch,
                           (size_t)(b.row1 - b.row0) * (size_t)y->w, y->channels);
}

static void prelu_forward(struct exec *e, struct step *s)
{
    step_run(e, s, s->bands.n, prelu_forward_item);
}

/* The partial sums of the slopes' gradient, and dx where it is wanted. */
static void prelu_backward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct step *s = job->s;
    const struct map *x = step_input(job->e, s, 0), *dy = step_output_grad(job->e, s);
    const struct map *dx = step_input_grad(job->e, s, 0);
    const struct band b = band_at(&s->bands, item);
    const bool wanted = s->back[0] != GRAD_NONE;
    float *sum = job->e->partials + item * (size_t)x->channels;
    memset(sum, 0, (size_t)x->channels * sizeof *sum);
    job->e->kernels->prelu_back(
        map_row(x, b.image, b.row0), x->pitch, exec_param(job->e, s->node, PARAM_SLOPE),
        map_row(dy, b.image, b.row0), dy->pitch, s->back[0] == GRAD_ADD,
        wanted ? map_row(dx, b.image, b.row0) : NULL, wanted ? dx->pitch : 0, sum,
        (size_t)(b.row1 - b.row0) * (size_t)x->w, x->channels);
}

static void prelu_backward(struct exec *e, struct step *s)
{
    double total[GRAPH_MAX_CHANNELS];
    const int channels = s->node->channels;
    float *grad = exec_param_grad(e, s->node, PARAM_SLOPE);
    step_run(e, s, s->bands.n, prelu_backward_item);
    partials_total(e->partials, s->bands.n, (size_t)channels, channels, total);
    for (int c = 0; c < channels; c++)
        grad[c] = (float)total[c];
}

const struct op_row op_prelu = {
    .name = "prelu",
    .min_inputs = 1,
    .max_inputs = 1,
    .check = check_same_channels,
    .infer = infer,
    .shape = prelu_shape,
    .prepare = prelu_prepare,
    .forward = prelu_forward,
    .backward = prelu_backward,
    .in_place = true,
    .back_in_place = true,
    .keeps_input = true,
};
