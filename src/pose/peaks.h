/*
 * Joints as peaks of their heatmaps, by one of three methods.
 *
 * PEAKS_SUBPIXEL, ours: maxima among the cells of the lightly smoothed map; the place and the
 * height of each come from a Gaussian through the cells around it (a parabola through their
 * logarithms), which is exact for the maps a network is trained on. Coordinates are fractional
 * cells.
 *
 * PEAKS_FRAMEWORK and PEAKS_ENGINE, the original's: the map is upsampled, smoothed (5 x 5) and
 * searched, and coordinates are whole grid positions. The results are those of doing exactly that,
 * but only windows that can hold a peak are computed. PEAKS_FRAMEWORK: zeros beyond the border, a
 * peak equals the maximum of its 3 x 3 neighbourhood, and its unsmoothed value exceeds the
 * threshold. PEAKS_ENGINE: a wider kernel, a mirrored border, a peak is at least as high as its
 * four neighbours, and its smoothed value exceeds the threshold.
 */
#ifndef POSE_PEAKS_H
#define POSE_PEAKS_H

#include "base/workers.h"
#include "pose/grid.h"

/* Peaks kept per joint, the highest ones: bounds all later work whatever the maps hold. */
enum { PEAKS_MAX = 128 };

struct peak {
    float x, y;  /* cells (sub-pixel) or grid positions */
    float score; /* the heatmap's value there */
};

/* Zero-initialise; keeps its memory from call to call. */
struct peaks {
    int n_joints;
    int *count;        /* (n_joints) */
    struct peak *peak; /* (n_joints, PEAKS_MAX): from top to bottom, left to right */
    unsigned char *scratch;
    size_t scratch_size;
};

/* The first n_joints channels of the field's heatmaps. `workers` may be NULL. */
int peaks_find(struct peaks *p, const struct field *field, int n_joints, enum peak_method method,
               float threshold, struct workers *workers);
void peaks_free(struct peaks *p);

static inline const struct peak *peaks_of(const struct peaks *p, int joint)
{
    return p->peak + (size_t)joint * PEAKS_MAX;
}

/* For the methods' files: offer a peak of one joint; the lowest gives way when there are many. */
void peaks_offer(struct peaks *p, int joint, struct peak peak);

#endif
