/* The kernels that this build has, in the order in which their levels rise. */
#include "kernel/conv_kernel.h"

#include "kernel/conv_list.h"

#include <string.h>

const struct conv_kernel *const conv_kernels[] = {
    &conv_u8_ref,
    &conv_u8_dw_ref,
    &conv_f32_ref,
    &conv_f32_dw_ref,
    &conv_s16_winograd_ref,
    &conv_f32_fourier8_ref,
    &conv_f32_fourier16_ref,
#if defined(__x86_64__)
    &conv_f32_fast_avx2,
    &conv_f32_dot_avx2,
    &conv_bf16_winograd_avx2,
    &conv_u8_dot_avx2,
    &conv_u8_dot_avxvnni,
    &conv_u8_dw_avx2,
    &conv_f32_dw_avx2,
    &conv_s16_winograd_avx2,
    &conv_s16_winograd_avxvnni,
    &conv_f32_fourier8_avx2,
    &conv_f32_fourier16_avx2,
    &conv_f32_fast_avx512,
    &conv_bf16_winograd_avx512,
    &conv_f32_dot_avx512,
    &conv_u8_dot_avx512,
    &conv_u8_dw_avx512,
    &conv_f32_dw_avx512,
    &conv_s16_winograd_avx512,
    &conv_f32_fourier8_avx512,
    &conv_f32_fourier16_avx512,
    &conv_u8_dot_avx512vnni,
    &conv_s16_winograd_avx512vnni,
    &conv_bf16_dot_avx512bf16,
    &conv_bf16_winograd_avx512bf16,
    &conv_bf16_fourier8_avx512bf16,
    &conv_bf16_fourier16_avx512bf16,
#endif
    NULL,
};

const struct conv_kernel *conv_kernel_find(const char *name)
{
    for (const struct conv_kernel *const *k = conv_kernels; *k; k++)
        if (strcmp((*k)->name, name) == 0)
            return *k;
    return NULL;
}
