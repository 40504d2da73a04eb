/*
 * dataset_convert: COCO annotations to training records and loss masks (spec 1.2, 3.1 - 3.3).
 *
 * Which people get a record ("main persons", in annotation order): at least min_keypoints labelled
 * keypoints, at least min_height * min_width of area, and a centre no closer to that of an accepted
 * one than min_distance_ratio * max(w, h) of the accepted one's box (quirk 2 put right). A picture
 * that is said to show no one ("all_people_labelled": "yes…" and no annotations) becomes one record
 * without people; other pictures without annotations are left out, as in the original.
 *
 * Loss masks (loss_mask.h) are written as <root>/<mask_root>/<picture's name>.png. Records of
 * pictures with nothing to leave out name no mask.
 *
 * Records are dealt to the partitions in turn, shuffled within each by a fixed seed, and cut into
 * equal shards, the last of which takes the rest. Files are called
 *     <prefix>-fold-000-of-001[-shard-00000-of-00004]
 */
#ifndef DATA_CONVERT_H
#define DATA_CONVERT_H

#include "spec/spec.h"

struct convert_progress {
    size_t done, total; /* pictures */
};

struct convert_options {
    const char *output_prefix;
    bool train_mode; /* train_data; otherwise test_data */
    int partitions;  /* folds; 0: one, without a suffix */
    int shards;      /* per fold; 0: one, without a suffix */
    bool generate_masks;
    bool check_files; /* warn about records whose picture or mask is missing and leave them out */
    bool dry_run;     /* everything but writing */
    /* Called now and then; may be NULL. A negative return stops with that code. */
    int (*progress)(void *ctx, const struct convert_progress *progress);
    void *ctx;
};

struct convert_report {
    size_t images;        /* in the annotation file */
    size_t persons;       /* annotated, crowds included */
    size_t records;       /* written */
    size_t backgrounds;   /* records without people, among them */
    size_t masks;         /* written */
    size_t no_people;     /* pictures left out: nobody annotated */
    size_t few_keypoints; /* people that are no main person: too few keypoints, */
    size_t too_small;     /* too small an area, */
    size_t too_close;     /* too close to another */
    size_t missing_files; /* records left out by check_files */
    size_t extra_points;  /* of extra_annotation_path: joints of labelled people, */
    size_t extra_people;  /* further people, */
    size_t extra_ignored; /* and people who are left out of the loss */
};

int dataset_convert(const struct dataset_spec *spec, const struct convert_options *options,
                    struct convert_report *report);

#endif
