/* One image or annotation of a COCO file, checked. For coco.c; use data/coco.h. */
#ifndef DATA_COCO_ELEMENT_H
#define DATA_COCO_ELEMENT_H

#include "data/coco.h"
#include "io/json.h"

/* `where` opens every message: "x.json: images[3]". *n_flags is the length of out->labelled. */
int coco_read_image(struct coco_image *out, size_t *n_flags, struct pool *pool,
                    const struct json *element, const char *where);

/*
 * Everything but out->image, which *image_id names. `image` callers look up; the segmentation is
 * read by coco_read_region() once the image is known.
 */
int coco_read_annotation(struct coco_annotation *out, int64_t *image_id, int n_keypoints,
                         struct pool *pool, const struct json *element, const char *where);

int coco_read_region(struct region *out, const struct coco_image *image, struct pool *pool,
                     const struct json *element, const char *where);

#endif
