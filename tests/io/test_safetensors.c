/* safetensors: a file by the format's own library, round trips, and every way of being wrong. */
#include "base/error.h"
#include "io/safetensors.h"

#include "io/scratch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_message(part)                                                                       \
    do {                                                                                           \
        if (!strstr(error_message(), part))                                                        \
            fail_msg("'%s' is not in '%s'", part, error_message());                                \
    } while (0)

/* fixture/io/make_safetensors.py */
static void test_a_file_by_other_hands(void **state)
{
    (void)state;
    struct safetensors s;
    float values[8];
    assert_int_equal(safetensors_open(&s, FIXTURES "/io/other.safetensors"), BPNET_OK);
    assert_int_equal(s.n_tensors, 6);
    assert_null(safetensors_find(&s, "__metadata__"));

    const struct safetensor *t = safetensors_find(&s, "conv.weight");
    assert_non_null(t);
    assert_true(t->type == SAFETENSORS_F32 && t->rank == 2 && t->n == 6);
    assert_true(t->shape[0] == 2 && t->shape[1] == 3);
    assert_int_equal(safetensor_to_float(values, t), BPNET_OK);
    for (int i = 0; i < 6; i++)
        assert_true(values[i] == (float)i / 4 - 0.5f);

    t = safetensors_find(&s, "half");
    assert_true(t && t->type == SAFETENSORS_F16 && t->n == 7);
    assert_int_equal(safetensor_to_float(values, t), BPNET_OK);
    static const float half[] = {1.5f,      -2.0f,    65504.0f,      0x1p-24f,
                                 -0x1p-14f, INFINITY, 0x1.998000p-4f};
    for (int i = 0; i < 7; i++)
        assert_true(values[i] == half[i]);

    t = safetensors_find(&s, "brain");
    assert_true(t && t->type == SAFETENSORS_BF16 && t->n == 4);
    assert_int_equal(safetensor_to_float(values, t), BPNET_OK);
    assert_true(values[0] == 1.5f && values[1] == -3.0f);
    assert_true(values[2] == 0x1.2cp+126f && values[3] == 0x1.9ap-4f);

    t = safetensors_find(&s, "double");
    assert_int_equal(safetensor_to_float(values, t), BPNET_OK);
    assert_true(values[0] == 0.1f && values[1] == -7.0f);

    t = safetensors_find(&s, "batches");
    assert_true(t && t->type == SAFETENSORS_I64 && t->rank == 0 && t->n == 1);
    assert_int_equal(safetensor_to_float(values, t), BPNET_EUNSUPPORTED);
    assert_message("'batches' is of dtype I64, expected floats");

    t = safetensors_find(&s, "nothing");
    assert_true(t && t->n == 0 && t->rank == 2);
    assert_int_equal(safetensor_to_float(values, t), BPNET_OK);
    safetensors_close(&s);
    safetensors_close(&s);
}

static void test_nan_of_halves(void **state)
{
    (void)state;
    const uint16_t bits[] = {0x7e01, 0xfc00, 0x8000, 0x8001};
    float values[4];
    const struct safetensor t = {.name = "t", .type = SAFETENSORS_F16, .bytes = bits, .n = 4};
    assert_int_equal(safetensor_to_float(values, &t), BPNET_OK);
    assert_true(isnan(values[0]) && values[1] == -INFINITY);
    assert_true(values[2] == 0 && signbit(values[2]) && values[3] == -0x1p-24f);
}

static void test_round_trip(void **state)
{
    (void)state;
    const float weights[6] = {1, -2, 0.1f, INFINITY, 5, 6}, bias = 7;
    const struct safetensor tensors[] = {
        {"stem/conv \"1\".weight", SAFETENSORS_F32, 3, {1, 2, 3}, weights, 6},
        {"b\xc3\xa9ta", SAFETENSORS_F32, 0, {0}, &bias, 1},
        {"empty", SAFETENSORS_F32, 1, {0}, NULL, 0},
    };
    const char *path = scratch_path("it.safetensors");
    assert_int_equal(safetensors_write(path, tensors, 3), BPNET_OK);
    size_t n;
    char *bytes = scratch_read(path, &n);
    assert_int_equal(bytes[0] % 8, 0); /* the data that follows is aligned */
    free(bytes);
    struct safetensors s;
    assert_int_equal(safetensors_open(&s, path), BPNET_OK);
    assert_int_equal(s.n_tensors, 3);
    const struct safetensor *t = safetensors_find(&s, tensors[0].name);
    assert_true(t && t->rank == 3 && t->shape[2] == 3);
    assert_memory_equal(t->bytes, weights, sizeof(weights));
    t = safetensors_find(&s, tensors[1].name);
    assert_true(t && t->rank == 0);
    assert_memory_equal(t->bytes, &bias, sizeof(bias));
    safetensors_close(&s);
    assert_int_equal(safetensors_write(path, NULL, 0), BPNET_OK);
    assert_int_equal(safetensors_open(&s, path), BPNET_OK);
    assert_int_equal(s.n_tensors, 0);
    safetensors_close(&s);
}

static void test_writing_fails_with_a_reason(void **state)
{
    (void)state;
    const float one = 1;
    const struct safetensor twice[] = {{"a", SAFETENSORS_F32, 0, {0}, &one, 1},
                                       {"a", SAFETENSORS_F32, 0, {0}, &one, 1}};
    const struct safetensor wrong = {"a", SAFETENSORS_F32, 1, {2}, &one, 1};
    const char *path = scratch_path("none.safetensors");
    assert_int_equal(safetensors_write(path, twice, 2), BPNET_EUSAGE);
    assert_int_equal(safetensors_write(path, &wrong, 1), BPNET_EUSAGE);
    assert_int_equal(safetensors_write("/dev/full", twice, 1), BPNET_EIO);
    assert_int_equal(safetensors_write(scratch_path("no/such"), twice, 1), BPNET_ECREATE);
    assert_false(file_exists(path));
}

/* ---- damage ------------------------------------------------------------------------------ */

/* A file with this header and `data` bytes of tensors. */
static int open_text(const char *header, size_t data)
{
    const uint64_t length = strlen(header);
    uint8_t *bytes = calloc(1, 8 + length + data);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, header, length);
    struct safetensors s;
    const int code = safetensors_open_memory(&s, bytes, 8 + length + data, "it");
    safetensors_close(&s);
    free(bytes);
    return code;
}

#define T(type, shape, offsets)                                                                    \
    "{\"dtype\": \"" type "\", \"shape\": " shape ", \"data_offsets\": " offsets "}"

static void test_wrong_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data;
        int code;
        const char *message;
    } cases[] = {
        {"{\"a\": " T("F32", "[2]", "[0, 8]") "}", 8, BPNET_OK, ""},
        {"{\"a\": " T("F32", "[2]", "[0, 8]") "}  \n", 8, BPNET_OK, ""},
        {"{\"a\": " T("F32", "[2]", "[0, 8]") "}", 9, BPNET_EFORMAT, "9 bytes of data"},
        {"{\"a\": " T("F32", "[2]", "[0, 8]") "}", 7, BPNET_EFORMAT, "but the file holds 7"},
        {"{\"a\": " T("F32", "[3]", "[0, 8]") "}", 8, BPNET_EFORMAT, "its shape takes 12"},
        {"{\"a\": " T("F16", "[2]", "[8, 4]") "}", 8, BPNET_EFORMAT, "bytes 8..4"},
        {"{\"a\": " T("F32", "[2]", "[4, 12]") "}", 12, BPNET_EFORMAT, "begins at byte 4"},
        {"{\"a\": " T("F32", "[2]", "[0, 8]") ", \"b\": " T("F32", "[1]", "[4, 8]") "}", 8,
         BPNET_EFORMAT, "tensor 'b' begins at byte 4, the one before it ends at 8"},
        {"{\"a\": " T("F32", "[2]", "[0, 8]") ", \"a\": " T("F32", "[2]", "[0, 8]") "}", 8,
         BPNET_EFORMAT, "duplicate"},
        {"{\"a\": " T("F8", "[8]", "[0, 8]") "}", 8, BPNET_EUNSUPPORTED, "dtype 'F8'"},
        {"{\"a\": " T("F32", "[-2]", "[0, 8]") "}", 8, BPNET_EFORMAT, "not a size"},
        {"{\"a\": " T("F32", "[2.0]", "[0, 8]") "}", 8, BPNET_EFORMAT, "not a size"},
        {"{\"a\": " T("F32", "[1, 1, 1, 1, 1, 1, 1, 1, 2]", "[0, 8]") "}", 8, BPNET_ELIMIT,
         "9 dimensions"},
        {"{\"a\": " T("F32", "[281474976710656, 65536, 4]", "[0, 8]") "}", 8, BPNET_EFORMAT,
         "more elements than a file"},
        {"{\"a\": " T("F32", "[2]", "[0]") "}", 8, BPNET_EFORMAT, "data_offsets"},
        {"{\"a\": " T("F32", "[2]", "[0, 9223372036854775807]") "}", 8, BPNET_EFORMAT,
         "data_offsets"},
        {"{\"a\": " T("F32", "2", "[0, 8]") "}", 8, BPNET_EFORMAT, "expected an array"},
        {"{\"a\": 3}", 8, BPNET_EFORMAT, "expected an object"},
        {"[1]", 0, BPNET_EFORMAT, "no JSON header"},
        {"{\"a\": ", 0, BPNET_EFORMAT, "it:"},
        {"", 0, BPNET_EFORMAT, "no JSON header"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (open_text(cases[i].header, cases[i].data) != cases[i].code)
            fail_msg("%s: %s", cases[i].header, error_message());
        if (cases[i].code < 0)
            assert_message(cases[i].message);
    }
}

static void test_every_truncation_is_refused(void **state)
{
    (void)state;
    size_t n;
    char *bytes = scratch_read(FIXTURES "/io/other.safetensors", &n);
    for (size_t cut = 0; cut < n; cut++) {
        uint8_t *exact = malloc(cut ? cut : 1);
        memcpy(exact, bytes, cut);
        struct safetensors s;
        assert_int_equal(safetensors_open_memory(&s, exact, cut, "it"), BPNET_EFORMAT);
        assert_null(s.tensors);
        free(exact);
    }
    bytes[3] = 0x7f; /* a header of two thousand million bytes */
    struct safetensors s;
    assert_int_equal(safetensors_open_memory(&s, (uint8_t *)bytes, n, "it"), BPNET_EFORMAT);
    assert_message("its header alone claims");
    free(bytes);
    assert_int_equal(safetensors_open(&s, scratch_path("none")), BPNET_ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_by_other_hands),
        cmocka_unit_test(test_nan_of_halves),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_writing_fails_with_a_reason),
        cmocka_unit_test(test_wrong_headers),
        cmocka_unit_test(test_every_truncation_is_refused),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
