/*
 * What the x86 kernels share beyond single instructions; included after a level's simd header.
 */
#ifndef KERNEL_SIMD_WORDS_H
#define KERNEL_SIMD_WORDS_H

#include "kernel/kernel.h"
#include "kernel/unroll.h"

#include <string.h>

/* A row's last vector has only some lanes; the others are whole. */
INLINE vec load_part(const float *p, bool last, lanes some)
{
    return last ? vec_load_some(p, some) : vec_load(p);
}

INLINE void store_part(float *p, vec v, bool last, lanes some)
{
    if (last)
        vec_store_some(p, v, some);
    else
        vec_store(p, v);
}

/* The next vector of a row of which `left` floats are still to come. */
INLINE vec load_next(const float *p, size_t left)
{
    return left >= LANES ? vec_load(p) : vec_load_some(p, lanes_first((int)left));
}

INLINE void store_next(float *p, vec v, size_t left)
{
    if (left >= LANES)
        vec_store(p, v);
    else
        vec_store_some(p, v, lanes_first((int)left));
}

/*
 * e^x - 1 = 2^n (e^r - 1) + (2^n - 1) with x = n ln 2 + r, |r| <= ln 2 / 2, where the series of
 * e^r - 1 up to r^7 is off by less than 2^-26 of it. ln 2 comes in two parts, so that r is exact.
 */
INLINE vec exp_minus_1(vec x)
{
    x = vec_at_least(-80.0F, vec_at_most(80.0F, x));
    const vec n = vec_round(vec_mul(x, vec_set(1.44269504F)));
    const vec high = vec_fma(n, vec_set(-0.693359375F), x);
    const vec r = vec_fma(n, vec_set(2.12194440e-4F), high);
    vec series = vec_set(1.0F / 5040.0F);
    series = vec_fma(series, r, vec_set(1.0F / 720.0F));
    series = vec_fma(series, r, vec_set(1.0F / 120.0F));
    series = vec_fma(series, r, vec_set(1.0F / 24.0F));
    series = vec_fma(series, r, vec_set(1.0F / 6.0F));
    series = vec_fma(series, r, vec_set(0.5F));
    series = vec_fma(vec_mul(r, r), series, r);
    const vec power = vec_power_of_2(n);
    return vec_fma(power, series, vec_sub(power, vec_set(1.0F)));
}

INLINE vec sigmoid(vec x)
{
    const vec rest = exp_minus_1(vec_sub(vec_zero(), x));
    return vec_div(vec_set(1.0F), vec_add(vec_set(2.0F), rest));
}

/* tanh |x| = (1 - e) / (1 + e) with e = exp(-2 |x|), precise near 0 thanks to e - 1. */
INLINE vec hyperbolic_tangent(vec x)
{
    const vec sign = vec_sign_bit(x);
    const vec size = vec_xor(x, sign);
    const vec rest = exp_minus_1(vec_mul(vec_set(-2.0F), size));
    const vec value = vec_div(vec_sub(vec_zero(), rest), vec_add(vec_set(2.0F), rest));
    return vec_xor(value, sign);
}

INLINE vec activate(enum activation act, vec x)
{
    switch (act) {
    case ACT_RELU: return vec_relu(x);
    case ACT_RELU6: return vec_at_most(6.0F, vec_relu(x));
    case ACT_SIGMOID: return sigmoid(x);
    case ACT_TANH: return hyperbolic_tangent(x);
    default: return x;
    }
}

/* x where gate > 0, else 0. */
INLINE vec where_positive(vec gate, vec x)
{
    return vec_select(vec_above(gate, vec_zero()), x, vec_zero());
}

#endif
