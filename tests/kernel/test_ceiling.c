/* The machine's ceilings against each other; never against a clock. */
#include "kernel/ceiling.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Narrower numbers are never slower: a quarter of leeway for a busy machine. */
static void narrower_is_faster(void **state)
{
    (void)state;
    if (cpu_level_detect() < CPU_AVX2)
        skip();
    for (int level = CPU_AVX2; level <= (int)cpu_level_detect(); level++) {
        const double f32 = ceiling_macs((enum cpu_level)level, MAP_F32);
        assert_true(f32 > 0);
        assert_true(ceiling_macs((enum cpu_level)level, MAP_BF16) > 0.75 * f32);
        assert_true(ceiling_macs((enum cpu_level)level, MAP_U8) > 0.75 * f32);
    }
}

static void the_plain_level_has_none(void **state)
{
    (void)state;
    assert_true(ceiling_macs(CPU_REF, MAP_U8) <= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(narrower_is_faster),
        cmocka_unit_test(the_plain_level_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
