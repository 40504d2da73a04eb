/*
 * COCO keypoint evaluation (OKS AP and AR), equal to pycocotools' COCOeval with iouType
 * "keypoints": spec 11.3, 11.4, cocodataset.org/#keypoints-eval.
 */
#ifndef EVAL_COCO_EVAL_H
#define EVAL_COCO_EVAL_H

#include "pose/skeleton.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Row order of pycocotools' summary; -1 where there is nothing to average. */
enum coco_metric {
    AP_ALL,
    AP_50,
    AP_75,
    AP_MEDIUM,
    AP_LARGE,
    AR_ALL,
    AR_50,
    AR_75,
    AR_MEDIUM,
    AR_LARGE,
    COCO_METRICS
};

/* People by area in square pixels: every one, 32^2..96^2, and larger. */
enum coco_size { SIZE_ALL, SIZE_MEDIUM, SIZE_LARGE, COCO_SIZES };

enum { COCO_MAX_DETECTIONS = 20 }; /* the best of each picture; the others are not scored */

struct coco_truth {
    int64_t image_id;
    int64_t id; /* a match with number 0 counts as none, as in pycocotools: number from 1 */
    double bbox[4], area;
    bool crowd, ignore; /* those without keypoints are ignored, whatever `ignore` says */
    int num_keypoints;
    double keypoints[COCO_KEYPOINTS][3];
};

struct coco_detection {
    int64_t image_id;
    double score;
    bool area_given; /* otherwise it is the box around all keypoints, (0, 0)s included */
    double area;
    double keypoints[COCO_KEYPOINTS][3];
};

struct coco_joint_score {
    size_t n;        /* labelled joints of matched people (OKS >= 0.5) */
    double mean_oks; /* mean per-joint similarity over them; -1 where n = 0 */
};

struct coco_result {
    double metric[COCO_METRICS];
    size_t n_images, n_truths, n_detections; /* of the pictures scored */
    size_t n_counted[COCO_SIZES];            /* truths of that size that are not ignored */
    struct coco_joint_score joint[COCO_KEYPOINTS];
};

/*
 * `images` lists the image ids that are scored; truths and detections of others are left out.
 * Arrays are not changed. Their order matters only between equal scores.
 */
int coco_evaluate(struct coco_result *out, const int64_t *images, size_t n_images,
                  const struct coco_truth *truths, size_t n_truths,
                  const struct coco_detection *detections, size_t n_detections);

/* OKS of one detection against one truth (spec 11.3). */
double coco_oks(const struct coco_truth *t, const struct coco_detection *d);

#endif
