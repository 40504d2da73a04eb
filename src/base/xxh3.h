/*
 * XXH3-64 (seed 0) of long inputs by the CPU's wide registers, and by a team. The values are those
 * of xxhash; the names of parts are of its specification (github.com/Cyan4973/xxHash, doc/).
 */
#ifndef BASE_XXH3_H
#define BASE_XXH3_H

#include "base/workers.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { XXH3_LONG = 241 /* bytes from which an input is a long one */ };

/* Whether the sums below use AVX2 here; xxhash itself is as fast where they do not. */
bool xxh3_is_wide(void);

/* `n` is XXH3_LONG at least. With `workers` (NULL: this thread alone) no other job may run. */
uint64_t xxh3_long(const void *bytes, size_t n, struct workers *workers);

/* The same in plain C; for comparing. */
uint64_t xxh3_long_plain(const void *bytes, size_t n, struct workers *workers);

#endif
