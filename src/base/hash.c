/* XXH3, compiled in: the only file that sees xxhash; long inputs go to xxh3.c. */
#include "base/hash.h"

#include "base/xxh3.h"

#include <inttypes.h>
#include <stdio.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t hash64_plain(const void *bytes, size_t n)
{
    return XXH3_64bits(bytes, n);
}

uint64_t hash64_by(struct workers *workers, const void *bytes, size_t n)
{
    const bool shared = workers && workers_count(workers) > 1;
    return n >= XXH3_LONG && (shared || xxh3_is_wide()) ? xxh3_long(bytes, n, workers)
                                                        : hash64_plain(bytes, n);
}

uint64_t hash64(const void *bytes, size_t n)
{
    return hash64_by(NULL, bytes, n);
}

struct hash *hash_open(void)
{
    XXH3_state_t *state = XXH3_createState();
    if (state)
        XXH3_128bits_reset(state);
    return (struct hash *)state;
}

void hash_add(struct hash *h, const void *bytes, size_t n)
{
    XXH3_128bits_update((XXH3_state_t *)h, bytes, n);
}

void hash_finish(struct hash *h, char hex[HASH_HEX_SIZE])
{
    const XXH128_hash_t sum = XXH3_128bits_digest((XXH3_state_t *)h);
    snprintf(hex, HASH_HEX_SIZE, "%016" PRIx64 "%016" PRIx64, (uint64_t)sum.high64,
             (uint64_t)sum.low64);
    XXH3_freeState((XXH3_state_t *)h);
}

/* Both lengths are digests of one state. */
uint64_t hash_finish64(struct hash *h)
{
    const uint64_t sum = h ? XXH3_64bits_digest((XXH3_state_t *)h) : 0;
    XXH3_freeState((XXH3_state_t *)h);
    return sum;
}
