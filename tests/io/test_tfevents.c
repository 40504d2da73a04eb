/*
 * Event files byte by byte. What TensorBoard 2.21 reads of such a file was compared once, by hand,
 * with EventFileLoader: file version, wall times, steps, tags and values.
 */
#include "base/error.h"
#include "io/file.h"
#include "io/tfevents.h"
#include "io/tfrecord.h"

#include "io/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

static double wall_time_of(const uint8_t *record)
{
    double seconds;
    assert_int_equal(record[0], 0x09); /* field 1, eight bytes */
    memcpy(&seconds, record + 1, 8);
    return seconds;
}

static void test_bytes_of_a_file(void **state)
{
    (void)state;
    struct tfevents t;
    const double before = (double)time(NULL);
    assert_int_equal(tfevents_open(&t, scratch_path("run/events")), BPNET_OK);
    assert_non_null(strstr(t.path, "run/events/events.out.tfevents."));
    const struct tfevents_scalar scalars[] = {{"Loss/total_loss", 1.5f}, {"lr", 0.0f}};
    assert_int_equal(tfevents_write(&t, 300, scalars, 2), BPNET_OK);
    assert_int_equal(tfevents_write(&t, 0, scalars, 0), BPNET_OK);

    struct tfrecord_reader r; /* while it is still open: what was written is there */
    size_t *offsets, n, size;
    const uint8_t *bytes;
    assert_int_equal(tfrecord_open(&r, t.path), BPNET_OK);
    assert_int_equal(tfrecord_index(&r, &offsets, &n), BPNET_OK);
    assert_int_equal(n, 3);

    assert_int_equal(tfrecord_at(&r, offsets[0], &bytes, &size, NULL), BPNET_OK);
    assert_true(wall_time_of(bytes) >= before && wall_time_of(bytes) < before + 100);
    assert_int_equal(size, 9 + 2 + 13);
    assert_memory_equal(bytes + 9,
                        "\x1a\x0d"
                        "brain.Event:2",
                        15);

    static const uint8_t expected[] = {
        0x10, 0xac, 0x02,       /* step: 300 */
        0x2a, 0x23,             /* summary, 35 bytes */
        0x0a, 0x16, 0x0a, 0x0f, /* value of 22 bytes, tag of 15 */
        'L',  'o',  's',  's',  '/',  't',  'o',  't',  'a',  'l', '_',
        'l',  'o',  's',  's',  0x15, 0x00, 0x00, 0xc0, 0x3f,          /* simple_value: 1.5 */
        0x0a, 0x09, 0x0a, 0x02, 'l',  'r',  0x15, 0,    0,    0,   0}; /* zero is there, too */
    assert_int_equal(tfrecord_at(&r, offsets[1], &bytes, &size, NULL), BPNET_OK);
    assert_int_equal(size, 9 + sizeof(expected));
    assert_memory_equal(bytes + 9, expected, sizeof(expected));
    free(offsets);
    tfrecord_close(&r);
    assert_int_equal(tfevents_close(&t), BPNET_OK);
    assert_int_equal(tfevents_close(&t), BPNET_OK);
}

static void test_two_in_one_second(void **state)
{
    (void)state;
    struct tfevents a, b;
    assert_int_equal(tfevents_open(&a, scratch_path("two")), BPNET_OK);
    assert_int_equal(tfevents_open(&b, scratch_path("two")), BPNET_OK);
    assert_string_not_equal(a.path, b.path);
    tfevents_close(&a);
    tfevents_close(&b);
    char **names;
    size_t n;
    assert_int_equal(folder_list(&names, &n, scratch_path("two"), NULL), BPNET_OK);
    assert_int_equal(n, 2);
    free(names);
}

static void test_failures(void **state)
{
    (void)state;
    struct tfevents t;
    const char *file = scratch_text("file", "");
    assert_int_equal(tfevents_open(&t, file), BPNET_ECREATE);
    assert_null(t.file);
    assert_int_equal(tfevents_close(&t), BPNET_OK);
    t = (struct tfevents){.file = fopen("/dev/full", "wb"), .path = strdup("/dev/full")};
    assert_int_equal(tfevents_write(&t, 1, &(struct tfevents_scalar){"a", 1}, 1), BPNET_EIO);
    assert_non_null(strstr(error_message(), "/dev/full: cannot write: No space left"));
    tfevents_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_of_a_file),
        cmocka_unit_test(test_two_in_one_second),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
