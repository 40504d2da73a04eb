/* Random geometry and colour of a training sample: the draws, and what they mean (spec part 5). */
#ifndef DATA_AUGMENT_H
#define DATA_AUGMENT_H

#include "base/rng.h"
#include "data/joints.h"

/* x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5]. */
struct affine {
    double m[6];
};

/* What was drawn for one sample; augment_none() is the sample as it is. */
struct augment {
    bool flip_lr, flip_tb;
    double translate_x, translate_y; /* source pixels */
    double zoom;
    double rotate_deg;
    double brightness, contrast, saturation, hue_deg; /* as in struct augmentation_spec */
};

/* The picture and person a sample is about, and the network's input size. */
struct augment_frame {
    int image_w, image_h;
    double center_x, center_y, height; /* of the main person's box */
    int net_w, net_h;
};

struct augment augment_none(void);

/* Draws in the order of spec 5.2, then colour; always the same number of draws. */
struct augment augment_draw(const struct augmentation_spec *spec, int image_w, int image_h,
                            struct rng *rng);

/* Source pixels to network pixels, in the spec's mode. */
struct affine augment_matrix(const struct augmentation_spec *spec, const struct augment *a,
                             const struct augment_frame *frame);

/* Its inverse; false when it has none (a picture collapsed to a line). */
bool affine_invert(struct affine *out, const struct affine *a);

void affine_apply(const struct affine *a, double *x, double *y);

/*
 * Move people's joints (n_people, n_joints) to network pixels, from pixel centre to pixel centre as
 * the picture moves (the original left out the half pixel, quirk 25); a mirrored person's left
 * joints become right ones, once: two mirrors are a rotation (quirk 21).
 */
void augment_joints(const struct affine *a, const struct augment *drawn,
                    const struct skeleton *skeleton, struct joint *joints, int n_people);

/* Colour as one affine map of RGB in 0..255: out = m[.][0..2] rgb + m[.][3]. */
struct colour_map {
    float m[3][4];
    bool identity;
};
struct colour_map augment_colour(const struct augment *a, double mean_grey);

#endif
