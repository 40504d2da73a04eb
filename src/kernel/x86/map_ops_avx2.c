/* Map operations in AVX2; map_ops_simd.h says how. */
#include "kernel/x86/simd_avx2.h"

#include "kernel/x86/simd_words.h"

#include "kernel/x86/simd_map_avx2.h"
#include "kernel/x86/words_avx2.h"

#include "kernel/x86/map_ops_simd.h"
