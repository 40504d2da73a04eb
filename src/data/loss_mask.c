/* Loss masks out of two bitmaps: what to leave out, and what to keep in any case. */
#include "data/loss_mask.h"

#include "base/error.h"

#include <string.h>

static const double box_margin = 0.1;

bool annotation_is_labelled(const struct coco_annotation *a)
{
    return !a->crowd && !a->ignore && a->num_keypoints > 0 && a->keypoints;
}

bool loss_mask_needed(const struct coco *c, const struct coco_image *image)
{
    bool needed = image->coverage == COVERAGE_NO;
    for (size_t k = 0; k < image->n; k++)
        needed |= !annotation_is_labelled(coco_annotation_of(c, image, k));
    return needed;
}

static int add_area(struct bitmap *m, const struct coco *c, const struct coco_annotation *a)
{
    if (a->region.kind == REGION_NONE) {
        bitmap_add_box(m, a->bbox, annotation_is_labelled(a) ? box_margin : 0);
        return BPNET_OK;
    }
    const int err = bitmap_add_region(m, &a->region);
    return err < 0 ? error_prefix(err, "%s: annotation id %lld", c->path, (long long)a->id) : err;
}

/* Where nobody is unlabelled: all of the picture, or the labelled people's boxes. */
static void mark_unknown(struct bitmap *out, struct bitmap *boxes, const struct coco *c,
                         const struct coco_image *image)
{
    if (image->coverage != COVERAGE_NO)
        return;
    for (size_t k = 0; k < image->n; k++) {
        const struct coco_annotation *a = coco_annotation_of(c, image, k);
        if (annotation_is_labelled(a))
            bitmap_add_box(boxes, a->bbox, box_margin);
    }
    for (size_t i = 0; i < (size_t)out->w * (size_t)out->h; i++)
        out->bits[i] |= !boxes->bits[i];
    bitmap_clear(boxes);
}

int loss_mask_make(struct image *out, const struct coco *c, const struct coco_image *image)
{
    struct bitmap drop = {0}, keep = {0};
    int err;
    *out = (struct image){0};
    if ((err = bitmap_alloc(&drop, image->w, image->h)) < 0 ||
        (err = bitmap_alloc(&keep, image->w, image->h)) < 0)
        goto done;
    mark_unknown(&drop, &keep, c, image);
    for (size_t k = 0; err == 0 && k < image->n; k++) {
        const struct coco_annotation *a = coco_annotation_of(c, image, k);
        err = add_area(annotation_is_labelled(a) ? &keep : &drop, c, a);
    }
    if (err < 0 || (err = image_alloc(out, image->w, image->h, 1)) < 0)
        goto done;
    for (size_t i = 0; i < (size_t)image->w * (size_t)image->h; i++)
        out->pixels[i] = drop.bits[i] && !keep.bits[i] ? 0 : 255;
done:
    bitmap_free(&drop);
    bitmap_free(&keep);
    return err;
}
