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
    X(3, 1)                                                                                        \
    X(4, 1) X(5, 1) X(6, 1) X(7, 1) X(8, 1) X(9, 1) X(10, 1) X(11, 1) X(12, 1) X(13, 1) X(14, 1)
#define TILES_2(X)                                                                                 \
    X(1, 2)                                                                                        \
    X(2, 2)                                                                                        \
    X(3, 2)                                                                                        \
    X(4, 2) X(5, 2) X(6, 2) X(7, 2) X(8, 2) X(9, 2) X(10, 2) X(11, 2) X(12, 2) X(13, 2) X(14, 2)
#define TILES_3(X) X(1, 3) X(2, 3) X(3, 3) X(4, 3) X(5, 3) X(6, 3) X(7, 3) X(8, 3) X(9, 3)

/* The first n lanes, all of them for n >= LANES. */
static inline lanes lanes_first(int n)
{
    const unsigned all = 0xffff;
    return (lanes)(n >= LANES ? all : all >> (LANES - n));
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

static inline vec vec_sub(vec a, vec b)
{
    return _mm512_sub_ps(a, b);
}

static inline vec vec_mul(vec a, vec b)
{
    return _mm512_mul_ps(a, b);
}

static inline vec vec_div(vec a, vec b)
{
    return _mm512_div_ps(a, b);
}

static inline vec vec_sqrt(vec v)
{
    return _mm512_sqrt_ps(v);
}

/* Of these two v wins when it is a NaN. */
static inline vec vec_at_least(float limit, vec v)
{
    return _mm512_max_ps(_mm512_set1_ps(limit), v);
}

static inline vec vec_at_most(float limit, vec v)
{
    return _mm512_min_ps(_mm512_set1_ps(limit), v);
}

/* max(v, 0); a NaN stays one. */
static inline vec vec_relu(vec v)
{
    return vec_at_least(0.0F, v);
}

/* Where a > b; false with a NaN. */
static inline lanes vec_above(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}

/* Where a == b; false with a NaN. */
static inline lanes vec_equal(vec a, vec b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}

/* a in some lanes, b in the others. */
static inline vec vec_select(lanes some, vec a, vec b)
{
    return _mm512_mask_blend_ps(some, b, a);
}

/* The sign bit of each lane alone. */
static inline vec vec_sign_bit(vec v)
{
    return _mm512_and_ps(v, _mm512_set1_ps(-0.0F));
}

static inline vec vec_xor(vec a, vec b)
{
    return _mm512_xor_ps(a, b);
}

/* To the nearest whole number. */
static inline vec vec_round(vec v)
{
    return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* 2^n for whole -126 <= n <= 127. */
static inline vec vec_power_of_2(vec n)
{
    return _mm512_scalef_ps(_mm512_set1_ps(1.0F), n);
}

/* Sums in double precision. */
typedef struct {
    __m512d low, high;
} vec_total;

static inline vec_total vec_total_zero(void)
{
    return (vec_total){_mm512_setzero_pd(), _mm512_setzero_pd()};
}

static inline vec_total vec_total_add(vec_total sum, vec v)
{
    const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
    const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
    return (vec_total){_mm512_add_pd(sum.low, low), _mm512_add_pd(sum.high, high)};
}

/* sum + v * v, the squares exact. */
static inline vec_total vec_total_add_squares(vec_total sum, vec v)
{
    const __m512d low = _mm512_cvtps_pd(_mm512_castps512_ps256(v));
    const __m512d high = _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1));
    return (vec_total){_mm512_fmadd_pd(low, low, sum.low), _mm512_fmadd_pd(high, high, sum.high)};
}

/* Rounded to single precision, lane by lane. */
static inline vec vec_total_round(vec_total sum)
{
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(sum.low)),
                              _mm512_cvtpd_ps(sum.high), 1);
}

/* Over all lanes. */
static inline double vec_total_sum(vec_total sum)
{
    return _mm512_reduce_add_pd(_mm512_add_pd(sum.low, sum.high));
}

#endif
