/* Depthwise convolution in AVX-512; depthwise_simd.h says how. */
#include "kernel/x86/simd_avx512.h"

#include "kernel/x86/depthwise_simd.h"
