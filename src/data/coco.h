/*
 * A COCO keypoint file (cocodataset.org/#format-data) in compact arrays. The file is walked element
 * by element, so memory is what the arrays hold: about 1.2 kB a labelled person.
 *
 * Fields beyond COCO's, all optional:
 *   images[].labelled_keypoints    one 0/1 a keypoint: which ones the source of this picture labels
 *                                  at all (default: every one)
 *   images[].all_people_labelled   text beginning "yes", "unknown" or "no": whether every person in
 *                                  the picture is annotated (default: yes, as in COCO)
 *   images[].source                text: which collection the picture is from
 *   annotations[].ignore           1: no one to be found or missed here (default: 0)
 *   annotations[].neck, .head_top  [x, y] or [x, y, v]: joints that COCO does not have
 */
#ifndef DATA_COCO_H
#define DATA_COCO_H

#include "data/mask.h"
#include "data/pool.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { COCO_MAX_KEYPOINTS = 128 };

enum coco_coverage { COVERAGE_YES, COVERAGE_UNKNOWN, COVERAGE_NO };

/* Joints that annotations may carry under their own key. */
enum coco_extra { EXTRA_NECK, EXTRA_HEAD_TOP, COCO_EXTRAS };
extern const char *const coco_extra_names[COCO_EXTRAS]; /* "neck", "head_top" */

struct coco_image {
    int64_t id;
    int w, h;
    const char *file_name; /* relative, without "..": safe to join to a folder */
    enum coco_coverage coverage;
    const char *source;      /* where the picture is from, "" when the file does not say */
    bool coverage_given;     /* the file says so; otherwise it is the default */
    const uint8_t *labelled; /* n_keypoints flags; NULL: all are labelled */
    size_t first, n;         /* of its annotations, see coco_annotation_of() */
};

struct coco_annotation {
    int64_t id;
    size_t image; /* index into images */
    bool crowd, ignore;
    bool machine;      /* not from this file: coco_supplement() added it */
    int num_keypoints; /* as the file says; counted where it says nothing */
    double bbox[4];    /* x, y, w, h */
    double area;
    const double *keypoints; /* (n_keypoints, 3): x, y, v; NULL: none is labelled */
    const double *extra;     /* (COCO_EXTRAS, 3): x, y, v, v = 0: not labelled; NULL: none is */
    struct region region;    /* its segmentation; REGION_NONE where there is none */
};

struct coco {
    char *path;
    int n_keypoints;
    const char **keypoints; /* names, of the chosen category */
    int64_t category_id;
    size_t n_images;
    struct coco_image *images; /* in file order */
    size_t n_annotations;
    struct coco_annotation *annotations; /* of the chosen category, in file order */
    size_t n_other_category;             /* annotations left out: of other categories */
    /* What follows is for the functions below. */
    size_t *images_by_id;         /* indices in order of id */
    size_t *annotations_by_image; /* indices, image by image, in file order within one */
    struct pool pool;             /* what the pointers above point to */
};

struct coco_options {
    bool segmentations; /* keep them; otherwise every region is REGION_NONE */
};

/*
 * Read `path`. The category is the one named "person", or else the only one with keypoints.
 * BPNET_EFORMAT names the file, the element and the key:
 *     "x.json: annotations[17] (id 123): 48 numbers in 'keypoints', expected 51".
 */
int coco_load(struct coco **out, const char *path, const struct coco_options *options);
void coco_free(struct coco *c); /* NULL is allowed */

/* Annotation number k (0 .. image->n - 1) of an image, in file order. */
const struct coco_annotation *coco_annotation_of(const struct coco *c,
                                                 const struct coco_image *image, size_t k);

/* Put annotations that were appended since to their images. */
int coco_regroup(struct coco *c);

/* The image with that id, or NULL. */
const struct coco_image *coco_image_by_id(const struct coco *c, int64_t id);

#endif
