/* A model's graph, metadata and weights have to agree. */
#include "nn/model_check.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

/* A graph alone, without a skeleton, may have any channels. */
static int check_channels(const struct model *m)
{
    const struct graph *g = &m->graph;
    if (g->nodes[0].channels != 3)
        return error_set(BPNET_EFORMAT, "its input has %d channels, expected 3",
                         g->nodes[0].channels);
    if (m->meta.stages == 0)
        return BPNET_OK; /* whatever its outputs mean, they are not heatmaps and PAFs */
    if (g->n_outputs != 2 * m->meta.stages)
        return error_set(BPNET_EFORMAT, "%d outputs for %d stages, expected two a stage",
                         g->n_outputs, m->meta.stages);
    for (int k = 0; m->meta.skeleton.n_joints > 0 && k < g->n_outputs; k++) {
        const int expected = k < m->meta.stages ? skeleton_heat_channels(&m->meta.skeleton)
                                                : skeleton_paf_channels(&m->meta.skeleton);
        const struct node *n = &g->nodes[g->outputs[k]];
        if (n->channels != expected)
            return error_set(BPNET_EFORMAT, "output '%s' has %d channels; the skeleton needs %d",
                             n->name, n->channels, expected);
    }
    return BPNET_OK;
}

static int check_sizes(const struct model *m)
{
    const struct graph *g = &m->graph;
    const int h = m->meta.input_h, w = m->meta.input_w, stride = m->meta.stride;
    int(*hw)[2] = malloc((size_t)g->n_nodes * sizeof *hw);
    if (!hw)
        return error_set(BPNET_ENOMEM, "no memory for the sizes of %d nodes", g->n_nodes);
    int err = graph_infer(g, h, w, hw);
    if (err == BPNET_EUSAGE)
        err = BPNET_EFORMAT;
    for (int k = 0; m->meta.stages > 0 && k < g->n_outputs && err == BPNET_OK; k++) {
        const int *size = hw[g->outputs[k]];
        if (size[0] != (h - 1) / stride + 1 || size[1] != (w - 1) / stride + 1)
            err = error_set(BPNET_EFORMAT,
                            "output '%s' is %d x %d for an input of %d x %d, which is not a "
                            "stride of %d",
                            g->nodes[g->outputs[k]].name, size[0], size[1], h, w, stride);
    }
    free(hw);
    return err;
}

static int check_weights(const struct params *params)
{
    for (int i = 0; i < params->n; i++) {
        const struct param *p = &params->list[i];
        for (size_t k = 0; k < p->count; k++) {
            const float value = params->value[p->offset + k];
            if (!isfinite(value) || (p->role == PARAM_VARIANCE && value < 0.0F))
                return error_set(BPNET_EFORMAT, "value %zu of parameter '%s' is %g", k, p->name,
                                 (double)value);
        }
    }
    return BPNET_OK;
}

int model_check(const struct model *m)
{
    int err;
    if ((err = check_channels(m)) < 0 || (err = check_sizes(m)) < 0)
        return err;
    return check_weights(&m->params);
}
