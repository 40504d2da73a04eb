/*
 * One function per kernel family and level: it puts that level's kernels into the table. Only
 * kernels_init() calls these, after it has looked at the level, so a file compiled for a level may
 * use the level's instructions everywhere.
 */
#ifndef KERNEL_FAMILY_H
#define KERNEL_FAMILY_H

#include "kernel/kernel.h"

struct resize_rows;

void conv_init_ref(struct kernels *k);
void pixel_init_ref(struct kernels *k);
void pool_init_ref(struct kernels *k);
void step_init_ref(struct kernels *k);
void depthwise_init_ref(struct kernels *k);
void enlarge_init_ref(struct kernels *k);
void conv_mix_ref(struct kernels *k);

#if defined(__x86_64__)
void conv_init_avx2(struct kernels *k);
void pixel_init_avx2(struct kernels *k);
void pool_init_avx2(struct kernels *k);
void step_init_avx2(struct kernels *k);
void depthwise_init_avx2(struct kernels *k);
void resize_rows_init_avx2(struct resize_rows *k);

void conv_init_avx512(struct kernels *k);
void pixel_init_avx512(struct kernels *k);
void pool_init_avx512(struct kernels *k);
void step_init_avx512(struct kernels *k);
void depthwise_init_avx512(struct kernels *k);
void resize_rows_init_avx512(struct resize_rows *k);

void conv_init_avx512bf16(struct kernels *k); /* mixed precision */
#endif

#endif
