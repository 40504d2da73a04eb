/* Products of floats, for fourier_simd.h: the same at every vector width. */
#ifndef KERNEL_FOURIER_FLOAT_H
#define KERNEL_FOURIER_FLOAT_H

#include "kernel/fourier.h"

INLINE vec product_add(vec sum, vec x, vec w)
{
    return vec_fma(x, w, sum);
}

INLINE void transformed_store(uint8_t *p, vec v)
{
    vec_store((float *)(void *)p, v);
}

#endif
