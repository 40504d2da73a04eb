/* The built-in skeleton, and what follows from the names of any skeleton's joints. */
#include "pose/skeleton.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const default_joints[] = {
    "nose",       "neck",       "right_shoulder", "right_elbow", "right_wrist", "left_shoulder",
    "left_elbow", "left_wrist", "right_hip",      "right_knee",  "right_ankle", "left_hip",
    "left_knee",  "left_ankle", "right_eye",      "left_eye",    "right_ear",   "left_ear",
};

static const int16_t default_limbs[][2] = {
    {1, 8}, {8, 9}, {9, 10}, {1, 11}, {11, 12}, {12, 13}, {1, 2},  {2, 3},   {3, 4},   {2, 16},
    {1, 5}, {5, 6}, {6, 7},  {5, 17}, {1, 0},   {0, 14},  {0, 15}, {14, 16}, {15, 17},
};

const char *const coco_keypoint_names[COCO_KEYPOINTS] = {
    "nose",           "left_eye",   "right_eye",   "left_ear",   "right_ear",   "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_hip",
    "right_hip",      "left_knee",  "right_knee",  "left_ankle", "right_ankle",
};

enum {
    DEFAULT_JOINTS = sizeof(default_joints) / sizeof(default_joints[0]),
    DEFAULT_LIMBS = sizeof(default_limbs) / sizeof(default_limbs[0]),
};

void skeleton_default(struct skeleton *s)
{
    memset(s, 0, sizeof(*s));
    snprintf(s->type, sizeof(s->type), "bpnet_18_joints");
    snprintf(s->category, sizeof(s->category), "person");
    s->n_joints = DEFAULT_JOINTS;
    for (int j = 0; j < DEFAULT_JOINTS; j++)
        snprintf(s->joints[j], sizeof(s->joints[j]), "%s", default_joints[j]);
    s->n_limbs = DEFAULT_LIMBS;
    memcpy(s->limbs, default_limbs, sizeof(default_limbs));
    skeleton_find_mirror(s);
}

/* The two words for a side, as a prefix or as a suffix of a joint's name. */
static const struct side_words {
    const char *one, *other;
    bool suffix;
} side_words[] = {
    {"left_", "right_", false}, {"right_", "left_", false}, {"l_", "r_", false},
    {"r_", "l_", false},        {"_left", "_right", true},  {"_right", "_left", true},
    {"_l", "_r", true},         {"_r", "_l", true},
};

/* The name with its side word exchanged for the other one; false if it has no such word. */
static bool mirrored_name(char out[2 * SKELETON_NAME_SIZE], const char *name,
                          const struct side_words *words)
{
    const size_t length = strlen(name), word = strlen(words->one);
    if (length <= word)
        return false;
    const char *at = words->suffix ? name + length - word : name;
    if (strncasecmp(at, words->one, word) != 0)
        return false;
    if (words->suffix)
        snprintf(out, 2 * SKELETON_NAME_SIZE, "%.*s%s", (int)(length - word), name, words->other);
    else
        snprintf(out, 2 * SKELETON_NAME_SIZE, "%s%s", words->other, name + word);
    return true;
}

static int joint_ignoring_case(const struct skeleton *s, const char *name)
{
    for (int j = 0; j < s->n_joints; j++)
        if (strcasecmp(s->joints[j], name) == 0)
            return j;
    return -1;
}

void skeleton_find_mirror(struct skeleton *s)
{
    char name[2 * SKELETON_NAME_SIZE];
    for (int j = 0; j < s->n_joints; j++)
        s->mirror[j] = (int16_t)j;
    for (int j = 0; j < s->n_joints; j++) {
        for (size_t k = 0; k < sizeof(side_words) / sizeof(side_words[0]); k++) {
            if (!mirrored_name(name, s->joints[j], &side_words[k]))
                continue;
            const int other = joint_ignoring_case(s, name);
            /* A pair must be mutual, even where two joints carry one name. */
            if (other < 0 || s->mirror[j] != j || s->mirror[other] != other)
                continue;
            s->mirror[j] = (int16_t)other;
            s->mirror[other] = (int16_t)j;
        }
    }
}

int skeleton_joint(const struct skeleton *s, const char *name)
{
    for (int j = 0; j < s->n_joints; j++)
        if (strcmp(s->joints[j], name) == 0)
            return j;
    return -1;
}

int skeleton_mirror_limb(const struct skeleton *s, int limb, bool *reversed)
{
    const int from = s->mirror[s->limbs[limb][0]], to = s->mirror[s->limbs[limb][1]];
    *reversed = false;
    for (int k = 0; k < s->n_limbs; k++) {
        if (s->limbs[k][0] == from && s->limbs[k][1] == to)
            return k;
    }
    for (int k = 0; k < s->n_limbs; k++) {
        if (s->limbs[k][0] == to && s->limbs[k][1] == from) {
            *reversed = true;
            return k;
        }
    }
    return limb;
}

void skeleton_to_coco(const struct skeleton *s, int to[COCO_KEYPOINTS])
{
    for (int i = 0; i < COCO_KEYPOINTS; i++)
        to[i] = skeleton_joint(s, coco_keypoint_names[i]);
}
