/* bpnet train: from an experiment spec to a model file. */
#include "cli/cmd.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/progress.h"
#include "io/json.h"
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>

struct args {
    struct common_args common;
    const char *spec;
    bool fresh, use_amp;
    double save_every_minutes;
    int64_t save_every_steps, loader_threads, validation_images;
};

#define AT(member) offsetof(struct args, member)

static const struct option options[] = {
    {"experiment_spec_file", "e", OPTION_TEXT, AT(spec), "FILE", .help = "experiment spec, YAML",
     .required = true},
    {"fresh", NULL, OPTION_FLAG, AT(fresh), .help = "start anew, whatever checkpoints are there"},
    {"use_amp", NULL, OPTION_FLAG, AT(use_amp),
     .help = "mixed precision: multiply in BF16, the same as the spec's use_amp"},
    {"save_every_minutes", NULL, OPTION_NUMBER, AT(save_every_minutes), "M",
     .help = "write latest.bpnet so often; 0: not by time", .preset = "5", .low = 0,
     .high = INFINITY},
    {"save_every_steps", NULL, OPTION_INTEGER, AT(save_every_steps), "N",
     .help = "write latest.bpnet so often; 0: not by steps", .preset = "0", .low = 0,
     .high = INFINITY},
    {"validation_images", NULL, OPTION_INTEGER, AT(validation_images), "N",
     .help = "pictures for the AP at most; 0: all", .preset = "0", .low = 0, .high = 1e9},
    {"loader_threads", NULL, OPTION_INTEGER, AT(loader_threads), "N",
     .help = "threads that prepare pictures; 0: chosen", .preset = "0", .low = 0, .high = 1024},
};

/* On a terminal a line is kept up to date; elsewhere the trainer's own log lines are enough. */
static int watch(void *ctx, const struct train_progress *p)
{
    struct progress *progress = ctx;
    if (!progress->terminal || !progress_due(progress))
        return 0;
    char left[32], line[256];
    progress_duration(left, p->seconds_left);
    int n = snprintf(line, sizeof(line), "epoch %.2f/%d  step %llu/%llu  loss %.4g  %.1f images/s",
                     p->epoch, p->n_epochs, (unsigned long long)p->step,
                     (unsigned long long)p->last_step, p->loss, p->images_per_second);
    if (!isnan(p->validation_ap))
        n += snprintf(line + n, sizeof(line) - (size_t)n, "  AP %.3f", p->validation_ap);
    if (!isnan(p->seconds_left))
        snprintf(line + n, sizeof(line) - (size_t)n, "  %s left", left);
    progress_line(progress, line);
    return 0;
}

static void print_json(const struct train_result *r)
{
    struct json_writer w = {.stream = stdout, .indent = 2};
    json_begin_object(&w);
    json_write_key(&w, "first_step");
    json_write_integer(&w, (int64_t)r->first_step);
    json_write_key(&w, "step");
    json_write_integer(&w, (int64_t)r->step);
    json_write_key(&w, "loss");
    json_write_number(&w, r->loss);
    json_write_key(&w, "best_epoch");
    json_write_integer(&w, r->best_epoch);
    json_write_key(&w, "best_ap");
    json_write_number(&w, r->best_ap);
    json_write_key(&w, "best_loss");
    json_write_number(&w, r->best_loss);
    json_write_key(&w, "weights_hash");
    json_write_string(&w, r->hash);
    json_write_key(&w, "seconds");
    json_write_number(&w, r->seconds);
    json_write_key(&w, "step_seconds");
    json_write_number(&w, r->step_seconds);
    json_end_object(&w);
    printf("\n");
}

static void print_result(const struct train_result *r, const char *folder)
{
    char took[32];
    progress_duration(took, r->seconds);
    printf("%-10s %s\n", "folder", folder);
    printf("%-10s %llu to %llu in %s", "steps", (unsigned long long)r->first_step,
           (unsigned long long)r->step, took);
    if (!isnan(r->step_seconds))
        printf(", %.3g s a step", r->step_seconds);
    printf("\n");
    if (!isnan(r->loss))
        printf("%-10s %.6g, mean of the last epoch\n", "loss", r->loss);
    if (r->best_epoch > 0 && !isnan(r->best_ap))
        printf("%-10s AP %.4f after epoch %d\n", "best", r->best_ap, r->best_epoch);
    else if (r->best_epoch > 0 && !isnan(r->best_loss))
        printf("%-10s validation loss %.6g after epoch %d\n", "best", r->best_loss, r->best_epoch);
    printf("%-10s %s\n", "weights", r->hash);
}

static void add_kpi(struct run *run, const char *key, double value)
{
    if (!isnan(value))
        run_add_kpi(run, key, value);
}

static int train(struct run *run, const struct args *args, const struct experiment_spec *spec)
{
    const char *folder = run->common->results_dir ? run->common->results_dir : spec->checkpoint_dir;
    if (!*folder)
        return error_set(BPNET_ECONFIG, "%s: no checkpoint_dir; name a folder with -r", args->spec);
    int err = run_announce(run, folder);
    if (err < 0)
        return err;
    struct progress progress;
    progress_start(&progress, run->common->quiet, INFINITY);
    struct trainer_options o;
    trainer_options_default(&o);
    o.results_dir = folder;
    o.threads = (unsigned)run->common->threads;
    o.loader_threads = (unsigned)args->loader_threads;
    o.cpu = run->cpu;
    o.save_every_minutes = args->save_every_minutes;
    o.save_every_steps = (uint64_t)args->save_every_steps;
    o.dry_run = run->common->dry_run;
    o.fresh = args->fresh;
    o.validation_images = (size_t)args->validation_images;
    o.compat = run->common->compat;
    o.key = run->key;
    o.stop = run->stop;
    o.progress = watch;
    o.ctx = &progress;
    struct train_result result;
    err = trainer_run(&result, spec, &o);
    progress_clear(&progress);
    if (err < 0 || run->common->dry_run)
        return err;
    if (run->common->json)
        print_json(&result);
    else
        print_result(&result, folder);
    add_kpi(run, "loss", result.loss);
    add_kpi(run, "best_validation_AP", result.best_ap);
    add_kpi(run, "best_validation_loss", result.best_loss);
    return err;
}

static int run_train(struct run *run, const void *a)
{
    const struct args *args = a;
    const struct spec_overrides overrides = {run->common->set.items, run->common->set.n};
    struct experiment_spec *spec = NULL;
    int err = experiment_spec_load(&spec, args->spec, &overrides);
    if (err == 0) {
        spec->use_amp = spec->use_amp || args->use_amp;
        err = train(run, args, spec);
    }
    experiment_spec_free(spec);
    return err;
}

static const char *const examples[] = {
    "bpnet train -e train.yaml -r out/run",
    "train, or go on where an earlier run was stopped",
    "bpnet train -e train.yaml -r out/try --set num_epoch=2 --set dataloader.batch_size=4",
    "the same spec with other values",
    "bpnet train -e train.yaml --dry-run",
    "check spec and data, time one step, estimate the whole run",
    NULL,
};

const struct verb cmd_train = {
    .name = "train",
    .group = "Make a network",
    .summary = "train a network as an experiment spec says",
    .description = "Train a network. Ctrl-C stops after the step in hand and saves everything; the "
                   "same command goes on from there, with the same outcome to the bit.",
    .examples = examples,
    .options = {options, sizeof(options) / sizeof(options[0])},
    .args_size = sizeof(struct args),
    .run = run_train,
};
