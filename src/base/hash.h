/* Checksums and fingerprints: XXH3 (xxhash.com), not meant against an adversary. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/workers.h"

#include <stddef.h>
#include <stdint.h>

uint64_t hash64(const void *bytes, size_t n);

/* The same, with a team (NULL: this thread alone) that has nothing else to do. */
uint64_t hash64_by(struct workers *workers, const void *bytes, size_t n);

/* The same by xxhash alone; for comparing. */
uint64_t hash64_plain(const void *bytes, size_t n);

enum { HASH_HEX_SIZE = 33 };

/* A 128-bit fingerprint of bytes given in pieces, as 32 hex digits. */
struct hash;
struct hash *hash_open(void); /* NULL when memory ran out */
void hash_add(struct hash *h, const void *bytes, size_t n);
void hash_finish(struct hash *h, char hex[HASH_HEX_SIZE]); /* frees h */
uint64_t hash_finish64(struct hash *h); /* hash64() of all pieces in a row; frees h, NULL: 0 */

#endif
