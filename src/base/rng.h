/*
 * Counter-based random numbers: a stream is named by (seed, a, b), for instance (seed, epoch,
 * sample), and gives the same numbers whatever thread draws them and whatever was drawn elsewhere.
 * The mixing function is SplitMix64's finaliser (Steele, Lea, Flood: Fast Splittable Pseudorandom
 * Number Generators, 2014).
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

struct rng {
    uint64_t state;
};

struct rng rng_stream(uint64_t seed, uint64_t a, uint64_t b);

uint64_t rng_next(struct rng *rng);
double rng_uniform(struct rng *rng);                             /* [0, 1), 53 bits */
double rng_range(struct rng *rng, double low, double high);      /* low + U * (high - low) */
int64_t rng_integer(struct rng *rng, int64_t low, int64_t high); /* both ends included */
double rng_normal(struct rng *rng); /* mean 0, variance 1 (Box-Muller) */

/* A uniform permutation of 0..n-1 (Fisher-Yates). */
void rng_permutation(struct rng *rng, uint32_t *order, size_t n);

#endif
