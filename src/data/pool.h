/* Many small pieces of memory that live and die together and never move. */
#ifndef DATA_POOL_H
#define DATA_POOL_H

#include <stddef.h>

struct pool_block;

struct pool {
    struct pool_block *last;
};

/* `n` items of `size` bytes, aligned for anything, undefined content; NULL with the error set. */
void *pool_take(struct pool *pool, size_t n, size_t size);

/* A copy of a text. */
char *pool_text(struct pool *pool, const char *text);

void pool_free(struct pool *pool); /* a zeroed one is allowed */

#endif
