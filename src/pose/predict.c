/*
 * The predictor. A run is a list of views (one per scale), each with its letterbox; a view's maps
 * are averaged with those of its mirror image, views are averaged with each other, and the result
 * is decoded and brought back to picture coordinates.
 */
#include "pose/predict.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "pose/average.h"
#include "pose/decode.h"
#include "pose/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { RGB = 3, STAGES = 3 };
enum { PREPROCESS, NETWORK, DECODE };

struct view {
    struct letterbox box;
    int input_w, input_h; /* the letterbox's, enlarged at the right and the bottom */
    struct owned_maps kept;
};

struct predictor {
    struct net net;
    struct predict_options options;
    struct workers *workers;
    struct resizer resizer;
    void *input;           /* floats, or bytes for a network that reads pixels */
    size_t input_capacity; /* bytes */
    int n_views;
    struct view views[PREDICT_MAX_SCALES]; /* by rising scale */
    struct owned_maps average;
    struct field field;
    struct decoder decoder;
    int64_t ns[STAGES];
};

void predict_options_default(struct predict_options *o)
{
    *o = (struct predict_options){
        .input_h = 256,
        .input_w = 256,
        .aspect = ASPECT_ADJUST_NETWORK,
        .heat_threshold = 0.1f,
        .paf_threshold = 0.05f,
        .n_scales = 1,
        .scales = {1},
        .peaks = PEAKS_SUBPIXEL,
        .min_joints = 4,
        .min_score_per_joint = 0.4f,
        .min_limb_share = 0.8f,
        .cpu = cpu_level_detect(),
    };
}

/* ---- opening ------------------------------------------------------------------------------- */

static int check_options(const struct predict_options *o)
{
    if (o->n_scales < 1 || o->n_scales > PREDICT_MAX_SCALES)
        return error_set(BPNET_ECONFIG, "scales: found %d, expected 1 to %d", o->n_scales,
                         PREDICT_MAX_SCALES);
    for (int i = 0; i < o->n_scales; i++)
        if (!(o->scales[i] > 0 && o->scales[i] <= 16))
            return error_set(BPNET_ECONFIG, "scales: found %g, expected above 0 and at most 16",
                             (double)o->scales[i]);
    if (o->input_h < 1 || o->input_w < 1 || o->input_h > LETTERBOX_MAX_SIDE ||
        o->input_w > LETTERBOX_MAX_SIDE)
        return error_set(BPNET_ECONFIG, "input_shape: found [%d, %d], expected 1 to %d", o->input_h,
                         o->input_w, LETTERBOX_MAX_SIDE);
    if (o->upsample_y < 0 || o->upsample_y > GRID_MAX_FACTOR || o->upsample_x < 0 ||
        o->upsample_x > GRID_MAX_FACTOR)
        return error_set(BPNET_ECONFIG,
                         "output_upsampling_factor: found [%d, %d], expected 1 to %d",
                         o->upsample_y, o->upsample_x, GRID_MAX_FACTOR);
    if (!isfinite(o->heat_threshold) || !isfinite(o->paf_threshold) ||
        !isfinite(o->min_score_per_joint) || !isfinite(o->person_threshold) ||
        !(o->min_limb_share >= 0 && o->min_limb_share < 1))
        return error_set(BPNET_ECONFIG, "a threshold is not a number or a share is not in [0, 1)");
    return BPNET_OK;
}

static int check_net(const struct net *net)
{
    if (!net->run == !net->run_pixels || (net->run_pixels && !net->fixed_size) || !net->skeleton ||
        net->stride < 1 || net->stride > GRID_MAX_FACTOR ||
        (net->fixed_size && (net->fixed_h < 1 || net->fixed_w < 1)))
        return error_set(BPNET_EUSAGE, "a network of stride %d, expected 1 to %d", net->stride,
                         GRID_MAX_FACTOR);
    for (int c = 0; c < RGB; c++)
        if (!(fabsf(net->scale[c]) > 0) || !isfinite(net->scale[c]) || !isfinite(net->offset[c]))
            return error_set(BPNET_EUSAGE, "a network that divides its input by %g",
                             (double)net->scale[c]);
    return BPNET_OK;
}

/* What a network of one input size can do: one scale, and the picture padded into it. */
static void restrict_options(struct predict_options *o, const struct net *net)
{
    if (o->input_h != net->fixed_h || o->input_w != net->fixed_w) {
        log_warning("input_shape [%d, %d]: this network has a fixed input of [%d, %d]", o->input_h,
                    o->input_w, net->fixed_h, net->fixed_w);
        o->input_h = net->fixed_h;
        o->input_w = net->fixed_w;
    }
    if (o->aspect == ASPECT_ADJUST_NETWORK) {
        log_warning("keep_aspect_ratio_mode adjust_network_input: this network has a fixed input, "
                    "pad_image_input is used");
        o->aspect = ASPECT_PAD_IMAGE;
    }
    if (o->n_scales > 1 || o->scales[0] != 1) {
        log_warning("multi_scale_inference: this network has a fixed input, one scale is used");
        o->n_scales = 1;
        o->scales[0] = 1;
    }
}

static int rising(const void *a, const void *b)
{
    const float p = *(const float *)a, q = *(const float *)b;
    return p < q ? -1 : p > q;
}

int predictor_open(struct predictor **out, const struct net *net,
                   const struct predict_options *options, struct workers *workers)
{
    *out = NULL;
    int err;
    if ((err = check_options(options)) < 0 || (err = check_net(net)) < 0)
        return err;
    struct predictor *p = calloc(1, sizeof(*p));
    if (!p)
        return error_set(BPNET_ENOMEM, "no memory for a predictor");
    p->net = *net;
    p->options = *options;
    p->workers = workers;
    if (net->fixed_size)
        restrict_options(&p->options, net);
    qsort(p->options.scales, (size_t)p->options.n_scales, sizeof(float), rising);
    p->n_views = p->options.n_scales;
    resizer_init(&p->resizer, options->cpu);
    *out = p;
    return BPNET_OK;
}

void predictor_close(struct predictor *p)
{
    if (!p)
        return;
    for (int i = 0; i < PREDICT_MAX_SCALES; i++)
        owned_maps_free(&p->views[i].kept);
    owned_maps_free(&p->average);
    resizer_free(&p->resizer);
    decoder_free(&p->decoder);
    field_free(&p->field);
    free(p->input);
    free(p);
}

/* ---- views --------------------------------------------------------------------------------- */

static int round_up(int n, int multiple)
{
    return (n + multiple - 1) / multiple * multiple;
}

/* Where a picture of image_w x image_h lies in the view of one scale. */
static int plan_box(const struct predictor *p, struct letterbox *box, int image_w, int image_h,
                    float scale)
{
    const struct predict_options *o = &p->options;
    const int h = (int)lrintf((float)o->input_h * scale),
              w = (int)lrintf((float)o->input_w * scale);
    return letterbox_plan(box, image_w, image_h, w < 1 ? 1 : w, h < 1 ? 1 : h, o->aspect);
}

/*
 * An input that is a whole number of cells keeps every cell's place: SAME padding would otherwise
 * shift by half a pixel at every odd size, and a mirrored view would not line up. The original
 * pads like this for several scales, but not for one.
 */
static int plan_view(const struct predictor *p, struct view *v, const struct image *image,
                     float scale)
{
    const struct predict_options *o = &p->options;
    const int err = plan_box(p, &v->box, image->w, image->h, scale);
    if (err < 0)
        return err;
    const bool as_is = p->net.fixed_size || (o->compat && p->n_views == 1 && !o->flip_test);
    v->input_w = as_is ? v->box.w : round_up(v->box.w, p->net.stride);
    v->input_h = as_is ? v->box.h : round_up(v->box.h, p->net.stride);
    return BPNET_OK;
}

static int reserve_input(struct predictor *p, size_t bytes)
{
    if (bytes <= p->input_capacity)
        return BPNET_OK;
    free(p->input);
    p->input_capacity = 0;
    p->input = aligned_alloc(ARENA_ALIGN, arena_round(bytes));
    if (!p->input)
        return error_set(BPNET_ENOMEM, "no memory for a network input of %zu bytes", bytes);
    p->input_capacity = bytes;
    return BPNET_OK;
}

static int shrink_for(const void *ctx, int w, int h)
{
    const struct predictor *p = ctx;
    struct letterbox box;
    int shrink = 1;
    if (p->options.compat)
        return shrink;
    if (plan_box(p, &box, w, h, p->options.scales[p->n_views - 1]) < 0)
        return shrink; /* the run will say why */
    while (shrink < 8 && box.fx * (2 * shrink) <= 1 && box.fy * (2 * shrink) <= 1)
        shrink *= 2;
    return shrink;
}

struct image_fit predictor_fit(const struct predictor *p)
{
    return (struct image_fit){shrink_for, p};
}

/* Normalised zeros at the right of and below the letterbox. */
static void clear_margin(float *input, const struct view *v)
{
    const size_t row = (size_t)v->input_w * RGB, used = (size_t)v->box.w * RGB;
    if (row > used)
        for (int y = 0; y < v->box.h; y++)
            memset(input + (size_t)y * row + used, 0, (row - used) * sizeof(float));
    memset(input + (size_t)v->box.h * row, 0,
           (size_t)(v->input_h - v->box.h) * row * sizeof(float));
}

static int preprocess(struct predictor *p, const struct view *v, const struct image *image)
{
    const bool pixels = p->net.run_pixels != NULL;
    const size_t values = (size_t)v->input_h * (size_t)v->input_w * RGB;
    const int err = reserve_input(p, pixels ? values : values * sizeof(float));
    if (err < 0)
        return err;
    const bool antialias = !p->options.compat;
    const size_t pitch = (size_t)v->input_w;
    if (pixels) /* of a fixed size: the letterbox fills it */
        return resizer_run_bytes(&p->resizer, image, &v->box, antialias, p->input, pitch,
                                 p->workers);
    clear_margin(p->input, v);
    return resizer_run(&p->resizer, image, &v->box, antialias, p->net.scale, p->net.offset,
                       p->input, pitch, p->workers);
}

static int run_net(struct predictor *p, const struct view *v, struct maps *maps)
{
    *maps = (struct maps){0};
    const struct net *net = &p->net;
    const int err = net->run ? net->run(net->ctx, p->input, v->input_h, v->input_w, maps)
                             : net->run_pixels(net->ctx, p->input, v->input_h, v->input_w, maps);
    if (err < 0)
        return err;
    const int stride = p->net.stride;
    const int h = (v->input_h - 1) / stride + 1, w = (v->input_w - 1) / stride + 1;
    if (maps->h != h || maps->w != w)
        return error_set(BPNET_EUSAGE,
                         "the network's maps have %d x %d cells for an input of %d x %d, expected "
                         "%d x %d (stride %d)",
                         maps->w, maps->h, v->input_w, v->input_h, w, h, stride);
    return BPNET_OK;
}

/* Adds the nanoseconds since *since to a stage. */
static void lap(struct predictor *p, int stage, int64_t *since)
{
    const int64_t now = clock_ns();
    p->ns[stage] += now - *since;
    *since = now;
}

/* One view's maps, averaged with the mirror image's. They last until the next run. */
static int run_view(struct predictor *p, struct view *v, const struct image *image,
                    struct maps *maps)
{
    int64_t since = clock_ns();
    int err = preprocess(p, v, image);
    lap(p, PREPROCESS, &since);
    if (err < 0 || (err = run_net(p, v, maps)) < 0)
        return err;
    lap(p, NETWORK, &since);
    if (!p->options.flip_test)
        return BPNET_OK;
    if ((err = owned_maps_copy(&v->kept, maps)) < 0)
        return err;
    const size_t pixel = RGB * (p->net.run_pixels ? sizeof(uint8_t) : sizeof(float));
    mirror_input(p->input, v->input_h, v->input_w, pixel);
    lap(p, PREPROCESS, &since);
    if ((err = run_net(p, v, maps)) < 0)
        return err;
    lap(p, NETWORK, &since);
    err = owned_maps_add_mirrored(&v->kept, maps, p->net.skeleton);
    *maps = v->kept.maps;
    lap(p, DECODE, &since);
    return err;
}

/* ---- several views ------------------------------------------------------------------------- */

/* Our way: the sum of all views on the cells of the largest. */
static int add_view(struct predictor *p, int i, const struct maps *maps)
{
    const struct view *largest = &p->views[p->n_views - 1];
    const int stride = p->net.stride;
    if (i == 0) {
        const int err = owned_maps_resize(&p->average, largest->input_h / stride,
                                          largest->input_w / stride, maps);
        if (err < 0)
            return err;
        memset(p->average.values, 0, p->average.capacity * sizeof(float));
    }
    return owned_maps_add_scale(&p->average, &largest->box, maps, &p->views[i].box, stride,
                                1.0f / (float)p->n_views, p->workers);
}

/* The original's way: all views are kept, and read through the largest one's pixel grid. */
static int keep_view(struct predictor *p, int i, const struct maps *maps)
{
    struct view *v = &p->views[i];
    const struct view *largest = &p->views[p->n_views - 1];
    int err;
    if (maps->heat != v->kept.maps.heat && (err = owned_maps_copy(&v->kept, maps)) < 0)
        return err;
    p->field.maps[i] = v->kept.maps;
    const int stride = p->net.stride;
    if ((err = grid_axis_rescale(&p->field.x[i], maps->w, stride, v->box.w, largest->box.w,
                                 p->options.peaks)) < 0)
        return err;
    return grid_axis_rescale(&p->field.y[i], maps->h, stride, v->box.h, largest->box.h,
                             p->options.peaks);
}

/* Upsampling of a single view: from cells to grid positions. */
static int factor_x(const struct predictor *p)
{
    return p->options.upsample_x ? p->options.upsample_x : p->net.stride;
}

static int factor_y(const struct predictor *p)
{
    return p->options.upsample_y ? p->options.upsample_y : p->net.stride;
}

static int use_single_view(struct predictor *p, const struct maps *maps)
{
    int err;
    p->field.maps[0] = *maps;
    if (p->options.peaks == PEAKS_SUBPIXEL)
        return BPNET_OK;
    if ((err = grid_axis_upsample(&p->field.x[0], maps->w, factor_x(p), p->options.peaks)) < 0)
        return err;
    return grid_axis_upsample(&p->field.y[0], maps->h, factor_y(p), p->options.peaks);
}

/* ---- the way back -------------------------------------------------------------------------- */

/* Our peaks are fractional cells, and every step keeps half-pixel centres. */
static void place_subpixel(const struct letterbox *box, int stride, struct joint_position *joint)
{
    const double centre = (stride - 1) * 0.5;
    joint->x = (float)letterbox_picture_x(box, (double)joint->x * stride + centre);
    joint->y = (float)letterbox_picture_y(box, (double)joint->y * stride + centre);
}

/* The original's formula, without half pixels; `unit` is input pixels per grid position. */
static void place_grid(const struct letterbox *box, double unit_x, double unit_y,
                       struct joint_position *joint)
{
    joint->x = (float)((double)joint->x * unit_x / box->fx - box->left);
    joint->y = (float)((double)joint->y * unit_y / box->fy - box->top);
}

static void place(const struct predictor *p, struct people *people)
{
    const struct letterbox *box = &p->views[p->n_views - 1].box;
    const int stride = p->net.stride;
    const bool single = p->n_views == 1;
    const double unit_x = single ? (double)stride / factor_x(p) : 1;
    const double unit_y = single ? (double)stride / factor_y(p) : 1;
    const size_t n = (size_t)people->n_people * (size_t)people->n_joints;
    for (size_t i = 0; i < n; i++) {
        if (!people->joints[i].found)
            continue;
        if (p->options.peaks == PEAKS_SUBPIXEL)
            place_subpixel(box, stride, &people->joints[i]);
        else
            place_grid(box, unit_x, unit_y, &people->joints[i]);
    }
}

/* ---- running ------------------------------------------------------------------------------- */

static int run_views(struct predictor *p, const struct image *image)
{
    const bool subpixel = p->options.peaks == PEAKS_SUBPIXEL;
    int err = BPNET_OK;
    for (int i = 0; i < p->n_views && err >= 0; i++)
        err = plan_view(p, &p->views[i], image, p->options.scales[i]);
    for (int i = 0; i < p->n_views && err >= 0; i++) {
        struct maps maps;
        if ((err = run_view(p, &p->views[i], image, &maps)) < 0)
            return err;
        const int64_t since = clock_ns();
        if (p->n_views == 1)
            err = use_single_view(p, &maps);
        else
            err = subpixel ? add_view(p, i, &maps) : keep_view(p, i, &maps);
        p->ns[DECODE] += clock_ns() - since;
    }
    if (subpixel && p->n_views > 1)
        p->field.maps[0] = p->average.maps;
    p->field.n = subpixel ? 1 : p->n_views;
    return err;
}

int predictor_run(struct predictor *p, const struct image *image, struct people *people)
{
    people_clear(people);
    memset(p->ns, 0, sizeof(p->ns));
    if (people->n_joints != p->net.skeleton->n_joints) {
        if (people->capacity > 0)
            return error_set(BPNET_EUSAGE, "people of %d joints for a network of %d",
                             people->n_joints, p->net.skeleton->n_joints);
        people->n_joints = p->net.skeleton->n_joints;
    }
    int err = run_views(p, image);
    if (err < 0)
        return err;
    const int64_t since = clock_ns();
    err = decoder_run(&p->decoder, &p->field, p->net.skeleton, &p->options, p->workers, people);
    if (err >= 0)
        place(p, people);
    p->ns[DECODE] += clock_ns() - since;
    return err;
}

void predictor_times(const struct predictor *p, int64_t ns[3])
{
    memcpy(ns, p->ns, sizeof(p->ns));
}
