/* People found in a picture. */
#ifndef POSE_PEOPLE_H
#define POSE_PEOPLE_H

#include "io/image.h"

#include <stdbool.h>

struct joint_position {
    float x, y;  /* pixels of the original picture; may lie outside it */
    float score; /* the heatmap's value */
    bool found;
};

/* joints is (n_people, n_joints). */
struct people {
    int n_people;
    int n_joints;
    struct joint_position *joints;
    float *scores; /* one a person, higher is better */
    int capacity;
};

/* Make room for one more person, all joints not found, score 0; returns its joints or NULL. */
struct joint_position *people_add(struct people *p);
void people_clear(struct people *p);

/* From positions in a picture that was decoded smaller to the whole one's. */
void people_enlarge(struct people *p, const struct image_scale *scale);
void people_free(struct people *p); /* a zeroed one with n_joints set is a valid empty list */

#endif
