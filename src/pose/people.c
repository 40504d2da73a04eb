/* A list of people that grows and keeps its memory from picture to picture. */
#include "pose/people.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 8, MAX_PEOPLE = 1 << 20 };

static int grow(struct people *p)
{
    const int capacity = p->capacity ? 2 * p->capacity : FIRST_CAPACITY;
    if (capacity > MAX_PEOPLE)
        return error_set(BPNET_ELIMIT, "more than %d people in one picture", MAX_PEOPLE);
    const size_t row = (size_t)p->n_joints * sizeof(*p->joints);
    struct joint_position *joints = realloc(p->joints, (size_t)capacity * row);
    if (joints)
        p->joints = joints;
    float *scores = realloc(p->scores, (size_t)capacity * sizeof(*scores));
    if (scores)
        p->scores = scores;
    if (!joints || !scores)
        return error_set(BPNET_ENOMEM, "no memory for %d people", capacity);
    p->capacity = capacity;
    return BPNET_OK;
}

struct joint_position *people_add(struct people *p)
{
    if (p->n_people == p->capacity && grow(p) < 0)
        return NULL;
    struct joint_position *joints = p->joints + (size_t)p->n_people * (size_t)p->n_joints;
    memset(joints, 0, (size_t)p->n_joints * sizeof(*joints));
    p->scores[p->n_people++] = 0;
    return joints;
}

void people_clear(struct people *p)
{
    p->n_people = 0;
}

/* Pixel centres are at whole numbers in both pictures. */
void people_enlarge(struct people *p, const struct image_scale *scale)
{
    if (scale->shrink == 1)
        return;
    const float by = (float)scale->shrink, centre = (by - 1) / 2;
    const size_t n = (size_t)p->n_people * (size_t)p->n_joints;
    for (size_t i = 0; i < n; i++) {
        struct joint_position *joint = &p->joints[i];
        if (!joint->found)
            continue;
        joint->x = joint->x * by + (centre + (float)scale->left);
        joint->y = joint->y * by + (centre + (float)scale->top);
    }
}

void people_free(struct people *p)
{
    free(p->joints);
    free(p->scores);
    *p = (struct people){.n_joints = p->n_joints};
}
