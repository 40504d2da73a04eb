/* Pictures: every PNG kind against its formula, JPEGs against Pillow's pixels, damage and bombs. */
#include "base/error.h"
#include "io/exif.h"
#include "io/file.h"
#include "io/image.h"

#include "io/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

enum { W = 13, H = 9 };

#define assert_message(part)                                                                       \
    do {                                                                                           \
        if (!strstr(error_message(), part))                                                        \
            fail_msg("'%s' is not in '%s'", part, error_message());                                \
    } while (0)

static const char *fixture(const char *name)
{
    static char path[512];
    snprintf(path, sizeof(path), "%s/io/%s", FIXTURES, name);
    return path;
}

/* The formulas of fixture/io/make.py. */
static int colour(int x, int y, int c)
{
    return c == 0 ? 19 * x : c == 1 ? 27 * y : 8 * x + 11 * y;
}

static int over_white(int value, int alpha)
{
    return (2 * (value * alpha + 255 * (255 - alpha)) + 255) / 510;
}

static int expect_rgb(int x, int y, int c)
{
    return colour(x, y, c);
}

static int expect_rgba(int x, int y, int c)
{
    return over_white(colour(x, y, c), 20 * x);
}

static int expect_grey(int x, int y, int c)
{
    (void)c;
    return colour(x, y, 2);
}

static int expect_grey_alpha(int x, int y, int c)
{
    (void)c;
    return over_white(colour(x, y, 2), 20 * x);
}

static int expect_grey1(int x, int y, int c)
{
    (void)c;
    return (x + y) % 2 * 255;
}

static int expect_palette(int x, int y, int c)
{
    static const int colours[4][3] = {{255, 0, 0}, {0, 255, 0}, {255, 255, 255}, {90, 80, 70}};
    return colours[(x + y) % 4][c];
}

static void test_every_kind_of_png(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int (*expected)(int x, int y, int c);
    } cases[] = {
        {"rgb8.png", expect_rgb},         {"rgb8-interlaced.png", expect_rgb},
        {"rgb16.png", expect_rgb},        {"rgba8.png", expect_rgba},
        {"grey8.png", expect_grey},       {"grey16.png", expect_grey},
        {"grey1.png", expect_grey1},      {"grey-alpha8.png", expect_grey_alpha},
        {"palette4.png", expect_palette},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct image rgb, grey;
        assert_int_equal(image_load(&rgb, fixture(cases[i].name), 3), BPNET_OK);
        assert_int_equal(image_load(&grey, fixture(cases[i].name), 1), BPNET_OK);
        assert_true(rgb.w == W && rgb.h == H && rgb.channels == 3);
        assert_true(grey.w == W && grey.h == H && grey.channels == 1);
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                int v[3];
                for (int c = 0; c < 3; c++) {
                    v[c] = cases[i].expected(x, y, c);
                    if (rgb.pixels[(y * W + x) * 3 + c] != v[c])
                        fail_msg("%s at %d,%d,%d: %d, expected %d", cases[i].name, x, y, c,
                                 rgb.pixels[(y * W + x) * 3 + c], v[c]);
                }
                const double luma = 0.299 * v[0] + 0.587 * v[1] + 0.114 * v[2];
                assert_true(grey.pixels[y * W + x] - luma <= 0.5001);
                assert_true(luma - grey.pixels[y * W + x] <= 0.5001);
            }
        image_free(&rgb);
        image_free(&grey);
    }
}

static void test_jpegs_decode_as_elsewhere(void **state)
{
    (void)state;
    static const struct {
        const char *name, *pixels;
        int channels, tolerance;
    } cases[] = {
        {"baseline.jpg", "baseline.rgb", 3, 0},
        {"progressive.jpg", "progressive.rgb", 3, 0},
        {"grey.jpg", "grey.grey", 1, 0},
        {"cmyk.jpg", "cmyk.rgb", 3, 1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct image image;
        assert_int_equal(image_load(&image, fixture(cases[i].name), cases[i].channels), BPNET_OK);
        assert_true(image.w == W && image.h == H && image.channels == cases[i].channels);
        size_t n;
        char *expected = scratch_read(fixture(cases[i].pixels), &n);
        assert_non_null(expected);
        assert_int_equal(n, W * H * cases[i].channels);
        for (size_t j = 0; j < n; j++)
            if (abs(image.pixels[j] - (uint8_t)expected[j]) > cases[i].tolerance)
                fail_msg("%s: byte %zu is %d, expected %d", cases[i].name, j, image.pixels[j],
                         (uint8_t)expected[j]);
        free(expected);
        image_free(&image);
    }
}

static void test_grey_of_colour_and_colour_of_grey(void **state)
{
    (void)state;
    struct image rgb, grey;
    assert_int_equal(image_load(&rgb, fixture("baseline.jpg"), 3), BPNET_OK);
    assert_int_equal(image_load(&grey, fixture("baseline.jpg"), 1), BPNET_OK);
    for (int i = 0; i < W * H; i++) {
        /* RGB was rounded and clipped on its way from YCbCr. */
        const uint8_t *p = rgb.pixels + 3 * i;
        assert_true(abs((299 * p[0] + 587 * p[1] + 114 * p[2]) / 1000 - grey.pixels[i]) <= 12);
    }
    image_free(&rgb);
    image_free(&grey);
    assert_int_equal(image_load(&grey, fixture("grey.jpg"), 1), BPNET_OK);
    assert_int_equal(image_load(&rgb, fixture("grey.jpg"), 3), BPNET_OK);
    for (int i = 0; i < 3 * W * H; i++)
        assert_int_equal(rgb.pixels[i], grey.pixels[i / 3]);
    image_free(&rgb);
    image_free(&grey);
    assert_int_equal(image_load(&grey, fixture("cmyk.jpg"), 1), BPNET_OK);
    assert_int_equal(grey.channels, 1);
    image_free(&grey);
}

/*
 * Where the stored pixels (0,0), (W-1,0) and (0,H-1) belong, as the EXIF table has it: 6, for one,
 * is "the 0th row is the visual right-hand side, the 0th column the visual top".
 */
static const struct {
    int origin[2], right[2], below[2];
} turns[9] = {
    [1] = {{0, 0}, {W - 1, 0}, {0, H - 1}},         [2] = {{W - 1, 0}, {0, 0}, {W - 1, H - 1}},
    [3] = {{W - 1, H - 1}, {0, H - 1}, {W - 1, 0}}, [4] = {{0, H - 1}, {W - 1, H - 1}, {0, 0}},
    [5] = {{0, 0}, {0, W - 1}, {H - 1, 0}},         [6] = {{H - 1, 0}, {H - 1, W - 1}, {0, 0}},
    [7] = {{H - 1, W - 1}, {H - 1, 0}, {0, W - 1}}, [8] = {{0, W - 1}, {0, 0}, {H - 1, W - 1}},
};

static void test_orientation(void **state)
{
    (void)state;
    struct image plain;
    assert_int_equal(image_load(&plain, fixture("baseline.jpg"), 3), BPNET_OK);
    for (int o = 2; o <= 8; o++) {
        char name[32];
        snprintf(name, sizeof(name), "turned%d.jpg", o);
        struct image turned, stored;
        int w, h;
        assert_int_equal(image_load(&turned, fixture(name), 3), BPNET_OK);
        assert_int_equal(image_size(fixture(name), &w, &h), BPNET_OK);
        assert_int_equal(turned.w, o < 5 ? W : H);
        assert_int_equal(turned.h, o < 5 ? H : W);
        assert_true(w == turned.w && h == turned.h);
        for (int y = 0; y < H; y++)
            for (int x = 0; x < W; x++) {
                int at[2];
                for (int i = 0; i < 2; i++)
                    at[i] = turns[o].origin[i] +
                            (turns[o].right[i] - turns[o].origin[i]) / (W - 1) * x +
                            (turns[o].below[i] - turns[o].origin[i]) / (H - 1) * y;
                assert_memory_equal(turned.pixels + (at[1] * turned.w + at[0]) * 3,
                                    plain.pixels + (y * W + x) * 3, 3);
            }
        image_free(&turned);
        assert_int_equal(image_load(&stored, fixture(name), 1), BPNET_OK); /* as it lies there */
        assert_true(stored.w == W && stored.h == H);
        image_free(&stored);
    }
    image_free(&plain);
}

static void test_damaged_exif_says_nothing(void **state)
{
    (void)state;
    static const uint8_t good[] = "Exif\0\0MM\0*\0\0\0\10\0\1\1\22\0\3\0\0\0\1\0\6\0\0\0\0\0\0";
    uint8_t bytes[sizeof(good)];
    assert_int_equal(exif_orientation(good, sizeof(good)), 6);
    for (size_t n = 0; n < 28; n++) {
        uint8_t *exact = malloc(n + 1); /* so that reading beyond it is seen */
        memcpy(exact, good, n);
        exact = realloc(exact, n ? n : 1);
        assert_int_equal(exif_orientation(exact, n), 0);
        free(exact);
    }
    static const struct {
        size_t at;
        uint8_t value;
    } damage[] = {{0, 'e'}, {6, 'I'}, {9, '+'}, {10, 0x7f}, {16, 2}, {19, 4}, {25, 9}, {25, 0}};
    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        memcpy(bytes, good, sizeof(good));
        bytes[damage[i].at] = damage[i].value;
        assert_int_equal(exif_orientation(bytes, sizeof(bytes)), 0);
    }
}

/* ---- smaller ----------------------------------------------------------------------------------
 */

static int shrink_by(const void *ctx, int w, int h)
{
    (void)w;
    (void)h;
    return *(const int *)ctx;
}

static struct image_fit fit_by(const int *shrink)
{
    return (struct image_fit){shrink_by, shrink};
}

/* A JPEG of soft colours with an EXIF orientation; no side is a multiple of 2, 4 or 8. */
static uint8_t *soft_jpeg(int orientation, size_t *size)
{
    static const uint8_t exif[] = "\xff\xe1\0\x22"
                                  "Exif\0\0MM\0*\0\0\0\10\0\1\1\22\0\3\0\0\0\1\0\0\0\0\0\0\0";
    enum { EXIF = sizeof(exif) - 1, SOI = 2 };
    struct image image;
    assert_int_equal(image_alloc(&image, 103, 69, 3), BPNET_OK);
    for (int i = 0; i < 103 * 69; i++) {
        const double x = i % 103, y = (int)(i / 103);
        image.pixels[3 * i] = (uint8_t)(2 * x + 20);
        image.pixels[3 * i + 1] = (uint8_t)(3 * y + 10);
        image.pixels[3 * i + 2] = (uint8_t)(128 + 90 * sin(x / 15) * cos(y / 12));
    }
    assert_int_equal(image_save(&image, scratch_path("soft.jpg"), 95), BPNET_OK);
    image_free(&image);
    char *plain = scratch_read(scratch_path("soft.jpg"), size);
    uint8_t *turned = malloc(*size + EXIF);
    memcpy(turned, plain, SOI);
    memcpy(turned + SOI, exif, EXIF);
    turned[SOI + 4 + 25] = (uint8_t)orientation;
    memcpy(turned + SOI + EXIF, plain + SOI, *size - SOI);
    *size += EXIF;
    free(plain);
    return turned;
}

/* Every pixel of the smaller picture is about the mean of those of the whole one it stands for. */
static void compare_means(const struct image *small, const struct image_scale *scale,
                          const struct image *whole, double tolerance)
{
    const int k = scale->shrink;
    assert_int_equal(small->w, whole->w / k);
    assert_int_equal(small->h, whole->h / k);
    assert_true(scale->w == whole->w && scale->h == whole->h);
    for (int i = 0; i < small->w * small->h * 3; i++) {
        const int x = i / 3 % small->w * k + scale->left, y = i / 3 / small->w * k + scale->top;
        double sum = 0;
        for (int j = 0; j < k * k; j++)
            sum += whole->pixels[((y + j / k) * whole->w + x + j % k) * 3 + i % 3];
        if (fabs(sum / (k * k) - small->pixels[i]) > tolerance)
            fail_msg("1 / %d: %d at %d, the mean is %g", k, small->pixels[i], i, sum / (k * k));
    }
}

static void test_smaller_jpegs_are_means(void **state)
{
    (void)state;
    for (int orientation = 1; orientation <= 8; orientation++) {
        size_t n;
        uint8_t *jpeg = soft_jpeg(orientation, &n);
        struct image whole, small;
        struct image_scale scale;
        assert_int_equal(image_decode(&whole, jpeg, n, 3, "it"), BPNET_OK);
        assert_int_equal(whole.w, orientation < 5 ? 103 : 69);
        for (int shrink = 1; shrink <= 8; shrink *= 2) {
            const struct image_fit fit = fit_by(&shrink);
            assert_int_equal(image_decode_fit(&small, &scale, jpeg, n, &fit, "it"), BPNET_OK);
            assert_int_equal(scale.shrink, shrink);
            compare_means(&small, &scale, &whole, 3);
            image_free(&small);
        }
        assert_int_equal(image_decode_fit(&small, &scale, jpeg, n - 40, NULL, "it"), BPNET_EFORMAT);
        assert_null(small.pixels);
        image_free(&whole);
        free(jpeg);
    }
}

static void test_smaller_pictures_of_every_kind(void **state)
{
    (void)state;
    static const char *const names[] = {"baseline.jpg", "progressive.jpg", "cmyk.jpg", "grey.jpg",
                                        "rgb8.png"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        for (int shrink = 1; shrink <= 8; shrink *= 2) {
            struct image whole, small;
            struct image_scale scale;
            const struct image_fit fit = fit_by(&shrink);
            assert_int_equal(image_load(&whole, fixture(names[i]), 3), BPNET_OK);
            assert_int_equal(image_load_fit(&small, &scale, fixture(names[i]), &fit), BPNET_OK);
            assert_int_equal(scale.shrink, i == 4 ? 1 : shrink);
            compare_means(&small, &scale, &whole, shrink == 1 ? 0 : 20); /* 19 a pixel */
            image_free(&whole);
            image_free(&small);
        }
}

/* A side of less pixels than it is to shrink by stays. */
static void test_nothing_shrinks_away(void **state)
{
    (void)state;
    const int shrink = 8;
    const struct image_fit fit = fit_by(&shrink);
    struct image image, small;
    struct image_scale scale;
    assert_int_equal(image_alloc(&image, 40, 3, 3), BPNET_OK);
    memset(image.pixels, 77, 40 * 3 * 3);
    assert_int_equal(image_save(&image, scratch_path("flat.jpg"), 90), BPNET_OK);
    assert_int_equal(image_load_fit(&small, &scale, scratch_path("flat.jpg"), &fit), BPNET_OK);
    assert_true(small.w == 20 && small.h == 1 && scale.shrink == 2);
    image_free(&small);
    assert_int_equal(image_load_fit(&small, &scale, scratch_path("none.jpg"), &fit), BPNET_ENOENT);
    assert_null(small.pixels);
    image_free(&image);
}

/* ---- bad files --------------------------------------------------------------------------- */

static void refuse(const uint8_t *bytes, size_t size, int code)
{
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, bytes, size);
    struct image image;
    error_clear();
    assert_int_equal(image_decode(&image, exact, size, 3, "it.img"), code);
    assert_null(image.pixels);
    assert_int_equal(strncmp(error_message(), "it.img: ", 8), 0);
    free(exact);
}

static void test_every_truncation_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"baseline.jpg", "progressive.jpg", "cmyk.jpg",
                                        "rgb8.png",     "palette4.png",    "rgb8-interlaced.png"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t n;
        char *bytes = scratch_read(fixture(names[i]), &n);
        for (size_t cut = 0; cut < n; cut++)
            refuse((uint8_t *)bytes, cut, BPNET_EFORMAT);
        free(bytes);
    }
}

static void test_flipped_bits_never_crash(void **state)
{
    (void)state;
    static const char *const names[] = {"baseline.jpg", "progressive.jpg", "turned6.jpg",
                                        "rgb8.png", "palette4.png"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t n, refused = 0;
        char *bytes = scratch_read(fixture(names[i]), &n);
        for (size_t bit = 0; bit < 8 * n; bit += 3) {
            struct image image;
            bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
            const int code = image_decode(&image, (uint8_t *)bytes, n, 3, "it");
            if (code < 0) {
                assert_null(image.pixels);
                refused++;
            }
            image_free(&image);
            bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        }
        assert_true(refused > n / 16);
        free(bytes);
    }
}

/* Headers that promise more than anyone should allocate, and more than the file can hold. */
static void test_bombs(void **state)
{
    (void)state;
    size_t n;
    uint8_t *png = (uint8_t *)scratch_read(fixture("rgb8.png"), &n);
    memcpy(png + 16, "\0\0\xea\x60\0\0\xea\x60", 8); /* 60000 x 60000 */
    refuse(png, n, BPNET_ELIMIT);
    assert_message("60000 x 60000 pixels");
    memcpy(png + 16, "\0\0\x50\0\0\0\x50\0", 8); /* 20480 x 20480: each side would do */
    refuse(png, n, BPNET_ELIMIT);
    memcpy(png + 16, "\0\0\x27\x10\0\0\x27\x10", 8); /* 10000 x 10000 */
    refuse(png, n, BPNET_EFORMAT);
    assert_message("cannot hold its 10000 x 10000 pixels");
    memset(png + 16, 0, 4);
    refuse(png, n, BPNET_EFORMAT);
    memset(png + 16, 0xff, 8);
    refuse(png, n, BPNET_ELIMIT);
    free(png);

    uint8_t *jpeg = (uint8_t *)scratch_read(fixture("baseline.jpg"), &n);
    uint8_t *frame = jpeg;
    while (memcmp(frame, "\xff\xc0", 2) != 0)
        frame++;
    memcpy(frame + 5, "\xea\x60\xea\x60", 4);
    refuse(jpeg, n, BPNET_ELIMIT);
    assert_message("60000 x 60000 pixels");
    memcpy(frame + 5, "\x27\x10\x27\x10", 4);
    refuse(jpeg, n, BPNET_EFORMAT);
    assert_message("cannot hold its 10000 x 10000 pixels");
    memcpy(frame + 5, "\0\0\0\x01", 4);
    refuse(jpeg, n, BPNET_EFORMAT);
    free(jpeg);
}

/* A progressive file whose first scan is there over and over. */
static void test_too_many_scans(void **state)
{
    (void)state;
    size_t n, first = 0;
    uint8_t *jpeg = (uint8_t *)scratch_read(fixture("progressive.jpg"), &n);
    while (memcmp(jpeg + first, "\xff\xda", 2) != 0)
        first++;
    size_t end = first + 2;
    while (memcmp(jpeg + end, "\xff\xc4", 2) != 0 && memcmp(jpeg + end, "\xff\xda", 2) != 0)
        end++;
    const size_t length = end - first;
    for (size_t repeats = 20; repeats <= 200; repeats += 180) {
        uint8_t *bomb = malloc(n + repeats * length);
        memcpy(bomb, jpeg, first);
        for (size_t i = 0; i <= repeats; i++)
            memcpy(bomb + first + i * length, jpeg + first, length);
        memcpy(bomb + end + repeats * length, jpeg + end, n - end);
        struct image image;
        const int code = image_decode(&image, bomb, n + repeats * length, 3, "it");
        assert_int_equal(code, repeats == 20 ? BPNET_OK : BPNET_ELIMIT);
        if (code < 0)
            assert_message("more than 100 scans");
        image_free(&image);
        free(bomb);
    }
    free(jpeg);
}

static void test_other_files(void **state)
{
    (void)state;
    struct image image;
    int w, h;
    assert_int_equal(image_load(&image, scratch_path("none.jpg"), 3), BPNET_ENOENT);
    assert_message("none.jpg: cannot open: No such file");
    assert_int_equal(image_size(scratch_path("none.jpg"), &w, &h), BPNET_ENOENT);
    const char *gif = scratch_text("animation.jpg", "GIF89a...");
    assert_int_equal(image_load(&image, gif, 3), BPNET_EFORMAT);
    assert_message("begins with 47 49 46 38, expected a JPEG or PNG");
    assert_int_equal(image_size(gif, &w, &h), BPNET_EFORMAT);
    refuse((const uint8_t *)"", 0, BPNET_EFORMAT);
    assert_message("empty");
    assert_int_equal(image_load(&image, fixture("rgb8.png"), 4), BPNET_EUSAGE);
}

static void test_size_from_header(void **state)
{
    (void)state;
    static const char *const names[] = {"rgb8.png", "baseline.jpg", "progressive.jpg", "cmyk.jpg"};
    for (size_t i = 0; i < 4; i++) {
        int w = 0, h = 0;
        assert_int_equal(image_size(fixture(names[i]), &w, &h), BPNET_OK);
        assert_true(w == W && h == H);
    }
}

/* ---- saving ------------------------------------------------------------------------------ */

static void test_png_round_trip(void **state)
{
    (void)state;
    for (int channels = 1; channels <= 3; channels += 2) {
        struct image image, back;
        assert_int_equal(image_alloc(&image, 31, 17, channels), BPNET_OK);
        for (int i = 0; i < 31 * 17 * channels; i++)
            image.pixels[i] = (uint8_t)(i * 37 + i / 91);
        assert_int_equal(image_save(&image, scratch_path("it.PNG"), 90), BPNET_OK);
        assert_int_equal(image_load(&back, scratch_path("it.PNG"), channels), BPNET_OK);
        assert_true(back.w == 31 && back.h == 17 && back.channels == channels);
        assert_memory_equal(back.pixels, image.pixels, 31 * 17 * (size_t)channels);
        image_free(&image);
        image_free(&back);
    }
}

static void test_jpeg_round_trip_is_near(void **state)
{
    (void)state;
    for (int channels = 1; channels <= 3; channels += 2) {
        struct image image, back;
        assert_int_equal(image_alloc(&image, 40, 24, channels), BPNET_OK);
        for (int i = 0; i < 40 * 24 * channels; i++)
            image.pixels[i] = (uint8_t)(i / channels % 40 * 3 + i / channels / 40 * 4);
        assert_int_equal(image_save(&image, scratch_path("it.jpeg"), 95), BPNET_OK);
        assert_int_equal(image_load(&back, scratch_path("it.jpeg"), channels), BPNET_OK);
        assert_true(back.w == 40 && back.h == 24);
        for (int i = 0; i < 40 * 24 * channels; i++)
            assert_true(abs(back.pixels[i] - image.pixels[i]) <= 6);
        image_free(&image);
        image_free(&back);
    }
}

static void test_saving_fails_with_a_reason(void **state)
{
    (void)state;
    struct image image;
    assert_int_equal(image_alloc(&image, 64, 64, 3), BPNET_OK);
    for (int i = 0; i < 64 * 64 * 3; i++)
        image.pixels[i] = (uint8_t)(i * i);
    const int before = scratch_count();
    assert_int_equal(image_save(&image, scratch_path("it.gif"), 90), BPNET_EUSAGE);
    assert_message("none of .png, .jpg and .jpeg");
    assert_int_equal(image_save(&image, scratch_path("it.jpg"), 0), BPNET_EUSAGE);
    assert_int_equal(image_save(&image, scratch_path("no/such/it.jpg"), 90), BPNET_ECREATE);
    assert_int_equal(scratch_count(), before);
    /* A full disk: the names are links to the device that always is. */
    static const char *const names[] = {"full.png", "full.jpg"};
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(symlink("/dev/full", scratch_path(names[i])), 0);
        assert_int_equal(image_save(&image, scratch_path(names[i]), 90), BPNET_EIO);
        assert_message(names[i]);
        assert_message("No space left on device");
    }
    image_free(&image);
}

static void test_limits_of_allocation(void **state)
{
    (void)state;
    struct image image;
    assert_int_equal(image_alloc(&image, 0, 5, 3), BPNET_EFORMAT);
    assert_int_equal(image_alloc(&image, -5, 5, 3), BPNET_EFORMAT);
    assert_int_equal(image_alloc(&image, IMAGE_MAX_SIDE + 1, 1, 1), BPNET_ELIMIT);
    assert_int_equal(image_alloc(&image, 20000, 20000, 1), BPNET_ELIMIT);
    assert_int_equal(image_alloc(&image, 8, 8, 4), BPNET_EUSAGE);
    assert_null(image.pixels);
    image_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_png),
        cmocka_unit_test(test_jpegs_decode_as_elsewhere),
        cmocka_unit_test(test_grey_of_colour_and_colour_of_grey),
        cmocka_unit_test(test_orientation),
        cmocka_unit_test(test_damaged_exif_says_nothing),
        cmocka_unit_test(test_smaller_jpegs_are_means),
        cmocka_unit_test(test_smaller_pictures_of_every_kind),
        cmocka_unit_test(test_nothing_shrinks_away),
        cmocka_unit_test(test_every_truncation_is_refused),
        cmocka_unit_test(test_flipped_bits_never_crash),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_too_many_scans),
        cmocka_unit_test(test_other_files),
        cmocka_unit_test(test_size_from_header),
        cmocka_unit_test(test_png_round_trip),
        cmocka_unit_test(test_jpeg_round_trip_is_near),
        cmocka_unit_test(test_saving_fails_with_a_reason),
        cmocka_unit_test(test_limits_of_allocation),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
