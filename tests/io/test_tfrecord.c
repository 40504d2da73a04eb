/* TFRecord frames, checksums and Examples: known values, round trips, a file by other hands,
 * damage. */
#include "base/error.h"
#include "base/rng.h"
#include "io/crc32c.h"
#include "io/example.h"
#include "io/tfrecord.h"

#include "io/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define assert_message(part)                                                                       \
    do {                                                                                           \
        if (!strstr(error_message(), part))                                                        \
            fail_msg("'%s' is not in '%s'", part, error_message());                                \
    } while (0)

/* RFC 3720, B.4, and the usual check value. */
static void test_crc32c_known_values(void **state)
{
    (void)state;
    uint8_t bytes[32] = {0};
    assert_int_equal(crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(crc32c_plain("123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(bytes, 32), 0x8a9136aa);
    memset(bytes, 0xff, 32);
    assert_int_equal(crc32c(bytes, 32), 0x62a8ab43);
    for (int i = 0; i < 32; i++)
        bytes[i] = (uint8_t)i;
    assert_int_equal(crc32c(bytes, 32), 0x46dd794e);
    assert_int_equal(crc32c("", 0), 0);
}

static void test_crc32c_levels_agree(void **state)
{
    (void)state;
    uint8_t bytes[300];
    struct rng rng = rng_stream(1, 2, 3);
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)rng_next(&rng);
    for (size_t n = 0; n <= 280; n++)
        assert_int_equal(crc32c(bytes + n % 17, n), crc32c_plain(bytes + n % 17, n));
}

/* ---- framing ----------------------------------------------------------------------------- */

static const char *write_records(const char *name, size_t n)
{
    static uint8_t bytes[1000];
    struct tfrecord_writer w;
    assert_int_equal(tfrecord_writer_open(&w, scratch_path(name)), BPNET_OK);
    for (size_t i = 0; i < n; i++) {
        memset(bytes, (int)i, sizeof(bytes));
        assert_int_equal(tfrecord_write(&w, bytes, i * 37 % 1000), BPNET_OK);
    }
    assert_int_equal(w.n_records, n);
    assert_int_equal(tfrecord_writer_commit(&w), BPNET_OK);
    tfrecord_writer_abort(&w);
    return scratch_path(name);
}

static void test_records_come_back(void **state)
{
    (void)state;
    const char *path = write_records("many.tfrecord", 600);
    struct tfrecord_reader r;
    size_t *offsets, n;
    assert_int_equal(tfrecord_open(&r, path), BPNET_OK);
    assert_int_equal(tfrecord_index(&r, &offsets, &n), BPNET_OK);
    assert_int_equal(n, 600);
    for (size_t i = n; i-- > 0;) { /* in any order */
        const uint8_t *bytes;
        size_t size, next;
        assert_int_equal(tfrecord_at(&r, offsets[i], &bytes, &size, &next), BPNET_OK);
        assert_int_equal(size, i * 37 % 1000);
        for (size_t k = 0; k < size; k++)
            assert_int_equal(bytes[k], (uint8_t)i);
        assert_int_equal(next, i + 1 < n ? offsets[i + 1] : r.file.size);
    }
    free(offsets);
    tfrecord_close(&r);
}

static void test_frame_bytes(void **state)
{
    (void)state;
    /* crc32c of 01 00 … 00 and of 'a' by hand: masked is rotr(sum, 15) + 0xa282ead8. */
    uint8_t head[TFRECORD_HEAD], tail[4];
    tfrecord_frame(head, tail, "a", 1);
    const uint32_t sum = crc32c_plain("\1\0\0\0\0\0\0\0", 8);
    const uint32_t masked = ((sum >> 15) | (sum << 17)) + 0xa282ead8u;
    assert_memory_equal(head, "\1\0\0\0\0\0\0\0", 8);
    for (int i = 0; i < 4; i++)
        assert_int_equal(head[8 + i], masked >> 8 * i & 255);
    assert_int_equal(crc32c_plain("a", 1), 0xc1d04330);
    assert_memory_equal(tail, "\x78\x6e\xe4\x28", 4); /* 0x866183a0 + 0xa282ead8 */
}

static int read_all(const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1);
    memcpy(exact, bytes, size);
    struct tfrecord_reader r;
    assert_int_equal(tfrecord_open_memory(&r, exact, size, "it"), BPNET_OK);
    int error = BPNET_OK;
    for (size_t at = 0; at < r.file.size && error == BPNET_OK;) {
        const uint8_t *data;
        size_t n;
        error = tfrecord_at(&r, at, &data, &n, &at);
    }
    size_t *offsets, n;
    const int indexed = tfrecord_index(&r, &offsets, &n);
    assert_true(indexed == BPNET_OK || error < 0);
    free(offsets);
    tfrecord_close(&r);
    free(exact);
    return error;
}

static void test_damage_is_seen(void **state)
{
    (void)state;
    size_t n;
    const char *path = write_records("few.tfrecord", 5);
    uint8_t *bytes = (uint8_t *)scratch_read(path, &n);
    assert_int_equal(read_all(bytes, n), BPNET_OK);
    size_t boundaries = 0;
    for (size_t cut = 0; cut < n; cut++)
        if (read_all(bytes, cut) == BPNET_OK)
            boundaries++; /* a file may end after any record: TFRecord cannot tell */
    assert_int_equal(boundaries, 5);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1 << bit % 8);
        assert_int_equal(read_all(bytes, n), BPNET_EFORMAT);
        bytes[bit / 8] = (uint8_t)(bytes[bit / 8] ^ 1 << bit % 8);
    }
    bytes[20] ^= 1;
    read_all(bytes, n);
    assert_message("offset 16");
    free(bytes);
    assert_int_equal(read_all((const uint8_t *)"hello, this is a text", 21), BPNET_EFORMAT);
    assert_message("not a TFRecord file");
}

static void test_a_length_beyond_the_limit(void **state)
{
    (void)state;
    uint8_t head[16] = {0, 0, 0, 0, 1};
    const uint32_t sum = crc32c_masked(head, 8);
    for (int i = 0; i < 4; i++)
        head[8 + i] = (uint8_t)(sum >> 8 * i);
    assert_int_equal(read_all(head, 16), BPNET_ELIMIT);
    assert_message("4294967296 bytes");
}

static void test_writing_fails_with_a_reason(void **state)
{
    (void)state;
    struct tfrecord_writer w;
    assert_int_equal(tfrecord_writer_open(&w, scratch_path("no/such/it")), BPNET_ECREATE);
    assert_int_equal(tfrecord_writer_open(&w, scratch_path("it")), BPNET_OK);
    assert_int_equal(tfrecord_write(&w, "", (size_t)TFRECORD_MAX_RECORD + 1), BPNET_ELIMIT);
    tfrecord_writer_abort(&w);
    assert_false(file_exists(scratch_path("it")));
    assert_int_equal(tfrecord_writer_open(&w, "/dev/full"), BPNET_OK);
    tfrecord_write(&w, "some", 4);
    assert_int_equal(tfrecord_writer_commit(&w), BPNET_EIO);
    assert_message("/dev/full");
}

/* ---- examples ---------------------------------------------------------------------------- */

static struct example *build(void)
{
    struct example *e = example_new();
    assert_non_null(e);
    const float floats[] = {0.5f, -3.25f};
    const int64_t integers[] = {0, -1, INT64_MAX, INT64_MIN, 300};
    const double joints[] = {1.5, -2.5};
    assert_int_equal(example_set_int64(e, "frame/width", 640), BPNET_OK);
    assert_int_equal(example_set_int64s(e, "list", integers, 5), BPNET_OK);
    assert_int_equal(example_set_int64s(e, "none", NULL, 0), BPNET_OK);
    assert_int_equal(example_set_floats(e, "floats", floats, 2), BPNET_OK);
    assert_int_equal(example_set_bytes(e, "person/joints", joints, sizeof(joints)), BPNET_OK);
    assert_int_equal(example_set_bytes(e, "empty", NULL, 0), BPNET_OK);
    assert_int_equal(example_set_text(e, "dataset", "coco"), BPNET_OK);
    return e;
}

static void check_built(const struct example *e)
{
    const int64_t *integers;
    const float *floats;
    const uint8_t *bytes;
    char *text;
    int64_t one;
    size_t n;
    assert_int_equal(example_length(e), 7);
    assert_string_equal(example_name(e, 0), "dataset");
    assert_string_equal(example_name(e, 6), "person/joints");
    assert_true(example_has(e, "none") && !example_has(e, "nonf"));
    assert_int_equal(example_get_int64(&one, e, "frame/width"), BPNET_OK);
    assert_int_equal(one, 640);
    assert_int_equal(example_get_int64s(&integers, &n, e, "list"), BPNET_OK);
    assert_int_equal(n, 5);
    assert_true(integers[1] == -1 && integers[2] == INT64_MAX && integers[3] == INT64_MIN);
    assert_int_equal(example_get_int64s(&integers, &n, e, "none"), BPNET_OK);
    assert_int_equal(n, 0);
    assert_int_equal(example_get_floats(&floats, &n, e, "floats"), BPNET_OK);
    assert_true(n == 2 && floats[0] == 0.5f && floats[1] == -3.25f);
    assert_int_equal(example_get_bytes(&bytes, &n, e, "person/joints"), BPNET_OK);
    assert_int_equal(n, 16);
    assert_memory_equal(bytes, "\0\0\0\0\0\0\xf8\x3f\0\0\0\0\0\0\x04\xc0", 16);
    assert_int_equal(example_get_text(&text, e, "dataset"), BPNET_OK);
    assert_string_equal(text, "coco");
    free(text);
    assert_int_equal(example_get_text(&text, e, "empty"), BPNET_OK);
    assert_string_equal(text, "");
    free(text);
}

static void test_example_round_trip(void **state)
{
    (void)state;
    struct example *e = build();
    check_built(e);
    struct str packed = {0};
    assert_int_equal(example_pack(&packed, e), BPNET_OK);
    example_free(e);
    assert_int_equal(example_parse(&e, (uint8_t *)packed.text, packed.length, "it"), BPNET_OK);
    check_built(e);
    struct str again = {0};
    assert_int_equal(example_pack(&again, e), BPNET_OK);
    assert_int_equal(again.length, packed.length);
    assert_memory_equal(again.text, packed.text, again.length);
    example_free(e);
    str_free(&packed);
    str_free(&again);
}

/* {"a": int64_list [150]}, encoded by hand from the protocol's wire format. */
static const uint8_t by_hand[] = {0x0a, 0x0d, 0x0a, 0x0b, 0x0a, 0x01, 'a', 0x12,
                                  0x06, 0x1a, 0x04, 0x0a, 0x02, 0x96, 0x01};

static void test_wire_format(void **state)
{
    (void)state;
    struct example *e = example_new();
    struct str packed = {0};
    assert_int_equal(example_set_int64(e, "a", 150), BPNET_OK);
    assert_int_equal(example_pack(&packed, e), BPNET_OK);
    assert_int_equal(packed.length, sizeof(by_hand));
    assert_memory_equal(packed.text, by_hand, sizeof(by_hand));
    example_free(e);
    str_free(&packed);
}

static void test_lists_that_are_not_packed(void **state)
{
    (void)state;
    /* The same with its value as a field of its own: tag 0x08 instead of 0x0a and a length. */
    static const uint8_t bytes[] = {0x0a, 0x0e, 0x0a, 0x0c, 0x0a, 0x01, 'a',  0x12,
                                    0x07, 0x1a, 0x05, 0x08, 0x96, 0x01, 0x08, 0x07};
    struct example *e;
    const int64_t *values;
    size_t n;
    assert_int_equal(example_parse(&e, bytes, sizeof(bytes), "it"), BPNET_OK);
    assert_int_equal(example_get_int64s(&values, &n, e, "a"), BPNET_OK);
    assert_true(n == 2 && values[0] == 150 && values[1] == 7);
    example_free(e);
}

/* fixture/io/make_records.py: what another program writes. */
static void test_a_file_by_other_hands(void **state)
{
    (void)state;
    struct tfrecord_reader r;
    const uint8_t *bytes;
    size_t size, next, n;
    struct example *e;
    int64_t one;
    char *text;
    const int64_t *integers;
    const float *floats;
    assert_int_equal(tfrecord_open(&r, FIXTURES "/io/other.tfrecord"), BPNET_OK);
    assert_int_equal(tfrecord_at(&r, 0, &bytes, &size, &next), BPNET_OK);
    assert_int_equal(example_parse(&e, bytes, size, "first"), BPNET_OK);
    assert_int_equal(example_length(e), 9);
    assert_int_equal(example_get_int64(&one, e, "frame/image_id"), BPNET_OK);
    assert_int_equal(one, 785);
    assert_int_equal(example_get_text(&text, e, "frame/image_path"), BPNET_OK);
    assert_string_equal(text, "val2017/000000000785.jpg");
    free(text);
    double joints[6];
    assert_int_equal(example_get_bytes(&bytes, &n, e, "person/joints"), BPNET_OK);
    assert_int_equal(n, sizeof(joints));
    memcpy(joints, bytes, sizeof(joints));
    assert_true(joints[0] == 367.0 && joints[4] == 73.25 && joints[5] == 1.0);
    assert_int_equal(example_get_int64s(&integers, &n, e, "numbers"), BPNET_OK);
    assert_true(n == 3 && integers[0] == -1 && integers[1] == INT64_C(1) << 62);
    assert_true(integers[2] == -(INT64_C(1) << 62));
    assert_int_equal(example_get_floats(&floats, &n, e, "floats"), BPNET_OK);
    assert_true(n == 3 && floats[0] == 0.1f && floats[1] == -2.5f && floats[2] == 1e30f);
    example_free(e);
    assert_int_equal(tfrecord_at(&r, next, &bytes, &size, &next), BPNET_OK);
    assert_int_equal(example_parse(&e, bytes, size, "second"), BPNET_OK);
    assert_int_equal(example_get_int64(&one, e, "frame/image_id"), BPNET_OK);
    assert_int_equal(one, -3);
    assert_int_equal(next, r.file.size);
    example_free(e);
    tfrecord_close(&r);
}

static void test_getters_say_what_they_found(void **state)
{
    (void)state;
    struct example *e = build();
    int64_t one;
    size_t n;
    const float *floats;
    const uint8_t *bytes;
    char *text;
    assert_int_equal(example_get_int64(&one, e, "frame/height"), BPNET_EFORMAT);
    assert_message("feature 'frame/height' is missing, expected one int64");
    assert_int_equal(example_get_int64(&one, e, "floats"), BPNET_EFORMAT);
    assert_message("feature 'floats': found 2 of kind float, expected one int64");
    assert_int_equal(example_get_int64(&one, e, "list"), BPNET_EFORMAT);
    assert_message("found 5 of kind int64");
    assert_int_equal(example_get_floats(&floats, &n, e, "dataset"), BPNET_EFORMAT);
    assert_int_equal(example_get_bytes(&bytes, &n, e, "list"), BPNET_EFORMAT);
    assert_int_equal(example_get_text(&text, e, "person/joints"), BPNET_EFORMAT);
    assert_message("NUL byte");
    assert_int_equal(example_set_int64(e, "list", 1), BPNET_EUSAGE);
    assert_message("'list' is set twice");
    example_free(e);
}

static void test_damaged_examples(void **state)
{
    (void)state;
    struct example *e = build();
    struct str packed = {0};
    assert_int_equal(example_pack(&packed, e), BPNET_OK);
    example_free(e);
    size_t refused = 0;
    for (size_t cut = 1; cut < packed.length; cut++) {
        uint8_t *exact = malloc(cut);
        memcpy(exact, packed.text, cut);
        const int code = example_parse(&e, exact, cut, "it");
        assert_true(code == BPNET_EFORMAT && !e);
        free(exact);
        refused++;
    }
    assert_true(refused > 100);
    for (size_t bit = 0; bit < 8 * packed.length; bit++) {
        packed.text[bit / 8] = (char)(packed.text[bit / 8] ^ 1 << bit % 8);
        if (example_parse(&e, (uint8_t *)packed.text, packed.length, "it") == BPNET_OK)
            for (size_t i = 0; i < example_length(e); i++)
                assert_true(example_has(e, example_name(e, i)));
        example_free(e);
        packed.text[bit / 8] = (char)(packed.text[bit / 8] ^ 1 << bit % 8);
    }
    str_free(&packed);

    uint8_t twice[2 * sizeof(by_hand)];
    memcpy(twice, by_hand, sizeof(by_hand));
    memcpy(twice + sizeof(by_hand), by_hand, sizeof(by_hand));
    assert_int_equal(example_parse(&e, twice, sizeof(twice), "it"), BPNET_EFORMAT);
    assert_message("it: feature 'a' is there twice");
    /* An empty message is an Example without features. */
    assert_int_equal(example_parse(&e, (const uint8_t *)"", 0, "it"), BPNET_OK);
    assert_int_equal(example_length(e), 0);
    example_free(e);
}

/* Sixteen million empty features in 32 MB would take gigabytes in memory. */
static void test_an_example_that_would_not_fit(void **state)
{
    (void)state;
    enum { SIZE = 8 << 20 };
    uint8_t *bytes = malloc(SIZE + 5);
    memcpy(bytes, "\x0a\x80\x80\x80\x04", 5); /* features, of 8 MiB */
    for (size_t i = 0; i < SIZE; i += 2)
        memcpy(bytes + 5 + i, "\x0a\0", 2);
    struct example *e;
    assert_int_equal(example_parse(&e, bytes, SIZE + 5, "it"), BPNET_ELIMIT);
    assert_message("it: would take more than 256 MiB of memory");
    assert_null(e);
    assert_int_equal(example_parse(&e, bytes, EXAMPLE_MAX_SIZE + 1, "it"), BPNET_ELIMIT);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crc32c_known_values),
        cmocka_unit_test(test_crc32c_levels_agree),
        cmocka_unit_test(test_records_come_back),
        cmocka_unit_test(test_frame_bytes),
        cmocka_unit_test(test_damage_is_seen),
        cmocka_unit_test(test_a_length_beyond_the_limit),
        cmocka_unit_test(test_writing_fails_with_a_reason),
        cmocka_unit_test(test_example_round_trip),
        cmocka_unit_test(test_wire_format),
        cmocka_unit_test(test_lists_that_are_not_packed),
        cmocka_unit_test(test_a_file_by_other_hands),
        cmocka_unit_test(test_getters_say_what_they_found),
        cmocka_unit_test(test_damaged_examples),
        cmocka_unit_test(test_an_example_that_would_not_fit),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
