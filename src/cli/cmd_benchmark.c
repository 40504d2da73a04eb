/* bpnet benchmark: how fast a network runs on this machine, and where the time goes. */
#include "cli/benchmark_report.h"
#include "cli/cmd.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/rng.h"
#include "cli/photos.h"
#include "io/file.h"
#include "kernel/ceiling.h"
#include "pose/draw.h"
#include "pose/results.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_RUNS = 10, RGB = 3 };
static const size_t max_picture_file = (size_t)64 << 20;

struct args {
    struct common_args common;
    const char *model, *input_dims, *dump_profile;
    int64_t streams, batch;
    double duration, warm_up;
    bool draw;
};

#define AT(member) offsetof(struct args, member)

static const struct option options[] = {
    {"model", "m", OPTION_TEXT, AT(model), "FILE",
     .help = "engine or model; without: the shipped model"},
    {"input_dims", "d", OPTION_TEXT, AT(input_dims), "H,W",
     .help = "input size of a model; an engine has its own"},
    {"streams", NULL, OPTION_INTEGER, AT(streams), "N",
     .help = "pictures under way at the same time, each on --threads threads", .preset = "1",
     .low = 1, .high = 256},
    {"batch", NULL, OPTION_INTEGER, AT(batch), "N",
     .help = "pictures one run is made of; they follow each other", .preset = "1", .low = 1,
     .high = 1024},
    {"duration", NULL, OPTION_NUMBER, AT(duration), "S", .help = "seconds of each measurement",
     .preset = "3", .low = 0.01, .high = 86400},
    {"warm_up", NULL, OPTION_NUMBER, AT(warm_up), "S", .help = "seconds not measured before",
     .preset = "0.2", .low = 0, .high = 3600},
    {"draw", NULL, OPTION_FLAG, AT(draw),
     .help = "also the stage draw, which needs the whole picture decoded; else it is not run"},
    {"dump-profile", NULL, OPTION_TEXT, AT(dump_profile), "FILE",
     .help = "write the time of every layer as JSON; '-': print it as a table"},
};

/* ---- the network alone --------------------------------------------------------------------- */

struct stream {
    struct runner runner;
    struct latencies latencies;
    int err;
    char message[256];
};

struct race {
    struct stream *streams;
    int64_t begin, end; /* nanoseconds */
    int batch;
    const struct run *run;
};

static int run_batch(struct stream *s, int batch)
{
    int err = BPNET_OK;
    for (int i = 0; i < batch && err == 0; i++)
        err = runner_run(&s->runner);
    return err;
}

/* One stream until the time is over; what was begun before is finished and counts. */
static void run_stream(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    struct race *race = ctx;
    struct stream *s = &race->streams[item];
    while (s->err == 0) {
        const int64_t since = clock_ns();
        if ((since >= race->end && s->latencies.n >= LEAST_RUNS) || *race->run->stop)
            break;
        s->err = run_batch(s, race->batch);
        const int64_t now = clock_ns();
        if (since >= race->begin)
            latencies_add(&s->latencies, now - since);
    }
    if (s->err < 0)
        snprintf(s->message, sizeof(s->message), "%s", error_message());
}

/* Noise, so that no layer has an easy input. */
static int set_noise(struct stream *s, size_t index)
{
    const struct runnable *of = s->runner.of;
    const size_t values = (size_t)of->h * (size_t)of->w * RGB;
    uint8_t *pixels = malloc(values);
    if (!pixels)
        return error_set(BPNET_ENOMEM, "no memory for a picture of %zu bytes", values);
    struct rng rng = rng_stream(1, 0, index);
    for (size_t i = 0; i < values; i++)
        pixels[i] = (uint8_t)rng_integer(&rng, 0, 255);
    runner_set_input(&s->runner, pixels);
    free(pixels);
    return BPNET_OK;
}

/* Room for every run: the first ones show how many there will be. */
static int expect_runs(struct stream *s, const struct args *args)
{
    const int64_t since = clock_ns();
    int err = BPNET_OK, runs = 0;
    do {
        err = run_batch(s, (int)args->batch);
        runs++;
    } while (err == 0 && clock_seconds_since(since) < args->warm_up);
    const double each = clock_seconds_since(since) / runs;
    const double expected = 4 * args->duration / each + LEAST_RUNS;
    const size_t n = expected < LATENCY_MAX ? (size_t)expected : LATENCY_MAX;
    return err < 0 ? err : latencies_reserve(&s->latencies, n);
}

static int race(struct benchmark *b, struct stream *streams, const struct run *run,
                const struct args *args)
{
    struct workers *team;
    int err = workers_open(&team, (unsigned)b->streams);
    if (err < 0)
        return err;
    const int64_t now = clock_ns();
    struct race race = {streams, now, now + (int64_t)(args->duration * 1e9), b->batch, run};
    workers_run(team, (size_t)b->streams, run_stream, &race);
    const double seconds = clock_seconds_since(now);
    workers_close(team);
    struct latencies all = {0};
    for (int i = 0; i < b->streams && err == 0; i++) {
        err = streams[i].err < 0 ? error_set(streams[i].err, "%s", streams[i].message)
                                 : latencies_append(&all, &streams[i].latencies);
    }
    if (err == 0) {
        b->throughput = (double)all.n * b->batch / seconds;
        b->latency = latencies_summarize(&all);
    }
    latencies_free(&all);
    return err < 0 ? err : run_check_stop(run);
}

/* ---- from file to JSON --------------------------------------------------------------------- */

struct pipeline {
    struct predictor *predictor;
    struct people people;
    bool draw;
};

/* To memory: what a disk takes is not the network's affair. */
static int write_people(const struct people *people)
{
    char *text = NULL;
    size_t size;
    struct json_writer w = {.stream = open_memstream(&text, &size)};
    if (!w.stream)
        return error_set(BPNET_ENOMEM, "no memory for %d people as text", people->n_people);
    results_write_people(&w, people);
    const bool whole = fclose(w.stream) == 0;
    free(text);
    return whole ? BPNET_OK : error_set(BPNET_ENOMEM, "no memory for people as text");
}

static int run_picture(struct pipeline *p, const char *path, const struct file_view *file,
                       const struct skeleton *skeleton, struct stage_times *t)
{
    const struct image_fit fit = predictor_fit(p->predictor);
    struct image image;
    struct image_scale scale;
    const int64_t start = clock_ns();
    int err =
        image_decode_fit(&image, &scale, file->bytes, file->size, p->draw ? NULL : &fit, path);
    if (err < 0)
        return err;
    const int64_t decoded = clock_ns();
    err = predictor_run(p->predictor, &image, &p->people);
    people_enlarge(&p->people, &scale);
    const int64_t found = clock_ns();
    if (err == 0)
        err = write_people(&p->people);
    const int64_t written = clock_ns();
    if (err == 0 && p->draw)
        err = draw_people(&image, &p->people, skeleton);
    const int64_t drawn = clock_ns();
    int64_t ns[3];
    predictor_times(p->predictor, ns);
    t->ns[STAGE_DECODE] += decoded - start;
    t->ns[STAGE_PREPROCESS] += ns[0];
    t->ns[STAGE_COMPUTE] += ns[1];
    t->ns[STAGE_POSTPROCESS] += ns[2];
    t->ns[STAGE_WRITE] += written - found;
    t->ns[STAGE_DRAW] += p->draw ? drawn - written : 0;
    t->drawn = p->draw;
    t->n_pictures++;
    t->n_people += p->people.n_people;
    image_free(&image);
    return err;
}

static int run_pictures(struct benchmark *b, struct pipeline *p, const struct photos *photos,
                        const struct file_view *files, const struct run *run,
                        const struct args *args)
{
    const struct skeleton *skeleton = b->runnable.skeleton;
    struct stage_times ignored = {0};
    int err = BPNET_OK;
    for (size_t i = 0; i < photos->n && err == 0; i++) /* sizes are learnt */
        err = run_picture(p, photos->items[i].path, &files[i], skeleton, &ignored);
    const int64_t since = clock_ns();
    do {
        for (size_t i = 0; i < photos->n && err == 0; i++)
            err = run_picture(p, photos->items[i].path, &files[i], skeleton, &b->stages);
        if (err == 0)
            err = run_check_stop(run);
    } while (err == 0 && clock_seconds_since(since) < args->duration);
    return err;
}

static int time_stages(struct benchmark *b, struct runner *runner, const struct run *run,
                       const struct args *args)
{
    struct photos photos = {0};
    struct pipeline p = {.people.n_joints = b->runnable.skeleton->n_joints, .draw = args->draw};
    int err = BPNET_OK;
    for (size_t i = 0; i < run->operands.n && err == 0; i++)
        err = photos_add(&photos, run->operands.items[i]);
    struct file_view *files = calloc(photos.n + 1, sizeof(*files));
    if (!files && err == 0)
        err = error_set(BPNET_ENOMEM, "no memory for %zu pictures", photos.n);
    for (size_t i = 0; i < photos.n && err == 0; i++)
        err = file_view_open(&files[i], photos.items[i].path, max_picture_file);
    struct predict_options how;
    predict_options_default(&how);
    how.input_h = b->runnable.h;
    how.input_w = b->runnable.w;
    how.aspect = ASPECT_PAD_IMAGE;
    how.cpu = run->cpu;
    if (err == 0 && (err = predictor_open(&p.predictor, &runner->net, &how, runner->workers)) == 0)
        err = run_pictures(b, &p, &photos, files, run, args);
    predictor_close(p.predictor);
    people_free(&p.people);
    for (size_t i = 0; files && i < photos.n; i++)
        file_view_close(&files[i]);
    free(files);
    photos_free(&photos);
    return err;
}

/* ---- layers -------------------------------------------------------------------------------- */

static int profile(struct benchmark *b, struct runner *runner, const struct args *args)
{
    const double wanted = args->duration / 2 * 1e3 / (b->latency.median / b->batch);
    const int runs = wanted > 10000 ? 10000 : wanted < 3 ? 3 : (int)wanted;
    for (int type = 0; type < MAP_TYPES; type++)
        b->ceilings[type] = ceiling_macs(b->runnable.level, (enum map_type)type);
    return runner_profile(runner, runs, &b->steps, &b->n_steps);
}

/* ---- the verb ------------------------------------------------------------------------------ */

static int parse_dims(const char *text, int *h, int *w)
{
    int end = 0, channels = 3;
    if (!text)
        return BPNET_OK;
    const int n = sscanf(text, "%d,%d%n,%d%n", h, w, &end, &channels, &end);
    if (n < 2 || text[end] || channels != 3 || *h < 8 || *w < 8 || *h > 8192 || *w > 8192)
        return error_set(
            BPNET_EUSAGE,
            "benchmark: --input_dims '%s': expected H,W or H,W,3 with 8 to 8192 pixels "
            "a side",
            text);
    return BPNET_OK;
}

static int open_streams(struct benchmark *b, struct stream *streams, const struct args *args)
{
    int err = BPNET_OK;
    for (int i = 0; i < b->streams && err == 0; i++) {
        err = runner_open(&streams[i].runner, &b->runnable, b->threads);
        if (err == 0)
            err = set_noise(&streams[i], (size_t)i);
        if (err == 0)
            err = expect_runs(&streams[i], args);
    }
    return err;
}

static int measure(struct benchmark *b, struct run *run, const struct args *args)
{
    struct stream *streams = calloc((size_t)b->streams, sizeof(*streams));
    if (!streams)
        return error_set(BPNET_ENOMEM, "no memory for %d streams", b->streams);
    int err = open_streams(b, streams, args);
    if (err == 0 && !run->common->dry_run)
        err = race(b, streams, run, args);
    if (err == 0 && !run->common->dry_run && run->operands.n > 0)
        err = time_stages(b, &streams[0].runner, run, args);
    if (err == 0 && !run->common->dry_run && args->dump_profile)
        err = profile(b, &streams[0].runner, args);
    b->weights = runnable_weights(&b->runnable);
    for (int i = 0; i < b->streams; i++) {
        b->maps += streams[i].runner.workers ? runner_memory(&streams[i].runner) : 0;
        runner_close(&streams[i].runner);
        latencies_free(&streams[i].latencies);
    }
    free(streams);
    return err;
}

static int run_benchmark(struct run *run, const void *a)
{
    const struct args *args = a;
    struct benchmark b = {.streams = (int)args->streams, .batch = (int)args->batch};
    b.threads = (unsigned)run->common->threads;
    if (b.threads == 0)
        b.threads = cpu_cores() > (unsigned)b.streams ? cpu_cores() / (unsigned)b.streams : 1;
    int h = 0, w = 0;
    int err = parse_dims(args->input_dims, &h, &w);
    if (err < 0 || (err = runnable_open(&b.runnable, run, args->model, h, w)) < 0)
        return err;
    if (run->operands.n > 0 && !b.runnable.skeleton)
        err = error_set(BPNET_EUNSUPPORTED,
                        "%s: not a network whose people can be decoded; leave out the pictures",
                        b.runnable.path);
    if (err == 0)
        err = measure(&b, run, args);
    if (err == 0 && !run->common->dry_run)
        err = benchmark_report(&b, args->dump_profile, run->common->json);
    if (err == 0 && !run->common->dry_run) {
        run_add_kpi(run, "throughput", b.throughput);
        run_add_kpi(run, "latency_median_ms", b.latency.median);
    }
    free(b.steps);
    runnable_close(&b.runnable);
    return err;
}

static const char *const examples[] = {
    "bpnet benchmark -m pose.engine",
    "throughput and latency with all cores on one picture",
    "bpnet benchmark -m pose.engine --streams 2 --threads 1 photos/",
    "two pictures at a time; then all stages from file to JSON on these pictures",
    "bpnet benchmark -m model.bpnet -d 288,384 --dump-profile -",
    "where the time goes, layer by layer",
    NULL,
};

const struct verb cmd_benchmark = {
    .name = "benchmark",
    .group = "Look inside",
    .summary = "throughput, latency and a profile of an engine or model",
    .operands = "photo.jpg|folder ...",
    .description =
        "Run a network again and again on a picture of noise and report how long that takes. The "
        "variation is the standard deviation of the runs over their mean, without the fastest and "
        "the slowest 5 % of them; above 2.5 % it warns. With pictures the whole way from file to "
        "JSON is timed, too, stage by stage. Layers are compared with what this machine's "
        "arithmetic can do at most, measured in the same run.",
    .examples = examples,
    .options = {options, sizeof(options) / sizeof(options[0])},
    .args_size = sizeof(struct args),
    .max_operands = SIZE_MAX,
    .run = run_benchmark,
};
