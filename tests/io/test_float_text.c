/* Floats as text: what printf makes of them in the fewest digits that read back equal. */
#include "base/rng.h"
#include "io/float_text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void check(float value)
{
    char found[FLOAT_TEXT_SIZE], expected[FLOAT_TEXT_SIZE];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(expected, sizeof(expected), "%.*g", digits, (double)value);
        if (strtof(expected, NULL) == value)
            break;
    }
    float_text(found, value);
    assert_string_equal(found, expected);
    assert_true(strtof(found, NULL) == value);
}

static void both_signs(float value)
{
    check(value);
    check(-value);
}

static void chosen_numbers(void **state)
{
    (void)state;
    static const float numbers[] = {0,        1,        10,     0.5F,     0.1F,         1e-4F,
                                    1e5F,     99999.9F, 100000, 123456,   1234567,      16777216,
                                    0.3F,     2.0F / 3, 1e-5F,  0.00123F, 1.0000001F,   999999.96F,
                                    1.5e-45F, 3.4e38F,  1e-38F, 65536.5F, 0.099999994F, 9.9999998F};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        both_signs(numbers[i]);
        both_signs(nextafterf(numbers[i], INFINITY));
        both_signs(nextafterf(numbers[i], 0));
    }
}

static void powers_of_ten_and_their_neighbours(void **state)
{
    (void)state;
    for (int exponent = -6; exponent <= 7; exponent++) {
        float low = powf(10, (float)exponent), high = low;
        for (int i = 0; i < 2000; i++) {
            both_signs(low = nextafterf(low, 0));
            both_signs(high = nextafterf(high, INFINITY));
        }
    }
}

static void many_numbers(void **state)
{
    (void)state;
    struct rng rng = rng_stream(1, 2, 3);
    for (int i = 0; i < 200000; i++) {
        const uint32_t bits = (uint32_t)rng_integer(&rng, 0, 0x7f7fffff);
        float value;
        memcpy(&value, &bits, sizeof(value));
        both_signs(value);
        both_signs((float)rng_range(&rng, 0, 4000));
        both_signs((float)rng_range(&rng, 0, 1));
        both_signs((float)rng_integer(&rng, 0, 100000) / 32); /* ties of the shorter ones */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_numbers),
        cmocka_unit_test(powers_of_ten_and_their_neighbours),
        cmocka_unit_test(many_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
