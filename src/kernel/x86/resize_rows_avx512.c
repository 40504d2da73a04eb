/* What AVX-512 does better of a resize: long rows. */
#include "kernel/family.h"
#include "kernel/resize_rows.h"

#include <immintrin.h>

static __mmask16 tail(size_t n)
{
    return (__mmask16)(n >= 16 ? 0xffffU : (1U << n) - 1);
}

static void widen(const uint8_t *in, size_t n, float *out)
{
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = tail(n - i);
        const __m128i bytes = _mm_maskz_loadu_epi8(m, in + i);
        _mm512_mask_storeu_ps(out + i, m, _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)));
    }
}

/* 32 columns in words, which hold the sum of 257 bytes; the rows that come next are fetched. */
static __m512i add_words(const uint8_t *in, size_t pitch, int rows, __mmask32 m)
{
    __m512i sum = _mm512_setzero_si512();
    for (int r = 0; r < rows; r++, in += pitch) {
        _mm_prefetch((const void *)((uintptr_t)in + (size_t)rows * pitch), _MM_HINT_T0);
        sum = _mm512_add_epi16(sum, _mm512_cvtepu8_epi16(_mm256_maskz_loadu_epi8(m, in)));
    }
    return sum;
}

static void add_rows(const uint8_t *in, size_t pitch, int rows, size_t n, uint32_t *sums)
{
    enum { MOST = 257 };
    for (size_t i = 0; i < n; i += 32) {
        const __mmask32 m = n - i >= 32 ? 0xffffffffU : (1U << (n - i)) - 1;
        __m512i low = _mm512_setzero_si512(), high = low;
        for (int r = 0; r < rows; r += MOST) {
            const int some = rows - r < MOST ? rows - r : MOST;
            const __m512i words = add_words(in + i + (size_t)r * pitch, pitch, some, m);
            low = _mm512_add_epi32(low, _mm512_cvtepu16_epi32(_mm512_castsi512_si256(words)));
            high =
                _mm512_add_epi32(high, _mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(words, 1)));
        }
        _mm512_mask_storeu_epi32(sums + i, (__mmask16)m, low);
        _mm512_mask_storeu_epi32(sums + i + 16, (__mmask16)(m >> 16), high);
    }
}

/* A pixel in each half; the halves overlap by the fourth number, so the first is stored first. */
static void average(const uint32_t *sums, int width, double share, size_t n, float *out)
{
    const __m512d factor = _mm512_set1_pd(share);
    const size_t step = (size_t)width * RESIZE_CHANNELS;
    for (size_t d = 0; d < n; d += 2, sums += 2 * step, out += 2 * RESIZE_CHANNELS) {
        const uint32_t *other = d + 1 < n ? sums + step : sums;
        __m256i sum = _mm256_setzero_si256();
        for (size_t k = 0; k < step; k += RESIZE_CHANNELS) {
            const __m128i one = _mm_loadu_si128((const __m128i *)(const void *)(sums + k));
            const __m128i two = _mm_loadu_si128((const __m128i *)(const void *)(other + k));
            sum =
                _mm256_add_epi32(sum, _mm256_inserti128_si256(_mm256_castsi128_si256(one), two, 1));
        }
        const __m256 means = _mm512_cvtpd_ps(_mm512_mul_pd(factor, _mm512_cvtepi32_pd(sum)));
        _mm_storeu_ps(out, _mm256_castps256_ps128(means));
        if (d + 1 < n)
            _mm_storeu_ps(out + RESIZE_CHANNELS, _mm256_extractf128_ps(means, 1));
    }
}

static void blend(const float *const in[RESIZE_TAPS], const float w[RESIZE_TAPS], size_t n,
                  float *out)
{
    const __m512 w0 = _mm512_set1_ps(w[0]), w1 = _mm512_set1_ps(w[1]);
    const __m512 w2 = _mm512_set1_ps(w[2]), w3 = _mm512_set1_ps(w[3]);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = tail(n - i);
        __m512 s = _mm512_mul_ps(_mm512_maskz_loadu_ps(m, in[0] + i), w0);
        s = _mm512_add_ps(s, _mm512_mul_ps(_mm512_maskz_loadu_ps(m, in[1] + i), w1));
        s = _mm512_add_ps(s, _mm512_mul_ps(_mm512_maskz_loadu_ps(m, in[2] + i), w2));
        s = _mm512_add_ps(s, _mm512_mul_ps(_mm512_maskz_loadu_ps(m, in[3] + i), w3));
        _mm512_mask_storeu_ps(out + i, m, s);
    }
}

static void narrow(const float *in, size_t n, uint8_t *out)
{
    const __m512 low = _mm512_setzero_ps(), high = _mm512_set1_ps(255);
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = tail(n - i);
        const __m512 v = _mm512_min_ps(_mm512_max_ps(_mm512_maskz_loadu_ps(m, in + i), low), high);
        _mm_mask_storeu_epi8(out + i, m, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(v)));
    }
}

void resize_rows_init_avx512(struct resize_rows *k)
{
    k->widen = widen;
    k->add_rows = add_rows;
    k->average = average;
    k->blend = blend;
    k->narrow = narrow;
}
