/* Keypoints to joints: names, flags, and the neck by intent. */
#include "base/error.h"
#include "data/joints.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NOSE = 0, NECK = 1, RIGHT_SHOULDER = 2, LEFT_SHOULDER = 5, LEFT_EAR = 17 };
enum { COCO_LEFT_EAR = 3, COCO_LEFT_SHOULDER = 5, COCO_RIGHT_SHOULDER = 6 };

static struct dataset_spec coco_spec(void)
{
    static char *names[COCO_KEYPOINTS];
    for (int k = 0; k < COCO_KEYPOINTS; k++)
        names[k] = (char *)coco_keypoint_names[k];
    return (struct dataset_spec){.dataset = "coco",
                                 .n_keypoints = COCO_KEYPOINTS,
                                 .keypoints = names,
                                 .flag_map = {VIS_NOT_LABELLED, VIS_OCCLUDED, VIS_VISIBLE,
                                              VIS_TRUNCATED, VIS_TRUNCATED, VIS_TRUNCATED,
                                              VIS_TRUNCATED, VIS_TRUNCATED}};
}

/* One person, keypoint k at (k, 100 + k), all visible. */
struct person {
    double joints[COCO_KEYPOINTS][3];
    double extra[COCO_EXTRAS][3];
    uint8_t labelled[COCO_KEYPOINTS];
    struct record record;
};

static void person_init(struct person *p)
{
    *p = (struct person){.record = {.n_people = 1, .n_keypoints = COCO_KEYPOINTS}};
    for (int k = 0; k < COCO_KEYPOINTS; k++) {
        p->joints[k][0] = k;
        p->joints[k][1] = 100 + k;
        p->joints[k][2] = 2;
    }
    memset(p->labelled, 1, sizeof(p->labelled));
    p->record.joints = &p->joints[0][0];
}

static struct joint_map default_map(void)
{
    struct skeleton skeleton;
    struct joint_map map;
    const struct dataset_spec spec = coco_spec();
    skeleton_default(&skeleton);
    assert_int_equal(joint_map_init(&map, &spec, &skeleton), BPNET_OK);
    return map;
}

static void copies_by_name(void **state)
{
    (void)state;
    /* Where COCO's keypoints go in the 18 joints. */
    static const int to[COCO_KEYPOINTS] = {0, 15, 14, 17, 16, 5, 2,  6, 3,
                                           7, 4,  11, 8,  12, 9, 13, 10};
    const struct joint_map map = default_map();
    struct person p;
    struct joint out[18];
    person_init(&p);
    p.joints[COCO_LEFT_EAR][2] = 1;
    joint_map_people(&map, &p.record, out);
    for (int k = 0; k < COCO_KEYPOINTS; k++) {
        assert_true(out[to[k]].x == k && out[to[k]].y == 100 + k);
        assert_int_equal(out[to[k]].visibility, k == COCO_LEFT_EAR ? VIS_OCCLUDED : VIS_VISIBLE);
    }
}

static void neck_needs_both_shoulders(void **state)
{
    (void)state;
    const struct joint_map map = default_map();
    struct person p;
    struct joint out[18];
    person_init(&p);
    p.joints[COCO_LEFT_SHOULDER][2] = 1;
    joint_map_people(&map, &p.record, out);
    assert_true(out[NECK].x == 5.5 && out[NECK].y == 105.5);
    assert_int_equal(out[NECK].visibility, VIS_OCCLUDED); /* the less visible one's */
    p.joints[COCO_LEFT_SHOULDER][2] = 0;
    joint_map_people(&map, &p.record, out);
    assert_false(joint_used(&out[NECK]));
    assert_false(joint_used(&out[LEFT_SHOULDER]));
    assert_true(joint_used(&out[RIGHT_SHOULDER]));
}

static void labelled_neck_fills_in(void **state)
{
    (void)state;
    const struct joint_map map = default_map();
    struct person p;
    struct joint out[18];
    person_init(&p);
    memcpy(p.extra[EXTRA_NECK], (const double[]){50, 60, 2}, sizeof(p.extra[0]));
    p.record.extra = &p.extra[0][0];
    joint_map_people(&map, &p.record, out);
    assert_true(out[NECK].x == 5.5); /* both shoulders: the definition everyone else uses */
    p.joints[COCO_LEFT_SHOULDER][2] = 0;
    joint_map_people(&map, &p.record, out);
    assert_true(out[NECK].x == 50 && out[NECK].y == 60);
    assert_int_equal(out[NECK].visibility, VIS_VISIBLE);
    p.extra[EXTRA_NECK][2] = 0;
    joint_map_people(&map, &p.record, out);
    assert_false(joint_used(&out[NECK]));
}

static void channels_follow_the_picture(void **state)
{
    (void)state;
    const struct joint_map map = default_map();
    struct person p;
    bool labelled[SKELETON_MAX_JOINTS];
    person_init(&p);
    joint_map_channels(&map, &p.record, labelled);
    for (int j = 0; j < 18; j++)
        assert_true(labelled[j]);
    p.record.labelled = p.labelled;
    p.labelled[COCO_LEFT_EAR] = 0;
    joint_map_channels(&map, &p.record, labelled);
    for (int j = 0; j < 18; j++)
        assert_int_equal(labelled[j], j != LEFT_EAR);
    p.labelled[COCO_RIGHT_SHOULDER] = 0;
    joint_map_channels(&map, &p.record, labelled);
    assert_false(labelled[NECK]);
    memcpy(p.extra[EXTRA_NECK], (const double[]){50, 60, 2}, sizeof(p.extra[0]));
    p.record.extra = &p.extra[0][0];
    joint_map_channels(&map, &p.record, labelled); /* everyone in the picture has a neck */
    assert_true(labelled[NECK]);
    assert_false(labelled[RIGHT_SHOULDER]);
}

static void other_skeletons(void **state)
{
    (void)state;
    struct dataset_spec spec = coco_spec();
    struct skeleton skeleton = {.n_joints = 3, .joints = {"head_top", "nose", "tail"}};
    struct joint_map map;
    struct person p;
    struct joint out[3];
    bool labelled[SKELETON_MAX_JOINTS];
    assert_int_equal(joint_map_init(&map, &spec, &skeleton), BPNET_OK);
    person_init(&p);
    memcpy(p.extra[EXTRA_HEAD_TOP], (const double[]){7, 8, 1}, sizeof(p.extra[0]));
    p.record.extra = &p.extra[0][0];
    joint_map_people(&map, &p.record, out);
    assert_true(out[0].x == 7 && out[0].visibility == VIS_OCCLUDED);
    assert_true(out[1].x == 0 && out[1].y == 100);
    assert_int_equal(out[2].visibility, VIS_NOT_IN_DATASET);
    joint_map_channels(&map, &p.record, labelled);
    assert_true(labelled[0] && labelled[1]);
    assert_false(labelled[2]);
    p.joints[0][2] = 3; /* a flag that the spec maps to truncated */
    joint_map_people(&map, &p.record, out);
    assert_false(joint_used(&out[1]));

    spec.keypoints = (char *[]){"hoof"};
    spec.n_keypoints = 1;
    assert_int_equal(joint_map_init(&map, &spec, &skeleton), BPNET_ECONFIG);
    assert_non_null(strstr(error_message(), "not one joint"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies_by_name),         cmocka_unit_test(neck_needs_both_shoulders),
        cmocka_unit_test(labelled_neck_fills_in), cmocka_unit_test(channels_follow_the_picture),
        cmocka_unit_test(other_skeletons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
