/* Winograd's algorithm in whole numbers with AVX-VNNI; see dot_u8_avxvnni.c. */
#include "kernel/conv_list.h"
#include "kernel/x86/simd_avx2.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx2.h"
#include "kernel/x86/words_avx2.h"

#include <cpuid.h>

#define WHOLE_HALVES 0

INLINE pairs pairs_add(pairs sum, pairs x, pairs w)
{
    __asm__("%{vex%} vpdpwssd %2, %1, %0" : "+x"(sum) : "x"(x), "x"(w));
    return sum;
}

#include "kernel/x86/winograd_whole_simd.h"

static bool fits(const struct conv_shape *s)
{
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || (a >> 4 & 1) == 0)
        return false;
    return whole_fits(s);
}

WHOLE_KERNEL(conv_s16_winograd_avxvnni, "s16_winograd_avxvnni", CPU_AVX2, fits, level_simd)
