/* Weights to and from safetensors: every parameter under its own name, as it lies in memory. */
#include "nn/model.h"

#include "base/error.h"
#include "io/safetensors.h"

#include <stdlib.h>

int model_save_safetensors(const struct model *m, const char *path)
{
    const struct params *p = &m->params;
    struct safetensor *tensors = calloc((size_t)p->n, sizeof(*tensors));
    if (!tensors)
        return error_set(BPNET_ENOMEM, "%s: no memory for a list of %d tensors", path, p->n);
    for (int i = 0; i < p->n; i++) {
        const struct param *param = &p->list[i];
        tensors[i] = (struct safetensor){
            .name = param->name,
            .type = SAFETENSORS_F32,
            .rank = param->n_dims,
            .bytes = p->value + param->offset,
            .n = param->count,
        };
        for (int d = 0; d < param->n_dims; d++)
            tensors[i].shape[d] = (size_t)param->dims[d];
    }
    const int error = safetensors_write(path, tensors, (size_t)p->n);
    free(tensors);
    return error;
}

static bool same_shape(const struct param *p, const struct safetensor *t)
{
    bool same = t->rank == p->n_dims;
    for (int d = 0; same && d < p->n_dims; d++)
        same = t->shape[d] == (size_t)p->dims[d];
    return same;
}

int model_load_safetensors(struct model *m, const char *path, int *n_loaded)
{
    struct safetensors file;
    *n_loaded = 0;
    int error = safetensors_open(&file, path);
    for (int i = 0; i < m->params.n && error == BPNET_OK; i++) {
        const struct param *p = &m->params.list[i];
        const struct safetensor *t = safetensors_find(&file, p->name);
        if (!t)
            continue;
        if (!same_shape(p, t))
            error = error_set(BPNET_EFORMAT, "%s: tensor '%s' has another shape than the network's",
                              path, p->name);
        else if ((error = safetensor_to_float(m->params.value + p->offset, t)) == BPNET_OK)
            ++*n_loaded;
    }
    safetensors_close(&file);
    return error;
}
