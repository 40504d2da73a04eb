/* A plot of what remains after pruning against the threshold, as SVG. */
#ifndef CLI_SWEEP_PLOT_H
#define CLI_SWEEP_PLOT_H

#include <stddef.h>

struct sweep_row {
    double threshold;
    size_t parameters;
    long long macs;
    double parameters_share, macs_share; /* of the original, 0..1 */
    double ap;                           /* 0..1; NaN: not measured */
};

/* Rows in ascending order of thresholds, at least one. */
int sweep_plot_write(const char *path, const struct sweep_row *rows, size_t n);

#endif
