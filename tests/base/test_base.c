/* The base layer: streams, strings, errors, teams and pipelines. */
#include "base/arena.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/pipeline.h"
#include "base/rng.h"
#include "base/str.h"
#include "base/workers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_rng_streams_are_independent_of_order(void **state)
{
    (void)state;
    struct rng a = rng_stream(42, 1, 7), b = rng_stream(42, 1, 8), again = rng_stream(42, 1, 7);
    const uint64_t first = rng_next(&a);
    assert_int_not_equal(first, rng_next(&b));
    assert_int_equal(first, rng_next(&again));
}

static void test_rng_ranges(void **state)
{
    (void)state;
    struct rng rng = rng_stream(1, 2, 3);
    bool low = false, high = false;
    for (int i = 0; i < 10000; i++) {
        const int64_t drawn = rng_integer(&rng, -2, 2);
        assert_in_range(drawn + 2, 0, 4);
        low |= drawn == -2;
        high |= drawn == 2;
        const double u = rng_uniform(&rng);
        assert_true(u >= 0 && u < 1);
    }
    assert_true(low && high);
}

static void test_permutation_holds_every_index_once(void **state)
{
    (void)state;
    uint32_t order[257];
    bool seen[257] = {false};
    struct rng rng = rng_stream(5, 0, 0);
    rng_permutation(&rng, order, 257);
    for (size_t i = 0; i < 257; i++) {
        assert_in_range(order[i], 0, 256);
        assert_false(seen[order[i]]);
        seen[order[i]] = true;
    }
}

static void test_errors(void **state)
{
    (void)state;
    assert_int_equal(error_set(BPNET_EFORMAT, "line %d", 3), BPNET_EFORMAT);
    assert_int_equal(error_prefix(BPNET_EFORMAT, "%s", "a.yaml"), BPNET_EFORMAT);
    assert_string_equal(bpnet_last_error(), "a.yaml: line 3");
    assert_int_equal(error_exit_status(BPNET_EFORMAT), 65);
    assert_int_equal(error_exit_status(BPNET_EGOAL), 1);
    assert_int_equal(error_exit_status(BPNET_OK), 0);
    assert_int_equal(error_exit_status(-12345), 70);
    char longest[4000];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    error_set(BPNET_EIO, "%s", longest);
    error_prefix(BPNET_EIO, "%s", longest);
    assert_true(strlen(error_message()) < 2048);
    error_clear();
    assert_string_equal(error_message(), "");
}

static void test_strings(void **state)
{
    (void)state;
    struct str s = {0};
    for (int i = 0; i < 1000; i++)
        str_printf(&s, "%d,", i);
    assert_int_equal(str_status(&s), BPNET_OK);
    assert_int_equal(s.length, strlen(s.text));
    str_free(&s);

    char *joined = path_join("a/b", "c");
    assert_string_equal(joined, "a/b/c");
    free(joined);
    joined = path_join("a/b/", "/c");
    assert_string_equal(joined, "/c");
    free(joined);
    joined = path_folder("a/b/c");
    assert_string_equal(joined, "a/b");
    free(joined);

    static const char *const keys[] = {"batch_size", "num_epoch", "stages"};
    assert_int_equal(str_distance("kitten", "sitting"), 3);
    assert_string_equal(str_nearest("batchsize", keys, 3), "batch_size");
    assert_null(str_nearest("zebra", keys, 3));
}

static void test_arena_bounds(void **state)
{
    (void)state;
    struct arena arena;
    assert_int_equal(arena_open(&arena, 4096), BPNET_OK);
    char *a = arena_take(&arena, 1), *b = arena_take(&arena, 100);
    assert_int_equal((uintptr_t)a % ARENA_ALIGN, 0);
    assert_int_equal(b - a, ARENA_ALIGN);
    assert_null(arena_take(&arena, arena.size));
    assert_null(arena_take(&arena, SIZE_MAX - 3));
    arena_reset(&arena);
    assert_ptr_equal(arena_take(&arena, 1), a);
    arena_close(&arena);
    arena_close(&arena);
}

static void count_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    ((unsigned char *)ctx)[item]++;
}

static void test_workers_do_every_item_once(void **state)
{
    (void)state;
    static unsigned char done[5000];
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct workers *team;
        assert_int_equal(workers_open(&team, threads), BPNET_OK);
        assert_int_equal(workers_count(team), threads);
        for (size_t round = 0; round < 200; round++) {
            memset(done, 0, sizeof(done));
            const size_t n = round * 25;
            workers_run(team, n, count_item, done);
            for (size_t i = 0; i < sizeof(done); i++)
                assert_int_equal(done[i], i < n);
        }
        workers_close(team);
    }
    struct workers *none;
    assert_int_equal(workers_open(&none, 100000), BPNET_EUSAGE);
    assert_null(none);
}

static int fill_number(void *ctx, void *slot, uint64_t sequence, unsigned thread)
{
    (void)thread;
    const uint64_t *fails_at = ctx;
    if (sequence == *fails_at)
        return error_set(BPNET_EFORMAT, "record %d is bad", (int)sequence);
    *(uint64_t *)slot = sequence * sequence;
    return BPNET_OK;
}

static void test_pipeline_order_and_errors(void **state)
{
    (void)state;
    uint64_t numbers[3], fails_at = 500;
    void *slots[3] = {&numbers[0], &numbers[1], &numbers[2]}, *slot;
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct pipeline *p;
        assert_int_equal(pipeline_open(&p, slots, 3, threads, 7, fill_number, &fails_at), BPNET_OK);
        for (uint64_t i = 7; i < 500; i++) {
            assert_int_equal(pipeline_next(p, &slot), BPNET_OK);
            assert_int_equal(*(uint64_t *)slot, i * i);
        }
        assert_int_equal(pipeline_next(p, &slot), BPNET_EFORMAT);
        assert_string_equal(error_message(), "record 500 is bad");
        assert_int_equal(pipeline_next(p, &slot), BPNET_EFORMAT);
        pipeline_close(p);
    }
}

static void test_cpu_levels(void **state)
{
    (void)state;
    enum cpu_level level;
    assert_int_equal(cpu_level_parse(&level, "ref"), BPNET_OK);
    assert_int_equal(level, CPU_REF);
    assert_int_equal(cpu_level_parse(&level, cpu_level_name(cpu_level_detect())), BPNET_OK);
    assert_int_equal(cpu_level_parse(&level, "sse9"), BPNET_EUSAGE);
    assert_true(cpu_cores() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rng_streams_are_independent_of_order),
        cmocka_unit_test(test_rng_ranges),
        cmocka_unit_test(test_permutation_holds_every_index_once),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_arena_bounds),
        cmocka_unit_test(test_workers_do_every_item_once),
        cmocka_unit_test(test_pipeline_order_and_errors),
        cmocka_unit_test(test_cpu_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
