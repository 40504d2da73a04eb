/* Pictures for calibration: folders, files of pixels, noise, and what is wrong with them. */
#include "base/error.h"
#include "base/log.h"
#include "base/rng.h"
#include "deploy/calibration_set.h"
#include "io/container.h"
#include "io/image.h"
#include "io/scratch.h"
#include "pose/letterbox.h"
#include "pose/resize.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { H = 24, W = 32, SIZE = H * W * 3 };

static const char *folder_of(const char *name, int n)
{
    const char *folder = scratch_path(name);
    assert_int_equal(folder_create(folder), 0);
    for (int i = 0; i < n; i++) {
        char path[256];
        struct image image;
        struct rng rng = rng_stream(3, (uint64_t)i, 0);
        assert_int_equal(image_alloc(&image, 40 + 3 * i, 30, 3), 0);
        for (int k = 0; k < image.w * image.h * 3; k++)
            image.pixels[k] = (uint8_t)rng_integer(&rng, 0, 255);
        snprintf(path, sizeof(path), "%s/%c.PNG", folder, 'a' + i);
        assert_int_equal(image_save(&image, path, 90), 0);
        image_free(&image);
    }
    return folder;
}

/* All pictures of a set, (n, h, w, 3), which is closed; free(). */
static uint8_t *all_of(struct calibration_set *set, size_t n)
{
    uint8_t *all = malloc(n * SIZE), last[SIZE];
    assert_non_null(all);
    for (size_t i = 0; i < n; i++) {
        const int got = calibration_set_next(set, all + i * SIZE);
        if (got != 1)
            fail_msg("picture %zu: %d, %s", i, got, error_message());
    }
    assert_int_equal(calibration_set_next(set, last), 0);
    calibration_set_rewind(set);
    assert_int_equal(calibration_set_next(set, last), 1);
    assert_memory_equal(last, all, SIZE);
    calibration_set_close(set);
    return all;
}

static struct calibration_set *open_it(struct calibration_source source)
{
    struct calibration_set *set;
    source.h = H;
    source.w = W;
    if (calibration_set_open(&set, &source) < 0)
        fail_msg("%s", error_message());
    return set;
}

static void test_folder(void **state)
{
    (void)state;
    const char *folder = folder_of("pictures", 5);
    uint8_t *five = all_of(open_it((struct calibration_source){.folder = folder, .n = 5}), 5);
    uint8_t *two = all_of(open_it((struct calibration_source){.folder = folder, .n = 2}), 2);
    assert_memory_equal(five, two, 2 * SIZE); /* the same beginning */
    uint8_t *other =
        all_of(open_it((struct calibration_source){.folder = folder, .n = 5, .seed = 8}), 5);
    assert_memory_not_equal(five, other, 5 * SIZE);

    /* Every picture once, letterboxed as inference does it. */
    for (int i = 0; i < 5; i++) {
        char path[256];
        struct image image;
        struct letterbox box;
        struct resizer resizer;
        uint8_t expected[SIZE];
        resizer_init(&resizer, CPU_REF);
        snprintf(path, sizeof(path), "%s/%c.PNG", folder, 'a' + i);
        assert_int_equal(image_load(&image, path, 3), 0);
        assert_int_equal(letterbox_plan(&box, image.w, image.h, W, H, ASPECT_PAD_IMAGE), 0);
        assert_int_equal(resizer_run_bytes(&resizer, &image, &box, true, expected, W, NULL), 0);
        int found = 0;
        for (int k = 0; k < 5; k++)
            found += memcmp(five + k * SIZE, expected, SIZE) == 0;
        assert_int_equal(found, 1);
        resizer_free(&resizer);
        image_free(&image);
    }
    uint8_t *stretched =
        all_of(open_it((struct calibration_source){.folder = folder, .n = 5, .stretch = true}), 5);
    assert_memory_not_equal(five, stretched, 5 * SIZE);
    free(five);
    free(two);
    free(other);
    free(stretched);
}

static void test_data_file(void **state)
{
    (void)state;
    const char *folder = folder_of("kept", 4), *file = scratch_path("cal.tensors");
    uint8_t *direct = all_of(open_it((struct calibration_source){.folder = folder, .n = 3}), 3);
    const struct calibration_source source = {.folder = folder, .data_file = file, .n = 3};
    uint8_t *written = all_of(open_it(source), 3);
    assert_memory_equal(direct, written, 3 * SIZE);
    scratch_remove(folder); /* the file is enough from now on */
    uint8_t *again = all_of(open_it((struct calibration_source){.data_file = file, .n = 3}), 3);
    assert_memory_equal(direct, again, 3 * SIZE);
    uint8_t *fewer = all_of(open_it((struct calibration_source){.data_file = file, .n = 2}), 2);
    assert_memory_equal(direct, fewer, 2 * SIZE);
    free(direct);
    free(written);
    free(again);
    free(fewer);

    struct calibration_set *set;
    struct calibration_source other = {.data_file = file, .n = 4, .h = H, .w = W};
    assert_int_equal(calibration_set_open(&set, &other), BPNET_EUSAGE);
    assert_non_null(strstr(error_message(), "cal.tensors: made for another calibration: count 3, "
                                            "expected 4; remove it to have it made anew"));
    other = (struct calibration_source){.data_file = file, .n = 3, .h = W, .w = W};
    assert_int_equal(calibration_set_open(&set, &other), BPNET_EUSAGE);
    assert_non_null(strstr(error_message(), "height 24, expected 32"));
    other = (struct calibration_source){.data_file = file, .n = 3, .h = H, .w = W, .stretch = true};
    assert_int_equal(calibration_set_open(&set, &other), BPNET_EUSAGE);
    assert_null(set);
}

/* Files that say more than they hold, or are something else. */
static void test_bad_data_files(void **state)
{
    (void)state;
    struct calibration_set *set;
    const char *file = scratch_path("bad.tensors");
    const struct calibration_source source = {.data_file = file, .n = 9, .h = H, .w = W};
    static const char info[] = "{\"count\": 9, \"height\": 24, \"width\": 32, \"stretched\": 0}";
    static const uint8_t few[SIZE];
    struct section sections[] = {{"info", info, sizeof(info) - 1}, {"pixels", few, sizeof(few)}};
    assert_int_equal(container_write(file, "calibration", sections, 2, NULL), 0);
    assert_int_equal(calibration_set_open(&set, &source), BPNET_EFORMAT);
    assert_non_null(strstr(error_message(), "2304 bytes of pixels, expected 9 pictures of 2304"));
    sections[0].size -= 1;
    assert_int_equal(container_write(file, "calibration", sections, 2, NULL), 0);
    assert_int_equal(calibration_set_open(&set, &source), BPNET_EFORMAT);
    assert_int_equal(container_write(file, "model", sections, 2, NULL), 0);
    assert_int_equal(calibration_set_open(&set, &source), BPNET_EFORMAT);
}

static void test_bad_folders(void **state)
{
    (void)state;
    struct calibration_set *set;
    const char *folder = folder_of("few", 3);
    struct calibration_source source = {.folder = folder, .n = 4, .h = H, .w = W};
    assert_int_equal(calibration_set_open(&set, &source), BPNET_EUSAGE);
    assert_non_null(strstr(error_message(), "3 pictures for calibration, expected at least 4"));
    source.folder = scratch_path("absent");
    assert_int_equal(calibration_set_open(&set, &source), BPNET_ENOENT);

    /* A damaged picture is replaced while there are others. */
    uint8_t pixels[SIZE];
    char path[256];
    snprintf(path, sizeof(path), "%s/d.jpg", folder);
    assert_int_equal(file_write(path, "no picture", 10), 0);
    source = (struct calibration_source){.folder = folder, .n = 3, .h = H, .w = W};
    free(all_of(open_it(source), 3));
    source.n = 4;
    assert_int_equal(calibration_set_open(&set, &source), 0);
    for (int i = 0; i < 3; i++)
        assert_int_equal(calibration_set_next(set, pixels), 1);
    assert_int_equal(calibration_set_next(set, pixels), BPNET_EUSAGE);
    assert_non_null(strstr(error_message(), "only 3 of its 4 pictures can be read, expected 4"));
    calibration_set_close(set);

    /* Nothing is left of a data file that could not be finished. */
    const int before = scratch_count();
    source.data_file = scratch_path("unfinished");
    assert_int_equal(calibration_set_open(&set, &source), BPNET_EUSAGE);
    assert_int_equal(scratch_count(), before);
}

static void test_noise(void **state)
{
    (void)state;
    uint8_t *a = all_of(open_it((struct calibration_source){.n = 2}), 2);
    uint8_t *b = all_of(open_it((struct calibration_source){.n = 2}), 2);
    uint8_t *c = all_of(open_it((struct calibration_source){.n = 2, .seed = 1}), 2);
    assert_memory_equal(a, b, 2 * SIZE);
    assert_memory_not_equal(a, c, 2 * SIZE);
    assert_memory_not_equal(a, a + SIZE, SIZE);
    free(a);
    free(b);
    free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folder),         cmocka_unit_test(test_data_file),
        cmocka_unit_test(test_bad_data_files), cmocka_unit_test(test_bad_folders),
        cmocka_unit_test(test_noise),
    };
    log_set_level(LOG_QUIET);
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
