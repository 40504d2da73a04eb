/*
 * What a network is taught when a trained one, the teacher, helps: targets out of labels and the
 * teacher's maps (Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015; for
 * poses Zhang, Zhu, Ye: Fast Human Pose Estimation, 2019). Arithmetic alone; teacher.h runs the
 * network.
 *
 * With a label L of weight m and the teacher's t, a channel of a cell is taught
 *     (1 - weight) L + weight t   with weight m   where the label is known,
 *     t                           with weight 1   where it is not and fill is on,
 *     L                           with weight m   outside the picture, and for joints and limbs
 *                                                 that the teacher does not have.
 * For squared errors the first is the same as two losses, since
 *     (1 - w) (p - L)^2 + w (p - t)^2 = (p - ((1 - w) L + w t))^2 + w (1 - w) (L - t)^2.
 * A label is not known where m = 0, or where somebody may be whom nobody has labelled (enum
 * cell_trust). The background is one minus the strongest joint taught, known once all joints are.
 */
#ifndef TRAIN_TARGETS_H
#define TRAIN_TARGETS_H

#include "pose/skeleton.h"
#include "spec/spec.h"

#include <stddef.h>
#include <stdint.h>

/* The teacher's joints and limbs for each of ours, found by name; -1: it has none such. */
struct target_map {
    int n_joints, n_limbs; /* ours */
    int16_t joint[SKELETON_MAX_JOINTS];
    int16_t limb[SKELETON_MAX_LIMBS];
    float sign[SKELETON_MAX_LIMBS]; /* -1 where the teacher's limb points the other way */
    int found_joints, found_limbs;
};

void target_map_init(struct target_map *m, const struct skeleton *ours,
                     const struct skeleton *teacher);

struct target_rule {
    float weight;
    bool fill;
    float exponent;     /* of heat: 1 / temperature */
    float noise_floor;  /* weaker heat and limbs are taken as none */
    float empty_weight; /* of a filled channel in which the teacher sees nothing */
};

struct target_rule target_rule_of(const struct teacher_spec *spec, const struct label_spec *label);

/* Linear interpolation between two neighbours: (1 - t) * [a] + t * [b]. */
struct tap {
    int a, b;
    float t;
};

/* n positions over m cells that cover the same length, centre to centre; the border is repeated. */
void taps_make(struct tap *taps, int n, int m);

/* A network's answer for one picture. */
struct target_source {
    const float *heat, *paf;
    int heat_pitch, paf_pitch; /* floats between cells */
    int w;                     /* cells in a row */
};

/*
 * One row of the teacher's maps on our grid, rectified: heat (w, n_joints) within 0..1, paf
 * (w, 2 * n_limbs) within -1..1; what the teacher does not have is 0. `y` belongs to the row, `x`
 * has w taps.
 */
void target_sample(float *heat, float *paf, const struct target_map *map,
                   const struct target_rule *rule, const struct target_source *source, struct tap y,
                   const struct tap *x, int w);

/* n cells with the skeleton's channels, dense, as labels have them. */
struct target_labels {
    const float *heat, *heat_mask, *paf, *paf_mask;
    const uint8_t *trust;
};
struct target_cells {
    float *heat, *heat_mask, *paf, *paf_mask;
};

/* Labels and what target_sample() made become targets. */
void target_blend(const struct target_cells *out, const struct target_labels *labels,
                  const float *heat, const float *paf, const struct target_map *map,
                  const struct target_rule *rule, int n);

#endif
