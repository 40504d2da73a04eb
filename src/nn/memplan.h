/*
 * Offsets for buffers of which each is needed for some time only: buffers whose times overlap get
 * places that do not. Greedy by size (Pisarchyk, Lee: Efficient Memory Management for Deep Neural
 * Net Inference, 2020).
 */
#ifndef NN_MEMPLAN_H
#define NN_MEMPLAN_H

#include <stddef.h>

struct buffer {
    size_t size;    /* bytes */
    int begin, end; /* first and last moment of use; begin > end: never used */
    size_t offset;  /* result, a multiple of 64 */
};

struct memplan {
    struct buffer *buffers;
    int n, capacity;
};

/* A new buffer used at one moment: its index, or an error code. */
int memplan_add(struct memplan *p, size_t size, int moment);

/* Make a buffer's time include a moment. */
void memplan_use(struct memplan *p, int buffer, int moment);

/* Find all offsets; *total is the memory needed. */
int memplan_solve(struct memplan *p, size_t *total);

void memplan_reset(struct memplan *p);
void memplan_free(struct memplan *p); /* a zeroed one is allowed */

#endif
