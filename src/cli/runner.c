/* Engines and models behind one face. */
#include "cli/runner.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/str.h"
#include "cli/find_model.h"
#include "cli/load_model.h"

#include <stdlib.h>
#include <string.h>

enum { RGB = 3 };

static const char *const type_names[MAP_TYPES] = {"fp32", "bf16", "int8"};

/* ---- opening ------------------------------------------------------------------------------- */

static int open_engine(struct runnable *r, const struct run *run, int h, int w)
{
    const int err = engine_open(&r->engine, r->path, run->key, run->cpu, NULL);
    if (err < 0)
        return err;
    const struct engine_info *info = engine_info(r->engine);
    if (h > 0 && (h != info->input_h || w != info->input_w))
        return error_set(BPNET_EUSAGE, "%s: an engine for pictures of %d x %d, not %d x %d",
                         r->path, info->input_h, info->input_w, h, w);
    r->h = info->input_h;
    r->w = info->input_w;
    r->precision = info->precision;
    r->description = info->description;
    r->skeleton = info->heat_output >= 0 ? info->skeleton : NULL;
    return BPNET_OK;
}

static int open_model(struct runnable *r, const struct run *run, int h, int w)
{
    const int err = load_model(&r->model, run, r->path);
    if (err < 0)
        return err;
    const struct model_meta *meta = &r->model->meta;
    r->h = h > 0 ? h : meta->input_h;
    r->w = w > 0 ? w : meta->input_w;
    r->precision = type_names[MAP_F32];
    r->description = meta->description;
    r->skeleton = model_need_people(r->model, r->path) == 0 ? &meta->skeleton : NULL;
    error_clear();
    return BPNET_OK;
}

int runnable_open(struct runnable *r, const struct run *run, const char *path, int h, int w)
{
    *r = (struct runnable){.level = run->cpu};
    kernels_init(&r->kernels, run->cpu);
    enum network_kind kind = NETWORK_MODEL;
    int err = BPNET_OK;
    if (!path)
        err = find_model(&r->path);
    else if (!(r->path = str_copy(path)))
        err = BPNET_ENOMEM;
    if (err == 0 && (err = network_kind(&kind, NULL, run, r->path)) == 0)
        err = kind == NETWORK_ENGINE ? open_engine(r, run, h, w) : open_model(r, run, h, w);
    if (err < 0)
        runnable_close(r);
    return err;
}

void runnable_close(struct runnable *r)
{
    engine_close(r->engine);
    model_free(r->model);
    free(r->path);
    *r = (struct runnable){0};
}

int runner_open(struct runner *r, const struct runnable *of, unsigned threads)
{
    *r = (struct runner){.of = of};
    int err = workers_open(&r->workers, threads);
    if (err < 0)
        return err;
    if (of->engine) {
        err = engine_context_open(&r->context, of->engine, r->workers);
        if (err == 0)
            engine_as_net(r->context, &r->net);
    } else {
        const struct exec_options how = {
            .batch = 1, .h = of->h, .w = of->w, .kernels = &of->kernels, .workers = r->workers};
        err = exec_open(&r->exec, of->model, &how);
        if (err == 0)
            exec_as_net(r->exec, &r->net);
    }
    const size_t values = (size_t)of->h * (size_t)of->w * RGB;
    if (err == 0) {
        r->input = aligned_alloc(ARENA_ALIGN, arena_round(values * sizeof(float)));
        if (r->input)
            memset(r->input, 0, values * sizeof(float));
        else
            err = error_set(BPNET_ENOMEM, "no memory for an input of %zu values", values);
    }
    if (err < 0)
        runner_close(r);
    return err;
}

void runner_close(struct runner *r)
{
    engine_context_close(r->context);
    exec_close(r->exec);
    workers_close(r->workers);
    free(r->input);
    *r = (struct runner){0};
}

/* ---- running ------------------------------------------------------------------------------- */

void runner_set_input(struct runner *r, const uint8_t *pixels)
{
    const size_t values = (size_t)r->of->h * (size_t)r->of->w * RGB;
    if (r->net.run_pixels) {
        memcpy(r->input, pixels, values);
        return;
    }
    float *input = r->input;
    for (size_t i = 0; i < values; i++)
        input[i] = (float)pixels[i] / r->net.scale[i % RGB] - r->net.offset[i % RGB];
}

int runner_run(struct runner *r)
{
    struct maps maps;
    const struct net *net = &r->net;
    if (r->context) { /* without the decoder's view: outputs may be of any kind */
        engine_run(r->context, r->input);
        return BPNET_OK;
    }
    return net->run(net->ctx, r->input, r->of->h, r->of->w, &maps);
}

size_t runner_memory(const struct runner *r)
{
    return r->of->engine ? engine_info(r->of->engine)->workspace_bytes : exec_memory(r->exec);
}

size_t runnable_weights(const struct runnable *r)
{
    return r->engine ? engine_info(r->engine)->weights_bytes
                     : r->model->params.n_floats * sizeof(float);
}

/* ---- steps --------------------------------------------------------------------------------- */

static int profile_engine(struct runner *r, int runs, struct runner_step *steps, size_t n)
{
    int64_t *ns = calloc(n, sizeof(*ns));
    if (!ns)
        return error_set(BPNET_ENOMEM, "no memory for a profile");
    engine_profile(r->context, ns);
    for (int i = 0; i < runs; i++)
        engine_run(r->context, r->input);
    engine_profile(r->context, NULL);
    for (size_t i = 0; i < n; i++) {
        const struct engine_step_info info = engine_step(r->of->engine, (int)i);
        steps[i] = (struct runner_step){info.name, info.kind, info.kernel, type_names[info.in],
                                        info.in,   info.macs, ns[i] / runs};
    }
    free(ns);
    return BPNET_OK;
}

static int profile_model(struct runner *r, int runs, struct runner_step *steps, size_t n)
{
    int err = BPNET_OK;
    exec_profile_start(r->exec);
    for (int i = 0; i < runs && err == 0; i++)
        err = runner_run(r);
    for (size_t i = 0; i < n; i++) {
        const struct exec_time t = exec_step_time(r->exec, (int)i);
        steps[i] = (struct runner_step){.name = t.name,
                                        .kind = t.op,
                                        .kernel = "",
                                        .type = type_names[MAP_F32],
                                        .arithmetic = MAP_F32,
                                        .macs = t.macs,
                                        .ns = t.forward_ns / runs};
    }
    return err;
}

int runner_profile(struct runner *r, int runs, struct runner_step **steps, size_t *n)
{
    *n = (size_t)(r->context ? engine_info(r->of->engine)->n_steps : exec_n_steps(r->exec));
    *steps = calloc(*n + 1, sizeof(**steps));
    if (!*steps)
        return error_set(BPNET_ENOMEM, "no memory for a profile");
    const int err =
        r->context ? profile_engine(r, runs, *steps, *n) : profile_model(r, runs, *steps, *n);
    if (err < 0) {
        free(*steps);
        *steps = NULL;
    }
    return err;
}
