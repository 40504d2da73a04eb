/* Loss and optimisers' steps in AVX2 and FMA; step_simd.h says how. */
#include "kernel/x86/simd_avx2.h"

#include "kernel/x86/step_simd.h"
