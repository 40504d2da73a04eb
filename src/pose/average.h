/*
 * Averages of a network's maps: over a picture and its mirror image, and over scales. The maps a
 * network hands out last only until its next run, so averages own their memory.
 */
#ifndef POSE_AVERAGE_H
#define POSE_AVERAGE_H

#include "base/workers.h"
#include "pose/letterbox.h"

/* Maps with dense pixels: (h, w, heat_channels) then (h, w, paf_channels). Zero-initialise. */
struct owned_maps {
    struct maps maps;
    float *values;
    size_t capacity; /* floats */
};

/* Room for maps of the same channels; content undefined. */
int owned_maps_resize(struct owned_maps *o, int h, int w, const struct maps *like);
int owned_maps_copy(struct owned_maps *o, const struct maps *from);
void owned_maps_free(struct owned_maps *o);

/*
 * Average `o` with the maps of the mirrored picture: channels change sides, fields point the other
 * way along x. A limb without a counterpart in the mirror stays as it is.
 */
int owned_maps_add_mirrored(struct owned_maps *o, const struct maps *mirrored,
                            const struct skeleton *skeleton);

/*
 * Add share * the maps that the network gave for the letterbox `from`, resampled (cubic) to the
 * cells of `o`, whose letterbox is `to`. `workers` may be NULL.
 */
int owned_maps_add_scale(struct owned_maps *o, const struct letterbox *to, const struct maps *maps,
                         const struct letterbox *from, int stride, float share,
                         struct workers *workers);

/* Mirror a picture of (h, w) in place; a pixel has so many bytes, at most 12. */
void mirror_input(void *input, int h, int w, size_t pixel);

#endif
