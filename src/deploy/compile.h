/* From a typed network to an engine file: choose kernels by timing, plan memory, pack weights. */
#ifndef DEPLOY_COMPILE_H
#define DEPLOY_COMPILE_H

#include "base/workers.h"
#include "deploy/network.h"
#include "deploy/ranges.h"

struct compile_options {
    enum cpu_level level;
    struct workers *workers;     /* kernels are timed on these; NULL: one thread */
    const char *timing_cache;    /* file of earlier timings, read and extended; NULL: none */
    bool no_timing;              /* the first kernel that fits, the best level first: repeatable */
    const char *precision;       /* "fp32", "bf16", "int8": for people */
    const struct ranges *ranges; /* kept inside for --rebuild; NULL: none */
    const char *report;          /* JSON, kept inside; NULL: none */
    const char *model_path;      /* file of the model, kept inside for --rebuild; NULL: none */
    struct seal_key *key;        /* seals the file (io/seal.h); NULL: plain */
};

/* Bytes of an engine, for engine_open_memory(); 64-byte aligned, to be freed with free(). */
int compile_to_memory(uint8_t **bytes, size_t *size, const struct network *net,
                      const struct compile_options *options);
int compile_to_file(const char *path, const struct network *net,
                    const struct compile_options *options);

#endif
