/* Float convolution, direct, with AVX-512: from and to maps of every type. */
#include "kernel/conv_list.h"
#include "kernel/x86/simd_avx512.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx512.h"

#define DOT_SORT   DOT_F32
#define DOT_WHOLE  0
#define DOT_PAIRED 1

#include "kernel/x86/dots_float.h"

INLINE dots dots_add(dots sum, dots x, dots w)
{
    return vec_fma(x, w, sum);
}

#include "kernel/x86/dot_simd.h"

static bool fits(const struct conv_shape *s)
{
    return !s->depthwise;
}

DOT_KERNEL(conv_f32_dot_avx512, "f32_dot_avx512", CPU_AVX512, WEIGHT_F32, fits, dot_tiles_of_level)
