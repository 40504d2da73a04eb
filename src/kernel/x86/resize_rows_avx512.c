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

static void accumulate(const uint8_t *in, size_t n, uint32_t *sums)
{
    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = tail(n - i);
        const __m512i more = _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(m, in + i));
        const __m512i sum = _mm512_maskz_loadu_epi32(m, sums + i);
        _mm512_mask_storeu_epi32(sums + i, m, _mm512_add_epi32(sum, more));
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
    k->accumulate = accumulate;
    k->blend = blend;
    k->narrow = narrow;
}
