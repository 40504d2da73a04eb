/*
 * The largest buffers are placed first; each goes into the smallest gap between those placed
 * already that live at the same time.
 */
#include "nn/memplan.h"

#include "base/arena.h"
#include "base/error.h"

#include <stdint.h>
#include <stdlib.h>

int memplan_add(struct memplan *p, size_t size, int moment)
{
    if (p->n == p->capacity) {
        const int capacity = p->capacity ? 2 * p->capacity : 64;
        struct buffer *buffers = realloc(p->buffers, (size_t)capacity * sizeof *buffers);
        if (!buffers)
            return error_set(BPNET_ENOMEM, "no memory to plan %d buffers", capacity);
        p->buffers = buffers;
        p->capacity = capacity;
    }
    p->buffers[p->n] = (struct buffer){.size = size, .begin = moment, .end = moment};
    return p->n++;
}

void memplan_use(struct memplan *p, int buffer, int moment)
{
    struct buffer *b = &p->buffers[buffer];
    if (moment < b->begin)
        b->begin = moment;
    if (moment > b->end)
        b->end = moment;
}

/* By size, largest first; then in the order in which they were added. */
static int larger_first(const void *a, const void *b)
{
    const struct buffer *x = *(struct buffer *const *)a, *y = *(struct buffer *const *)b;
    if (x->size != y->size)
        return x->size < y->size ? 1 : -1;
    return (x > y) - (x < y);
}

/* Where `b` fits among `placed`, which is ordered by offset. */
static size_t find_gap(const struct buffer *b, struct buffer *const *placed, int n)
{
    size_t end = 0, best = 0, best_gap = SIZE_MAX;
    for (int i = 0; i < n; i++) {
        const struct buffer *other = placed[i];
        if (other->end < b->begin || other->begin > b->end)
            continue;
        if (other->offset > end && other->offset - end >= b->size &&
            other->offset - end < best_gap) {
            best_gap = other->offset - end;
            best = end;
        }
        const size_t other_end = other->offset + arena_round(other->size);
        if (other_end > end)
            end = other_end;
    }
    return best_gap == SIZE_MAX ? end : best;
}

static void insert(struct buffer **placed, int n, struct buffer *b)
{
    int at = n;
    for (; at > 0 && placed[at - 1]->offset > b->offset; at--)
        placed[at] = placed[at - 1];
    placed[at] = b;
}

int memplan_solve(struct memplan *p, size_t *total)
{
    *total = 0;
    const size_t n = (size_t)p->n;
    struct buffer **order = malloc((2 * n + 1) * sizeof *order);
    if (!order)
        return error_set(BPNET_ENOMEM, "no memory to plan %d buffers", p->n);
    struct buffer **placed = order + n;
    int n_placed = 0;
    for (size_t i = 0; i < n; i++)
        order[i] = &p->buffers[i];
    qsort(order, n, sizeof(struct buffer *), larger_first);
    for (size_t i = 0; i < n; i++) {
        struct buffer *b = order[i];
        if (b->begin > b->end)
            continue;
        b->offset = find_gap(b, placed, n_placed);
        insert(placed, n_placed++, b);
        if (b->offset + arena_round(b->size) > *total)
            *total = b->offset + arena_round(b->size);
    }
    free(order);
    return BPNET_OK;
}

void memplan_reset(struct memplan *p)
{
    p->n = 0;
}

void memplan_free(struct memplan *p)
{
    free(p->buffers);
    *p = (struct memplan){0};
}
