/*
 * Pictures for calibration, made as an engine sees them: from a folder, letterboxed as inference
 * does it; from a file of such pixels made earlier; or, without either, noise.
 *
 * The file ("tensorfile" in the original) is a container of kind "calibration" with the sections
 * "info", JSON {"count", "height", "width", "stretched"}, and "pixels", (count, height, width, 3)
 * RGB bytes. It is written picture by picture and mapped for reading, so memory does not grow with
 * their number.
 */
#ifndef DEPLOY_CALIBRATION_SET_H
#define DEPLOY_CALIBRATION_SET_H

#include "base/cpu.h"
#include "base/workers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct calibration_source {
    const char *folder;    /* its .jpg, .jpeg and .png, sub-folders not; NULL: none */
    const char *data_file; /* used if it exists, else written; NULL: none */
    size_t n;              /* pictures wanted, drawn by chance */
    uint64_t seed;
    int h, w;     /* of the network's input */
    bool stretch; /* pictures fill the input whatever their shape, as the original calibrates */
    enum cpu_level level;    /* of resizing */
    struct workers *workers; /* may be NULL */
};

struct calibration_set;

/*
 * BPNET_EUSAGE when there are fewer pictures than wanted. One that cannot be read is told in a
 * warning and another one takes its place. An existing data file must be of this size and have as
 * many pictures; of more the first are used. Noise comes with a warning.
 */
int calibration_set_open(struct calibration_set **out, const struct calibration_source *source);
void calibration_set_close(struct calibration_set *set); /* NULL is allowed */

/* The next picture, (h, w, 3): 1, 0 when all were given, or an error: a calibration_feed. */
int calibration_set_next(void *set, uint8_t *pixels);
void calibration_set_rewind(struct calibration_set *set); /* from the first on again */

#endif
