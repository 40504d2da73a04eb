/* The original's peak search on the fine grid, joint by joint (see peaks.h). */
#ifndef POSE_PEAKS_GRID_H
#define POSE_PEAKS_GRID_H

#include "pose/peaks.h"

/* Bytes one thread needs for peaks_grid_joint(). */
size_t peaks_grid_scratch(const struct field *field);

void peaks_grid_joint(struct peaks *p, const struct field *field, int joint,
                      enum peak_method method, float threshold, unsigned char *scratch);

#endif
