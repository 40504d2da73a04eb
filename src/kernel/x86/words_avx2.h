/* 16-bit numbers and pairs of their products in vectors of 256 bits. */
#ifndef KERNEL_WORDS_AVX2_H
#define KERNEL_WORDS_AVX2_H

#include <stdint.h>

enum { WORDS = 16 };

typedef __m256i words, pairs;

INLINE words words_load(const int16_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

INLINE void words_store(int16_t *p, words v)
{
    _mm256_storeu_si256((__m256i *)(void *)p, v);
}

INLINE words words_bytes(const uint8_t *p)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)p));
}

INLINE words words_add(words a, words b)
{
    return _mm256_add_epi16(a, b);
}

INLINE words words_sub(words a, words b)
{
    return _mm256_sub_epi16(a, b);
}

INLINE words words_4(words v) /* 4 v */
{
    return _mm256_slli_epi16(v, 2);
}

INLINE words words_3(words v) /* 3 v */
{
    return words_add(words_add(v, v), v);
}

/* floor(v / 16 + 1/2), at most 255, as bytes. */
INLINE void words_store_sixteenths(uint8_t *p, words v)
{
    const __m256i q = _mm256_srli_epi16(_mm256_add_epi16(v, _mm256_set1_epi16(8)), 4);
    const __m128i low = _mm256_castsi256_si128(q), high = _mm256_extracti128_si256(q, 1);
    _mm_storeu_si128((__m128i *)(void *)p, _mm_packus_epi16(low, high));
}

INLINE pairs pairs_zero(void)
{
    return _mm256_setzero_si256();
}

INLINE pairs pairs_load(const int16_t *p)
{
    return words_load(p);
}

INLINE pairs pairs_broadcast(const uint8_t *p)
{
    int pair;
    memcpy(&pair, p, sizeof(pair));
    return _mm256_set1_epi32(pair);
}

INLINE pairs pairs_some(const int32_t *p, lanes some)
{
    return _mm256_maskload_epi32(p, some);
}

/* Bytes of two pixels: a lane has one of each. */
INLINE pairs pairs_bytes(const uint8_t *a, const uint8_t *b)
{
    const __m256i low = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)a));
    const __m256i high = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)b));
    return _mm256_or_si256(low, _mm256_slli_epi32(high, 16));
}

/* The two products of each lane's 16-bit numbers, added. */
INLINE pairs pairs_madd(pairs sum, pairs x, pairs w)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(x, w));
}

INLINE vec pairs_vec(pairs v)
{
    return _mm256_cvtepi32_ps(v);
}

INLINE void pairs_store(int32_t *p, pairs v)
{
    _mm256_storeu_si256((__m256i *)(void *)p, v);
}

INLINE vec pairs_float(const int32_t *p)
{
    return pairs_vec(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

#endif
