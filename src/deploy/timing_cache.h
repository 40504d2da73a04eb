/*
 * How long kernels took, kept between runs in a text file:
 *
 *     bpnet timings 1 <16 hex digits: XXH3-64 of what follows this line>
 *     <program version>|<CPU>|<threads>|<shape>|<kernel>\t<nanoseconds>
 *
 * Timings of other CPUs, versions and team sizes are kept and not used. A damaged file is worth
 * nothing and costs only time: it is left out of account with a warning.
 */
#ifndef DEPLOY_TIMING_CACHE_H
#define DEPLOY_TIMING_CACHE_H

#include "kernel/conv_kernel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { TIMING_SHAPE_SIZE = 192, TIMING_MAX = 1 << 16 };

struct timing {
    char *key;
    int64_t ns;
};

struct timing_cache {
    char *path;   /* NULL: for this run only */
    char *prefix; /* of keys: version, CPU, threads */
    struct timing *list;
    size_t n, capacity;
    bool changed;
};

/* A file that does not exist is an empty one; it need not be writable until the cache is saved. */
int timing_cache_open(struct timing_cache *c, const char *path, unsigned threads);
void timing_cache_close(struct timing_cache *c);     /* zeroed is allowed */
int timing_cache_save(const struct timing_cache *c); /* nothing when nothing is new */

bool timing_cache_find(const struct timing_cache *c, const char *shape, const char *kernel,
                       int64_t *ns);
int timing_cache_add(struct timing_cache *c, const char *shape, const char *kernel, int64_t ns);

/* All that a convolution's time depends on, as text. */
void timing_shape(char text[TIMING_SHAPE_SIZE], const struct conv_shape *s);

#endif
