/*
 * An input is a row of blocks of 16 stripes of 64 bytes. What a block's stripes add to the eight
 * accumulators does not depend on what these were before; only the scrambling behind each block
 * does. So sums of blocks are made in any order, by any thread, and folded in their own order: a
 * fold takes a tenth of a sum's time.
 */
#include "base/xxh3.h"

#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum {
    LANES = 8,
    STRIPE = 64,
    STRIPES = 16, /* of a block */
    BLOCK = STRIPE * STRIPES,
    SECRET = 192,
    STEP = 8,        /* of the secret from stripe to stripe */
    LAST_SHIFT = 7,  /* where the last stripe's part of it begins, from its end */
    MERGE_START = 11 /* and the merging's */
};

static const uint64_t prime32_1 = 0x9e3779b1, prime64_1 = 0x9e3779b185ebca87;

static const uint64_t start[LANES] = {0xc2b2ae3d,         0x9e3779b185ebca87, 0xc2b2ae3d27d4eb4f,
                                      0x165667b19e3779f9, 0x85ebca77c2b2ae63, 0x85ebca77,
                                      0x27d4eb2f165667c5, 0x9e3779b1};

static const uint8_t secret[SECRET] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3, 0xc5, 0x81, 0xa0, 0xff, 0xfa, 0x13, 0x63, 0xeb,
    0x17, 0x0d, 0xdd, 0x51, 0xb7, 0xf0, 0xda, 0x49, 0xd3, 0x16, 0x55, 0x26, 0x29, 0xd4, 0x68, 0x9e,
    0x2b, 0x16, 0xbe, 0x58, 0x7d, 0x47, 0xa1, 0xfc, 0x8f, 0xf8, 0xb8, 0xd1, 0x7a, 0xd0, 0x31, 0xce,
    0x45, 0xcb, 0x3a, 0x8f, 0x95, 0x16, 0x04, 0x28, 0xaf, 0xd7, 0xfb, 0xca, 0xbb, 0x4b, 0x40, 0x7e,
};

static uint64_t load64(const uint8_t *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}

/* ---- sums of blocks ---------------------------------------------------------------------- */

/* What `n` blocks add, LANES numbers each. */
typedef void (*sum_fn)(uint64_t *sums, const uint8_t *blocks, size_t n);

static void add_stripe(uint64_t to[LANES], const uint8_t *stripe, const uint8_t *key)
{
    for (int i = 0; i < LANES; i++) {
        const uint64_t value = load64(stripe + 8 * i), mixed = value ^ load64(key + 8 * i);
        to[i ^ 1] += value;
        to[i] += (mixed & UINT32_MAX) * (mixed >> 32);
    }
}

static void sum_plain(uint64_t *sums, const uint8_t *blocks, size_t n)
{
    memset(sums, 0, n * LANES * sizeof *sums);
    for (size_t b = 0; b < n; b++, sums += LANES)
        for (int s = 0; s < STRIPES; s++, blocks += STRIPE)
            add_stripe(sums, blocks, secret + STEP * s);
}

#if defined(__x86_64__)
enum { AHEAD = 1024 /* bytes; the CPU's own prefetching stops at the ends of pages */ };

__attribute__((target("avx2"))) static inline __m256i add_half(__m256i to, const uint8_t *stripe,
                                                               const uint8_t *key)
{
    const __m256i value = _mm256_loadu_si256((const __m256i *)(const void *)stripe);
    const __m256i mixed =
        _mm256_xor_si256(value, _mm256_loadu_si256((const __m256i *)(const void *)key));
    const __m256i product = _mm256_mul_epu32(mixed, _mm256_srli_epi64(mixed, 32));
    const __m256i swapped = _mm256_shuffle_epi32(value, 0x4e);
    return _mm256_add_epi64(to, _mm256_add_epi64(product, swapped));
}

__attribute__((target("avx2"))) static void sum_avx2(uint64_t *sums, const uint8_t *blocks,
                                                     size_t n)
{
    for (size_t b = 0; b < n; b++, sums += LANES) {
        __m256i low = _mm256_setzero_si256(), high = low;
        for (int s = 0; s < STRIPES; s++, blocks += STRIPE) {
            __builtin_prefetch((const void *)((uintptr_t)blocks + AHEAD));
            low = add_half(low, blocks, secret + STEP * s);
            high = add_half(high, blocks + STRIPE / 2, secret + STEP * s + STRIPE / 2);
        }
        _mm256_storeu_si256((__m256i *)(void *)sums, low);
        _mm256_storeu_si256((__m256i *)(void *)(sums + LANES / 2), high);
    }
}
#endif

bool xxh3_is_wide(void)
{
#if defined(__x86_64__)
    return __builtin_cpu_supports("avx2") != 0;
#else
    return false;
#endif
}

/* ---- folding ----------------------------------------------------------------------------- */

static void fold(uint64_t acc[LANES], const uint64_t *sums, size_t n)
{
    uint64_t a[LANES], key[LANES];
    memcpy(a, acc, sizeof a);
    for (int i = 0; i < LANES; i++)
        key[i] = load64(secret + SECRET - STRIPE + 8 * i);
    for (size_t b = 0; b < n; b++, sums += LANES)
        for (int i = 0; i < LANES; i++) {
            a[i] += sums[i];
            a[i] = (a[i] ^ a[i] >> 47 ^ key[i]) * prime32_1;
        }
    memcpy(acc, a, sizeof a);
}

/* Low and high half of the product of two numbers, one xor the other. */
static uint64_t fold_product(uint64_t x, uint64_t y)
{
    const unsigned __int128 product = (unsigned __int128)x * y;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Behind the last whole block: `n` bytes, 1 to BLOCK; the last stripe may reach before them. */
static uint64_t finish(uint64_t acc[LANES], const uint8_t *rest, size_t n, size_t whole)
{
    for (size_t s = 0; s < (n - 1) / STRIPE; s++)
        add_stripe(acc, rest + STRIPE * s, secret + STEP * s);
    add_stripe(acc, rest + n - STRIPE, secret + SECRET - STRIPE - LAST_SHIFT);
    uint64_t sum = whole * prime64_1;
    for (int i = 0; i < LANES; i += 2)
        sum += fold_product(acc[i] ^ load64(secret + MERGE_START + 8 * i),
                            acc[i + 1] ^ load64(secret + MERGE_START + 8 * i + 8));
    sum = (sum ^ sum >> 37) * UINT64_C(0x165667919e3779f9);
    return sum ^ sum >> 32;
}

/* ---- alone and by a team ----------------------------------------------------------------- */

enum {
    FEW = 4,     /* blocks whose folding runs beside the next sums */
    PIECE = 256, /* blocks that a thread takes at a time */
    PIECES = 64, /* of a round */
    ROUND = PIECE * PIECES,
    WORTH = 4096 /* blocks from which a team is asked */
};

static void fold_alone(uint64_t acc[LANES], const uint8_t *blocks, size_t n, sum_fn sum)
{
    uint64_t sums[FEW * LANES];
    for (size_t done = 0; done < n; done += FEW) {
        const size_t now = n - done < FEW ? n - done : FEW;
        sum(sums, blocks + done * BLOCK, now);
        fold(acc, sums, now);
    }
}

/* A round sums some blocks while one thread folds the sums of the round before. */
struct round {
    sum_fn sum;
    const uint8_t *blocks;
    uint64_t *acc, *made, *before;
    size_t n, n_before;
};

static void do_item(void *ctx, size_t item, unsigned thread)
{
    const struct round *r = ctx;
    (void)thread;
    if (item == 0) {
        fold(r->acc, r->before, r->n_before);
        return;
    }
    const size_t first = (item - 1) * PIECE;
    const size_t n = r->n - first < PIECE ? r->n - first : PIECE;
    r->sum(r->made + first * LANES, r->blocks + first * BLOCK, n);
}

/* False when there is no memory for it; nothing was done then. */
static bool fold_by_team(uint64_t acc[LANES], const uint8_t *blocks, size_t n, sum_fn sum,
                         struct workers *workers)
{
    uint64_t *sums = malloc((size_t)2 * ROUND * LANES * sizeof *sums);
    if (!sums)
        return false;
    struct round r = {.sum = sum, .acc = acc, .made = sums, .before = sums + ROUND * LANES};
    for (size_t done = 0; done < n; done += r.n) {
        r.blocks = blocks + done * BLOCK;
        r.n = n - done < ROUND ? n - done : ROUND;
        workers_run(workers, 1 + (r.n + PIECE - 1) / PIECE, do_item, &r);
        uint64_t *const made = r.made;
        r.made = r.before;
        r.before = made;
        r.n_before = r.n;
    }
    fold(acc, r.before, r.n_before);
    free(sums);
    return true;
}

static uint64_t hash(const uint8_t *bytes, size_t n, sum_fn sum, struct workers *workers)
{
    uint64_t acc[LANES];
    const size_t blocks = (n - 1) / BLOCK; /* the last byte is never in one */
    memcpy(acc, start, sizeof acc);
    if (!workers || workers_count(workers) < 2 || blocks < WORTH ||
        !fold_by_team(acc, bytes, blocks, sum, workers))
        fold_alone(acc, bytes, blocks, sum);
    return finish(acc, bytes + blocks * BLOCK, n - blocks * BLOCK, n);
}

uint64_t xxh3_long(const void *bytes, size_t n, struct workers *workers)
{
#if defined(__x86_64__)
    if (xxh3_is_wide())
        return hash(bytes, n, sum_avx2, workers);
#endif
    return hash(bytes, n, sum_plain, workers);
}

uint64_t xxh3_long_plain(const void *bytes, size_t n, struct workers *workers)
{
    return hash(bytes, n, sum_plain, workers);
}
