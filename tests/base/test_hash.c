/* Checksums of wide registers and of teams are those of xxhash. */
#include "base/hash.h"
#include "base/rng.h"
#include "base/xxh3.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { LARGEST = 24 << 20, BLOCK = 1024, PAGE = 64 };

static uint8_t *bytes;
static struct workers *teams[2];

static int setup(void **state)
{
    (void)state;
    struct rng rng = rng_stream(5, 0, 0);
    bytes = malloc(LARGEST + PAGE);
    if (!bytes || workers_open(&teams[0], 2) < 0 || workers_open(&teams[1], 3) < 0)
        return -1;
    for (size_t i = 0; i < LARGEST + PAGE; i += 8) {
        const uint64_t drawn = rng_next(&rng);
        memcpy(bytes + i, &drawn, 8);
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    workers_close(teams[0]);
    workers_close(teams[1]);
    free(bytes);
    return 0;
}

static void assert_one_value(const uint8_t *from, size_t n)
{
    const uint64_t sum = hash64_plain(from, n);
    assert_true(hash64(from, n) == sum);
    assert_true(hash64_by(teams[n % 2], from, n) == sum);
    if (n < XXH3_LONG)
        return;
    assert_true(xxh3_long(from, n, NULL) == sum);
    assert_true(xxh3_long_plain(from, n, n % 3 ? NULL : teams[0]) == sum);
}

/* Every length of up to a few blocks: all that is special about the ends. */
static void test_short(void **state)
{
    (void)state;
    for (size_t n = 0; n < 5 * BLOCK; n++)
        assert_one_value(bytes + n % PAGE, n);
}

/* Any length and alignment, about whole rounds of a team as well. */
static void test_long(void **state)
{
    (void)state;
    struct rng rng = rng_stream(6, 0, 0);
    const int64_t round = 16 << 20;
    for (int i = 0; i < 24; i++) {
        const int64_t n = i < 8 ? round + rng_integer(&rng, -2, 2) * (i % 2 ? 1 : BLOCK) + i
                                : rng_integer(&rng, 1, LARGEST >> (i % 5));
        assert_one_value(bytes + rng_integer(&rng, 0, PAGE - 1), (size_t)n);
    }
}

/* One bit anywhere, whoever looks. */
static void test_changed_bits(void **state)
{
    (void)state;
    struct rng rng = rng_stream(7, 0, 0);
    const size_t n = (size_t)5 << 20;
    const uint64_t sum = hash64(bytes, n);
    for (int i = 0; i < 40; i++) {
        const size_t at = (size_t)rng_integer(&rng, 0, (int64_t)n - 1);
        const uint8_t mask = (uint8_t)(1 << rng_integer(&rng, 0, 7));
        bytes[at] ^= mask;
        assert_true(hash64_by(teams[i % 2], bytes, n) != sum);
        assert_true(hash64(bytes, n) != sum);
        bytes[at] ^= mask;
    }
    assert_true(hash64_by(teams[0], bytes, n) == sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_changed_bits),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
