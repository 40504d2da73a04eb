/*
 * Copying what stays. A parameter's last dimension is its node's channels; a kernel's one before
 * is what the node reads, except where filters see one channel each.
 */
#include "prune/rebuild.h"

#include "base/error.h"
#include "base/str.h"
#include "nn/op.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int rebuild_graph(struct graph *out, const struct graph *g, const int *count)
{
    struct graph copy = {0};
    int err = BPNET_OK;
    for (int i = 0; i < g->n_nodes && err >= 0; i++) {
        struct node n = g->nodes[i];
        n.channels = count[i];
        if (n.op == OP_CONV && node_relation(g, &g->nodes[i]) == CHANNELS_PASSED)
            n.groups = count[i]; /* depthwise */
        err = graph_add(&copy, &n);
    }
    if (err >= 0)
        err = graph_set_outputs(&copy, g->outputs, g->n_outputs);
    if (err < 0)
        graph_free(&copy);
    *out = copy;
    return err < 0 ? err : BPNET_OK;
}

size_t rebuild_parameters(const struct graph *g)
{
    size_t total = 0;
    for (int i = 0; i < g->n_nodes; i++) {
        const struct op_row *row = op_rows[g->nodes[i].op];
        for (int role = 0; row->shape && role < PARAM_ROLES; role++) {
            int dims[4] = {1, 1, 1, 1};
            const int n = row->shape(g, &g->nodes[i], (enum param_role)role, dims);
            size_t count = n > 0;
            for (int d = 0; d < n; d++)
                count *= (size_t)dims[d];
            total += count;
        }
    }
    return total;
}

/* ---- copying ----------------------------------------------------------------------------- */

/* (rows, columns) to what stays of both; NULL: all rows stay. */
static void copy_kept(float *to, const float *from, const bool *rows, size_t n_rows,
                      const bool *columns, size_t n_columns)
{
    for (size_t r = 0; r < n_rows; r++) {
        if (rows && !rows[r])
            continue;
        for (size_t c = 0; c < n_columns; c++)
            if (columns[c])
                *to++ = from[r * n_columns + c];
    }
}

static void copy_param(struct model *to, const struct param *new, const struct model *from,
                       const struct param *old, const struct prune_plan *plan)
{
    const struct node *n = &from->graph.nodes[old->node];
    const bool *outputs = plan->keep + plan->at[old->node];
    const int last = old->n_dims - 1;
    float *target = to->params.value + new->offset;
    const float *source = from->params.value + old->offset;
    if (old->n_dims < 4) {
        copy_kept(target, source, NULL, 1, outputs, (size_t)old->dims[last]);
        return;
    }
    const int input = n->inputs[0];
    const bool all = old->dims[2] == new->dims[2]; /* depthwise, or the input is whole */
    const size_t tap = (size_t)old->dims[2] * (size_t)old->dims[3];
    const size_t new_tap = (size_t) new->dims[2] * (size_t) new->dims[3];
    for (int t = 0; t < old->dims[0] * old->dims[1]; t++)
        copy_kept(target + (size_t)t * new_tap, source + (size_t)t * tap,
                  all ? NULL : plan->keep + plan->at[input], (size_t)old->dims[2], outputs,
                  (size_t)old->dims[3]);
}

int rebuild_model(struct model **out, const struct model *m, const struct prune_plan *plan)
{
    *out = NULL;
    struct model *made = calloc(1, sizeof *made);
    if (!made)
        return error_set(BPNET_ENOMEM, "no memory for a model");
    int err;
    if ((err = rebuild_graph(&made->graph, &m->graph, plan->count)) < 0 ||
        (err = graph_check(&made->graph)) < 0 ||
        (err = params_open(&made->params, &made->graph)) < 0)
        goto fail;
    made->meta = m->meta;
    if (m->spec_text && !(made->spec_text = str_copy(m->spec_text))) {
        err = BPNET_ENOMEM;
        goto fail;
    }
    for (int i = 0; i < made->params.n; i++) {
        const struct param *new = &made->params.list[i], *old = &m->params.list[i];
        assert(strcmp(new->name, old->name) == 0);
        copy_param(made, new, m, old, plan);
    }
    *out = made;
    return BPNET_OK;
fail:
    model_free(made);
    return err;
}
