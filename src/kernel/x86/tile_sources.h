/* Where the rows of a register tile are read; included after simd_words.h. */
#ifndef KERNEL_TILE_SOURCES_H
#define KERNEL_TILE_SOURCES_H

#include "kernel/x86/simd_words.h"

#include <stddef.h>
#include <stdint.h>

enum { TILE_PIXELS = 16, BASE_PIXELS = 5 };

/*
 * The sources of a tile's pixels: one pointer for every five, from which the others are at 1, 2, 3
 * and 4 times the distance: all but the third are addressing modes of the processor, so that a
 * tile's addresses fit into registers. The empty asm keeps the compiler from undoing this.
 */
struct sources {
    const uint8_t *base[(TILE_PIXELS + BASE_PIXELS - 1) / BASE_PIXELS];
    ptrdiff_t once, thrice;
};

INLINE void sources_start(struct sources *s, const uint8_t *x, ptrdiff_t distance, int m)
{
    s->once = distance;
    s->thrice = 3 * distance;
    __asm__("" : "+r"(s->once), "+r"(s->thrice));
    UNROLL
    for (int i = 0; i * BASE_PIXELS < m; i++) {
        s->base[i] = x + i * BASE_PIXELS * distance;
        __asm__("" : "+r"(s->base[i]));
    }
}

INLINE const uint8_t *source_at(const struct sources *s, int p)
{
    const uint8_t *base = s->base[p / BASE_PIXELS];
    const int i = p % BASE_PIXELS;
    return i == 3 ? base + s->thrice : base + i * s->once;
}

INLINE void sources_next(struct sources *s, ptrdiff_t bytes, int m)
{
    UNROLL
    for (int i = 0; i * BASE_PIXELS < m; i++)
        s->base[i] += bytes;
}

#endif
