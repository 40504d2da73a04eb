/*
 * The rows of conv_kernels[], one per kernel. A kernel's functions may use the instructions of its
 * level, except fits(), which anybody may call.
 */
#ifndef KERNEL_CONV_LIST_H
#define KERNEL_CONV_LIST_H

#include "kernel/conv_kernel.h"

extern const struct conv_kernel conv_u8_ref, conv_u8_dw_ref, conv_f32_ref, conv_f32_dw_ref;
extern const struct conv_kernel conv_s16_winograd_ref;
extern const struct conv_kernel conv_f32_fourier8_ref, conv_f32_fourier16_ref;

#if defined(__x86_64__)
extern const struct conv_kernel conv_f32_fast_avx2, conv_f32_fast_avx512;
extern const struct conv_kernel conv_bf16_winograd_avx2, conv_bf16_winograd_avx512;
extern const struct conv_kernel conv_bf16_winograd_avx512bf16;
extern const struct conv_kernel conv_u8_dot_avx2, conv_u8_dot_avxvnni, conv_f32_dot_avx2;
extern const struct conv_kernel conv_u8_dot_avx512, conv_f32_dot_avx512;
extern const struct conv_kernel conv_u8_dot_avx512vnni, conv_bf16_dot_avx512bf16;
extern const struct conv_kernel conv_s16_winograd_avx2, conv_s16_winograd_avxvnni;
extern const struct conv_kernel conv_u8_dw_avx2, conv_f32_dw_avx2;
extern const struct conv_kernel conv_u8_dw_avx512, conv_f32_dw_avx512;
extern const struct conv_kernel conv_s16_winograd_avx512, conv_s16_winograd_avx512vnni;
extern const struct conv_kernel conv_f32_fourier8_avx2, conv_f32_fourier16_avx2;
extern const struct conv_kernel conv_f32_fourier8_avx512, conv_f32_fourier16_avx512;
extern const struct conv_kernel conv_bf16_fourier8_avx512bf16, conv_bf16_fourier16_avx512bf16;
#endif

#endif
