/*
 * The loop of a ceiling: twelve accumulators, more than the latency of any of the instructions
 * hides. The empty asm makes every step's values unknown, so that nothing is computed beforehand
 * or left out.
 */
#ifndef KERNEL_X86_CEILING_LOOP_H
#define KERNEL_X86_CEILING_LOOP_H

#include "kernel/ceiling.h"

#include <immintrin.h>

#define CEILING_LOOP(name, vector, zero, step)                                                     \
    void name(int steps)                                                                           \
    {                                                                                              \
        vector s0 = zero, s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0;                             \
        vector s6 = s0, s7 = s0, s8 = s0, s9 = s0, s10 = s0, s11 = s0;                             \
        for (int i = 0; i < steps; i++) {                                                          \
            s0 = step(s0), s1 = step(s1), s2 = step(s2), s3 = step(s3);                            \
            s4 = step(s4), s5 = step(s5), s6 = step(s6), s7 = step(s7);                            \
            s8 = step(s8), s9 = step(s9), s10 = step(s10), s11 = step(s11);                        \
            __asm__ volatile("" : "+v"(s0), "+v"(s1), "+v"(s2), "+v"(s3), "+v"(s4), "+v"(s5));     \
            __asm__ volatile("" : "+v"(s6), "+v"(s7), "+v"(s8), "+v"(s9), "+v"(s10), "+v"(s11));   \
        }                                                                                          \
    }

#endif
