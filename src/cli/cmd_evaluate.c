/* bpnet evaluate: AP and AR by COCO's rules, of a network or of a result file. */
#include "cli/cmd.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "eval/coco_report.h"
#include "eval/score_set.h"
#include "io/file.h"
#include "io/json.h"

#include <stdio.h>
#include <stdlib.h>

struct args {
    struct common_args common;
    const char *annotations, *results;
    int64_t max_images;
};

#define AT(member) offsetof(struct args, member)

static const struct option options[] = {
    {"annotations", NULL, OPTION_TEXT, AT(annotations), "FILE",
     .help = "people annotated: a COCO keypoint file"},
    {"results", NULL, OPTION_TEXT, AT(results), "FILE",
     .help = "people found: a COCO result list; no network is run"},
    {"max_images", NULL, OPTION_INTEGER, AT(max_images), "N",
     .help = "only the first N pictures; 0: all", .preset = "0", .low = 0, .high = 1e9},
};

static void print_json(const struct coco_result *r)
{
    struct json_writer w = {.stream = stdout, .indent = 2};
    json_begin_object(&w);
    json_write_key(&w, "images");
    json_write_integer(&w, (int64_t)r->n_images);
    json_write_key(&w, "people");
    json_write_integer(&w, (int64_t)r->n_counted[SIZE_ALL]);
    json_write_key(&w, "detections");
    json_write_integer(&w, (int64_t)r->n_detections);
    json_write_key(&w, "metrics");
    json_begin_object(&w);
    for (int i = 0; i < COCO_METRICS; i++) {
        json_write_key(&w, coco_metric_name((enum coco_metric)i));
        json_write_number(&w, r->metric[i]);
    }
    json_end_object(&w);
    json_write_key(&w, "joints");
    json_begin_object(&w);
    for (int i = 0; i < COCO_KEYPOINTS; i++) {
        json_write_key(&w, coco_keypoint_names[i]);
        json_write_number(&w, r->joint[i].mean_oks);
    }
    json_end_object(&w);
    json_end_object(&w);
    printf("\n");
}

/* Print the outcome, and record it in the results folder if there is one. */
static int report(struct run *run, const struct coco_result *r)
{
    if (run->common->json) {
        print_json(r);
    } else {
        struct str text = {0};
        coco_print_summary(&text, r);
        str_append(&text, "\n");
        coco_print_breakdown(&text, r);
        fputs(str_text(&text), stdout);
        str_free(&text);
    }
    for (int i = 0; i < COCO_METRICS; i++)
        run_add_kpi(run, coco_metric_name((enum coco_metric)i), r->metric[i]);
    if (!run->common->results_dir || run->common->dry_run)
        return BPNET_OK;
    char *path = path_join(run->common->results_dir, "results.csv");
    const int err = path ? coco_write_csv(path, r) : BPNET_ENOMEM;
    free(path);
    return err;
}

static int score_files(struct run *run, const struct args *args)
{
    struct coco *coco = NULL;
    struct score_set set = {0};
    struct coco_result result;
    struct results_report left_out;
    const struct coco_options load = {.segmentations = false};
    int err = coco_load(&coco, args->annotations, &load);
    if (err < 0 || (err = score_set_init(&set, coco, (size_t)args->max_images)) < 0 ||
        (err = score_set_read_results(&set, args->results, &left_out)) < 0)
        goto done;
    if (left_out.n_other_images && !args->max_images)
        log_warning("%s: %zu results are of pictures that %s does not have; they are left out",
                    args->results, left_out.n_other_images, args->annotations);
    if (left_out.n_other_category)
        log_warning("%s: %zu results are not of category %lld; they are left out", args->results,
                    left_out.n_other_category, (long long)set.category_id);
    if ((err = score_set_evaluate(&set, &result)) == 0)
        err = report(run, &result);
done:
    score_set_free(&set);
    coco_free(coco);
    return err;
}

static int run_evaluate(struct run *run, const void *a)
{
    const struct args *args = a;
    if (!args->annotations || !args->results)
        return error_set(BPNET_EUSAGE, "evaluate: name --annotations FILE and --results FILE");
    return score_files(run, args);
}

static const char *const examples[] = {
    "bpnet evaluate --annotations person_keypoints_val2017.json --results results.json",
    "score results that exist already",
    NULL,
};

const struct verb cmd_evaluate = {
    .name = "evaluate",
    .group = "Find people",
    .summary = "score a network, or results, by COCO's rules",
    .description = "Compute COCO's keypoint AP and AR. The figures are those of pycocotools.",
    .examples = examples,
    .options = {options, sizeof(options) / sizeof(options[0])},
    .args_size = sizeof(struct args),
    .run = run_evaluate,
};
