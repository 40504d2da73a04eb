/* CPU features by the compiler's own run-time detection, which also asks the operating system. */
#define _GNU_SOURCE
#include "base/cpu.h"

#include "base/error.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>

#if defined(__x86_64__)
#define FEATURE(name) (__builtin_cpu_supports(name) != 0)
#else
#define FEATURE(name) false
#endif

static const char *const level_names[CPU_LEVELS] = {
    [CPU_REF] = "ref",
    [CPU_AVX2] = "avx2",
    [CPU_AVX512] = "avx512",
    [CPU_AVX512VNNI] = "avx512vnni",
    [CPU_AVX512BF16] = "avx512bf16",
};

static const char *const feature_names[] = {"sse4.2",     "avx",       "avx2",     "fma",
                                            "avx512f",    "avx512bw",  "avx512dq", "avx512vl",
                                            "avx512vnni", "avx512bf16"};

bool cpu_feature_present(size_t index)
{
#if defined(__x86_64__)
    switch (index) {
    case 0: return FEATURE("sse4.2");
    case 1: return FEATURE("avx");
    case 2: return FEATURE("avx2");
    case 3: return FEATURE("fma");
    case 4: return FEATURE("avx512f");
    case 5: return FEATURE("avx512bw");
    case 6: return FEATURE("avx512dq");
    case 7: return FEATURE("avx512vl");
    case 8: return FEATURE("avx512vnni");
    case 9: return FEATURE("avx512bf16");
    default: return false;
    }
#else
    (void)index;
    return false;
#endif
}

size_t cpu_feature_count(void)
{
    return sizeof(feature_names) / sizeof(feature_names[0]);
}

const char *cpu_feature_name(size_t index)
{
    return feature_names[index];
}

enum cpu_level cpu_level_detect(void)
{
    if (!FEATURE("avx2") || !FEATURE("fma"))
        return CPU_REF;
    if (!FEATURE("avx512f") || !FEATURE("avx512bw") || !FEATURE("avx512dq") ||
        !FEATURE("avx512vl") || !FEATURE("avx512cd"))
        return CPU_AVX2;
    if (!FEATURE("avx512vnni"))
        return CPU_AVX512;
    return FEATURE("avx512bf16") ? CPU_AVX512BF16 : CPU_AVX512VNNI;
}

const char *cpu_level_name(enum cpu_level level)
{
    return level_names[level];
}

int cpu_level_parse(enum cpu_level *out, const char *name)
{
    const enum cpu_level best = cpu_level_detect();
    for (int level = 0; level < CPU_LEVELS; level++) {
        if (strcmp(name, level_names[level]) != 0)
            continue;
        if (level > (int)best)
            return error_set(BPNET_EUNSUPPORTED, "this CPU has no %s; its best level is %s", name,
                             level_names[best]);
        *out = (enum cpu_level)level;
        return BPNET_OK;
    }
    return error_set(BPNET_EUSAGE,
                     "unknown CPU level '%s'; expected ref, avx2, avx512, avx512vnni or avx512bf16",
                     name);
}

void cpu_model_name(char *buffer, size_t size)
{
    buffer[0] = '\0';
    FILE *file = fopen("/proc/cpuinfo", "r");
    if (!file)
        return;
    char line[256];
    while (fgets(line, sizeof(line), file)) {
        const char *colon = strchr(line, ':');
        if (strncmp(line, "model name", 10) != 0 || !colon)
            continue;
        snprintf(buffer, size, "%s", colon + 1 + strspn(colon + 1, " "));
        buffer[strcspn(buffer, "\n")] = '\0';
        break;
    }
    fclose(file);
}

void cpu_forget(const void *bytes, size_t size)
{
#if defined(__x86_64__)
    enum { LINE = 64 };
    for (size_t at = 0; at < size; at += LINE)
        __builtin_ia32_clflush((const char *)bytes + at);
    __builtin_ia32_mfence();
#else
    (void)bytes;
    (void)size;
#endif
}

unsigned cpu_cores(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return 1;
    const int count = CPU_COUNT(&set);
    return count > 0 ? (unsigned)count : 1;
}
