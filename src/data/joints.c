/* Keypoints to joints. */
#include "data/joints.h"

#include "base/error.h"

#include <string.h>

static int find_keypoint(const struct dataset_spec *dataset, const char *name)
{
    for (int k = 0; k < dataset->n_keypoints; k++)
        if (strcmp(dataset->keypoints[k], name) == 0)
            return k;
    return -1;
}

static int find_extra(const char *name)
{
    for (int i = 0; i < COCO_EXTRAS; i++)
        if (strcmp(coco_extra_names[i], name) == 0)
            return i;
    return -1;
}

int joint_map_init(struct joint_map *m, const struct dataset_spec *dataset,
                   const struct skeleton *skeleton)
{
    *m = (struct joint_map){.n_keypoints = dataset->n_keypoints,
                            .n_joints = skeleton->n_joints,
                            .neck = -1,
                            .left_shoulder = find_keypoint(dataset, "left_shoulder"),
                            .right_shoulder = find_keypoint(dataset, "right_shoulder")};
    memcpy(m->flag_map, dataset->flag_map, sizeof(m->flag_map));
    int found = 0;
    for (int j = 0; j < skeleton->n_joints; j++) {
        m->from[j] = (int16_t)find_keypoint(dataset, skeleton->joints[j]);
        m->extra[j] = (int8_t)(m->from[j] < 0 ? find_extra(skeleton->joints[j]) : -1);
        found += m->from[j] >= 0;
    }
    if (found == 0)
        return error_set(BPNET_ECONFIG,
                         "not one joint of the skeleton '%s' is a keypoint of the dataset '%s'",
                         skeleton->type, dataset->dataset);
    const int neck = skeleton_joint(skeleton, "neck");
    if (neck >= 0 && m->from[neck] < 0 && m->left_shoulder >= 0 && m->right_shoulder >= 0)
        m->neck = neck;
    return BPNET_OK;
}

/* `xyv`: x, y and the source's flag. */
static struct joint joint_from(const struct joint_map *m, const double *xyv)
{
    const int n_flags = (int)(sizeof(m->flag_map) / sizeof(m->flag_map[0]));
    const bool known = xyv[2] >= 0 && xyv[2] < n_flags;
    return (struct joint){xyv[0], xyv[1], known ? m->flag_map[(int)xyv[2]] : VIS_NOT_LABELLED};
}

static struct joint middle(const struct joint *a, const struct joint *b)
{
    return (struct joint){(a->x + b->x) / 2, (a->y + b->y) / 2,
                          a->visibility > b->visibility ? a->visibility : b->visibility};
}

static void map_person(const struct joint_map *m, const double *keypoints, const double *extra,
                       struct joint *out)
{
    for (int j = 0; j < m->n_joints; j++) {
        out[j] = (struct joint){.visibility = VIS_NOT_IN_DATASET};
        if (m->from[j] >= 0)
            out[j] = joint_from(m, keypoints + 3 * m->from[j]);
        else if (extra && m->extra[j] >= 0)
            out[j] = joint_from(m, extra + 3 * m->extra[j]);
    }
    if (m->neck < 0)
        return;
    const struct joint left = joint_from(m, keypoints + 3 * m->left_shoulder);
    const struct joint right = joint_from(m, keypoints + 3 * m->right_shoulder);
    if (joint_used(&left) && joint_used(&right))
        out[m->neck] = middle(&left, &right);
}

void joint_map_people(const struct joint_map *m, const struct record *r, struct joint *out)
{
    for (int p = 0; p < r->n_people; p++)
        map_person(m, r->joints + (size_t)p * 3 * (size_t)m->n_keypoints,
                   r->extra ? r->extra + (size_t)p * 3 * COCO_EXTRAS : NULL,
                   out + (size_t)p * (size_t)m->n_joints);
}

/* Extra joints come person by person: their channel is trusted when everyone in the picture has it.
 */
static bool everyone_has(const struct record *r, int extra)
{
    for (int p = 0; p < r->n_people; p++)
        if (!r->extra || !(r->extra[((size_t)p * COCO_EXTRAS + (size_t)extra) * 3 + 2] > 0))
            return false;
    return true;
}

void joint_map_channels(const struct joint_map *m, const struct record *r,
                        bool labelled[SKELETON_MAX_JOINTS])
{
    for (int j = 0; j < m->n_joints; j++) {
        if (m->from[j] >= 0)
            labelled[j] = !r->labelled || r->labelled[m->from[j]];
        else
            labelled[j] = m->extra[j] >= 0 && everyone_has(r, m->extra[j]);
    }
    if (m->neck >= 0 &&
        (!r->labelled || (r->labelled[m->left_shoulder] && r->labelled[m->right_shoulder])))
        labelled[m->neck] = true;
}
