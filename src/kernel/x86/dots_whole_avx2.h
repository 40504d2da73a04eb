/* Whole sums in vectors of 8, for dot_simd.h. */
#ifndef KERNEL_DOTS_WHOLE_AVX2_H
#define KERNEL_DOTS_WHOLE_AVX2_H

#include "kernel/dot.h"

typedef __m256i dots;

INLINE dots dots_load(const uint8_t *p)
{
    return _mm256_load_si256((const __m256i *)(const void *)p);
}

INLINE dots dots_broadcast(const uint8_t *p)
{
    int group;
    memcpy(&group, p, sizeof(group));
    return _mm256_set1_epi32(group);
}

INLINE dots dots_start(const struct dot_span *span, int v, lanes some)
{
    return _mm256_maskload_epi32(span->offset + v * LANES, some);
}

INLINE vec dots_finish(dots sum, vec multiplier, vec bias)
{
    return vec_fma(_mm256_cvtepi32_ps(sum), multiplier, bias);
}

#endif
