/*
 * Direct convolution for inference, as far as it is the same at every vector level. Its step is a
 * dot product of 4 bytes of a source pixel with 4 bytes of weights: of four bytes, two 16-bit
 * numbers, two BF16 numbers or one float. A level brings register tiles (struct dot_tiles) that sum
 * such products for some neighbouring pixels by some vectors of output channels, and finishes the
 * sums in the same pass: requantisation, an added map, limits.
 *
 * The source pixels of a band of rows are copied into a window without gaps, with the border
 * around it and, where the level needs another type, in that type; then the taps of a row of the
 * kernel are one run of bytes. Maps that need none of this are read where they are.
 */
#ifndef KERNEL_DOT_H
#define KERNEL_DOT_H

#include "kernel/conv_kernel.h"

/* What 4 bytes of the window are. */
enum dot_sort { DOT_U8, DOT_S16, DOT_BF16, DOT_F32 };

enum { DOT_MAX_VECTORS = 3 };

/*
 * What a tile sums over: n_rows x n_runs runs of `run` groups of 4 bytes; then what becomes of its
 * sums. Pointers are to the block's first channel, distances are in bytes.
 */
struct dot_span {
    int n_rows, n_runs, run;
    ptrdiff_t x_row, x_run; /* between rows of runs, between the runs of a row */
    ptrdiff_t x_pixel;      /* between the sources of neighbouring results */
    int last_lanes;         /* channels in the last vector (at most half of it in paired tiles) */
    enum map_type out;
    bool adds;
    ptrdiff_t y_pixel, add_pixel;
    const int32_t *offset;   /* whole sums */
    const float *multiplier; /* whole sums */
    const float *bias;
    float low, high, add_scale;
    int out_zero, add_zero;
};

/* Compute neighbouring results from y on; x is the source of the first one's first tap. */
typedef void (*dot_tile)(const struct dot_span *span, const uint8_t *x, const uint8_t *w,
                         const uint8_t *add, uint8_t *y);

/*
 * Tiles of one level: tile[v - 1][m - 1] makes m pixels by v vectors, m <= max_pixels[v - 1]. In
 * paired tiles one more vector holds half as many channels for every two pixels: the way to do
 * with 24 or 40 channels. Their streams have the half vector's channels twice.
 */
struct dot_tiles {
    enum dot_sort sort;
    int lanes;
    int max_pixels[DOT_MAX_VECTORS];
    const dot_tile *tile[DOT_MAX_VECTORS];
    int max_paired[DOT_MAX_VECTORS - 1]; /* 0: none */
    const dot_tile *paired[DOT_MAX_VECTORS - 1];
};

size_t dot_packed(const struct conv_shape *s, const struct dot_tiles *tiles);
void dot_pack(const struct conv_shape *s, const struct dot_tiles *tiles, const void *w,
              void *packed);
size_t dot_scratch(const struct conv_shape *s, const struct dot_tiles *tiles);
int dot_items(const struct conv_shape *s);
void dot_run(const struct conv_call *call, const struct dot_tiles *tiles, int item0, int item1);

/* The row of conv_kernels[] made from a level's tiles. */
#define DOT_KERNEL(symbol, kernel_name, cpu, weight, fits_shape, tiles)                            \
    static size_t kernel_packed(const struct conv_shape *s)                                        \
    {                                                                                              \
        return dot_packed(s, &(tiles));                                                            \
    }                                                                                              \
    static void kernel_pack(const struct conv_shape *s, const void *w, void *packed)               \
    {                                                                                              \
        dot_pack(s, &(tiles), w, packed);                                                          \
    }                                                                                              \
    static size_t kernel_scratch(const struct conv_shape *s)                                       \
    {                                                                                              \
        return dot_scratch(s, &(tiles));                                                           \
    }                                                                                              \
    static int kernel_items(const struct conv_shape *s, int phase)                                 \
    {                                                                                              \
        (void)phase;                                                                               \
        return dot_items(s);                                                                       \
    }                                                                                              \
    static void kernel_run(const struct conv_call *call, int phase, int item0, int item1)          \
    {                                                                                              \
        (void)phase;                                                                               \
        dot_run(call, &(tiles), item0, item1);                                                     \
    }                                                                                              \
    const struct conv_kernel symbol = {                                                            \
        .name = kernel_name,                                                                       \
        .level = cpu,                                                                              \
        .weights = weight,                                                                         \
        .fits = fits_shape,                                                                        \
        .packed = kernel_packed,                                                                   \
        .pack = kernel_pack,                                                                       \
        .scratch = kernel_scratch,                                                                 \
        .items = kernel_items,                                                                     \
        .run = kernel_run,                                                                         \
    };

#endif
