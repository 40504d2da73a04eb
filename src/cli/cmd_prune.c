/* bpnet prune: remove the filters that matter least (spec part 8). */
#include "cli/cmd.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/load_model.h"
#include "cli/progress.h"
#include "cli/prune_report.h"
#include "cli/prune_sweep.h"
#include "io/file.h"
#include "prune/stages.h"
#include "prune/threshold.h"
#include "train/taylor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct args {
    struct common_args common;
    const char *model, *output;
    const char *normalizer, *criterion, *score;
    double threshold, target_macs, target_parameters;
    bool by_threshold, by_macs, by_parameters; /* they were given */
    int64_t stages;                            /* 0: all */
    int64_t granularity, min_filters;
    struct text_list excluded;
    const char *train_spec;
    int64_t batches;
    const char *sweep;
    struct sweep_data data;
    int64_t max_images;
    bool summary, verbose;
};

#define AT(member) offsetof(struct args, member)

/* In the order of their enums. */
static const char *const normalizers[] = {"max", "L2", "none", NULL};
static const char *const criteria[] = {"union", "intersection", "arithmetic_mean", "geometric_mean",
                                       NULL};
static const char *const scores[] = {"l2", "l1", "bn", "taylor", NULL};

static const struct option options[] = {
    {"model", "m", OPTION_TEXT, AT(model), "FILE", .help = "trained model or checkpoint",
     .required = true},
    {"output_file", "o", OPTION_TEXT, AT(output), "FILE",
     .help = "the pruned model, under exactly this name"},
    {"pruning_threshold", "pth", OPTION_NUMBER, AT(threshold), "X",
     .help = "filters scored above it stay", .preset = "0.1", .given = AT(by_threshold)},
    {"target-macs", NULL, OPTION_NUMBER, AT(target_macs), "SHARE",
     .help = "instead: the threshold that leaves this share of the MACs", .given = AT(by_macs)},
    {"target-params", NULL, OPTION_NUMBER, AT(target_parameters), "SHARE",
     .help = "instead: the one that leaves this share of the parameters",
     .given = AT(by_parameters)},
    {"stages", NULL, OPTION_INTEGER, AT(stages), "N",
     .help = "only the first N stages stay; alone, no filters go; targets are shares of the model "
             "with all stages",
     .low = 1, .high = GRAPH_MAX_OUTPUTS / 2},
    {"score", NULL, OPTION_TEXT, AT(score), "KIND",
     .help = "a filter's score: l2 or l1 of its kernel, bn: its batch norm's scale, taylor: what "
             "the loss would change by, from gradients (-e)",
     .preset = "l2", .choices = scores},
    {"normalizer", "n", OPTION_TEXT, AT(normalizer), "KIND",
     .help = "how scores of different layers are made comparable", .preset = "max",
     .choices = normalizers},
    {"equalization_criterion", "eq", OPTION_TEXT, AT(criterion), "KIND",
     .help = "how layers agree whose maps are added or multiplied", .preset = "union",
     .choices = criteria},
    {"pruning_granularity", "pg", OPTION_INTEGER, AT(granularity), "N",
     .help = "as many filters stay as a multiple of N", .preset = "8", .low = 1,
     .high = GRAPH_MAX_CHANNELS},
    {"min_num_filters", "nf", OPTION_INTEGER, AT(min_filters), "N",
     .help = "at least so many filters stay in a layer", .preset = "16", .low = 1,
     .high = GRAPH_MAX_CHANNELS},
    {"excluded_layers", "el", OPTION_WORDS, AT(excluded), "NAME …",
     .help = "layers that stay whole; the outputs always do"},
    {"experiment_spec_file", "e", OPTION_TEXT, AT(train_spec), "FILE",
     .help = "for --score taylor: experiment spec whose records are taken"},
    {"batches", NULL, OPTION_INTEGER, AT(batches), "N",
     .help = "for --score taylor: so many batches", .preset = "16", .low = 1, .high = 1e6},
    {"sweep", NULL, OPTION_TEXT, AT(sweep), "X,X,…",
     .help =
         "only tell what these thresholds would leave; with -r also as sweep.csv and sweep.svg"},
    {"inference_spec", "i", OPTION_TEXT, AT(data.inference_spec), "FILE",
     .help = "for --sweep: measure the AP, so run"},
    {"annotations", NULL, OPTION_TEXT, AT(data.annotations), "FILE",
     .help = "for --sweep: measure the AP on these people, a COCO keypoint file"},
    {"images", NULL, OPTION_TEXT, AT(data.images), "DIR", .help = "and the folder of its pictures"},
    {"max_images", NULL, OPTION_INTEGER, AT(max_images), "N",
     .help = "only the first N pictures; 0: all", .preset = "0", .low = 0, .high = 1e9},
    {"summary", NULL, OPTION_FLAG, AT(summary), .help = "totals only, no layers"},
    {"verbose", "v", OPTION_FLAG, AT(verbose), .help = "also tell the groups of layers"},
};

static int choice(const char *const *names, const char *name)
{
    int i = 0;
    while (names[i] != name) /* opt_parse() returns the very pointer */
        i++;
    return i;
}

static bool wants_taylor(const struct args *args)
{
    return choice(scores, args->score) == FILTER_SCORE_GIVEN;
}

/* ---- before anything is done --------------------------------------------------------------- */

static int check_output(const struct args *args)
{
    if (args->sweep)
        return args->output ? error_set(BPNET_EUSAGE, "prune: --sweep writes no model; leave -o "
                                                      "away, or --sweep")
                            : BPNET_OK;
    if (!args->output)
        return args->common.dry_run
                   ? BPNET_OK
                   : error_set(BPNET_EUSAGE, "prune: name the pruned model with -o FILE");
    if (file_same(args->model, args->output))
        return error_set(BPNET_EUSAGE, "prune: the output is the model itself, %s; name another",
                         args->output);
    return args->common.dry_run ? BPNET_OK : file_check_output(args->output);
}

static bool is_share(double x)
{
    return x > 0.0 && x < 1.0;
}

static int check_goal(const struct args *args)
{
    if (args->by_macs && args->by_parameters)
        return error_set(BPNET_EUSAGE, "prune: --target-macs and --target-params: one at a time");
    if (args->by_macs && !is_share(args->target_macs))
        return error_set(BPNET_EUSAGE, "prune: --target-macs %g: expected a share between 0 and 1",
                         args->target_macs);
    if (args->by_parameters && !is_share(args->target_parameters))
        return error_set(BPNET_EUSAGE,
                         "prune: --target-params %g: expected a share between 0 and 1",
                         args->target_parameters);
    return BPNET_OK;
}

static int check_args(const struct args *args)
{
    if (args->threshold < 0.0)
        return error_set(BPNET_EUSAGE, "prune: --pruning_threshold %g: expected 0 or more",
                         args->threshold);
    const int err = check_goal(args);
    if (err < 0)
        return err;
    if (wants_taylor(args) && !args->train_spec)
        return error_set(BPNET_EUSAGE, "prune: --score taylor needs training data: name an "
                                       "experiment spec with -e FILE");
    if (!args->data.annotations != !args->data.images ||
        (args->data.inference_spec && !args->data.annotations))
        return error_set(BPNET_EUSAGE, "prune: to measure the AP name both --annotations FILE and "
                                       "--images DIR");
    if (args->data.annotations && !args->sweep)
        return error_set(BPNET_EUSAGE, "prune: the AP is measured in a --sweep only");
    if (args->common.set.n && args->train_spec && args->data.annotations)
        return error_set(BPNET_EUSAGE, "prune: --set could mean a key of either spec; write it "
                                       "into that spec");
    return check_output(args);
}

/* ---- what is pruned ------------------------------------------------------------------------ */

struct subject {
    struct model *whole;   /* as it was loaded */
    struct model *shorter; /* of fewer stages; NULL: all stay */
    struct taylor_scores given;
    const double **scores;  /* the given ones by the shorter model's nodes */
    struct prune_cost cost; /* of the whole */
    struct pruner *pruner;
};

static const struct model *subject_model(const struct subject *s)
{
    return s->shorter ? s->shorter : s->whole;
}

static int drop_stages(struct subject *s, int stages)
{
    int *origin;
    int err = stages_keep(&s->shorter, &origin, s->whole, stages);
    if (err < 0)
        return error_prefix(err, "prune: --stages");
    const int n = s->shorter->graph.n_nodes;
    s->scores = calloc((size_t)n, sizeof *s->scores);
    if (!s->scores)
        err = error_set(BPNET_ENOMEM, "no memory for scores of %d layers", n);
    for (int i = 0; s->scores && s->given.of && i < n; i++)
        s->scores[i] = s->given.of[origin[i]];
    free(origin);
    return err;
}

static void subject_close(struct subject *s)
{
    pruner_close(s->pruner);
    free(s->scores);
    taylor_scores_free(&s->given);
    model_free(s->shorter);
    model_free(s->whole);
}

/* ---- threshold ----------------------------------------------------------------------------- */

/* A share of the whole model; fewer stages may be less already. */
static int threshold_for_share(double *out, const struct subject *s, enum prune_goal goal,
                               double share)
{
    const struct prune_cost now = pruner_cost(s->pruner);
    const double of_rest = share / prune_share(goal, &now, &s->cost);
    *out = 0.0;
    return of_rest < 1.0 ? threshold_for_goal(out, s->pruner, goal, of_rest) : BPNET_OK;
}

static int choose_threshold(double *out, const struct subject *s, const struct args *args)
{
    if (args->by_macs)
        return threshold_for_share(out, s, GOAL_MACS, args->target_macs);
    if (args->by_parameters)
        return threshold_for_share(out, s, GOAL_PARAMETERS, args->target_parameters);
    *out = args->stages && !args->by_threshold ? 0.0 : args->threshold;
    return BPNET_OK;
}

/* Thresholds outside of the range are legal, but hardly what was meant. */
static void warn_of_threshold(double threshold, const struct threshold_range *range)
{
    const char *story = threshold < range->low ? "removes nothing"
                        : threshold >= range->high
                            ? "leaves only the minimum of filters in every layer"
                            : NULL;
    if (story)
        log_warning("a threshold of %g %s; for this model those from %.6g to %.6g make a "
                    "difference",
                    threshold, story, range->low, range->high);
}

/* ---- importance by gradients --------------------------------------------------------------- */

static void watch(void *ctx, int done, int total)
{
    progress_update(ctx, (size_t)done, (size_t)total, "batches", "");
}

static int score_by_taylor(struct taylor_scores *out, const struct run *run,
                           const struct args *args, int stages)
{
    const struct spec_overrides overrides = {run->common->set.items, run->common->set.n};
    struct experiment_spec *spec = NULL;
    struct progress progress;
    int err = experiment_spec_load(&spec, args->train_spec, &overrides);
    if (err < 0)
        return err;
    const struct taylor_options how = {.model = args->model,
                                       .stages = stages,
                                       .batches = (int)args->batches,
                                       .threads = (unsigned)run->common->threads,
                                       .cpu = run->cpu,
                                       .key = run->key,
                                       .stop = run->stop,
                                       .progress = watch,
                                       .ctx = &progress};
    progress_start(&progress, run->common->quiet, 10);
    err = taylor_score(out, spec, &how);
    progress_clear(&progress);
    experiment_spec_free(spec);
    return err;
}

/* ---- running ------------------------------------------------------------------------------- */

static void print_json(const struct args *args, const struct prune_plan *plan,
                       const struct threshold_range *range, const struct prune_report *report)
{
    struct json_writer w = {.stream = stdout, .indent = 2};
    json_begin_object(&w);
    json_write_key(&w, "model");
    json_write_string(&w, args->model);
    json_write_key(&w, "output");
    if (args->output && !args->common.dry_run)
        json_write_string(&w, args->output);
    else
        json_write_null(&w);
    json_write_key(&w, "threshold");
    json_write_number(&w, plan->threshold);
    json_write_key(&w, "useful_from");
    json_write_number(&w, range->low);
    json_write_key(&w, "useful_to");
    json_write_number(&w, range->high);
    prune_report_write(&w, report);
    json_end_object(&w);
    printf("\n");
}

static int report(struct run *run, const struct args *args, const struct subject *s,
                  const struct prune_plan *plan, const struct prune_options *how,
                  const struct threshold_range *range)
{
    struct prune_report table;
    const int err = prune_report_make(&table, s->whole, subject_model(s), s->pruner, plan, how);
    if (err < 0)
        return err;
    if (run->common->json) {
        print_json(args, plan, range, &table);
    } else {
        prune_report_print(&table, args->summary);
        printf("%-11s %.15g\n", "threshold", plan->threshold);
    }
    run_add_kpi(run, "parameters", (double)table.after.parameters);
    run_add_kpi(run, "parameters_ratio", prune_share(GOAL_PARAMETERS, &table.after, &table.before));
    run_add_kpi(run, "macs", (double)table.after.macs);
    run_add_kpi(run, "macs_ratio", prune_share(GOAL_MACS, &table.after, &table.before));
    prune_report_free(&table);
    return BPNET_OK;
}

static int save(const struct run *run, const struct args *args, const struct pruner *p,
                const struct prune_plan *plan)
{
    struct model *pruned;
    int err = pruner_apply(&pruned, p, plan);
    if (err == 0 && !args->common.dry_run)
        err = model_save(pruned, args->output, run->key);
    model_free(pruned);
    return err;
}

/* At one threshold: the model, and what became of it. */
static int prune_once(struct run *run, const struct args *args, const struct subject *s,
                      const struct prune_options *how)
{
    struct prune_plan plan = {0};
    struct threshold_range range;
    double threshold;
    int err;
    if ((err = threshold_range_find(&range, s->pruner)) < 0 ||
        (err = choose_threshold(&threshold, s, args)) < 0 ||
        (err = pruner_plan(&plan, s->pruner, threshold)) < 0)
        return err;
    if (!args->by_macs && !args->by_parameters && !(args->stages && !args->by_threshold))
        warn_of_threshold(threshold, &range);
    if ((err = save(run, args, s->pruner, &plan)) == 0)
        err = report(run, args, s, &plan, how, &range);
    prune_plan_close(&plan);
    return err;
}

static int open_subject(struct subject *s, const struct run *run, const struct args *args)
{
    int err = load_model(&s->whole, run, args->model);
    if (err == BPNET_OK && wants_taylor(args))
        err = score_by_taylor(&s->given, run, args, s->whole->meta.stages);
    if (err == BPNET_OK && args->stages)
        err = drop_stages(s, (int)args->stages);
    return err;
}

static int run_prune(struct run *run, const void *a)
{
    const struct args *args = a;
    struct subject subject = {0};
    struct sweep_data data = args->data;
    data.max_images = (size_t)args->max_images;
    int err = check_args(args);
    if (err < 0 || (err = open_subject(&subject, run, args)) < 0)
        goto done;
    const struct model_meta *meta = &subject.whole->meta;
    const struct prune_options how = {
        .score = (enum filter_score)choice(scores, args->score),
        .given = subject.shorter ? subject.scores : (const double *const *)subject.given.of,
        .norm = (enum score_norm)choice(normalizers, args->normalizer),
        .join = (enum score_join)choice(criteria, args->criterion),
        .granularity = (int)args->granularity,
        .min_filters = (int)args->min_filters,
        .excluded = args->excluded.items,
        .n_excluded = args->excluded.n,
        .input_h = meta->input_h,
        .input_w = meta->input_w,
    };
    if ((err = prune_cost_of(&subject.cost, &subject.whole->graph, how.input_h, how.input_w)) < 0 ||
        (err = pruner_open(&subject.pruner, subject_model(&subject), &how)) < 0)
        goto done;
    if (args->verbose)
        prune_report_groups(&subject_model(&subject)->graph, subject.pruner);
    err = args->sweep ? prune_sweep(run, subject.pruner, args->sweep, &data)
                      : prune_once(run, args, &subject, &how);
done:
    subject_close(&subject);
    return err;
}

static const char *const examples[] = {
    "bpnet prune -m model.bpnet -o pruned.bpnet -pth 0.05",
    "remove filters whose norm is below 5 % of their layer's largest; then retrain with "
    "pretrained_weights: pruned.bpnet and load_graph: true",
    "bpnet prune -m model.bpnet -o pruned.bpnet --target-macs 0.5",
    "find the threshold that halves the work",
    "bpnet prune -m model.bpnet -o pruned.bpnet --target-macs 0.5 --score taylor -e train.yaml",
    "the same, judging filters by the loss on training data",
    "bpnet prune -m model.bpnet --sweep 0.6,0.7,0.8,0.9 --annotations val.json --images val/ -r "
    "out",
    "what would remain at several thresholds, as out/sweep.csv and out/sweep.svg",
    NULL,
};

const struct verb cmd_prune = {
    .name = "prune",
    .group = "Make a network",
    .summary = "remove the filters that matter least",
    .description =
        "Remove whole filters of a trained network and write the smaller one, which every verb "
        "takes like any other. It is less accurate until it has been trained again.",
    .examples = examples,
    .options = {options, sizeof(options) / sizeof(options[0])},
    .args_size = sizeof(struct args),
    .run = run_prune,
};
