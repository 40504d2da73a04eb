/*
 * Bitmaps of segmentations by COCO's rules, exactly as pycocotools has them: polygons are traced on
 * a grid five times finer, run lengths go down the columns.
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

/* Corners must lie within this distance of the origin. */
enum { REGION_MAX_COORDINATE = 100000 };

/* One byte a pixel, (h, w): 0 or 1. */
struct bitmap {
    uint8_t *bits;
    int w, h;
    uint8_t *toggles; /* scratch of bitmap_add_region, all 0 between calls */
};

int bitmap_alloc(struct bitmap *m, int w, int h); /* all 0 */
void bitmap_free(struct bitmap *m);               /* a zeroed one is allowed */
void bitmap_clear(struct bitmap *m);

/*
 * Set the pixels inside. BPNET_EFORMAT when runs do not fit the bitmap's size, BPNET_ELIMIT when an
 * outline is absurdly long.
 */
int bitmap_add_region(struct bitmap *m, const struct region *region);

/*
 * Set the pixels whose centre lies in the box x, y, w, h, enlarged by `margin` times its size on
 * every side.
 */
void bitmap_add_box(struct bitmap *m, const double box[4], double margin);

/*
 * COCO's compressed run lengths: each run in base 32 with 5 bits a character (least significant
 * first, bit 5: more follow, sign in the last one's bit 4), from the third on as the difference to
 * the run before the last. At most `limit` runs (BPNET_ELIMIT); *runs is malloc'd.
 */
int runs_from_text(uint32_t **runs, size_t *n_runs, const char *text, size_t limit);

#endif
