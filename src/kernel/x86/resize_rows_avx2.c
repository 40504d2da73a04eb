/* Rows of a resize in AVX2. Columns take one pixel's tap at a time: three channels and one more. */
#include "kernel/family.h"
#include "kernel/resize_rows.h"

#include <immintrin.h>
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

static void accumulate(const uint8_t *in, size_t n, uint32_t *sums)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)(in + i));
        __m256i *at = (__m256i *)(void *)(sums + i);
        _mm256_storeu_si256(at,
                            _mm256_add_epi32(_mm256_loadu_si256(at), _mm256_cvtepu8_epi32(bytes)));
    }
    for (; i < n; i++)
        sums[i] += in[i];
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

static void columns(const float *line, const int32_t *first, const float (*w)[RESIZE_TAPS],
                    size_t n, float *out)
{
    for (size_t d = 0; d < n; d++) {
        const float *x = line + (ptrdiff_t)first[d] * RESIZE_CHANNELS;
        __m128 s = _mm_mul_ps(_mm_loadu_ps(x), _mm_set1_ps(w[d][0]));
        s = _mm_add_ps(s, _mm_mul_ps(_mm_loadu_ps(x + 3), _mm_set1_ps(w[d][1])));
        s = _mm_add_ps(s, _mm_mul_ps(_mm_loadu_ps(x + 6), _mm_set1_ps(w[d][2])));
        s = _mm_add_ps(s, _mm_mul_ps(_mm_loadu_ps(x + 9), _mm_set1_ps(w[d][3])));
        _mm_storeu_ps(out + d * RESIZE_CHANNELS, s);
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
    *k = (struct resize_rows){widen, accumulate, blend, columns, narrow};
}
