/*
 * Where a picture lies in a network's input, and the way back (keep_aspect_ratio_mode).
 *
 * The picture is first surrounded by grey (128) so that it is padded_w x padded_h, then resized by
 * fx and fy to w x h. With pixel centres at whole numbers, input pixel u shows picture position
 * (u + 0.5) / fx - 0.5 - left.
 */
#ifndef POSE_LETTERBOX_H
#define POSE_LETTERBOX_H

#include "pose/predict.h"

enum {
    LETTERBOX_GREY = 128,
    LETTERBOX_MAX_SIDE = 8192, /* of the configured network input */
    LETTERBOX_MAX_PIXELS = 1 << 24,
};

struct letterbox {
    int image_w, image_h;
    int left, top;          /* grey before the picture, in picture pixels */
    int padded_w, padded_h; /* picture and grey together */
    double fx, fy;          /* input pixels a picture pixel */
    int w, h;               /* the input */
};

/*
 * ASPECT_STRETCH fills net_w x net_h with the picture. ASPECT_PAD_IMAGE keeps the picture's shape
 * by grey around it. ASPECT_ADJUST_NETWORK keeps it by making the input larger in one direction:
 * both sides are at least the configured ones. BPNET_ELIMIT when that exceeds
 * LETTERBOX_MAX_PIXELS (very long pictures).
 */
int letterbox_plan(struct letterbox *out, int image_w, int image_h, int net_w, int net_h,
                   enum aspect_mode mode);

static inline double letterbox_picture_x(const struct letterbox *l, double input_x)
{
    return (input_x + 0.5) / l->fx - 0.5 - l->left;
}
static inline double letterbox_picture_y(const struct letterbox *l, double input_y)
{
    return (input_y + 0.5) / l->fy - 0.5 - l->top;
}
static inline double letterbox_input_x(const struct letterbox *l, double picture_x)
{
    return (picture_x + l->left + 0.5) * l->fx - 0.5;
}
static inline double letterbox_input_y(const struct letterbox *l, double picture_y)
{
    return (picture_y + l->top + 0.5) * l->fy - 0.5;
}

#endif
