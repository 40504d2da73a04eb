/*
 * What this CPU can do, as a ladder of levels. A level stands for a whole set of features, so that
 * kernels need no combinations; every level includes the ones below it.
 */
#ifndef BASE_CPU_H
#define BASE_CPU_H

#include <stdbool.h>
#include <stddef.h>

enum cpu_level {
    CPU_REF,        /* plain C */
    CPU_AVX2,       /* AVX2, FMA, F16C */
    CPU_AVX512,     /* AVX-512 F, BW, DQ, VL, CD */
    CPU_AVX512VNNI, /* and VNNI */
    CPU_AVX512BF16, /* and BF16 */
    CPU_LEVELS
};

/* The best level of this machine (operating-system support for the registers included). */
enum cpu_level cpu_level_detect(void);

/* "ref", "avx2", "avx512", "avx512vnni", "avx512bf16". */
const char *cpu_level_name(enum cpu_level level);

/* The level of that name, at most the machine's: BPNET_EUSAGE or BPNET_EUNSUPPORTED otherwise. */
int cpu_level_parse(enum cpu_level *out, const char *name);

/* Single features, for `doctor`: names and whether this machine has them. */
size_t cpu_feature_count(void);
const char *cpu_feature_name(size_t index);
bool cpu_feature_present(size_t index);

/* The model name the operating system gives, "" when unknown. */
void cpu_model_name(char *buffer, size_t size);

/* Drop bytes from the caches, so that the next reader finds them in memory, as if much else had
 * been read meanwhile. Where a processor has no way to do this nothing happens. */
void cpu_forget(const void *bytes, size_t size);

/* Cores this process may use (its affinity mask), at least 1. */
unsigned cpu_cores(void);

#endif
