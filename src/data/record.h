/*
 * A training record: one picture, the person it is centred on, and everyone else in it. Stored as
 * one tf.train.Example in a TFRecord file with the original's features (spec 3.3)
 *
 *   frame/image_id, frame/height, frame/width   int64
 *   frame/image_path, frame/mask_path, dataset  bytes
 *   person/joints   bytes, float64 little-endian (P, K, 3)
 *   person/scales   bytes, float64 (P), heights of the boxes
 *   person/centers  bytes, float64 (P, 2), centres of the boxes
 *   person/person_idx, person/num_other_people  int64
 *
 * and these of ours, each of which may be missing:
 *
 *   person/boxes               bytes, float64 (P, 4): x, y, w, h
 *   person/extra_joints        bytes, float64 (P, 2, 3): neck and head_top (coco.h)
 *   frame/labelled_keypoints   bytes (K): 0 or 1 each
 *   frame/source               bytes: which collection the picture is from
 *   frame/coverage             int64, enum coco_coverage; missing: COVERAGE_YES
 *
 * People: the one the record is centred on comes first. A background picture has P = 0, and then
 * person_idx is -1 and num_other_people 0.
 */
#ifndef DATA_RECORD_H
#define DATA_RECORD_H

#include "base/str.h"
#include "data/coco.h"

struct record {
    int64_t image_id;
    int w, h;
    char *image_path, *mask_path; /* relative to the data root; mask_path is "" without a mask */
    char *dataset;
    char *source;       /* NULL when the file does not say */
    int64_t person_idx; /* of the first person in the annotation list; -1 in a background picture */
    int n_people, n_keypoints;   /* n_keypoints is 0 if nothing in the file tells */
    double *joints;              /* (P, K, 3): x, y, v */
    double *scales;              /* (P) */
    double *centers;             /* (P, 2) */
    double *boxes;               /* (P, 4); NULL when the file has none */
    double *extra;               /* (P, COCO_EXTRAS, 3); NULL when the file has none */
    uint8_t *labelled;           /* (K); NULL: every keypoint is labelled */
    enum coco_coverage coverage; /* is every person in the picture labelled? */
};

enum { RECORD_MAX_PEOPLE = 4096 };

/* The record as an Example's bytes, appended to `out`. */
int record_pack(struct str *out, const struct record *r);

/*
 * Read an Example's bytes into *r, whose arrays then belong to the caller. `where` opens every
 * message: "train-fold-000-of-001: record 12". Everything is checked: counts agree, sizes are
 * positive, numbers finite.
 */
int record_unpack(struct record *r, const uint8_t *bytes, size_t size, const char *where);

void record_free(struct record *r); /* a zeroed record is allowed */

#endif
