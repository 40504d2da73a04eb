/* Operations that change the size of a map: poolings and enlargements. */
#include "base/error.h"
#include "nn/run.h"

#include <string.h>

/* ---- pooling ----------------------------------------------------------------------------- */

static int check_pool(const struct graph *g, const struct node *n)
{
    const int err = window_check(n);
    if (err < 0)
        return err;
    if (n->dilation != 1)
        return error_set(BPNET_EFORMAT, "node '%s': dilation %d; a pooling has 1", n->name,
                         n->dilation);
    return check_same_channels(g, n);
}

static void prepare_pool(struct exec *e, struct step *s)
{
    s->geometry = window_geometry(s->node, step_input(e, s, 0), step_output(e, s));
    if (e->options.training && s->back[0] != GRAD_NONE)
        s->dx_geometry = window_geometry(s->node, step_input_grad(e, s, 0), step_output_grad(e, s));
}

static void pool_forward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct band b = band_at(&job->s->bands, item);
    job->e->kernels->max_pool(&job->s->geometry, map_image(step_input(job->e, job->s, 0), b.image),
                              map_image(step_output(job->e, job->s), b.image), b.row0, b.row1);
}

static void pool_forward(struct exec *e, struct step *s)
{
    step_run(e, s, s->bands.n, pool_forward_item);
}

static void pool_backward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct step *s = job->s;
    const struct band b = band_at(&s->back_bands, item);
    job->e->kernels->max_pool_back(
        &s->dx_geometry, map_image(step_input(job->e, s, 0), b.image),
        map_image(step_output_grad(job->e, s), b.image), s->back[0] == GRAD_ADD,
        map_image(step_input_grad(job->e, s, 0), b.image), b.row0, b.row1);
}

static void pool_backward(struct exec *e, struct step *s)
{
    if (s->back[0] != GRAD_NONE)
        step_run(e, s, s->back_bands.n, pool_backward_item);
}

const struct op_row op_max_pool = {
    .name = "max_pool",
    .min_inputs = 1,
    .max_inputs = 1,
    .check = check_pool,
    .infer = window_infer,
    .prepare = prepare_pool,
    .forward = pool_forward,
    .backward = pool_backward,
    .keeps_input = true,
    .equal_pitch = true,
};

static void avg_forward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct step *s = job->s;
    const struct band b = band_at(&s->bands, item);
    job->e->kernels->avg_pool(&s->geometry, s->node->count_padding,
                              map_image(step_input(job->e, s, 0), b.image),
                              map_image(step_output(job->e, s), b.image), b.row0, b.row1);
}

static void avg_forward(struct exec *e, struct step *s)
{
    step_run(e, s, s->bands.n, avg_forward_item);
}

static void avg_backward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct step *s = job->s;
    const struct band b = band_at(&s->back_bands, item);
    job->e->kernels->avg_pool_back(
        &s->dx_geometry, s->node->count_padding, map_image(step_output_grad(job->e, s), b.image),
        s->back[0] == GRAD_ADD, map_image(step_input_grad(job->e, s, 0), b.image), b.row0, b.row1);
}

static void avg_backward(struct exec *e, struct step *s)
{
    if (s->back[0] != GRAD_NONE)
        step_run(e, s, s->back_bands.n, avg_backward_item);
}

const struct op_row op_avg_pool = {
    .name = "avg_pool",
    .min_inputs = 1,
    .max_inputs = 1,
    .check = check_pool,
    .infer = window_infer,
    .prepare = prepare_pool,
    .forward = avg_forward,
    .backward = avg_backward,
};

/* ---- enlargement by 2 -------------------------------------------------------------------- */

/*
 * The kernel makes whole maps of (2h, 2w). Where one row or column is cut off, it works on a map
 * in the step's workspace, and the part that is wanted is copied.
 */
static int infer_upsample(const struct graph *g, const struct node *n, const int (*hw)[2],
                          int out[2])
{
    const int *in = hw[n->inputs[0]];
    const int *as = n->n_inputs > 1 ? hw[n->inputs[1]] : NULL;
    out[0] = as ? as[0] : 2 * in[0];
    out[1] = as ? as[1] : 2 * in[1];
    if (out[0] > 2 * in[0] || out[1] > 2 * in[1])
        return error_set(BPNET_EUSAGE, "node '%s': '%s' of %d x %d cannot become %d x %d like '%s'",
                         n->name, g->nodes[n->inputs[0]].name, in[0], in[1], out[0], out[1],
                         g->nodes[n->inputs[1]].name);
    return BPNET_OK;
}

static bool cropped(const struct map *x, const struct map *y)
{
    return y->h != 2 * x->h || y->w != 2 * x->w;
}

/* The whole map of (2h, 2w) in the workspace. */
static struct map whole_map(const struct exec *e, const struct step *s)
{
    const struct map *x = step_input(e, s, 0);
    return (struct map){s->workspace, 2 * x->h, 2 * x->w, x->channels, x->channels};
}

static void prepare_upsample(struct exec *e, struct step *s)
{
    const struct map whole = whole_map(e, s);
    if (cropped(step_input(e, s, 0), step_output(e, s)))
        s->workspace_size = (size_t)e->options.batch * map_image_floats(&whole);
}

static void enlarge(const struct exec *e, const struct map *x, const struct map *y, struct band b)
{
    e->kernels->upsample2(map_image(x, b.image), x->h, x->w, x->channels, x->pitch,
                          map_image(y, b.image), y->pitch, b.row0, b.row1);
}

static void upsample_forward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct map *x = step_input(job->e, job->s, 0), *y = step_output(job->e, job->s);
    const struct band b = band_at(&job->s->bands, item);
    if (!cropped(x, y)) {
        enlarge(job->e, x, y, b);
        return;
    }
    const struct map whole = whole_map(job->e, job->s);
    enlarge(job->e, x, &whole, b);
    for (int row = b.row0; row < b.row1; row++)
        job->e->kernels->copy(map_row(&whole, b.image, row), whole.pitch, false,
                              map_row(y, b.image, row), y->pitch, (size_t)y->w, y->channels);
}

static void upsample_forward(struct exec *e, struct step *s)
{
    step_run(e, s, s->bands.n, upsample_forward_item);
}

/* The gradient with zeros where forward cut off; one image. */
static void pad_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct map *dy = step_output_grad(job->e, job->s);
    const struct map whole = whole_map(job->e, job->s);
    const int image = (int)item;
    memset(map_image(&whole, image), 0, map_image_floats(&whole) * sizeof(float));
    for (int row = 0; row < dy->h; row++)
        job->e->kernels->copy(map_row(dy, image, row), dy->pitch, false,
                              map_row(&whole, image, row), whole.pitch, (size_t)dy->w,
                              dy->channels);
}

static void upsample_backward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct step *s = job->s;
    const struct map *dx = step_input_grad(job->e, s, 0);
    const struct map whole = whole_map(job->e, s);
    const struct map *dy =
        cropped(dx, step_output(job->e, s)) ? &whole : step_output_grad(job->e, s);
    const struct band b = band_at(&s->back_bands, item);
    job->e->kernels->upsample2_back(map_image(dy, b.image), dy->pitch, dx->h, dx->w, dx->channels,
                                    s->back[0] == GRAD_ADD, map_image(dx, b.image), dx->pitch,
                                    b.row0, b.row1);
}

static void upsample_backward(struct exec *e, struct step *s)
{
    if (s->back[0] == GRAD_NONE)
        return;
    if (cropped(step_input(e, s, 0), step_output(e, s)))
        step_run(e, s, (size_t)e->options.batch, pad_item);
    step_run(e, s, s->back_bands.n, upsample_backward_item);
}

const struct op_row op_upsample2 = {
    .name = "upsample2",
    .min_inputs = 1,
    .max_inputs = 2,
    .n_read = 1,
    .check = check_same_channels,
    .infer = infer_upsample,
    .prepare = prepare_upsample,
    .forward = upsample_forward,
    .backward = upsample_backward,
};

/* ---- enlargement by a whole factor ------------------------------------------------------- */

static int check_resize(const struct graph *g, const struct node *n)
{
    if (n->factor < 1 || n->factor > GRAPH_MAX_FACTOR)
        return error_set(BPNET_EFORMAT, "node '%s': factor %d, expected 1 to %d", n->name,
                         n->factor, GRAPH_MAX_FACTOR);
    if ((int)n->enlarge < 0 || n->enlarge >= ENLARGE_COUNT)
        return error_set(BPNET_EFORMAT, "node '%s': its kind of enlargement is unknown", n->name);
    return check_same_channels(g, n);
}

static int infer_resize(const struct graph *g, const struct node *n, const int (*hw)[2], int out[2])
{
    (void)g;
    out[0] = n->factor * hw[n->inputs[0]][0];
    out[1] = n->factor * hw[n->inputs[0]][1];
    return BPNET_OK;
}

static void resize_forward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct node *n = job->s->node;
    const struct map *x = step_input(job->e, job->s, 0), *y = step_output(job->e, job->s);
    const struct band b = band_at(&job->s->bands, item);
    job->e->kernels->enlarge(n->enlarge, n->factor, map_image(x, b.image), x->h, x->w, x->channels,
                             x->pitch, map_image(y, b.image), y->pitch, b.row0, b.row1);
}

static void resize_forward(struct exec *e, struct step *s)
{
    step_run(e, s, s->bands.n, resize_forward_item);
}

static void resize_backward_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct step_job *job = ctx;
    const struct step *s = job->s;
    const struct map *dx = step_input_grad(job->e, s, 0), *dy = step_output_grad(job->e, s);
    const struct band b = band_at(&s->back_bands, item);
    job->e->kernels->enlarge_back(s->node->enlarge, s->node->factor, map_image(dy, b.image),
                                  dy->pitch, dx->h, dx->w, dx->channels, s->back[0] == GRAD_ADD,
                                  map_image(dx, b.image), dx->pitch, b.row0, b.row1);
}

static void resize_backward(struct exec *e, struct step *s)
{
    if (s->back[0] != GRAD_NONE)
        step_run(e, s, s->back_bands.n, resize_backward_item);
}

const struct op_row op_resize = {
    .name = "resize",
    .min_inputs = 1,
    .max_inputs = 1,
    .check = check_resize,
    .infer = infer_resize,
    .forward = resize_forward,
    .backward = resize_backward,
};
