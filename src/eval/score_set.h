/*
 * People annotated and people found, gathered for coco_evaluate(). Keypoints are COCO's 17; those
 * of other datasets are taken by name, and what has no counterpart is left out.
 */
#ifndef EVAL_SCORE_SET_H
#define EVAL_SCORE_SET_H

#include "data/coco.h"
#include "eval/coco_eval.h"

struct score_set {
    int64_t *images;
    size_t n_images;
    struct coco_truth *truths;
    size_t n_truths;
    struct coco_detection *detections;
    size_t n_detections, capacity;
    int64_t category_id;
};

/*
 * Images and truths from annotations: of the first `max_images` pictures, 0: of all. The set must
 * be zero. BPNET_EUNSUPPORTED when the dataset has none of COCO's keypoints.
 */
int score_set_init(struct score_set *s, const struct coco *annotations, size_t max_images);
void score_set_free(struct score_set *s); /* a zeroed one is allowed */

/* Room for one more detection, all zero; NULL (with the error set) when memory ran out. */
struct coco_detection *score_set_add(struct score_set *s);

/* What was left out while reading results. */
struct results_report {
    size_t n_other_images;   /* of pictures that are not annotated */
    size_t n_other_category; /* of another category than the annotations' */
};

/*
 * Add the detections of a COCO result list, [{image_id, category_id, keypoints[51], score}, …],
 * read element by element. As in pycocotools, a list whose first element has a bbox has all areas
 * from boxes.
 */
int score_set_read_results(struct score_set *s, const char *path, struct results_report *report);

int score_set_evaluate(const struct score_set *s, struct coco_result *out);

#endif
