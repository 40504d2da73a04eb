/*
 * Any bytes as a sealed file; then once more with the header's checksum and key check set right for
 * the cheapest key, so that the chunks are reached.
 */
#include "base/error.h"
#include "base/hash.h"
#include "fuzz.h"
#include "io/seal.h"

#include <sodium.h>
#include <string.h>

enum { HEADER = 96, CHECK = 72, SUM = 88 };

static const char text[] = "k";

static void open_bytes(const uint8_t *bytes, size_t size, struct seal_key *key)
{
    uint8_t *content;
    size_t n;
    const int error = seal_open(&content, &n, bytes, size, "it", key);
    require(error == BPNET_OK || !content);
    if (content)
        touch(content, n);
    free(content);
}

/* The cheapest costs, the check that belongs to them, and the checksum. */
static void set_right(uint8_t *header)
{
    static const uint8_t costs[8] = {1, 0, 0, 0, 8};
    uint8_t master[32], key[32];
    memcpy(header, "BPSEAL\r\n\1\0\0\0", 12);
    memcpy(header + 24, costs, sizeof(costs));
    require(crypto_pwhash_argon2id(master, sizeof(master), text, sizeof(text) - 1, header + 32, 1,
                                   8 << 10, crypto_pwhash_argon2id_ALG_ARGON2ID13) == 0);
    crypto_kdf_derive_from_key(key, sizeof(key), 2, "bpnetsea", master);
    crypto_generichash(header + CHECK, 16, header, CHECK, key, sizeof(key));
    const uint64_t sum = hash64(header, SUM);
    memcpy(header + SUM, &sum, sizeof(sum));
}

/* Working out a key of any cost a header may ask for would take the fuzzer's time, not ours. */
static bool is_cheap(const uint8_t *bytes, size_t size)
{
    static const uint8_t costs[8] = {1, 0, 0, 0, 8};
    return size < HEADER || memcmp(bytes + 24, costs, sizeof(costs)) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct seal_key *key;
    require(seal_key_new(&key, text, sizeof(text) - 1) == BPNET_OK);
    open_bytes(bytes, size, NULL);
    if (is_cheap(bytes, size))
        open_bytes(bytes, size, key);
    if (size >= HEADER) {
        uint8_t *right = malloc(size);
        require(right);
        memcpy(right, bytes, size);
        set_right(right);
        open_bytes(right, size, key);
        free(right);
    }
    seal_key_free(key);
    return 0;
}
