/* A benchmark as text for people and as JSON for programs. */
#include "cli/benchmark_report.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "io/file.h"
#include "io/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

static const double steady = 0.025; /* more variation than this makes a comparison doubtful */
static const char trimmed[] = "without the fastest and slowest 5 % of the runs";
static const char *const stage_names[N_STAGES] = {"decode",      "preprocess", "compute",
                                                  "postprocess", "write",      "draw"};

static double peak_memory(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (double)usage.ru_maxrss * 1024 : 0;
}

static double mib(double bytes)
{
    return bytes / (1 << 20);
}

/* ---- layers -------------------------------------------------------------------------------- */

static double step_gmacs(const struct runner_step *s)
{
    return s->ns > 0 ? (double)s->macs / (double)s->ns : 0;
}

/* Of what all threads of a stream could do; -1: unknown. */
static double step_share(const struct benchmark *b, const struct runner_step *s)
{
    const double ceiling = b->ceilings[s->arithmetic] * b->threads * 1e-9;
    return ceiling > 0 && s->macs > 0 ? step_gmacs(s) / ceiling : -1;
}

static void print_profile(const struct benchmark *b)
{
    double total = 0;
    for (size_t i = 0; i < b->n_steps; i++)
        total += (double)b->steps[i].ns;
    printf("\n%-32s %-10s %-5s %-22s %9s %6s %8s %8s\n", "layer", "kind", "type", "kernel", "us",
           "share", "GMAC/s", "ceiling");
    for (size_t i = 0; i < b->n_steps; i++) {
        const struct runner_step *s = &b->steps[i];
        printf("%-32s %-10s %-5s %-22s %9.1f %5.1f%%", s->name, s->kind, s->type, s->kernel,
               (double)s->ns * 1e-3, total > 0 ? 100 * (double)s->ns / total : 0);
        if (s->macs > 0)
            printf(" %8.1f", step_gmacs(s));
        if (step_share(b, s) >= 0)
            printf(" %7.0f%%", 100 * step_share(b, s));
        printf("\n");
    }
}

static void write_step(struct json_writer *w, const struct benchmark *b,
                       const struct runner_step *s)
{
    json_begin_object(w);
    json_write_key(w, "name");
    json_write_string(w, s->name);
    json_write_key(w, "kind");
    json_write_string(w, s->kind);
    json_write_key(w, "type");
    json_write_string(w, s->type);
    json_write_key(w, "kernel");
    json_write_string(w, s->kernel);
    json_write_key(w, "time_us");
    json_write_number(w, (double)s->ns * 1e-3);
    json_write_key(w, "macs");
    json_write_integer(w, s->macs);
    json_write_key(w, "gmacs_per_second");
    json_write_number(w, step_gmacs(s));
    json_write_key(w, "share_of_ceiling");
    if (step_share(b, s) >= 0)
        json_write_number(w, step_share(b, s));
    else
        json_write_null(w);
    json_end_object(w);
}

static void write_profile(struct json_writer *w, const struct benchmark *b)
{
    json_begin_array(w);
    for (size_t i = 0; i < b->n_steps; i++)
        write_step(w, b, &b->steps[i]);
    json_end_array(w);
}

static int save_profile(const struct benchmark *b, const char *path)
{
    struct outfile out;
    const int err = outfile_open(&out, path);
    if (err < 0)
        return err;
    struct json_writer w = {.stream = out.stream, .indent = 2};
    write_profile(&w, b);
    return outfile_commit(&out);
}

/* ---- the whole ----------------------------------------------------------------------------- */

static void print_stages(const struct stage_times *t)
{
    double total = 0;
    for (int i = 0; i < N_STAGES; i++)
        total += (double)t->ns[i] * 1e-6 / (double)t->n_pictures;
    printf("%-12s", "stages");
    for (int i = 0; i < N_STAGES - !t->drawn; i++)
        printf("%s %s %.2f", i ? "," : "", stage_names[i],
               (double)t->ns[i] * 1e-6 / (double)t->n_pictures);
    printf(" ms%s: %.2f ms a picture, %.0f %% of it in the network, %.1f people a picture\n",
           t->drawn ? "" : ", draw not run (--draw)", total,
           total > 0 ? 100 * (double)t->ns[STAGE_COMPUTE] * 1e-6 / (double)t->n_pictures / total
                     : 0,
           (double)t->n_people / (double)t->n_pictures);
}

static void print_text(const struct benchmark *b)
{
    const struct runnable *r = &b->runnable;
    const struct latency_summary *l = &b->latency;
    printf("%-12s %s: %s, %s, %d x %d, %s\n", "network", r->path, r->engine ? "engine" : "model",
           r->precision, r->h, r->w, cpu_level_name(r->level));
    if (r->description && r->description[0])
        printf("%-12s %s\n", "about", r->description);
    printf("%-12s %.1f pictures/s with %d stream%s of %u thread%s, batch %d\n", "throughput",
           b->throughput, b->streams, b->streams == 1 ? "" : "s", b->threads,
           b->threads == 1 ? "" : "s", b->batch);
    printf("%-12s min %.3f, mean %.3f, median %.3f, p90 %.3f, p95 %.3f, p99 %.3f, max %.3f ms of "
           "%zu runs\n",
           "latency", l->min, l->mean, l->median, l->p90, l->p95, l->p99, l->max, l->n);
    printf("%-12s %.2f %% (standard deviation / mean, %s)\n", "variation", 100 * l->variation,
           trimmed);
    if (b->stages.n_pictures > 0)
        print_stages(&b->stages);
    printf("%-12s weights %.1f, maps %.1f, peak of the process %.1f MiB\n", "memory",
           mib((double)b->weights), mib((double)b->maps), mib(peak_memory()));
}

static void write_number(struct json_writer *w, const char *key, double value)
{
    json_write_key(w, key);
    json_write_number(w, value);
}

static void write_integer(struct json_writer *w, const char *key, int64_t value)
{
    json_write_key(w, key);
    json_write_integer(w, value);
}

static void write_text(struct json_writer *w, const char *key, const char *value)
{
    json_write_key(w, key);
    json_write_string(w, value);
}

static void write_latency(struct json_writer *w, const struct latency_summary *l)
{
    json_write_key(w, "latency_ms");
    json_begin_object(w);
    write_integer(w, "runs", (int64_t)l->n);
    write_number(w, "min", l->min);
    write_number(w, "mean", l->mean);
    write_number(w, "median", l->median);
    write_number(w, "p90", l->p90);
    write_number(w, "p95", l->p95);
    write_number(w, "p99", l->p99);
    write_number(w, "max", l->max);
    write_number(w, "variation", l->variation);
    json_end_object(w);
}

static void write_stages(struct json_writer *w, const struct stage_times *t)
{
    json_write_key(w, "stages_ms");
    json_begin_object(w);
    for (int i = 0; i < N_STAGES; i++)
        write_number(w, stage_names[i],
                     i == STAGE_DRAW && !t->drawn
                         ? NAN /* null */
                         : (double)t->ns[i] * 1e-6 / (double)t->n_pictures);
    write_integer(w, "pictures", t->n_pictures);
    write_integer(w, "people", t->n_people);
    json_end_object(w);
}

static void print_json(const struct benchmark *b)
{
    static const char *const ceiling_keys[MAP_TYPES] = {"fp32", "bf16", "int8"};
    const struct runnable *r = &b->runnable;
    char cpu[128];
    cpu_model_name(cpu, sizeof(cpu));
    struct json_writer w = {.stream = stdout, .indent = 2};
    json_begin_object(&w);
    write_text(&w, "network", r->path);
    write_text(&w, "kind", r->engine ? "engine" : "model");
    write_text(&w, "precision", r->precision);
    write_integer(&w, "input_height", r->h);
    write_integer(&w, "input_width", r->w);
    write_text(&w, "cpu", cpu);
    write_text(&w, "cpu_level", cpu_level_name(r->level));
    write_integer(&w, "streams", b->streams);
    write_integer(&w, "threads", b->threads);
    write_integer(&w, "batch", b->batch);
    write_number(&w, "throughput", b->throughput);
    write_latency(&w, &b->latency);
    if (b->stages.n_pictures > 0)
        write_stages(&w, &b->stages);
    write_integer(&w, "weights_bytes", (int64_t)b->weights);
    write_integer(&w, "maps_bytes", (int64_t)b->maps);
    write_number(&w, "peak_memory_bytes", peak_memory());
    if (b->steps) {
        json_write_key(&w, "ceiling_gmacs_per_second");
        json_begin_object(&w);
        for (int i = 0; i < MAP_TYPES; i++)
            write_number(&w, ceiling_keys[i], b->ceilings[i] * 1e-9);
        json_end_object(&w);
        json_write_key(&w, "layers");
        write_profile(&w, b);
    }
    json_end_object(&w);
    printf("\n");
}

int benchmark_report(const struct benchmark *b, const char *profile, bool json)
{
    const bool table = profile && strcmp(profile, "-") == 0;
    if (b->latency.variation > steady)
        log_warning("the runs vary by %.1f %% (standard deviation / mean, %s); something else uses "
                    "this machine, or its clock changes",
                    100 * b->latency.variation, trimmed);
    if (json) {
        print_json(b);
    } else {
        print_text(b);
        if (table)
            print_profile(b);
    }
    return profile && !table ? save_profile(b, profile) : BPNET_OK;
}
