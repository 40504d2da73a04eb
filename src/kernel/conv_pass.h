/*
 * The part of a direct convolution that is the same at every vector level: which source pixels a
 * target pixel needs, the packed weight stream, the zero border, and the walk over the map in
 * register tiles. A level brings its tiles (struct conv_tiles) and nothing else.
 *
 * Forward and the gradient of the input are both sums over taps of a source map, in phases. Along
 * one axis a phase computes
 *     target[first + u * out_step] = sum over t < taps of source[at + u * in_step + t * spacing] *
 * w Forward (source x, target y) is one phase with in_step = stride. The gradient of the input
 * (source dy, target dx) has `stride` phases per axis with out_step = stride; each takes every
 * stride-th tap, so that no product with an inserted zero is ever computed.
 *
 * In mixed precision two neighbouring source channels, rounded to BF16, are what one float is
 * otherwise: a slot of 4 bytes. The walk is the same over half as many of them.
 */
#ifndef KERNEL_CONV_PASS_H
#define KERNEL_CONV_PASS_H

#include "kernel/kernel.h"

/*
 * What a register tile sums over: n_rows x n_runs runs of `run` contiguous floats. All distances
 * are in floats. The weight stream is read in the same order, one row of vectors per float.
 */
struct conv_span {
    int n_rows, n_runs, run;
    ptrdiff_t x_row, x_run; /* between rows of runs, between the runs of a row */
    ptrdiff_t x_pixel;      /* between the sources of neighbouring targets */
    ptrdiff_t y_pixel;
    int last_lanes;    /* lanes of the last vector that exist in the target */
    const float *bias; /* or NULL */
    bool relu, accumulate;
};

/* Compute neighbouring target pixels, the first at y; x is the source of the first one's tap 0. */
typedef void (*conv_tile)(const struct conv_span *span, const float *x, const float *w, float *y);

enum { CONV_MAX_VECTORS = 3 };

/*
 * Tiles of one level: tile[v - 1][m - 1] makes m pixels by v vectors, m <= max_pixels[v - 1]. Those
 * of mixed precision come with narrow(): n floats to BF16, into (n + 1) / 2 slots.
 */
struct conv_tiles {
    int lanes;
    int max_pixels[CONV_MAX_VECTORS];
    const conv_tile *tile[CONV_MAX_VECTORS];
    void (*narrow)(const float *from, ptrdiff_t n, float *to);
};

/* n neighbouring targets, cut into tiles of nearly equal width. */
static inline void conv_tiles_row(const struct conv_span *span, const struct conv_tiles *tiles,
                                  int vectors, const float *x, const float *w, float *y, int n)
{
    const int max = tiles->max_pixels[vectors - 1];
    const int n_tiles = (n + max - 1) / max;
    for (int i = 0, begin = 0; i < n_tiles; i++) {
        const int width = (n - begin) / (n_tiles - i);
        tiles->tile[vectors - 1][width - 1](span, x + begin * span->x_pixel, w,
                                            y + begin * span->y_pixel);
        begin += width;
    }
}

/* How many vectors the next tile takes when `left` are still to do: 2, or what ends evenly. */
static inline int conv_vectors(int left)
{
    return left <= CONV_MAX_VECTORS ? left : 2;
}

/* A convolution as sums over a source map. */
struct conv_pass {
    int source_h, source_w, source_c;
    int target_h, target_w, target_c;
    ptrdiff_t source_pitch, target_pitch;
    int kernel_h, kernel_w, stride, dilation, pad_top, pad_left;
    int in_step, out_step; /* one of them is 1 */
    bool backward;
    bool paired; /* mixed precision; set by whoever has the tiles for it */
};

/* Slots of a source pixel. */
static inline int conv_pass_slots(const struct conv_pass *pass)
{
    return pass->paired ? (pass->source_c + 1) / 2 : pass->source_c;
}

struct conv_pass conv_pass_forward(const struct conv_geometry *g);
struct conv_pass conv_pass_backward(const struct conv_geometry *g);

/* Target rows that suit one call. */
int conv_pass_rows(const struct conv_pass *pass);

/* Floats of the packed stream, and packing w (KH, KW, CI, CO) into it. */
size_t conv_pass_packed(const struct conv_pass *pass, int lanes);
void conv_pass_pack(const struct conv_pass *pass, int lanes, const float *w, float *packed);

/* n slots of two weights each, both `step` floats from one slot to the next; NULL: zeros. */
void conv_pack_pair(float *out, const float *first, const float *second, ptrdiff_t step, int n);

/* Floats of scratch that conv_pass_run() needs. */
size_t conv_pass_scratch(const struct conv_pass *pass);

/* What happens to a sum before it is stored. */
struct conv_finish {
    const float *bias; /* or NULL */
    bool relu, accumulate;
};

/* Target rows row0 <= y < row1. */
void conv_pass_run(const struct conv_pass *pass, const struct conv_tiles *tiles,
                   const float *source, const float *packed, const struct conv_finish *finish,
                   float *target, int row0, int row1, float *scratch);

/* The source pixels that some target rows need: a rectangle that may reach over the borders. */
struct conv_window {
    int y0, x0;
    int h, w;
};

/* The window of target rows row0 <= y < row1. */
struct conv_window conv_pass_window(const struct conv_pass *pass, int row0, int row1);

/* Copy a window, zeros beyond the borders, into `out` (h, w, slots), densely. */
void conv_window_fill(const struct conv_window *window, const struct conv_pass *pass,
                      const struct conv_tiles *tiles, const float *source, float *out);

#endif
