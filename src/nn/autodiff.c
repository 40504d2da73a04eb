/*
 * The gradients' side of a plan. Steps run backward in reverse order, so the gradient of a map is
 * complete when the step that made the map is reached: all its readers came before. The first
 * reader to contribute writes the gradient, the others add to it.
 *
 * Copies are avoided in three ways, all decided here:
 *   - an operation that works in place hands the memory of its output's gradient to its input's;
 *   - a concatenation's gradient is cut into slices, which are the inputs' gradients;
 *   - both inputs of a sum have the sum's own gradient. One of them, the owner, takes over its
 *     memory. The other may share it until the step that made it has read it. Until then nobody
 *     may write there: the buffer is leased to that step, and only steps before it may write.
 */
#include "base/error.h"
#include "nn/run.h"

#include <assert.h>
#include <limits.h>

enum { CONCAT_PITCH_UNIT = 16 };

static bool has_grad(const struct exec *e, int node)
{
    return e->grad_places[node].root >= 0;
}

static int *lease_of(struct exec *e, int node)
{
    return &e->leases[e->grad_places[node].root];
}

/* Memory of its own for a node's gradient. */
static int make_grad(struct exec *e, int node, int pitch, int moment)
{
    const struct map *m = &e->maps[node];
    e->grads[node] = (struct map){NULL, m->h, m->w, m->channels, pitch};
    const int buffer = plan_buffer(e, &e->grads[node], moment);
    if (buffer < 0)
        return buffer;
    e->grad_places[node] = (struct place){buffer, 0};
    e->leases[buffer] = INT_MAX;
    return BPNET_OK;
}

/* The gradient of `node` is that of the step's output, from a channel on. */
static void share_grad(struct exec *e, const struct step *s, int node, int channel)
{
    const struct map *m = &e->maps[node];
    e->grads[node] = (struct map){NULL, m->h, m->w, m->channels, e->grads[s->out].pitch};
    e->grad_places[node] = e->grad_places[s->out];
    e->grad_places[node].channel += channel;
}

/* Whether the gradient of `node` may take over the memory of that of the step's output. */
static bool may_take_over(struct exec *e, const struct step *s, int node)
{
    return (int)(s - e->steps) < *lease_of(e, s->out) &&
           (!e->dense[node] || e->grads[s->out].pitch == e->maps[node].channels);
}

static int wanted_pitch(const struct exec *e, int node)
{
    const int channels = e->maps[node].channels;
    if (e->dense[node] || e->steps[e->step_of[node]].node->op != OP_CONCAT)
        return channels;
    return (channels + CONCAT_PITCH_UNIT - 1) / CONCAT_PITCH_UNIT * CONCAT_PITCH_UNIT;
}

/* ---- sums -------------------------------------------------------------------------------- */

/* Whether a step between two others reads `node`, and so will add to its gradient. */
static bool is_read_between(const struct exec *e, int node, int first, int end)
{
    for (int k = first; k < end; k++) {
        const struct node *n = e->steps[k].node;
        for (int i = 0; i < node_reads(n); i++)
            if (n->inputs[i] == node)
                return true;
    }
    return false;
}

/* Whether `guest` may share the gradient of the sum `s`, which `owner` takes over. */
static bool may_share(struct exec *e, const struct step *s, int owner, int guest)
{
    const int reader = e->step_of[guest];
    if (e->n_readers[guest] != 1 || !may_take_over(e, s, guest) || gates_grad(&e->steps[reader]))
        return false;
    if (is_read_between(e, owner, reader, (int)(s - e->steps)))
        return false;
    return e->step_of[owner] < reader || !gates_grad(&e->steps[e->step_of[owner]]);
}

static void lend(struct exec *e, struct step *s, int guest)
{
    const int reader = e->step_of[s->node->inputs[guest]];
    share_grad(e, s, s->node->inputs[guest], 0);
    s->back[guest] = GRAD_SHARED;
    if (reader < *lease_of(e, s->out))
        *lease_of(e, s->out) = reader;
}

static bool is_open(const struct exec *e, int node)
{
    return e->needs_grad[node] && !has_grad(e, node);
}

/* What a sum can give away without copying. */
static void plan_sum(struct exec *e, struct step *s)
{
    const int *in = s->node->inputs;
    const bool both = is_open(e, in[0]) && is_open(e, in[1]) && in[0] != in[1];
    int owner = is_open(e, in[0]) ? 0 : 1;
    if (both && !may_share(e, s, in[0], in[1]) && may_share(e, s, in[1], in[0]))
        owner = 1;
    if (!is_open(e, in[owner]) || !may_take_over(e, s, in[owner]))
        return;
    const bool share = both && may_share(e, s, in[owner], in[1 - owner]);
    share_grad(e, s, in[owner], 0);
    s->back[owner] = GRAD_SHARED;
    if (share)
        lend(e, s, 1 - owner);
}

/* ---- all operations ---------------------------------------------------------------------- */

/* The gradient of an input to which this step is the first to contribute. */
static int plan_first(struct exec *e, struct step *s, int i, int channel)
{
    const int node = s->node->inputs[i];
    const bool may = may_take_over(e, s, node);
    if (s->node->op == OP_CONCAT && may && !e->dense[node]) {
        share_grad(e, s, node, channel);
        s->back[i] = GRAD_SHARED;
        return BPNET_OK;
    }
    s->back[i] = GRAD_WRITE;
    if (s->row->back_in_place && may) {
        share_grad(e, s, node, 0);
        return BPNET_OK;
    }
    return make_grad(e, node, wanted_pitch(e, node), backward_time(s, e));
}

static int plan_step(struct exec *e, struct step *s)
{
    const int moment = backward_time(s, e);
    int channel = 0;
    for (int i = 0; i < GRAPH_MAX_INPUTS; i++)
        s->back[i] = GRAD_NONE;
    if (!e->needs_grad[s->out])
        return BPNET_OK;
    assert(has_grad(e, s->out));
    assert(!gates_grad(s) || (int)(s - e->steps) < *lease_of(e, s->out));
    memplan_use(&e->memplan, e->grad_places[s->out].root, moment);
    if (s->node->op == OP_ADD)
        plan_sum(e, s);
    for (int i = 0; i < node_reads(s->node); i++) {
        const int node = s->node->inputs[i];
        if (e->needs_grad[node] && s->back[i] == GRAD_NONE) {
            const int err = has_grad(e, node) ? BPNET_OK : plan_first(e, s, i, channel);
            if (err < 0)
                return err;
            if (s->back[i] == GRAD_NONE)
                s->back[i] = GRAD_ADD;
            memplan_use(&e->memplan, e->grad_places[node].root, moment);
        }
        channel += e->maps[node].channels;
    }
    return BPNET_OK;
}

int plan_gradients(struct exec *e)
{
    const struct graph *g = &e->model->graph;
    for (int i = 0; i < g->n_nodes; i++)
        e->grad_places[i] = (struct place){-1, 0};
    for (int k = 0; k < e->n_outputs; k++) { /* the caller writes these, at any time */
        const int node = e->outputs[k];
        const int err = make_grad(e, node, e->maps[node].channels, 0);
        if (err < 0)
            return err;
        memplan_use(&e->memplan, e->grad_places[node].root, 2 * e->n_steps);
    }
    for (int k = e->n_steps - 1; k >= 0; k--) {
        const int err = plan_step(e, &e->steps[k]);
        if (err < 0)
            return err;
    }
    return BPNET_OK;
}
