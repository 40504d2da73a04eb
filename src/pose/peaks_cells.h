/* The sub-pixel method of peaks.h: maxima among cells, placed by a Gaussian through nine of them.
 */
#ifndef POSE_PEAKS_CELLS_H
#define POSE_PEAKS_CELLS_H

#include "pose/peaks.h"

/* Bytes of scratch memory for maps of this size. */
size_t peaks_cells_scratch(const struct maps *m, int n_joints);

/* Offer the peaks of the first p->n_joints heatmaps, every joint's in reading order. */
void peaks_cells(struct peaks *p, const struct maps *m, float threshold, void *scratch);

#endif
