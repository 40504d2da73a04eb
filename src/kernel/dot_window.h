/* The source of a band of rows for dot.h: a window copied into scratch, or the map itself. */
#ifndef KERNEL_DOT_WINDOW_H
#define KERNEL_DOT_WINDOW_H

#include "kernel/bf16.h"
#include "kernel/dot.h"

struct dot_window {
    enum dot_sort sort;
    bool direct; /* no window: the map has the right type, no border and no gaps in the runs */
    int n_rows, n_runs;
    int run, run_elements; /* of one run: groups of 4 bytes, numbers */
    int width;             /* pixels */
    int band;              /* output rows */
};

/* Where a band's first result finds its first tap; distances in bytes. */
struct dot_source {
    const uint8_t *data;
    ptrdiff_t row, pixel;
    bool joined; /* the results' sources follow each other from row to row */
};

/* Numbers in a group of 4 bytes. */
static inline int dot_per_group(enum dot_sort sort)
{
    return sort == DOT_U8 ? 4 : sort == DOT_F32 ? 1 : 2;
}

struct dot_window dot_window_of(const struct conv_shape *s, enum dot_sort sort);

/* Bytes of scratch, a multiple of 64. */
size_t dot_window_bytes(const struct dot_window *w, const struct conv_shape *s);

/* The source of output rows row0 <= y < row1, at most a band, in the call's scratch. */
struct dot_source dot_window_fill(const struct dot_window *w, const struct conv_call *call,
                                  int row0, int row1);

#endif
