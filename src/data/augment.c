/* Draws, matrices, mirrored joints, colour. */
#include "data/augment.h"

#include <math.h>
#include <string.h>

static const double pi = 3.14159265358979323846;

struct augment augment_none(void)
{
    return (struct augment){.zoom = 1};
}

static double draw_translation(const struct augmentation_spec *s, double low, double high, int side,
                               struct rng *rng)
{
    if (s->use_translate_ratio)
        return rng_range(rng, s->translate_ratio_min, s->translate_ratio_max) * side;
    return (double)rng_integer(rng, (int64_t)ceil(low), (int64_t)fmax(ceil(low), floor(high)));
}

static double draw_zoom(const struct augmentation_spec *s, struct rng *rng)
{
    if (s->zoom_log_uniform)
        return exp(rng_range(rng, log(s->zoom_ratio_min), log(s->zoom_ratio_max)));
    return rng_range(rng, s->zoom_ratio_min, s->zoom_ratio_max);
}

struct augment augment_draw(const struct augmentation_spec *s, int image_w, int image_h,
                            struct rng *rng)
{
    struct augment a;
    a.flip_lr = rng_uniform(rng) < s->flip_lr_prob;
    a.flip_tb = rng_uniform(rng) < s->flip_tb_prob;
    a.translate_x = draw_translation(s, s->translate_min_x, s->translate_max_x, image_w, rng);
    a.translate_y = draw_translation(s, s->translate_min_y, s->translate_max_y, image_h, rng);
    const bool zooms = rng_uniform(rng) < s->zoom_prob;
    const double zoom = draw_zoom(s, rng);
    a.zoom = zooms ? zoom : 1;
    a.rotate_deg = rng_range(rng, s->rotate_deg_min, s->rotate_deg_max);
    a.brightness = rng_range(rng, -s->brightness, s->brightness);
    a.contrast = rng_range(rng, -s->contrast, s->contrast);
    a.saturation = rng_range(rng, -s->saturation, s->saturation);
    a.hue_deg = rng_range(rng, -s->hue_deg, s->hue_deg);
    return a;
}

/* ---- geometry ---------------------------------------------------------------------------- */

/* T(W/2, H/2) F S(z) R(theta) T(-(c + t)); spec 5.3. */
static struct affine person_centric(const struct augmentation_spec *s, const struct augment *a,
                                    const struct augment_frame *f)
{
    const double z = s->target_person_scale / (f->height / f->net_w * a->zoom + 1e-5);
    const double zx = a->flip_lr ? -z : z, zy = a->flip_tb ? -z : z;
    const double c = cos(a->rotate_deg * pi / 180), n = sin(a->rotate_deg * pi / 180);
    const double x = f->center_x + a->translate_x, y = f->center_y + a->translate_y;
    const int half_w = f->net_w / 2, half_h = f->net_h / 2;
    return (struct affine){{zx * c, -zx * n, half_w - zx * (c * x - n * y), /* x' */
                            zy * n, zy * c, half_h - zy * (n * x + c * y)}};
}

/*
 * The standard modes cut a quadrilateral out of the picture. In unit coordinates it is a rectangle
 * that was turned, moved and scaled; the picture's aspect makes it a parallelogram, so that the map
 * to the network's rectangle, which the original computes as a projective one, is affine. `corner`
 * is where a corner (-0.5 or +0.5 from the middle, each) lies in the picture.
 */
struct point {
    double x, y;
};

static struct point corner(const struct augmentation_spec *s, const struct augment *a,
                           const struct augment_frame *f, double dx, double dy)
{
    const double aspect = (double)f->image_w / f->image_h;
    if (s->mode == SPATIAL_STANDARD) { /* a square that covers the picture */
        if (aspect > 1)
            dy *= aspect;
        else
            dx /= aspect;
    }
    if (a->flip_lr)
        dx = -dx;
    if (a->flip_tb)
        dy = -dy;
    const double c = cos(a->rotate_deg * pi / 180), n = sin(a->rotate_deg * pi / 180);
    double x = dx * c + dy * n; /* row vector times R(theta) */
    double y = -dx * n + dy * c;
    x = (x - a->translate_x / f->image_w) / a->zoom + 0.5;
    y = (y - a->translate_y / f->image_h) / a->zoom + 0.5;
    return (struct point){x * f->image_w, y * f->image_h};
}

static struct affine standard(const struct augmentation_spec *s, const struct augment *a,
                              const struct augment_frame *f)
{
    const struct point tl = corner(s, a, f, -0.5, -0.5), tr = corner(s, a, f, 0.5, -0.5);
    const struct point bl = corner(s, a, f, -0.5, 0.5);
    const struct affine to_picture = {{(tr.x - tl.x) / f->net_w, (bl.x - tl.x) / f->net_h, tl.x,
                                       (tr.y - tl.y) / f->net_w, (bl.y - tl.y) / f->net_h, tl.y}};
    struct affine to_network = {{1, 0, 0, 0, 1, 0}};
    affine_invert(&to_network, &to_picture);
    return to_network;
}

struct affine augment_matrix(const struct augmentation_spec *spec, const struct augment *a,
                             const struct augment_frame *frame)
{
    return spec->mode == SPATIAL_PERSON_CENTRIC ? person_centric(spec, a, frame)
                                                : standard(spec, a, frame);
}

bool affine_invert(struct affine *out, const struct affine *a)
{
    const double *m = a->m, det = m[0] * m[4] - m[1] * m[3];
    if (!(fabs(det) > 1e-18))
        return false;
    const double i = 1 / det;
    *out = (struct affine){{m[4] * i, -m[1] * i, (m[1] * m[5] - m[4] * m[2]) * i, /* x */
                            -m[3] * i, m[0] * i, (m[3] * m[2] - m[0] * m[5]) * i}};
    return true;
}

void affine_apply(const struct affine *a, double *x, double *y)
{
    const double px = *x, py = *y;
    *x = a->m[0] * px + a->m[1] * py + a->m[2];
    *y = a->m[3] * px + a->m[4] * py + a->m[5];
}

void augment_joints(const struct affine *a, const struct augment *drawn,
                    const struct skeleton *skeleton, struct joint *joints, int n_people)
{
    for (int p = 0; p < n_people; p++, joints += skeleton->n_joints) {
        for (int j = 0; j < skeleton->n_joints; j++) {
            double x = joints[j].x + 0.5, y = joints[j].y + 0.5;
            affine_apply(a, &x, &y);
            joints[j].x = x - 0.5;
            joints[j].y = y - 0.5;
        }
        if (drawn->flip_lr == drawn->flip_tb)
            continue;
        for (int j = 0; j < skeleton->n_joints; j++) {
            const int other = skeleton->mirror[j];
            if (other > j) {
                const struct joint swapped = joints[j];
                joints[j] = joints[other];
                joints[other] = swapped;
            }
        }
    }
}

/* ---- colour ------------------------------------------------------------------------------ */

static const double grey_weights[3] = {0.299, 0.587, 0.114}; /* ITU-R BT.601 */

/* Turn RGB about the grey axis (Rodrigues' formula), which keeps sums. */
static void hue_matrix(double m[3][3], double degrees)
{
    const double c = cos(degrees * pi / 180), s = sin(degrees * pi / 180) / sqrt(3);
    const double rest = (1 - c) / 3;
    for (int i = 0; i < 3; i++)
        for (int k = 0; k < 3; k++)
            m[i][k] = rest + (i == k ? c : (i + 1) % 3 == k ? -s : s);
}

struct colour_map augment_colour(const struct augment *a, double mean_grey)
{
    struct colour_map out = {.identity = a->brightness == 0 && a->contrast == 0 &&
                                         a->saturation == 0 && a->hue_deg == 0};
    double hue[3][3];
    hue_matrix(hue, a->hue_deg);
    const double contrast = 1 + a->contrast, saturation = 1 + a->saturation;
    for (int i = 0; i < 3; i++) {
        for (int k = 0; k < 3; k++) { /* saturate what the hue made: s I + (1 - s) grey */
            double grey = 0;
            for (int j = 0; j < 3; j++)
                grey += grey_weights[j] * hue[j][k];
            out.m[i][k] = (float)(contrast * (saturation * hue[i][k] + (1 - saturation) * grey));
        }
        out.m[i][3] = (float)((1 - contrast) * mean_grey + 255 * a->brightness);
    }
    return out;
}
