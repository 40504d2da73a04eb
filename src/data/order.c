/* Orders of epochs. Draws come from one stream, so the order of the calls to it matters. */
#include "data/order.h"

#include "base/error.h"
#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

static const uint64_t order_stream = UINT64_MAX; /* no sample has this number */

int order_init(struct order *o, size_t n)
{
    *o = (struct order){.n = n};
    o->visits = malloc((n + 1) * sizeof *o->visits);
    o->scratch = malloc((n + 1) * 2 * sizeof *o->scratch);
    if (o->visits && o->scratch)
        return BPNET_OK;
    order_free(o);
    return error_set(BPNET_ENOMEM, "no memory for the order of %zu records", n);
}

void order_free(struct order *o)
{
    free(o->visits);
    free(o->scratch);
    *o = (struct order){0};
}

/*
 * How often to visit each record: the expectations are laid end to end in a random order, and every
 * whole step from a random start falls on one of them.
 */
static void draw_counts(uint32_t *counts, const uint32_t *along, const double *expected, size_t n,
                        double start)
{
    double end = 0, next = start;
    size_t drawn = 0, last = 0;
    memset(counts, 0, n * sizeof *counts);
    for (size_t i = 0; i < n; i++) {
        const uint32_t record = along[i];
        end += expected[record];
        last = expected[record] > 0 ? record : last;
        for (; next < end && drawn < n; next += 1, drawn++)
            counts[record]++;
    }
    counts[last] += (uint32_t)(n - drawn); /* what rounding left over */
}

static void shuffle(struct visit *visits, size_t n, struct rng *rng)
{
    for (size_t i = n; i > 1; i--) {
        const size_t k = (size_t)rng_integer(rng, 0, (int64_t)i - 1);
        const struct visit other = visits[k];
        visits[k] = visits[i - 1];
        visits[i - 1] = other;
    }
}

static void make_weighted(struct order *o, const double *expected, bool shuffles, struct rng *rng)
{
    uint32_t *along = o->scratch, *counts = o->scratch + o->n;
    size_t at = 0;
    rng_permutation(rng, along, o->n);
    draw_counts(counts, along, expected, o->n, rng_uniform(rng));
    for (size_t i = 0; i < o->n; i++)
        for (uint32_t copy = 0; copy < counts[i]; copy++)
            o->visits[at++] = (struct visit){(uint32_t)i, copy};
    if (shuffles)
        shuffle(o->visits, o->n, rng);
}

void order_make(struct order *o, const double *expected, bool shuffles, uint64_t seed,
                uint64_t epoch)
{
    struct rng rng = rng_stream(seed, epoch, order_stream);
    if (expected) {
        make_weighted(o, expected, shuffles, &rng);
        return;
    }
    if (shuffles)
        rng_permutation(&rng, o->scratch, o->n);
    for (size_t i = 0; i < o->n; i++)
        o->visits[i] = (struct visit){shuffles ? o->scratch[i] : (uint32_t)i, 0};
}
