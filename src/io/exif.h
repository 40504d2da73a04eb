/* The one thing EXIF is asked for: which way up a photograph is. */
#ifndef IO_EXIF_H
#define IO_EXIF_H

#include "io/image.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Tag 0x0112 of the first folder in an APP1 segment: 1 to 8, or 0 when the segment is not EXIF, is
 * damaged or says nothing.
 */
int exif_orientation(const uint8_t *segment, size_t size);

/*
 * Turn and mirror the stored picture as `orientation` asks; 5 to 8 swap width and height. `scale`,
 * with the stored picture's size and nothing left out at its left and top, is turned, too.
 */
int exif_turn(struct image *image, struct image_scale *scale, int orientation);

#endif
