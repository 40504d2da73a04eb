/* Three lines over one axis in percent: parameters, multiply-accumulates, AP. */
#include "cli/sweep_plot.h"

#include "io/file.h"

#include <math.h>
#include <stdbool.h>

/* The plot's frame within the picture, in pixels. */
enum { WIDTH = 640, HEIGHT = 400, LEFT = 56, RIGHT = 616, TOP = 24, BOTTOM = 344, TICKS = 5 };

static double share_parameters(const struct sweep_row *r)
{
    return r->parameters_share;
}

static double share_macs(const struct sweep_row *r)
{
    return r->macs_share;
}

static double average_precision(const struct sweep_row *r)
{
    return r->ap;
}

static const struct curve {
    const char *name, *colour;
    double (*value)(const struct sweep_row *r);
} curves[] = {
    {"parameters that remain, %", "#3366cc", share_parameters},
    {"multiply-accumulates that remain, %", "#cc6600", share_macs},
    {"AP before retraining, %", "#228833", average_precision},
};

/* Thresholds from `low` to `high` span the frame. */
struct axis {
    double low, high;
};

static double place_x(const struct axis *axis, double threshold)
{
    return LEFT + (RIGHT - LEFT) * (threshold - axis->low) / (axis->high - axis->low);
}

static double place_y(double share)
{
    return BOTTOM - (BOTTOM - TOP) * share;
}

static void draw_grid(struct outfile *out, const struct axis *axis)
{
    for (int k = 0; k <= TICKS; k++) {
        const double share = (double)k / TICKS, y = place_y(share);
        const double x = LEFT + (RIGHT - LEFT) * share;
        outfile_printf(out, "<path d=\"M%d %.1fH%d\" stroke=\"#ddd\"/>\n", LEFT, y, RIGHT);
        outfile_printf(out, "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%d</text>\n", LEFT - 6,
                       y + 4, 100 * k / TICKS);
        outfile_printf(out, "<path d=\"M%.1f %dv5\" stroke=\"#888\"/>\n", x, BOTTOM);
        outfile_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.3g</text>\n", x,
                       BOTTOM + 20, axis->low + (axis->high - axis->low) * share);
    }
    outfile_printf(out, "<path d=\"M%d %dH%d\" stroke=\"#888\"/>\n", LEFT, BOTTOM, RIGHT);
    outfile_printf(out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">threshold</text>\n",
                   (LEFT + RIGHT) / 2, BOTTOM + 42);
}

static void draw_curve(struct outfile *out, const struct axis *axis, const struct curve *curve,
                       const struct sweep_row *rows, size_t n)
{
    bool drawn = false;
    for (size_t i = 0; i < n; i++) {
        const double share = curve->value(&rows[i]);
        if (!isfinite(share) || share < 0.0)
            continue;
        outfile_printf(out, "%s%.1f %.1f", drawn ? "L" : "<path fill=\"none\" d=\"M",
                       place_x(axis, rows[i].threshold), place_y(share));
        drawn = true;
    }
    if (drawn)
        outfile_printf(out, "\" stroke=\"%s\" stroke-width=\"2\"/>\n", curve->colour);
    for (size_t i = 0; i < n; i++) {
        const double share = curve->value(&rows[i]);
        if (isfinite(share) && share >= 0.0)
            outfile_printf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>\n",
                           place_x(axis, rows[i].threshold), place_y(share), curve->colour);
    }
}

static void draw_legend(struct outfile *out, int line, const struct curve *curve)
{
    const int y = TOP + 8 + 18 * line, x = RIGHT - 230;
    outfile_printf(out, "<path d=\"M%d %dh18\" stroke=\"%s\" stroke-width=\"2\"/>\n", x, y,
                   curve->colour);
    outfile_printf(out, "<text x=\"%d\" y=\"%d\">%s</text>\n", x + 24, y + 4, curve->name);
}

int sweep_plot_write(const char *path, const struct sweep_row *rows, size_t n)
{
    struct outfile out;
    const int err = outfile_open(&out, path);
    if (err < 0)
        return err;
    struct axis axis = {rows[0].threshold, rows[n - 1].threshold};
    if (!(axis.high > axis.low))
        axis.high = axis.low + 1.0;
    outfile_printf(&out,
                   "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
                   "font-family=\"sans-serif\" font-size=\"12\">\n"
                   "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
                   WIDTH, HEIGHT);
    draw_grid(&out, &axis);
    int line = 0;
    for (size_t k = 0; k < sizeof(curves) / sizeof(curves[0]); k++) {
        draw_curve(&out, &axis, &curves[k], rows, n);
        if (!isnan(curves[k].value(&rows[0])))
            draw_legend(&out, line++, &curves[k]);
    }
    outfile_printf(&out, "</svg>\n");
    return outfile_commit(&out);
}
