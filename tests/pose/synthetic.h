/*
 * People with known joints, and the maps a perfect network would give for them: Gaussians for the
 * joints, bands of unit vectors for the limbs (averaged where they overlap), all at cell centres.
 */
#ifndef TESTS_POSE_SYNTHETIC_H
#define TESTS_POSE_SYNTHETIC_H

#include "base/rng.h"
#include "pose/people.h"
#include "pose/predict.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SYNTHETIC_STRIDE = 8 };

struct synthetic {
    struct maps maps;
    float *heat, *paf;
};

static inline struct synthetic synthetic_new(const struct skeleton *s, int h, int w)
{
    struct synthetic m;
    const size_t cells = (size_t)h * (size_t)w;
    m.heat = calloc(cells * (size_t)skeleton_heat_channels(s), sizeof(float));
    m.paf = calloc(cells * (size_t)skeleton_paf_channels(s) + 1, sizeof(float));
    m.maps = (struct maps){.h = h,
                           .w = w,
                           .heat = m.heat,
                           .heat_channels = skeleton_heat_channels(s),
                           .heat_pitch = skeleton_heat_channels(s),
                           .paf = m.paf,
                           .paf_channels = skeleton_paf_channels(s),
                           .paf_pitch = skeleton_paf_channels(s)};
    return m;
}

static inline void synthetic_free(struct synthetic *m)
{
    free(m->heat);
    free(m->paf);
}

static inline double synthetic_centre(int cell)
{
    return cell * SYNTHETIC_STRIDE + (SYNTHETIC_STRIDE - 1) * 0.5;
}

static inline void synthetic_heat(struct synthetic *m, const struct skeleton *s,
                                  const struct people *people)
{
    const double sigma = 7;
    const size_t channels = (size_t)skeleton_heat_channels(s);
    for (int y = 0; y < m->maps.h; y++)
        for (int x = 0; x < m->maps.w; x++) {
            float *out = m->heat + (size_t)(y * m->maps.w + x) * channels;
            float highest = 0;
            for (int i = 0; i < people->n_people * s->n_joints; i++) {
                const struct joint_position *j = &people->joints[i];
                if (!j->found)
                    continue;
                const double dx = synthetic_centre(x) - (double)j->x;
                const double dy = synthetic_centre(y) - (double)j->y;
                const float g = (float)exp(-(dx * dx + dy * dy) / (2 * sigma * sigma));
                float *v = out + i % s->n_joints;
                *v = fmaxf(*v, g < 0.001f ? 0 : g);
                highest = fmaxf(highest, *v);
            }
            out[s->n_joints] = fminf(fmaxf(1 - highest, 0), 1);
        }
}

static inline void synthetic_limb(struct synthetic *m, const struct skeleton *s, int limb,
                                  const struct people *people)
{
    const double band = SYNTHETIC_STRIDE;
    for (int y = 0; y < m->maps.h; y++)
        for (int x = 0; x < m->maps.w; x++) {
            double sum[2] = {0, 0};
            int n = 0;
            for (int i = 0; i < people->n_people; i++) {
                const struct joint_position *j = people->joints + i * people->n_joints;
                const struct joint_position *a = &j[s->limbs[limb][0]], *b = &j[s->limbs[limb][1]];
                const double vx = (double)b->x - (double)a->x, vy = (double)b->y - (double)a->y;
                const double length = sqrt(vx * vx + vy * vy);
                if (!a->found || !b->found || length == 0)
                    continue;
                const double px = synthetic_centre(x) - (double)a->x;
                const double py = synthetic_centre(y) - (double)a->y;
                const double along = (px * vx + py * vy) / length;
                const double across = fabs(px * vy - py * vx) / length;
                if (across > band || along < -band || along > length + band)
                    continue;
                sum[0] += vx / length;
                sum[1] += vy / length;
                n++;
            }
            const size_t cell = (size_t)(y * m->maps.w + x);
            float *out = m->paf + cell * (size_t)m->maps.paf_pitch + 2 * (size_t)limb;
            out[0] = n ? (float)(sum[0] / n) : 0;
            out[1] = n ? (float)(sum[1] / n) : 0;
        }
}

/* Maps of people given in input pixels. */
static inline struct synthetic synthetic_render(const struct skeleton *s, int h, int w,
                                                const struct people *people)
{
    struct synthetic m = synthetic_new(s, h, w);
    synthetic_heat(&m, s, people);
    for (int k = 0; k < s->n_limbs; k++)
        synthetic_limb(&m, s, k, people);
    return m;
}

/* A standing 18-joint person, 1 high and about 0.4 wide, in the default skeleton's order. */
static inline void synthetic_person(struct joint_position *out, float x, float y, float height)
{
    static const float pose[18][2] = {
        {0.00f, 0.09f},  {0.00f, 0.20f},   {-0.11f, 0.20f}, {-0.16f, 0.36f}, {-0.18f, 0.50f},
        {0.11f, 0.20f},  {0.16f, 0.36f},   {0.18f, 0.50f},  {-0.07f, 0.52f}, {-0.08f, 0.74f},
        {-0.08f, 0.95f}, {0.07f, 0.52f},   {0.08f, 0.74f},  {0.08f, 0.95f},  {-0.03f, 0.06f},
        {0.03f, 0.06f},  {-0.06f, 0.075f}, {0.06f, 0.075f},
    };
    for (int j = 0; j < 18; j++)
        out[j] = (struct joint_position){x + height * pose[j][0], y + height * pose[j][1], 1, true};
}

#endif
