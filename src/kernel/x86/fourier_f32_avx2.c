/* Convolution in the frequency domain with AVX2, in floats. */
#include "kernel/conv_list.h"
#include "kernel/x86/simd_avx2.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx2.h"

#define FOURIER_GROUP       1
#define FOURIER_READS(type) true

#include "kernel/fourier_float.h"

#include "kernel/fourier_simd.h"

FOURIER_KERNEL(f32_fourier8_avx2, "f32_fourier8_avx2", CPU_AVX2, fits_8, level_8)
FOURIER_KERNEL(f32_fourier16_avx2, "f32_fourier16_avx2", CPU_AVX2, fits_16, level_16)
