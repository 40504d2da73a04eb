/* Matrices of the three modes against golden and hand-made values, draws, mirrors, colour. */
#include "base/error.h"
#include "data/augment.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.12g is not %.12g", a, b);
}

static void same_matrix(const struct affine *a, const double m[6], double tolerance)
{
    for (int i = 0; i < 6; i++)
        near(a->m[i], m[i], tolerance);
}

/* bbox [100, 50, 80, 200]: centre (140, 150), height 200, into 256 x 256. */
static void golden_person_centric(void **state)
{
    (void)state;
    const struct augmentation_spec spec = {.mode = SPATIAL_PERSON_CENTRIC,
                                           .target_person_scale = 0.6};
    const struct augment_frame frame = {640, 480, 140, 150, 200, 256, 256};
    struct augment a = augment_none();
    struct affine m = augment_matrix(&spec, &a, &frame);
    same_matrix(&m,
                (const double[]){0.7679901697258276, 0, 20.481376238384144, 0, 0.7679901697258276,
                                 12.80147454112587},
                1e-9);
    a.translate_x = 10;
    a.translate_y = -20;
    a.rotate_deg = 30;
    a.flip_lr = true;
    m = augment_matrix(&spec, &a, &frame);
    same_matrix(&m,
                (const double[]){-0.6650989968392894, 0.3839950848629137, 177.84548849371464,
                                 0.3839950848629137, 0.6650989968392894, -16.062132318544684},
                1e-9);
    /* A larger zoom ratio makes the person smaller here. */
    a = augment_none();
    a.zoom = 2;
    m = augment_matrix(&spec, &a, &frame);
    near(m.m[0], 0.6 / (200.0 / 256 * 2 + 1e-5), 1e-12);
}

static struct affine matrix_of(enum spatial_mode mode, const struct augment *a, int w, int h)
{
    const struct augmentation_spec spec = {.mode = mode};
    const struct augment_frame frame = {w, h, 0, 0, 0, 200, 100};
    return augment_matrix(&spec, a, &frame);
}

static void standard_modes_without_draws(void **state)
{
    (void)state;
    const struct augment none = augment_none();
    /* Stretched: 400 x 300 onto 200 x 100. */
    struct affine m = matrix_of(SPATIAL_STANDARD_FIXED_ASPECT, &none, 400, 300);
    same_matrix(&m, (const double[]){0.5, 0, 0, 0, 1.0 / 3, 0}, 1e-12);
    /* The square of side 400 about (200, 150) starts at y = -50. */
    m = matrix_of(SPATIAL_STANDARD, &none, 400, 300);
    same_matrix(&m, (const double[]){0.5, 0, 0, 0, 0.25, 12.5}, 1e-12);
    /* Tall: the square of side 400 about (150, 200) starts at x = -50. */
    m = matrix_of(SPATIAL_STANDARD, &none, 300, 400);
    same_matrix(&m, (const double[]){0.5, 0, 25, 0, 0.25, 0}, 1e-12);
}

/* Corners by spec 5.3, written down the long way, must land on the network's corners. */
static void standard_modes_with_draws(void **state)
{
    (void)state;
    struct rng rng = rng_stream(11, 0, 0);
    static const double units[4][2] = {{0, 0}, {1, 0}, {1, 1}, {0, 1}}; /* TL TR BR BL */
    static const double net[4][2] = {{0, 0}, {200, 0}, {200, 100}, {0, 100}};
    for (int round = 0; round < 200; round++) {
        const int w = (int)rng_integer(&rng, 50, 700), h = (int)rng_integer(&rng, 50, 700);
        const bool square = round % 2;
        struct augment a = augment_none();
        a.flip_lr = rng_uniform(&rng) < 0.5;
        a.flip_tb = rng_uniform(&rng) < 0.5;
        a.translate_x = rng_range(&rng, -40, 40);
        a.translate_y = rng_range(&rng, -40, 40);
        a.zoom = rng_range(&rng, 0.5, 2);
        a.rotate_deg = rng_range(&rng, -180, 180);
        const double ratio = square ? (double)w / h : 1;
        const double c = cos(a.rotate_deg * acos(-1) / 180), s = sin(a.rotate_deg * acos(-1) / 180);
        double q[4][2];
        for (int i = 0; i < 4; i++) {
            const double ux = (units[i][0] - 0.5) * (ratio < 1 ? 1 / ratio : 1);
            const double uy = (units[i][1] - 0.5) * (ratio > 1 ? ratio : 1);
            q[i][0] = (((ux * c + uy * s) - a.translate_x / w) / a.zoom + 0.5) * w;
            q[i][1] = (((-ux * s + uy * c) - a.translate_y / h) / a.zoom + 0.5) * h;
        }
        const struct affine m =
            matrix_of(square ? SPATIAL_STANDARD : SPATIAL_STANDARD_FIXED_ASPECT, &a, w, h);
        for (int i = 0; i < 4; i++) {
            int from = i;
            if (a.flip_lr)
                from = (int[]){1, 0, 3, 2}[from];
            if (a.flip_tb)
                from = (int[]){3, 2, 1, 0}[from];
            double x = q[from][0], y = q[from][1];
            affine_apply(&m, &x, &y);
            near(x, net[i][0], 1e-6);
            near(y, net[i][1], 1e-6);
        }
    }
}

static void inverse_undoes(void **state)
{
    (void)state;
    const struct affine a = {{0.7, -0.3, 12, 0.2, 1.4, -5}};
    struct affine b;
    assert_true(affine_invert(&b, &a));
    double x = 37.5, y = -11;
    affine_apply(&a, &x, &y);
    affine_apply(&b, &x, &y);
    near(x, 37.5, 1e-12);
    near(y, -11, 1e-12);
    assert_false(affine_invert(&b, &(struct affine){{1, 2, 0, 2, 4, 0}}));
    assert_false(affine_invert(&b, &(struct affine){{NAN, 0, 0, 0, 1, 0}}));
}

/* One person with a joint of every name at x = 10 + index, y = 20. */
static void mirrored(struct joint joints[18], bool lr, bool tb)
{
    struct skeleton skeleton;
    skeleton_default(&skeleton);
    for (int j = 0; j < 18; j++)
        joints[j] = (struct joint){10 + j, 20, j == 5 ? VIS_OCCLUDED : VIS_VISIBLE};
    const struct augment a = {.flip_lr = lr, .flip_tb = tb, .zoom = 1};
    const struct affine m = {{lr ? -1 : 1, 0, lr ? 100 : 0, 0, tb ? -1 : 1, tb ? 50 : 0}};
    augment_joints(&m, &a, &skeleton, joints, 1);
}

static void mirrors_swap_sides_once(void **state)
{
    (void)state;
    enum { NOSE = 0, RIGHT_SHOULDER = 2, LEFT_SHOULDER = 5 };
    struct joint joints[18];
    mirrored(joints, true, false);
    near(joints[NOSE].x, 89, 0); /* 100 - (10 + 0.5) - 0.5: pixel centres are mirrored */
    near(joints[RIGHT_SHOULDER].x, 99 - 15, 0); /* was the left one, flag included */
    assert_int_equal(joints[RIGHT_SHOULDER].visibility, VIS_OCCLUDED);
    near(joints[LEFT_SHOULDER].x, 99 - 12, 0);
    assert_int_equal(joints[LEFT_SHOULDER].visibility, VIS_VISIBLE);
    mirrored(joints, false, true);
    near(joints[RIGHT_SHOULDER].x, 15, 0);
    near(joints[RIGHT_SHOULDER].y, 29, 0);
    mirrored(joints, true, true); /* a half turn */
    near(joints[RIGHT_SHOULDER].x, 99 - 12, 0);
    near(joints[RIGHT_SHOULDER].y, 29, 0);
    mirrored(joints, false, false);
    near(joints[RIGHT_SHOULDER].x, 12, 0);
}

static void draws_keep_their_ranges(void **state)
{
    (void)state;
    struct augmentation_spec s = {.flip_lr_prob = 0.5,
                                  .rotate_deg_min = -40,
                                  .rotate_deg_max = 30,
                                  .zoom_prob = 0.25,
                                  .zoom_ratio_min = 0.5,
                                  .zoom_ratio_max = 1.5,
                                  .translate_min_x = -3,
                                  .translate_max_x = 3,
                                  .translate_min_y = 7,
                                  .translate_max_y = 7,
                                  .brightness = 0.1};
    enum { N = 4000 };
    int flips = 0, zooms = 0, x_ends = 0;
    double lowest = 0, highest = 0;
    struct rng rng = rng_stream(3, 1, 4);
    for (int i = 0; i < N; i++) {
        const struct augment a = augment_draw(&s, 640, 480, &rng);
        flips += a.flip_lr;
        zooms += a.zoom != 1;
        assert_false(a.flip_tb);
        assert_true(a.translate_x == floor(a.translate_x) && fabs(a.translate_x) <= 3);
        x_ends += fabs(a.translate_x) == 3;
        assert_true(a.translate_y == 7);
        assert_true(a.zoom >= 0.5 && a.zoom <= 1.5);
        lowest = fmin(lowest, a.rotate_deg);
        highest = fmax(highest, a.rotate_deg);
        assert_true(fabs(a.brightness) <= 0.1 && a.contrast == 0 && a.hue_deg == 0);
    }
    near(flips, N / 2.0, 160); /* five standard deviations */
    near(zooms, N / 4.0, 140);
    near(x_ends, N * 2 / 7.0, 145);
    near(lowest, -40, 0.5);
    near(highest, 30, 0.5);
    s.use_translate_ratio = true;
    s.translate_ratio_min = s.translate_ratio_max = 0.25;
    const struct augment a = augment_draw(&s, 640, 480, &rng);
    near(a.translate_x, 160, 1e-12);
    near(a.translate_y, 120, 1e-12);
}

/* The draws and their order are part of the format of a training run. */
static void draws_come_in_order(void **state)
{
    (void)state;
    const struct augmentation_spec s = {.flip_lr_prob = 0.5,
                                        .flip_tb_prob = 0.5,
                                        .rotate_deg_min = -90,
                                        .rotate_deg_max = 90,
                                        .zoom_prob = 1,
                                        .zoom_ratio_min = 1,
                                        .zoom_ratio_max = 3,
                                        .use_translate_ratio = true,
                                        .translate_ratio_min = 0,
                                        .translate_ratio_max = 1};
    struct rng a = rng_stream(9, 9, 9), b = a;
    const struct augment drawn = augment_draw(&s, 100, 1000, &a);
    assert_int_equal(drawn.flip_lr, rng_uniform(&b) < 0.5);
    assert_int_equal(drawn.flip_tb, rng_uniform(&b) < 0.5);
    near(drawn.translate_x, 100 * rng_uniform(&b), 1e-9);
    near(drawn.translate_y, 1000 * rng_uniform(&b), 1e-9);
    rng_uniform(&b); /* whether to zoom */
    near(drawn.zoom, 1 + 2 * rng_uniform(&b), 1e-12);
    near(drawn.rotate_deg, -90 + 180 * rng_uniform(&b), 1e-9);
}

/* The same stream, but the ratio's logarithm is even: half of the draws lie below the geometric
 * mean. */
static void zoom_evenly_in_logarithm(void **state)
{
    (void)state;
    const struct augmentation_spec s = {
        .zoom_prob = 1, .zoom_ratio_min = 0.25, .zoom_ratio_max = 4, .zoom_log_uniform = true};
    struct rng a = rng_stream(9, 9, 10), b = a;
    int small = 0;
    for (int i = 0; i < 4000; i++) {
        const double zoom = augment_draw(&s, 100, 100, &a).zoom;
        for (int before = 0; before < 5; before++) /* mirrors, translation, whether to zoom */
            rng_uniform(&b);
        near(zoom, 0.25 * pow(16, rng_uniform(&b)), 1e-12);
        for (int after = 0; after < 5; after++) /* rotation and colour */
            rng_uniform(&b);
        small += zoom < 1;
    }
    near(small, 2000, 160);
}

static void map_colour(const struct colour_map *map, const double in[3], double out[3])
{
    for (int i = 0; i < 3; i++)
        out[i] = (double)map->m[i][0] * in[0] + (double)map->m[i][1] * in[1] +
                 (double)map->m[i][2] * in[2] + (double)map->m[i][3];
}

static void colour_does_what_it_says(void **state)
{
    (void)state;
    const double rgb[3] = {200, 100, 50}, grey = 0.299 * 200 + 0.587 * 100 + 0.114 * 50;
    double out[3];
    struct colour_map map = augment_colour(&(struct augment){.zoom = 1}, 80);
    assert_true(map.identity);
    map_colour(&map, rgb, out);
    for (int i = 0; i < 3; i++)
        near(out[i], rgb[i], 1e-4);
    map = augment_colour(&(struct augment){.brightness = 0.1}, 80);
    map_colour(&map, rgb, out);
    near(out[1], 125.5, 1e-4);
    map = augment_colour(&(struct augment){.contrast = 0.5}, 80);
    assert_false(map.identity);
    map_colour(&map, rgb, out);
    near(out[0], 80 + 1.5 * 120, 1e-3);
    near(out[2], 80 - 1.5 * 30, 1e-3);
    map = augment_colour(&(struct augment){.saturation = -1}, 80);
    map_colour(&map, rgb, out);
    for (int i = 0; i < 3; i++)
        near(out[i], grey, 1e-3);
    map = augment_colour(&(struct augment){.hue_deg = 120}, 80); /* red becomes green */
    map_colour(&map, rgb, out);
    near(out[0], 50, 1e-3);
    near(out[1], 200, 1e-3);
    near(out[2], 100, 1e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_person_centric),     cmocka_unit_test(standard_modes_without_draws),
        cmocka_unit_test(standard_modes_with_draws), cmocka_unit_test(inverse_undoes),
        cmocka_unit_test(mirrors_swap_sides_once),   cmocka_unit_test(draws_keep_their_ranges),
        cmocka_unit_test(draws_come_in_order),       cmocka_unit_test(zoom_evenly_in_logarithm),
        cmocka_unit_test(colour_does_what_it_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
