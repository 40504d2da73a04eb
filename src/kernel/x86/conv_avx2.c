/* Convolution in AVX2 and FMA; conv_simd.h says how. */
#include "kernel/x86/simd_avx2.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx2.h"

#include "kernel/x86/conv_simd.h"
