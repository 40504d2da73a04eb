/* Convolution in the frequency domain on any processor. */
#include "kernel/conv_list.h"
#include "kernel/ref/simd_ref.h"

#define FOURIER_GROUP       1
#define FOURIER_READS(type) true

#include "kernel/fourier_float.h"

#include "kernel/fourier_simd.h"

FOURIER_KERNEL(f32_fourier8_ref, "f32_fourier8_ref", CPU_REF, fits_8, level_8)
FOURIER_KERNEL(f32_fourier16_ref, "f32_fourier16_ref", CPU_REF, fits_16, level_16)
