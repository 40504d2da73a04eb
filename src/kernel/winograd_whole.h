/*
 * 3x3 convolution of bytes with stride 1 by Winograd's algorithm in 16-bit whole numbers: 36
 * products of 16 bits for 16 results instead of 144 of 8 bits, that is half of the instructions or
 * less. The transform of bytes is exact; only the transformed weights are rounded, to 9 bits or
 * more, which errs less than weights of 8 bits do. Every level gives the same bits.
 *
 * The points are 0, 1, -1, 2, -2, infinity; B, G, A are their matrices (Lavin, Gray 2016), point
 * p = (a, b), C input channels:
 *
 *     v[p]    = sum over 6x6 pixels of B[a][y] B[b][x] (q - zero)           exact in 16 bits
 *     u[p][j] = sum over 3x3 taps of G[a][y] G[b][x] w                      in double
 *     n[p]    = (2^31 - 1) / (255 m[p]) - C / 2 - 1, m[p] the larger one of the sums of the
 * positive and of the negative B[a][y] B[b][x]: |v[p]| <= 255 m[p], whatever the zero s[p][j] =
 * max(sum over c of |u| / n[p], max of |u| / 32767), as a float; 1 for 0 i[p][j] = rint(u[p][j] /
 * s[p][j])                                     sums of i v fit 32 bits r[p]    = (float)(sum over c
 * of i v) * s[p][j]; + bias[j] for p = (1, 1), by one fmaf
 *
 * The results are A r A, columns first; a line of six makes
 *     r0 + (e1 + e2), fmaf(2, o2, o1), fmaf(4, e2, e1), fmaf(8, o2, o1 + r5)
 * with e1, o1 = r1 +- r2, e2, o2 = r3 +- r4. From there on conv_kernel.h holds.
 */
#ifndef KERNEL_WINOGRAD_WHOLE_H
#define KERNEL_WINOGRAD_WHOLE_H

#include "kernel/conv_kernel.h"
#include "kernel/winograd.h"

enum { WHOLE_MAX_VECTORS = 3, WHOLE_BIAS_POINT = WINOGRAD_PATCH + 1 };

/* Some rows of x (`steps` pairs of 16-bit numbers each) by a block of weights, the sums of 32 bits
 * as floats; distances in bytes. */
typedef void (*whole_tile)(int steps, const int16_t *x, ptrdiff_t x_row, const int16_t *w, float *y,
                           ptrdiff_t y_row);

struct whole_level {
    int lanes;                       /* of a vector of sums */
    int words;                       /* channels that patches() does at once, even */
    int max_vectors;                 /* of a block */
    bool halves;                     /* a block's last vector may be half a one */
    int max_rows[WHOLE_MAX_VECTORS]; /* tile[v - 1][m - 1] makes m rows by v vectors */
    const whole_tile *tile[WHOLE_MAX_VECTORS];
    const whole_tile *half_tile[WHOLE_MAX_VECTORS]; /* the last one is a half */
    /* All channels of n tiles side by side, whose pixels are the square's 6 rows of 4 n + 2; point
     * p of tile i at out + i * tile + p * point, channels beyond the last are noise. */
    void (*patches)(const struct winograd_square *s, int n, const uint8_t *map, const uint8_t *zero,
                    int channels, int16_t *out, ptrdiff_t tile, ptrdiff_t point);
    /* 4x4 results of the channels from `channel` on (at most a vector) from their sums. */
    void (*result)(const struct conv_call *call, const struct winograd_square *s, const float *in,
                   ptrdiff_t point, const float *scale, ptrdiff_t scale_point, int channel);
};

bool whole_fits(const struct conv_shape *s);
size_t whole_packed(const struct conv_shape *s, const struct whole_level *level);
void whole_pack(const struct conv_shape *s, const struct whole_level *level, const float *w,
                void *packed);
size_t whole_scratch(const struct conv_shape *s, const struct whole_level *level);
int whole_items(const struct conv_shape *s);
void whole_run(const struct conv_call *call, const struct whole_level *level, int item0, int item1);

/* The row of conv_kernels[] made from a level. */
#define WHOLE_KERNEL(symbol, kernel_name, cpu, fits_shape, its_level)                              \
    static size_t kernel_packed(const struct conv_shape *s)                                        \
    {                                                                                              \
        return whole_packed(s, &(its_level));                                                      \
    }                                                                                              \
    static void kernel_pack(const struct conv_shape *s, const void *w, void *packed)               \
    {                                                                                              \
        whole_pack(s, &(its_level), w, packed);                                                    \
    }                                                                                              \
    static size_t kernel_scratch(const struct conv_shape *s)                                       \
    {                                                                                              \
        return whole_scratch(s, &(its_level));                                                     \
    }                                                                                              \
    static int kernel_items(const struct conv_shape *s, int phase)                                 \
    {                                                                                              \
        (void)phase;                                                                               \
        return whole_items(s);                                                                     \
    }                                                                                              \
    static void kernel_run(const struct conv_call *call, int phase, int item0, int item1)          \
    {                                                                                              \
        (void)phase;                                                                               \
        whole_run(call, &(its_level), item0, item1);                                               \
    }                                                                                              \
    const struct conv_kernel symbol = {                                                            \
        .name = kernel_name,                                                                       \
        .level = cpu,                                                                              \
        .weights = WEIGHT_F32,                                                                     \
        .transforms = true,                                                                        \
        .fits = fits_shape,                                                                        \
        .packed = kernel_packed,                                                                   \
        .pack = kernel_pack,                                                                       \
        .scratch = kernel_scratch,                                                                 \
        .items = kernel_items,                                                                     \
        .run = kernel_run,                                                                         \
    };

#endif
