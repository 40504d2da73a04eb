/* Executors: opening and closing, running, and what the outside sees of them. */
#include "nn/exec.h"

#include "base/clock.h"
#include "base/error.h"
#include "nn/run.h"

#include <stdlib.h>
#include <string.h>

/* ---- helpers of the operations ----------------------------------------------------------- */

float *exec_param(const struct exec *e, const struct node *n, enum param_role role)
{
    const struct params *p = &e->model->params;
    return p->value + p->list[n->params[role]].offset;
}

float *exec_param_grad(const struct exec *e, const struct node *n, enum param_role role)
{
    return e->param_grads + e->model->params.list[n->params[role]].offset;
}

void step_run(struct exec *e, struct step *s, size_t n_items, work_fn fn)
{
    struct step_job job = {e, s};
    workers_run(e->workers, n_items, fn, &job);
}

void partials_total(const float *partials, size_t n_parts, size_t stride, int channels,
                    double *total)
{
    for (int c = 0; c < channels; c++)
        total[c] = 0.0;
    for (size_t part = 0; part < n_parts; part++, partials += stride)
        for (int c = 0; c < channels; c++)
            total[c] += (double)partials[c];
}

/* ---- opening ----------------------------------------------------------------------------- */

static int allocate_lists(struct exec *e)
{
    const size_t n = (size_t)e->model->graph.n_nodes;
    e->steps = calloc(n, sizeof *e->steps);
    e->step_of = calloc(n, sizeof *e->step_of);
    e->n_readers = calloc(n, sizeof *e->n_readers);
    e->needs_grad = calloc(n, sizeof *e->needs_grad);
    e->hw = calloc(n, sizeof *e->hw);
    e->dense = calloc(n, sizeof *e->dense);
    e->maps = calloc(n, sizeof *e->maps);
    e->grads = calloc(n, sizeof *e->grads);
    e->map_places = calloc(n, sizeof *e->map_places);
    e->grad_places = calloc(n, sizeof *e->grad_places);
    e->buffers = calloc(n, sizeof *e->buffers);
    e->workspaces = calloc(n, sizeof *e->workspaces);
    e->leases = calloc(2 * n, sizeof *e->leases); /* a map and a gradient each */
    if (!e->steps || !e->step_of || !e->n_readers || !e->needs_grad || !e->hw || !e->dense ||
        !e->maps || !e->grads || !e->map_places || !e->grad_places || !e->buffers ||
        !e->workspaces || !e->leases)
        return error_set(BPNET_ENOMEM, "no memory for an executor of %zu nodes", n);
    return BPNET_OK;
}

/* A kernel must be rewritten before it is packed when a batch norm is folded into it. */
static size_t folded_size(const struct exec *e)
{
    size_t size = 0;
    for (int k = 0; k < e->n_steps; k++) {
        const struct step *s = &e->steps[k];
        const int param = s->norm >= 0 ? s->node->params[PARAM_KERNEL] : -1;
        if (param >= 0 && e->model->params.list[param].count > size)
            size = e->model->params.list[param].count;
    }
    return size;
}

static size_t bytes(size_t floats)
{
    return arena_round(floats * sizeof(float));
}

/* What outlives a change of size: weight streams, per-channel values, gradients. */
static int take_state(struct exec *e)
{
    const size_t folded = folded_size(e);
    const size_t grads = e->options.training ? e->model->params.n_trainable : 0;
    size_t total = bytes(folded) + bytes(grads);
    for (int k = 0; k < e->n_steps; k++) {
        struct step *s = &e->steps[k];
        total += bytes(s->packed_size) + bytes(s->packed_back_size) + bytes(s->channel_size);
        s->packed_capacity = 0;
    }
    arena_close(&e->state);
    const int err = arena_open(&e->state, total + 1);
    if (err < 0)
        return err;
    e->folded = arena_take(&e->state, folded * sizeof(float));
    e->param_grads = arena_take(&e->state, grads * sizeof(float));
    for (int k = 0; k < e->n_steps; k++) {
        struct step *s = &e->steps[k];
        s->packed = arena_take(&e->state, s->packed_size * sizeof(float));
        s->packed_capacity = s->packed_size;
        s->channel = arena_take(&e->state, s->channel_size * sizeof(float));
        if (s->packed_back_size > 0)
            s->packed_back = arena_take(&e->state, s->packed_back_size * sizeof(float));
    }
    return BPNET_OK;
}

int exec_open(struct exec **out, struct model *model, const struct exec_options *options)
{
    int err;
    *out = NULL;
    struct exec *e = calloc(1, sizeof *e);
    if (!e)
        return error_set(BPNET_ENOMEM, "no memory for an executor");
    e->model = model;
    e->options = *options;
    e->kernels = options->kernels;
    e->workers = options->workers;
    e->threads = workers_count(options->workers);
    if ((err = allocate_lists(e)) < 0 || (err = steps_make(e)) < 0)
        goto fail;
    layout_make(e);
    if ((err = plan_make(e, options->batch, options->h, options->w)) < 0 ||
        (err = take_state(e)) < 0)
        goto fail;
    e->planned = true;
    exec_refresh(e);
    *out = e;
    return BPNET_OK;
fail:
    exec_close(e);
    return err;
}

void exec_close(struct exec *e)
{
    if (!e)
        return;
    arena_close(&e->memory);
    arena_close(&e->state);
    memplan_free(&e->memplan);
    free(e->steps);
    free(e->step_of);
    free(e->n_readers);
    free(e->needs_grad);
    free(e->hw);
    free(e->dense);
    free(e->maps);
    free(e->grads);
    free(e->map_places);
    free(e->grad_places);
    free(e->buffers);
    free(e->workspaces);
    free(e->leases);
    free(e);
}

/* At another size another way of convolving may be the faster one, with its own weight stream. */
static int follow_size(struct exec *e)
{
    bool fits = true;
    for (int k = 0; k < e->n_steps; k++)
        fits = fits && e->steps[k].packed_size <= e->steps[k].packed_capacity;
    if (!fits) {
        const int err = take_state(e);
        if (err == BPNET_OK)
            exec_refresh(e);
        return err;
    }
    for (int k = 0; k < e->n_steps; k++)
        if (e->steps[k].packed_size != e->steps[k].packed_for)
            e->steps[k].row->refresh(e, &e->steps[k]);
    return BPNET_OK;
}

int exec_resize(struct exec *e, int batch, int h, int w)
{
    if (e->planned && e->options.batch == batch && e->options.h == h && e->options.w == w)
        return BPNET_OK;
    int err = plan_make(e, batch, h, w);
    if (err == BPNET_OK)
        err = follow_size(e);
    e->planned = err == BPNET_OK;
    return err;
}

/* ---- running ----------------------------------------------------------------------------- */

static void refresh_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    struct exec *e = ctx;
    struct step *s = &e->steps[item];
    if (s->row->refresh)
        s->row->refresh(e, s);
}

/* Folding needs a place that there is only once; otherwise steps do not meet. */
void exec_refresh(struct exec *e)
{
    if (e->options.training)
        workers_run(e->workers, (size_t)e->n_steps, refresh_item, e);
    else
        for (int k = 0; k < e->n_steps; k++)
            refresh_item(e, (size_t)k, 0);
}

static int check_planned(const struct exec *e)
{
    return e->planned ? BPNET_OK
                      : error_set(BPNET_EUSAGE, "the network was not prepared for any size");
}

int exec_forward(struct exec *e)
{
    const int err = check_planned(e);
    if (err < 0)
        return err;
    if (e->options.training)
        exec_refresh(e);
    for (int k = 0; k < e->n_steps; k++) {
        const int64_t start = e->profiling ? clock_ns() : 0;
        e->steps[k].row->forward(e, &e->steps[k]);
        if (e->profiling)
            e->steps[k].forward_ns += clock_ns() - start;
    }
    return BPNET_OK;
}

/* Every step overwrites its parameters' gradients; those that no output needs stay 0. */
int exec_backward(struct exec *e)
{
    const int err = check_planned(e);
    if (err < 0)
        return err;
    if (!e->options.training)
        return error_set(BPNET_EUSAGE, "an executor for inference has no backward pass");
    for (int k = e->n_steps - 1; k >= 0; k--) {
        struct step *s = &e->steps[k];
        if (!e->needs_grad[s->out])
            continue;
        const int64_t start = e->profiling ? clock_ns() : 0;
        s->row->backward(e, s);
        if (e->profiling)
            s->backward_ns += clock_ns() - start;
    }
    return BPNET_OK;
}

/* ---- access ------------------------------------------------------------------------------ */

float *exec_input(struct exec *e)
{
    return e->maps[0].data;
}

int exec_n_outputs(const struct exec *e)
{
    return e->n_outputs;
}

const float *exec_output(const struct exec *e, int k, int *h, int *w, int *channels, int *pitch)
{
    const struct map *m = &e->maps[e->outputs[k]];
    *h = m->h;
    *w = m->w;
    *channels = m->channels;
    *pitch = m->pitch;
    return m->data;
}

float *exec_output_grad(struct exec *e, int k)
{
    return e->grads[e->outputs[k]].data;
}

const float *exec_grads(const struct exec *e)
{
    return e->param_grads;
}

size_t exec_memory(const struct exec *e)
{
    return e->memory.size + e->state.size;
}

void exec_profile_start(struct exec *e)
{
    e->profiling = true;
    for (int k = 0; k < e->n_steps; k++)
        e->steps[k].forward_ns = e->steps[k].backward_ns = 0;
}

int exec_n_steps(const struct exec *e)
{
    return e->n_steps;
}

struct exec_time exec_step_time(const struct exec *e, int step)
{
    const struct step *s = &e->steps[step];
    const int64_t macs =
        s->row->cost ? s->row->cost(&e->model->graph, s->node, e->hw[s->index]) : 0;
    return (struct exec_time){.name = s->node->name,
                              .op = s->row->name,
                              .macs = macs * e->options.batch,
                              .forward_ns = s->forward_ns,
                              .backward_ns = s->backward_ns};
}
