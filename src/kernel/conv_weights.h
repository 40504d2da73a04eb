/*
 * The gradient of a convolution's weights, the part that is the same at every vector level:
 *     dw[ky][kx][ci][co] += sum over output pixels of x[.][ci] * dy[.][co].
 * A register tile keeps some rows (input channels) by some vectors of output channels and runs
 * over the pixels of a band of rows; the band fits into the cache, and its size follows from the
 * geometry alone, so sums do not depend on how tiles are shared out.
 *
 * In mixed precision two neighbouring output pixels, and the two input pixels that a tap multiplies
 * them with, are rounded to BF16 and share a slot of 4 bytes: tiles run over half as many.
 */
#ifndef KERNEL_CONV_WEIGHTS_H
#define KERNEL_CONV_WEIGHTS_H

#include "kernel/conv_pass.h"

/* What a register tile sums over. Distances are in slots: floats, or pairs of BF16. */
struct dw_span {
    int n_rows, n_columns;
    ptrdiff_t x_row, x_pixel;
    ptrdiff_t dy_row, dy_pixel;
    ptrdiff_t dw_row; /* between the rows of the tile in dw */
    int last_lanes;   /* lanes of the last vector that exist */
    bool accumulate;  /* add to dw, or else overwrite it */
};

typedef void (*dw_tile)(const struct dw_span *span, const float *x, const float *dy, float *dw);

/*
 * Tiles of one level: tile[v - 1][m - 1] makes m rows by v vectors, m <= max_rows[v - 1]. Those of
 * mixed precision come with pair(): n slots of a's and b's values; NULL stands for zeros.
 */
struct dw_tiles {
    int lanes;
    int max_rows[CONV_MAX_VECTORS];
    const dw_tile *tile[CONV_MAX_VECTORS];
    void (*pair)(const float *a, const float *b, int n, float *out);
};

/* Of n_images that follow each other. */
int conv_weights_tiles(const struct conv_geometry *g, const struct dw_tiles *tiles);
size_t conv_weights_scratch(const struct conv_geometry *g, const struct dw_tiles *tiles);
void conv_weights_run(const struct conv_geometry *g, const struct dw_tiles *tiles, const float *x,
                      const float *dy, int n_images, float *dw, int tile0, int tile1,
                      float *scratch);

#endif
