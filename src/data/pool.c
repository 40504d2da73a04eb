/* Blocks of a megabyte, handed out front to back; a piece larger than a quarter has its own. */
#include "data/pool.h"

#include "base/error.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 1 << 20, ALIGN = alignof(max_align_t) };

struct pool_block {
    struct pool_block *before;
    size_t used, size;
    alignas(max_align_t) unsigned char bytes[];
};

static struct pool_block *add_block(struct pool *pool, size_t size)
{
    struct pool_block *block = malloc(sizeof(*block) + size);
    if (!block) {
        error_set(BPNET_ENOMEM, "no memory for %zu bytes", size);
        return NULL;
    }
    *block = (struct pool_block){.before = pool->last, .size = size};
    pool->last = block;
    return block;
}

void *pool_take(struct pool *pool, size_t n, size_t size)
{
    if (size && n > (SIZE_MAX / 4) / size) {
        error_set(BPNET_ELIMIT, "%zu items of %zu bytes", n, size);
        return NULL;
    }
    const size_t need = (n * size + ALIGN - 1) / ALIGN * ALIGN;
    struct pool_block *block = pool->last;
    if (need > BLOCK_SIZE / 4) { /* behind the current block, which stays in use */
        block = add_block(pool, need);
        if (block && block->before) {
            struct pool_block *current = block->before;
            block->before = current->before;
            current->before = block;
            pool->last = current;
        }
    } else if (!block || need > block->size - block->used) {
        block = add_block(pool, BLOCK_SIZE);
    }
    if (!block)
        return NULL;
    void *taken = block->bytes + block->used;
    block->used += need;
    return taken;
}

char *pool_text(struct pool *pool, const char *text)
{
    const size_t size = strlen(text) + 1;
    char *copy = pool_take(pool, size, 1);
    return copy ? memcpy(copy, text, size) : NULL;
}

void pool_free(struct pool *pool)
{
    while (pool->last) {
        struct pool_block *block = pool->last;
        pool->last = block->before;
        free(block);
    }
}
