/* Ceiling of BF16 dot products. */
#include "kernel/x86/ceiling_loop.h"

static inline __m512 dot(__m512 s)
{
    const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3f80);
    return _mm512_dpbf16_ps(s, ones, ones);
}

CEILING_LOOP(ceiling_bf16_avx512bf16, __m512, _mm512_setzero_ps(), dot)
