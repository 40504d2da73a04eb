/* Winograd's algorithm in whole numbers with AVX-512 VNNI; assembly as in dot_u8_avx512vnni.c. */
#include "kernel/conv_list.h"
#include "kernel/x86/simd_avx512.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx512.h"
#include "kernel/x86/words_avx512.h"

#define WHOLE_HALVES 1

INLINE pairs pairs_add(pairs sum, pairs x, pairs w)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
    return sum;
}

INLINE half_pairs half_add(half_pairs sum, half_pairs x, half_pairs w)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
    return sum;
}

#include "kernel/x86/winograd_whole_simd.h"

WHOLE_KERNEL(conv_s16_winograd_avx512vnni, "s16_winograd_avx512vnni", CPU_AVX512VNNI, whole_fits,
             level_simd)
