/* Loss and optimisers' steps in AVX-512; step_simd.h says how. */
#include "kernel/x86/simd_avx512.h"

#include "kernel/x86/step_simd.h"
