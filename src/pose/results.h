/*
 * What was found in which picture, as files: written picture by picture, complete or not there.
 *
 * RESULTS_NATIVE, one file: {"pose_config_type", "categories", "inference_spec", "images": [
 *     {"full_image_path", "keypoints": [[[x, y], ...], ...], "scores": [...], ...}]}. Missing
 * joints are [0, 0]. A picture that could not be read has neither keypoints nor scores.
 * RESULTS_COCO, one file: COCO's list of {"image_id", "category_id", "keypoints", "score"} with 17
 *     keypoints of x, y and 1, or three zeros for a missing one; one entry a person.
 * RESULTS_OPENPOSE, a folder: one <name>_keypoints.json a picture with {"people":
 *     [{"pose_keypoints_2d": [x, y, score, ...]}]}, joints in the skeleton's order.
 */
#ifndef POSE_RESULTS_H
#define POSE_RESULTS_H

#include "io/json.h"
#include "pose/people.h"
#include "pose/skeleton.h"

enum results_format { RESULTS_NATIVE, RESULTS_COCO, RESULTS_OPENPOSE };

struct results_options {
    const char *inference_spec; /* JSON text for the native file; NULL: left out */
    bool compat; /* COCO: coordinates cut to whole numbers, the flag 1 if x or y exceeds 0 */
};

struct results_picture {
    const char *path;
    const char *name;              /* OpenPose: the file's; NULL: the path's without its suffix */
    int64_t image_id;              /* COCO's; negative: none (RESULTS_COCO needs one) */
    const char *drawn;             /* the picture with people drawn ("viz_id"), or NULL */
    const struct json *image_meta; /* of the annotation file, or NULL */
    const struct json *input; /* an object of a JSON input whose other keys are kept, or NULL */
};

struct results;

/* `options` may be NULL. The folder of RESULTS_OPENPOSE is created. */
int results_open(struct results **out, enum results_format format, const char *path,
                 const struct skeleton *skeleton, const struct results_options *options);

/* `people` is NULL for a picture that could not be read. */
int results_add(struct results *r, const struct results_picture *picture,
                const struct people *people);

/* One picture's people as RESULTS_OPENPOSE has them, to any writer; `people` may be NULL. */
void results_write_people(struct json_writer *w, const struct people *people);

/* Finish and give the file its name; frees in any case. */
int results_close(struct results *r);

/* Give up: nothing is left of a single file, and r is freed. NULL is allowed. */
void results_abort(struct results *r);

#endif
