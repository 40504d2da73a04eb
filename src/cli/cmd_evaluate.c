/* bpnet evaluate: AP and AR by COCO's rules, of a network or of a result file. */
#include "cli/cmd.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/open_network.h"
#include "cli/progress.h"
#include "data/coco_sources.h"
#include "eval/coco_report.h"
#include "eval/evaluate.h"
#include "eval/score_set.h"
#include "io/file.h"
#include "io/json.h"

#include <stdio.h>
#include <stdlib.h>

struct args {
    struct common_args common;
    const char *inference_spec, *model, *dataset, *dataset_spec, *annotations, *images, *results;
    const char *sources;
    int64_t max_images;
};

#define AT(member) offsetof(struct args, member)

static const char *const datasets[] = {"coco", NULL};

static const struct option options[] = {
    {"model_filename", "m", OPTION_TEXT, AT(model), "FILE",
     .help = "network; without: the spec's model_path, or else the shipped one"},
    {"inference_spec", "i", OPTION_TEXT, AT(inference_spec), "FILE",
     .help = "how to run it: input size, scales, thresholds"},
    {"dataset_spec", "d", OPTION_TEXT, AT(dataset_spec), "FILE",
     .help = "whose test_data is evaluated"},
    {"annotations", NULL, OPTION_TEXT, AT(annotations), "FILE",
     .help = "instead of -d: people annotated, a COCO keypoint file"},
    {"images", NULL, OPTION_TEXT, AT(images), "DIR", .help = "and the folder of its pictures"},
    {"results", NULL, OPTION_TEXT, AT(results), "FILE",
     .help = "score this COCO result list; no network is run"},
    {"sources", NULL, OPTION_TEXT, AT(sources), "NAME,…",
     .help = "only pictures whose source (images[].source) has such a name"},
    {"max_images", NULL, OPTION_INTEGER, AT(max_images), "N",
     .help = "only the first N pictures; 0: all", .preset = "0", .low = 0, .high = 1e9},
    {"dataset", NULL, OPTION_TEXT, AT(dataset), "KIND", .help = "rules of scoring",
     .preset = "coco", .choices = datasets},
};

/* What is evaluated, from -d or from --annotations and --images. */
struct subject {
    char *annotations, *images;
};

static void subject_free(struct subject *s)
{
    free(s->annotations);
    free(s->images);
}

static int subject_init(struct subject *s, const struct run *run, const struct args *args)
{
    *s = (struct subject){0};
    struct dataset_spec *spec = NULL;
    int err = BPNET_OK;
    if (args->dataset_spec)
        err = dataset_spec_load(&spec, args->dataset_spec, &(struct spec_overrides){0});
    else if (!args->annotations)
        err = error_set(BPNET_EUSAGE, "%s: name a dataset spec with -d, or --annotations FILE",
                        run->verb->name);
    else if (!args->images && !args->results)
        err = error_set(BPNET_EUSAGE, "%s: name the folder of the pictures with --images",
                        run->verb->name);
    if (err < 0)
        return err;
    s->annotations = args->annotations ? str_copy(args->annotations)
                                       : path_join(spec->root, spec->test.annotation_file);
    s->images = args->images
                    ? str_copy(args->images)
                    : path_join(spec ? spec->root : "", spec ? spec->test.images_root : "");
    dataset_spec_free(spec);
    return s->annotations && s->images ? BPNET_OK : BPNET_ENOMEM;
}

/* What the network did; NULL for results from a file. */
struct work {
    const struct evaluation *evaluation;
    const char *model;
};

static double milliseconds(const struct evaluation *e, int phase)
{
    return e->n_images ? 1000 * e->seconds[phase] / (double)e->n_images : 0;
}

static void print_work_json(struct json_writer *w, const struct work *work)
{
    static const char *const phases[] = {"preprocess", "network", "decode"};
    json_write_key(w, "model");
    json_write_string(w, work->model);
    json_write_key(w, "images_read");
    json_write_integer(w, (int64_t)work->evaluation->n_images);
    json_write_key(w, "images_skipped");
    json_write_integer(w, (int64_t)work->evaluation->n_skipped);
    json_write_key(w, "milliseconds");
    json_begin_object(w);
    for (int i = 0; i < 3; i++) {
        json_write_key(w, phases[i]);
        json_write_number(w, milliseconds(work->evaluation, i));
    }
    json_end_object(w);
}

static void print_json(const struct coco_result *r, const struct work *work)
{
    struct json_writer w = {.stream = stdout, .indent = 2};
    json_begin_object(&w);
    if (work)
        print_work_json(&w, work);
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

static void print_work(struct str *text, const struct work *work)
{
    const struct evaluation *e = work->evaluation;
    const double ms[3] = {milliseconds(e, 0), milliseconds(e, 1), milliseconds(e, 2)};
    str_printf(text, "\n%-20s  %s\n", "network", work->model);
    str_printf(text, "%-20s  %zu", "pictures", e->n_images);
    if (e->n_skipped)
        str_printf(text, ", %zu more could not be read", e->n_skipped);
    str_printf(text, "\n%-20s  %zu\n", "people found", e->n_people);
    str_printf(text, "%-20s  %.1f = %.1f prepare + %.1f network + %.1f decode\n", "ms a picture",
               ms[0] + ms[1] + ms[2], ms[0], ms[1], ms[2]);
}

/* Print the outcome, and record it in the results folder if there is one. */
static int report(struct run *run, const struct coco_result *r, const struct work *work)
{
    if (run->common->json) {
        print_json(r, work);
    } else {
        struct str text = {0};
        coco_print_summary(&text, r);
        str_append(&text, "\n");
        coco_print_breakdown(&text, r);
        if (work)
            print_work(&text, work);
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

static int score_files(struct run *run, const struct args *args, const char *annotations)
{
    struct coco *coco = NULL;
    struct score_set set = {0};
    struct coco_result result;
    struct results_report left_out;
    const struct coco_options load = {.segmentations = false};
    int err = coco_load(&coco, annotations, &load);
    if (err == BPNET_OK && args->sources)
        err = coco_keep_sources(coco, args->sources);
    if (err < 0 || (err = score_set_init(&set, coco, (size_t)args->max_images)) < 0 ||
        (err = score_set_read_results(&set, args->results, &left_out)) < 0)
        goto done;
    if (left_out.n_other_images && !args->max_images && !args->sources)
        log_warning("%s: %zu results are of pictures that %s does not have; they are left out",
                    args->results, left_out.n_other_images, annotations);
    if (left_out.n_other_category)
        log_warning("%s: %zu results are not of category %lld; they are left out", args->results,
                    left_out.n_other_category, (long long)set.category_id);
    if ((err = score_set_evaluate(&set, &result)) == 0)
        err = report(run, &result, NULL);
done:
    score_set_free(&set);
    coco_free(coco);
    return err;
}

struct watcher {
    const struct run *run;
    struct progress progress;
};

static int watch(void *ctx, size_t done, size_t total)
{
    struct watcher *w = ctx;
    progress_update(&w->progress, done, total, "pictures", "");
    return run_check_stop(w->run);
}

/* Paths of the detections below the results folder; all NULL when there is none. */
static int name_outputs(const struct run *run, char **native, char **coco)
{
    *native = *coco = NULL;
    if (!run->common->results_dir || run->common->dry_run)
        return BPNET_OK;
    *native = path_join(run->common->results_dir, "detections.json");
    *coco = path_join(run->common->results_dir, "detections_coco_format.json");
    return *native && *coco ? BPNET_OK : BPNET_ENOMEM;
}

static int run_network(struct run *run, const struct args *args, const struct subject *subject)
{
    struct network network = {0};
    struct evaluation evaluation;
    char *native = NULL, *coco = NULL;
    int err = network_open(&network, run, args->model, args->inference_spec);
    if (err < 0 || (err = name_outputs(run, &native, &coco)) < 0)
        goto done;
    if (!args->model && args->inference_spec)
        log_info("the spec's model is taken: %s", network.model_path);
    struct watcher watcher = {.run = run};
    progress_start(&watcher.progress, run->common->quiet, 10);
    const struct evaluate_options how = {.annotations = subject->annotations,
                                         .images_root = subject->images,
                                         .sources = args->sources,
                                         .max_images =
                                             run->common->dry_run ? 1 : (size_t)args->max_images,
                                         .detections_path = native,
                                         .detections_coco_path = coco,
                                         .spec_text = network.spec->text,
                                         .progress = watch,
                                         .ctx = &watcher};
    err = evaluate_net(&evaluation, &network.net, &network.options, network.workers, &how);
    progress_clear(&watcher.progress);
    const struct work work = {&evaluation, network.model_path};
    if (err == 0)
        err = report(run, &evaluation.coco, &work);
done:
    free(native);
    free(coco);
    network_close(&network);
    return err;
}

static int run_evaluate(struct run *run, const void *a)
{
    const struct args *args = a;
    struct subject subject;
    int err = subject_init(&subject, run, args);
    if (err == 0)
        err = args->results ? score_files(run, args, subject.annotations)
                            : run_network(run, args, &subject);
    subject_free(&subject);
    return err;
}

static const char *const examples[] = {
    "bpnet evaluate -i infer.yaml -m model.bpnet -d dataset.json -r out/eval",
    "as the specs say; detections, results.csv and status.json go to out/eval",
    "bpnet evaluate --annotations val.json --images val/ --set input_shape=[368,432]",
    "the shipped network, without any spec",
    "bpnet evaluate --annotations person_keypoints_val2017.json --results results.json",
    "score results that exist already",
    NULL,
};

const struct verb cmd_evaluate = {
    .name = "evaluate",
    .group = "Find people",
    .summary = "score a network, or results, by COCO's rules",
    .description =
        "Run a network over annotated pictures and compute COCO's keypoint AP and AR, or "
        "compute them of results that exist. The figures are those of pycocotools.",
    .examples = examples,
    .options = {options, sizeof(options) / sizeof(options[0])},
    .args_size = sizeof(struct args),
    .run = run_evaluate,
};
