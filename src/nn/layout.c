/*
 * Which maps share memory. A step whose operation allows it overwrites its input when nobody else
 * needs that. The inputs of a concatenation are made within its map where possible: their pixels
 * then lie as far apart as those of the wide map, which is padded so that they stay aligned.
 */
#include "nn/run.h"

enum { PITCH_UNIT = 16 }; /* floats: a cache line */

/* Whether a step may write over its input `node`. */
static bool may_overwrite(const struct exec *e, const struct step *s, int node)
{
    if (node == 0 || e->n_readers[node] != 1)
        return false;
    const struct step *maker = &e->steps[e->step_of[node]];
    if (maker->node->op == OP_CONCAT) /* its inputs may lie in it, and have other readers */
        return false;
    return !e->options.training || (!s->row->keeps_input && !keeps_output(maker));
}

static void share_in_place(struct exec *e, const struct step *s)
{
    for (int i = 0; i < node_reads(s->node); i++) {
        const int input = s->node->inputs[i];
        if (may_overwrite(e, s, input)) {
            e->map_places[s->out] = e->map_places[input];
            e->dense[e->map_places[input].root] |= e->dense[s->out];
            return;
        }
    }
}

/* Whether the memory of `root` may become a slice of a concatenation's. */
static bool may_be_placed(const struct exec *e, int root)
{
    return root != 0 && e->map_places[root].root == root && !e->dense[root] &&
           e->steps[e->step_of[root]].node->op != OP_CONCAT;
}

static void move(struct exec *e, int from, struct place to)
{
    for (int i = 0; i < e->model->graph.n_nodes; i++)
        if (e->map_places[i].root == from)
            e->map_places[i] = to;
}

static void place_inputs(struct exec *e, struct step *s)
{
    int channel = 0;
    for (int i = 0; i < s->node->n_inputs; i++) {
        const int root = e->map_places[s->node->inputs[i]].root;
        s->placed[i] = may_be_placed(e, root);
        if (s->placed[i])
            move(e, root, (struct place){s->out, channel});
        channel += e->model->graph.nodes[s->node->inputs[i]].channels;
    }
}

/* The distance between pixels follows from the map that the memory belongs to. */
static int root_pitch(const struct exec *e, int root)
{
    const int channels = e->model->graph.nodes[root].channels;
    if (root == 0 || e->dense[root] || e->steps[e->step_of[root]].node->op != OP_CONCAT)
        return channels;
    return (channels + PITCH_UNIT - 1) / PITCH_UNIT * PITCH_UNIT;
}

void layout_make(struct exec *e)
{
    const struct graph *g = &e->model->graph;
    for (int i = 0; i < g->n_nodes; i++)
        e->map_places[i] = (struct place){i, 0};
    for (int k = 0; k < e->n_steps; k++)
        for (int i = 0; e->steps[k].row->equal_pitch && i < node_reads(e->steps[k].node); i++)
            e->dense[e->steps[k].node->inputs[i]] = true;
    for (int k = 0; k < e->n_steps; k++)
        if (e->steps[k].row->in_place)
            share_in_place(e, &e->steps[k]);
    for (int k = 0; k < e->n_steps; k++)
        if (e->steps[k].node->op == OP_CONCAT)
            place_inputs(e, &e->steps[k]);
    for (int i = 0; i < g->n_nodes; i++) {
        const int root = e->map_places[i].root;
        if (i == 0 || e->step_of[i] >= 0)
            e->maps[i] =
                (struct map){.channels = g->nodes[i].channels, .pitch = root_pitch(e, root)};
    }
}
