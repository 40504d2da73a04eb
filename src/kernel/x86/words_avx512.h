/* 16-bit numbers and pairs of their products in vectors of 512 bits. */
#ifndef KERNEL_WORDS_AVX512_H
#define KERNEL_WORDS_AVX512_H

#include <stdint.h>

enum { WORDS = 32 };

typedef __m512i words, pairs;
typedef __m256i half_pairs;

INLINE words words_load(const int16_t *p)
{
    return _mm512_loadu_si512(p);
}

INLINE void words_store(int16_t *p, words v)
{
    _mm512_storeu_si512(p, v);
}

INLINE words words_bytes(const uint8_t *p)
{
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

INLINE words words_add(words a, words b)
{
    return _mm512_add_epi16(a, b);
}

INLINE words words_sub(words a, words b)
{
    return _mm512_sub_epi16(a, b);
}

INLINE words words_4(words v) /* 4 v */
{
    return _mm512_slli_epi16(v, 2);
}

INLINE words words_3(words v) /* 3 v */
{
    return words_add(words_add(v, v), v);
}

/* floor(v / 16 + 1/2), at most 255, as bytes. */
INLINE void words_store_sixteenths(uint8_t *p, words v)
{
    const __m512i rounded = _mm512_add_epi16(v, _mm512_set1_epi16(8));
    _mm256_storeu_si256((__m256i *)(void *)p, _mm512_cvtepi16_epi8(_mm512_srli_epi16(rounded, 4)));
}

INLINE pairs pairs_zero(void)
{
    return _mm512_setzero_si512();
}

INLINE pairs pairs_load(const int16_t *p)
{
    return _mm512_loadu_si512(p);
}

INLINE pairs pairs_broadcast(const uint8_t *p)
{
    int pair;
    memcpy(&pair, p, sizeof(pair));
    return _mm512_set1_epi32(pair);
}

INLINE pairs pairs_some(const int32_t *p, lanes some)
{
    return _mm512_maskz_loadu_epi32(some, p);
}

/* Bytes of two pixels: a lane has one of each. */
INLINE pairs pairs_bytes(const uint8_t *a, const uint8_t *b)
{
    const __m512i low = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)a));
    const __m512i high = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)b));
    return _mm512_or_si512(low, _mm512_slli_epi32(high, 16));
}

/* The two products of each lane's 16-bit numbers, added. */
INLINE pairs pairs_madd(pairs sum, pairs x, pairs w)
{
    return _mm512_add_epi32(sum, _mm512_madd_epi16(x, w));
}

INLINE vec pairs_vec(pairs v)
{
    return _mm512_cvtepi32_ps(v);
}

INLINE void pairs_store(int32_t *p, pairs v)
{
    _mm512_storeu_si512(p, v);
}

INLINE vec pairs_float(const int32_t *p)
{
    return pairs_vec(_mm512_loadu_si512(p));
}

INLINE half_pairs half_zero(void)
{
    return _mm256_setzero_si256();
}

INLINE half_pairs half_load(const int16_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

INLINE half_pairs half_of(pairs v)
{
    return _mm512_castsi512_si256(v);
}

INLINE void half_store(float *p, half_pairs v)
{
    _mm256_storeu_ps(p, _mm256_cvtepi32_ps(v));
}

#endif
