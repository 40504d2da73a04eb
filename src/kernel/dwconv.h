/*
 * Depthwise convolution for inference, as far as it is the same at every vector level. A band of
 * rows is read from a window (dot_window.h): bytes as they are, anything else as floats; a level
 * sums the taps of one vector of channels along a row. Taps of bytes go in pairs, two 16-bit
 * numbers to a lane.
 */
#ifndef KERNEL_DWCONV_H
#define KERNEL_DWCONV_H

#include "kernel/conv_kernel.h"
#include "kernel/dot_window.h"

enum { DWCONV_MAX_TAPS = 49 };

/* A row of results of one vector of channels. */
struct dwconv_row {
    const struct conv_call *call;
    const uint8_t *x;                   /* the first result's first pixel, this vector's channels */
    ptrdiff_t pixel;                    /* bytes between the sources of neighbouring results */
    ptrdiff_t tap[DWCONV_MAX_TAPS + 1]; /* bytes from x; the last one twice when they are odd */
    int n_taps;
    const void *w;        /* this vector's stream */
    ptrdiff_t at, add_at; /* the first result's element in y, and in what is added */
    int channel, n;       /* n results */
};

struct dwconv_level {
    enum dot_sort sort; /* DOT_U8 or DOT_F32 */
    int lanes;
    void (*row)(const struct dwconv_row *row);
};

bool dwconv_fits(const struct conv_shape *s);
size_t dwconv_packed(const struct conv_shape *s, const struct dwconv_level *level);
void dwconv_pack(const struct conv_shape *s, const struct dwconv_level *level, const void *w,
                 void *packed);
size_t dwconv_scratch(const struct conv_shape *s, const struct dwconv_level *level);
int dwconv_items(const struct conv_shape *s); /* rows */
void dwconv_run(const struct conv_call *call, const struct dwconv_level *level, int item0,
                int item1);

/* The row of conv_kernels[] made from a level. */
#define DWCONV_KERNEL(prefix, symbol, kernel_name, cpu, weight, fits_shape, its_level)             \
    static size_t prefix##_packed(const struct conv_shape *s)                                      \
    {                                                                                              \
        return dwconv_packed(s, &(its_level));                                                     \
    }                                                                                              \
    static void prefix##_pack(const struct conv_shape *s, const void *w, void *packed)             \
    {                                                                                              \
        dwconv_pack(s, &(its_level), w, packed);                                                   \
    }                                                                                              \
    static size_t prefix##_scratch(const struct conv_shape *s)                                     \
    {                                                                                              \
        return dwconv_scratch(s, &(its_level));                                                    \
    }                                                                                              \
    static int prefix##_items(const struct conv_shape *s, int phase)                               \
    {                                                                                              \
        (void)phase;                                                                               \
        return dwconv_items(s);                                                                    \
    }                                                                                              \
    static void prefix##_run(const struct conv_call *call, int phase, int item0, int item1)        \
    {                                                                                              \
        (void)phase;                                                                               \
        dwconv_run(call, &(its_level), item0, item1);                                              \
    }                                                                                              \
    const struct conv_kernel symbol = {                                                            \
        .name = kernel_name,                                                                       \
        .level = cpu,                                                                              \
        .weights = weight,                                                                         \
        .fits = fits_shape,                                                                        \
        .packed = prefix##_packed,                                                                 \
        .pack = prefix##_pack,                                                                     \
        .scratch = prefix##_scratch,                                                               \
        .items = prefix##_items,                                                                   \
        .run = prefix##_run,                                                                       \
    };

#endif
