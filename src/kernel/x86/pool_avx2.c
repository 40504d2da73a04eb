/* Pooling and enlargement in AVX2 and FMA; pool_simd.h says how. */
#include "kernel/x86/simd_avx2.h"

#include "kernel/x86/pool_simd.h"
