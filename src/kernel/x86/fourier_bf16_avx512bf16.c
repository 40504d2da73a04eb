/*
 * Convolution in the frequency domain with products in BF16, for maps whose own type is no finer;
 * inline assembly for the reason in dot_u8_avx512vnni.c.
 */
#include "kernel/conv_list.h"
#include "kernel/x86/simd_avx512.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx512.h"

#include "kernel/fourier.h"

#define FOURIER_GROUP       2
#define FOURIER_READS(type) ((type) != MAP_F32)

INLINE vec product_add(vec sum, vec x, vec w)
{
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
    return sum;
}

INLINE void transformed_store(uint8_t *p, vec v)
{
    const __m256i half = (__m256i)_mm512_cvtneps_pbh(v);
    _mm256_storeu_si256((__m256i *)(void *)p, half);
}

#include "kernel/fourier_simd.h"

FOURIER_KERNEL(bf16_fourier8_avx512bf16, "bf16_fourier8_avx512bf16", CPU_AVX512BF16, fits_8,
               level_8)
FOURIER_KERNEL(bf16_fourier16_avx512bf16, "bf16_fourier16_avx512bf16", CPU_AVX512BF16, fits_16,
               level_16)
