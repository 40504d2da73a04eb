/* Decoding: known people come back, whatever the skeleton, and nonsense does no harm. */
#include "base/error.h"
#include "pose/decode.h"
#include "pose/synthetic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct people decode(const struct maps *maps, const struct skeleton *s,
                            const struct predict_options *o)
{
    struct decoder d = {0};
    struct field field = {.n = 1};
    struct people people = {.n_joints = s->n_joints};
    field.maps[0] = *maps;
    assert_int_equal(grid_axis_upsample(&field.x[0], maps->w, SYNTHETIC_STRIDE, o->peaks),
                     BPNET_OK);
    assert_int_equal(grid_axis_upsample(&field.y[0], maps->h, SYNTHETIC_STRIDE, o->peaks),
                     BPNET_OK);
    assert_int_equal(decoder_run(&d, &field, s, o, NULL, &people), BPNET_OK);
    for (int i = 0; i < people.n_people * people.n_joints; i++) {
        struct joint_position *j = &people.joints[i];
        if (o->peaks == PEAKS_SUBPIXEL && j->found) {
            j->x = j->x * SYNTHETIC_STRIDE + (SYNTHETIC_STRIDE - 1) * 0.5f;
            j->y = j->y * SYNTHETIC_STRIDE + (SYNTHETIC_STRIDE - 1) * 0.5f;
        }
    }
    decoder_free(&d);
    field_free(&field);
    return people;
}

static double distance(const struct joint_position *a, const struct joint_position *b)
{
    return hypot((double)a->x - (double)b->x, (double)a->y - (double)b->y);
}

/* Every true person is found once, with exactly the true joints, each within `error` pixels. */
static void assert_same_people(const struct people *found, const struct people *truth, double error)
{
    assert_int_equal(found->n_people, truth->n_people);
    bool taken[64] = {false};
    const int n = truth->n_joints;
    for (int t = 0; t < truth->n_people; t++) {
        int match = -1;
        for (int f = 0; f < found->n_people && match < 0; f++) {
            bool same = !taken[f];
            for (int j = 0; j < n && same; j++) {
                const struct joint_position *a = &truth->joints[t * n + j];
                const struct joint_position *b = &found->joints[f * n + j];
                same = a->found == b->found && (!a->found || distance(a, b) <= error);
            }
            if (same)
                match = f;
        }
        assert_true(match >= 0);
        taken[match] = true;
    }
}

static void assert_recovered(const struct people *truth, const struct skeleton *s, int h, int w)
{
    static const struct {
        enum peak_method method;
        double error;
    } methods[] = {{PEAKS_SUBPIXEL, 0.35}, {PEAKS_FRAMEWORK, 2}, {PEAKS_ENGINE, 2}};
    struct synthetic m = synthetic_render(s, h, w, truth);
    for (size_t i = 0; i < 3; i++)
        for (int compat = 0; compat < 2; compat++) {
            struct predict_options o;
            predict_options_default(&o);
            o.peaks = methods[i].method;
            o.compat = compat;
            struct people found = decode(&m.maps, s, &o);
            assert_same_people(&found, truth, methods[i].error);
            people_free(&found);
        }
    synthetic_free(&m);
}

static void test_one_person(void **state)
{
    (void)state;
    struct skeleton s;
    skeleton_default(&s);
    struct people truth = {.n_joints = 18};
    synthetic_person(people_add(&truth), 150.3f, 20.7f, 250);
    assert_recovered(&truth, &s, 36, 48);
    people_free(&truth);
}

/* An isolated Gaussian is found exactly wherever it lies between cells. */
static void test_subpixel_is_exact_for_gaussians(void **state)
{
    (void)state;
    const struct skeleton s = {.n_joints = 1};
    struct rng rng = rng_stream(1, 0, 0);
    struct peaks peaks = {0};
    for (int i = 0; i < 200; i++) {
        struct people truth = {.n_joints = 1};
        *people_add(&truth) = (struct joint_position){(float)rng_range(&rng, 12, 100),
                                                      (float)rng_range(&rng, 12, 80), 1, true};
        struct synthetic m = synthetic_new(&s, 12, 15);
        synthetic_heat(&m, &s, &truth);
        struct field field = {.n = 1, .maps = {m.maps}};
        assert_int_equal(peaks_find(&peaks, &field, 1, PEAKS_SUBPIXEL, 0.1f, NULL), BPNET_OK);
        assert_int_equal(peaks.count[0], 1);
        const struct peak *p = peaks_of(&peaks, 0);
        assert_true(fabs((double)p->x * 8 + 3.5 - (double)truth.joints[0].x) < 0.01);
        assert_true(fabs((double)p->y * 8 + 3.5 - (double)truth.joints[0].y) < 0.01);
        assert_true(fabsf(p->score - 1) < 0.002f);
        synthetic_free(&m);
        people_free(&truth);
    }
    peaks_free(&peaks);
}

static void test_overlapping_people(void **state)
{
    (void)state;
    struct skeleton s;
    skeleton_default(&s);
    struct people truth = {.n_joints = 18};
    synthetic_person(people_add(&truth), 100, 20, 250);
    synthetic_person(people_add(&truth), 140, 30, 240);
    synthetic_person(people_add(&truth), 250, 60, 200);
    synthetic_person(people_add(&truth), 290, 12, 260);
    struct synthetic m = synthetic_render(&s, 36, 48, &truth);
    struct predict_options o;
    predict_options_default(&o);
    struct people found = decode(&m.maps, &s, &o);
    assert_same_people(&found, &truth, 3); /* neighbouring Gaussians pull a little */
    for (int i = 1; i < found.n_people; i++)
        assert_true(found.scores[i] <= found.scores[i - 1]);
    synthetic_free(&m);
    people_free(&found);
    people_free(&truth);
}

static void test_missing_joints_stay_missing(void **state)
{
    (void)state;
    struct skeleton s;
    skeleton_default(&s);
    struct rng rng = rng_stream(7, 0, 0);
    for (int round = 0; round < 6; round++) {
        struct people truth = {.n_joints = 18};
        struct joint_position *person = people_add(&truth);
        synthetic_person(person, 60 + 40 * (float)round, 15, 260);
        /* Leaves of the tree of limbs: whatever is left hangs together. */
        static const int leaves[] = {4, 7, 10, 13, 14, 15, 16, 17};
        for (int i = 0; i < 8; i++)
            if (rng_uniform(&rng) < 0.5)
                person[leaves[i]] = (struct joint_position){0};
        assert_recovered(&truth, &s, 36, 48);
        people_free(&truth);
    }
}

/* Two clusters of joints of one person, without the link between them, are two people. */
static void test_more_joints_rank_higher(void **state)
{
    (void)state;
    struct skeleton s;
    skeleton_default(&s);
    struct people truth = {.n_joints = 18};
    struct joint_position *a = people_add(&truth);
    synthetic_person(a, 100, 20, 250);
    for (int j = 8; j < 14; j++)
        a[j] = (struct joint_position){0};
    synthetic_person(people_add(&truth), 260, 20, 250);
    struct synthetic m = synthetic_render(&s, 36, 48, &truth);
    struct predict_options o;
    predict_options_default(&o);
    struct people found = decode(&m.maps, &s, &o);
    assert_same_people(&found, &truth, 0.5);
    assert_true(found.joints[0].x > 200); /* the whole one first */
    assert_true(found.scores[0] > found.scores[1] + 0.1f);
    assert_true(found.scores[0] > 0.8f && found.scores[0] <= 1.02f);
    o.max_people = 1;
    struct people one = decode(&m.maps, &s, &o);
    assert_int_equal(one.n_people, 1);
    assert_true(one.joints[0].x > 200);
    o.max_people = 0;
    o.min_joints = 13;
    struct people whole = decode(&m.maps, &s, &o);
    assert_int_equal(whole.n_people, 1);
    synthetic_free(&m);
    people_free(&found);
    people_free(&one);
    people_free(&whole);
    people_free(&truth);
}

/* A star with chains: another number of joints, in another order, with crossing limbs. */
static struct skeleton other_skeleton(int n_joints)
{
    struct skeleton s = {.n_joints = n_joints, .n_limbs = n_joints - 1};
    for (int j = 0; j < n_joints; j++)
        snprintf(s.joints[j], sizeof(s.joints[j]), "joint_%d", j);
    for (int k = 0; k < s.n_limbs; k++) {
        s.limbs[k][0] = (int16_t)(k < 5 ? 0 : k - 4);
        s.limbs[k][1] = (int16_t)(k + 1);
    }
    skeleton_find_mirror(&s);
    return s;
}

static void other_person(struct joint_position *out, const struct skeleton *s, float x, float y)
{
    out[0] = (struct joint_position){x, y, 1, true};
    for (int j = 1; j < s->n_joints; j++) {
        const float angle = 6.2831853f * (float)((j - 1) % 5) / 5 + 0.3f;
        const float radius = 26.0f * (float)((j - 1) / 5 + 1);
        out[j] =
            (struct joint_position){x + radius * cosf(angle), y + radius * sinf(angle), 1, true};
    }
}

static void test_other_skeletons(void **state)
{
    (void)state;
    static const int joints[] = {14, 21, 5};
    for (int i = 0; i < 3; i++) {
        const struct skeleton s = other_skeleton(joints[i]);
        struct people truth = {.n_joints = s.n_joints};
        other_person(people_add(&truth), &s, 120, 130);
        other_person(people_add(&truth), &s, 345, 142);
        assert_recovered(&truth, &s, 36, 60);
        people_free(&truth);
    }
}

static void test_limbs_that_may_start_a_person(void **state)
{
    (void)state;
    struct skeleton s;
    skeleton_default(&s);
    for (int k = 0; k < s.n_limbs; k++)
        assert_int_equal(limb_starts(&s, k), k < 17);
    const struct skeleton tree = other_skeleton(21);
    for (int k = 0; k < tree.n_limbs; k++)
        assert_true(limb_starts(&tree, k));
}

/* ---- nonsense ------------------------------------------------------------------------------ */

static void fill(struct synthetic *m, float (*value)(int y, int x, int c, struct rng *rng))
{
    struct rng rng = rng_stream(3, 0, 0);
    for (int y = 0; y < m->maps.h; y++)
        for (int x = 0; x < m->maps.w; x++) {
            const size_t cell = (size_t)(y * m->maps.w + x);
            for (int c = 0; c < m->maps.heat_channels; c++)
                m->heat[cell * (size_t)m->maps.heat_pitch + (size_t)c] = value(y, x, c, &rng);
            for (int c = 0; c < m->maps.paf_channels; c++)
                m->paf[cell * (size_t)m->maps.paf_pitch + (size_t)c] = value(y, x, c, &rng);
        }
}

static float zeros(int y, int x, int c, struct rng *rng)
{
    (void)y, (void)x, (void)c, (void)rng;
    return 0;
}
static float nans(int y, int x, int c, struct rng *rng)
{
    (void)y, (void)x, (void)c, (void)rng;
    return NAN;
}
static float ones(int y, int x, int c, struct rng *rng)
{
    (void)y, (void)x, (void)c, (void)rng;
    return 1;
}
static float checkerboard(int y, int x, int c, struct rng *rng)
{
    (void)c, (void)rng;
    return (float)((x + y) & 1);
}
static float plateaus(int y, int x, int c, struct rng *rng)
{
    (void)rng;
    return (float)((x / 3 + y / 2 + c) % 3) / 2;
}
static float noise(int y, int x, int c, struct rng *rng)
{
    (void)y, (void)x, (void)c;
    return (float)rng_uniform(rng);
}
static float wild(int y, int x, int c, struct rng *rng)
{
    static const float values[] = {0, 1, -1, NAN, INFINITY, -INFINITY, 1e38f, -1e38f, 1e-40f};
    (void)y, (void)x, (void)c;
    return values[rng_integer(rng, 0, 8)];
}

static void test_nonsense_does_no_harm(void **state)
{
    (void)state;
    float (*const values[])(int, int, int, struct rng *) = {zeros,    nans,  ones, checkerboard,
                                                            plateaus, noise, wild};
    struct skeleton s;
    skeleton_default(&s);
    for (int h = 1; h < 20; h += 12)
        for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
            for (int method = PEAKS_SUBPIXEL; method <= PEAKS_ENGINE; method++)
                for (int compat = 0; compat < 2; compat++) {
                    struct synthetic m = synthetic_new(&s, h, 15 - h);
                    fill(&m, values[i]);
                    struct predict_options o;
                    predict_options_default(&o);
                    o.peaks = (enum peak_method)method;
                    o.compat = compat;
                    struct people found = decode(&m.maps, &s, &o);
                    if (values[i] == zeros || values[i] == nans)
                        assert_int_equal(found.n_people, 0);
                    for (int k = 0; k < found.n_people; k++)
                        assert_true(isfinite(found.scores[k]));
                    for (int k = 0; k < found.n_people * 18; k++)
                        assert_true(isfinite(found.joints[k].x) && isfinite(found.joints[k].y));
                    people_free(&found);
                    synthetic_free(&m);
                }
}

static void test_maps_must_fit_the_skeleton(void **state)
{
    (void)state;
    struct skeleton s;
    skeleton_default(&s);
    struct synthetic m = synthetic_new(&s, 4, 4);
    struct decoder d = {0};
    struct people people = {.n_joints = 18};
    struct field field = {.n = 1, .maps = {m.maps}};
    struct predict_options o;
    predict_options_default(&o);
    field.maps[0].heat_channels = 18;
    assert_int_equal(decoder_run(&d, &field, &s, &o, NULL, &people), BPNET_EUSAGE);
    assert_non_null(strstr(error_message(), "18 heatmap and 38 part affinity channels"));
    field.maps[0] = m.maps;
    field.maps[0].paf_channels = 36;
    assert_int_equal(decoder_run(&d, &field, &s, &o, NULL, &people), BPNET_EUSAGE);
    decoder_free(&d);
    synthetic_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_person),
        cmocka_unit_test(test_subpixel_is_exact_for_gaussians),
        cmocka_unit_test(test_overlapping_people),
        cmocka_unit_test(test_missing_joints_stay_missing),
        cmocka_unit_test(test_more_joints_rank_higher),
        cmocka_unit_test(test_other_skeletons),
        cmocka_unit_test(test_limbs_that_may_start_a_person),
        cmocka_unit_test(test_nonsense_does_no_harm),
        cmocka_unit_test(test_maps_must_fit_the_skeleton),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
