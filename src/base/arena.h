/*
 * Bump allocation, freed at once. Blocks come from the kernel in one mapping that asks for huge
 * pages: on virtual machines the first touch of a 4 KiB page can cost 12 microseconds.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena {
    unsigned char *base;
    size_t size; /* bytes mapped */
    size_t used; /* bytes handed out */
};

enum { ARENA_ALIGN = 64 };

/* Map `size` bytes (rounded up), zero-filled. On failure the arena is all zero. */
int arena_open(struct arena *arena, size_t size);

/* `size` bytes aligned to 64, or NULL when the arena is full. Sizes are planned beforehand. */
void *arena_take(struct arena *arena, size_t size);

void arena_reset(struct arena *arena);
void arena_close(struct arena *arena); /* a zeroed arena is allowed */

/* What arena_take(size) will use up: for planning an arena's size. */
static inline size_t arena_round(size_t size)
{
    return (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
}

#endif
