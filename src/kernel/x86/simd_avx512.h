/* Vectors of 16 floats: the words in which the x86 kernels are written, in AVX-512. */
#ifndef KERNEL_SIMD_AVX512_H
#define KERNEL_SIMD_AVX512_H

#include <immintrin.h>

#define LEVEL_NAME(name) name##_avx512

enum { LANES = 16 };

typedef __m512 vec;
typedef __mmask16 lanes; /* which lanes take part */

/*
 * Register tiles, rows x vectors. A tile's accumulators, one row of vectors of the other factor
 * and one broadcast have to fit into 32 registers.
 */
enum { TILE_MAX_1 = 14, TILE_MAX_2 = 14, TILE_MAX_3 = 9 };
#define TILES_1(X)                                                                                 \
    X(1, 1)                                                                                        \
    X(2, 1)                                                                                        \
    X(3, 1) X(4, 1) X(5, 1) X(6, 1) X(7, 1) X(8, 1) X(9, 1) X(10, 1) X(11, 1) X(12, 1) X(13, 1)    \
        X(14, 1)
#define TILES_2(X)                                                                                 \
    X(1, 2)                                                                                        \
    X(2, 2)                                                                                        \
    X(3, 2) X(4, 2) X(5, 2) X(6, 2) X(7, 2) X(8, 2) X(9, 2) X(10, 2) X(11, 2) X(12, 2) X(13, 2)    \
        X(14, 2)
#define TILES_3(X) X(1, 3) X(2, 3) X(3, 3) X(4, 3) X(5, 3) X(6, 3) X(7, 3) X(8, 3) X(9, 3)

/* The first n lanes, all of them for n >= LANES. */
static inline lanes lanes_first(int n)
{
    return n >= LANES ? (lanes)0xffff : (lanes)((1U << n) - 1U);
}

static inline vec vec_zero(void)
{
    return _mm512_setzero_ps();
}

static inline vec vec_set(float x)
{
    return _mm512_set1_ps(x);
}

static inline vec vec_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

/* Lanes that take no part are zero and are not read. */
static inline vec vec_load_some(const float *p, lanes some)
{
    return _mm512_maskz_loadu_ps(some, p);
}

static inline void vec_store(float *p, vec v)
{
    _mm512_storeu_ps(p, v);
}

static inline void vec_store_some(float *p, vec v, lanes some)
{
    _mm512_mask_storeu_ps(p, some, v);
}

static inline vec vec_add(vec a, vec b)
{
    return _mm512_add_ps(a, b);
}

/* a * b + c, rounded once. */
static inline vec vec_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
}

/* max(v, 0); a NaN stays one (the second operand wins then). */
static inline vec vec_relu(vec v)
{
    return _mm512_max_ps(_mm512_setzero_ps(), v);
}

#endif
