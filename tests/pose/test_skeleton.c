/* Skeletons: the built-in table, mirrors by name, the way to COCO; and lists of people. */
#include "pose/people.h"
#include "pose/skeleton.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct skeleton from_names(const char *const *names, int n)
{
    struct skeleton s = {.n_joints = n};
    for (int j = 0; j < n; j++)
        snprintf(s.joints[j], sizeof(s.joints[j]), "%s", names[j]);
    skeleton_find_mirror(&s);
    return s;
}

static void test_default_skeleton(void **state)
{
    (void)state;
    struct skeleton s;
    skeleton_default(&s);
    assert_string_equal(s.type, "bpnet_18_joints");
    assert_int_equal(s.n_joints, 18);
    assert_int_equal(s.n_limbs, 19);
    assert_int_equal(skeleton_heat_channels(&s), 19);
    assert_int_equal(skeleton_paf_channels(&s), 38);
    assert_int_equal(skeleton_joint(&s, "left_ear"), 17);
    assert_int_equal(skeleton_joint(&s, "tail"), -1);
    const int16_t mirror[] = {0, 1, 5, 6, 7, 2, 3, 4, 11, 12, 13, 8, 9, 10, 15, 14, 17, 16};
    assert_memory_equal(s.mirror, mirror, sizeof(mirror));
    const char *const ends[][2] = {{"neck", "right_hip"},
                                   {"right_shoulder", "right_ear"},
                                   {"neck", "nose"},
                                   {"left_eye", "left_ear"}};
    const int limbs[] = {0, 9, 14, 18};
    for (int i = 0; i < 4; i++) {
        assert_string_equal(s.joints[s.limbs[limbs[i]][0]], ends[i][0]);
        assert_string_equal(s.joints[s.limbs[limbs[i]][1]], ends[i][1]);
    }
}

static void test_coco_order(void **state)
{
    (void)state;
    struct skeleton s;
    skeleton_default(&s);
    const int expected[COCO_KEYPOINTS] = {0, 15, 14, 17, 16, 5, 2,  6, 3,
                                          7, 4,  11, 8,  12, 9, 13, 10};
    int to[COCO_KEYPOINTS];
    skeleton_to_coco(&s, to);
    assert_memory_equal(to, expected, sizeof(expected));
    snprintf(s.joints[0], sizeof(s.joints[0]), "beak");
    skeleton_to_coco(&s, to);
    assert_int_equal(to[0], -1);
}

static void test_mirror_names(void **state)
{
    (void)state;
    const char *const names[] = {"head",      "L_hand",     "foot_left", "r_hand",  "foot_right",
                                 "left_only", "Right_Knee", "left_knee", "ankle_l", "ankle_r"};
    const struct skeleton s = from_names(names, 10);
    const int16_t mirror[] = {0, 3, 4, 1, 2, 5, 7, 6, 9, 8};
    assert_memory_equal(s.mirror, mirror, sizeof(mirror));
}

static void test_mirror_is_an_involution_with_equal_names(void **state)
{
    (void)state;
    const char *const names[] = {"left_a", "left_a", "right_a", "right_a", "left_"};
    const struct skeleton s = from_names(names, 5);
    for (int j = 0; j < s.n_joints; j++)
        assert_int_equal(s.mirror[s.mirror[j]], j);
    assert_int_equal(s.mirror[0], 2);
}

static void test_mirror_limbs(void **state)
{
    (void)state;
    struct skeleton s;
    bool reversed;
    skeleton_default(&s);
    assert_int_equal(skeleton_mirror_limb(&s, 0, &reversed), 3);
    assert_false(reversed);
    assert_int_equal(skeleton_mirror_limb(&s, 14, &reversed), 14); /* neck to nose */
    assert_false(reversed);
    for (int k = 0; k < s.n_limbs; k++)
        assert_int_equal(
            skeleton_mirror_limb(&s, skeleton_mirror_limb(&s, k, &reversed), &reversed), k);
    s.limbs[3][0] = 11; /* left hip to neck, against neck to right hip */
    s.limbs[3][1] = 1;
    assert_int_equal(skeleton_mirror_limb(&s, 0, &reversed), 3);
    assert_true(reversed);
    s.limbs[14][0] = 5; /* from shoulder to shoulder: its own mirror, reversed */
    s.limbs[14][1] = 2;
    assert_int_equal(skeleton_mirror_limb(&s, 14, &reversed), 14);
    assert_true(reversed);
    s.n_limbs = 1; /* nothing mirrors it */
    assert_int_equal(skeleton_mirror_limb(&s, 0, &reversed), 0);
    assert_false(reversed);
}

static void test_people_grow(void **state)
{
    (void)state;
    struct people p = {.n_joints = 3};
    for (int i = 0; i < 100; i++) {
        struct joint_position *joints = people_add(&p);
        assert_non_null(joints);
        for (int j = 0; j < 3; j++) {
            assert_false(joints[j].found);
            joints[j] = (struct joint_position){.x = (float)(i * 3 + j), .found = true};
        }
        p.scores[i] = (float)i;
    }
    for (int i = 0; i < 300; i++)
        assert_true(p.joints[i].x == (float)i && p.joints[i].found);
    assert_int_equal(p.n_people, 100);
    people_clear(&p);
    assert_int_equal(p.n_people, 0);
    assert_false(people_add(&p)[0].found); /* nothing of the old content shows */
    assert_true(p.scores[0] == 0);
    people_free(&p);
    assert_null(p.joints);
    assert_int_equal(p.n_joints, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_skeleton),
        cmocka_unit_test(test_coco_order),
        cmocka_unit_test(test_mirror_names),
        cmocka_unit_test(test_mirror_is_an_involution_with_equal_names),
        cmocka_unit_test(test_mirror_limbs),
        cmocka_unit_test(test_people_grow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
