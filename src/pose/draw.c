/*
 * Everything is a capsule: all points within a radius of a segment (of a point, for joints). Its
 * edge pixels are covered in proportion to how far they lie inside.
 */
#include "pose/draw.h"

#include "base/error.h"

#include <math.h>
#include <string.h>
#include <strings.h>

enum { PALEST = 60 }; /* the least a channel has */

enum side { MIDDLE, LEFT, RIGHT };

struct brush {
    double radius, opacity;
    uint8_t rgb[3];
};

/* ---- colours ------------------------------------------------------------------------------- */

/* Hue in degrees; not fully saturated, so that blue stands out from shadows. */
static void hue_to_rgb(double hue, uint8_t rgb[3])
{
    static const double shift[3] = {0, 240, 120}; /* red's peak is at 0, green's at 120 */
    for (int c = 0; c < 3; c++) {
        const double h = fmod(hue + shift[c], 360);
        const double away = fabs(h > 180 ? h - 360 : h); /* from the channel's peak */
        const double part = away <= 60 ? 1 : away >= 120 ? 0 : (120 - away) / 60;
        rgb[c] = (uint8_t)lrint(PALEST + (255 - PALEST) * part);
    }
}

static enum side joint_side(const struct skeleton *s, int joint)
{
    const char *name = s->joints[joint];
    const size_t length = strlen(name);
    if (s->mirror[joint] == joint)
        return MIDDLE;
    const bool left = strncasecmp(name, "l", 1) == 0 ||
                      (length >= 2 && strcasecmp(name + length - 2, "_l") == 0) ||
                      (length >= 5 && strcasecmp(name + length - 5, "_left") == 0);
    return left ? LEFT : RIGHT;
}

static enum side limb_side(const struct skeleton *s, int limb)
{
    const enum side from = joint_side(s, s->limbs[limb][0]), to = joint_side(s, s->limbs[limb][1]);
    if (from == MIDDLE || to == MIDDLE)
        return from == MIDDLE ? to : from;
    return from == to ? from : MIDDLE;
}

void draw_limb_colour(const struct skeleton *s, int limb, uint8_t rgb[3])
{
    static const struct {
        double hue, span;
    } wheel[] = {[MIDDLE] = {300, 40}, [LEFT] = {180, 100}, [RIGHT] = {0, 120}};
    const enum side side = limb_side(s, limb);
    int before = 0, all = 0;
    for (int k = 0; k < s->n_limbs; k++) {
        const bool same = limb_side(s, k) == side;
        all += same;
        before += same && k < limb;
    }
    hue_to_rgb(wheel[side].hue + wheel[side].span * before / all, rgb);
}

/* ---- capsules ------------------------------------------------------------------------------ */

struct bounds {
    int x0, y0, x1, y1; /* half open */
};

static int within(double x, int n)
{
    return x < 0 ? 0 : x > n ? n : (int)x;
}

static struct bounds bounds_of(const struct image *image, double ax, double ay, double bx,
                               double by, double radius)
{
    return (struct bounds){
        within(floor(fmin(ax, bx) - radius - 1), image->w),
        within(floor(fmin(ay, by) - radius - 1), image->h),
        within(ceil(fmax(ax, bx) + radius + 2), image->w),
        within(ceil(fmax(ay, by) + radius + 2), image->h),
    };
}

static void blend(uint8_t *pixel, const uint8_t rgb[3], double part)
{
    for (int c = 0; c < 3; c++)
        pixel[c] = (uint8_t)lrint(pixel[c] + part * (rgb[c] - pixel[c]));
}

static void draw_capsule(struct image *image, double ax, double ay, double bx, double by,
                         const struct brush *brush)
{
    const double dx = bx - ax, dy = by - ay, square = dx * dx + dy * dy;
    if (!isfinite(square))
        return;
    const struct bounds b = bounds_of(image, ax, ay, bx, by, brush->radius);
    for (int y = b.y0; y < b.y1; y++)
        for (int x = b.x0; x < b.x1; x++) {
            const double px = x - ax, py = y - ay;
            double along = square > 0 ? (px * dx + py * dy) / square : 0;
            along = along < 0 ? 0 : along > 1 ? 1 : along;
            const double ex = px - along * dx, ey = py - along * dy;
            const double inside = brush->radius + 0.5 - sqrt(ex * ex + ey * ey);
            if (inside > 0)
                blend(image->pixels + ((size_t)y * (size_t)image->w + (size_t)x) * 3, brush->rgb,
                      brush->opacity * (inside < 1 ? inside : 1));
        }
}

/* ---- people -------------------------------------------------------------------------------- */

/* Half a limb's thickness: by the person's extent, but visible in a large picture seen whole. */
static double limb_radius(const struct image *image, const struct joint_position *joints, int n)
{
    double x0 = INFINITY, x1 = -INFINITY, y0 = INFINITY, y1 = -INFINITY;
    for (int j = 0; j < n; j++) {
        if (!joints[j].found || !isfinite(joints[j].x) || !isfinite(joints[j].y))
            continue;
        x0 = fmin(x0, (double)joints[j].x);
        x1 = fmax(x1, (double)joints[j].x);
        y0 = fmin(y0, (double)joints[j].y);
        y1 = fmax(y1, (double)joints[j].y);
    }
    const double shorter = image->w < image->h ? image->w : image->h;
    const double person = x0 <= x1 ? hypot(x1 - x0, y1 - y0) : 0;
    const double radius = 0.0055 * person + 0.0012 * shorter;
    const double most = 0.012 * shorter;
    return fmax(0.6, radius < most ? radius : most);
}

static void draw_limbs(struct image *image, const struct joint_position *joints,
                       const struct skeleton *s, const struct brush *outline, double radius)
{
    for (int k = 0; k < s->n_limbs; k++) {
        const struct joint_position *a = &joints[s->limbs[k][0]], *b = &joints[s->limbs[k][1]];
        struct brush colour = {.radius = radius, .opacity = 0.85};
        if (!a->found || !b->found)
            continue;
        draw_limb_colour(s, k, colour.rgb);
        draw_capsule(image, (double)a->x, (double)a->y, (double)b->x, (double)b->y,
                     outline ? outline : &colour);
    }
}

/* A joint has the colour of the first limb that ends at it. */
static void draw_joint(struct image *image, const struct joint_position *joint, int index,
                       const struct skeleton *s, double radius)
{
    struct brush colour = {.radius = 1.5 * radius, .opacity = 1, .rgb = {255, 255, 255}};
    for (int k = s->n_limbs - 1; k >= 0; k--)
        if (s->limbs[k][0] == index || s->limbs[k][1] == index)
            draw_limb_colour(s, k, colour.rgb);
    const struct brush outline = {.radius = 1.5 * radius + 0.4 * radius, .opacity = 0.6};
    const double x = (double)joint->x, y = (double)joint->y;
    draw_capsule(image, x, y, x, y, &outline);
    draw_capsule(image, x, y, x, y, &colour);
}

int draw_people(struct image *image, const struct people *people, const struct skeleton *s)
{
    if (image->channels != 3)
        return error_set(BPNET_EUSAGE, "drawing on a picture of %d channels, expected 3",
                         image->channels);
    if (people->n_people > 0 && people->n_joints != s->n_joints)
        return error_set(BPNET_EUSAGE, "drawing people of %d joints with a skeleton of %d",
                         people->n_joints, s->n_joints);
    for (int i = 0; i < people->n_people; i++) {
        const struct joint_position *joints = people->joints + (size_t)i * (size_t)people->n_joints;
        const double radius = limb_radius(image, joints, people->n_joints);
        const struct brush outline = {.radius = 1.5 * radius + 0.3, .opacity = 0.45};
        draw_limbs(image, joints, s, &outline, radius);
        draw_limbs(image, joints, s, NULL, radius);
        for (int j = 0; j < people->n_joints; j++)
            if (joints[j].found)
                draw_joint(image, &joints[j], j, s, radius);
    }
    return BPNET_OK;
}
