/*
 * What the network should answer for a picture: heatmaps, background, part-affinity fields, and the
 * weight of each (spec part 4; Cao et al., OpenPose, 2018). Coordinates are network input pixels;
 * maps are (h, w, channels) at one cell per `stride` pixels.
 *
 * heat: channel j is joint j, max over people of exp(-d^2 / (2 sigma^2)) at cell centres
 *       i * stride + (stride - 1) / 2, zero below 0.001; the last is 1 - max of the others.
 * paf:  channels 2k, 2k + 1 are the unit vector of limb k within paf_distance * stride of its line
 *       and of the box around its ends. With average_pafs people who share a cell are averaged,
 *       else a later person overwrites its whole box (quirk 3); with centre_pafs cells are tested
 *       at their centres, else at their top-left corners (quirk 4).
 *
 * Weights are the loss mask, and 0 where the truth is not known: the channel of a joint that this
 * picture's source does not label, limbs that touch it, and, if there is such a joint, the
 * background inside people's boxes (`doubtful`). With background_weight w < 1 empty channels of a
 * cell (spec.h says which) weigh sqrt(w), which the loss squares.
 */
#ifndef DATA_LABEL_H
#define DATA_LABEL_H

#include "data/joints.h"

struct label_shape {
    int h, w, stride;
};

struct label_truth {
    int n_people;
    const struct joint *joints; /* (n_people, skeleton's joints), network pixels */
    const bool *labelled;       /* per joint; NULL: all */
    const float *mask;          /* (h, w) */
    const uint8_t *doubtful;    /* (h, w), 0 or 1; may be NULL if every joint is labelled */
};

/* Where they go; each (h, w, channels) with the skeleton's channel counts. */
struct label_maps {
    float *heat, *heat_mask;
    float *paf, *paf_mask;
};

/* `scratch` is h * w floats. */
void label_make(const struct label_maps *out, const struct label_shape *shape,
                const struct label_spec *spec, const struct skeleton *skeleton,
                const struct label_truth *truth, float *scratch);

#endif
