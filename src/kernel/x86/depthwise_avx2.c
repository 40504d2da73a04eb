/* Depthwise convolution in AVX2; depthwise_simd.h says how. */
#include "kernel/x86/simd_avx2.h"

#include "kernel/x86/depthwise_simd.h"
