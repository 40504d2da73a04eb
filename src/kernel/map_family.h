/* Each level's part of struct map_ops; only map_ops_init() calls these (see family.h). */
#ifndef KERNEL_MAP_FAMILY_H
#define KERNEL_MAP_FAMILY_H

#include "kernel/map_ops.h"

void map_ops_init_ref(struct map_ops *ops);

#if defined(__x86_64__)
void map_ops_init_avx2(struct map_ops *ops);
void map_ops_init_avx512(struct map_ops *ops);
#endif

#endif
