/* An evaluation for people and for programs: the summary, tables, results.csv. */
#ifndef EVAL_COCO_REPORT_H
#define EVAL_COCO_REPORT_H

#include "base/str.h"
#include "eval/coco_eval.h"

/* The ten lines that pycocotools prints, character by character. */
void coco_print_summary(struct str *out, const struct coco_result *r);

/* Beyond pycocotools: people by size, and how well each joint of matched people was placed. */
void coco_print_breakdown(struct str *out, const struct coco_result *r);

/* Ten rows "index,metric,IoU,area,maxDets,score" (spec 11.5). */
int coco_write_csv(const char *path, const struct coco_result *r);

/* The name in status.json: "AP_0.50:0.95_all". */
const char *coco_metric_name(enum coco_metric metric);

#endif
