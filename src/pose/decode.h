/* From a network's maps to people: peaks, links, assembly; with all the memory that takes. */
#ifndef POSE_DECODE_H
#define POSE_DECODE_H

#include "pose/assemble.h"

/* Zero-initialise. */
struct decoder {
    struct peaks peaks;
    struct links links;
    struct assembly assembly;
};

/*
 * `people` is cleared first; coordinates are cells for PEAKS_SUBPIXEL (which decodes maps[0]) and
 * positions of the field's grid otherwise. Maps that do not fit the skeleton are BPNET_EUSAGE; maps
 * that are not numbers hold no people. `workers` may be NULL.
 */
int decoder_run(struct decoder *d, const struct field *field, const struct skeleton *skeleton,
                const struct predict_options *options, struct workers *workers,
                struct people *people);
void decoder_free(struct decoder *d);

#endif
