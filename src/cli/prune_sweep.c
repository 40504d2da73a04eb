/* A table of thresholds: costs, and AP where there is data. */
#include "cli/prune_sweep.h"

#include "base/error.h"
#include "base/str.h"
#include "cli/open_network.h"
#include "cli/progress.h"
#include "cli/sweep_plot.h"
#include "eval/evaluate.h"
#include "io/file.h"
#include "io/json.h"
#include "prune/threshold.h"

#include <math.h>
#include <stdlib.h>

enum { MAX_THRESHOLDS = 256 };

struct sweep {
    struct run *run;
    const struct pruner *pruner;
    const struct sweep_data *data;
    double thresholds[MAX_THRESHOLDS + 1];
    struct sweep_row rows[MAX_THRESHOLDS + 1]; /* the first is the network as it is */
    size_t n;
    struct progress progress;
};

/* ---- thresholds ---------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* After a 0 for the network as it is, ascending. */
static int parse_thresholds(struct sweep *s, const char *list)
{
    const char *at = list;
    s->n = 1;
    do {
        char *end;
        const double value = strtod(at, &end);
        if (end == at || (*end && *end != ',') || !(value >= 0.0 && value < INFINITY))
            return error_set(BPNET_EUSAGE,
                             "prune: --sweep '%s': expected thresholds of 0 or more, separated by "
                             "commas",
                             list);
        if (s->n > MAX_THRESHOLDS)
            return error_set(BPNET_ELIMIT, "prune: --sweep: more than %d thresholds",
                             MAX_THRESHOLDS);
        s->thresholds[s->n++] = value;
        at = *end ? end + 1 : end;
    } while (*at);
    qsort(s->thresholds + 1, s->n - 1, sizeof s->thresholds[0], compare);
    return BPNET_OK;
}

/* ---- measuring ----------------------------------------------------------------------------- */

static int watch(void *ctx, size_t done, size_t total)
{
    struct sweep *s = ctx;
    progress_update(&s->progress, done, total, "pictures", "");
    return run_check_stop(s->run);
}

/* Takes the model over. */
static int measure(double *ap, struct sweep *s, struct model *model)
{
    struct network network;
    struct evaluation evaluation;
    int err = network_open_model(&network, s->run, model, s->data->inference_spec);
    if (err < 0)
        return err;
    const struct evaluate_options how = {.annotations = s->data->annotations,
                                         .images_root = s->data->images,
                                         .max_images = s->data->max_images,
                                         .progress = watch,
                                         .ctx = s};
    progress_start(&s->progress, s->run->common->quiet, 10);
    err = evaluate_net(&evaluation, &network.net, &network.options, network.workers, &how);
    progress_clear(&s->progress);
    if (err == BPNET_OK)
        *ap = evaluation.coco.metric[AP_ALL];
    network_close(&network);
    return err;
}

static int fill_row(struct sweep *s, struct sweep_row *row, double threshold, bool original)
{
    const struct prune_cost before = pruner_cost(s->pruner);
    struct prune_plan plan;
    struct model *pruned = NULL;
    int err =
        original ? pruner_plan_whole(&plan, s->pruner) : pruner_plan(&plan, s->pruner, threshold);
    if (err < 0)
        return err;
    const struct prune_cost after = plan.cost;
    *row = (struct sweep_row){.threshold = threshold,
                              .parameters = after.parameters,
                              .macs = after.macs,
                              .parameters_share = prune_share(GOAL_PARAMETERS, &after, &before),
                              .macs_share = prune_share(GOAL_MACS, &after, &before),
                              .ap = NAN};
    if (s->data->annotations) {
        if ((err = pruner_apply(&pruned, s->pruner, &plan)) == BPNET_OK)
            err = measure(&row->ap, s, pruned);
    }
    prune_plan_close(&plan);
    return err;
}

/* ---- telling ------------------------------------------------------------------------------- */

static void print_table(const struct sweep *s)
{
    const bool measured = s->data->annotations != NULL;
    printf("%9s  %12s %8s  %14s %8s%s\n", "threshold", "parameters", "remain", "MACs", "remain",
           measured ? "       AP" : "");
    for (size_t i = 0; i < s->n; i++) {
        const struct sweep_row *r = &s->rows[i];
        if (i == 0)
            printf("%9s", "none");
        else
            printf("%9.6g", r->threshold);
        printf("  %12zu %6.2f %%  %14lld %6.2f %%", r->parameters, 100 * r->parameters_share,
               r->macs, 100 * r->macs_share);
        if (measured)
            printf("  %7.4f", r->ap);
        printf("\n");
    }
}

static void print_json(const struct sweep *s)
{
    struct json_writer w = {.stream = stdout, .indent = 2};
    json_begin_array(&w);
    for (size_t i = 0; i < s->n; i++) {
        const struct sweep_row *r = &s->rows[i];
        json_begin_object(&w);
        json_write_key(&w, "threshold");
        if (i == 0)
            json_write_null(&w);
        else
            json_write_number(&w, r->threshold);
        json_write_key(&w, "parameters");
        json_write_integer(&w, (int64_t)r->parameters);
        json_write_key(&w, "parameters_ratio");
        json_write_number(&w, r->parameters_share);
        json_write_key(&w, "macs");
        json_write_integer(&w, r->macs);
        json_write_key(&w, "macs_ratio");
        json_write_number(&w, r->macs_share);
        json_write_key(&w, "AP");
        json_write_number(&w, r->ap); /* null when it was not measured */
        json_end_object(&w);
    }
    json_end_array(&w);
    printf("\n");
}

static int write_csv(const struct sweep *s, const char *path)
{
    struct outfile out;
    const int err = outfile_open(&out, path);
    if (err < 0)
        return err;
    outfile_printf(&out, "threshold,parameters,parameters_ratio,macs,macs_ratio,AP\n");
    for (size_t i = 0; i < s->n; i++) {
        const struct sweep_row *r = &s->rows[i];
        if (i > 0)
            outfile_printf(&out, "%.9g", r->threshold);
        outfile_printf(&out, ",%zu,%.6f,%lld,%.6f,", r->parameters, r->parameters_share, r->macs,
                       r->macs_share);
        if (!isnan(r->ap))
            outfile_printf(&out, "%.6f", r->ap);
        outfile_printf(&out, "\n");
    }
    return outfile_commit(&out);
}

static int write_files(const struct sweep *s)
{
    const char *folder = s->run->common->results_dir;
    if (!folder || s->run->common->dry_run)
        return BPNET_OK;
    char *csv = path_join(folder, "sweep.csv"), *svg = path_join(folder, "sweep.svg");
    int err = csv && svg ? write_csv(s, csv) : BPNET_ENOMEM;
    if (err == BPNET_OK)
        err = sweep_plot_write(svg, s->rows, s->n);
    free(csv);
    free(svg);
    return err;
}

int prune_sweep(struct run *run, const struct pruner *p, const char *list,
                const struct sweep_data *data)
{
    struct sweep s = {.run = run, .pruner = p, .data = data};
    int err = parse_thresholds(&s, list);
    for (size_t i = 0; i < s.n && err == BPNET_OK; i++)
        err = fill_row(&s, &s.rows[i], s.thresholds[i], i == 0);
    if (err < 0)
        return err;
    if (run->common->json)
        print_json(&s);
    else
        print_table(&s);
    return write_files(&s);
}
