/*
 * Ordered prefetch: background threads fill a ring of slots ahead of the consumer. Slot contents
 * depend on the sequence number alone, and the consumer sees them in order, so the number of
 * threads changes the speed and nothing else.
 */
#ifndef BASE_PIPELINE_H
#define BASE_PIPELINE_H

#include <stddef.h>
#include <stdint.h>

struct pipeline;

/*
 * Fill `slot` with item number `sequence`. `thread` is 0..threads-1. Returns 0 or an error code;
 * the first error (in sequence order) reaches the consumer with its message and ends the pipeline.
 */
typedef int (*pipeline_fill)(void *ctx, void *slot, uint64_t sequence, unsigned thread);

/* `slots` is an array of n_slots pointers (kept by the caller until the close), n_slots >= 2. */
int pipeline_open(struct pipeline **out, void **slots, size_t n_slots, unsigned threads,
                  uint64_t first_sequence, pipeline_fill fill, void *ctx);

/*
 * Wait for the next item in order. The slot returned before becomes free for refilling: a slot is
 * valid until the next call.
 */
int pipeline_next(struct pipeline *pipeline, void **slot);

void pipeline_close(struct pipeline *pipeline); /* NULL is allowed */

#endif
