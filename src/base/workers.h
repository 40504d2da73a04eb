/*
 * A team of threads for data-parallel work. Work is given by item number, so results depend on the
 * split into items, never on how many threads there are or which of them took an item.
 */
#ifndef BASE_WORKERS_H
#define BASE_WORKERS_H

#include <stddef.h>

struct workers;

/* `thread` is 0 .. workers_count()-1 and names the scratch memory an item may use. */
typedef void (*work_fn)(void *ctx, size_t item, unsigned thread);

/* Open a team of `threads` (0: one per core this process may use). The caller is one of them. */
int workers_open(struct workers **out, unsigned threads);
void workers_close(struct workers *workers); /* NULL is allowed */

unsigned workers_count(const struct workers *workers);

/*
 * Call fn(ctx, item, thread) for every item in 0..n_items-1, in any order, and return when all are
 * done. Only one thread at a time may call this for a team; items must not call it again.
 */
void workers_run(struct workers *workers, size_t n_items, work_fn fn, void *ctx);

#endif
