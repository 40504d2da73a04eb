/*
 * The tables of a plan as rows of fields: one list serves reading and writing. A record is its
 * fields one after the other, and zeros up to its size.
 */
#ifndef ENGINE_PLAN_LAYOUT_H
#define ENGINE_PLAN_LAYOUT_H

#include "engine/plan.h"

/* `count` numbers of `bytes` bytes each, from `offset` in the struct; offset -1: zeros. */
struct plan_field {
    int offset, bytes, count;
};

struct plan_record {
    size_t size;        /* in the file */
    size_t struct_size; /* in memory */
    size_t limit;       /* records of this kind in one plan */
    const struct plan_field *fields;
    int n_fields;
};

enum plan_table {
    PLAN_HEAD,
    PLAN_MAPS,
    PLAN_STEPS,
    PLAN_OUTPUTS,
    PLAN_JOINTS,
    PLAN_LIMBS,
    PLAN_TABLES
};
extern const struct plan_record plan_records[PLAN_TABLES];

#endif
