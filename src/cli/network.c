/* Finding, loading and opening a model. */
#include "cli/network.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/find_model.h"

#include <stdlib.h>

static int choose_model(struct network *n, const char *model)
{
    if (!model && !n->spec->model_path)
        return find_model(&n->model_path);
    n->model_path = str_copy(model ? model : n->spec->model_path);
    return n->model_path ? BPNET_OK : BPNET_ENOMEM;
}

int network_open(struct network *n, const struct run *run, const char *model,
                 const char *inference_spec)
{
    *n = (struct network){0};
    const struct spec_overrides overrides = {run->common->set.items, run->common->set.n};
    int err = inference_spec_load(&n->spec, inference_spec, &overrides);
    if (err < 0 || (err = choose_model(n, model)) < 0 ||
        (err = model_load(&n->model, n->model_path, run->key)) < 0)
        goto fail;
    n->options = n->spec->options;
    if (run->common->compat) {
        n->options.compat = true;
        n->options.peaks = PEAKS_FRAMEWORK;
    }
    kernels_init(&n->kernels, run->cpu);
    if ((err = workers_open(&n->workers, (unsigned)run->common->threads)) < 0)
        goto fail;
    const struct exec_options how = {.batch = 1,
                                     .h = n->options.input_h,
                                     .w = n->options.input_w,
                                     .kernels = &n->kernels,
                                     .workers = n->workers,
                                     .output_stage = n->options.output_stage};
    if ((err = exec_open(&n->exec, n->model, &how)) < 0)
        goto fail;
    exec_as_net(n->exec, &n->net);
    return BPNET_OK;
fail:
    network_close(n);
    return err;
}

void network_close(struct network *n)
{
    exec_close(n->exec);
    workers_close(n->workers);
    model_free(n->model);
    inference_spec_free(n->spec);
    free(n->model_path);
    *n = (struct network){0};
}
