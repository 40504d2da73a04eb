/*
 * What an engine does to maps besides convolving them, for maps of every type: one table per level,
 * as kernel.h has. Rows row0 <= y < row1 of the OUTPUT of one image. U8 maps: the definitions
 * are exact, every level gives the same bytes. BF16: computed in float, rounded to nearest even.
 */
#ifndef KERNEL_MAP_OPS_H
#define KERNEL_MAP_OPS_H

#include "kernel/conv_kernel.h"

/* A map of one image; data of `type`, pitch in elements. */
struct map_view {
    void *data;
    enum map_type type;
    int h, w, channels, pitch;
};

/* From one type or quantisation to another, channel by channel:
 *   to U8:   q = (int)rint(min(max(fmaf(v, scale[c], shift[c]), low), high)) + zero
 *   else:    y = min(max(fmaf(v, scale[c], shift[c]), low), high)
 * where v is the source's number as it stands (U8: q as a float). */
struct map_convert {
    const float *scale, *shift; /* per channel */
    float low, high;
    int zero;
};

struct map_ops {
    enum cpu_level level;
    void (*convert)(const struct map_view *x, const struct map_convert *how,
                    const struct map_view *y, int row0, int row1);

    /* z = limits(a * x + b * y + c) in the sense of map_convert, scalars for all channels: the sum
     * is fmaf(x, a, fmaf(y, b, c)). All three of one type. */
    void (*add)(const struct map_view *x, const struct map_view *y, float a, float b, float c,
                float low, float high, int zero, const struct map_view *z, int row0, int row1);

    /* Padding never wins (max), is not counted (average; U8: sum of bytes divided by the count,
     * halves to even); a window of padding alone gives 0. Types equal, quantisation unchanged. */
    void (*max_pool)(const struct conv_geometry *g, enum map_type type, const void *x, void *y,
                     int row0, int row1);
    void (*avg_pool)(const struct conv_geometry *g, enum map_type type, const void *x, void *y,
                     int row0, int row1);

    /* Bilinear, factor 2, as kernel.h's upsample2, cropped to y's size. U8: (9 a + 3 b + 3 c + d +
     * 8) >> 4 with a the nearest; borders repeated. */
    void (*upsample2)(const struct map_view *x, const struct map_view *y, int row0, int row1);
};

void map_ops_init(struct map_ops *ops, enum cpu_level level);

#endif
