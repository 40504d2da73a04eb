/* Pictures and masks through an affine map, bilinearly (spec 5.4). */
#ifndef DATA_WARP_H
#define DATA_WARP_H

#include "data/augment.h"
#include "io/image.h"

struct warp_image_options {
    float border;   /* value outside the picture, 0..255 */
    float scale[3]; /* x / scale - offset per channel, after the colour map */
    float offset[3];
    const struct colour_map *colour; /* NULL: as it is. The border keeps its colour. */
};

/*
 * (out_h, out_w, 3) floats from an RGB picture. Output pixel (x, y) is the picture at
 * inverse(x + 0.5, y + 0.5) - 0.5.
 */
void warp_image(float *out, int out_w, int out_h, const struct image *source,
                const struct affine *inverse, const struct warp_image_options *options);

/*
 * A grey mask at the network pixels (x0 + x * step, y0 + y * step) only, (out_h, out_w) floats in
 * 0..255; outside it is 255.
 */
void warp_mask(float *out, int out_w, int out_h, double x0, double y0, double step,
               const struct image *mask, const struct affine *inverse);

/*
 * The picture made `factor` times smaller by averaging blocks, the last ones partial, and the
 * affine map to go with it. For maps that shrink much, which bilinear taps would alias.
 */
int image_shrink(struct image *out, const struct image *source, int factor);
struct affine warp_shrunk_inverse(const struct affine *inverse, int factor);

/* The mean of a picture's grey values (ITU-R BT.601), from every fourth pixel of every fourth row.
 */
double image_mean_grey(const struct image *image);

/* How often to shrink before this map: 1 unless it shrinks by more than two. */
int warp_shrink_factor(const struct affine *inverse);

#endif
