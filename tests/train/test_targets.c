/* Targets by hand: channels by name, grids, rectification, what is blended and what is filled. */
#include "train/targets.h"

#include "base/rng.h"
#include "data/sample.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* Three joints in a row, and a teacher that has them in another order, one limb the other way. */
static void make_skeletons(struct skeleton *ours, struct skeleton *teacher)
{
    *ours = (struct skeleton){.n_joints = 4,
                              .joints = {"head", "hip", "foot", "tail"},
                              .n_limbs = 3,
                              .limbs = {{0, 1}, {1, 2}, {1, 3}}};
    *teacher = (struct skeleton){.n_joints = 4,
                                 .joints = {"foot", "wing", "head", "hip"},
                                 .n_limbs = 4,
                                 .limbs = {{2, 1}, {0, 3}, {2, 0}, {2, 3}}};
}

static void test_channels_by_name(void **state)
{
    (void)state;
    struct skeleton ours, teacher;
    struct target_map m;
    make_skeletons(&ours, &teacher);
    target_map_init(&m, &ours, &teacher);
    const int16_t joints[4] = {2, 3, 0, -1};
    assert_memory_equal(m.joint, joints, sizeof joints);
    assert_int_equal(m.limb[0], 3); /* head to hip: the same way */
    assert_true(m.sign[0] == 1.0F);
    assert_int_equal(m.limb[1], 1); /* hip to foot: the teacher's runs from foot to hip */
    assert_true(m.sign[1] == -1.0F);
    assert_int_equal(m.limb[2], -1); /* it has no tail */
    assert_int_equal(m.found_joints, 3);
    assert_int_equal(m.found_limbs, 2);

    target_map_init(&m, &ours, &ours);
    for (int k = 0; k < 3; k++)
        assert_true(m.limb[k] == k && m.sign[k] == 1.0F);
}

static void expect_tap(struct tap tap, int a, int b, float t)
{
    assert_int_equal(tap.a, a);
    assert_int_equal(tap.b, b);
    assert_true(fabsf(tap.t - t) < 1e-6F);
}

static void test_grids_share_their_edges(void **state)
{
    (void)state;
    struct tap taps[4];
    taps_make(taps, 3, 3);
    expect_tap(taps[0], 0, 1, 0.0F);
    expect_tap(taps[2], 2, 2, 0.0F);
    taps_make(taps, 2, 4); /* centres at 1/4 and 3/4 of the length */
    expect_tap(taps[0], 0, 1, 0.5F);
    expect_tap(taps[1], 2, 3, 0.5F);
    taps_make(taps, 4, 2);
    expect_tap(taps[0], 0, 1, 0.0F);
    expect_tap(taps[1], 0, 1, 0.25F);
    expect_tap(taps[2], 0, 1, 0.75F);
    expect_tap(taps[3], 1, 1, 0.0F);
    taps_make(taps, 2, 1);
    expect_tap(taps[1], 0, 0, 0.0F);
}

/* ---- sampling ---------------------------------------------------------------------------- */

enum { OWN_H = 3, OWN_W = 2, HEAT_PITCH = 6, PAF_PITCH = 9 };

/* Teacher maps in which every channel is a known function of its place. */
struct answer {
    float heat[OWN_H * OWN_W * HEAT_PITCH], paf[OWN_H * OWN_W * PAF_PITCH];
};

static struct target_source fill_answer(struct answer *a)
{
    memset(a, 0, sizeof *a);
    for (int y = 0; y < OWN_H; y++)
        for (int x = 0; x < OWN_W; x++) {
            float *heat = a->heat + (y * OWN_W + x) * HEAT_PITCH;
            float *paf = a->paf + (y * OWN_W + x) * PAF_PITCH;
            for (int c = 0; c < 5; c++)
                heat[c] = 0.1F * (float)c + 0.05F * (float)y + 0.2F * (float)x;
            for (int c = 0; c < 8; c++)
                paf[c] = 0.05F * (float)c - 0.1F * (float)y + 0.3F * (float)x;
        }
    return (struct target_source){a->heat, a->paf, HEAT_PITCH, PAF_PITCH, OWN_W};
}

static const struct target_rule plain = {.weight = 0.25F, .exponent = 1.0F, .empty_weight = 0.5F};

static void test_sampling(void **state)
{
    (void)state;
    struct skeleton ours, teacher;
    struct target_map m;
    struct answer answer;
    const struct target_source source = fill_answer(&answer);
    float heat[2 * 4], paf[2 * 6];
    make_skeletons(&ours, &teacher);
    target_map_init(&m, &ours, &teacher);
    /* Between rows 1 and 2, a quarter and all of the way from column 0 to 1. */
    const struct tap y = {1, 2, 0.5F}, x[2] = {{0, 1, 0.25F}, {1, 1, 0.0F}};
    target_sample(heat, paf, &m, &plain, &source, y, x, 2);
    const float at_heat[2] = {0.05F * 1.5F + 0.2F * 0.25F, 0.05F * 1.5F + 0.2F};
    const float at_paf[2] = {-0.1F * 1.5F + 0.3F * 0.25F, -0.1F * 1.5F + 0.3F};
    for (int i = 0; i < 2; i++) {
        const float *h = heat + 4 * i, *p = paf + 6 * i;
        assert_true(fabsf(h[0] - (0.2F + at_heat[i])) < 1e-6F); /* head: its channel 2 */
        assert_true(fabsf(h[1] - (0.3F + at_heat[i])) < 1e-6F);
        assert_true(fabsf(h[2] - at_heat[i]) < 1e-6F); /* foot: its channel 0 */
        assert_true(h[3] == 0.0F);
        assert_true(fabsf(p[0] - (0.30F + at_paf[i])) < 1e-6F); /* limb 3: channels 6 and 7 */
        assert_true(fabsf(p[1] - (0.35F + at_paf[i])) < 1e-6F);
        assert_true(fabsf(p[2] + (0.10F + at_paf[i])) < 1e-6F); /* limb 1, turned round */
        assert_true(fabsf(p[3] + (0.15F + at_paf[i])) < 1e-6F);
        assert_true(p[4] == 0.0F && p[5] == 0.0F);
    }
}

static void sample_constant(float heat[3], float paf[4], float joint, float limb,
                            const struct target_rule *rule)
{
    struct skeleton s = {.n_joints = 2, .joints = {"a", "b"}, .n_limbs = 1, .limbs = {{0, 1}}};
    struct target_map m;
    const float own_heat[3] = {joint, 0.5F, 0.0F}, own_paf[2] = {limb, 0.0F};
    const struct target_source source = {own_heat, own_paf, 3, 2, 1};
    const struct tap x = {0, 0, 0.0F};
    target_map_init(&m, &s, &s);
    target_sample(heat, paf, &m, rule, &source, (struct tap){0, 0, 0.0F}, &x, 1);
}

static void test_rectification(void **state)
{
    (void)state;
    float heat[3], paf[4];
    sample_constant(heat, paf, -0.2F, -1.5F, &plain);
    assert_true(heat[0] == 0.0F && paf[0] == -1.0F);
    sample_constant(heat, paf, 1.2F, 7.0F, &plain);
    assert_true(heat[0] == 1.0F && paf[0] == 1.0F);
    sample_constant(heat, paf, NAN, NAN, &plain);
    assert_true(heat[0] == 0.0F && paf[0] == 0.0F);

    const struct target_rule floor = {.exponent = 1.0F, .noise_floor = 0.1F};
    sample_constant(heat, paf, 0.09F, -0.09F, &floor);
    assert_true(heat[0] == 0.0F && paf[0] == 0.0F);
    sample_constant(heat, paf, 0.11F, -0.11F, &floor);
    assert_true(heat[0] == 0.11F && paf[0] == -0.11F);

    /* exp(-1/2) is a bump at one sigma; with temperature 4 it is twice as wide. */
    const struct teacher_spec hot = {.temperature = 4.0};
    const struct label_spec label = {.background_weight = 0.25};
    const struct target_rule wide = target_rule_of(&hot, &label);
    assert_true(wide.empty_weight == 0.5F);
    sample_constant(heat, paf, expf(-0.5F * 4.0F), 0.5F, &wide);
    assert_true(fabsf(heat[0] - expf(-0.5F)) < 1e-6F);
    assert_true(paf[0] == 0.5F);
}

/* ---- blending ---------------------------------------------------------------------------- */

/* One cell of two joints and a limb; the teacher knows both joints unless told otherwise. */
struct one {
    float heat[3], heat_mask[3], paf[2], paf_mask[2];
    uint8_t trust;
    float taught_heat[2], taught_paf[2];
    bool lacks_second;
};

static struct one blend(const struct one *in, const struct target_rule *rule)
{
    struct skeleton ours = {.n_joints = 2, .joints = {"a", "b"}, .n_limbs = 1, .limbs = {{0, 1}}};
    struct skeleton teacher = ours;
    struct target_map m;
    struct one out = *in;
    if (in->lacks_second)
        memcpy(teacher.joints[1], "c", 2);
    target_map_init(&m, &ours, &teacher);
    const struct target_labels labels = {in->heat, in->heat_mask, in->paf, in->paf_mask,
                                         &in->trust};
    const struct target_cells cells = {out.heat, out.heat_mask, out.paf, out.paf_mask};
    target_blend(&cells, &labels, in->taught_heat, in->taught_paf, &m, rule, 1);
    return out;
}

static void expect(const float *found, int n, const float *expected)
{
    for (int i = 0; i < n; i++)
        if (!(fabsf(found[i] - expected[i]) < 1e-6F))
            fail_msg("value %d is %g, expected %g", i, (double)found[i], (double)expected[i]);
}

static const struct one known = {.heat = {0.8F, 0.0F, 0.2F},
                                 .heat_mask = {1.0F, 0.5F, 1.0F},
                                 .paf = {0.6F, 0.8F},
                                 .paf_mask = {1.0F, 1.0F},
                                 .taught_heat = {0.4F, 0.2F},
                                 .taught_paf = {1.0F, 0.0F}};

static void test_known_labels_are_mixed(void **state)
{
    (void)state;
    const struct one out = blend(&known, &plain);
    expect(out.heat, 3, (const float[]){0.7F, 0.05F, 0.3F}); /* 3/4 label + 1/4 teacher */
    expect(out.heat_mask, 3, known.heat_mask);
    expect(out.paf, 2, (const float[]){0.7F, 0.6F});
    expect(out.paf_mask, 2, known.paf_mask);

    struct target_rule all = plain;
    all.weight = 1.0F;
    all.fill = true; /* has nothing to do here */
    const struct one taught = blend(&known, &all);
    expect(taught.heat, 3, (const float[]){0.4F, 0.2F, 0.6F});
    expect(taught.paf, 2, known.taught_paf);
    expect(taught.heat_mask, 3, known.heat_mask);
}

/* Squared errors to the mixture have the slope of the mixed squared errors. */
static void test_mixture_is_two_losses(void **state)
{
    (void)state;
    const struct one out = blend(&known, &plain);
    const double w = 0.25, L = 0.8, t = 0.4;
    for (double p = -1.0; p <= 1.0; p += 0.25) {
        const double slope = (1 - w) * 2 * (p - L) + w * 2 * (p - t);
        assert_true(fabs(2 * (p - (double)out.heat[0]) - slope) < 1e-6);
    }
}

static void test_unlabelled_channels_are_filled(void **state)
{
    (void)state;
    struct one in = known;
    struct target_rule fill = plain;
    fill.fill = true;
    in.heat_mask[1] = in.heat_mask[2] = 0.0F; /* joint b is not labelled, nor is the background */
    in.paf_mask[0] = in.paf_mask[1] = 0.0F;
    struct one out = blend(&in, &fill);
    expect(out.heat, 3, (const float[]){0.7F, 0.2F, 0.3F});
    expect(out.heat_mask, 3, (const float[]){1.0F, 1.0F, 1.0F});
    expect(out.paf, 2, in.taught_paf);
    expect(out.paf_mask, 2, (const float[]){1.0F, 1.0F});

    /* Where the teacher sees nothing, the cell weighs as an empty one. */
    in.taught_heat[1] = 0.01F;
    in.taught_paf[0] = 0.01F;
    out = blend(&in, &fill);
    expect(out.heat_mask, 3, (const float[]){1.0F, 0.5F, 1.0F});
    expect(out.paf_mask, 2, (const float[]){0.5F, 0.5F});

    /* Without filling the weights stay nothing. */
    out = blend(&in, &plain);
    expect(out.heat_mask, 3, in.heat_mask);
    expect(out.paf_mask, 2, in.paf_mask);
}

static void test_unsure_cells_are_filled(void **state)
{
    (void)state;
    struct one in = known;
    struct target_rule fill = plain;
    fill.fill = true;
    in.trust = CELL_UNSURE;
    const struct one out = blend(&in, &fill);
    expect(out.heat, 3, (const float[]){0.4F, 0.2F, 0.6F});
    expect(out.heat_mask, 3, (const float[]){1.0F, 1.0F, 1.0F});
    expect(out.paf, 2, in.taught_paf);
}

static void test_nothing_is_taught_outside(void **state)
{
    (void)state;
    struct one in = known;
    struct target_rule fill = plain;
    fill.fill = true;
    in.trust = CELL_OUTSIDE;
    in.heat_mask[1] = 0.0F;
    const struct one out = blend(&in, &fill);
    expect(out.heat, 3, in.heat);
    expect(out.heat_mask, 3, in.heat_mask);
    expect(out.paf, 2, in.paf);
    expect(out.paf_mask, 2, in.paf_mask);
}

static void test_missing_joints_keep_their_labels(void **state)
{
    (void)state;
    struct one in = known;
    struct target_rule fill = plain;
    fill.fill = true;
    in.lacks_second = true;
    in.heat_mask[1] = in.heat_mask[2] = 0.0F;
    in.paf_mask[0] = in.paf_mask[1] = 0.0F;
    const struct one out = blend(&in, &fill);
    expect(out.heat, 2, (const float[]){0.7F, 0.0F});
    expect(out.heat_mask, 3, (const float[]){1.0F, 0.0F, 0.0F}); /* nor is the background known */
    expect(out.paf, 2, in.paf);
    expect(out.paf_mask, 2, in.paf_mask);
}

/* No weight and no filling: the labels, to the bit. */
static void test_idle_teacher_changes_nothing(void **state)
{
    (void)state;
    const struct target_rule idle = {.exponent = 1.0F, .empty_weight = 0.5F};
    struct rng rng = rng_stream(5, 0, 0);
    for (int i = 0; i < 1000; i++) {
        struct one in = {.trust = (uint8_t)rng_integer(&rng, 0, 2)};
        for (int j = 0; j < 2; j++) {
            in.heat[j] = (float)rng_uniform(&rng);
            in.paf[j] = (float)rng_range(&rng, -1, 1);
            in.taught_heat[j] = (float)rng_uniform(&rng);
            in.taught_paf[j] = (float)rng_range(&rng, -1, 1);
            in.heat_mask[j] = in.paf_mask[j] = rng_uniform(&rng) < 0.3 ? 0.0F : 0.7F;
        }
        in.heat[2] = 1.0F - (in.heat[0] > in.heat[1] ? in.heat[0] : in.heat[1]);
        in.heat_mask[2] = rng_uniform(&rng) < 0.3 ? 0.0F : 1.0F;
        const struct one out = blend(&in, &idle);
        assert_memory_equal(&out, &in, sizeof out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_channels_by_name),
        cmocka_unit_test(test_grids_share_their_edges),
        cmocka_unit_test(test_sampling),
        cmocka_unit_test(test_rectification),
        cmocka_unit_test(test_known_labels_are_mixed),
        cmocka_unit_test(test_mixture_is_two_losses),
        cmocka_unit_test(test_unlabelled_channels_are_filled),
        cmocka_unit_test(test_unsure_cells_are_filled),
        cmocka_unit_test(test_nothing_is_taught_outside),
        cmocka_unit_test(test_missing_joints_keep_their_labels),
        cmocka_unit_test(test_idle_teacher_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
