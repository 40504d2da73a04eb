/*
 * Object keypoint similarity of one detection and one annotated person (cocodataset.org
 * /#keypoints-eval; spec 11.3):
 *
 *     s_i = exp(-d_i^2 / (2 (2 sigma_i)^2 (area + eps)))       OKS = mean of s_i over labelled i
 *
 * A person without labelled keypoints is judged by its box: d_i is then the distance of keypoint i
 * from the box three times as wide and high, and the mean is over all keypoints.
 */
#ifndef EVAL_OKS_H
#define EVAL_OKS_H

#include "eval/coco_eval.h"

/* COCO's constants, fractions of the square root of the area, in COCO's keypoint order. */
extern const double oks_sigma[COCO_KEYPOINTS];

/*
 * As coco_oks(), and fills similarity[i] for every keypoint that entered the mean (0 for the
 * others); `similarity` may be NULL.
 */
double oks_joints(const struct coco_truth *t, const struct coco_detection *d,
                  double similarity[COCO_KEYPOINTS]);

#endif
