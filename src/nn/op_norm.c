/*
 * Batch norm (Ioffe, Szegedy 2015). In training: the batch's mean and biased variance, from sums
 * over bands of rows that are added in a fixed order, in double. Forward is then one pass
 * y = act(x * scale + shift); backward is a pass for two sums and a pass
 *     dx = a g + b x + c,  g = dy where the ReLU let through,
 *     a = gamma / s,  b = -a sum(g xhat) / (n s),  c = -a sum(g) / n - b mean,  s = std.
 */
#include "base/error.h"
#include "nn/run.h"

#include <math.h>
#include <string.h>

/* The rows of step.channel. */
enum { MEAN, INV_STD, SCALE, SHIFT, EXTRA, CHANNEL_ROWS };

static float *channel_row(const struct step *s, int row)
{
    return s->channel + (size_t)row * (size_t)s->node->channels;
}

static int check(const struct graph *g, const struct node *n)
{
    if (n->channels != g->nodes[n->inputs[0]].channels)
        return error_set(BPNET_EFORMAT, "node '%s': %d channels, its input has %d", n->name,
                         n->channels, g->nodes[n->inputs[0]].channels);
    if (!(n->epsilon > 0.0F && n->epsilon < 1.0F) || !(n->momentum >= 0.0F && n->momentum <= 1.0F))
        return error_set(BPNET_EFORMAT,
                         "node '%s': epsilon %g, momentum %g; expected within (0, 1) and [0, 1]",
                         n->name, (double)n->epsilon, (double)n->momentum);
    return BPNET_OK;
}

static int infer(const struct graph *g, const struct node *n, const int (*hw)[2], int out[2])
{
    (void)g;
    memcpy(out, hw[n->inputs[0]], 2 * sizeof *out);
    return BPNET_OK;
}

static int shape(const struct graph *g, const struct node *n, enum param_role role, int dims[4])
{
    (void)g;
    dims[0] = n->channels;
    return role == PARAM_KERNEL || role == PARAM_BIAS || role == PARAM_SLOPE ? 0 : 1;
}

/* Whether the step before has already made the channel sums. */
static bool is_summed(const struct exec *e, const struct step *s)
{
    return s != e->steps && s[-1].sums_channels;
}

static void prepare(struct exec *e, struct step *s)
{
    if (is_summed(e, s))
        s->bands = s[-1].bands;
    s->channel_size = (size_t)CHANNEL_ROWS * (size_t)s->node->channels;
    s->partials_size = 2 * (size_t)s->node->channels * s->bands.n;
}

/* Scale and shift that stand for a mean and a variance. */
static void set_scale(const struct exec *e, const struct step *s)
{
    const float *gamma = exec_param(e, s->node, PARAM_GAMMA);
    const float *beta = exec_param(e, s->node, PARAM_BETA);
    const float *mean = channel_row(s, MEAN), *inv_std = channel_row(s, INV_STD);
    float *scale = channel_row(s, SCALE), *shift = channel_row(s, SHIFT);
    for (int c = 0; c < s->node->channels; c++) {
        scale[c] = gamma[c] * inv_std[c];
        shift[c] = beta[c] - mean[c] * scale[c];
    }
}

static void refresh(struct exec *e, struct step *s)
{
    if (e->options.training)
        return;
    const float *variance = exec_param(e, s->node, PARAM_VARIANCE);
    float *inv_std = channel_row(s, INV_STD);
    memcpy(channel_row(s, MEAN), exec_param(e, s->node, PARAM_MEAN),
           (size_t)s->node->channels * sizeof(float));
    for (int c = 0; c < s->node->channels; c++)
        inv_std[c] = 1.0F / sqrtf(variance[c] + s->node->epsilon);
    set_scale(e, s);
}

/* ---- forward ----------------------------------------------------------------------------- */

static void sums_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct map *x = step_input(job->e, job->s, 0);
    const struct band b = band_at(&job->s->bands, item);
    float *sum = job->e->partials + item * 2 * (size_t)x->channels;
    memset(sum, 0, 2 * (size_t)x->channels * sizeof *sum);
    job->e->kernels->channel_sums(map_row(x, b.image, b.row0),
                                  (size_t)(b.row1 - b.row0) * (size_t)x->w, x->channels, x->pitch,
                                  sum, sum + x->channels);
}

/* The batch's statistics from the partial sums, and the running ones from those. */
static void set_statistics(const struct exec *e, const struct step *s)
{
    double total[2 * GRAPH_MAX_CHANNELS];
    const struct map *x = step_input(e, s, 0);
    const int channels = x->channels;
    const double n = (double)e->options.batch * (double)x->h * (double)x->w;
    const double correction = n > 1.0 ? n / (n - 1.0) : 1.0;
    const double keep = (double)s->node->momentum;
    float *running_mean = exec_param(e, s->node, PARAM_MEAN);
    float *running_variance = exec_param(e, s->node, PARAM_VARIANCE);
    float *mean = channel_row(s, MEAN), *inv_std = channel_row(s, INV_STD);
    partials_total(e->partials, s->bands.n, 2 * (size_t)channels, 2 * channels, total);
    for (int c = 0; c < channels; c++) {
        const double m = total[c] / n;
        const double rest = total[channels + c] / n - m * m;
        const double variance = rest < 0.0 ? 0.0 : rest; /* a NaN stays one */
        mean[c] = (float)m;
        inv_std[c] = (float)(1.0 / sqrt(variance + (double)s->node->epsilon));
        running_mean[c] = (float)(keep * (double)running_mean[c] + (1.0 - keep) * m);
        running_variance[c] =
            (float)(keep * (double)running_variance[c] + (1.0 - keep) * variance * correction);
    }
    set_scale(e, s);
}

static void forward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct step *s = job->s;
    const struct map *x = step_input(job->e, s, 0), *y = step_output(job->e, s);
    const struct band b = band_at(&s->bands, item);
    job->e->kernels->scale_shift(map_row(x, b.image, b.row0), x->pitch, channel_row(s, SCALE),
                                 channel_row(s, SHIFT), s->act, map_row(y, b.image, b.row0),
                                 y->pitch, (size_t)(b.row1 - b.row0) * (size_t)y->w, y->channels);
}

static void forward(struct exec *e, struct step *s)
{
    if (e->options.training) {
        if (!is_summed(e, s))
            step_run(e, s, s->bands.n, sums_item);
        set_statistics(e, s);
    }
    step_run(e, s, s->bands.n, forward_item);
}

/* ---- backward ---------------------------------------------------------------------------- */

static void back_sums_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct step *s = job->s;
    const struct map *x = step_input(job->e, s, 0), *y = step_output(job->e, s);
    const struct map *dy = step_output_grad(job->e, s);
    const struct band b = band_at(&s->bands, item);
    float *sum = job->e->partials + item * 2 * (size_t)x->channels;
    memset(sum, 0, 2 * (size_t)x->channels * sizeof *sum);
    job->e->kernels->norm_back_sums(
        map_row(x, b.image, b.row0), x->pitch,
        s->act == ACT_NONE ? NULL : map_row(y, b.image, b.row0), y->pitch,
        map_row(dy, b.image, b.row0), dy->pitch, channel_row(s, MEAN), channel_row(s, INV_STD),
        (size_t)(b.row1 - b.row0) * (size_t)x->w, x->channels, sum, sum + x->channels);
}

/* Gradients of gamma and beta, and a, b, c of the second pass in the rows after INV_STD. */
static void set_back(const struct exec *e, const struct step *s)
{
    double total[2 * GRAPH_MAX_CHANNELS];
    const struct map *x = step_input(e, s, 0);
    const int channels = x->channels;
    const double n = (double)e->options.batch * (double)x->h * (double)x->w;
    const float *gamma = exec_param(e, s->node, PARAM_GAMMA);
    const float *mean = channel_row(s, MEAN), *inv_std = channel_row(s, INV_STD);
    float *dgamma = exec_param_grad(e, s->node, PARAM_GAMMA);
    float *dbeta = exec_param_grad(e, s->node, PARAM_BETA);
    partials_total(e->partials, s->bands.n, 2 * (size_t)channels, 2 * channels, total);
    for (int c = 0; c < channels; c++) {
        const double a = (double)gamma[c] * (double)inv_std[c];
        const double b = -a * (double)inv_std[c] * total[channels + c] / n;
        dbeta[c] = (float)total[c];
        dgamma[c] = (float)total[channels + c];
        channel_row(s, SCALE)[c] = (float)a;
        channel_row(s, SHIFT)[c] = (float)b;
        channel_row(s, EXTRA)[c] = (float)(-a * total[c] / n - b * (double)mean[c]);
    }
}

static void backward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct step *s = job->s;
    const struct map *x = step_input(job->e, s, 0), *y = step_output(job->e, s);
    const struct map *dx = step_input_grad(job->e, s, 0), *dy = step_output_grad(job->e, s);
    const struct band b = band_at(&s->bands, item);
    job->e->kernels->norm_back_apply(
        map_row(x, b.image, b.row0), x->pitch,
        s->act == ACT_NONE ? NULL : map_row(y, b.image, b.row0), y->pitch,
        map_row(dy, b.image, b.row0), dy->pitch, channel_row(s, SCALE), channel_row(s, SHIFT),
        channel_row(s, EXTRA), s->back[0] == GRAD_ADD, map_row(dx, b.image, b.row0), dx->pitch,
        (size_t)(b.row1 - b.row0) * (size_t)x->w, x->channels);
}

static void backward(struct exec *e, struct step *s)
{
    step_run(e, s, s->bands.n, back_sums_item);
    set_back(e, s);
    if (s->back[0] != GRAD_NONE)
        step_run(e, s, s->bands.n, backward_item);
}

const struct op_row op_norm = {
    .name = "norm",
    .min_inputs = 1,
    .max_inputs = 1,
    .check = check,
    .infer = infer,
    .shape = shape,
    .prepare = prepare,
    .refresh = refresh,
    .forward = forward,
    .backward = backward,
    .fuses_relu = true,
    .in_place = true,
    .back_in_place = true,
    .keeps_input = true,
};
