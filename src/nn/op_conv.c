/*
 * Convolution. Forward takes a ReLU along, in inference also a batch norm (folded into weights and
 * bias), and in training leaves the channel sums for the batch norm behind it, while the rows are
 * still in the cache. Backward makes the two gradients in one go, because neither needs the other.
 */
#include "base/error.h"
#include "nn/conv_way.h"
#include "nn/fold.h"

#include <string.h>

enum {
    MAX_GROUPS = 4,          /* of images, in the weights' gradient */
    PIECE_FLOATS = 16 * 1024 /* of weights, when groups are added */
};

/* ---- shape ------------------------------------------------------------------------------- */

static int check(const struct graph *g, const struct node *n)
{
    const int inputs = g->nodes[n->inputs[0]].channels;
    if (n->groups < 1 || inputs % n->groups != 0 || n->channels % n->groups != 0)
        return error_set(BPNET_EFORMAT,
                         "node '%s': %d groups do not divide its %d inputs and %d "
                         "outputs",
                         n->name, n->groups, inputs, n->channels);
    return window_check(n);
}

static int shape(const struct graph *g, const struct node *n, enum param_role role, int dims[4])
{
    if (role == PARAM_KERNEL) {
        dims[0] = dims[1] = n->kernel;
        dims[2] = g->nodes[n->inputs[0]].channels / n->groups;
        dims[3] = n->channels;
        return 4;
    }
    dims[0] = n->channels;
    return role == PARAM_BIAS && n->bias ? 1 : 0;
}

static int64_t cost(const struct graph *g, const struct node *n, const int out[2])
{
    const int inputs = g->nodes[n->inputs[0]].channels / n->groups;
    return (int64_t)n->kernel * n->kernel * inputs * n->channels * out[0] * out[1];
}

/* ---- preparation ------------------------------------------------------------------------- */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/*
 * The weights' gradient is summed by groups of images, each with memory of its own but the first;
 * then the groups are added in order. There are as many whatever the number of threads; but a
 * group's work may be cut, too, by weights, and so that many threads find some.
 */
static int dw_groups(const struct exec *e)
{
    return e->options.batch < MAX_GROUPS ? e->options.batch : MAX_GROUPS;
}

static int dw_parts(const struct exec *e, const struct step *s)
{
    const int groups = dw_groups(e);
    return conv_way_of(s)->has_parts ? (2 * (int)e->threads + groups - 1) / groups : 1;
}

static void prepare(struct exec *e, struct step *s)
{
    const struct map *x = step_input(e, s, 0), *y = step_output(e, s);
    const size_t channels = (size_t)s->node->channels;
    s->geometry = window_geometry(s->node, x, y);
    s->channel_size = channels; /* the bias, with a batch norm folded in */
    if (e->options.training) {
        const struct map *dy = step_output_grad(e, s);
        s->dw_geometry = window_geometry(s->node, x, dy);
        if (s->back[0] != GRAD_NONE)
            s->dx_geometry = window_geometry(s->node, step_input_grad(e, s, 0), dy);
    }
    conv_way_of(s)->prepare(e, s);
    if (e->options.training)
        s->partials_size =
            larger(2 * channels * s->bands.n, (size_t)(dw_groups(e) - 1) * conv_kernel_count(s));
}

/* The kernel with the batch norm behind it folded in, in e->folded; the bias in s->channel. */
static void fold_norm(const struct exec *e, const struct step *s, const float *w)
{
    const struct node *norm = &e->model->graph.nodes[s->norm];
    const float *bias = s->node->bias ? exec_param(e, s->node, PARAM_BIAS) : NULL;
    const size_t channels = (size_t)s->node->channels;
    const size_t rows = conv_kernel_count(s) / channels;
    float *scale = s->channel; /* for now */
    fold_scale(e->model, norm, scale);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < channels; c++)
            e->folded[r * channels + c] = w[r * channels + c] * scale[c];
    fold_bias(e->model, norm, bias, scale, s->channel);
}

static void refresh(struct exec *e, struct step *s)
{
    const float *w = exec_param(e, s->node, PARAM_KERNEL);
    if (s->norm >= 0) {
        fold_norm(e, s, w);
        w = e->folded;
    } else if (s->node->bias) {
        memcpy(s->channel, exec_param(e, s->node, PARAM_BIAS),
               (size_t)s->node->channels * sizeof(float));
    }
    conv_way_of(s)->pack(e, s, w);
    s->packed_for = s->packed_size;
}

/* ---- running ----------------------------------------------------------------------------- */

static size_t band_pixels(const struct map *m, struct band b)
{
    return (size_t)(b.row1 - b.row0) * (size_t)m->w;
}

/* The partial sums of band `item`: one row, or two. */
static float *clear_partials(const struct exec *e, size_t item, size_t n)
{
    float *sum = e->partials + item * n;
    memset(sum, 0, n * sizeof *sum);
    return sum;
}

static void forward_item(void *ctx, size_t item, unsigned thread)
{
    const struct step_job *job = ctx;
    const struct exec *e = job->e;
    const struct step *s = job->s;
    const struct conv_way *way = conv_way_of(s);
    const struct map *y = step_output(e, s);
    const struct band b = band_at(&s->bands, item);
    const bool ends = way->any_act || s->act == ACT_RELU || s->act == ACT_NONE;
    way->forward(e, s, b, ends ? s->act : ACT_NONE, thread);
    if (!ends)
        e->kernels->act(s->act, map_row(y, b.image, b.row0), y->pitch, map_row(y, b.image, b.row0),
                        y->pitch, band_pixels(y, b), y->channels);
    if (s->sums_channels) {
        float *sum = clear_partials(e, item, 2 * (size_t)y->channels);
        e->kernels->channel_sums(map_row(y, b.image, b.row0), band_pixels(y, b), y->channels,
                                 y->pitch, sum, sum + y->channels);
    }
}

static void forward(struct exec *e, struct step *s)
{
    step_run(e, s, s->bands.n, forward_item);
}

/* Through the ReLU, and the bias's part. */
static void gate_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct exec *e = job->e;
    const struct step *s = job->s;
    const struct map *y = step_output(e, s), *dy = step_output_grad(e, s);
    const struct band b = band_at(&s->bands, item);
    const size_t n = band_pixels(y, b);
    float *grad = map_row(dy, b.image, b.row0);
    if (s->act != ACT_NONE)
        e->kernels->act_back(s->act, map_row(y, b.image, b.row0), y->pitch, grad, dy->pitch, false,
                             grad, dy->pitch, n, y->channels);
    if (s->node->bias)
        e->kernels->channel_sums(grad, n, dy->channels, dy->pitch,
                                 clear_partials(e, item, (size_t)dy->channels), NULL);
}

static void bias_grad(const struct exec *e, const struct step *s)
{
    double total[GRAPH_MAX_CHANNELS];
    const int channels = s->node->channels;
    float *db = exec_param_grad(e, s->node, PARAM_BIAS);
    partials_total(e->partials, s->bands.n, (size_t)channels, channels, total);
    for (int c = 0; c < channels; c++)
        db[c] = (float)total[c];
}

static float *group_dw(const struct exec *e, const struct step *s, int group)
{
    return group == 0 ? exec_param_grad(e, s->node, PARAM_KERNEL)
                      : e->partials + (size_t)(group - 1) * conv_kernel_count(s);
}

/* How many pieces of PIECE_FLOATS a kernel makes. */
static size_t n_pieces(const struct step *s)
{
    return (conv_kernel_count(s) + PIECE_FLOATS - 1) / PIECE_FLOATS;
}

static size_t piece_floats(const struct step *s, size_t piece)
{
    const size_t left = conv_kernel_count(s) - piece * PIECE_FLOATS;
    return left < PIECE_FLOATS ? left : PIECE_FLOATS;
}

static void clear_groups_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const size_t piece = item % n_pieces(job->s), group = item / n_pieces(job->s);
    memset(group_dw(job->e, job->s, (int)group) + piece * PIECE_FLOATS, 0,
           piece_floats(job->s, piece) * sizeof(float));
}

/* The first items are shares of dw; the others rows of dx. */
static void gradient_item(void *ctx, size_t item, unsigned thread)
{
    const struct step_job *job = ctx;
    const struct exec *e = job->e;
    const struct step *s = job->s;
    const int n_groups = dw_groups(e), n_parts = dw_parts(e, s), batch = e->options.batch;
    const size_t n_shares = (size_t)n_groups * (size_t)n_parts;
    if (item >= n_shares) {
        conv_way_of(s)->dx(e, s, band_at(&s->back_bands, item - n_shares), thread);
        return;
    }
    const int group = (int)item / n_parts;
    struct dw_share share = {
        .image = batch * group / n_groups, .part = (int)item % n_parts, .n_parts = n_parts};
    share.n_images = batch * (group + 1) / n_groups - share.image;
    conv_way_of(s)->dw(e, s, &share, group_dw(e, s, group), thread);
}

static void add_groups_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const size_t first = item * PIECE_FLOATS;
    const int n = (int)piece_floats(job->s, item);
    for (int group = 1; group < dw_groups(job->e); group++)
        job->e->kernels->copy(group_dw(job->e, job->s, group) + first, n, true,
                              group_dw(job->e, job->s, 0) + first, n, 1, n);
}

static void backward(struct exec *e, struct step *s)
{
    if (s->act != ACT_NONE || s->node->bias)
        step_run(e, s, s->bands.n, gate_item);
    if (s->node->bias)
        bias_grad(e, s);
    const size_t n_shares = (size_t)dw_groups(e) * (size_t)dw_parts(e, s);
    const size_t n_dx = s->back[0] == GRAD_NONE ? 0 : s->back_bands.n;
    step_run(e, s, (size_t)dw_groups(e) * n_pieces(s), clear_groups_item);
    step_run(e, s, n_shares + n_dx, gradient_item);
    if (dw_groups(e) > 1)
        step_run(e, s, n_pieces(s), add_groups_item);
}

const struct op_row op_conv = {
    .name = "conv",
    .min_inputs = 1,
    .max_inputs = 1,
    .check = check,
    .infer = window_infer,
    .shape = shape,
    .cost = cost,
    .prepare = prepare,
    .refresh = refresh,
    .forward = forward,
    .backward = backward,
    .fuses_relu = true,
    .gates = true,
    .keeps_input = true,
};
