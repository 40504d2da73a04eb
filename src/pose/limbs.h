/*
 * Links between peaks: for every limb, which start peak belongs to which end peak by the evidence
 * of the part affinity field (Cao et al., Realtime Multi-Person 2D Pose Estimation, 2017).
 *
 * The field is sampled at LIMB_SAMPLES points from peak to peak, both included, and projected on
 * the direction between them. A pair is a candidate when more than `min_limb_share` of the samples
 * exceed `paf_threshold`; its score is the mean of those. The best candidates are taken first, each
 * peak at most once a limb.
 */
#ifndef POSE_LIMBS_H
#define POSE_LIMBS_H

#include "pose/peaks.h"

enum { LIMB_SAMPLES = 10 };

struct link {
    int16_t from, to; /* peaks of the limb's first and second joint */
    float score;
};

/* Zero-initialise; keeps its memory from call to call. */
struct links {
    int n_limbs;
    int *count;              /* (n_limbs) */
    struct link *link;       /* (n_limbs, PEAKS_MAX), best first */
    struct link *candidates; /* (threads, PEAKS_MAX^2) */
    unsigned threads;
};

/* `workers` may be NULL. */
int links_find(struct links *l, const struct field *field, const struct peaks *peaks,
               const struct skeleton *skeleton, const struct predict_options *options,
               struct workers *workers);
void links_free(struct links *l);

static inline const struct link *links_of(const struct links *l, int limb)
{
    return l->link + (size_t)limb * PEAKS_MAX;
}

#endif
