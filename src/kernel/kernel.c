/* Choosing kernels: the ladder of levels, lowest first. */
#include "kernel/kernel.h"

#include "kernel/family.h"

void kernels_init(struct kernels *k, enum cpu_level level)
{
    *k = (struct kernels){.level = CPU_REF};
    conv_init_ref(k);
    pixel_init_ref(k);
    pool_init_ref(k);
    step_init_ref(k);
    depthwise_init_ref(k);
    enlarge_init_ref(k);
#if defined(__x86_64__)
    if (level < CPU_AVX2)
        return;
    k->level = CPU_AVX2;
    conv_init_avx2(k);
    pixel_init_avx2(k);
    pool_init_avx2(k);
    step_init_avx2(k);
    depthwise_init_avx2(k);
    if (level < CPU_AVX512)
        return;
    k->level = CPU_AVX512;
    conv_init_avx512(k);
    pixel_init_avx512(k);
    pool_init_avx512(k);
    step_init_avx512(k);
    depthwise_init_avx512(k);
#else
    (void)level;
#endif
}

bool kernels_mix(struct kernels *k, enum cpu_level level)
{
    if (level == CPU_REF) {
        conv_mix_ref(k);
        return true;
    }
#if defined(__x86_64__)
    if (level >= CPU_AVX512BF16) {
        conv_init_avx512bf16(k);
        return true;
    }
#endif
    return false;
}

bool kernels_mix_suits(const struct conv_geometry *g)
{
    return g->in_c >= 8 && g->out_c >= 8;
}
