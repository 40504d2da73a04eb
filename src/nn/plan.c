/*
 * Planning for one size: how large every map is, when it lives, and where it lies. Time is counted
 * in steps: 0 .. n-1 forward, n .. 2n-1 backward.
 */
#include "base/error.h"
#include "nn/run.h"

#include <string.h>

enum { BAND_FLOATS = 64 * 1024, MAX_BATCH = 1 << 16 };

static const size_t max_buffer = (size_t)1 << 40; /* bytes: sums and products of these fit */

/* ---- bands ------------------------------------------------------------------------------- */

struct bands bands_of(const struct exec *e, const struct map *m, int unit)
{
    const size_t floats = map_image_floats(m);
    const int threads = (int)e->threads, units = (m->h + unit - 1) / unit;
    int n = (int)((floats + BAND_FLOATS - 1) / BAND_FLOATS);
    if (!e->options.training && n * e->options.batch % threads != 0)
        n = (n + threads - 1) / threads * threads;
    if (n > units)
        n = units;
    struct bands b = {.h = m->h, .rows = (units + n - 1) / n * unit};
    b.per_image = (m->h + b.rows - 1) / b.rows;
    b.n = (size_t)b.per_image * (size_t)e->options.batch;
    return b;
}

/* ---- maps -------------------------------------------------------------------------------- */

static bool has_map(const struct exec *e, int node)
{
    return node == 0 || e->step_of[node] >= 0;
}

int plan_buffer(struct exec *e, const struct map *m, int moment)
{
    const size_t image = map_image_floats(m) * sizeof(float);
    if (image > max_buffer / (size_t)e->options.batch)
        return error_set(BPNET_ELIMIT, "a map of %d x %d x %d x %d needs more than 1 TiB",
                         e->options.batch, m->h, m->w, m->channels);
    return memplan_add(&e->memplan, image * (size_t)e->options.batch, moment);
}

static int make_buffers(struct exec *e)
{
    const struct graph *g = &e->model->graph;
    const int end = e->options.training ? 2 * e->n_steps : e->n_steps;
    for (int i = 0; i < g->n_nodes; i++) {
        e->maps[i].h = e->hw[i][0];
        e->maps[i].w = e->hw[i][1];
        if (!has_map(e, i) || e->map_places[i].root != i)
            continue;
        const int moment = i == 0 ? 0 : e->step_of[i];
        const int buffer = plan_buffer(e, &e->maps[i], moment);
        if (buffer < 0)
            return buffer;
        e->buffers[i] = buffer;
    }
    memplan_use(&e->memplan, e->buffers[0], end); /* the caller may fill it at any time */
    return BPNET_OK;
}

static void use_map(struct exec *e, int node, int moment)
{
    memplan_use(&e->memplan, e->buffers[e->map_places[node].root], moment);
}

static void use_maps(struct exec *e)
{
    const bool training = e->options.training;
    const int end = training ? 2 * e->n_steps : e->n_steps;
    for (int k = 0; k < e->n_steps; k++) {
        const struct step *s = &e->steps[k];
        const int back = backward_time(s, e);
        use_map(e, s->out, k);
        if (training && keeps_output(s))
            use_map(e, s->out, back);
        for (int i = 0; i < node_reads(s->node); i++) {
            use_map(e, s->node->inputs[i], k);
            if (training && s->row->keeps_input)
                use_map(e, s->node->inputs[i], back);
        }
    }
    for (int k = 0; k < e->n_outputs; k++)
        use_map(e, e->outputs[k], end);
}

/* ---- steps ------------------------------------------------------------------------------- */

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* What each step needs besides maps; *partials and the scratch are shared by all. */
static int prepare_steps(struct exec *e, int *workspaces, size_t *partials)
{
    e->scratch_floats = 0;
    *partials = 0;
    for (int k = 0; k < e->n_steps; k++) {
        struct step *s = &e->steps[k];
        s->bands = bands_of(e, step_output(e, s), 1);
        s->back_bands = bands_of(e, step_input(e, s, 0), 1);
        s->scratch_size = s->partials_size = s->workspace_size = 0;
        if (s->row->prepare)
            s->row->prepare(e, s);
        e->scratch_floats = larger(e->scratch_floats, s->scratch_size);
        *partials = larger(*partials, s->partials_size);
        workspaces[k] = -1;
        if (s->workspace_size == 0)
            continue;
        if (s->workspace_size > max_buffer / sizeof(float))
            return error_set(BPNET_ELIMIT, "node '%s' needs more than 1 TiB", s->node->name);
        workspaces[k] = memplan_add(&e->memplan, s->workspace_size * sizeof(float), k);
        if (workspaces[k] < 0)
            return workspaces[k];
        if (e->options.training)
            memplan_use(&e->memplan, workspaces[k], backward_time(s, e));
    }
    e->scratch_floats = (e->scratch_floats + 15) / 16 * 16;
    return BPNET_OK;
}

/* ---- memory ------------------------------------------------------------------------------ */

static int take_memory(struct exec *e, size_t maps, size_t partials)
{
    const size_t scratch = arena_round(e->threads * e->scratch_floats * sizeof(float));
    const size_t total = maps + scratch + arena_round(partials * sizeof(float));
    if (total > e->memory.size) {
        arena_close(&e->memory);
        const int err = arena_open(&e->memory, total);
        if (err < 0)
            return err;
    }
    arena_reset(&e->memory);
    arena_take(&e->memory, maps); /* the first, so offsets count from the arena's beginning */
    e->scratch = arena_take(&e->memory, scratch);
    e->partials = arena_take(&e->memory, partials * sizeof(float));
    return BPNET_OK;
}

static float *buffer_data(const struct exec *e, int buffer, int channel)
{
    return (float *)(void *)(e->memory.base + e->memplan.buffers[buffer].offset) + channel;
}

static void bind_maps(struct exec *e, const int *workspaces)
{
    const struct graph *g = &e->model->graph;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct place map = e->map_places[i], grad = e->grad_places[i];
        if (has_map(e, i))
            e->maps[i].data = buffer_data(e, e->buffers[map.root], map.channel);
        if (e->options.training && grad.root >= 0)
            e->grads[i].data = buffer_data(e, grad.root, grad.channel);
    }
    for (int k = 0; k < e->n_steps; k++)
        e->steps[k].workspace = workspaces[k] < 0 ? NULL : buffer_data(e, workspaces[k], 0);
}

static int plan_at(struct exec *e, int *workspaces)
{
    size_t maps, partials;
    int err;
    memplan_reset(&e->memplan);
    if ((err = make_buffers(e)) < 0)
        return err;
    use_maps(e);
    if (e->options.training && (err = plan_gradients(e)) < 0)
        return err;
    if ((err = prepare_steps(e, workspaces, &partials)) < 0 ||
        (err = memplan_solve(&e->memplan, &maps)) < 0 || (err = take_memory(e, maps, partials)) < 0)
        return err;
    bind_maps(e, workspaces);
    return BPNET_OK;
}

int plan_make(struct exec *e, int batch, int h, int w)
{
    e->planned = false;
    if (batch < 1 || batch > MAX_BATCH)
        return error_set(BPNET_EUSAGE, "a batch of %d pictures; expected 1 to %d", batch,
                         MAX_BATCH);
    const int err = graph_infer(&e->model->graph, h, w, e->hw);
    if (err < 0)
        return err;
    e->options.batch = batch;
    e->options.h = h;
    e->options.w = w;
    return plan_at(e, e->workspaces);
}
