/* Winograd's algorithm in whole numbers with AVX2. */
#include "kernel/conv_list.h"
#include "kernel/x86/simd_avx2.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx2.h"
#include "kernel/x86/words_avx2.h"

#define WHOLE_HALVES 0

INLINE pairs pairs_add(pairs sum, pairs x, pairs w)
{
    return pairs_madd(sum, x, w);
}

#include "kernel/x86/winograd_whole_simd.h"

WHOLE_KERNEL(conv_s16_winograd_avx2, "s16_winograd_avx2", CPU_AVX2, whole_fits, level_simd)
