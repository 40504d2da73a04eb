/* Sums of floats, for dot_simd.h: the same at every vector width. */
#ifndef KERNEL_DOTS_FLOAT_H
#define KERNEL_DOTS_FLOAT_H

#include "kernel/dot.h"

typedef vec dots;

INLINE dots dots_load(const uint8_t *p)
{
    return vec_load((const float *)(const void *)p);
}

INLINE dots dots_broadcast(const uint8_t *p)
{
    float group;
    memcpy(&group, p, sizeof(group));
    return vec_set(group);
}

INLINE dots dots_start(const struct dot_span *span, int v, lanes some)
{
    return vec_load_some(span->bias + v * LANES, some);
}

INLINE vec dots_finish(dots sum, vec multiplier, vec bias)
{
    (void)multiplier;
    (void)bias;
    return sum;
}

#endif
