/*
 * 8-bit convolution with AVX2. There is an instruction for bytes (vpmaddubsw), but it saturates
 * pairs of products; so the window holds 16-bit numbers.
 */
#include "kernel/conv_list.h"
#include "kernel/x86/simd_avx2.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx2.h"

#define DOT_SORT   DOT_S16
#define DOT_WHOLE  1
#define DOT_PAIRED 0

#include "kernel/x86/dots_whole_avx2.h"

INLINE dots dots_add(dots sum, dots x, dots w)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(x, w));
}

#include "kernel/x86/dot_simd.h"

static bool fits(const struct conv_shape *s)
{
    return s->in == MAP_U8 && !s->depthwise;
}

DOT_KERNEL(conv_u8_dot_avx2, "u8_dot_avx2", CPU_AVX2, WEIGHT_S8, fits, dot_tiles_of_level)
