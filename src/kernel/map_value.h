/* Numbers of maps of any type, one at a time: for the plain-C kernels and for borders. */
#ifndef KERNEL_MAP_VALUE_H
#define KERNEL_MAP_VALUE_H

#include "kernel/bf16.h"
#include "kernel/conv_kernel.h"

#include <math.h>

/* Element i of a map; a byte as it stands. */
static inline float map_value(enum map_type type, const void *map, ptrdiff_t i)
{
    switch (type) {
    case MAP_F32: return ((const float *)map)[i];
    case MAP_BF16: return bf16_float(((const uint16_t *)map)[i]);
    default: return (float)((const uint8_t *)map)[i];
    }
}

/* Limits as conv_kernel.h defines them; a NaN becomes `low`. */
static inline float map_limited(float r, float low, float high)
{
    r = r > low ? r : low;
    return r < high ? r : high;
}

/* r is within its limits; `zero` is for bytes. */
static inline void map_store(enum map_type type, void *map, ptrdiff_t i, float r, int zero)
{
    switch (type) {
    case MAP_F32: ((float *)map)[i] = r; break;
    case MAP_BF16: ((uint16_t *)map)[i] = bf16_round(r); break;
    default: ((uint8_t *)map)[i] = (uint8_t)((int)rintf(r) + zero); break;
    }
}

/* What conv_kernel.h does to r before it is stored; `at` and `add_at` are element indices. */
static inline void conv_result(const struct conv_call *call, float r, ptrdiff_t at,
                               ptrdiff_t add_at)
{
    const struct conv_constants *c = call->c;
    const enum map_type type = call->shape->out;
    if (call->shape->adds) {
        const float other = map_value(type, call->add, add_at);
        r = type == MAP_U8 ? fmaf(other - (float)c->add_zero, c->add_scale, r) : r + other;
    }
    map_store(type, call->y, at, map_limited(r, c->low, c->high), c->out_zero);
}

#endif
