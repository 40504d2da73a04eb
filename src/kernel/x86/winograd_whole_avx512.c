/* Winograd's algorithm in whole numbers with AVX-512 without VNNI. */
#include "kernel/conv_list.h"
#include "kernel/x86/simd_avx512.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx512.h"
#include "kernel/x86/words_avx512.h"

#define WHOLE_HALVES 1

INLINE pairs pairs_add(pairs sum, pairs x, pairs w)
{
    return pairs_madd(sum, x, w);
}

INLINE half_pairs half_add(half_pairs sum, half_pairs x, half_pairs w)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(x, w));
}

#include "kernel/x86/winograd_whole_simd.h"

WHOLE_KERNEL(conv_s16_winograd_avx512, "s16_winograd_avx512", CPU_AVX512, whole_fits, level_simd)
