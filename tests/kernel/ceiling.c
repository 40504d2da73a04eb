/* The machine's own speed: fused multiply-adds on registers, as many as the core can start. */
#include "check.h"

#if defined(__x86_64__)
#include <immintrin.h>

enum { STEPS = 200000, SUMS = 12 };

struct work {
    float result[16];
};

/* The empty asm makes every step's values unknown, so that nothing is computed beforehand. */
#define CEILING(name, features, vec, set, fma, store)                                              \
    __attribute__((target(features))) static void name(void *ctx)                                  \
    {                                                                                              \
        struct work *work = ctx;                                                                   \
        const vec a = set(1.0F);                                                                   \
        const vec b = set(1e-9F);                                                                  \
        vec s0 = a, s1 = a, s2 = a, s3 = a, s4 = a, s5 = a;                                        \
        vec s6 = a, s7 = a, s8 = a, s9 = a, s10 = a, s11 = a;                                      \
        for (int i = 0; i < STEPS; i++) {                                                          \
            __asm__ volatile("" : "+v"(s0), "+v"(s1), "+v"(s2), "+v"(s3), "+v"(s4), "+v"(s5));     \
            __asm__ volatile("" : "+v"(s6), "+v"(s7), "+v"(s8), "+v"(s9), "+v"(s10), "+v"(s11));   \
            s0 = fma(a, b, s0), s1 = fma(a, b, s1), s2 = fma(a, b, s2), s3 = fma(a, b, s3);        \
            s4 = fma(a, b, s4), s5 = fma(a, b, s5), s6 = fma(a, b, s6), s7 = fma(a, b, s7);        \
            s8 = fma(a, b, s8), s9 = fma(a, b, s9), s10 = fma(a, b, s10), s11 = fma(a, b, s11);    \
        }                                                                                          \
        store(work->result, s0 + s1 + s2 + s3 + s4 + s5 + s6 + s7 + s8 + s9 + s10 + s11);          \
    }

CEILING(fma_avx2, "avx2,fma", __m256, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_storeu_ps)
CEILING(fma_avx512, "avx512f", __m512, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_storeu_ps)

double ceiling_measure(enum cpu_level level)
{
    struct work work;
    if (cpu_level_detect() < CPU_AVX2)
        return 0.0;
    if (level >= CPU_AVX512)
        return 16.0 * SUMS * STEPS / bench_time(fma_avx512, &work);
    return 8.0 * SUMS * STEPS / bench_time(fma_avx2, &work);
}
#else
double ceiling_measure(enum cpu_level level)
{
    (void)level;
    return 0.0;
}
#endif
