/* Choosing map operations: the ladder of levels, lowest first. */
#include "kernel/map_ops.h"

#include "kernel/map_family.h"

void map_ops_init(struct map_ops *ops, enum cpu_level level)
{
    *ops = (struct map_ops){.level = CPU_REF};
    map_ops_init_ref(ops);
#if defined(__x86_64__)
    if (level < CPU_AVX2)
        return;
    ops->level = CPU_AVX2;
    map_ops_init_avx2(ops);
    if (level < CPU_AVX512)
        return;
    ops->level = CPU_AVX512;
    map_ops_init_avx512(ops);
#else
    (void)level;
#endif
}
