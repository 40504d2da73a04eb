/*
 * From nodes to steps. What no output depends on is left out. A batch norm that alone reads a
 * convolution becomes part of its weights (inference only), and a ReLU that alone reads a
 * convolution, batch norm or sum becomes the end of that pass; so does a ReLU6 in inference.
 */
#include "base/error.h"
#include "nn/run.h"

#include <stdlib.h>
#include <string.h>

/* Mark all that `node` needs; inputs come before their readers, so one walk back is enough. */
static void mark_needed(const struct graph *g, bool *needed)
{
    for (int i = g->n_nodes - 1; i > 0; i--) {
        const struct node *n = &g->nodes[i];
        for (int k = 0; needed[i] && k < node_reads(n); k++)
            needed[n->inputs[k]] = true;
    }
}

static void count_readers(struct exec *e, const bool *needed)
{
    const struct graph *g = &e->model->graph;
    for (int k = 0; k < e->n_outputs; k++)
        e->n_readers[e->outputs[k]]++;
    for (int i = 0; i < g->n_nodes; i++)
        for (int k = 0; needed[i] && k < node_reads(&g->nodes[i]); k++)
            e->n_readers[g->nodes[i].inputs[k]]++;
}

static void find_trainable(struct exec *e)
{
    const struct graph *g = &e->model->graph;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct node *n = &g->nodes[i];
        for (int role = 0; role < NODE_ROLES; role++)
            e->needs_grad[i] = e->needs_grad[i] || n->params[role] >= 0;
        for (int k = 0; k < node_reads(n); k++)
            e->needs_grad[i] = e->needs_grad[i] || e->needs_grad[n->inputs[k]];
    }
}

/* The needed node that alone reads `index`, or NULL: then nothing may be fused with it. */
static const struct node *only_reader(const struct exec *e, const bool *needed, int index)
{
    const struct graph *g = &e->model->graph;
    if (e->n_readers[index] != 1)
        return NULL;
    for (int i = index + 1; i < g->n_nodes; i++)
        if (needed[i])
            for (int k = 0; k < node_reads(&g->nodes[i]); k++)
                if (g->nodes[i].inputs[k] == index)
                    return &g->nodes[i];
    return NULL; /* it is an output */
}

/* Let the step take over the nodes behind it that it can; these need no step any more. */
static void fuse(const struct exec *e, struct step *s, bool *needed)
{
    const struct node *nodes = e->model->graph.nodes;
    const struct node *next = only_reader(e, needed, s->out);
    if (!e->options.training && s->node->op == OP_CONV && next && next->op == OP_NORM) {
        s->norm = s->out = (int)(next - nodes);
        needed[s->out] = false;
        next = only_reader(e, needed, s->out);
    }
    const bool relu6 = !e->options.training && next && next->act == ACT_RELU6;
    if (s->row->fuses_relu && next && next->op == OP_ACT && (next->act == ACT_RELU || relu6)) {
        s->act = next->act;
        s->out = (int)(next - nodes);
        needed[s->out] = false;
    }
}

static void add_step(struct exec *e, int index, bool *needed)
{
    struct step *s = &e->steps[e->n_steps];
    const struct node *n = &e->model->graph.nodes[index];
    *s = (struct step){.row = op_rows[n->op], .node = n, .index = index, .norm = -1, .out = index};
    fuse(e, s, needed);
    e->step_of[s->out] = e->n_steps++;
}

/* Which outputs the executor makes. */
static int choose_outputs(struct exec *e)
{
    const struct graph *g = &e->model->graph;
    const int stage = e->options.output_stage, n_stages = e->model->meta.stages;
    if (e->options.training || stage < 0 || n_stages == 0) {
        memcpy(e->outputs, g->outputs, (size_t)g->n_outputs * sizeof *e->outputs);
        e->n_outputs = g->n_outputs;
        return BPNET_OK;
    }
    if (stage > n_stages)
        return error_set(BPNET_EUSAGE, "output stage %d: the network has %d", stage, n_stages);
    const int index = (stage == 0 ? n_stages : stage) - 1;
    e->outputs[0] = g->outputs[index];
    e->outputs[1] = g->outputs[n_stages + index];
    e->n_outputs = 2;
    return BPNET_OK;
}

int steps_make(struct exec *e)
{
    const struct graph *g = &e->model->graph;
    const int err = choose_outputs(e);
    if (err < 0)
        return err;
    bool *needed = calloc((size_t)g->n_nodes, sizeof *needed);
    if (!needed)
        return error_set(BPNET_ENOMEM, "no memory for the steps of a network");
    for (int k = 0; k < e->n_outputs; k++)
        needed[e->outputs[k]] = true;
    mark_needed(g, needed);
    count_readers(e, needed);
    find_trainable(e);
    for (int i = 0; i < g->n_nodes; i++)
        e->step_of[i] = -1;
    for (int i = 1; i < g->n_nodes; i++)
        if (needed[i])
            add_step(e, i, needed);
    free(needed);
    for (int k = 0; k + 1 < e->n_steps; k++)
        e->steps[k].sums_channels = e->options.training && e->steps[k].node->op == OP_CONV &&
                                    e->steps[k + 1].node->op == OP_NORM &&
                                    e->steps[k + 1].node->inputs[0] == e->steps[k].out;
    return BPNET_OK;
}
