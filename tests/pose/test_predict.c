/*
 * The predictor from pixels to picture coordinates. The network is a stand-in that really looks: it
 * finds a red and a green spot in its input and draws their maps, and it calls red the left joint
 * unless a blue slope says that it sees a mirror image.
 */
#include "base/error.h"
#include "base/log.h"
#include "pose/letterbox.h"
#include "pose/predict.h"
#include "pose/synthetic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Left and right joint; the limb between them is its own mirror image, reversed. */
static struct skeleton spot_skeleton(void)
{
    struct skeleton s = {.n_joints = 2, .n_limbs = 1, .limbs = {{0, 1}}};
    snprintf(s.joints[0], sizeof(s.joints[0]), "left_spot");
    snprintf(s.joints[1], sizeof(s.joints[1]), "right_spot");
    skeleton_find_mirror(&s);
    return s;
}

struct looking_net {
    struct skeleton skeleton;
    struct synthetic maps;
    float bias; /* adds to all x that it reports, in input pixels */
    int runs, last_h, last_w;
    int fail_with;  /* an error code, or 0 */
    int extra_rows; /* of its maps: wrong */
};

/* Centre of what exceeds 2 levels in a channel; false if nothing does. */
static bool find_spot(const float *input, int h, int w, int channel, struct joint_position *at)
{
    double sum = 0, x_sum = 0, y_sum = 0;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const double v = (double)input[(y * w + x) * 3 + channel];
            if (v < 2.0 / 256)
                continue;
            sum += v;
            x_sum += v * x;
            y_sum += v * y;
        }
    if (sum == 0)
        return false;
    *at = (struct joint_position){(float)(x_sum / sum), (float)(y_sum / sum), 1, true};
    return true;
}

static bool sees_mirror_image(const float *input, int h, int w)
{
    double slope = 0;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            slope += (double)input[(y * w + x) * 3 + 2] * (x - (w - 1) / 2.0);
    return slope < 0;
}

static int look(void *ctx, const float *input, int h, int w, struct maps *out)
{
    struct looking_net *net = ctx;
    net->runs++;
    net->last_h = h;
    net->last_w = w;
    if (net->fail_with)
        return error_set(net->fail_with, "the network is tired");
    struct people people = {.n_joints = 2};
    struct joint_position spots[2];
    const bool both = find_spot(input, h, w, 0, &spots[0]) && find_spot(input, h, w, 1, &spots[1]);
    if (both) {
        const bool mirrored = sees_mirror_image(input, h, w);
        struct joint_position *person = people_add(&people);
        for (int j = 0; j < 2; j++) {
            person[j] = spots[mirrored ? 1 - j : j];
            person[j].x += net->bias;
        }
    }
    synthetic_free(&net->maps);
    net->maps = synthetic_render(&net->skeleton, (h - 1) / 8 + 1 + net->extra_rows, (w - 1) / 8 + 1,
                                 &people);
    *out = net->maps.maps;
    people_free(&people);
    return BPNET_OK;
}

static struct net as_net(struct looking_net *looking)
{
    looking->skeleton = spot_skeleton();
    return (struct net){.run = look,
                        .ctx = looking,
                        .stride = 8,
                        .scale = {256, 256, 256},
                        .offset = {0.5f, 0.5f, 0.5f},
                        .skeleton = &looking->skeleton};
}

static const struct joint_position truth[2] = {{.x = 0.3f, .y = 0.42f}, {.x = 0.61f, .y = 0.47f}};

/* Grey, a red spot and a green one at the true places (parts of the sides), blue rising with x. */
static struct image spot_picture(int w, int h)
{
    struct image image = {.w = w, .h = h, .channels = 3};
    image.pixels = malloc((size_t)w * (size_t)h * 3);
    assert_non_null(image.pixels);
    const double radius = 0.03 * (w < h ? w : h);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++) {
                double v = 128 + 80.0 * (x - w / 2.0) / w;
                if (c < 2) {
                    const double dx = x - (double)truth[c].x * w, dy = y - (double)truth[c].y * h;
                    v = 128 + 120 * exp(-(dx * dx + dy * dy) / (2 * radius * radius));
                }
                image.pixels[(y * w + x) * 3 + c] = (uint8_t)lrint(v);
            }
    return image;
}

static struct predict_options spot_options(void)
{
    struct predict_options o;
    predict_options_default(&o);
    o.input_h = 192;
    o.input_w = 256;
    o.min_joints = 2;
    return o;
}

static int run(struct looking_net *looking, const struct predict_options *o,
               const struct image *image, struct people *people)
{
    const struct net net = as_net(looking);
    struct predictor *p;
    int err = predictor_open(&p, &net, o, NULL);
    if (err < 0)
        return err;
    looking->runs = 0;
    err = predictor_run(p, image, people);
    int64_t ns[3];
    predictor_times(p, ns);
    if (err >= 0)
        assert_true(ns[0] > 0 && ns[1] > 0 && ns[2] > 0);
    predictor_close(p);
    return err;
}

/* One person with both joints, off by at most `error` picture pixels. */
static void assert_found(const struct people *people, const struct image *image, double error)
{
    assert_int_equal(people->n_people, 1);
    for (int j = 0; j < 2; j++) {
        const struct joint_position *at = &people->joints[j];
        assert_true(at->found);
        assert_true(fabs((double)at->x - (double)truth[j].x * image->w) < error);
        assert_true(fabs((double)at->y - (double)truth[j].y * image->h) < error);
    }
}

static const int sizes[][2] = {{320, 240}, {240, 320}, {401, 177},
                               {150, 333}, {700, 500}, {100, 90}};

static void test_every_geometry(void **state)
{
    (void)state;
    struct looking_net looking = {0};
    struct people people = {0};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct image image = spot_picture(sizes[i][0], sizes[i][1]);
        for (int aspect = ASPECT_STRETCH; aspect <= ASPECT_PAD_IMAGE; aspect++)
            for (int flip = 0; flip < 2; flip++) {
                struct predict_options o = spot_options();
                o.aspect = (enum aspect_mode)aspect;
                o.flip_test = flip;
                assert_int_equal(run(&looking, &o, &image, &people), BPNET_OK);
                assert_found(&people, &image, 0.3);
                assert_int_equal(looking.runs, flip ? 2 : 1);
                assert_int_equal(looking.last_w % 8, 0); /* whole cells */
                assert_int_equal(looking.last_h % 8, 0);
            }
        free(image.pixels);
    }
    people_free(&people);
    synthetic_free(&looking.maps);
}

static void test_scales_are_averaged_in_place(void **state)
{
    (void)state;
    struct looking_net looking = {0};
    struct people people = {0};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct image image = spot_picture(sizes[i][0], sizes[i][1]);
        for (int method = PEAKS_SUBPIXEL; method <= PEAKS_ENGINE; method++) {
            struct predict_options o = spot_options();
            o.aspect = i % 2 ? ASPECT_ADJUST_NETWORK : ASPECT_PAD_IMAGE;
            o.n_scales = 3;
            o.scales[0] = 1.5f; /* in no order */
            o.scales[1] = 0.75f;
            o.scales[2] = 1;
            o.peaks = (enum peak_method)method;
            assert_int_equal(run(&looking, &o, &image, &people), BPNET_OK);
            assert_int_equal(looking.runs, 3);
            /* The original leaves half a pixel out, here and there, and finds whole pixels. */
            const double unit = fmax(1, image.w / 256.0);
            assert_found(&people, &image, method == PEAKS_SUBPIXEL ? 0.3 : 1.5 * unit);
        }
        free(image.pixels);
    }
    people_free(&people);
    synthetic_free(&looking.maps);
}

/* X = x * (stride / upsampling) / fx - left, with x the whole grid position. */
static void test_original_coordinates(void **state)
{
    (void)state;
    struct looking_net looking = {0};
    struct people people = {0};
    struct image image = spot_picture(640, 427);
    struct letterbox box;
    assert_int_equal(letterbox_plan(&box, 640, 427, 256, 192, ASPECT_PAD_IMAGE), BPNET_OK);
    for (int up = 4; up <= 8; up += 4)
        for (int method = PEAKS_FRAMEWORK; method <= PEAKS_ENGINE; method++) {
            struct predict_options o = spot_options();
            o.aspect = ASPECT_PAD_IMAGE;
            o.peaks = (enum peak_method)method;
            o.upsample_x = up;
            o.upsample_y = 8;
            o.compat = true;
            assert_int_equal(run(&looking, &o, &image, &people), BPNET_OK);
            assert_int_equal(people.n_people, 1);
            for (int j = 0; j < 2; j++) {
                const double x = ((double)people.joints[j].x + box.left) * box.fx * up / 8;
                const double y = ((double)people.joints[j].y + box.top) * box.fy;
                assert_true(fabs(x - rint(x)) < 1e-3 && fabs(y - rint(y)) < 1e-3);
                const double at = letterbox_input_x(&box, (double)truth[j].x * 640);
                assert_true(fabs(x - ((at + 0.5) * up / 8 - 0.5)) < 1);
                assert_true(fabs(y - letterbox_input_y(&box, (double)truth[j].y * 427)) < 1);
            }
        }
    free(image.pixels);
    people_free(&people);
    synthetic_free(&looking.maps);
}

static void test_the_mirror_cancels_a_bias(void **state)
{
    (void)state;
    struct looking_net looking = {.bias = 3};
    struct people people = {0};
    struct image image = spot_picture(256, 192); /* input pixels are picture pixels */
    struct predict_options o = spot_options();
    assert_int_equal(run(&looking, &o, &image, &people), BPNET_OK);
    for (int j = 0; j < 2; j++)
        assert_true(fabs((double)people.joints[j].x - (double)truth[j].x * 256 - 3) < 0.3);
    o.flip_test = true;
    assert_int_equal(run(&looking, &o, &image, &people), BPNET_OK);
    assert_found(&people, &image, 0.3);
    free(image.pixels);
    people_free(&people);
    synthetic_free(&looking.maps);
}

static void test_original_input_is_not_padded_to_cells(void **state)
{
    (void)state;
    struct looking_net looking = {0};
    struct people people = {0};
    struct image image = spot_picture(320, 200);
    struct predict_options o = spot_options();
    assert_int_equal(run(&looking, &o, &image, &people), BPNET_OK);
    assert_int_equal(looking.last_w, 312); /* 307 in whole cells */
    o.compat = true;
    assert_int_equal(run(&looking, &o, &image, &people), BPNET_OK);
    assert_int_equal(looking.last_w, 307);
    assert_found(&people, &image, 0.3);
    free(image.pixels);
    people_free(&people);
    synthetic_free(&looking.maps);
}

static void test_fixed_networks_get_their_size(void **state)
{
    (void)state;
    log_set_level(LOG_QUIET);
    struct looking_net looking = {0};
    struct people people = {0};
    struct net net = as_net(&looking);
    net.fixed_size = true;
    net.fixed_h = 144;
    net.fixed_w = 208;
    struct predict_options o = spot_options();
    o.n_scales = 2;
    o.scales[1] = 2;
    struct predictor *p;
    assert_int_equal(predictor_open(&p, &net, &o, NULL), BPNET_OK);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        struct image image = spot_picture(sizes[i][0], sizes[i][1]);
        looking.runs = 0;
        assert_int_equal(predictor_run(p, &image, &people), BPNET_OK);
        assert_int_equal(looking.runs, 1);
        assert_int_equal(looking.last_h, 144);
        assert_int_equal(looking.last_w, 208);
        assert_found(&people, &image, 0.5);
        free(image.pixels);
    }
    predictor_close(p);
    people_free(&people);
    synthetic_free(&looking.maps);
    log_set_level(LOG_INFO);
}

/* The same network, reading bytes. */
static int look_at_pixels(void *ctx, const uint8_t *input, int h, int w, struct maps *out)
{
    const size_t n = (size_t)h * (size_t)w * 3;
    float *normalised = malloc(n * sizeof(*normalised));
    assert_non_null(normalised);
    for (size_t i = 0; i < n; i++)
        normalised[i] = (float)input[i] / 256 - 0.5f;
    const int err = look(ctx, normalised, h, w, out);
    free(normalised);
    return err;
}

/* Bytes and floats are the same picture: equal people, mirror image included. */
static void test_pixels_instead_of_floats(void **state)
{
    (void)state;
    struct looking_net looking = {.bias = 3};
    struct predict_options o = spot_options();
    o.aspect = ASPECT_PAD_IMAGE;
    o.flip_test = true;
    struct image image = spot_picture(333, 250);
    struct people found[2] = {{0}, {0}};
    for (int pixels = 0; pixels < 2; pixels++) {
        struct net net = as_net(&looking);
        net.fixed_size = true;
        net.fixed_h = o.input_h;
        net.fixed_w = o.input_w;
        net.run_pixels = pixels ? look_at_pixels : NULL;
        net.run = pixels ? NULL : look;
        struct predictor *p;
        assert_int_equal(predictor_open(&p, &net, &o, NULL), BPNET_OK);
        assert_int_equal(predictor_run(p, &image, &found[pixels]), BPNET_OK);
        predictor_close(p);
        assert_found(&found[pixels], &image, 0.5);
    }
    assert_memory_equal(found[0].joints, found[1].joints, 2 * sizeof(*found[0].joints));
    for (int pixels = 0; pixels < 2; pixels++)
        people_free(&found[pixels]);
    free(image.pixels);
    synthetic_free(&looking.maps);
}

static void test_networks_read_one_kind_of_input(void **state)
{
    (void)state;
    struct looking_net looking = {0};
    struct net net = as_net(&looking);
    const struct predict_options o = spot_options();
    struct predictor *p;
    net.run_pixels = look_at_pixels; /* besides run */
    assert_int_equal(predictor_open(&p, &net, &o, NULL), BPNET_EUSAGE);
    net.run = NULL; /* but of any size */
    assert_int_equal(predictor_open(&p, &net, &o, NULL), BPNET_EUSAGE);
}

/* One predictor, pictures of many sizes, with threads: the same people as one by one. */
static void test_reuse_and_threads(void **state)
{
    (void)state;
    struct workers *workers;
    assert_int_equal(workers_open(&workers, 3), BPNET_OK);
    struct looking_net looking = {0};
    struct people people = {0}, alone = {0};
    struct predict_options o = spot_options();
    o.n_scales = 2;
    o.scales[1] = 0.5f;
    o.flip_test = true;
    const struct net net = as_net(&looking);
    struct predictor *p;
    assert_int_equal(predictor_open(&p, &net, &o, workers), BPNET_OK);
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            struct image image = spot_picture(sizes[i][0], sizes[i][1]);
            assert_int_equal(predictor_run(p, &image, &people), BPNET_OK);
            struct looking_net fresh = {0};
            assert_int_equal(run(&fresh, &o, &image, &alone), BPNET_OK);
            assert_int_equal(people.n_people, alone.n_people);
            assert_memory_equal(people.scores, alone.scores,
                                (size_t)alone.n_people * sizeof(float));
            for (int j = 0; j < alone.n_people * 2; j++)
                assert_true(people.joints[j].x == alone.joints[j].x &&
                            people.joints[j].y == alone.joints[j].y);
            synthetic_free(&fresh.maps);
            free(image.pixels);
        }
    predictor_close(p);
    people_free(&people);
    people_free(&alone);
    synthetic_free(&looking.maps);
    workers_close(workers);
}

static void test_an_empty_picture_has_nobody(void **state)
{
    (void)state;
    struct looking_net looking = {0};
    struct people people = {0};
    struct image image = spot_picture(64, 48);
    memset(image.pixels, 128, 64 * 48 * 3);
    const struct predict_options o = spot_options();
    assert_int_equal(run(&looking, &o, &image, &people), BPNET_OK);
    assert_int_equal(people.n_people, 0);
    free(image.pixels);
    synthetic_free(&looking.maps);
}

/* ---- pictures decoded smaller ------------------------------------------------------------- */

/* What a decoder makes of it: means of squares, less than `shrink` pixels left out at one side. */
static struct image shrunk(const struct image *whole, const struct image_scale *s)
{
    struct image small = {.w = whole->w / s->shrink, .h = whole->h / s->shrink, .channels = 3};
    small.pixels = malloc((size_t)small.w * (size_t)small.h * 3);
    assert_non_null(small.pixels);
    for (int i = 0; i < small.w * small.h * 3; i++) {
        const int x = i / 3 % small.w * s->shrink + s->left;
        const int y = i / 3 / small.w * s->shrink + s->top;
        double sum = 0;
        for (int j = 0; j < s->shrink * s->shrink; j++)
            sum += whole->pixels[((y + j / s->shrink) * whole->w + x + j % s->shrink) * 3 + i % 3];
        small.pixels[i] = (uint8_t)lrint(sum / (s->shrink * s->shrink));
    }
    return small;
}

static int wanted_shrink(const struct predict_options *o, int w, int h)
{
    struct looking_net looking = {0};
    const struct net net = as_net(&looking);
    struct predictor *p;
    assert_int_equal(predictor_open(&p, &net, o, NULL), BPNET_OK);
    const struct image_fit fit = predictor_fit(p);
    const int shrink = fit.shrink(fit.ctx, w, h);
    predictor_close(p);
    return shrink;
}

static void test_people_of_a_picture_decoded_smaller(void **state)
{
    (void)state;
    static const int large[][2] = {{1283, 1001}, {1001, 1283}, {2063, 699}};
    struct looking_net looking = {0};
    struct people people = {0};
    for (size_t i = 0; i < sizeof(large) / sizeof(large[0]); i++)
        for (int aspect = ASPECT_STRETCH; aspect <= ASPECT_PAD_IMAGE; aspect++)
            for (int turned = 0; turned < 2; turned++) {
                struct image image = spot_picture(large[i][0], large[i][1]);
                struct predict_options o = spot_options();
                o.aspect = (enum aspect_mode)aspect;
                struct image_scale scale = {.w = image.w, .h = image.h};
                scale.shrink = wanted_shrink(&o, image.w, image.h);
                assert_true(scale.shrink > 1);
                scale.left = turned ? image.w % scale.shrink : 0;
                scale.top = turned ? image.h % scale.shrink : 0;
                struct image small = shrunk(&image, &scale);
                assert_int_equal(run(&looking, &o, &small, &people), BPNET_OK);
                people_enlarge(&people, &scale);
                assert_found(&people, &image, 1);
                free(small.pixels);
                free(image.pixels);
            }
    people_free(&people);
    synthetic_free(&looking.maps);
}

/* As small as possible, but never smaller than the network sees it. */
static void test_how_much_smaller(void **state)
{
    (void)state;
    static const struct {
        enum aspect_mode aspect;
        int w, h, shrink;
    } cases[] = {
        {ASPECT_PAD_IMAGE, 511, 383, 1},       {ASPECT_PAD_IMAGE, 512, 384, 2},
        {ASPECT_PAD_IMAGE, 512, 100, 2},       {ASPECT_PAD_IMAGE, 1023, 9, 2},
        {ASPECT_PAD_IMAGE, 1024, 768, 4},      {ASPECT_PAD_IMAGE, 100, 1536, 8},
        {ASPECT_PAD_IMAGE, 8000, 6000, 8},     {ASPECT_STRETCH, 512, 383, 1},
        {ASPECT_STRETCH, 512, 1000, 2},        {ASPECT_ADJUST_NETWORK, 512, 1000, 2},
        {ASPECT_ADJUST_NETWORK, 4096, 384, 2},
    };
    struct predict_options o = spot_options();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        o.aspect = cases[i].aspect;
        assert_int_equal(wanted_shrink(&o, cases[i].w, cases[i].h), cases[i].shrink);
    }
    o.aspect = ASPECT_PAD_IMAGE;
    o.n_scales = 2; /* the larger one counts */
    o.scales[0] = 2;
    o.scales[1] = 0.5f;
    assert_int_equal(wanted_shrink(&o, 1024, 768), 2);
    o = spot_options();
    o.compat = true;
    assert_int_equal(wanted_shrink(&o, 8000, 6000), 1);
    assert_int_equal(wanted_shrink(&o, 0, 0), 1);
}

static void test_errors_are_told(void **state)
{
    (void)state;
    struct looking_net looking = {.fail_with = BPNET_ENUMERIC};
    struct people people = {0};
    struct image image = spot_picture(64, 48);
    struct predict_options o = spot_options();
    assert_int_equal(run(&looking, &o, &image, &people), BPNET_ENUMERIC);
    assert_string_equal(error_message(), "the network is tired");
    looking.fail_with = 0;
    looking.extra_rows = 1;
    assert_int_equal(run(&looking, &o, &image, &people), BPNET_EUSAGE);
    assert_non_null(strstr(error_message(), "32 x 25 cells for an input of 256 x 192"));
    looking.extra_rows = 0;

    static const struct {
        const char *message;
        int n_scales, input_h, upsample;
        float scale, share;
    } wrong[] = {
        {"scales: found 17", 17, 192, 8, 1, 0.8f},
        {"scales: found 0", 0, 192, 8, 1, 0.8f},
        {"scales: found -1", 1, 192, 8, -1, 0.8f},
        {"scales: found nan", 1, 192, 8, NAN, 0.8f},
        {"input_shape: found [0", 1, 0, 8, 1, 0.8f},
        {"output_upsampling", 1, 192, 99, 1, 0.8f},
        {"a share", 1, 192, 8, 1, 1.0f},
        {"a share", 1, 192, 8, 1, NAN},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        o = spot_options();
        o.n_scales = wrong[i].n_scales;
        o.input_h = wrong[i].input_h;
        o.upsample_x = wrong[i].upsample;
        o.scales[0] = wrong[i].scale;
        o.min_limb_share = wrong[i].share;
        assert_int_equal(run(&looking, &o, &image, &people), BPNET_ECONFIG);
        assert_non_null(strstr(error_message(), wrong[i].message));
    }
    free(image.pixels);
    image = spot_picture(8000, 1);
    o = spot_options();
    assert_int_equal(run(&looking, &o, &image, &people), BPNET_ELIMIT);
    free(image.pixels);
    people_free(&people);
    synthetic_free(&looking.maps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_geometry),
        cmocka_unit_test(test_scales_are_averaged_in_place),
        cmocka_unit_test(test_original_coordinates),
        cmocka_unit_test(test_the_mirror_cancels_a_bias),
        cmocka_unit_test(test_original_input_is_not_padded_to_cells),
        cmocka_unit_test(test_fixed_networks_get_their_size),
        cmocka_unit_test(test_pixels_instead_of_floats),
        cmocka_unit_test(test_networks_read_one_kind_of_input),
        cmocka_unit_test(test_reuse_and_threads),
        cmocka_unit_test(test_an_empty_picture_has_nobody),
        cmocka_unit_test(test_people_of_a_picture_decoded_smaller),
        cmocka_unit_test(test_how_much_smaller),
        cmocka_unit_test(test_errors_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
