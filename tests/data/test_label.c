/* Labels: the published golden values, hand-made cases of people who meet, and weights. */
#include "base/error.h"
#include "base/rng.h"
#include "data/label.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { H = 16, W = 20, S = 8, MAX_PEOPLE = 4 };

/* A label of up to 18 joints with room to spare. */
struct fixture {
    struct skeleton skeleton;
    struct label_spec spec;
    struct joint joints[MAX_PEOPLE][SKELETON_MAX_JOINTS];
    struct label_truth truth;
    float mask[H * W], scratch[H * W];
    uint8_t doubtful[H * W];
    float *heat, *heat_mask, *paf, *paf_mask;
};

static struct fixture *fixture_make(void)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    skeleton_default(&f->skeleton);
    f->spec = (struct label_spec){.heatmap_sigma = 7, .paf_distance = 1, .background_weight = 1};
    for (int i = 0; i < H * W; i++)
        f->mask[i] = 1;
    for (float **map = &f->heat; map <= &f->paf_mask; map++)
        assert_non_null(*map = malloc(H * W * 2 * SKELETON_MAX_LIMBS * sizeof(float)));
    return f;
}

static void fixture_free(struct fixture *f)
{
    for (float **map = &f->heat; map <= &f->paf_mask; map++)
        free(*map);
    free(f);
}

/* joints[] is (people, n_joints) without gaps. */
static void make(struct fixture *f, int n_people)
{
    const int n = f->skeleton.n_joints;
    struct joint packed[MAX_PEOPLE * SKELETON_MAX_JOINTS];
    for (int p = 0; p < n_people; p++)
        memcpy(packed + p * n, f->joints[p], (size_t)n * sizeof(packed[0]));
    f->truth.n_people = n_people;
    f->truth.joints = packed;
    f->truth.mask = f->mask;
    const struct label_maps maps = {f->heat, f->heat_mask, f->paf, f->paf_mask};
    label_make(&maps, &(struct label_shape){H, W, S}, &f->spec, &f->skeleton, &f->truth,
               f->scratch);
}

static void no_joints(struct fixture *f)
{
    for (int p = 0; p < MAX_PEOPLE; p++)
        for (int j = 0; j < SKELETON_MAX_JOINTS; j++)
            f->joints[p][j] = (struct joint){0, 0, VIS_NOT_LABELLED};
}

static float heat_at(const struct fixture *f, int x, int y, int c)
{
    return f->heat[(y * W + x) * skeleton_heat_channels(&f->skeleton) + c];
}

static float paf_at(const struct fixture *f, int x, int y, int c)
{
    return f->paf[(y * W + x) * skeleton_paf_channels(&f->skeleton) + c];
}

static void near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-6))
        fail_msg("%.9g is not %.9g", a, b);
}

static void golden_heatmap(void **state)
{
    (void)state;
    static const struct {
        int x, y;
        double value;
    } golden[] = {{12, 7, 0.9949109524870725},    {12, 6, 0.4772112956442847},
                  {11, 7, 0.4772112956442847},    {13, 8, 0.31728362670156457},
                  {15, 7, 0.0035608531924175304}, {16, 7, 0.0}};
    struct fixture *f = fixture_make();
    no_joints(f);
    f->joints[0][3] = (struct joint){100, 60, VIS_VISIBLE};
    make(f, 1);
    for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
        near(heat_at(f, golden[i].x, golden[i].y, 3), golden[i].value);
        near(heat_at(f, golden[i].x, golden[i].y, 18), 1 - golden[i].value);
        near(heat_at(f, golden[i].x, golden[i].y, 4), 0);
    }
    fixture_free(f);
}

/* Against the formula without any cut-outs, over many people on and off the picture. */
static void heatmaps_are_the_formula(void **state)
{
    (void)state;
    struct fixture *f = fixture_make();
    struct rng rng = rng_stream(5, 0, 0);
    for (int p = 0; p < MAX_PEOPLE; p++)
        for (int j = 0; j < 18; j++)
            f->joints[p][j] =
                (struct joint){rng_range(&rng, -40, W * S + 40), rng_range(&rng, -40, H * S + 40),
                               (enum visibility)rng_integer(&rng, 0, 5)};
    make(f, MAX_PEOPLE);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            double most = 0;
            for (int j = 0; j < 18; j++) {
                double best = 0;
                for (int p = 0; p < MAX_PEOPLE; p++) {
                    const double dx = 8 * x + 3.5 - f->joints[p][j].x;
                    const double dy = 8 * y + 3.5 - f->joints[p][j].y;
                    if (f->joints[p][j].visibility <= VIS_OCCLUDED)
                        best = fmax(best, exp(-(dx * dx + dy * dy) / 98));
                }
                best = best < 0.001 ? 0 : best;
                near(heat_at(f, x, y, j), best);
                most = fmax(most, best);
            }
            near(heat_at(f, x, y, 18), 1 - most);
        }
    fixture_free(f);
}

/* A quarter of the weight is half the factor inside the square, where nothing is to be found. */
static void background_weighs_less(void **state)
{
    (void)state;
    struct fixture *f = fixture_make();
    f->spec.background_weight = 0.25;
    no_joints(f);
    f->joints[0][1] = (struct joint){60, 60, VIS_VISIBLE};
    f->joints[0][8] = (struct joint){60, 100, VIS_VISIBLE};
    make(f, 1);
    const int heat = skeleton_heat_channels(&f->skeleton);
    const int paf = skeleton_paf_channels(&f->skeleton);
    for (int i = 0; i < H * W; i++) {
        for (int c = 0; c < 18; c++)
            near(f->heat_mask[i * heat + c], f->heat[i * heat + c] < 0.01F ? 0.5 : 1);
        near(f->heat_mask[i * heat + 18], f->heat[i * heat + 18] > 0.99F ? 0.5 : 1);
        for (int c = 0; c < paf; c++) /* both components of a limb weigh the same */
            near(f->paf_mask[i * paf + c],
                 f->paf[i * paf + c / 2 * 2] == 0 && f->paf[i * paf + c / 2 * 2 + 1] == 0 ? 0.5
                                                                                          : 1);
    }
    near(heat_at(f, 7, 7, 1), exp(-(0.25 + 0.25) / 98));
    fixture_free(f);
}

/* The published example lies on limb 0; cells as listed there. */
static void golden_paf(void **state)
{
    (void)state;
    static const int on[][2] = {{4, 4},  {5, 4},  {4, 5},  {5, 5},  {6, 5},  {7, 5},
                                {5, 6},  {6, 6},  {7, 6},  {8, 6},  {9, 6},  {7, 7},
                                {8, 7},  {9, 7},  {10, 7}, {11, 7}, {9, 8},  {10, 8},
                                {11, 8}, {12, 8}, {13, 8}, {11, 9}, {12, 9}, {13, 9}};
    struct fixture *f = fixture_make();
    no_joints(f);
    f->joints[0][1] = (struct joint){40, 40, VIS_VISIBLE};
    f->joints[0][8] = (struct joint){104, 72, VIS_OCCLUDED};
    make(f, 1);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++) {
            bool expected = false;
            for (size_t i = 0; i < sizeof(on) / sizeof(on[0]); i++)
                expected |= on[i][0] == x && on[i][1] == y;
            near(paf_at(f, x, y, 0), expected ? 0.8944271909999159 : 0);
            near(paf_at(f, x, y, 1), expected ? 0.4472135954999579 : 0);
            near(paf_at(f, x, y, 2), 0);
        }
    fixture_free(f);
}

/* Two people's limbs cross at a right angle: u1 then u2. */
static void cross_people(struct fixture *f)
{
    no_joints(f);
    f->joints[0][1] = (struct joint){20, 60, VIS_VISIBLE}; /* to the right along y = 60 */
    f->joints[0][8] = (struct joint){140, 60, VIS_VISIBLE};
    f->joints[1][1] = (struct joint){84, 12, VIS_VISIBLE}; /* down along x = 84 */
    f->joints[1][8] = (struct joint){84, 116, VIS_VISIBLE};
    make(f, 2);
}

static void people_who_meet(void **state)
{
    (void)state;
    struct fixture *f = fixture_make();
    f->spec.average_pafs = f->spec.centre_pafs = true;
    cross_people(f);
    /* Cell centres are 3.5 + 8 i: columns 10 and 11 lie within 84 +/- 8, rows 7 and 8 in 60 +/- 8.
     */
    near(paf_at(f, 10, 7, 0), 0.5);
    near(paf_at(f, 10, 7, 1), 0.5);
    near(paf_at(f, 5, 7, 0), 1);
    near(paf_at(f, 5, 7, 1), 0);
    near(paf_at(f, 10, 3, 0), 0);
    near(paf_at(f, 10, 3, 1), 1);
    near(paf_at(f, 5, 8, 0), 1); /* 67.5 is 7.5 off the line: in */
    near(paf_at(f, 5, 6, 0), 0); /* 51.5 is 8.5 off: out */
    fixture_free(f);
}

static void reference_mode_overwrites(void **state)
{
    (void)state;
    struct fixture *f = fixture_make();
    cross_people(f);
    near(paf_at(f, 10, 7, 0), 0);
    near(paf_at(f, 10, 7, 1), 1);
    near(paf_at(f, 5, 7, 0), 1);
    /* A slanted later limb erases the earlier one inside its whole box. */
    f->joints[1][1] = (struct joint){60, 20, VIS_VISIBLE};
    f->joints[1][8] = (struct joint){140, 110, VIS_VISIBLE};
    make(f, 2);
    near(paf_at(f, 8, 7, 0), 0);
    near(paf_at(f, 5, 7, 0), 1);
    f->spec.average_pafs = true;
    make(f, 2);
    near(paf_at(f, 8, 7, 0), 1);
    fixture_free(f);
}

static void unused_and_equal_ends_make_no_limb(void **state)
{
    (void)state;
    struct fixture *f = fixture_make();
    no_joints(f);
    f->joints[0][1] = (struct joint){40, 40, VIS_VISIBLE};
    f->joints[0][8] = (struct joint){104, 72, VIS_TRUNCATED};
    f->joints[0][11] = (struct joint){40, 40, VIS_VISIBLE};
    make(f, 1);
    for (int i = 0; i < H * W * 38; i++)
        assert_true(f->paf[i] == 0);
    fixture_free(f);
}

/* Joints may be anywhere after augmentation, also absurdly far away. */
static void far_joints_are_harmless(void **state)
{
    (void)state;
    struct fixture *f = fixture_make();
    f->spec.average_pafs = f->spec.centre_pafs = true;
    for (int mode = 0; mode < 2; mode++) {
        no_joints(f);
        for (int j = 0; j < 18; j++)
            f->joints[0][j] =
                (struct joint){j % 2 ? 1e300 : -1e12, j % 3 ? -1e15 : 1e9, VIS_VISIBLE};
        make(f, 1);
        for (int i = 0; i < H * W * 38; i++)
            assert_true(fabsf(f->paf[i]) <= 1);
        f->spec.average_pafs = f->spec.centre_pafs = false;
    }
    fixture_free(f);
}

static void weights_follow_what_is_labelled(void **state)
{
    (void)state;
    struct fixture *f = fixture_make();
    bool labelled[SKELETON_MAX_JOINTS];
    memset(labelled, 1, sizeof(labelled));
    labelled[0] = labelled[14] = false; /* nose, right eye */
    f->truth.labelled = labelled;
    f->truth.doubtful = f->doubtful;
    f->mask[0] = 0.25f;
    f->doubtful[1] = 1;
    no_joints(f);
    make(f, 0);
    for (int c = 0; c < 19; c++) {
        const bool off = c == 0 || c == 14;
        near(f->heat_mask[c], off ? 0 : 0.25);              /* cell 0 */
        near(f->heat_mask[19 + c], off || c == 18 ? 0 : 1); /* cell 1: doubtful */
        near(f->heat_mask[2 * 19 + c], off ? 0 : 1);        /* cell 2 */
    }
    for (int k = 0; k < 19; k++) {
        const bool off = k == 14 || k == 15 || k == 16 || k == 17; /* limbs of 0 and 14 */
        near(f->paf_mask[2 * k], off ? 0 : 0.25);
        near(f->paf_mask[38 + 2 * k + 1], off ? 0 : 1);
    }
    labelled[0] = labelled[14] = true; /* all known: nothing is doubtful */
    make(f, 0);
    near(f->heat_mask[19 + 18], 1);
    near(f->heat[18], 1);
    fixture_free(f);
}

static void any_skeleton(void **state)
{
    (void)state;
    struct fixture *f = fixture_make();
    f->skeleton = (struct skeleton){.n_joints = 2, .n_limbs = 1, .limbs = {{1, 0}}};
    no_joints(f);
    f->joints[0][0] = (struct joint){35.5, 27.5, VIS_VISIBLE}; /* the centre of cell (4, 3) */
    f->joints[0][1] = (struct joint){35.5, 91.5, VIS_VISIBLE};
    make(f, 1);
    near(f->heat[(3 * W + 4) * 3 + 0], 1);
    near(f->heat[(11 * W + 4) * 3 + 1], 1);
    near(f->heat[(3 * W + 4) * 3 + 2], 0);
    near(f->paf[(7 * W + 4) * 2], 0);
    near(f->paf[(7 * W + 4) * 2 + 1], -1); /* from joint 1 up to joint 0 */
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_heatmap),
        cmocka_unit_test(heatmaps_are_the_formula),
        cmocka_unit_test(background_weighs_less),
        cmocka_unit_test(golden_paf),
        cmocka_unit_test(people_who_meet),
        cmocka_unit_test(reference_mode_overwrites),
        cmocka_unit_test(unused_and_equal_ends_make_no_limb),
        cmocka_unit_test(far_joints_are_harmless),
        cmocka_unit_test(weights_follow_what_is_labelled),
        cmocka_unit_test(any_skeleton),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
