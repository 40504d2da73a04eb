/* Models as a whole: from an experiment spec, copying weights, freeing. */
#include "nn/model.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

void model_free(struct model *m)
{
    if (!m)
        return;
    graph_free(&m->graph);
    params_close(&m->params);
    free(m->spec_text);
    free(m);
}

static bool same_shape(const struct param *a, const struct param *b)
{
    return a->n_dims == b->n_dims &&
           memcmp(a->dims, b->dims, (size_t)a->n_dims * sizeof a->dims[0]) == 0;
}

int model_copy_weights(struct model *to, const struct model *from, int *n_copied, int *n_skipped)
{
    *n_copied = *n_skipped = 0;
    for (int i = 0; i < to->params.n; i++) {
        const struct param *p = &to->params.list[i];
        const int k = param_find(&from->params, p->name);
        if (k < 0 || !same_shape(p, &from->params.list[k])) {
            ++*n_skipped;
            continue;
        }
        memcpy(to->params.value + p->offset, from->params.value + from->params.list[k].offset,
               p->count * sizeof(float));
        ++*n_copied;
    }
    return BPNET_OK;
}

int model_need_people(const struct model *m, const char *path)
{
    if (m->meta.stages > 0)
        return BPNET_OK;
    return error_set(BPNET_EUNSUPPORTED,
                     "%s: finds no people: its outputs are not heatmaps and part affinity fields",
                     path);
}
