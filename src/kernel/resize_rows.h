/*
 * The arithmetic of a cubic resize, row by row: blocks of pixels may be averaged, four source rows
 * are blended, then columns of the blended row, then values become bytes. Products and sums are
 * rounded one by one, in the order written here, so that every level gives the same bytes.
 */
#ifndef KERNEL_RESIZE_ROWS_H
#define KERNEL_RESIZE_ROWS_H

#include "base/cpu.h"

#include <stddef.h>
#include <stdint.h>

enum { RESIZE_TAPS = 4, RESIZE_CHANNELS = 3 };

struct resize_rows {
    void (*widen)(const uint8_t *in, size_t n, float *out);

    /* sums[i] = in[i] + in[pitch + i] + ..., of `rows` rows from 0. */
    void (*add_rows)(const uint8_t *in, size_t pitch, int rows, size_t n, uint32_t *sums);

    /*
     * Pixel d, channel c: (float)(share * (double)the sum over sums[3 (width d + k) + c],
     * 0 <= k < width), a sum below 2^31. One number behind the last that counts may be read, one
     * float behind the n pixels of `out` may be touched.
     */
    void (*average)(const uint32_t *sums, int width, double share, size_t n, float *out);

    /* out[i] = ((in[0][i] w[0] + in[1][i] w[1]) + in[2][i] w[2]) + in[3][i] w[3] */
    void (*blend)(const float *const in[RESIZE_TAPS], const float w[RESIZE_TAPS], size_t n,
                  float *out);

    /*
     * Pixel d, channel c: the same sum over line[3 (first[d] + k) + c] w[d][k], k = 0..3. One float
     * behind the last pixel that is read, and behind the n pixels of `out`, may be touched.
     */
    void (*columns)(const float *line, const int32_t *first, const float (*w)[RESIZE_TAPS],
                    size_t n, float *out);

    /* To the nearest whole number, halves to even, within 0..255; |in| is below 2^22. */
    void (*narrow)(const float *in, size_t n, uint8_t *out);
};

void resize_rows_init(struct resize_rows *k, enum cpu_level level);

#endif
