/* Nodes that the outputs that stay depend on, in their order. */
#include "prune/stages.h"

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int check(const struct model *m, int stages)
{
    if (m->meta.stages == 0)
        return error_set(BPNET_EUNSUPPORTED,
                         "the outputs are no heatmaps and PAFs of stages that could be left away");
    if (stages < 1 || stages > m->meta.stages)
        return error_set(BPNET_EUSAGE, "%d stages to keep; expected 1 to %d, which the model has",
                         stages, m->meta.stages);
    return BPNET_OK;
}

/* Output k of the smaller network in the larger one: heat 1..stages, then PAF 1..stages. */
static int kept_output(const struct model *m, int stages, int k)
{
    return m->graph.outputs[k < stages ? k : m->meta.stages + k - stages];
}

static void mark_needed(bool *needed, const struct model *m, int stages)
{
    const struct graph *g = &m->graph;
    for (int k = 0; k < 2 * stages; k++)
        needed[kept_output(m, stages, k)] = true;
    for (int i = g->n_nodes - 1; i >= 0; i--)
        for (int k = 0; needed[i] && k < g->nodes[i].n_inputs; k++)
            needed[g->nodes[i].inputs[k]] = true;
    needed[0] = true; /* the input */
}

/* `place` tells where a node of g went. */
static int copy_nodes(struct graph *to, const struct graph *g, const bool *needed, int *place,
                      int *origin)
{
    for (int i = 0; i < g->n_nodes; i++) {
        if (!needed[i])
            continue;
        struct node n = g->nodes[i];
        for (int k = 0; k < n.n_inputs; k++)
            n.inputs[k] = place[n.inputs[k]];
        const int added = graph_add(to, &n);
        if (added < 0)
            return added;
        place[i] = added;
        origin[added] = i;
    }
    return BPNET_OK;
}

static int copy_outputs(struct graph *to, const struct model *m, int stages, const int *place)
{
    int outputs[GRAPH_MAX_OUTPUTS];
    for (int k = 0; k < 2 * stages; k++)
        outputs[k] = place[kept_output(m, stages, k)];
    return graph_set_outputs(to, outputs, 2 * stages);
}

static void copy_values(struct model *to, const struct model *from, const int *origin)
{
    for (int i = 0; i < to->params.n; i++) {
        const struct param *p = &to->params.list[i];
        const int old = from->graph.nodes[origin[p->node]].params[p->role];
        memcpy(to->params.value + p->offset, from->params.value + from->params.list[old].offset,
               p->count * sizeof(float));
    }
}

static int fill(struct model *to, const struct model *m, int stages, int *origin)
{
    const size_t n = (size_t)m->graph.n_nodes;
    bool *needed = calloc(n, sizeof *needed);
    int *place = calloc(n, sizeof *place);
    int err = needed && place ? BPNET_OK : error_set(BPNET_ENOMEM, "no memory for %zu layers", n);
    if (err == BPNET_OK) {
        mark_needed(needed, m, stages);
        err = copy_nodes(&to->graph, &m->graph, needed, place, origin);
    }
    if (err == BPNET_OK)
        err = copy_outputs(&to->graph, m, stages, place);
    free(needed);
    free(place);
    if (err < 0 || (err = graph_check(&to->graph)) < 0 ||
        (err = params_open(&to->params, &to->graph)) < 0)
        return err;
    copy_values(to, m, origin);
    to->meta = m->meta;
    to->meta.stages = stages;
    if (m->spec_text && !(to->spec_text = str_copy(m->spec_text)))
        return BPNET_ENOMEM;
    return BPNET_OK;
}

int stages_keep(struct model **out, int **origin, const struct model *m, int stages)
{
    *out = NULL;
    *origin = NULL;
    int err = check(m, stages);
    if (err < 0)
        return err;
    struct model *made = calloc(1, sizeof *made);
    int *from = calloc((size_t)m->graph.n_nodes, sizeof *from);
    err = made && from ? fill(made, m, stages, from)
                       : error_set(BPNET_ENOMEM, "no memory for a model");
    if (err < 0) {
        model_free(made);
        free(from);
        return err;
    }
    *out = made;
    *origin = from;
    return BPNET_OK;
}
