/* Every level of the resize's rows gives the plain level's bits, and writes no more than it may. */
#include "base/rng.h"
#include "kernel/resize_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MOST = 301, LINE = 3 * MOST + 16 };

struct rows {
    float widened[LINE], blended[LINE], columns[LINE], means[2][LINE];
    uint32_t sums[3][LINE];
    uint8_t narrowed[LINE];
};

/* The whole way with n values of a row, `n_pixels` pixels of the result. */
static void run(enum cpu_level level, size_t n, size_t n_pixels, uint64_t seed, struct rows *out)
{
    struct resize_rows k;
    struct rng rng = rng_stream(seed, n, 0);
    static uint8_t bytes[LINE + 300];
    static float lines[RESIZE_TAPS][LINE], weights[MOST][RESIZE_TAPS];
    static int32_t first[MOST];
    for (size_t i = LINE; i < LINE + 300; i++)
        bytes[i] = 255;
    for (size_t i = 0; i < LINE; i++) {
        bytes[i] = (uint8_t)rng_integer(&rng, 0, 255);
        for (int t = 0; t < RESIZE_TAPS; t++)
            lines[t][i] = (float)rng_range(&rng, 0, 255);
    }
    for (size_t d = 0; d < MOST; d++) {
        first[d] = (int32_t)rng_integer(&rng, 0, MOST - 4);
        for (int t = 0; t < RESIZE_TAPS; t++)
            weights[d][t] = (float)rng_range(&rng, -0.3, 0.9);
    }
    const float *in[RESIZE_TAPS] = {lines[0], lines[1], lines[2], lines[3]};
    memset(out, 0x55, sizeof(*out));
    resize_rows_init(&k, level);
    k.widen(bytes, n, out->widened);
    const int rows[3] = {0, 3, 300}; /* of a picture whose pitch is 1 */
    for (int i = 0; i < 3; i++)
        k.add_rows(bytes, 1, rows[i], n, out->sums[i]);
    for (int i = 0; i < 2; i++) { /* blocks of 1 and 4 pixels */
        k.average(out->sums[2], 3 * i + 1, 1.0 / 7, n / (size_t)(9 * i + 3), out->means[i]);
        out->means[i][n / (size_t)(9 * i + 3) * 3] = 0; /* may be touched */
    }
    k.blend(in, weights[0], n, out->blended);
    k.columns(lines[0], first, (const float(*)[RESIZE_TAPS])weights, n_pixels, out->columns);
    out->columns[3 * n_pixels] = 0; /* may be touched */
    lines[1][0] = -3.5F, lines[1][1] = 0.5F, lines[1][2] = 254.5F, lines[1][3] = 256.5F;
    k.narrow(lines[1], n, out->narrowed);
}

static void levels_agree(void **state)
{
    (void)state;
    static struct rows expected, found;
    for (size_t n = 4; n < 3 * MOST; n += n < 40 ? 1 : 37) {
        const size_t n_pixels = n < MOST ? n : MOST;
        run(CPU_REF, n, n_pixels, n, &expected);
        assert_int_equal(expected.narrowed[0], 0);
        assert_int_equal(expected.narrowed[1], 0); /* halves to even */
        assert_int_equal(expected.narrowed[2], 254);
        assert_int_equal(expected.narrowed[3], 255);
        for (int level = CPU_REF; level <= (int)cpu_level_detect(); level++) {
            run((enum cpu_level)level, n, n_pixels, n, &found);
            assert_memory_equal(&expected, &found, sizeof(found));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(levels_agree)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
