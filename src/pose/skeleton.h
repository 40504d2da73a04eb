/*
 * A skeleton: joints, limbs and mirror pairs, all from a pose config; nothing in the program knows
 * a fixed one. The channel conventions follow from it: heatmap channel j is joint j, the last one
 * the background; limb k has the PAF channels 2k (x) and 2k+1 (y), pointing from its first joint
 * to its second.
 */
#ifndef POSE_SKELETON_H
#define POSE_SKELETON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SKELETON_MAX_JOINTS = 128, SKELETON_MAX_LIMBS = 256, SKELETON_NAME_SIZE = 48 };

struct skeleton {
    char type[SKELETON_NAME_SIZE];     /* "bpnet_18_joints" */
    char category[SKELETON_NAME_SIZE]; /* "person" */
    int n_joints;
    char joints[SKELETON_MAX_JOINTS][SKELETON_NAME_SIZE];
    int n_limbs;
    int16_t limbs[SKELETON_MAX_LIMBS][2]; /* from, to; zero-based */
    int16_t mirror[SKELETON_MAX_JOINTS];  /* the joint it becomes in a mirror; itself if none */
};

/* The built-in 18-joint skeleton of BodyPoseNet. */
void skeleton_default(struct skeleton *s);

/* Fill s->mirror from names: "left_x" pairs with "right_x" (also "l_x"/"r_x", "x_left"/"x_right").
 */
void skeleton_find_mirror(struct skeleton *s);

/* Joint by name, or -1. */
int skeleton_joint(const struct skeleton *s, const char *name);

/* The limb of mirrored joints, and whether its direction is reversed; itself if there is none. */
int skeleton_mirror_limb(const struct skeleton *s, int limb, bool *reversed);

static inline int skeleton_heat_channels(const struct skeleton *s)
{
    return s->n_joints + 1;
}
static inline int skeleton_paf_channels(const struct skeleton *s)
{
    return 2 * s->n_limbs;
}

/* COCO's 17 keypoints, in COCO's order. */
enum { COCO_KEYPOINTS = 17 };
extern const char *const coco_keypoint_names[COCO_KEYPOINTS];

/* For each COCO keypoint the joint of this skeleton with that name, or -1. */
void skeleton_to_coco(const struct skeleton *s, int to[COCO_KEYPOINTS]);

#endif
