/* Convolution in AVX-512; conv_simd.h says how. */
#include "kernel/x86/simd_avx512.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx512.h"

#include "kernel/x86/conv_simd.h"
