/* Ceiling of AVX-512 in single precision. */
#include "kernel/x86/ceiling_loop.h"

static inline __m512 multiply_add(__m512 s)
{
    return _mm512_fmadd_ps(_mm512_set1_ps(1), _mm512_set1_ps(1e-9F), s);
}

CEILING_LOOP(ceiling_f32_avx512, __m512, _mm512_setzero_ps(), multiply_add)
