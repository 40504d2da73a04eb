/* Pixelwise kernels in AVX2 and FMA; pixel_simd.h says how. */
#include "kernel/x86/simd_avx2.h"

#include "kernel/x86/pixel_simd.h"
