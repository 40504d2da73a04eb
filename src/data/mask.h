/*
 * Bitmaps of segmentations by COCO's rules (polygons traced on a grid five times finer, run lengths
 * column by column, exactly as pycocotools' rleFrPoly and rleDecode), and loss masks made of them.
 */
#ifndef DATA_MASK_H
#define DATA_MASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum region_kind { REGION_NONE, REGION_POLYGONS, REGION_RUNS };

/* A segmentation; the numbers belong to someone else. */
struct region {
    enum region_kind kind;
    /* REGION_POLYGONS: polygon k has points[k] corners, x y x y … in `xy`, one after the other. */
    uint32_t n_polygons;
    const uint32_t *points;
    const double *xy;
    /* REGION_RUNS: lengths of alternating 0 and 1 runs down the columns of a w x h picture. */
    size_t n_runs;
    const uint32_t *runs;
    int w, h;
};

/* One byte a pixel, (h, w): 0 or 1. */
struct bitmap {
    uint8_t *bits;
    int w, h;
};

int bitmap_alloc(struct bitmap *m, int w, int h); /* all 0 */
void bitmap_free(struct bitmap *m);               /* a zeroed one is allowed */
void bitmap_clear(struct bitmap *m);

/* Set the pixels inside. A region of runs must have the bitmap's size (BPNET_EFORMAT). */
int bitmap_add_region(struct bitmap *m, const struct region *region);

/*
 * Set the pixels of the box x, y, w, h enlarged by `margin` times its size on every side: those
 * whose centre lies inside.
 */
void bitmap_add_box(struct bitmap *m, const double box[4], double margin);

/* COCO's compressed run lengths (rleFrString), at most `limit` runs; *runs is malloc'd. */
int runs_from_text(uint32_t **runs, size_t *n_runs, const char *text, size_t limit);

#endif
