/* Pixelwise kernels in AVX-512; pixel_simd.h says how. */
#include "kernel/x86/simd_avx512.h"

#include "kernel/x86/pixel_simd.h"
