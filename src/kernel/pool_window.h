/* Windows of pooling and neighbours of enlargement, one axis at a time. */
#ifndef KERNEL_POOL_WINDOW_H
#define KERNEL_POOL_WINDOW_H

#include "kernel/kernel.h"

/* The taps inside the map: input coordinates first, first + dilation, … < end. */
struct axis {
    int first, end;
};

static inline struct axis window_axis(const struct conv_geometry *g, int out, int pad, int kernel,
                                      int size)
{
    const int start = out * g->stride - pad;
    const int end = start + (kernel - 1) * g->dilation + 1;
    const int skipped = start < 0 ? (-start + g->dilation - 1) / g->dilation : 0;
    return (struct axis){start + skipped * g->dilation, end < size ? end : size};
}

static inline struct axis window_rows(const struct conv_geometry *g, int oy)
{
    return window_axis(g, oy, g->pad_top, g->kernel_h, g->in_h);
}

static inline struct axis window_columns(const struct conv_geometry *g, int ox)
{
    return window_axis(g, ox, g->pad_left, g->kernel_w, g->in_w);
}

/* How many taps of an axis are inside. */
static inline int axis_count(const struct conv_geometry *g, struct axis a)
{
    return a.first >= a.end ? 0 : (a.end - 1 - a.first) / g->dilation + 1;
}

/* Output o of an enlargement by 2 lies between inputs near (weight 3/4) and far (weight 1/4). */
static inline void halves(int o, int size, int *near, int *far)
{
    const int other = o % 2 == 0 ? o / 2 - 1 : o / 2 + 1;
    *near = o / 2;
    *far = other < 0 ? 0 : other >= size ? size - 1 : other;
}

#endif
