/* Vectors of 8 floats: the words in which the x86 kernels are written, in AVX2 and FMA. */
#ifndef KERNEL_SIMD_AVX2_H
#define KERNEL_SIMD_AVX2_H

#include <immintrin.h>

#define LEVEL_NAME(name) name##_avx2

enum { LANES = 8 };

typedef __m256 vec;
typedef __m256i lanes; /* which lanes take part: their sign bits */

/* Register tiles, rows x vectors, for 16 registers (see simd_avx512.h). */
enum { TILE_MAX_1 = 12, TILE_MAX_2 = 6, TILE_MAX_3 = 4 };
#define TILES_1(X)                                                                                 \
    X(1, 1)                                                                                        \
    X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(7, 1) X(8, 1) X(9, 1) X(10, 1) X(11, 1) X(12, 1)
#define TILES_2(X) X(1, 2) X(2, 2) X(3, 2) X(4, 2) X(5, 2) X(6, 2)
#define TILES_3(X) X(1, 3) X(2, 3) X(3, 3) X(4, 3)

/* The first n lanes, all of them for n >= LANES. */
static inline lanes lanes_first(int n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

static inline vec vec_zero(void)
{
    return _mm256_setzero_ps();
}

static inline vec vec_set(float x)
{
    return _mm256_set1_ps(x);
}

static inline vec vec_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

/* Lanes that take no part are zero and are not read. */
static inline vec vec_load_some(const float *p, lanes some)
{
    return _mm256_maskload_ps(p, some);
}

static inline void vec_store(float *p, vec v)
{
    _mm256_storeu_ps(p, v);
}

static inline void vec_store_some(float *p, vec v, lanes some)
{
    _mm256_maskstore_ps(p, some, v);
}

static inline vec vec_add(vec a, vec b)
{
    return _mm256_add_ps(a, b);
}

/* a * b + c, rounded once. */
static inline vec vec_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
}

/* max(v, 0); a NaN stays one (the second operand wins then). */
static inline vec vec_relu(vec v)
{
    return _mm256_max_ps(_mm256_setzero_ps(), v);
}

#endif
