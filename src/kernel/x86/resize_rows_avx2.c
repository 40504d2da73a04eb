/* Rows of a resize in AVX2. */
#include "kernel/family.h"
#include "kernel/resize_rows.h"

#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

static void widen(const uint8_t *in, size_t n, float *out)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)(in + i));
        _mm256_storeu_ps(out + i, _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)));
    }
    for (; i < n; i++)
        out[i] = in[i];
}

/* 16 columns in words, which hold the sum of 257 bytes; the rows that come next are fetched. */
static __m256i add_words(const uint8_t *in, size_t pitch, int rows)
{
    __m256i sum = _mm256_setzero_si256();
    for (int r = 0; r < rows; r++, in += pitch) {
        _mm_prefetch((const void *)((uintptr_t)in + (size_t)rows * pitch), _MM_HINT_T0);
        sum = _mm256_add_epi16(
            sum, _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(const void *)in)));
    }
    return sum;
}

static void add_rows(const uint8_t *in, size_t pitch, int rows, size_t n, uint32_t *sums)
{
    enum { MOST = 257 };
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i low = _mm256_setzero_si256(), high = low;
        for (int r = 0; r < rows; r += MOST) {
            const int some = rows - r < MOST ? rows - r : MOST;
            const __m256i words = add_words(in + i + (size_t)r * pitch, pitch, some);
            low = _mm256_add_epi32(low, _mm256_cvtepu16_epi32(_mm256_castsi256_si128(words)));
            high =
                _mm256_add_epi32(high, _mm256_cvtepu16_epi32(_mm256_extracti128_si256(words, 1)));
        }
        _mm256_storeu_si256((__m256i *)(void *)(sums + i), low);
        _mm256_storeu_si256((__m256i *)(void *)(sums + i + 8), high);
    }
    for (; i < n; i++) {
        sums[i] = 0;
        for (int r = 0; r < rows; r++)
            sums[i] += in[i + (size_t)r * pitch];
    }
}

static void average(const uint32_t *sums, int width, double share, size_t n, float *out)
{
    const __m256d factor = _mm256_set1_pd(share);
    for (size_t d = 0; d < n; d++, out += RESIZE_CHANNELS) {
        __m128i sum = _mm_setzero_si128();
        for (int k = 0; k < width; k++, sums += RESIZE_CHANNELS)
            sum = _mm_add_epi32(sum, _mm_loadu_si128((const __m128i *)(const void *)sums));
        _mm_storeu_ps(out, _mm256_cvtpd_ps(_mm256_mul_pd(factor, _mm256_cvtepi32_pd(sum))));
    }
}

static void blend(const float *const in[RESIZE_TAPS], const float w[RESIZE_TAPS], size_t n,
                  float *out)
{
    const __m256 w0 = _mm256_set1_ps(w[0]), w1 = _mm256_set1_ps(w[1]);
    const __m256 w2 = _mm256_set1_ps(w[2]), w3 = _mm256_set1_ps(w[3]);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 s = _mm256_mul_ps(_mm256_loadu_ps(in[0] + i), w0);
        s = _mm256_add_ps(s, _mm256_mul_ps(_mm256_loadu_ps(in[1] + i), w1));
        s = _mm256_add_ps(s, _mm256_mul_ps(_mm256_loadu_ps(in[2] + i), w2));
        s = _mm256_add_ps(s, _mm256_mul_ps(_mm256_loadu_ps(in[3] + i), w3));
        _mm256_storeu_ps(out + i, s);
    }
    for (; i < n; i++)
        out[i] = in[0][i] * w[0] + in[1][i] * w[1] + in[2][i] * w[2] + in[3][i] * w[3];
}

/* Four numbers of each of two pixels' sources. */
static __m256 two_sources(const float *x, const float *other)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(x)), _mm_loadu_ps(other), 1);
}

/* Two pixels at a time: three channels and one number more each; the first is stored first. */
static void columns(const float *line, const int32_t *first, const float (*w)[RESIZE_TAPS],
                    size_t n, float *out)
{
    for (size_t d = 0; d < n; d += 2, out += 2 * RESIZE_CHANNELS) {
        const bool both = d + 1 < n;
        const float *x = line + (ptrdiff_t)first[d] * RESIZE_CHANNELS;
        const float *y = both ? line + (ptrdiff_t)first[d + 1] * RESIZE_CHANNELS : x;
        const __m256 weights = two_sources(w[d], both ? w[d + 1] : w[d]);
        __m256 s = _mm256_mul_ps(two_sources(x, y), _mm256_permute_ps(weights, 0x00));
        s = _mm256_add_ps(
            s, _mm256_mul_ps(two_sources(x + 3, y + 3), _mm256_permute_ps(weights, 0x55)));
        s = _mm256_add_ps(
            s, _mm256_mul_ps(two_sources(x + 6, y + 6), _mm256_permute_ps(weights, 0xaa)));
        s = _mm256_add_ps(
            s, _mm256_mul_ps(two_sources(x + 9, y + 9), _mm256_permute_ps(weights, 0xff)));
        _mm_storeu_ps(out, _mm256_castps256_ps128(s));
        if (both)
            _mm_storeu_ps(out + RESIZE_CHANNELS, _mm256_extractf128_ps(s, 1));
    }
}

static void narrow(const float *in, size_t n, uint8_t *out)
{
    const __m256 low = _mm256_setzero_ps(), high = _mm256_set1_ps(255);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256 v = _mm256_min_ps(_mm256_max_ps(_mm256_loadu_ps(in + i), low), high);
        const __m256i levels = _mm256_cvtps_epi32(v); /* limits are whole, so rounding commutes */
        const __m128i words =
            _mm_packus_epi32(_mm256_castsi256_si128(levels), _mm256_extracti128_si256(levels, 1));
        _mm_storel_epi64((__m128i *)(void *)(out + i), _mm_packus_epi16(words, words));
    }
    if (i < n) {
        float rest[8] = {0};
        memcpy(rest, in + i, (n - i) * sizeof(float));
        uint8_t bytes[8];
        narrow(rest, 8, bytes);
        memcpy(out + i, bytes, n - i);
    }
}

void resize_rows_init_avx2(struct resize_rows *k)
{
    *k = (struct resize_rows){widen, add_rows, average, blend, columns, narrow};
}
