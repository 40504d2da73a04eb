/* Choosing and timing the loops of ceiling.h. */
#include "kernel/ceiling.h"

#include "base/clock.h"

enum { STEPS = 100000, REPEATS = 12 };

#if defined(__x86_64__)
static const struct loop {
    enum cpu_level level;
    enum map_type type;
    void (*run)(int steps);
    int macs; /* a vector instruction */
} loops[] = {
    {CPU_AVX512BF16, MAP_BF16, ceiling_bf16_avx512bf16, 32},
    {CPU_AVX512VNNI, MAP_U8, ceiling_u8_avx512vnni, 64},
    {CPU_AVX512, MAP_BF16, ceiling_f32_avx512, 16},
    {CPU_AVX512, MAP_F32, ceiling_f32_avx512, 16},
    {CPU_AVX2, MAP_U8, ceiling_s16_avx2, 16},
    {CPU_AVX2, MAP_BF16, ceiling_f32_avx2, 8},
    {CPU_AVX2, MAP_F32, ceiling_f32_avx2, 8},
};

double ceiling_macs(enum cpu_level level, enum map_type type)
{
    for (size_t i = 0; i < sizeof(loops) / sizeof(loops[0]); i++) {
        if (loops[i].type != type || loops[i].level > level)
            continue;
        int64_t best = INT64_MAX;
        for (int r = 0; r < REPEATS; r++) {
            const int64_t since = clock_ns();
            loops[i].run(STEPS);
            const int64_t took = clock_ns() - since;
            best = took < best ? took : best;
        }
        return 1e9 * loops[i].macs * CEILING_CHAINS * STEPS / (double)best;
    }
    return 0;
}
#else
double ceiling_macs(enum cpu_level level, enum map_type type)
{
    (void)level;
    (void)type;
    return 0;
}
#endif
