/* BF16 convolution with AVX-512 BF16; inline assembly for the reason in dot_u8_avx512vnni.c. */
#include "kernel/conv_list.h"
#include "kernel/x86/simd_avx512.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx512.h"

#define DOT_SORT   DOT_BF16
#define DOT_WHOLE  0
#define DOT_PAIRED 1

#include "kernel/x86/dots_float.h"

INLINE dots dots_add(dots sum, dots x, dots w)
{
    __asm__("vdpbf16ps %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
    return sum;
}

#include "kernel/x86/dot_simd.h"

static bool fits(const struct conv_shape *s)
{
    return s->in == MAP_BF16 && !s->depthwise;
}

DOT_KERNEL(conv_bf16_dot_avx512bf16, "bf16_dot_avx512bf16", CPU_AVX512BF16, WEIGHT_F32, fits,
           dot_tiles_of_level)
