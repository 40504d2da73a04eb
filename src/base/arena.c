/* Arenas: one anonymous mapping each, huge pages where the system grants them. */
#define _GNU_SOURCE
#include "base/arena.h"

#include "base/error.h"

#include <stdint.h>
#include <sys/mman.h>

enum { HUGE_PAGE = 2 << 20 };

int arena_open(struct arena *arena, size_t size)
{
    *arena = (struct arena){0};
    if (size > SIZE_MAX - 2 * (size_t)HUGE_PAGE)
        return error_set(BPNET_ELIMIT, "an arena of %zu bytes is beyond the address space", size);
    const size_t unit = size >= HUGE_PAGE ? HUGE_PAGE : 4096;
    size = (size + unit) / unit * unit;
    void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        return error_set_errno(BPNET_ENOMEM, "no memory for %zu MiB", size >> 20);
    if (unit == HUGE_PAGE)
        madvise(base, size, MADV_HUGEPAGE); /* advice only: slower, not wrong, when refused */
    arena->base = base;
    arena->size = size;
    return BPNET_OK;
}

void *arena_take(struct arena *arena, size_t size)
{
    const size_t need = arena_round(size);
    if (need < size || need > arena->size - arena->used)
        return NULL;
    void *taken = arena->base + arena->used;
    arena->used += need;
    return taken;
}

void arena_reset(struct arena *arena)
{
    arena->used = 0;
}

void arena_close(struct arena *arena)
{
    if (arena->base)
        munmap(arena->base, arena->size);
    *arena = (struct arena){0};
}
