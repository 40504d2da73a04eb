/*
 * 8-bit convolution with AVX-512 VNNI. The dot product is inline assembly because gcc 12 keeps a
 * second copy of every accumulator of the intrinsic and then runs out of registers.
 */
#include "kernel/conv_list.h"
#include "kernel/x86/simd_avx512.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx512.h"

#define DOT_SORT   DOT_U8
#define DOT_WHOLE  1
#define DOT_PAIRED 1

#include "kernel/x86/dots_whole_avx512.h"

INLINE dots dots_add(dots sum, dots x, dots w)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
    return sum;
}

#include "kernel/x86/dot_simd.h"

static bool fits(const struct conv_shape *s)
{
    return s->in == MAP_U8 && !s->depthwise;
}

DOT_KERNEL(conv_u8_dot_avx512vnni, "u8_dot_avx512vnni", CPU_AVX512VNNI, WEIGHT_S8, fits,
           dot_tiles_of_level)
