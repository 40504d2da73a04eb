/* Whole sums in vectors of 16, for dot_simd.h. */
#ifndef KERNEL_DOTS_WHOLE_AVX512_H
#define KERNEL_DOTS_WHOLE_AVX512_H

#include "kernel/dot.h"

typedef __m512i dots;

INLINE dots dots_load(const uint8_t *p)
{
    return _mm512_load_si512(p);
}

INLINE dots dots_broadcast(const uint8_t *p)
{
    int group;
    memcpy(&group, p, sizeof(group));
    return _mm512_set1_epi32(group);
}

INLINE dots dots_start(const struct dot_span *span, int v, lanes some)
{
    return _mm512_maskz_loadu_epi32(some, span->offset + v * LANES);
}

INLINE vec dots_finish(dots sum, vec multiplier, vec bias)
{
    return vec_fma(_mm512_cvtepi32_ps(sum), multiplier, bias);
}

#endif
