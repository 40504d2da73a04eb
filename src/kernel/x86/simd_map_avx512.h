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

/* Limits of bytes, for vec_store_four(). */
struct byte_limits {
    vec high;
    __m512i low, zero;
};

INLINE struct byte_limits byte_limits_of(float low, float high, int zero)
{
    return (struct byte_limits){.high = vec_set(high),
                                .low = _mm512_set1_epi8((char)((int)low + zero)),
                                .zero = _mm512_set1_epi16((short)zero)};
}

/*
 * n <= 4 vectors, limited and rounded as conv_kernel.h has it, to to[0], to[1], …: limits are whole
 * numbers, so the lower one may be applied to the bytes; what rounds to a number out of range, or
 * is a NaN, becomes the least one on the way there. The second operand of a minimum wins over a
 * NaN.
 */
INLINE void vec_store_four(uint8_t *const to[4], const vec r[4], const struct byte_limits *l,
                           const lanes some[4], int n)
{
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    __m512i q[4];
    UNROLL
    for (int i = 0; i < 4; i++)
        q[i] = i < n ? _mm512_cvtps_epi32(_mm512_min_ps(l->high, r[i])) : _mm512_setzero_si512();
    const __m512i a = _mm512_adds_epi16(_mm512_packs_epi32(q[0], q[1]), l->zero);
    const __m512i b =
        n > 2 ? _mm512_adds_epi16(_mm512_packs_epi32(q[2], q[3]), l->zero) : _mm512_setzero_si512();
    const __m512i bytes =
        _mm512_permutexvar_epi32(order, _mm512_max_epu8(_mm512_packus_epi16(a, b), l->low));
    _mm_mask_storeu_epi8(to[0], some[0], _mm512_castsi512_si128(bytes));
    if (n > 1)
        _mm_mask_storeu_epi8(to[1], some[1], _mm512_extracti32x4_epi32(bytes, 1));
    if (n > 2)
        _mm_mask_storeu_epi8(to[2], some[2], _mm512_extracti32x4_epi32(bytes, 2));
    if (n > 3)
        _mm_mask_storeu_epi8(to[3], some[3], _mm512_extracti32x4_epi32(bytes, 3));
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
