/*
 * Which pixels of a picture can be trusted in training: 255 = use, 0 = leave out of the loss
 * (spec 3.2). Left out is
 *   - the area of crowds, of ignored people and of people without labelled keypoints,
 *   - where not all people are labelled (COVERAGE_NO), everything but the labelled people's boxes,
 *   - but never the area of a labelled person. (In the original a crowd gave way to a labelled
 *     person, an unlabelled person did not: quirk 38.)
 * A person's area is the segmentation, or the box where there is none. Boxes of labelled people are
 * enlarged by a tenth on every side. Pictures with COVERAGE_UNKNOWN keep their background: people
 * missed there are mostly small.
 */
#ifndef DATA_LOSS_MASK_H
#define DATA_LOSS_MASK_H

#include "data/coco.h"
#include "io/image.h"

/* Someone to be found: neither crowd nor ignored, with labelled keypoints. */
bool annotation_is_labelled(const struct coco_annotation *a);

/* Whether anything is left out; otherwise the mask is 255 everywhere. */
bool loss_mask_needed(const struct coco *c, const struct coco_image *image);

/* The mask as a new grey image. */
int loss_mask_make(struct image *out, const struct coco *c, const struct coco_image *image);

#endif
