/* Assembly from hand-made peaks and links: our rules, and the original's with its slips. */
#include "base/rng.h"
#include "pose/assemble.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { NONE = -1 };

#define CELL 0.1f /* of a peak's coordinates */

/* Every joint has some peaks, all of height 0.5; x tells which they are. */
struct scene {
    struct skeleton skeleton;
    struct peaks peaks;
    struct links links;
    struct predict_options options;
    struct people people;
    struct assembly assembly;
};

static void scene_open(struct scene *c, int n_joints, const int limbs[][2], int n_limbs)
{
    *c = (struct scene){.skeleton = {.n_joints = n_joints, .n_limbs = n_limbs}};
    for (int k = 0; k < n_limbs; k++)
        for (int end = 0; end < 2; end++)
            c->skeleton.limbs[k][end] = (int16_t)limbs[k][end];
    c->peaks.n_joints = n_joints;
    c->peaks.count = calloc((size_t)n_joints, sizeof(int));
    c->peaks.peak = calloc((size_t)n_joints * PEAKS_MAX, sizeof(struct peak));
    c->links.n_limbs = n_limbs;
    c->links.count = calloc((size_t)n_limbs, sizeof(int));
    c->links.link = calloc((size_t)n_limbs * PEAKS_MAX, sizeof(struct link));
    for (int j = 0; j < n_joints; j++) {
        c->peaks.count[j] = 4;
        for (int i = 0; i < 4; i++)
            c->peaks.peak[j * PEAKS_MAX + i] = (struct peak){(float)i, (float)j, 0.5f};
    }
    c->people.n_joints = n_joints;
    predict_options_default(&c->options);
    c->options.min_joints = 2;
}

static void scene_link(struct scene *c, int limb, int from, int to, float score)
{
    c->links.link[limb * PEAKS_MAX + c->links.count[limb]++] =
        (struct link){(int16_t)from, (int16_t)to, score};
}

static void scene_run(struct scene *c, bool compat)
{
    c->options.compat = compat;
    assert_int_equal(assemble(&c->assembly, &c->peaks, &c->links, &c->skeleton, &c->options, CELL,
                              CELL, &c->people),
                     0);
}

static void scene_close(struct scene *c)
{
    peaks_free(&c->peaks);
    links_free(&c->links);
    assembly_free(&c->assembly);
    people_free(&c->people);
}

/* Person `person` consists of these peaks, one a joint (NONE: not found). */
static void assert_person(const struct scene *c, int person, const int *peaks)
{
    assert_in_range(person, 0, c->people.n_people - 1);
    for (int j = 0; j < c->people.n_joints; j++) {
        const struct joint_position *at = &c->people.joints[person * c->people.n_joints + j];
        assert_int_equal(at->found, peaks[j] != NONE);
        if (at->found) {
            assert_int_equal((int)at->x, peaks[j]);
            assert_int_equal((int)at->y, j);
        }
    }
}

static void assert_score(const struct scene *c, int person, double expected)
{
    assert_true(fabs((double)c->people.scores[person] - expected) < 1e-6);
}

/* Evidence of `found` of `all` joints, over w x h of a peak's coordinates. */
static double ours(double evidence, int found, int all, double w, double h)
{
    const double d2 = (w * w + h * h) / 0.01;
    return evidence / (2 * found - 1) * sqrt((double)found / all) * d2 / (d2 + 30);
}

static const int chain[][2] = {{0, 1}, {1, 2}, {2, 3}};

static void test_a_chain_joins(void **state)
{
    (void)state;
    struct scene c;
    scene_open(&c, 4, chain, 3);
    scene_link(&c, 0, 1, 0, 0.9f);
    scene_link(&c, 1, 0, 3, 0.8f);
    scene_link(&c, 2, 3, 2, 0.7f);
    scene_run(&c, false);
    assert_int_equal(c.people.n_people, 1);
    assert_person(&c, 0, (const int[]){1, 0, 3, 2});
    assert_score(&c, 0, ours(4 * 0.5 + 0.9 + 0.8 + 0.7, 4, 4, 3, 3));
    scene_run(&c, true);
    assert_int_equal(c.people.n_people, 1);
    assert_person(&c, 0, (const int[]){1, 0, 3, 2});
    assert_score(&c, 0, 1 - 1 / 4.4);
    scene_close(&c);
}

static void test_two_halves_merge(void **state)
{
    (void)state;
    static const int order[][2] = {{0, 1}, {2, 3}, {1, 2}};
    for (int compat = 0; compat < 2; compat++) {
        struct scene c;
        scene_open(&c, 4, order, 3);
        scene_link(&c, 0, 0, 0, 0.9f);
        scene_link(&c, 1, 1, 1, 0.8f);
        scene_link(&c, 2, 0, 1, 0.5f);
        scene_run(&c, compat);
        assert_int_equal(c.people.n_people, 1);
        assert_person(&c, 0, (const int[]){0, 0, 1, 1});
        assert_score(&c, 0, compat ? 1 - 1 / 4.2 : ours(4.2, 4, 4, 1, 3));
        scene_close(&c);
    }
}

/* A limb that finds its end in a person, but whose start is free. */
static void test_start_joint_found_by_its_end(void **state)
{
    (void)state;
    static const int limbs[][2] = {{0, 1}, {2, 1}};
    struct scene c;
    scene_open(&c, 3, limbs, 2);
    scene_link(&c, 0, 0, 0, 0.9f);
    scene_link(&c, 1, 3, 0, 0.8f);
    scene_run(&c, false);
    assert_int_equal(c.people.n_people, 1);
    assert_person(&c, 0, (const int[]){0, 0, 3});
    assert_score(&c, 0, ours(1.5 + 0.9 + 0.8, 3, 3, 3, 2));
    scene_run(&c, true); /* the original leaves it out */
    assert_int_equal(c.people.n_people, 1);
    assert_person(&c, 0, (const int[]){0, 0, NONE});
    assert_score(&c, 0, 1 - 1 / 1.9);
    scene_close(&c);
}

/* Joint 2 is reached from 0 and from 1: the second way disagrees with the first. */
static const int triangle[][2] = {{0, 1}, {0, 2}, {1, 2}};

static void test_a_filled_end_stays_unless_worse(void **state)
{
    (void)state;
    for (int better = 0; better < 2; better++) {
        struct scene c;
        scene_open(&c, 3, triangle, 3);
        const float second = better ? 0.9f : 0.4f;
        scene_link(&c, 0, 0, 0, 0.9f);
        scene_link(&c, 1, 0, 1, 0.6f);
        scene_link(&c, 2, 0, 2, second);
        scene_run(&c, false);
        assert_int_equal(c.people.n_people, 1);
        const float score = c.people.scores[0];
        assert_person(&c, 0, (const int[]){0, 0, better ? 2 : 1});
        assert_score(&c, 0, ours(1.5 + 0.9 + (better ? 0.9 : 0.6), 3, 3, better ? 2 : 1, 2));
        /* The original overwrites, and counts the joint twice. */
        scene_run(&c, true);
        assert_person(&c, 0, (const int[]){0, 0, 2});
        assert_score(&c, 0, 1 - 1 / (2.0 + 0.9 + 0.6 + (double)second));
        c.options.person_threshold = score + 0.01F;
        scene_run(&c, false);
        assert_int_equal(c.people.n_people, 0);
        c.options.person_threshold = score - 0.01F;
        scene_run(&c, false);
        assert_int_equal(c.people.n_people, 1);
        c.options.min_joints = 4; /* three slots are filled */
        scene_run(&c, true);
        assert_int_equal(c.people.n_people, 1);
        scene_run(&c, false);
        assert_int_equal(c.people.n_people, 0);
        scene_close(&c);
    }
}

static void test_a_joint_that_others_hang_on_is_not_replaced(void **state)
{
    (void)state;
    static const int limbs[][2] = {{0, 1}, {0, 2}, {2, 3}, {1, 2}};
    struct scene c;
    scene_open(&c, 4, limbs, 4);
    scene_link(&c, 0, 0, 0, 0.9f);
    scene_link(&c, 1, 0, 0, 0.3f);
    scene_link(&c, 2, 0, 0, 0.9f);
    scene_link(&c, 3, 0, 1, 0.8f);
    scene_run(&c, false);
    assert_int_equal(c.people.n_people, 1);
    assert_person(&c, 0, (const int[]){0, 0, 0, 0});
    scene_close(&c);
}

static void test_confirming_limbs_start_nobody(void **state)
{
    (void)state;
    for (int compat = 0; compat < 2; compat++) {
        struct scene c;
        scene_open(&c, 3, triangle, 3);
        scene_link(&c, 2, 0, 0, 1);
        scene_run(&c, compat);
        assert_int_equal(c.people.n_people, 0);
        scene_close(&c);
    }
}

/* Two people that both have the joint: a link between them joins nothing. */
static void test_conflicting_people_stay_apart(void **state)
{
    (void)state;
    static const int limbs[][2] = {{0, 1}, {2, 1}, {0, 2}, {2, 3}, {1, 3}};
    struct scene c;
    scene_open(&c, 4, limbs, 5);
    scene_link(&c, 0, 0, 0, 0.9f); /* person A: joints 0, 1 */
    scene_link(&c, 1, 1, 1, 0.8f); /* person B: joints 2, 1 */
    scene_link(&c, 3, 1, 1, 0.7f); /* B gets joint 3 */
    scene_link(&c, 4, 0, 1, 0.6f); /* from A's joint 1 to B's joint 3 */
    scene_run(&c, false);
    assert_int_equal(c.people.n_people, 2);
    assert_person(&c, 0, (const int[]){NONE, 1, 1, 1});
    assert_person(&c, 1, (const int[]){0, 0, NONE, NONE});
    /* In the original both now have joint 3, in the order in which they were found. */
    scene_run(&c, true);
    assert_int_equal(c.people.n_people, 2);
    assert_person(&c, 0, (const int[]){0, 0, NONE, 1});
    assert_person(&c, 1, (const int[]){NONE, 1, 1, 1});
    scene_close(&c);
}

static void test_weak_people_are_dropped(void **state)
{
    (void)state;
    struct scene c;
    scene_open(&c, 4, chain, 3);
    scene_link(&c, 0, 0, 0, 0.1f); /* 1.1 of evidence for 2 joints */
    scene_run(&c, false);
    assert_int_equal(c.people.n_people, 1);
    assert_score(&c, 0, ours(1.1, 2, 4, 0, 1));
    c.options.min_score_per_joint = 0.6f;
    scene_run(&c, false);
    assert_int_equal(c.people.n_people, 0);
    c.options.min_score_per_joint = 0.4f;
    c.options.min_joints = 3;
    scene_run(&c, false);
    assert_int_equal(c.people.n_people, 0);
    scene_close(&c);
}

/* Whatever the links: joints of our people are never shared, and counts are right. */
static void test_random_links_never_share_joints(void **state)
{
    (void)state;
    static const int limbs[][2] = {{0, 1}, {1, 2}, {2, 3}, {3, 0}, {0, 2}, {4, 1}, {3, 4}, {4, 0}};
    struct rng rng = rng_stream(29, 0, 0);
    for (int round = 0; round < 500; round++) {
        struct scene c;
        scene_open(&c, 5, limbs, 8);
        for (int k = 0; k < 8; k++)
            for (int i = 0; i < 4; i++) {
                /* A common shift keeps ends unique within a limb. */
                if (rng_uniform(&rng) < 0.5)
                    scene_link(&c, k, i, (i + round) % 4, (float)rng_range(&rng, 0.01, 1.01));
            }
        for (int compat = 0; compat < 2; compat++) {
            c.options.min_score_per_joint = 0;
            scene_run(&c, compat);
            bool used[5][4] = {{false}};
            for (int i = 0; i < c.people.n_people && !compat; i++) {
                int found = 0;
                for (int j = 0; j < 5; j++) {
                    const struct joint_position *at = &c.people.joints[i * 5 + j];
                    if (!at->found)
                        continue;
                    found++;
                    assert_false(used[j][(int)at->x]);
                    used[j][(int)at->x] = true;
                }
                assert_true(found >= 2);
                assert_true(c.people.scores[i] > 0 && c.people.scores[i] < 1);
            }
        }
        scene_close(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chain_joins),
        cmocka_unit_test(test_two_halves_merge),
        cmocka_unit_test(test_start_joint_found_by_its_end),
        cmocka_unit_test(test_a_filled_end_stays_unless_worse),
        cmocka_unit_test(test_a_joint_that_others_hang_on_is_not_replaced),
        cmocka_unit_test(test_confirming_limbs_start_nobody),
        cmocka_unit_test(test_conflicting_people_stay_apart),
        cmocka_unit_test(test_weak_people_are_dropped),
        cmocka_unit_test(test_random_links_never_share_joints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
