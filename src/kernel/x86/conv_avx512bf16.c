/*
 * Convolution in mixed precision with AVX-512 BF16; conv_simd.h says how. The product is inline
 * assembly because gcc 12 keeps the sums of _mm512_dpbf16_ps() on the stack.
 */
#include "kernel/x86/simd_avx512.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx512.h"

#undef LEVEL_NAME
#define LEVEL_NAME(name) name##_avx512bf16
#define CONV_SLOT        2

/* sum + the two products of each slot. */
INLINE vec slots_add(vec sum, vec a, vec b)
{
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}

/* 16 floats into 8 slots. */
INLINE void narrow_store(float *to, vec v)
{
    _mm256_storeu_si256((__m256i *)(void *)to, (__m256i)_mm512_cvtneps_pbh(v));
}

static void narrow(const float *from, ptrdiff_t n, float *to)
{
    ptrdiff_t i = 0;
    for (; i + LANES <= n; i += LANES)
        narrow_store(to + i / 2, vec_load(from + i));
    if (i == n)
        return;
    const int left = (int)(n - i);
    const __m256i last = (__m256i)_mm512_cvtneps_pbh(vec_load_some(from + i, lanes_first(left)));
    _mm256_mask_storeu_epi32(to + i / 2, (__mmask8)lanes_first((left + 1) / 2), last);
}

/* 16 slots: a's values below, b's above. */
INLINE vec vec_pairs(vec a, vec b)
{
    static const uint16_t order[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                       21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                       11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i both = (__m512i)_mm512_cvtne2ps_pbh(b, a);
    return (vec)_mm512_permutexvar_epi16(_mm512_loadu_si512(order), both);
}

static void pair(const float *a, const float *b, int n, float *out)
{
    for (int i = 0; i < n; i += LANES) {
        const lanes some = lanes_first(n - i);
        const vec low = a ? vec_load_some(a + i, some) : vec_zero();
        const vec high = b ? vec_load_some(b + i, some) : vec_zero();
        vec_store_some(out + i, vec_pairs(low, high), some);
    }
}

#include "kernel/x86/conv_simd.h"
