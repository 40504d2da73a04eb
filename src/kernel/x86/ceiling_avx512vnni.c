/* Ceiling of 8-bit dot products. */
#include "kernel/x86/ceiling_loop.h"

static inline __m512i dot(__m512i s)
{
    return _mm512_dpbusd_epi32(s, _mm512_set1_epi8(1), _mm512_set1_epi8(1));
}

CEILING_LOOP(ceiling_u8_avx512vnni, __m512i, _mm512_setzero_si512(), dot)
