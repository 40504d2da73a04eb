/* 8-bit convolution with AVX-512 as the first CPUs had it, without VNNI: see dot_u8_avx2.c. */
#include "kernel/conv_list.h"
#include "kernel/x86/simd_avx512.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx512.h"

#define DOT_SORT   DOT_S16
#define DOT_WHOLE  1
#define DOT_PAIRED 1

#include "kernel/x86/dots_whole_avx512.h"

INLINE dots dots_add(dots sum, dots x, dots w)
{
    return _mm512_add_epi32(sum, _mm512_madd_epi16(x, w));
}

#include "kernel/x86/dot_simd.h"

static bool fits(const struct conv_shape *s)
{
    return s->in == MAP_U8 && !s->depthwise;
}

DOT_KERNEL(conv_u8_dot_avx512, "u8_dot_avx512", CPU_AVX512, WEIGHT_S8, fits, dot_tiles_of_level)
