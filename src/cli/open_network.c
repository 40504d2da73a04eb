/* Finding, loading and opening a model or an engine. */
#include "cli/open_network.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/find_model.h"
#include "cli/load_model.h"

#include <stdlib.h>
#include <string.h>

static int choose_model(struct network *n, const char *model)
{
    if (!model && !n->spec->model_path)
        return find_model(&n->model_path);
    n->model_path = str_copy(model ? model : n->spec->model_path);
    return n->model_path ? BPNET_OK : BPNET_ENOMEM;
}

/* What runs n->model. */
static int open_exec(struct network *n, const struct run *run)
{
    int err;
    kernels_init(&n->kernels, run->cpu);
    const struct exec_options how = {.batch = 1,
                                     .h = n->options.input_h,
                                     .w = n->options.input_w,
                                     .kernels = &n->kernels,
                                     .workers = n->workers,
                                     .output_stage = n->options.output_stage};
    if ((err = exec_open(&n->exec, n->model, &how)) < 0)
        return err;
    exec_as_net(n->exec, &n->net);
    return BPNET_OK;
}

static int open_model(struct network *n, const struct run *run)
{
    int err = load_model(&n->model, run, n->model_path);
    if (err < 0 || (err = model_need_people(n->model, n->model_path)) < 0)
        return err;
    return open_exec(n, run);
}

/* Without a spec an engine's own size is the one to use; with one, the predictor warns. */
static int open_engine(struct network *n, const struct run *run, bool has_spec)
{
    int err = engine_open(&n->engine, n->model_path, run->key, run->cpu, n->workers);
    if (err < 0)
        return err;
    const struct engine_info *info = engine_info(n->engine);
    if (info->heat_output < 0)
        return error_set(BPNET_EUSAGE, "%s: an engine without heatmaps and PAFs", n->model_path);
    if ((err = engine_context_open(&n->context, n->engine, n->workers)) < 0)
        return err;
    if (n->options.output_stage > 0)
        log_warning("output_stage_to_use %d: an engine has the maps of its last stage only",
                    n->options.output_stage);
    if (!has_spec) {
        n->options.input_h = info->input_h;
        n->options.input_w = info->input_w;
        n->options.aspect = ASPECT_PAD_IMAGE;
    }
    engine_as_net(n->context, &n->net);
    return BPNET_OK;
}

static int load_spec(struct network *n, const struct run *run, const char *path)
{
    const struct spec_overrides overrides = {run->common->set.items, run->common->set.n};
    const int err = inference_spec_load(&n->spec, path, &overrides);
    if (err < 0)
        return err;
    n->options = n->spec->options;
    n->options.cpu = run->cpu;
    if (run->common->compat) {
        n->options.compat = true;
        n->options.peaks = PEAKS_FRAMEWORK;
    }
    return workers_open(&n->workers, (unsigned)run->common->threads);
}

int network_open(struct network *n, const struct run *run, const char *model,
                 const char *inference_spec)
{
    *n = (struct network){0};
    enum network_kind kind = NETWORK_MODEL;
    int err;
    if ((err = load_spec(n, run, inference_spec)) < 0 || (err = choose_model(n, model)) < 0 ||
        (err = network_kind(&kind, NULL, run, n->model_path)) < 0)
        goto fail;
    err = kind == NETWORK_ENGINE ? open_engine(n, run, inference_spec || run->common->set.n > 0)
                                 : open_model(n, run);
    if (err == BPNET_OK)
        return BPNET_OK;
fail:
    network_close(n);
    return err;
}

int network_open_model(struct network *n, const struct run *run, struct model *model,
                       const char *inference_spec)
{
    *n = (struct network){.model = model};
    int err;
    if ((err = load_spec(n, run, inference_spec)) < 0 ||
        (err = model_need_people(model, "the model")) < 0 || (err = open_exec(n, run)) < 0)
        network_close(n);
    return err;
}

void network_close(struct network *n)
{
    engine_context_close(n->context);
    engine_close(n->engine);
    exec_close(n->exec);
    workers_close(n->workers);
    model_free(n->model);
    inference_spec_free(n->spec);
    free(n->model_path);
    *n = (struct network){0};
}
