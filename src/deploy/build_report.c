/* An engine's report: what it is made of, and how long each layer takes. */
#include "deploy/build_report.h"

#include "base/clock.h"
#include "base/error.h"
#include "io/json.h"

#include <stdlib.h>
#include <string.h>

enum { RUNS = 8, ENOUGH_NS = 1000 * 1000 * 1000 };

/* Least times of some runs, per step and of the whole. */
struct times {
    int64_t *steps, *run;
    int64_t total;
};

static void keep_least(struct times *t, int n_steps, int64_t ns)
{
    const bool first = t->total == 0;
    for (int i = 0; i < n_steps; i++)
        t->steps[i] = first || t->run[i] < t->steps[i] ? t->run[i] : t->steps[i];
    t->total = first || ns < t->total ? ns : t->total;
}

static int measure(struct times *t, const struct engine *engine, struct workers *workers)
{
    const struct engine_info *info = engine_info(engine);
    struct engine_context *context = NULL;
    uint8_t *pixels = calloc((size_t)info->input_h * (size_t)info->input_w, 3);
    t->steps = calloc(2 * ((size_t)info->n_steps + 1), sizeof *t->steps);
    int err = pixels && t->steps ? engine_context_open(&context, engine, workers)
                                 : error_set(BPNET_ENOMEM, "no memory to time an engine");
    if (err == BPNET_OK) {
        t->run = t->steps + info->n_steps + 1;
        engine_run(context, pixels); /* memory is touched */
        int64_t spent = 0;
        for (int i = 0; i < RUNS && spent < ENOUGH_NS; i++) {
            const int64_t start = clock_ns();
            engine_profile(context, t->run);
            engine_run(context, pixels);
            const int64_t ns = clock_ns() - start;
            keep_least(t, info->n_steps, ns);
            spent += ns;
        }
    }
    engine_context_close(context);
    free(pixels);
    return err;
}

static void write_text(struct json_writer *w, const char *key, const char *text)
{
    json_write_key(w, key);
    json_write_string(w, text);
}

static void write_integer(struct json_writer *w, const char *key, int64_t value)
{
    json_write_key(w, key);
    json_write_integer(w, value);
}

static void write_layer(struct json_writer *w, const struct engine_step_info *step,
                        const int64_t *ns)
{
    json_begin_object(w);
    write_text(w, "name", step->name);
    write_text(w, "kind", step->kind);
    if (*step->kernel)
        write_text(w, "kernel", step->kernel);
    write_text(w, "in", map_type_names[step->in]);
    write_text(w, "out", map_type_names[step->out]);
    if (step->macs > 0)
        write_integer(w, "macs", step->macs);
    if (ns) {
        json_write_key(w, "microseconds");
        json_write_number(w, (double)*ns * 1e-3);
    }
    json_end_object(w);
}

static void write_report(struct json_writer *w, const struct engine *engine, unsigned threads,
                         const struct times *times)
{
    const struct engine_info *info = engine_info(engine);
    int64_t macs = 0;
    for (int i = 0; i < info->n_steps; i++)
        macs += engine_step(engine, i).macs;
    json_begin_object(w);
    write_text(w, "version", BPNET_VERSION);
    write_text(w, "cpu", info->cpu);
    write_text(w, "level", cpu_level_name(info->level));
    write_integer(w, "threads", threads);
    write_text(w, "precision", info->precision);
    json_write_key(w, "input");
    json_begin_array(w);
    json_write_integer(w, info->input_h);
    json_write_integer(w, info->input_w);
    json_end_array(w);
    write_integer(w, "weights_bytes", (int64_t)info->weights_bytes);
    write_integer(w, "memory_bytes", (int64_t)info->workspace_bytes);
    write_integer(w, "macs", macs);
    if (times->steps) {
        json_write_key(w, "milliseconds");
        json_write_number(w, (double)times->total * 1e-6);
    }
    json_write_key(w, "layers");
    json_begin_array(w);
    for (int i = 0; i < info->n_steps; i++) {
        const struct engine_step_info step = engine_step(engine, i);
        write_layer(w, &step, times->steps ? &times->steps[i] : NULL);
    }
    json_end_array(w);
    json_end_object(w);
}

int build_report(struct str *out, const struct engine *engine, struct workers *workers, bool timed)
{
    struct times times = {0};
    struct json_writer w = {.text = out, .indent = 1};
    int err = timed ? measure(&times, engine, workers) : BPNET_OK;
    if (err == BPNET_OK) {
        write_report(&w, engine, workers ? workers_count(workers) : 1, &times);
        err = str_status(out);
    }
    free(times.steps);
    return err;
}
