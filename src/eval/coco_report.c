/* Printing evaluations. */
#include "eval/coco_report.h"

#include "io/file.h"

static const struct {
    const char *name; /* in status.json */
    const char *metric, *iou, *area;
} rows[COCO_METRICS] = {
    [AP_ALL] = {"AP_0.50:0.95_all", "AP", "0.50:0.95", "all"},
    [AP_50] = {"AP_0.5", "AP", "0.50", "all"},
    [AP_75] = {"AP_0.75", "AP", "0.75", "all"},
    [AP_MEDIUM] = {"AP_0.50:0.95_medium", "AP", "0.50:0.95", "medium"},
    [AP_LARGE] = {"AP_0.50:0.95_large", "AP", "0.50:0.95", "large"},
    [AR_ALL] = {"AR_0.50:0.95_all", "AR", "0.50:0.95", "all"},
    [AR_50] = {"AR_0.5", "AR", "0.50", "all"},
    [AR_75] = {"AR_0.75", "AR", "0.75", "all"},
    [AR_MEDIUM] = {"AR_0.50:0.95_medium", "AR", "0.50:0.95", "medium"},
    [AR_LARGE] = {"AR_0.50:0.95_large", "AR", "0.50:0.95", "large"},
};

const char *coco_metric_name(enum coco_metric metric)
{
    return rows[metric].name;
}

void coco_print_summary(struct str *out, const struct coco_result *r)
{
    for (int i = 0; i < COCO_METRICS; i++) {
        const bool precision = i < COCO_METRICS / 2;
        str_printf(out, " %-18s (%s) @[ IoU=%-9s | area=%6s | maxDets=%3d ] = %.3f\n",
                   precision ? "Average Precision" : "Average Recall", rows[i].metric, rows[i].iou,
                   rows[i].area, COCO_MAX_DETECTIONS, r->metric[i]);
    }
}

/* "0.123", or "-" for what has no value. */
static void print_score(struct str *out, double value)
{
    if (value < 0)
        str_printf(out, "  %6s", "-");
    else
        str_printf(out, "  %6.3f", value);
}

void coco_print_breakdown(struct str *out, const struct coco_result *r)
{
    static const struct {
        const char *name;
        enum coco_metric ap, ar;
    } sizes[COCO_SIZES] = {
        [SIZE_ALL] = {"all", AP_ALL, AR_ALL},
        [SIZE_MEDIUM] = {"medium (32..96 px)", AP_MEDIUM, AR_MEDIUM},
        [SIZE_LARGE] = {"large (over 96 px)", AP_LARGE, AR_LARGE},
    };
    str_printf(out, "%-20s  %6s  %6s  %6s\n", "people by size", "people", "AP", "AR");
    for (int i = 0; i < COCO_SIZES; i++) {
        str_printf(out, "%-20s  %6zu", sizes[i].name, r->n_counted[i]);
        print_score(out, r->metric[sizes[i].ap]);
        print_score(out, r->metric[sizes[i].ar]);
        str_append(out, "\n");
    }
    str_printf(out, "\n%-20s  %6s  %6s\n", "joints of matched", "n", "mean");
    for (int i = 0; i < COCO_KEYPOINTS; i++) {
        str_printf(out, "%-20s  %6zu", coco_keypoint_names[i], r->joint[i].n);
        print_score(out, r->joint[i].mean_oks);
        str_append(out, "\n");
    }
}

int coco_write_csv(const char *path, const struct coco_result *r)
{
    struct outfile out;
    int err = outfile_open(&out, path);
    if (err < 0)
        return err;
    err = outfile_printf(&out, "index,metric,IoU,area,maxDets,score\n");
    for (int i = 0; i < COCO_METRICS && err == 0; i++)
        err = outfile_printf(&out, "%d,%s,%s,%s,%d,%.12g\n", i, rows[i].metric, rows[i].iou,
                             rows[i].area, COCO_MAX_DETECTIONS, r->metric[i]);
    if (err < 0) {
        outfile_abort(&out);
        return err;
    }
    return outfile_commit(&out);
}
