/* Warps against the definition in double precision, taken tap by tap. */
#include "base/error.h"
#include "base/rng.h"
#include "data/warp.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct image random_image(struct rng *rng, int w, int h, int channels)
{
    struct image image = {malloc((size_t)(w * h * channels)), w, h, channels};
    assert_non_null(image.pixels);
    for (int i = 0; i < w * h * channels; i++)
        image.pixels[i] = (uint8_t)rng_integer(rng, 0, 255);
    return image;
}

static double tap(const struct image *s, int x, int y, int c, double border)
{
    const bool in = x >= 0 && y >= 0 && x < s->w && y < s->h;
    return in ? s->pixels[(y * s->w + x) * s->channels + c] : border;
}

static double sample(const struct image *s, double x, double y, int c, double border)
{
    if (!(fabs(x) < 1e6 && fabs(y) < 1e6))
        return border;
    const int x0 = (int)floor(x), y0 = (int)floor(y);
    const double wx = x - x0, wy = y - y0;
    return (1 - wy) * ((1 - wx) * tap(s, x0, y0, c, border) + wx * tap(s, x0 + 1, y0, c, border)) +
           wy * ((1 - wx) * tap(s, x0, y0 + 1, c, border) + wx * tap(s, x0 + 1, y0 + 1, c, border));
}

static struct affine random_inverse(struct rng *rng)
{
    const double angle = rng_range(rng, -4, 4), scale = exp(rng_range(rng, -2, 2));
    const double flip = rng_uniform(rng) < 0.5 ? -1 : 1;
    return (struct affine){{flip * scale * cos(angle), -scale * sin(angle), rng_range(rng, -40, 80),
                            flip * scale * sin(angle), scale * cos(angle),
                            rng_range(rng, -40, 80)}};
}

static void check_image(const struct image *s, const struct affine *inverse, int w, int h)
{
    float *out = malloc((size_t)(w * h * 3) * sizeof(*out));
    const struct warp_image_options options = {
        .border = 127, .scale = {256, 128, 1}, .offset = {0.5f, 1, 0}};
    warp_image(out, w, h, s, inverse, &options);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            double sx = x + 0.5, sy = y + 0.5;
            affine_apply(inverse, &sx, &sy);
            for (int c = 0; c < 3; c++) {
                const double raw = sample(s, sx - 0.5, sy - 0.5, c, 127);
                const double expected = raw / (double)options.scale[c] - (double)options.offset[c];
                const double got = (double)out[(y * w + x) * 3 + c];
                if (!(fabs(got - expected) <= 2e-3 / (double)options.scale[c]))
                    fail_msg("pixel %d,%d channel %d of %d x %d: %.9g, expected %.9g", x, y, c,
                             s->w, s->h, got, expected);
            }
        }
    free(out);
}

static void image_is_the_definition(void **state)
{
    (void)state;
    struct rng rng = rng_stream(21, 0, 0);
    for (int round = 0; round < 300; round++) {
        struct image s =
            random_image(&rng, (int)rng_integer(&rng, 1, 70), (int)rng_integer(&rng, 1, 50), 3);
        const struct affine inverse = random_inverse(&rng);
        check_image(&s, &inverse, 37, 29);
        free(s.pixels);
    }
}

static void awkward_maps(void **state)
{
    (void)state;
    struct rng rng = rng_stream(22, 0, 0);
    struct image s = random_image(&rng, 40, 30, 3);
    const struct affine maps[] = {
        {{1, 0, 0, 0, 1, 0}},             /* as it is */
        {{1, 0, 3, 0, 1, -2}},            /* whole pixels */
        {{-1, 0, 40, 0, 1, 0}},           /* mirrored */
        {{0, 1, 0, 1, 0, 0}},             /* transposed */
        {{0, 0, 12.25, 0, 0, 7.5}},       /* a single point */
        {{1e-12, 0, 5, 0, 1e-12, 5}},     /* nearly one */
        {{1e7, 0, 3, 0, 1e7, 2}},         /* far outside but for one pixel */
        {{1e300, 1e300, 0, 0, 1e300, 0}}, /* absurd */
        {{1, 0, 1e15, 0, 1, 0}},
    };
    for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++)
        check_image(&s, &maps[i], 40, 30);
    free(s.pixels);
}

static void identity_is_exact(void **state)
{
    (void)state;
    struct rng rng = rng_stream(23, 0, 0);
    struct image s = random_image(&rng, 33, 21, 3);
    float out[33 * 21 * 3];
    const struct affine same = {{1, 0, 0, 0, 1, 0}};
    const struct warp_image_options options = {
        .border = 127, .scale = {256, 256, 256}, .offset = {0.5f, 0.5f, 0.5f}};
    warp_image(out, 33, 21, &s, &same, &options);
    for (int i = 0; i < 33 * 21 * 3; i++)
        assert_true(out[i] == (float)s.pixels[i] / 256 - 0.5f);
    free(s.pixels);
}

static void colour_leaves_the_border(void **state)
{
    (void)state;
    struct image s = {(uint8_t[]){100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100, 100}, 2, 2,
                      3};
    const struct colour_map map = {.m = {{2, 0, 0, 0}, {0, 3, 0, 0}, {0, 0, 1, -30}}};
    const struct warp_image_options options = {.border = 127, .scale = {1, 1, 1}, .colour = &map};
    float out[4 * 4 * 3];
    const struct affine shift = {{1, 0, -1.5, 0, 1, -1}}; /* the picture at x 1.5, y 1 */
    warp_image(out, 4, 4, &s, &shift, &options);
    const float *corner = out, *middle = out + (1 * 4 + 2) * 3, *edge = out + (1 * 4 + 1) * 3;
    for (int c = 0; c < 3; c++) {
        const float inside = (float[]){200, 255, 70}[c]; /* 300 is cut at 255 */
        assert_true(corner[c] == 127);
        assert_true(fabsf(middle[c] - inside) < 1e-3f);
        assert_true(fabsf(edge[c] - (inside + 127) / 2) < 1e-3f);
    }
}

static void mask_at_sample_points(void **state)
{
    (void)state;
    struct rng rng = rng_stream(24, 0, 0);
    for (int round = 0; round < 100; round++) {
        struct image s = random_image(&rng, 45, 35, 1);
        const struct affine inverse = random_inverse(&rng);
        float out[9 * 7];
        const double start = round % 2 ? 3.5 : 0;
        warp_mask(out, 9, 7, start, start, 8, &s, &inverse);
        for (int y = 0; y < 7; y++)
            for (int x = 0; x < 9; x++) {
                double sx = start + 8 * x + 0.5, sy = start + 8 * y + 0.5;
                affine_apply(&inverse, &sx, &sy);
                const double expected = sample(&s, sx - 0.5, sy - 0.5, 0, 255);
                if (!(fabs((double)out[y * 9 + x] - expected) < 2e-3))
                    fail_msg("cell %d,%d: %g, expected %g", x, y, (double)out[y * 9 + x], expected);
            }
        free(s.pixels);
    }
}

static void shrinking_averages_blocks(void **state)
{
    (void)state;
    uint8_t pixels[3 * 5 * 3] = {0};
    for (int i = 0; i < 15; i++)
        pixels[3 * i] = (uint8_t)(10 * i); /* red: 0 10 .. 40 / 50 .. 90 / 100 .. 140 */
    const struct image s = {pixels, 5, 3, 3};
    struct image out;
    assert_int_equal(image_shrink(&out, &s, 2), BPNET_OK);
    assert_int_equal(out.w, 3);
    assert_int_equal(out.h, 2);
    static const uint8_t red[6] = {30, 50, 65, 105, 125, 140};
    for (int i = 0; i < 6; i++) {
        assert_int_equal(out.pixels[3 * i], red[i]);
        assert_int_equal(out.pixels[3 * i + 1], 0);
    }
    image_free(&out);
}

/* A smooth picture looks the same through a shrunken copy. */
static void shrunken_warp_is_close(void **state)
{
    (void)state;
    enum { W = 200, H = 160 };
    struct image s = {malloc(W * H * 3), W, H, 3}, small;
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int c = 0; c < 3; c++)
                s.pixels[(y * W + x) * 3 + c] = (uint8_t)(20 + x / 2 + y / 3 + 10 * c);
    const double angle = 0.3, scale = 4.7;
    const struct affine inverse = {
        {scale * cos(angle), -scale * sin(angle), 60, scale * sin(angle), scale * cos(angle), 10}};
    const int factor = warp_shrink_factor(&inverse);
    assert_int_equal(factor, 4);
    assert_int_equal(warp_shrink_factor(&(struct affine){{1.9, 0, 0, 0, 1.9, 0}}), 1);
    assert_int_equal(warp_shrink_factor(&(struct affine){{1e9, 0, 0, 0, 1e9, 0}}), 64);
    assert_int_equal(image_shrink(&small, &s, factor), BPNET_OK);
    const struct affine less = warp_shrunk_inverse(&inverse, factor);
    const struct warp_image_options options = {.border = 127, .scale = {1, 1, 1}};
    float a[24 * 24 * 3], b[24 * 24 * 3];
    warp_image(a, 24, 24, &s, &inverse, &options);
    warp_image(b, 24, 24, &small, &less, &options);
    int compared = 0;
    for (int y = 0; y < 24; y++)
        for (int x = 0; x < 24; x++) {
            double sx = x + 0.5, sy = y + 0.5;
            affine_apply(&inverse, &sx, &sy);
            if (sx < 8 || sy < 8 || sx > W - 8 || sy > H - 8)
                continue; /* borders blend differently */
            compared++;
            assert_true(fabsf(a[(y * 24 + x) * 3] - b[(y * 24 + x) * 3]) < 1.5f);
        }
    assert_true(compared > 100);
    image_free(&small);
    free(s.pixels);
}

static void mean_grey(void **state)
{
    (void)state;
    uint8_t pixels[8 * 8 * 3];
    for (int i = 0; i < 64; i++)
        memcpy(pixels + 3 * i, (const uint8_t[]){200, 100, 50}, 3);
    const struct image s = {pixels, 8, 8, 3};
    assert_true(fabs(image_mean_grey(&s) - (0.299 * 200 + 0.587 * 100 + 0.114 * 50)) < 1e-9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image_is_the_definition), cmocka_unit_test(awkward_maps),
        cmocka_unit_test(identity_is_exact),       cmocka_unit_test(colour_leaves_the_border),
        cmocka_unit_test(mask_at_sample_points),   cmocka_unit_test(shrinking_averages_blocks),
        cmocka_unit_test(shrunken_warp_is_close),  cmocka_unit_test(mean_grey),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
