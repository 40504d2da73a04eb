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

static inline vec vec_sub(vec a, vec b)
{
    return _mm256_sub_ps(a, b);
}

static inline vec vec_mul(vec a, vec b)
{
    return _mm256_mul_ps(a, b);
}

static inline vec vec_div(vec a, vec b)
{
    return _mm256_div_ps(a, b);
}

static inline vec vec_sqrt(vec v)
{
    return _mm256_sqrt_ps(v);
}

/* Of these two v wins when it is a NaN. */
static inline vec vec_at_least(float limit, vec v)
{
    return _mm256_max_ps(_mm256_set1_ps(limit), v);
}

static inline vec vec_at_most(float limit, vec v)
{
    return _mm256_min_ps(_mm256_set1_ps(limit), v);
}

/* max(v, 0); a NaN stays one. */
static inline vec vec_relu(vec v)
{
    return vec_at_least(0.0F, v);
}

/* Where a > b; false with a NaN. */
static inline lanes vec_above(vec a, vec b)
{
    return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_GT_OQ));
}

/* Where a == b; false with a NaN. */
static inline lanes vec_equal(vec a, vec b)
{
    return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_EQ_OQ));
}

/* a in some lanes, b in the others. */
static inline vec vec_select(lanes some, vec a, vec b)
{
    return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(some));
}

/* The sign bit of each lane alone. */
static inline vec vec_sign_bit(vec v)
{
    return _mm256_and_ps(v, _mm256_set1_ps(-0.0F));
}

static inline vec vec_xor(vec a, vec b)
{
    return _mm256_xor_ps(a, b);
}

/* To the nearest whole number. */
static inline vec vec_round(vec v)
{
    return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

/* 2^n for whole -126 <= n <= 127. */
static inline vec vec_power_of_2(vec n)
{
    const __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23));
}

/* Sums in double precision. */
typedef struct {
    __m256d low, high;
} vec_total;

static inline vec_total vec_total_zero(void)
{
    return (vec_total){_mm256_setzero_pd(), _mm256_setzero_pd()};
}

static inline vec_total vec_total_add(vec_total sum, vec v)
{
    const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(v));
    const __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
    return (vec_total){_mm256_add_pd(sum.low, low), _mm256_add_pd(sum.high, high)};
}

/* sum + v * v, the squares exact. */
static inline vec_total vec_total_add_squares(vec_total sum, vec v)
{
    const __m256d low = _mm256_cvtps_pd(_mm256_castps256_ps128(v));
    const __m256d high = _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1));
    return (vec_total){_mm256_fmadd_pd(low, low, sum.low), _mm256_fmadd_pd(high, high, sum.high)};
}

/* Rounded to single precision, lane by lane. */
static inline vec vec_total_round(vec_total sum)
{
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps(sum.low)),
                                _mm256_cvtpd_ps(sum.high), 1);
}

/* Over all lanes. */
static inline double vec_total_sum(vec_total sum)
{
    const __m256d four = _mm256_add_pd(sum.low, sum.high);
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(two) + _mm_cvtsd_f64(_mm_unpackhi_pd(two, two));
}

#endif
