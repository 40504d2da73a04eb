/* Slots are what was put, or not there: after closing, another tag or key, damage, truncation. */
#include "base/error.h"
#include "io/slot_file.h"

#include "io/scratch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static const char key[] = "0123456789abcdef0123456789abcdef";
static const char other_key[] = "x123456789abcdef0123456789abcdef";

static struct slot_file *open_slots(const char *path, const char *wanted, size_t size)
{
    struct slot_file *f;
    if (slot_file_open(&f, path, wanted, size) < 0)
        fail_msg("%s", error_message());
    return f;
}

static void put(struct slot_file *f, uint64_t slot, uint64_t tag, const char *text)
{
    assert_int_equal(slot_file_put(f, slot, tag, text), BPNET_OK);
}

static void expect(struct slot_file *f, uint64_t slot, uint64_t tag, const char *text)
{
    char found[5] = "????";
    assert_int_equal(slot_file_get(f, slot, tag, found), text ? 1 : 0);
    assert_string_equal(found, text ? text : "????");
}

static void test_what_was_put(void **state)
{
    (void)state;
    const char *path = scratch_path("put");
    struct slot_file *f = open_slots(path, key, 4);
    expect(f, 0, 0, NULL);
    put(f, 3, 7, "four");
    put(f, 1000000, 9, "far.");
    put(f, 3, 8, "anew");
    for (int time = 0; time < 2; time++) {
        expect(f, 3, 8, "anew");
        expect(f, 3, 7, NULL); /* what it was made from before */
        expect(f, 2, 8, NULL); /* a hole */
        expect(f, 2, 0, NULL);
        expect(f, 1000000, 9, "far.");
        expect(f, 1000001, 9, NULL); /* beyond the end */
        slot_file_close(f);
        f = open_slots(path, key, 4);
    }
    slot_file_close(f);
}

static void test_another_use_begins_anew(void **state)
{
    (void)state;
    const char *path = scratch_path("use");
    struct slot_file *f = open_slots(path, key, 4);
    put(f, 0, 1, "four");
    slot_file_close(f);
    f = open_slots(path, other_key, 4);
    expect(f, 0, 1, NULL);
    slot_file_close(f);
    f = open_slots(path, key, 4); /* and what was there is gone */
    expect(f, 0, 1, NULL);
    put(f, 0, 1, "four");
    slot_file_close(f);
    f = open_slots(path, key, 3);
    expect(f, 0, 1, NULL);
    slot_file_close(f);
}

/* Every bit of a file that is changed, and every byte that is missing, is noticed. */
static void test_damage(void **state)
{
    (void)state;
    struct slot_file *f = open_slots(scratch_path("whole"), key, 4);
    put(f, 0, 1, "four");
    slot_file_close(f);
    size_t n;
    char *bytes = scratch_read(scratch_path("whole"), &n);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        const char *path = scratch_write("damaged", bytes, n);
        bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
        if (slot_file_open(&f, path, key, 4) == BPNET_OK) {
            expect(f, 0, 1, NULL);
            slot_file_close(f);
        }
    }
    for (size_t left = 0; left < n; left++) {
        const char *path = scratch_write("short", bytes, left);
        if (slot_file_open(&f, path, key, 4) == BPNET_OK) {
            expect(f, 0, 1, NULL);
            slot_file_close(f);
        }
    }
    free(bytes);
}

static void test_a_file_of_others_stays(void **state)
{
    (void)state;
    static const char text[] =
        "somebody's notes, which are longer than any header of ours would be";
    const char *path = scratch_text("notes", text);
    struct slot_file *f;
    assert_int_equal(slot_file_open(&f, path, key, 4), BPNET_EFORMAT);
    assert_null(f);
    char *found = scratch_read(path, NULL);
    assert_string_equal(found, text);
    free(found);
    assert_int_equal(slot_file_open(&f, "/nowhere/at/all", key, 4), BPNET_ECREATE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_put),
        cmocka_unit_test(test_another_use_begins_anew),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_a_file_of_others_stays),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
