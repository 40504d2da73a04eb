/*
 * From a dataset's keypoints to a skeleton's joints: by name, and a neck for skeletons that have
 * one where the dataset does not.
 */
#ifndef DATA_JOINTS_H
#define DATA_JOINTS_H

#include "data/coco.h"
#include "data/record.h"
#include "pose/skeleton.h"
#include "spec/spec.h"

/* One joint of one person. Only a used one makes labels. */
struct joint {
    double x, y;
    enum visibility visibility;
};

static inline bool joint_used(const struct joint *j)
{
    return j->visibility <= VIS_OCCLUDED;
}

struct joint_map {
    int n_keypoints, n_joints;
    int16_t from[SKELETON_MAX_JOINTS]; /* keypoint of the same name, or -1 */
    int8_t extra[SKELETON_MAX_JOINTS]; /* enum coco_extra of the same name, or -1 */
    int neck;                          /* the joint made from the shoulders, or -1 */
    int left_shoulder, right_shoulder; /* keypoints */
    enum visibility flag_map[8];
};

/* BPNET_ECONFIG when not one joint of the skeleton is in the dataset. */
int joint_map_init(struct joint_map *m, const struct dataset_spec *dataset,
                   const struct skeleton *skeleton);

/*
 * All people of a record, (n_people, n_joints), in source pixels. A neck is the middle of the two
 * shoulders with the less visible one's visibility if both are labelled; else the annotation's own
 * neck if it has one; else not labelled. (Spec 3.5 by its intent, quirk 1.)
 */
void joint_map_people(const struct joint_map *m, const struct record *r, struct joint *out);

/*
 * Which joints' channels can be trusted in this picture: the dataset has the joint and the
 * picture's source labels it. A neck needs both shoulders.
 */
void joint_map_channels(const struct joint_map *m, const struct record *r,
                        bool labelled[SKELETON_MAX_JOINTS]);

#endif
