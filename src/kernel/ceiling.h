/*
 * What this machine's arithmetic can do at most: multiply-accumulates on registers, as many as one
 * core can start. What kernels reach is shown as a share of it, measured in the same run, since
 * clocks differ between machines and from one minute to the next.
 */
#ifndef KERNEL_CEILING_H
#define KERNEL_CEILING_H

#include "kernel/conv_kernel.h"

/* Multiply-accumulates a second of one thread in arithmetic of this type (MAP_U8: 8-bit integers)
 * with this level's instructions; takes some 20 ms. 0 at the plain level: the compiler decides. */
double ceiling_macs(enum cpu_level level, enum map_type type);

/* Each runs `steps` steps of CEILING_CHAINS independent accumulations of a vector. */
enum { CEILING_CHAINS = 12 };
void ceiling_f32_avx2(int steps);
void ceiling_s16_avx2(int steps); /* without 8-bit dot products: pairs of 16-bit products */
void ceiling_f32_avx512(int steps);
void ceiling_u8_avx512vnni(int steps);
void ceiling_bf16_avx512bf16(int steps);

#endif
