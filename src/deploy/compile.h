/*
 * From a typed network to an engine: insert conversions, choose kernels by timing, plan memory,
 * pack weights. engine_build.h makes whole files of it.
 */
#ifndef DEPLOY_COMPILE_H
#define DEPLOY_COMPILE_H

#include "base/workers.h"
#include "deploy/network.h"

struct compile_options {
    enum cpu_level level;
    struct workers *workers;  /* kernels are timed on these; NULL: one thread */
    const char *timing_cache; /* file of earlier timings, read and extended; NULL: none */
    bool no_timing;        /* the first direct kernel that fits, the best level first: repeatable */
    bool direct;           /* no transforms: layers of bytes are exact, streams small */
    const char *precision; /* "fp32", "bf16", "int8": for people */
};

/* Bytes of an engine, for engine_open_memory(); 64-byte aligned, to be freed with free(). */
int compile_to_memory(uint8_t **bytes, size_t *size, const struct network *net,
                      const struct compile_options *options);

#endif
