/* Map operations in AVX-512; map_ops_simd.h says how. */
#include "kernel/x86/simd_avx512.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx512.h"
#include "kernel/x86/words_avx512.h"

#include "kernel/x86/map_ops_simd.h"
