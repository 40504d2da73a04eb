/*
 * A fine grid over the cells of one or several maps, without ever computing all of it: every grid
 * position names the cells it reads along each axis and their weights. Peaks and limbs of the
 * original's way of decoding are found on such a grid.
 */
#ifndef POSE_GRID_H
#define POSE_GRID_H

#include "pose/predict.h"

#include <stdint.h>

enum {
    GRID_TAPS = 7,         /* cells one position reads at most */
    GRID_MAX_FACTOR = 32,  /* of upsampling */
    GRID_MAX_SIDE = 65536, /* positions along an axis */
};

struct grid_axis {
    int n;            /* positions */
    int cells;        /* cells of the map along this axis */
    int taps;         /* cells a position reads; some may have weight 0 */
    int32_t *cell;    /* (n, taps), within the map: the border is replicated */
    float *weight;    /* (n, taps) */
    float undershoot; /* no position's negative weights sum to less than minus this */
    int block;        /* positions that a search handles together */
    int blocks;
    int32_t *first_block, *last_block; /* (cells): the blocks whose search reads this cell */
    /*
     * Upsampling and the method's smoothing in one step, but for rounding: position i of block b is
     * the sum over k of smooth_weight[(b * smooth_taps + k) * block + i] times the cell
     * smooth_first[b] + k.
     */
    int smooth_taps;
    int32_t *smooth_first; /* (blocks) */
    float *smooth_weight;  /* (blocks, smooth_taps, block) */
    enum peak_method method;
    void *memory; /* of all the arrays */
    size_t size;
};

/*
 * Cubic upsampling by a whole factor: position X is at cell (X + 0.5) / factor - 0.5. Keeps the
 * axis's memory when it suffices; an axis starts zeroed. BPNET_ELIMIT beyond the limits above.
 */
int grid_axis_upsample(struct grid_axis *axis, int cells, int factor, enum peak_method method);

/*
 * The multi-scale way: cells upsampled by the stride, cut to `content` pixels, and these resized to
 * n pixels (content <= n), both steps cubic.
 */
int grid_axis_rescale(struct grid_axis *axis, int cells, int stride, int content, int n,
                      enum peak_method method);

void grid_axis_free(struct grid_axis *axis);

/* How a method smooths the grid (5 x 5, separable), and what lies beyond the border. */
enum { GRID_RADIUS = 2 };
struct grid_smoothing {
    float kernel[2 * GRID_RADIUS + 1];
    bool mirrored_border; /* else zeros */
};
extern const struct grid_smoothing grid_smoothing[];

/* A position beyond the border as one inside, or GRID_OUTSIDE where that counts as zero. */
enum { GRID_OUTSIDE = -1 };
int grid_position(int at, int n, enum peak_method method);

/* What is decoded: one map, or several whose values are averaged position by position. */
struct field {
    int n;
    struct maps maps[PREDICT_MAX_SCALES];
    struct grid_axis x[PREDICT_MAX_SCALES], y[PREDICT_MAX_SCALES]; /* not used by sub-pixel peaks */
};

void field_free(struct field *field); /* the axes; the maps belong to others */

#endif
