/* Depthwise convolutions of engines with AVX-512. */
#include "kernel/conv_list.h"
#include "kernel/x86/simd_avx512.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx512.h"
#include "kernel/x86/words_avx512.h"

INLINE pairs pairs_add(pairs sum, pairs x, pairs w)
{
    return pairs_madd(sum, x, w);
}

#include "kernel/x86/dwconv_simd.h"

static bool u8_fits(const struct conv_shape *s)
{
    return s->in == MAP_U8 && dwconv_fits(s);
}

DWCONV_KERNEL(u8, conv_u8_dw_avx512, "u8_dwconv_avx512", CPU_AVX512, WEIGHT_S8, u8_fits, level_u8)
DWCONV_KERNEL(f32, conv_f32_dw_avx512, "f32_dwconv_avx512", CPU_AVX512, WEIGHT_F32, dwconv_fits,
              level_f32)
