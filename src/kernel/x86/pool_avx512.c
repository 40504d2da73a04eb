/* Pooling and enlargement in AVX-512; pool_simd.h says how. */
#include "kernel/x86/simd_avx512.h"

#include "kernel/x86/pool_simd.h"
