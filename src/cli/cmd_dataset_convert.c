/* bpnet dataset_convert: COCO annotations to training records and loss masks. */
#include "cli/cmd.h"

#include "base/error.h"
#include "base/log.h"
#include "cli/progress.h"
#include "data/convert.h"
#include "io/json.h"

#include <stdio.h>
#include <string.h>

struct args {
    struct common_args common;
    const char *spec, *output, *mode;
    int64_t partitions, shards;
    bool generate_masks, check_files;
};

#define AT(member) offsetof(struct args, member)

static const struct option options[] = {
    {"dataset_spec", "d", OPTION_TEXT, AT(spec), "FILE", .help = "dataset spec, JSON or YAML",
     .required = true},
    {"output_filename", "o", OPTION_TEXT, AT(output), "PREFIX",
     .help = "record files are PREFIX-fold-000-of-001 ...", .required = true},
    {"mode", "m", OPTION_TEXT, AT(mode), "MODE",
     .help = "train: the spec's train_data; anything else: its test_data", .preset = "train"},
    {"num_partitions", "p", OPTION_INTEGER, AT(partitions), "N", .help = "folds", .preset = "1",
     .low = 0, .high = 999},
    {"num_shards", "s", OPTION_INTEGER, AT(shards), "N", .help = "files per fold; 0: one",
     .preset = "0", .low = 0, .high = 99999},
    {"generate_masks", NULL, OPTION_FLAG, AT(generate_masks),
     .help = "also draw the loss masks: where people are not labelled"},
    {"check_files", NULL, OPTION_FLAG, AT(check_files),
     .help = "leave out records whose picture or mask is missing"},
};

struct watcher {
    const struct run *run;
    struct progress progress;
};

static int watch(void *ctx, const struct convert_progress *p)
{
    struct watcher *w = ctx;
    progress_update(&w->progress, p->done, p->total, "pictures", "");
    return run_check_stop(w->run);
}

/* What is counted, in the order of the conversion. */
static const struct {
    const char *key, *text;
    size_t offset;
} counts[] = {
    {"images", "pictures annotated", offsetof(struct convert_report, images)},
    {"persons", "people annotated", offsetof(struct convert_report, persons)},
    {"no_people", "  pictures left out: nobody annotated",
     offsetof(struct convert_report, no_people)},
    {"few_keypoints", "  people left out: too few keypoints",
     offsetof(struct convert_report, few_keypoints)},
    {"too_small", "  people left out: too small", offsetof(struct convert_report, too_small)},
    {"too_close", "  people left out: too close to another",
     offsetof(struct convert_report, too_close)},
    {"missing_files", "  records left out: a file is missing",
     offsetof(struct convert_report, missing_files)},
    {"extra_points", "  keypoints added to them by machine",
     offsetof(struct convert_report, extra_points)},
    {"extra_people", "  people added by machine", offsetof(struct convert_report, extra_people)},
    {"extra_ignored", "  people ignored where a machine saw them",
     offsetof(struct convert_report, extra_ignored)},
    {"records", "records", offsetof(struct convert_report, records)},
    {"backgrounds", "  of them without people", offsetof(struct convert_report, backgrounds)},
    {"masks", "loss masks", offsetof(struct convert_report, masks)},
};

static void print_report(struct run *run, const struct convert_report *report)
{
    struct json_writer w = {.stream = stdout, .indent = 2};
    if (run->common->json)
        json_begin_object(&w);
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        size_t n;
        memcpy(&n, (const char *)report + counts[i].offset, sizeof(n));
        run_add_kpi(run, counts[i].key, (double)n);
        if (run->common->json) {
            json_write_key(&w, counts[i].key);
            json_write_integer(&w, (int64_t)n);
        } else if (n > 0 || counts[i].text[0] != ' ') {
            printf("%-40s %9zu\n", counts[i].text, n);
        }
    }
    if (run->common->json) {
        json_end_object(&w);
        printf("\n");
    }
}

static int run_dataset_convert(struct run *run, const void *a)
{
    const struct args *args = a;
    const struct spec_overrides overrides = {run->common->set.items, run->common->set.n};
    struct dataset_spec *spec = NULL;
    int err = dataset_spec_load(&spec, args->spec, &overrides);
    if (err < 0)
        return err;
    struct watcher watcher = {.run = run};
    progress_start(&watcher.progress, run->common->quiet, 10);
    struct convert_report report;
    const struct convert_options convert = {.output_prefix = args->output,
                                            .train_mode = strcmp(args->mode, "train") == 0,
                                            .partitions = (int)args->partitions,
                                            .shards = (int)args->shards,
                                            .generate_masks = args->generate_masks,
                                            .check_files = args->check_files,
                                            .dry_run = run->common->dry_run,
                                            .progress = watch,
                                            .ctx = &watcher};
    err = dataset_convert(spec, &convert, &report);
    progress_clear(&watcher.progress);
    if (err == 0)
        print_report(run, &report);
    dataset_spec_free(spec);
    return err;
}

static const char *const examples[] = {
    "bpnet dataset_convert -d dataset.json -o records/train -m train --generate_masks",
    "records of the spec's train_data, and their loss masks",
    "bpnet dataset_convert -d dataset.json -o records/val -m test --dry-run",
    "what would be written, and why people are left out",
    NULL,
};

const struct verb cmd_dataset_convert = {
    .name = "dataset_convert",
    .group = "Make a network",
    .summary = "turn COCO annotations into training records",
    .description = "Read a COCO keypoint file as a dataset spec says, and write a training record "
                   "for each person worth training on.",
    .examples = examples,
    .options = {options, sizeof(options) / sizeof(options[0])},
    .args_size = sizeof(struct args),
    .run = run_dataset_convert,
};
