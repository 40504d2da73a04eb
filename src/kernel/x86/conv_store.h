/* Results of convolutions on their way into maps of any type; included after simd_map_*.h. */
#ifndef KERNEL_CONV_STORE_H
#define KERNEL_CONV_STORE_H

#include "kernel/conv_kernel.h"
#include "kernel/x86/simd_words.h"

/* Whether results are bytes to which nothing is added: the common case, worth a way of its own. */
static inline bool conv_stores_bytes(const struct conv_shape *s)
{
    return s->out == MAP_U8 && !s->adds;
}

/* Any case: r at element `at` of y, and what is added at element `add_at`. */
static __attribute__((noinline)) void conv_store_any(const struct conv_call *call, vec r,
                                                     ptrdiff_t at, ptrdiff_t add_at, lanes some)
{
    const struct conv_constants *c = call->c;
    const vec low = vec_set(c->low), high = vec_set(c->high);
    const bool adds = call->shape->adds;
    if (call->shape->out == MAP_F32) {
        if (adds)
            r = vec_add(r, vec_load_some((const float *)call->add + add_at, some));
        vec_store_some((float *)call->y + at, vec_limited(r, low, high), some);
    } else if (call->shape->out == MAP_BF16) {
        if (adds)
            r = vec_add(r, vec_load_bf16((const uint16_t *)call->add + add_at, some));
        vec_store_bf16((uint16_t *)call->y + at, vec_limited(r, low, high), some);
    } else {
        if (adds) {
            const vec q = vec_load_u8((const uint8_t *)call->add + add_at, some);
            r = vec_fma(vec_sub(q, vec_set((float)c->add_zero)), vec_set(c->add_scale), r);
        }
        vec_store_u8((uint8_t *)call->y + at, vec_limited(r, low, high), c->out_zero, some);
    }
}

#endif
