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
    if (level < CPU_AVX2)
        return;
}
