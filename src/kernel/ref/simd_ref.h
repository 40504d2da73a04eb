/*
 * Vectors of 4 floats in the compiler's own notation, for every processor: those of the words of
 * x86/simd_avx512.h, x86/simd_words.h and x86/simd_map_avx512.h that fourier_simd.h is written in.
 */
#ifndef KERNEL_SIMD_REF_H
#define KERNEL_SIMD_REF_H

#include "kernel/map_value.h"
#include "kernel/unroll.h"

#include <string.h>

enum { LANES = 4 };

typedef float vec __attribute__((vector_size(16)));
typedef int lanes; /* how many of the first lanes take part */

enum { TILE_MAX_1 = 6, TILE_MAX_2 = 4, TILE_MAX_3 = 3 };
#define TILES_1(X) X(1, 1) X(2, 1) X(3, 1) X(4, 1) X(5, 1) X(6, 1)
#define TILES_2(X) X(1, 2) X(2, 2) X(3, 2) X(4, 2)
#define TILES_3(X) X(1, 3) X(2, 3) X(3, 3)

INLINE lanes lanes_first(int n)
{
    return n < LANES ? n : LANES;
}

INLINE vec vec_set(float x)
{
    return (vec){x, x, x, x};
}

INLINE vec vec_zero(void)
{
    return vec_set(0.0F);
}

INLINE vec vec_load(const float *p)
{
    vec v;
    memcpy(&v, p, sizeof(v));
    return v;
}

INLINE void vec_store(float *p, vec v)
{
    memcpy(p, &v, sizeof(v));
}

INLINE vec vec_load_some(const float *p, lanes some)
{
    vec v = vec_zero();
    for (int k = 0; k < some; k++)
        v[k] = p[k];
    return v;
}

INLINE void vec_store_some(float *p, vec v, lanes some)
{
    for (int k = 0; k < some; k++)
        p[k] = v[k];
}

INLINE vec vec_add(vec a, vec b)
{
    return a + b;
}

INLINE vec vec_sub(vec a, vec b)
{
    return a - b;
}

INLINE vec vec_mul(vec a, vec b)
{
    return a * b;
}

/* Rounded twice: there need not be an instruction for once. */
INLINE vec vec_fma(vec a, vec b, vec c)
{
    return a * b + c;
}

/* ---- maps -------------------------------------------------------------------------------- */

INLINE vec vec_load_u8(const uint8_t *p, lanes some)
{
    vec v = vec_zero();
    for (int k = 0; k < some; k++)
        v[k] = (float)p[k];
    return v;
}

INLINE vec vec_load_bf16(const uint16_t *p, lanes some)
{
    vec v = vec_zero();
    for (int k = 0; k < some; k++)
        v[k] = bf16_float(p[k]);
    return v;
}

INLINE void vec_store_u8(uint8_t *p, vec r, int zero, lanes some)
{
    for (int k = 0; k < some; k++)
        map_store(MAP_U8, p, k, r[k], zero);
}

INLINE void vec_store_bf16(uint16_t *p, vec r, lanes some)
{
    for (int k = 0; k < some; k++)
        p[k] = bf16_round(r[k]);
}

INLINE vec vec_limited(vec r, vec low, vec high)
{
    for (int k = 0; k < LANES; k++)
        r[k] = map_limited(r[k], low[k], high[k]);
    return r;
}

#endif
