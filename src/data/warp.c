/*
 * Warping row by row. Along a row the source position is linear, so the pixels whose four taps all
 * lie inside form one run: it is found first and then walked in fixed point without any test. The
 * few pixels at the picture's border take the slow way, tap by tap.
 */
#include "data/warp.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

enum { FRACTION = 32 }; /* bits of the fixed point */
static const double one = 4294967296.0;
static const double far = 1073741824.0; /* beyond every picture, within the fixed point */

/* Source position of output pixel x of a row: (x0 + x * dx, y0 + x * dy), tap coordinates. */
struct row {
    double x0, y0, dx, dy;
};

static struct row row_of(const struct affine *inverse, double out_x, double out_y, double step)
{
    const double *m = inverse->m, x = out_x + 0.5, y = out_y + 0.5;
    return (struct row){m[0] * x + m[1] * y + m[2] - 0.5, m[3] * x + m[4] * y + m[5] - 0.5,
                        m[0] * step, m[3] * step};
}

/* ---- the inner run ----------------------------------------------------------------------- */

/* Narrow first .. last - 1 to where 0 <= at + x * step < limit, give or take a pixel. */
static void narrow(double at, double step, double limit, double *first, double *last)
{
    if (step == 0) {
        if (!(at >= 0 && at < limit))
            *last = *first;
        return;
    }
    const double a = -at / step, b = (limit - at) / step;
    *first = fmax(*first, floor(fmin(a, b)));
    *last = fmin(*last, ceil(fmax(a, b)) + 1);
}

static bool inside(const struct row *r, int x, const struct image *s)
{
    const double sx = r->x0 + x * r->dx, sy = r->y0 + x * r->dy;
    return sx >= 0 && sy >= 0 && sx < s->w - 1 && sy < s->h - 1;
}

/* The run first .. last - 1 of output pixels with all taps inside. */
static void inner_run(const struct row *r, const struct image *s, int n, int *first, int *last)
{
    double a = 0, b = n;
    narrow(r->x0, r->dx, s->w - 1, &a, &b);
    narrow(r->y0, r->dy, s->h - 1, &a, &b);
    *first = *last = 0;
    if (!(a < b))
        return;
    *first = (int)a;
    *last = (int)b;
    while (*first < *last && !inside(r, *first, s))
        ++*first;
    while (*first < *last && !inside(r, *last - 1, s))
        --*last;
}

static int64_t fixed(double x)
{
    return (int64_t)(fmin(far, fmax(-far, x)) * one);
}

/* Keeps a position that rounding moved by 2^-32 at the run's ends among the taps. */
static int64_t clamped(int64_t x, int64_t limit)
{
    return x < 0 ? 0 : x >= limit ? limit - 1 : x;
}

static void colour_pixel(float rgb[3], const struct colour_map *map)
{
    const float r = rgb[0], g = rgb[1], b = rgb[2];
    for (int c = 0; c < 3; c++) {
        const float *m = map->m[c];
        const float v = m[0] * r + m[1] * g + m[2] * b + m[3];
        rgb[c] = v < 0 ? 0 : v > 255 ? 255 : v;
    }
}

struct finish {
    const struct colour_map *colour; /* NULL: none */
    float border, factor[3], offset[3];
};

static void finish_pixel(float *out, const float rgb[3], const struct finish *f)
{
    for (int c = 0; c < 3; c++)
        out[c] = rgb[c] * f->factor[c] - f->offset[c];
}

static void warp_run(float *out, const struct row *r, int first, int last, const struct image *s,
                     const struct finish *f)
{
    const int64_t dx = fixed(r->dx), dy = fixed(r->dy);
    const int64_t limit_x = (int64_t)(s->w - 1) << FRACTION;
    const int64_t limit_y = (int64_t)(s->h - 1) << FRACTION;
    int64_t x = fixed(r->x0 + first * r->dx), y = fixed(r->y0 + first * r->dy);
    const size_t pitch = 3 * (size_t)s->w;
    for (int i = first; i < last; i++, x += dx, y += dy) {
        const uint64_t cx = (uint64_t)clamped(x, limit_x), cy = (uint64_t)clamped(y, limit_y);
        const uint8_t *p = s->pixels + (cy >> FRACTION) * pitch + 3 * (cx >> FRACTION);
        const uint8_t *q = p + pitch;
        const float wx = (float)(int32_t)((cx >> 8) & 0xffffff) * 0x1p-24f;
        const float wy = (float)(int32_t)((cy >> 8) & 0xffffff) * 0x1p-24f;
        float rgb[3];
        for (int c = 0; c < 3; c++) {
            const float above = (float)p[c] + wx * (float)(p[c + 3] - p[c]);
            const float below = (float)q[c] + wx * (float)(q[c + 3] - q[c]);
            rgb[c] = above + wy * (below - above);
        }
        if (f->colour)
            colour_pixel(rgb, f->colour);
        finish_pixel(out + 3 * (size_t)i, rgb, f);
    }
}

/* ---- at the border ----------------------------------------------------------------------- */

struct taps {
    int x, y;
    float weight[4]; /* of (x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1); 0 outside */
    float total;
};

static struct taps taps_at(double sx, double sy, const struct image *s)
{
    struct taps t = {0};
    if (!(sx > -1 && sy > -1 && sx < s->w && sy < s->h))
        return t;
    t.x = (int)floor(sx);
    t.y = (int)floor(sy);
    const float wx = (float)(sx - t.x), wy = (float)(sy - t.y);
    for (int k = 0; k < 4; k++) {
        const int x = t.x + (k & 1), y = t.y + (k >> 1);
        if (x < 0 || y < 0 || x >= s->w || y >= s->h)
            continue;
        t.weight[k] = ((k & 1) ? wx : 1 - wx) * ((k >> 1) ? wy : 1 - wy);
        t.total += t.weight[k];
    }
    return t;
}

static float gather(const struct taps *t, const struct image *s, int channel)
{
    float sum = 0;
    for (int k = 0; k < 4; k++)
        if (t->weight[k] != 0) {
            const size_t at = (size_t)(t->y + (k >> 1)) * (size_t)s->w + (size_t)(t->x + (k & 1));
            sum += t->weight[k] * (float)s->pixels[at * (size_t)s->channels + (size_t)channel];
        }
    return sum;
}

static void warp_border(float *out, const struct row *r, int first, int last, const struct image *s,
                        const struct finish *f)
{
    for (int i = first; i < last; i++) {
        const struct taps t = taps_at(r->x0 + i * r->dx, r->y0 + i * r->dy, s);
        float rgb[3] = {f->border, f->border, f->border};
        if (t.total > 0) {
            for (int c = 0; c < 3; c++)
                rgb[c] = gather(&t, s, c) / t.total; /* of the picture alone, */
            if (f->colour)
                colour_pixel(rgb, f->colour);
            for (int c = 0; c < 3; c++) /* then blended with the border */
                rgb[c] = rgb[c] * t.total + f->border * (1 - t.total);
        }
        finish_pixel(out + 3 * (size_t)i, rgb, f);
    }
}

void warp_image(float *out, int out_w, int out_h, const struct image *source,
                const struct affine *inverse, const struct warp_image_options *options)
{
    struct finish f = {.border = options->border};
    if (options->colour && !options->colour->identity)
        f.colour = options->colour;
    for (int c = 0; c < 3; c++) {
        f.factor[c] = 1 / options->scale[c];
        f.offset[c] = options->offset[c];
    }
    for (int y = 0; y < out_h; y++, out += 3 * (size_t)out_w) {
        const struct row row = row_of(inverse, 0, y, 1);
        int first, last;
        inner_run(&row, source, out_w, &first, &last);
        warp_border(out, &row, 0, first, source, &f);
        warp_run(out, &row, first, last, source, &f);
        warp_border(out, &row, last, out_w, source, &f);
    }
}

void warp_mask(float *out, int out_w, int out_h, double x0, double y0, double step,
               const struct image *mask, const struct affine *inverse)
{
    for (int y = 0; y < out_h; y++) {
        const struct row row = row_of(inverse, x0, y0 + y * step, step);
        for (int x = 0; x < out_w; x++) {
            const struct taps t = taps_at(row.x0 + x * row.dx, row.y0 + x * row.dy, mask);
            *out++ = gather(&t, mask, 0) + 255 * (1 - t.total);
        }
    }
}

/* ---- shrinking --------------------------------------------------------------------------- */

double image_mean_grey(const struct image *image)
{
    double sum = 0;
    size_t n = 0;
    for (int y = 0; y < image->h; y += 4) {
        const uint8_t *p = image->pixels + 3 * (size_t)y * (size_t)image->w;
        uint64_t row = 0; /* in thousandths */
        for (int x = 0; x < image->w; x += 4, p += 12, n++)
            row += 299u * p[0] + 587u * p[1] + 114u * p[2];
        sum += (double)row;
    }
    return n ? sum / 1000 / (double)n : 0;
}

int warp_shrink_factor(const struct affine *inverse)
{
    enum { MOST = 64 };
    const double *m = inverse->m;
    const double scale = sqrt(fabs(m[0] * m[4] - m[1] * m[3])); /* source pixels a pixel */
    return scale > 2 ? (int)fmin(MOST, floor(scale)) : 1;
}

struct affine warp_shrunk_inverse(const struct affine *inverse, int factor)
{
    struct affine out;
    for (int i = 0; i < 6; i++)
        out.m[i] = inverse->m[i] / factor;
    return out;
}

static uint8_t block_mean(const struct image *s, int x0, int y0, int w, int h, int channel)
{
    uint32_t sum = 0;
    for (int y = 0; y < h; y++) {
        const uint8_t *p = s->pixels + ((size_t)(y0 + y) * (size_t)s->w + (size_t)x0) * 3 + channel;
        for (int x = 0; x < w; x++)
            sum += p[3 * x];
    }
    const uint32_t n = (uint32_t)(w * h);
    return (uint8_t)((sum + n / 2) / n);
}

int image_shrink(struct image *out, const struct image *s, int factor)
{
    const int w = (s->w + factor - 1) / factor, h = (s->h + factor - 1) / factor;
    const int err = image_alloc(out, w, h, 3);
    if (err < 0)
        return err;
    uint8_t *to = out->pixels;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++) {
                const int x0 = x * factor, y0 = y * factor;
                const int bw = x0 + factor < s->w ? factor : s->w - x0;
                const int bh = y0 + factor < s->h ? factor : s->h - y0;
                *to++ = block_mean(s, x0, y0, bw, bh, c);
            }
    return BPNET_OK;
}
