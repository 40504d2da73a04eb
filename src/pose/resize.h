/*
 * A picture into a network's input: letterbox, cubic resize and normalisation in one pass, with no
 * full-size picture in between.
 *
 * The resize is OpenCV's cubic one: a = -0.75, border replicated, the grid given by the factors,
 * results rounded and saturated to 8 bits before they are normalised. Four taps alias when a
 * picture shrinks to less than half (a distant person's wrist may fall between them), so by
 * default whole blocks of pixels are averaged first, as few as bring the factor back to 0.5 or
 * more; without `antialias` the result is the original's.
 */
#ifndef POSE_RESIZE_H
#define POSE_RESIZE_H

#include "base/workers.h"
#include "io/image.h"
#include "kernel/resize_rows.h"
#include "pose/letterbox.h"

#include <stdbool.h>
#include <stdint.h>

/* Blocks first .. last of an axis' n show some of the picture, the others are grey. */
struct resize_span {
    int first, last, n;
};

/* Results from .. to - 1 of an axis see some of the picture, the others grey alone. */
struct resize_seen {
    int from, to;
};

struct resize_taps {
    int32_t *first;
    float (*weights)[RESIZE_TAPS];
    size_t capacity;
};

/* Keeps its tables and scratch memory. */
struct resizer {
    struct resize_rows rows;
    struct letterbox box;
    bool antialias;
    int block_x, block_y; /* averaged beforehand */
    struct resize_span across, down;
    struct resize_taps taps_x, taps_y;
    struct resize_seen seen_x, seen_y;
    int band; /* result rows that are made one after another */
    unsigned char *scratch;
    size_t scratch_size, scratch_each;
};

void resizer_init(struct resizer *r, enum cpu_level level);

/*
 * Fill out[0 .. box->h)[0 .. box->w) with RGB as value / scale - offset; rows are `pitch` pixels
 * apart. A grey picture counts as RGB with equal channels. `workers` may be NULL.
 */
int resizer_run(struct resizer *r, const struct image *image, const struct letterbox *box,
                bool antialias, const float scale[3], const float offset[3], float *out,
                size_t pitch, struct workers *workers);

/* The same without normalisation: RGB bytes, for networks that read pixels. */
int resizer_run_bytes(struct resizer *r, const struct image *image, const struct letterbox *box,
                      bool antialias, uint8_t *out, size_t pitch, struct workers *workers);
void resizer_free(struct resizer *r); /* a zeroed one is allowed */

#endif
