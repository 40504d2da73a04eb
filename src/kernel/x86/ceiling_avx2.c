/* Ceilings of AVX2. */
#include "kernel/x86/ceiling_loop.h"

static inline __m256 multiply_add(__m256 s)
{
    return _mm256_fmadd_ps(_mm256_set1_ps(1), _mm256_set1_ps(1e-9F), s);
}

CEILING_LOOP(ceiling_f32_avx2, __m256, _mm256_setzero_ps(), multiply_add)

/* The product is opaque too, or it would be computed once. */
static inline __m256i multiply_add_pairs(__m256i s)
{
    __m256i w = _mm256_set1_epi16(3);
    __asm__ volatile("" : "+x"(w));
    return _mm256_add_epi32(s, _mm256_madd_epi16(w, w));
}

CEILING_LOOP(ceiling_s16_avx2, __m256i, _mm256_setzero_si256(), multiply_add_pairs)
