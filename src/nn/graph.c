/* Graphs: growing, checking, sizes and costs. What is special to an operation is in its row. */
#include "nn/graph.h"

#include "base/error.h"
#include "nn/op.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- building ---------------------------------------------------------------------------- */

static int grow(struct graph *g)
{
    if (g->n_nodes == GRAPH_MAX_NODES)
        return error_set(BPNET_ELIMIT, "the network has more than %d nodes", GRAPH_MAX_NODES);
    if (g->n_nodes < g->capacity)
        return BPNET_OK;
    const int capacity = g->capacity ? 2 * g->capacity : 64;
    struct node *nodes = realloc(g->nodes, (size_t)capacity * sizeof *nodes);
    if (!nodes)
        return error_set(BPNET_ENOMEM, "no memory for a network of %d nodes", capacity);
    g->nodes = nodes;
    g->capacity = capacity;
    return BPNET_OK;
}

int graph_add(struct graph *g, const struct node *node)
{
    const int err = grow(g);
    if (err < 0)
        return err;
    struct node *n = &g->nodes[g->n_nodes];
    *n = *node;
    n->groups = n->groups ? n->groups : 1;
    for (int role = 0; role < NODE_ROLES; role++)
        n->params[role] = -1;
    return g->n_nodes++;
}

int graph_set_outputs(struct graph *g, const int *outputs, int n)
{
    int *copy = malloc(((size_t)n + 1) * sizeof *copy);
    if (!copy)
        return error_set(BPNET_ENOMEM, "no memory for %d outputs", n);
    memcpy(copy, outputs, (size_t)n * sizeof *copy);
    free(g->outputs);
    g->outputs = copy;
    g->n_outputs = n;
    return BPNET_OK;
}

void graph_free(struct graph *g)
{
    free(g->nodes);
    free(g->outputs);
    *g = (struct graph){0};
}

int graph_find(const struct graph *g, const char *name)
{
    for (int i = 0; i < g->n_nodes; i++)
        if (strcmp(g->nodes[i].name, name) == 0)
            return i;
    return -1;
}

int graph_norm_of(const struct graph *g, int node)
{
    int norm = -1, readers = 0;
    for (int i = node + 1; i < g->n_nodes; i++)
        for (int k = 0; k < g->nodes[i].n_inputs; k++) {
            if (g->nodes[i].inputs[k] != node)
                continue;
            readers++;
            if (g->nodes[i].op == OP_NORM)
                norm = i;
        }
    return readers == 1 ? norm : -1;
}

/* ---- checking ---------------------------------------------------------------------------- */

static int check_name(const struct graph *g, int index)
{
    const char *name = g->nodes[index].name;
    const size_t length = strnlen(name, GRAPH_NAME_SIZE);
    if (length == 0 || length == GRAPH_NAME_SIZE)
        return error_set(BPNET_EFORMAT, "node %d: its name is empty or longer than %d bytes", index,
                         GRAPH_NAME_SIZE - 1);
    if (graph_find(g, name) != index)
        return error_set(BPNET_EFORMAT, "node %d: '%s' names an earlier node, too", index, name);
    return BPNET_OK;
}

static int check_inputs(const struct node *n, int index)
{
    const struct op_row *row = op_rows[n->op];
    if (n->n_inputs < row->min_inputs || n->n_inputs > row->max_inputs)
        return error_set(BPNET_EFORMAT, "node '%s': found %d inputs, %s takes %d to %d", n->name,
                         n->n_inputs, row->name, row->min_inputs, row->max_inputs);
    for (int i = 0; i < n->n_inputs; i++)
        if (n->inputs[i] < 0 || n->inputs[i] >= index)
            return error_set(BPNET_EFORMAT,
                             "node '%s': input %d is node %d, expected one of the %d before it",
                             n->name, i, n->inputs[i], index);
    return BPNET_OK;
}

static int check_node(const struct graph *g, int index)
{
    const struct node *n = &g->nodes[index];
    if ((int)n->op < 0 || n->op >= OP_COUNT)
        return error_set(BPNET_EFORMAT, "node %d: its operation is unknown", index);
    if ((n->op == OP_INPUT) != (index == 0))
        return error_set(BPNET_EFORMAT, "node %d: the first node, and no other, must be the input",
                         index);
    if (n->channels < 1 || n->channels > GRAPH_MAX_CHANNELS)
        return error_set(BPNET_EFORMAT, "node %d: found %d channels, expected 1 to %d", index,
                         n->channels, GRAPH_MAX_CHANNELS);
    int err;
    if ((err = check_name(g, index)) < 0 || (err = check_inputs(n, index)) < 0)
        return err;
    return op_rows[n->op]->check(g, n);
}

static int check_outputs(const struct graph *g)
{
    if (g->n_outputs < 1 || g->n_outputs > GRAPH_MAX_OUTPUTS)
        return error_set(BPNET_EFORMAT, "found %d outputs, expected 1 to %d", g->n_outputs,
                         GRAPH_MAX_OUTPUTS);
    for (int k = 0; k < g->n_outputs; k++) {
        if (g->outputs[k] < 1 || g->outputs[k] >= g->n_nodes)
            return error_set(BPNET_EFORMAT, "output %d is node %d, expected one of 1 to %d", k,
                             g->outputs[k], g->n_nodes - 1);
        for (int j = 0; j < k; j++)
            if (g->outputs[j] == g->outputs[k])
                return error_set(BPNET_EFORMAT, "outputs %d and %d are the same node", j, k);
    }
    return BPNET_OK;
}

int graph_check(const struct graph *g)
{
    if (g->n_nodes < 1 || g->n_nodes > GRAPH_MAX_NODES)
        return error_set(BPNET_EFORMAT, "found %d nodes, expected 1 to %d", g->n_nodes,
                         GRAPH_MAX_NODES);
    for (int i = 0; i < g->n_nodes; i++) {
        const int err = check_node(g, i);
        if (err < 0)
            return err;
    }
    return check_outputs(g);
}

/* ---- sizes and costs --------------------------------------------------------------------- */

int graph_infer(const struct graph *g, int h, int w, int (*hw)[2])
{
    if (h < 1 || w < 1 || h > GRAPH_MAX_SIZE || w > GRAPH_MAX_SIZE)
        return error_set(BPNET_EUSAGE, "an input of %d x %d; expected 1 to %d each way", h, w,
                         GRAPH_MAX_SIZE);
    for (int i = 0; i < g->n_nodes; i++) {
        const struct node *n = &g->nodes[i];
        hw[i][0] = h;
        hw[i][1] = w;
        const int err = op_rows[n->op]->infer(g, n, (const int(*)[2])hw, hw[i]);
        if (err < 0)
            return err;
        if (hw[i][0] > GRAPH_MAX_SIZE || hw[i][1] > GRAPH_MAX_SIZE)
            return error_set(BPNET_EUSAGE, "node '%s' would be %d x %d; at most %d each way",
                             n->name, hw[i][0], hw[i][1], GRAPH_MAX_SIZE);
    }
    return BPNET_OK;
}

int64_t graph_macs(const struct graph *g, int h, int w, int64_t *per_node)
{
    int(*hw)[2] = malloc((size_t)g->n_nodes * sizeof *hw);
    if (!hw) {
        error_set(BPNET_ENOMEM, "no memory for the sizes of %d nodes", g->n_nodes);
        return -1;
    }
    int64_t total = graph_infer(g, h, w, hw) < 0 ? -1 : 0;
    for (int i = 0; total >= 0 && i < g->n_nodes; i++) {
        const struct node *n = &g->nodes[i];
        const struct op_row *row = op_rows[n->op];
        const int64_t macs = row->cost ? row->cost(g, n, hw[i]) : 0;
        if (per_node)
            per_node[i] = macs;
        total += macs;
    }
    free(hw);
    return total;
}
