/*
 * The file of timings: what was saved is found again, what is of another team is not, and a damaged
 * file is as good as none.
 */
#include "deploy/timing_cache.h"

#include "base/error.h"
#include "base/log.h"
#include "io/file.h"
#include "io/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct conv_shape shape = {
    .g = {.in_h = 8,
          .in_w = 9,
          .in_c = 3,
          .out_h = 8,
          .out_w = 9,
          .out_c = 5,
          .kernel_h = 3,
          .kernel_w = 3,
          .stride = 1,
          .dilation = 1,
          .pad_top = 1,
          .pad_left = 1,
          .in_pitch = 3,
          .out_pitch = 16},
    .in = MAP_U8,
    .out = MAP_F32,
};

/* Whether a file of one timing has it for a team of this size. */
static bool finds(const char *path, unsigned threads, int64_t expected)
{
    struct timing_cache c;
    char text[TIMING_SHAPE_SIZE];
    int64_t ns = 0;
    timing_shape(text, &shape);
    assert_int_equal(timing_cache_open(&c, path, threads), 0);
    const bool found = timing_cache_find(&c, text, "kernel", &ns);
    assert_false(timing_cache_find(&c, text, "kerne", &ns));
    timing_cache_close(&c);
    return found && ns == expected;
}

static void save(const char *path, int64_t ns)
{
    struct timing_cache c;
    char text[TIMING_SHAPE_SIZE];
    timing_shape(text, &shape);
    assert_int_equal(timing_cache_open(&c, path, 2), 0);
    assert_int_equal(timing_cache_add(&c, text, "kernel", ns), 0);
    assert_int_equal(timing_cache_save(&c), 0);
    timing_cache_close(&c);
}

static void test_shape(void **state)
{
    (void)state;
    char a[TIMING_SHAPE_SIZE], b[TIMING_SHAPE_SIZE];
    struct conv_shape other = shape;
    timing_shape(a, &shape);
    assert_string_equal(a, "u8-f32 8x9x3/3 8x9x5/16 k3x3 s1 d1 p1,1");
    other.adds = other.depthwise = true;
    timing_shape(b, &other);
    assert_string_equal(b, "dw-u8-f32+add 8x9x3/3 8x9x5/16 k3x3 s1 d1 p1,1");
}

static void test_remembers(void **state)
{
    (void)state;
    const char *path = scratch_path("timings");
    assert_false(finds(path, 2, 123));
    save(path, 123);
    assert_true(finds(path, 2, 123));
    assert_false(finds(path, 3, 123)); /* another team */
    save(path, 456);
    assert_true(finds(path, 2, 456)); /* the newest counts */
    assert_true(finds(NULL, 2, 0) == false);
}

static void test_damaged(void **state)
{
    (void)state;
    const char *path = scratch_path("damaged");
    struct file_view file;
    save(path, 789);
    assert_int_equal(file_view_open(&file, path, SIZE_MAX), 0);
    const size_t size = file.size;
    char *bytes = malloc(size);
    memcpy(bytes, file.bytes, size);
    file_view_close(&file);
    log_set_level(LOG_QUIET);
    for (size_t i = 0; i < size; i++) { /* every byte, and every length */
        bytes[i] = (char)(bytes[i] ^ 4);
        assert_int_equal(file_write(path, bytes, size), 0);
        assert_false(finds(path, 2, 789));
        bytes[i] = (char)(bytes[i] ^ 4);
        assert_int_equal(file_write(path, bytes, i), 0);
        assert_false(finds(path, 2, 789));
    }
    log_set_level(LOG_INFO);
    save(path, 790); /* it is written anew */
    assert_true(finds(path, 2, 790));
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_remembers),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
