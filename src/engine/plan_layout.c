/* Fields of a plan's records, as plan.h describes them. */
#include "engine/plan_layout.h"

#define AT(record, member) ((int)offsetof(struct record, member))
#define COUNT(list)        ((int)(sizeof(list) / sizeof(list[0])))

static const struct plan_field head_fields[] = {
    {AT(plan_head, version), 4, 17}, /* version … skeleton_category */
    {AT(plan_head, scale), 4, 8},    /* scale, offset, thresholds */
    {-1, 4, 1},
    {AT(plan_head, memory), 8, 2},
};

static const struct plan_field map_fields[] = {
    {AT(plan_map, offset), 8, 1}, {AT(plan_map, h), 4, 7}, /* h … channel */
};

static const struct plan_field step_fields[] = {
    {AT(plan_step, op), 4, 23}, /* op … c */
    {-1, 4, 1},
    {AT(plan_step, stream), 8, 9}, /* stream … stream_size */
};

static const struct plan_field pair_fields[] = {{0, 4, 2}};

const struct plan_record plan_records[PLAN_TABLES] = {
    [PLAN_HEAD] = {192, sizeof(struct plan_head), 1, head_fields, COUNT(head_fields)},
    [PLAN_MAPS] = {48, sizeof(struct plan_map), PLAN_MAX_MAPS, map_fields, COUNT(map_fields)},
    [PLAN_STEPS] = {192, sizeof(struct plan_step), PLAN_MAX_STEPS, step_fields, COUNT(step_fields)},
    [PLAN_OUTPUTS] = {8, sizeof(struct plan_output), PLAN_MAX_OUTPUTS, pair_fields, 1},
    [PLAN_JOINTS] = {8, sizeof(struct plan_joint), SKELETON_MAX_JOINTS, pair_fields, 1},
    [PLAN_LIMBS] = {8, sizeof(struct plan_limb), SKELETON_MAX_LIMBS, pair_fields, 1},
};
