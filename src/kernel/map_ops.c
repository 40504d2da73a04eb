/* Choosing map operations: the ladder of levels, lowest first. */
#include "kernel/map_ops.h"

#include "kernel/map_family.h"

void map_ops_init(struct map_ops *ops, enum cpu_level level)
{
    (void)level;
    *ops = (struct map_ops){.level = CPU_REF};
    map_ops_init_ref(ops);
}
