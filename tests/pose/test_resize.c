/* Letterbox geometry against golden values; the resize against OpenCV and against a plain version.
 */
#include "base/error.h"
#include "base/rng.h"
#include "pose/cubic.h"
#include "pose/resize.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const float unit[3] = {1, 1, 1}, zero[3] = {0, 0, 0};

static struct image new_image(int w, int h, int channels)
{
    struct image image = {.w = w, .h = h, .channels = channels};
    image.pixels = malloc((size_t)w * (size_t)h * (size_t)channels);
    assert_non_null(image.pixels);
    return image;
}

static struct image random_image(int w, int h, int channels, uint64_t seed)
{
    struct image image = new_image(w, h, channels);
    struct rng rng = rng_stream(seed, 0, 0);
    for (int i = 0; i < w * h * channels; i++)
        image.pixels[i] = (uint8_t)rng_integer(&rng, 0, 255);
    return image;
}

/* ---- letterbox ----------------------------------------------------------------------------- */

static void test_pad_image_golden(void **state)
{
    (void)state;
    static const struct {
        int w, h, left, top, padded_w, padded_h;
        double fx, fy;
    } golden[] = {
        {640, 480, 0, 0, 640, 480, 0.6, 0.6},
        {640, 427, 0, 26, 640, 480, 0.6, 0.6},
        {480, 640, 186, 0, 853, 640, 0.4501758499413834, 0.45},
        {1920, 1080, 0, 180, 1920, 1440, 0.2, 0.2},
    };
    for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
        struct letterbox l;
        assert_int_equal(letterbox_plan(&l, golden[i].w, golden[i].h, 384, 288, ASPECT_PAD_IMAGE),
                         BPNET_OK);
        assert_int_equal(l.left, golden[i].left);
        assert_int_equal(l.top, golden[i].top);
        assert_int_equal(l.padded_w, golden[i].padded_w);
        assert_int_equal(l.padded_h, golden[i].padded_h);
        assert_float_equal(l.fx, golden[i].fx, 1e-12);
        assert_float_equal(l.fy, golden[i].fy, 1e-12);
        assert_int_equal(l.w, 384);
        assert_int_equal(l.h, 288);
    }
}

static void test_adjust_network_golden(void **state)
{
    (void)state;
    static const struct {
        int w, h;
        double f;
        int net_w, net_h;
    } golden[] = {
        {640, 480, 0.7666666666666667, 491, 368},
        {480, 640, 0.7666666666666667, 368, 491},
        {640, 427, 0.8618266978922716, 552, 368},
    };
    for (size_t i = 0; i < sizeof(golden) / sizeof(golden[0]); i++) {
        struct letterbox l;
        assert_int_equal(
            letterbox_plan(&l, golden[i].w, golden[i].h, 368, 368, ASPECT_ADJUST_NETWORK),
            BPNET_OK);
        assert_float_equal(l.fx, golden[i].f, 1e-12);
        assert_float_equal(l.fy, golden[i].f, 1e-12);
        assert_int_equal(l.w, golden[i].net_w);
        assert_int_equal(l.h, golden[i].net_h);
        assert_int_equal(l.left + l.top, 0);
    }
}

static void test_stretch_and_the_way_back(void **state)
{
    (void)state;
    struct letterbox l;
    assert_int_equal(letterbox_plan(&l, 100, 50, 400, 400, ASPECT_STRETCH), BPNET_OK);
    assert_float_equal(l.fx, 4, 0);
    assert_float_equal(l.fy, 8, 0);
    /* The picture's first pixel covers input pixels 0..3: its centre is at 1.5. */
    assert_float_equal(letterbox_picture_x(&l, 1.5), 0, 1e-12);
    assert_float_equal(letterbox_picture_y(&l, 399.5), 49.5, 1e-12);
    assert_int_equal(letterbox_plan(&l, 480, 640, 384, 288, ASPECT_PAD_IMAGE), BPNET_OK);
    for (double x = -20; x < 400; x += 7.25) {
        assert_float_equal(letterbox_input_x(&l, letterbox_picture_x(&l, x)), x, 1e-9);
        assert_float_equal(letterbox_input_y(&l, letterbox_picture_y(&l, x)), x, 1e-9);
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct letterbox l;
    assert_int_equal(letterbox_plan(&l, 32768, 1, 368, 368, ASPECT_ADJUST_NETWORK), BPNET_ELIMIT);
    assert_non_null(strstr(error_message(), "32768 x 1"));
    assert_int_equal(letterbox_plan(&l, 0, 5, 368, 368, ASPECT_STRETCH), BPNET_ELIMIT);
    assert_int_equal(letterbox_plan(&l, 5, 5, 8192, 8192, ASPECT_STRETCH), BPNET_ELIMIT);
    assert_int_equal(letterbox_plan(&l, 5, 5, 0, 8, ASPECT_STRETCH), BPNET_ELIMIT);
    assert_int_equal(letterbox_plan(&l, 1, 32768, 8192, 1, ASPECT_PAD_IMAGE), BPNET_OK);
    assert_int_equal(l.padded_w, 32768 * 8192);
}

/* ---- resize -------------------------------------------------------------------------------- */

static float *resized(const struct image *image, const struct letterbox *l, bool antialias,
                      struct workers *workers)
{
    struct resizer r;
    resizer_init(&r, cpu_level_detect());
    float *out = malloc((size_t)l->w * (size_t)l->h * 3 * sizeof(float));
    assert_non_null(out);
    assert_int_equal(resizer_run(&r, image, l, antialias, unit, zero, out, (size_t)l->w, workers),
                     BPNET_OK);
    resizer_free(&r);
    return out;
}

static struct letterbox plain_box(int w, int h, double fx, double fy, int out_w, int out_h)
{
    return (struct letterbox){.image_w = w,
                              .image_h = h,
                              .padded_w = w,
                              .padded_h = h,
                              .fx = fx,
                              .fy = fy,
                              .w = out_w,
                              .h = out_h};
}

static void test_equals_opencv(void **state)
{
    (void)state;
    FILE *f = fopen(FIXTURES "/pose/cv2_cubic.txt", "r");
    assert_non_null(f);
    char line[512];
    int cases = 0;
    while (fgets(line, sizeof(line), f)) {
        if (line[0] == '#')
            continue;
        int w, h, out_w, out_h;
        unsigned seed;
        double fx, fy;
        assert_int_equal(
            sscanf(line, "%d %d %u %lf %lf %d %d", &w, &h, &seed, &fx, &fy, &out_w, &out_h), 7);
        struct image image = new_image(w, h, 3);
        uint32_t lcg = seed;
        for (int i = 0; i < w * h * 3; i++) {
            lcg = lcg * 1664525u + 1013904223u;
            image.pixels[i] = (uint8_t)(lcg >> 24);
        }
        const struct letterbox l = plain_box(w, h, fx, fy, out_w, out_h);
        float *out = resized(&image, &l, false, NULL);
        int differ = 0;
        for (int i = 0; i < out_w * out_h * 3; i++) {
            int expected;
            assert_int_equal(fscanf(f, "%d", &expected), 1);
            assert_true(fabsf(out[i] - (float)expected) <= 1);
            differ += out[i] != (float)expected;
        }
        assert_true(differ * 100 <= out_w * out_h * 3); /* its vector code rounds otherwise */
        assert_non_null(fgets(line, sizeof(line), f));
        free(out);
        free(image.pixels);
        cases++;
    }
    fclose(f);
    assert_int_equal(cases, 5);
}

/* The same in the plain way: grey border in memory, blocks averaged, then a cubic resize. */
static double *plain_resize(const struct image *image, const struct letterbox *l, int bx, int by)
{
    const int rw = (l->padded_w - 1) / bx + 1, rh = (l->padded_h - 1) / by + 1;
    double *reduced = calloc((size_t)(rw * rh * 3), sizeof(double));
    for (int y = 0; y < rh; y++)
        for (int x = 0; x < rw; x++)
            for (int c = 0; c < 3; c++) {
                double sum = 0;
                int n = 0;
                for (int v = y * by; v < (y + 1) * by && v < l->padded_h; v++)
                    for (int u = x * bx; u < (x + 1) * bx && u < l->padded_w; u++, n++) {
                        const int iy = v - l->top, ix = u - l->left;
                        const bool in = iy >= 0 && iy < image->h && ix >= 0 && ix < image->w;
                        sum += in ? image->pixels[(iy * image->w + ix) * image->channels +
                                                  (image->channels == 3 ? c : 0)]
                                  : 128;
                    }
                reduced[(y * rw + x) * 3 + c] = sum / n;
            }
    double *out = calloc((size_t)(l->w * l->h * 3), sizeof(double));
    for (int y = 0; y < l->h; y++)
        for (int x = 0; x < l->w; x++) {
            const double sy = (y + 0.5) / (l->fy * by) - 0.5, sx = (x + 0.5) / (l->fx * bx) - 0.5;
            float wy[4], wx[4];
            cubic_weights((float)(sy - floor(sy)), wy);
            cubic_weights((float)(sx - floor(sx)), wx);
            for (int j = 0; j < 4; j++)
                for (int i = 0; i < 4; i++) {
                    int v = (int)floor(sy) - 1 + j, u = (int)floor(sx) - 1 + i;
                    v = v < 0 ? 0 : v >= rh ? rh - 1 : v;
                    u = u < 0 ? 0 : u >= rw ? rw - 1 : u;
                    for (int c = 0; c < 3; c++)
                        out[(y * l->w + x) * 3 + c] +=
                            (double)wy[j] * (double)wx[i] * reduced[(v * rw + u) * 3 + c];
                }
        }
    free(reduced);
    return out;
}

static void test_equals_plain_version(void **state)
{
    (void)state;
    static const struct {
        int w, h, channels, net_w, net_h;
        enum aspect_mode mode;
        bool antialias;
        int bx, by;
    } cases[] = {
        {64, 43, 3, 48, 40, ASPECT_PAD_IMAGE, true, 1, 1},
        {43, 64, 3, 48, 40, ASPECT_PAD_IMAGE, true, 1, 1},
        {200, 90, 3, 48, 40, ASPECT_PAD_IMAGE, true, 3, 3},
        {90, 201, 1, 48, 40, ASPECT_PAD_IMAGE, true, 3, 3},
        {200, 33, 3, 48, 40, ASPECT_STRETCH, true, 3, 1},
        {33, 200, 3, 48, 40, ASPECT_STRETCH, false, 1, 1},
        {200, 90, 3, 48, 40, ASPECT_PAD_IMAGE, false, 1, 1},
        {30, 20, 1, 48, 40, ASPECT_ADJUST_NETWORK, true, 1, 1},
        {1, 1, 3, 7, 5, ASPECT_STRETCH, true, 1, 1},
        {300, 1, 3, 16, 16, ASPECT_PAD_IMAGE, true, 10, 10},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct image image = random_image(cases[i].w, cases[i].h, cases[i].channels, i);
        struct letterbox l;
        assert_int_equal(
            letterbox_plan(&l, image.w, image.h, cases[i].net_w, cases[i].net_h, cases[i].mode),
            BPNET_OK);
        double *expected = plain_resize(&image, &l, cases[i].bx, cases[i].by);
        float *out = resized(&image, &l, cases[i].antialias, NULL);
        for (int k = 0; k < l.w * l.h * 3; k++) {
            const double level = expected[k] < 0 ? 0 : expected[k] > 255 ? 255 : expected[k];
            assert_true(fabs(out[k] - level) < 0.502);
            assert_true(out[k] == rintf(out[k]));
        }
        free(expected);
        free(out);
        free(image.pixels);
    }
}

static void test_threads_change_nothing(void **state)
{
    (void)state;
    struct workers *workers;
    assert_int_equal(workers_open(&workers, 3), BPNET_OK);
    struct image image = random_image(301, 207, 3, 5);
    struct letterbox l;
    assert_int_equal(letterbox_plan(&l, 301, 207, 128, 96, ASPECT_PAD_IMAGE), BPNET_OK);
    float *one = resized(&image, &l, true, NULL), *three = resized(&image, &l, true, workers);
    assert_memory_equal(one, three, (size_t)(l.w * l.h * 3) * sizeof(float));
    free(one);
    free(three);
    free(image.pixels);
    workers_close(workers);
}

static void test_normalises_within_the_pitch(void **state)
{
    (void)state;
    struct image image = new_image(8, 8, 3);
    for (int i = 0; i < 64; i++) {
        image.pixels[3 * i] = 0;
        image.pixels[3 * i + 1] = 128;
        image.pixels[3 * i + 2] = 255;
    }
    struct letterbox l;
    assert_int_equal(letterbox_plan(&l, 8, 8, 4, 4, ASPECT_STRETCH), BPNET_OK);
    float out[4 * 6 * 3];
    for (size_t i = 0; i < 4 * 6 * 3; i++)
        out[i] = 99;
    struct resizer r;
    resizer_init(&r, cpu_level_detect());
    const float scale[3] = {256, 256, 128}, offset[3] = {0.5f, 0.25f, 1};
    assert_int_equal(resizer_run(&r, &image, &l, true, scale, offset, out, 6, NULL), BPNET_OK);
    for (int y = 0; y < 4; y++)
        for (int x = 0; x < 6; x++) {
            const float *p = out + (y * 6 + x) * 3;
            assert_true(p[0] == (x < 4 ? -0.5f : 99));
            assert_true(p[1] == (x < 4 ? 0.25f : 99));
            assert_true(p[2] == (x < 4 ? 255.0f / 128 - 1 : 99));
        }
    image.w = 7; /* not the picture the box was made for */
    assert_int_equal(resizer_run(&r, &image, &l, true, scale, offset, out, 6, NULL), BPNET_EUSAGE);
    resizer_free(&r);
    free(image.pixels);
}

static void test_fine_stripes_shrink_to_their_mean(void **state)
{
    (void)state;
    struct image image = new_image(256, 256, 3);
    for (int i = 0; i < 256 * 256 * 3; i++)
        image.pixels[i] = (i / 3) % 4 == 0 ? 255 : 0;
    struct letterbox l;
    assert_int_equal(letterbox_plan(&l, 256, 256, 32, 32, ASPECT_STRETCH), BPNET_OK);
    float *smooth = resized(&image, &l, true, NULL), *original = resized(&image, &l, false, NULL);
    float worst = 0;
    for (int i = 0; i < 32 * 32 * 3; i++) {
        assert_true(fabsf(smooth[i] - 64) <= 1);
        worst = fmaxf(worst, fabsf(original[i] - 64));
    }
    assert_true(worst > 30); /* which is why */
    free(smooth);
    free(original);
    free(image.pixels);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pad_image_golden),
        cmocka_unit_test(test_adjust_network_golden),
        cmocka_unit_test(test_stretch_and_the_way_back),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_equals_opencv),
        cmocka_unit_test(test_equals_plain_version),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_normalises_within_the_pitch),
        cmocka_unit_test(test_fine_stripes_shrink_to_their_mean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
