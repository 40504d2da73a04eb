/* TensorRT's calibration tables: golden scales, round trips, every way to be wrong. */
#include "base/error.h"
#include "base/rng.h"
#include "deploy/ranges.h"
#include "io/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* amax 0.5, 1, 6 and 127 by TensorRT's rule, computed by an independent script. */
static void test_golden(void **state)
{
    (void)state;
    struct ranges r = {0};
    assert_int_equal(ranges_set(&r, "input_1", 1.0F), 0);
    assert_int_equal(ranges_set(&r, "half", 0.5F), 0);
    assert_int_equal(ranges_set(&r, "relu 6", 6.0F), 0);
    assert_int_equal(ranges_set(&r, "one", 3.0F), 0);
    assert_int_equal(ranges_set(&r, "one", 127.0F), 0);
    assert_int_equal(ranges_set(&r, "nothing", 0.0F), 0);
    const char *path = scratch_path("golden.bin");
    assert_int_equal(ranges_write(&r, path), 0);
    char *text = scratch_read(path, NULL);
    assert_string_equal(text, "TRT-8501-EntropyCalibration2\n"
                              "input_1:0: 3c010204\n"
                              "half:0: 3b810204\n"
                              "relu 6:0: 3d418306\n"
                              "one:0: 3f800000\n"
                              "nothing:0: 00000000\n");
    free(text);
    struct ranges back;
    assert_int_equal(ranges_read(&back, path), 0);
    assert_int_equal(back.n, 5);
    assert_true(ranges_find(&back, "one")->amax == 127.0F);
    assert_true(ranges_find(&back, "input_1")->amax == ranges_find(&r, "input_1")->amax);
    assert_null(ranges_find(&back, "input_1:0"));
    ranges_free(&back);
    ranges_free(&r);
}

/* What is set is what a file gives back, to the bit, and within rounding what was given. */
static void test_round_trip(void **state)
{
    (void)state;
    struct ranges r = {0}, back;
    for (uint32_t i = 0; i < 5000; i++) {
        struct rng rng = rng_stream(7, i, 0);
        char name[32];
        snprintf(name, sizeof(name), "t%u", i);
        const float amax = (float)pow(10.0, rng_range(&rng, -30, 29));
        assert_int_equal(ranges_set(&r, name, amax), 0);
        assert_true(fabsf(r.items[i].amax - amax) <= 2e-7F * amax);
    }
    const char *path = scratch_path("many.bin");
    assert_int_equal(ranges_write(&r, path), 0);
    assert_int_equal(ranges_read(&back, path), 0);
    assert_int_equal(back.n, r.n);
    for (size_t i = 0; i < r.n; i++) {
        assert_string_equal(back.items[i].name, r.items[i].name);
        assert_memory_equal(&back.items[i].amax, &r.items[i].amax, sizeof(float));
    }
    ranges_free(&back);
    ranges_free(&r);
}

/* Other writers' habits: any version, CRLF, capitals, blank lines, no line break at the end. */
static void test_foreign(void **state)
{
    (void)state;
    struct ranges r;
    static const char text[] = "TRT-7203-EntropyCalibration2\r\n"
                               "a/b:0: 3F800000\r\n"
                               "\r\n"
                               "c:\t3c010204";
    assert_int_equal(ranges_parse(&r, text, sizeof(text) - 1, "it"), 0);
    assert_int_equal(r.n, 2);
    assert_true(ranges_find(&r, "a/b")->amax == 127.0F);
    assert_non_null(ranges_find(&r, "c"));
    ranges_free(&r);
}

static void test_bad_files(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "it:1: not a calibration table, expected 'TRT-8501-EntropyCalibration2'"},
        {"a: 3f800000\n", "it:1: not a calibration table, expected 'TRT-8501-EntropyCalibration2'"},
        {"TRT-1\na 3f800000\n", "it:2: found 'a 3f800000', expected '<tensor>: <8 hex digits>'"},
        {"TRT-1\n: 3f800000\n", "it:2: found ': 3f800000', expected '<tensor>: <8 hex digits>'"},
        {"TRT-1\na: 3f80000\n", "it:2: found 'a: 3f80000', expected '<tensor>: <8 hex digits>'"},
        {"TRT-1\na: 3f8000000\n",
         "it:2: found 'a: 3f8000000', expected '<tensor>: <8 hex digits>'"},
        {"TRT-1\na:3f800000\n", "it:2: found 'a:3f800000', expected '<tensor>: <8 hex digits>'"},
        {"TRT-1\n\na: 3f80000g\n",
         "it:3: found 'a: 3f80000g', expected '<tensor>: <8 hex digits>'"},
        {"TRT-1\na: bf800000\n", "it:2: 'a' has the range -127, expected 0 to 1e+30"},
        {"TRT-1\na: 7fc00000\n", "it:2: 'a' has the range nan, expected 0 to 1e+30"},
        {"TRT-1\na: 7f7fffff\n", "it:2: 'a' has the range inf, expected 0 to 1e+30"},
        {"TRT-1\na: 3f800000\nb: 3f800000\na: 3f800000\n", "it:4: 'a' is there twice"},
        {"TRT-1\na: 3f800000\na:0: 3f800000\n", "it:3: 'a' is there twice"},
        {"TRT-1\n"
         "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffff1234: 3f800000\n",
         "it:2: a name of 64 bytes, expected at most 63"},
        {"TRT-1\na:0/3: 3f000000\n", "it:2: a factor of 'a' that is not behind its range"},
        {"TRT-1\na: 3f800000\nb: 3f800000\na:0/0: 3f000000\n",
         "it:4: a factor of 'a' that is not behind its range"},
        {"TRT-1\na: 3f800000\na:0/7: 00000000\n",
         "it:3: channel 7 of 'a' has the factor 0, expected more than 0 to 1"},
        {"TRT-1\na: 3f800000\na:0/7: 40000000\n",
         "it:3: channel 7 of 'a' has the factor 2, expected more than 0 to 1"},
        {"TRT-1\na: 3f800000\na:0/7: 7fc00000\n",
         "it:3: channel 7 of 'a' has the factor nan, expected more than 0 to 1"},
        {"TRT-1\na: 3f800000\na:0/4096: 3f000000\n",
         "it:3: a factor of channel 4096 of 'a', expected 0 to 4095"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ranges r;
        assert_int_equal(ranges_parse(&r, cases[i].text, strlen(cases[i].text), "it"),
                         BPNET_EFORMAT);
        assert_string_equal(error_message(), cases[i].message);
        assert_null(r.items);
    }
    struct ranges r;
    assert_int_equal(ranges_read(&r, scratch_path("absent")), BPNET_ENOENT);
}

/* Factors follow their tensor; those of 1 are not written. */
static void test_factors(void **state)
{
    (void)state;
    static const float factors[] = {1, 0.5F, 1, 0.0009765625F, 1};
    struct ranges r = {0}, back, copy = {0};
    struct str text = {0};
    assert_int_equal(ranges_set(&r, "a", 127), 0);
    assert_int_equal(ranges_set(&r, "b/1", 127), 0);
    assert_int_equal(ranges_set_factors(&r, "a", factors, 5), 0);
    assert_int_equal(ranges_set_factors(&r, "c", factors, 5), BPNET_EUSAGE);
    assert_string_equal(error_message(), "factors of 'c', which has no range");
    ranges_print(&r, &text);
    assert_string_equal(text.text, "TRT-8501-EntropyCalibration2\n"
                                   "a:0: 3f800000\n"
                                   "a:0/1: 3f000000\n"
                                   "a:0/3: 3a800000\n"
                                   "b/1:0: 3f800000\n");
    assert_int_equal(ranges_parse(&back, text.text, text.length, "it"), 0);
    assert_int_equal(ranges_copy(&copy, &back), 0);
    assert_int_equal(copy.n, 2);
    assert_int_equal(copy.items[0].n_factors, 4);
    assert_memory_equal(copy.items[0].factors, factors, 4 * sizeof(float));
    assert_null(ranges_find(&copy, "b/1")->factors);
    str_free(&text);
    ranges_free(&r);
    ranges_free(&back);
    ranges_free(&copy);
}

/* Whose ranges they are is kept, and what only resembles it is a tensor like any other. */
static void test_weights(void **state)
{
    (void)state;
    struct ranges r = {0}, copy = {0}, back;
    const char *path = scratch_path("weights.bin"), *hash = "0123456789abcdef0123456789ABCDEF";
    memcpy(r.weights, hash, sizeof r.weights);
    assert_int_equal(ranges_set(&r, "a", 1), 0);
    assert_int_equal(ranges_copy(&copy, &r), 0);
    assert_int_equal(ranges_write(&copy, path), 0);
    char *text = scratch_read(path, NULL);
    assert_string_equal(text, "TRT-8501-EntropyCalibration2\n"
                              "bpnet_weights/0123456789abcdef0123456789ABCDEF: 3c010204\n"
                              "a:0: 3c010204\n");
    free(text);
    assert_int_equal(ranges_read(&back, path), 0);
    assert_string_equal(back.weights, hash);
    assert_int_equal(back.n, 1);
    ranges_free(&back);
    assert_string_equal(back.weights, "");
    ranges_free(&r);
    ranges_free(&copy);
    static const char others[] = "TRT-1\n"
                                 "bpnet_weights/0123456789abcdef0123456789abcde: 3c010204\n"
                                 "bpnet_weights/0123456789abcdef0123456789abcdefa: 3c010204\n"
                                 "bpnet_weights/0123456789abcdef0123456789abcdeg: 3c010204\n"
                                 "x/bpnet_weights/0123456789abcdef0123456789abcdef: 3c010204\n";
    assert_int_equal(ranges_parse(&back, others, sizeof others - 1, "others"), 0);
    assert_int_equal(back.n, 4);
    assert_string_equal(back.weights, "");
    ranges_free(&back);
}

static void test_bad_values(void **state)
{
    (void)state;
    struct ranges r = {0};
    assert_int_equal(ranges_set(&r, "a", -1.0F), BPNET_EUSAGE);
    assert_int_equal(ranges_set(&r, "a", NAN), BPNET_EUSAGE);
    assert_int_equal(ranges_set(&r, "a", INFINITY), BPNET_EUSAGE);
    assert_string_equal(error_message(), "range of 'a': inf, expected 0 to 1e+30");
    assert_int_equal(ranges_set(&r, "", 1.0F), BPNET_EUSAGE);
    assert_int_equal(ranges_set(&r, "a\nb", 1.0F), BPNET_EUSAGE);
    assert_int_equal(r.n, 0);
    assert_int_equal(ranges_set(&r, "a", 1.0F), 0);
    assert_int_equal(ranges_write(&r, "/proc/none/cal.bin"), BPNET_ECREATE);
    ranges_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),     cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_foreign),    cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_factors),    cmocka_unit_test(test_weights),
        cmocka_unit_test(test_bad_values),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
