/* Convolution in the frequency domain with AVX-512, in floats. */
#include "kernel/conv_list.h"
#include "kernel/x86/simd_avx512.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx512.h"

#define FOURIER_GROUP       1
#define FOURIER_READS(type) true

#include "kernel/fourier_float.h"

#include "kernel/fourier_simd.h"

FOURIER_KERNEL(f32_fourier8_avx512, "f32_fourier8_avx512", CPU_AVX512, fits_8, level_8)
FOURIER_KERNEL(f32_fourier16_avx512, "f32_fourier16_avx512", CPU_AVX512, fits_16, level_16)
