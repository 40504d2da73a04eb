/*
 * In which order an epoch visits the records, and which of them how often: a pure function of
 * (seed, epoch).
 */
#ifndef DATA_ORDER_H
#define DATA_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A visit: the record, and how many visits of it this epoch has seen before. */
struct visit {
    uint32_t record, copy;
};

/* Memory for making orders of n records. */
struct order {
    struct visit *visits;
    uint32_t *scratch; /* 2 n */
    size_t n;
};

int order_init(struct order *o, size_t n);
void order_free(struct order *o); /* a zeroed one is allowed */

/*
 * Fill o->visits. With `expected` NULL every record is visited once. Otherwise record i is visited
 * expected[i] times on the average over epochs, and in each the whole number below or above that
 * (systematic sampling); the numbers add up to n. Without `shuffles` records keep their order.
 */
void order_make(struct order *o, const double *expected, bool shuffles, uint64_t seed,
                uint64_t epoch);

#endif
