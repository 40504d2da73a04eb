/*
 * Transformed weights of fourier.h. What convolutions of networks compute is a correlation, so the
 * weights are the conjugate of the kernel's transform; the factors of the inverse transform and of
 * the source's (which leaves complex slots at twice their value) are in them, too.
 */
#include "kernel/bf16.h"
#include "kernel/fourier.h"
#include "kernel/fourier_layout.h"
#include "kernel/integers.h"

#include <math.h>
#include <string.h>

enum {
    MAX_POINTS = 24,
    MAX_TAPS = (MAX_POINTS / 2 + 1) * (MAX_POINTS / 2 + 1),
    GROUP = 8 /* output channels transformed at once */
};

/* Frequencies along rows' and columns' axes of a slot's number; `second` of a real slot. */
struct frequency {
    int y, x;
};

static struct frequency frequency_of(int slot, int points, bool second)
{
    const int column = slot / points, row = slot % points, half = points / 2;
    if (column > 0)
        return (struct frequency){row, column};
    if (row == 0)
        return (struct frequency){second ? half : 0, 0};
    if (row == half)
        return (struct frequency){second ? half : 0, half};
    return row < half ? (struct frequency){row, 0} : (struct frequency){row - half, half};
}

/* cos and sin of whole N-ths of a turn. */
struct circle {
    int points;
    double cosine[MAX_POINTS], sine[MAX_POINTS];
};

static struct circle circle_of(int points)
{
    struct circle c = {.points = points};
    for (int i = 0; i < points; i++) {
        const double angle = 2 * 3.14159265358979323846 * i / points;
        c.cosine[i] = cos(angle);
        c.sine[i] = sin(angle);
    }
    return c;
}

/* The angle of every tap: its cos and, where wanted, its sin. */
static void fill_factors(const struct conv_geometry *g, const struct circle *c, struct frequency f,
                         double *re, double *im)
{
    for (int a = 0, tap = 0; a < g->kernel_h; a++) {
        for (int b = 0; b < g->kernel_w; b++, tap++) {
            const int turns = (f.y * a + f.x * b) % c->points;
            re[tap] = c->cosine[turns];
            if (im)
                im[tap] = c->sine[turns];
        }
    }
}

/* sum over taps of a slot's factor by the taps of GROUP channels. */
static void sum_taps(const float taps[][GROUP], int n_taps, const double *factors, double scale,
                     double sums[GROUP])
{
    for (int j = 0; j < GROUP; j++)
        sums[j] = 0;
    for (int t = 0; t < n_taps; t++)
        for (int j = 0; j < GROUP; j++)
            sums[j] += factors[t] * (double)taps[t][j];
    for (int j = 0; j < GROUP; j++)
        sums[j] *= scale;
}

/* The planes of one slot, of GROUP channels. */
static void make_planes(const struct conv_geometry *g, const struct circle *c, int slot,
                        const float taps[][GROUP], float planes[FOURIER_PLANES][GROUP])
{
    double re[MAX_TAPS], im[MAX_TAPS], real[GROUP], imaginary[GROUP];
    const int points = c->points;
    const int n_taps = g->kernel_h * g->kernel_w;
    const double scale = 1.0 / (points * points);
    fill_factors(g, c, frequency_of(slot, points, false), re, im);
    if (fourier_slot_is_real(slot, points)) {
        fill_factors(g, c, frequency_of(slot, points, true), im, NULL);
        sum_taps(taps, n_taps, re, scale, real);
        sum_taps(taps, n_taps, im, scale, imaginary);
        for (int j = 0; j < GROUP; j++) {
            planes[0][j] = (float)real[j];
            planes[1][j] = (float)imaginary[j];
            planes[2][j] = 0.0F;
        }
        return;
    }
    sum_taps(taps, n_taps, re, scale / 2, real);
    sum_taps(taps, n_taps, im, scale / 2, imaginary);
    for (int j = 0; j < GROUP; j++) {
        planes[0][j] = (float)real[j];
        planes[1][j] = (float)-(real[j] + imaginary[j]);
        planes[2][j] = (float)(imaginary[j] - real[j]);
    }
}

/* Where output channel j's weights are in a slot's: (block, plane, step, vector, lane, in group).
 * The first plane's first one, and the distance of planes. */
static ptrdiff_t place_of(const struct fourier_layout *l, const struct fourier_level *level, int j,
                          ptrdiff_t *plane, int *vectors)
{
    const int v = j / level->lanes;
    int block = 0;
    while (block + fourier_vectors(l->out_vectors - block) <= v)
        block += fourier_vectors(l->out_vectors - block);
    *vectors = fourier_vectors(l->out_vectors - block);
    *plane = l->steps * l->step_bytes * *vectors;
    return FOURIER_PLANES * l->steps * l->step_bytes * block + (v - block) * l->step_bytes +
           j % level->lanes * 4;
}

static void put_planes(const struct fourier_layout *l, const struct fourier_level *level, int ci,
                       int j0, int n, float planes[FOURIER_PLANES][GROUP], uint8_t *slot)
{
    for (int j = 0; j < n; j++) {
        ptrdiff_t plane;
        int vectors;
        uint8_t *to = slot + place_of(l, level, j0 + j, &plane, &vectors);
        to += ci / level->per_group * l->step_bytes * vectors;
        for (int p = 0; p < FOURIER_PLANES; p++, to += plane) {
            if (level->per_group == 1) {
                memcpy(to, &planes[p][j], sizeof(float));
                continue;
            }
            const uint16_t rounded = bf16_round(planes[p][j]);
            memcpy(to + ci % 2 * (ptrdiff_t)sizeof(rounded), &rounded, sizeof(rounded));
        }
    }
}

size_t fourier_packed(const struct conv_shape *s, const struct fourier_level *level)
{
    const struct fourier_layout l = fourier_layout_of(s, level);
    return (size_t)(l.slots * l.slot_weights + 63) / 64 * 64;
}

void fourier_pack(const struct conv_shape *s, const struct fourier_level *level, const float *w,
                  uint8_t *packed)
{
    const struct conv_geometry *g = &s->g;
    const struct fourier_layout l = fourier_layout_of(s, level);
    const struct circle circle = circle_of(level->points);
    const int n_taps = g->kernel_h * g->kernel_w;
    float taps[MAX_TAPS][GROUP], planes[FOURIER_PLANES][GROUP];
    memset(packed, 0, fourier_packed(s, level));
    for (int ci = 0; ci < g->in_c; ci++)
        for (int j = 0; j < g->out_c; j += GROUP) {
            const int n = smaller(GROUP, g->out_c - j);
            memset(taps, 0, sizeof(taps[0]) * (size_t)n_taps);
            for (int t = 0; t < n_taps; t++)
                memcpy(taps[t], w + ((ptrdiff_t)t * g->in_c + ci) * g->out_c + j,
                       (size_t)n * sizeof(float));
            for (int slot = 0; slot < l.slots; slot++) {
                make_planes(g, &circle, slot, (const float(*)[GROUP])taps, planes);
                put_planes(&l, level, ci, j, n, planes, packed + slot * l.slot_weights);
            }
        }
}
