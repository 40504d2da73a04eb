/* Maps of every type as vectors of 16 floats; included after simd_avx512.h and simd_words.h. */
#ifndef KERNEL_SIMD_MAP_AVX512_H
#define KERNEL_SIMD_MAP_AVX512_H

#include "kernel/conv_kernel.h"

/* Lanes that take no part are zero and are not read. */
INLINE vec vec_load_u8(const uint8_t *p, lanes some)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(some, p)));
}

INLINE vec vec_load_bf16(const uint16_t *p, lanes some)
{
    const __m512i wide = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(some, p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(wide, 16));
}

/* r is within 0..255 after `zero` is added. */
INLINE __m128i vec_bytes(vec r, __m512i zero)
{
    return _mm512_cvtepi32_epi8(_mm512_add_epi32(_mm512_cvtps_epi32(r), zero));
}

INLINE void vec_store_u8(uint8_t *p, vec r, int zero, lanes some)
{
    _mm_mask_storeu_epi8(p, some, vec_bytes(r, _mm512_set1_epi32(zero)));
}

/* r is no NaN. */
INLINE void vec_store_bf16(uint16_t *p, vec r, lanes some)
{
    const __m512i bits = _mm512_castps_si512(r);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i up = _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff));
    const __m512i half = _mm512_srli_epi32(_mm512_add_epi32(bits, up), 16);
    _mm256_mask_storeu_epi16(p, some, _mm512_cvtepi32_epi16(half));
}

/* As conv_kernel.h has it: the limit when r is a NaN. */
INLINE vec vec_limited(vec r, vec low, vec high)
{
    return _mm512_min_ps(_mm512_max_ps(r, low), high);
}

#endif
