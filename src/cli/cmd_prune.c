/* bpnet prune: remove the filters that matter least (spec part 8). */
#include "cli/cmd.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/prune_report.h"
#include "io/file.h"
#include "prune/threshold.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct args {
    struct common_args common;
    const char *model, *output;
    const char *normalizer, *criterion, *score;
    double threshold, target_macs, target_parameters;
    int64_t granularity, min_filters;
    struct text_list excluded;
    bool summary, verbose;
};

#define AT(member) offsetof(struct args, member)

/* In the order of their enums. */
static const char *const normalizers[] = {"max", "L2", "none", NULL};
static const char *const criteria[] = {"union", "intersection", "arithmetic_mean", "geometric_mean",
                                       NULL};
static const char *const scores[] = {"l2", "l1", "bn", NULL};

static const struct option options[] = {
    {"model", "m", OPTION_TEXT, AT(model), "FILE", .help = "trained model or checkpoint",
     .required = true},
    {"output_file", "o", OPTION_TEXT, AT(output), "FILE",
     .help = "the pruned model, under exactly this name"},
    {"pruning_threshold", "pth", OPTION_NUMBER, AT(threshold), "X",
     .help = "filters scored above it stay", .preset = "0.1"},
    {"target-macs", NULL, OPTION_NUMBER, AT(target_macs), "SHARE",
     .help = "instead: the threshold that leaves this share of the MACs"},
    {"target-params", NULL, OPTION_NUMBER, AT(target_parameters), "SHARE",
     .help = "instead: the one that leaves this share of the parameters"},
    {"score", NULL, OPTION_TEXT, AT(score), "KIND",
     .help = "a filter's score: l2 or l1 of its kernel, bn: of its batch norm's scale",
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

/* ---- before anything is done --------------------------------------------------------------- */

static bool same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

static int check_output(const struct args *args)
{
    if (!args->output)
        return args->common.dry_run
                   ? BPNET_OK
                   : error_set(BPNET_EUSAGE, "prune: name the pruned model with -o FILE");
    if (same_file(args->model, args->output))
        return error_set(BPNET_EUSAGE, "prune: the output is the model itself, %s; name another",
                         args->output);
    if (folder_exists(args->output))
        return error_set(BPNET_ECREATE, "%s: is a folder", args->output);
    char *folder = path_folder(args->output);
    if (!folder)
        return BPNET_ENOMEM;
    const int err = args->common.dry_run || access(folder, W_OK) == 0
                        ? BPNET_OK
                        : error_set_errno(BPNET_ECREATE, "%s", args->output);
    free(folder);
    return err;
}

static int check_args(const struct args *args)
{
    if (args->threshold < 0.0)
        return error_set(BPNET_EUSAGE, "prune: --pruning_threshold %g: expected 0 or more",
                         args->threshold);
    if (args->target_macs != 0.0 && args->target_parameters != 0.0)
        return error_set(BPNET_EUSAGE, "prune: --target-macs and --target-params: one at a time");
    return check_output(args);
}

/* ---- threshold ----------------------------------------------------------------------------- */

static int choose_threshold(double *out, const struct pruner *p, const struct args *args)
{
    if (args->target_macs != 0.0)
        return threshold_for_goal(out, p, GOAL_MACS, args->target_macs);
    if (args->target_parameters != 0.0)
        return threshold_for_goal(out, p, GOAL_PARAMETERS, args->target_parameters);
    *out = args->threshold;
    return BPNET_OK;
}

/* Thresholds outside of the range are legal, but hardly what was meant. */
static void warn_of_threshold(double threshold, const struct threshold_range *range)
{
    if (threshold >= range->high && range->high > range->low)
        log_warning("every score is below a threshold of %g or hardly above: only the minimum "
                    "of filters remains; for this model thresholds from %.6g to %.6g make a "
                    "difference",
                    threshold, range->low, range->high);
    else if (threshold < range->low)
        log_warning("a threshold of %g removes nothing; for this model thresholds from %.6g to "
                    "%.6g make a difference",
                    threshold, range->low, range->high);
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

static int report(struct run *run, const struct args *args, const struct model *model,
                  const struct pruner *p, const struct prune_plan *plan,
                  const struct prune_options *how, const struct threshold_range *range)
{
    struct prune_report table;
    const int err = prune_report_make(&table, model, p, plan, how);
    if (err < 0)
        return err;
    if (run->common->json) {
        print_json(args, plan, range, &table);
    } else {
        prune_report_print(&table, args->summary);
        printf("%-11s %.6g\n", "threshold", plan->threshold);
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

static int run_prune(struct run *run, const void *a)
{
    const struct args *args = a;
    struct model *model = NULL;
    struct pruner *pruner = NULL;
    struct prune_plan plan = {0};
    struct threshold_range range;
    double threshold;
    int err = check_args(args);
    if (err < 0 || (err = model_load(&model, args->model, run->key)) < 0)
        return err;
    const struct prune_options how = {
        .score = (enum filter_score)choice(scores, args->score),
        .norm = (enum score_norm)choice(normalizers, args->normalizer),
        .join = (enum score_join)choice(criteria, args->criterion),
        .granularity = (int)args->granularity,
        .min_filters = (int)args->min_filters,
        .excluded = args->excluded.items,
        .n_excluded = args->excluded.n,
        .input_h = model->meta.input_h,
        .input_w = model->meta.input_w,
    };
    if ((err = pruner_open(&pruner, model, &how)) < 0 ||
        (err = threshold_range_find(&range, pruner)) < 0 ||
        (err = choose_threshold(&threshold, pruner, args)) < 0 ||
        (err = pruner_plan(&plan, pruner, threshold)) < 0)
        goto done;
    warn_of_threshold(threshold, &range);
    if ((err = save(run, args, pruner, &plan)) == 0)
        err = report(run, args, model, pruner, &plan, &how, &range);
done:
    prune_plan_close(&plan);
    pruner_close(pruner);
    model_free(model);
    return err;
}

static const char *const examples[] = {
    "bpnet prune -m model.bpnet -o pruned.bpnet -pth 0.05",
    "remove filters whose norm is below 5 % of their layer's largest; then retrain with "
    "pretrained_weights: pruned.bpnet and load_graph: true",
    "bpnet prune -m model.bpnet -o pruned.bpnet --target-macs 0.5",
    "find the threshold that halves the work",
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
