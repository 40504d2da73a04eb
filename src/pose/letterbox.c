/* The three ways to fit a picture into a network's input, in exact integers where they matter. */
#include "pose/letterbox.h"

#include "base/error.h"

#include <math.h>

static void stretch(struct letterbox *l, int net_w, int net_h)
{
    l->fx = (double)net_w / l->padded_w;
    l->fy = (double)net_h / l->padded_h;
    l->w = net_w;
    l->h = net_h;
}

/* Grey rows above and below a picture that is too wide, columns beside one that is too high. */
static void pad(struct letterbox *l, int net_w, int net_h)
{
    const int64_t w = l->image_w, h = l->image_h;
    if (w * net_h > h * net_w) {
        l->padded_h = (int)(w * net_h / net_w);
        l->top = (l->padded_h - l->image_h) / 2;
    } else {
        l->padded_w = (int)(h * net_w / net_h);
        l->left = (l->padded_w - l->image_w) / 2;
    }
    stretch(l, net_w, net_h);
}

static int adjust(struct letterbox *l, int net_w, int net_h)
{
    const int64_t w = l->image_w, h = l->image_h;
    const double f =
        w * net_h > h * net_w ? (double)net_h / l->image_h : (double)net_w / l->image_w;
    const double out_w = rint(l->image_w * f), out_h = rint(l->image_h * f);
    if (out_w * out_h > LETTERBOX_MAX_PIXELS)
        return error_set(BPNET_ELIMIT,
                         "a picture of %d x %d needs a network input of %.0f x %.0f, more than %d "
                         "pixels: use another aspect mode",
                         l->image_w, l->image_h, out_w, out_h, LETTERBOX_MAX_PIXELS);
    l->fx = l->fy = f;
    l->w = (int)out_w;
    l->h = (int)out_h;
    return BPNET_OK;
}

int letterbox_plan(struct letterbox *out, int image_w, int image_h, int net_w, int net_h,
                   enum aspect_mode mode)
{
    if (image_w < 1 || image_h < 1 || image_w > IMAGE_MAX_SIDE || image_h > IMAGE_MAX_SIDE)
        return error_set(BPNET_ELIMIT, "a picture of %d x %d, expected sides of 1 to %d", image_w,
                         image_h, IMAGE_MAX_SIDE);
    if (net_w < 1 || net_h < 1 || net_w > LETTERBOX_MAX_SIDE || net_h > LETTERBOX_MAX_SIDE ||
        net_w > LETTERBOX_MAX_PIXELS / net_h)
        return error_set(BPNET_ELIMIT,
                         "a network input of %d x %d, expected sides of 1 to %d and at most %d "
                         "pixels",
                         net_w, net_h, LETTERBOX_MAX_SIDE, LETTERBOX_MAX_PIXELS);
    *out = (struct letterbox){
        .image_w = image_w, .image_h = image_h, .padded_w = image_w, .padded_h = image_h};
    switch (mode) {
    case ASPECT_ADJUST_NETWORK: return adjust(out, net_w, net_h);
    case ASPECT_PAD_IMAGE: pad(out, net_w, net_h); break;
    case ASPECT_STRETCH: stretch(out, net_w, net_h); break;
    }
    return BPNET_OK;
}
