/*
 * 8-bit convolution with AVX-VNNI, which CPUs without AVX-512 have. It is no level of its own:
 * most CPUs with AVX-512 lack it, so it is asked for wherever a kernel is chosen.
 */
#include "kernel/conv_list.h"
#include "kernel/x86/simd_avx2.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx2.h"

#include <cpuid.h>

#define DOT_SORT   DOT_U8
#define DOT_WHOLE  1
#define DOT_PAIRED 0

#include "kernel/x86/dots_whole_avx2.h"

INLINE dots dots_add(dots sum, dots x, dots w)
{
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(x), "x"(w));
    return sum;
}

#include "kernel/x86/dot_simd.h"

/* CPUID leaf 7, subleaf 1: EAX bit 4. The registers are AVX2's, whose support the level implies. */
static bool fits(const struct conv_shape *s)
{
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 1, &a, &b, &c, &d) || (a >> 4 & 1) == 0)
        return false;
    return s->in == MAP_U8 && !s->depthwise;
}

DOT_KERNEL(conv_u8_dot_avxvnni, "u8_dot_avxvnni", CPU_AVX2, WEIGHT_S8, fits, dot_tiles_of_level)
