/*
 * People drawn over a picture: anti-aliased limbs and joints with a dark outline, as thick as suits
 * the person and the picture. Limbs of the right side are warm (red to green), of the left side
 * cold (cyan to violet), the others pink.
 */
#ifndef POSE_DRAW_H
#define POSE_DRAW_H

#include "io/image.h"
#include "pose/people.h"
#include "pose/skeleton.h"

/*
 * Draws on an RGB picture; limbs with an end not found are left out. BPNET_EUSAGE for pictures that
 * are not RGB and people of another skeleton.
 */
int draw_people(struct image *image, const struct people *people, const struct skeleton *skeleton);

/* The colour of a limb. */
void draw_limb_colour(const struct skeleton *skeleton, int limb, uint8_t rgb[3]);

#endif
