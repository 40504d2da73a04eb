/* SplitMix64 streams. */
#include "base/rng.h"

#include <math.h>

static const uint64_t golden_gamma = 0x9e3779b97f4a7c15u;

static uint64_t mix(uint64_t z)
{
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

struct rng rng_stream(uint64_t seed, uint64_t a, uint64_t b)
{
    uint64_t state = mix(seed + golden_gamma);
    state = mix(state ^ (a + golden_gamma));
    state = mix(state ^ (b + 2 * golden_gamma));
    return (struct rng){state};
}

uint64_t rng_next(struct rng *rng)
{
    rng->state += golden_gamma;
    return mix(rng->state);
}

double rng_uniform(struct rng *rng)
{
    return (double)(rng_next(rng) >> 11) * 0x1p-53;
}

double rng_range(struct rng *rng, double low, double high)
{
    return low + rng_uniform(rng) * (high - low);
}

int64_t rng_integer(struct rng *rng, int64_t low, int64_t high)
{
    const uint64_t span = (uint64_t)high - (uint64_t)low + 1;
    if (span == 0)
        return (int64_t)rng_next(rng);
    const uint64_t limit = UINT64_MAX - UINT64_MAX % span; /* reject the uneven tail */
    uint64_t drawn;
    do
        drawn = rng_next(rng);
    while (drawn >= limit);
    return (int64_t)((uint64_t)low + drawn % span);
}

double rng_normal(struct rng *rng)
{
    const double radius = sqrt(-2.0 * log(1.0 - rng_uniform(rng)));
    return radius * cos(2.0 * 3.14159265358979323846 * rng_uniform(rng));
}

void rng_permutation(struct rng *rng, uint32_t *order, size_t n)
{
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    for (size_t i = n; i > 1; i--) {
        const size_t j = (size_t)rng_integer(rng, 0, (int64_t)i - 1);
        const uint32_t swapped = order[i - 1];
        order[i - 1] = order[j];
        order[j] = swapped;
    }
}
