/*
 * Convolution with stride 1 in the frequency domain, by overlap-save: a square of N x N source
 * pixels is transformed (real FFT), multiplied frequency by frequency with the transformed kernel,
 * and transformed back; the first N - K + 1 rows and columns of the product are results. For one
 * frequency the tiles of a map and the channels make a matrix product, so nearly all work is done
 * by register tiles: 3 N^2 / 2 real products per tile and pair of channels instead of
 * K^2 (N - K + 1)^2. For 7x7 that is 12.8 times fewer with N = 16, for 3x3 3.4 times with N = 8.
 *
 * A transformed real square is N^2 / 2 slots: N^2 / 2 - 2 complex numbers, and two slots with two
 * real ones each (slot = column * N + row; column 0 holds the frequencies of columns 0 and N / 2,
 * which the symmetry leaves half of). A complex product takes three real ones:
 *     (xr + i xi)(gr + i gi):  k = (xr + xi) gr,  re = k - xi (gr + gi),  im = k + xr (gi - gr)
 * so a slot of the source has the planes xr + xi, xi, xr, and one of the weights gr, -(gr + gi),
 * gi - gr; a slot of two real numbers has these and nothing.
 *
 * Everything here is the same at every level; a level brings the transforms, which take one vector
 * of channels at a time, and the register tiles, in floats or in BF16 with sums in floats. With
 * BF16 the transformed source and the transformed weights are rounded to it.
 */
#ifndef KERNEL_FOURIER_H
#define KERNEL_FOURIER_H

#include "kernel/conv_kernel.h"

enum { FOURIER_PLANES = 3, FOURIER_MAX_VECTORS = 3 };

/* What a register tile sums over: the products of one slot; distances in bytes but for y's. */
struct fourier_span {
    int steps;                /* groups of 4 bytes of a row of x */
    bool real;                /* a slot of two real numbers */
    ptrdiff_t x_plane, x_row; /* between planes; between the rows (tiles of the map) */
    ptrdiff_t y_part, y_row;  /* floats between real and imaginary part; between rows */
    ptrdiff_t ahead;          /* weights to fetch: from the tile's own on */
};

/* Some rows of x by a block of weights. */
typedef void (*fourier_tile)(const struct fourier_span *span, const uint8_t *x, const uint8_t *w,
                             float *y);

struct fourier_level {
    int points; /* N */
    int lanes;
    int per_group;                     /* numbers in 4 bytes: 1 float, 2 BF16 */
    int max_rows[FOURIER_MAX_VECTORS]; /* tile[v - 1][m - 1] makes m rows by v vectors */
    const fourier_tile *tile[FOURIER_MAX_VECTORS];
    /* The square whose first pixel is (y, x) of the source, channels from `channel` on (zeros
     * beyond the last one), into planes that are `plane` bytes apart. */
    void (*forward)(const struct conv_call *call, int y, int x, int channel, uint8_t *out,
                    ptrdiff_t plane);
    /* Results from pixel (y, x) on, finished and stored where they are inside the map, from parts
     * of slots that are `part` floats apart. */
    void (*inverse)(const struct conv_call *call, int y, int x, int channel, const float *in,
                    ptrdiff_t part);
};

/* Kernels that N points suit, of more than N / 4 and at most N / 2 + 1 taps along either axis,
 * whose stream is not too large to be worth it. */
bool fourier_fits(const struct conv_shape *s, const struct fourier_level *level);

size_t fourier_packed(const struct conv_shape *s, const struct fourier_level *level);
void fourier_pack(const struct conv_shape *s, const struct fourier_level *level, const float *w,
                  uint8_t *packed);
size_t fourier_scratch(const struct conv_shape *s, const struct fourier_level *level);
size_t fourier_workspace(const struct conv_shape *s, const struct fourier_level *level);
int fourier_phases(const struct conv_shape *s, const struct fourier_level *level);
int fourier_items(const struct conv_shape *s, const struct fourier_level *level, int phase);
void fourier_run(const struct conv_call *call, const struct fourier_level *level, int phase,
                 int item0, int item1);

/* Vectors of the next block of output channels when `left` are still to do. */
static inline int fourier_vectors(int left)
{
    return left <= FOURIER_MAX_VECTORS ? left : 2;
}

/* The row of conv_kernels[] made from a level. */
#define FOURIER_KERNEL(suffix, kernel_name, cpu, fits_shape, its_level)                            \
    static size_t packed_##suffix(const struct conv_shape *s)                                      \
    {                                                                                              \
        return fourier_packed(s, &(its_level));                                                    \
    }                                                                                              \
    static void pack_##suffix(const struct conv_shape *s, const void *w, void *packed)             \
    {                                                                                              \
        fourier_pack(s, &(its_level), w, packed);                                                  \
    }                                                                                              \
    static size_t scratch_##suffix(const struct conv_shape *s)                                     \
    {                                                                                              \
        return fourier_scratch(s, &(its_level));                                                   \
    }                                                                                              \
    static size_t workspace_##suffix(const struct conv_shape *s)                                   \
    {                                                                                              \
        return fourier_workspace(s, &(its_level));                                                 \
    }                                                                                              \
    static int phases_##suffix(const struct conv_shape *s)                                         \
    {                                                                                              \
        return fourier_phases(s, &(its_level));                                                    \
    }                                                                                              \
    static int items_##suffix(const struct conv_shape *s, int phase)                               \
    {                                                                                              \
        return fourier_items(s, &(its_level), phase);                                              \
    }                                                                                              \
    static void run_##suffix(const struct conv_call *call, int phase, int item0, int item1)        \
    {                                                                                              \
        fourier_run(call, &(its_level), phase, item0, item1);                                      \
    }                                                                                              \
    const struct conv_kernel conv_##suffix = {                                                     \
        .name = kernel_name,                                                                       \
        .level = cpu,                                                                              \
        .weights = WEIGHT_F32,                                                                     \
        .transforms = true,                                                                        \
        .fits = fits_shape,                                                                        \
        .packed = packed_##suffix,                                                                 \
        .pack = pack_##suffix,                                                                     \
        .scratch = scratch_##suffix,                                                               \
        .workspace = workspace_##suffix,                                                           \
        .phases = phases_##suffix,                                                                 \
        .items = items_##suffix,                                                                   \
        .run = run_##suffix,                                                                       \
    };

#endif
