/* Maps of every type as vectors of 8 floats; included after simd_avx2.h and simd_words.h. */
#ifndef KERNEL_SIMD_MAP_AVX2_H
#define KERNEL_SIMD_MAP_AVX2_H

#include "kernel/conv_kernel.h"

#include <string.h>

/* How many lanes take part. */
INLINE int lanes_count(lanes some)
{
    return __builtin_popcount((unsigned)_mm256_movemask_ps(_mm256_castsi256_ps(some)));
}

/* Lanes that take no part are zero and are not read. */
INLINE __m128i bytes_load_some(const void *p, size_t n)
{
    unsigned char bytes[16] = {0};
    memcpy(bytes, p, n);
    return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

INLINE void bytes_store_some(void *p, __m128i v, size_t n)
{
    unsigned char bytes[16];
    _mm_storeu_si128((__m128i *)(void *)bytes, v);
    memcpy(p, bytes, n);
}

INLINE vec vec_load_u8(const uint8_t *p, lanes some)
{
    const int n = lanes_count(some);
    const __m128i bytes = n == LANES ? _mm_loadl_epi64((const __m128i *)(const void *)p)
                                     : bytes_load_some(p, (size_t)n);
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes));
}

INLINE vec vec_load_bf16(const uint16_t *p, lanes some)
{
    const int n = lanes_count(some);
    const __m128i words = n == LANES ? _mm_loadu_si128((const __m128i *)(const void *)p)
                                     : bytes_load_some(p, 2 * (size_t)n);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(words), 16));
}

/* Numbers of 0..65535, one after the other. */
INLINE __m128i words_of(__m256i v)
{
    return _mm_packus_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
}

/* r is within 0..255 after `zero` is added. */
INLINE void vec_store_u8(uint8_t *p, vec r, int zero, lanes some)
{
    const __m256i q = _mm256_add_epi32(_mm256_cvtps_epi32(r), _mm256_set1_epi32(zero));
    const __m128i bytes = _mm_packus_epi16(words_of(q), _mm_setzero_si128());
    const int n = lanes_count(some);
    if (n == LANES)
        _mm_storel_epi64((__m128i *)(void *)p, bytes);
    else
        bytes_store_some(p, bytes, (size_t)n);
}

/* r is no NaN. */
INLINE void vec_store_bf16(uint16_t *p, vec r, lanes some)
{
    const __m256i bits = _mm256_castps_si256(r);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i up = _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff));
    const __m128i words = words_of(_mm256_srli_epi32(_mm256_add_epi32(bits, up), 16));
    const int n = lanes_count(some);
    if (n == LANES)
        _mm_storeu_si128((__m128i *)(void *)p, words);
    else
        bytes_store_some(p, words, 2 * (size_t)n);
}

/* As conv_kernel.h has it: the limit when r is a NaN. */
INLINE vec vec_limited(vec r, vec low, vec high)
{
    return _mm256_min_ps(_mm256_max_ps(r, low), high);
}

/* Limits of bytes, for vec_store_four(). */
struct byte_limits {
    vec low, high;
    int zero;
};

INLINE struct byte_limits byte_limits_of(float low, float high, int zero)
{
    return (struct byte_limits){vec_set(low), vec_set(high), zero};
}

/* n <= 4 vectors, limited and rounded as conv_kernel.h has it, to to[0], to[1], …. */
INLINE void vec_store_four(uint8_t *const to[4], const vec r[4], const struct byte_limits *l,
                           const lanes some[4], int n)
{
    UNROLL
    for (int i = 0; i < 4; i++)
        if (i < n)
            vec_store_u8(to[i], vec_limited(r[i], l->low, l->high), l->zero, some[i]);
}

#endif
