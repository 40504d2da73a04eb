/* Sums of maps, cell by cell, in a fixed order whatever the number of threads. */
#include "pose/average.h"

#include "base/arena.h"
#include "base/error.h"
#include "pose/cubic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TAPS = 4, RGB = 3 };

int owned_maps_resize(struct owned_maps *o, int h, int w, const struct maps *like)
{
    const size_t cells = (size_t)h * (size_t)w;
    const size_t heat = cells * (size_t)like->heat_channels;
    const size_t size = heat + cells * (size_t)like->paf_channels;
    if (size > o->capacity) {
        owned_maps_free(o);
        o->values = aligned_alloc(ARENA_ALIGN, arena_round(size * sizeof(float)));
        if (!o->values)
            return error_set(BPNET_ENOMEM, "no memory for maps of %d x %d cells", w, h);
        o->capacity = size;
    }
    o->maps = (struct maps){
        .h = h,
        .w = w,
        .heat = o->values,
        .heat_channels = like->heat_channels,
        .heat_pitch = like->heat_channels,
        .paf = o->values + heat,
        .paf_channels = like->paf_channels,
        .paf_pitch = like->paf_channels,
    };
    return BPNET_OK;
}

/* The owned values again, to write to. */
static float *heat_of(struct owned_maps *o)
{
    return o->values;
}

static float *paf_of(struct owned_maps *o)
{
    return o->values + (size_t)o->maps.h * (size_t)o->maps.w * (size_t)o->maps.heat_channels;
}

static void copy_pixels(float *out, int channels, const float *in, int pitch, size_t n)
{
    for (size_t i = 0; i < n; i++)
        memcpy(out + i * (size_t)channels, in + i * (size_t)pitch,
               (size_t)channels * sizeof(float));
}

int owned_maps_copy(struct owned_maps *o, const struct maps *from)
{
    const int err = owned_maps_resize(o, from->h, from->w, from);
    if (err < 0)
        return err;
    const size_t n = (size_t)from->h * (size_t)from->w;
    copy_pixels(heat_of(o), from->heat_channels, from->heat, from->heat_pitch, n);
    copy_pixels(paf_of(o), from->paf_channels, from->paf, from->paf_pitch, n);
    return BPNET_OK;
}

void owned_maps_free(struct owned_maps *o)
{
    free(o->values);
    *o = (struct owned_maps){0};
}

/* ---- mirror -------------------------------------------------------------------------------- */

/* Output channel c becomes half of itself and half of sign * channel `from` of the mirror. */
struct counterpart {
    int from;
    float sign;
};

static void average_mirrored(float *out, int channels, const float *in, int pitch, int h, int w,
                             const struct counterpart *counterpart)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const size_t row = (size_t)y * (size_t)w;
            float *to = out + (row + (size_t)x) * (size_t)channels;
            const float *from = in + (row + (size_t)(w - 1 - x)) * (size_t)pitch;
            for (int c = 0; c < channels; c++)
                if (counterpart[c].sign != 0)
                    to[c] = 0.5f * (to[c] + counterpart[c].sign * from[counterpart[c].from]);
        }
}

static void limb_counterparts(const struct skeleton *s, struct counterpart *out)
{
    for (int k = 0; k < s->n_limbs; k++) {
        bool reversed;
        const int m = skeleton_mirror_limb(s, k, &reversed);
        const int from = s->mirror[s->limbs[k][reversed]], to = s->mirror[s->limbs[k][!reversed]];
        const bool found = s->limbs[m][0] == from && s->limbs[m][1] == to;
        const float sign = !found ? 0.0f : reversed ? -1.0f : 1.0f;
        out[2 * k] = (struct counterpart){2 * m, -sign};
        out[2 * k + 1] = (struct counterpart){2 * m + 1, sign};
    }
}

int owned_maps_add_mirrored(struct owned_maps *o, const struct maps *mirrored,
                            const struct skeleton *s)
{
    struct counterpart heat[SKELETON_MAX_JOINTS + 1], paf[2 * SKELETON_MAX_LIMBS];
    const struct maps *m = &o->maps;
    if (m->h != mirrored->h || m->w != mirrored->w ||
        m->heat_channels != skeleton_heat_channels(s) ||
        m->paf_channels != skeleton_paf_channels(s) ||
        mirrored->heat_channels != m->heat_channels || mirrored->paf_channels != m->paf_channels)
        return error_set(BPNET_EUSAGE, "the maps of a picture and its mirror image do not match");
    for (int j = 0; j < s->n_joints; j++)
        heat[j] = (struct counterpart){s->mirror[j], 1};
    heat[s->n_joints] = (struct counterpart){s->n_joints, 1};
    limb_counterparts(s, paf);
    average_mirrored(heat_of(o), m->heat_channels, mirrored->heat, mirrored->heat_pitch, m->h, m->w,
                     heat);
    average_mirrored(paf_of(o), m->paf_channels, mirrored->paf, mirrored->paf_pitch, m->h, m->w,
                     paf);
    return BPNET_OK;
}

void mirror_input(void *input, int h, int w, size_t pixel)
{
    unsigned char held[RGB * sizeof(float)];
    for (int y = 0; y < h; y++) {
        unsigned char *row = (unsigned char *)input + (size_t)y * (size_t)w * pixel;
        for (size_t a = 0, b = (size_t)w - 1; a < b; a++, b--) {
            memcpy(held, row + a * pixel, pixel);
            memcpy(row + a * pixel, row + b * pixel, pixel);
            memcpy(row + b * pixel, held, pixel);
        }
    }
}

/* ---- scales -------------------------------------------------------------------------------- */

struct scaling {
    struct owned_maps *o;
    const struct letterbox *to, *from;
    const struct maps *maps;
    int stride;
    float share;
};

struct position {
    int cell[TAPS];
    float weight[TAPS];
};

/* Cell i's centre lies at input pixel i * stride + (stride - 1) / 2. */
static double cell_centre(int cell, int stride)
{
    return cell * (double)stride + (stride - 1) * 0.5;
}

/* Where an input pixel lies among n cells. */
static struct position locate(double input, int stride, int n)
{
    const double at = (input - (stride - 1) * 0.5) / stride;
    const double inside = at < -1 ? -1 : at > n ? n : at; /* the border repeats beyond */
    const double below = floor(inside);
    struct position p;
    cubic_weights((float)(inside - below), p.weight);
    for (int k = 0; k < TAPS; k++) {
        const int c = (int)below - 1 + k;
        p.cell[k] = c < 0 ? 0 : c >= n ? n - 1 : c;
    }
    return p;
}

static void add_pixel(float *out, int channels, const float *in, int pitch, int w, float share,
                      const struct position *px, const struct position *py)
{
    for (int j = 0; j < TAPS; j++)
        for (int i = 0; i < TAPS; i++) {
            const size_t cell = (size_t)py->cell[j] * (size_t)w + (size_t)px->cell[i];
            const float weight = share * py->weight[j] * px->weight[i];
            const float *from = in + cell * (size_t)pitch;
            for (int c = 0; c < channels; c++)
                out[c] += weight * from[c];
        }
}

static void add_row(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    const struct scaling *s = ctx;
    const struct maps *in = s->maps, *out = &s->o->maps;
    const double y = letterbox_picture_y(s->to, cell_centre((int)item, s->stride));
    const struct position py = locate(letterbox_input_y(s->from, y), s->stride, in->h);
    for (int i = 0; i < out->w; i++) {
        const double x = letterbox_picture_x(s->to, cell_centre(i, s->stride));
        const struct position px = locate(letterbox_input_x(s->from, x), s->stride, in->w);
        const size_t cell = item * (size_t)out->w + (size_t)i;
        add_pixel(heat_of(s->o) + cell * (size_t)out->heat_channels, out->heat_channels, in->heat,
                  in->heat_pitch, in->w, s->share, &px, &py);
        add_pixel(paf_of(s->o) + cell * (size_t)out->paf_channels, out->paf_channels, in->paf,
                  in->paf_pitch, in->w, s->share, &px, &py);
    }
}

int owned_maps_add_scale(struct owned_maps *o, const struct letterbox *to, const struct maps *maps,
                         const struct letterbox *from, int stride, float share,
                         struct workers *workers)
{
    if (maps->heat_channels != o->maps.heat_channels || maps->paf_channels != o->maps.paf_channels)
        return error_set(BPNET_EUSAGE, "the maps of two scales have different channels");
    struct scaling scaling = {o, to, from, maps, stride, share};
    if (workers) {
        workers_run(workers, (size_t)o->maps.h, add_row, &scaling);
    } else {
        for (size_t y = 0; y < (size_t)o->maps.h; y++)
            add_row(&scaling, y, 0);
    }
    return BPNET_OK;
}
