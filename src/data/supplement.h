/*
 * Machine-made labels for what a COCO file does not label. The file has `annotations` alone, with
 * image_id, bbox and keypoints as COCO has them, and these of its own, all optional:
 *   keypoint_scores       a number a keypoint, 0..1; default: all 1
 *   same_person_as_label  whether the COCO file has this person too; default: when a labelled
 *                         person's box overlaps by half (of the union)
 *   label_id              that person's annotation; default: the labelled person who overlaps most
 *
 * What a human has labelled stays. Used are
 *   - keypoints of labelled people that their picture's source does not label (its
 *     labelled_keypoints): the keypoint counts as labelled in the picture once every labelled
 *     person there has it,
 *   - other people, where not everyone is labelled (all_people_labelled is not "yes"): as people
 *     with at least min_keypoints points, who are in the records of others but get none; with
 *     fewer they are ignored, which leaves their box out of the loss.
 */
#ifndef DATA_SUPPLEMENT_H
#define DATA_SUPPLEMENT_H

#include "data/coco.h"

struct supplement_options {
    double min_score; /* keypoints below it are not there */
    int min_keypoints;
};

struct supplement_counts {
    size_t points, people, ignored; /* used */
    size_t unused;                  /* annotations of no use */
};

/* BPNET_EFORMAT names the file, the element and the key. */
int coco_supplement(struct coco *c, const char *path, const struct supplement_options *options,
                    struct supplement_counts *counts);

#endif
