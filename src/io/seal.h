/*
 * Sealed files: any bytes, encrypted and authenticated under a key that a person gives with -k.
 *
 *   offset  size  what
 *        0     8  "BPSEAL\r\n"
 *        8     4  format version, 1
 *       12     4  bytes of content in a chunk: 4096 to 1 MiB
 *       16     8  bytes of content in all
 *       24     4  Argon2id passes, 1 to 16
 *       28     4  Argon2id memory in KiB, 8 to 262144; passes times memory is at most 1 GiB
 *       32    16  Argon2id salt
 *       48    24  header of the stream
 *       72    16  key check: BLAKE2b of bytes 0 to 71 under the check key
 *       88     8  XXH3-64 of bytes 0 to 87
 *       96        the chunks: each its content and 17 bytes more, the last one shorter or as long;
 *                 no content at all is one chunk of 17 bytes
 *
 * Numbers are little-endian. Argon2id (one lane) makes 32 bytes of the key; crypto_kdf of libsodium
 * with the context "bpnetsea" makes the stream key (1) and the check key (2) of these. The chunks
 * are crypto_secretstream_xchacha20poly1305: the first authenticates bytes 0 to 95 as well, the
 * last carries the tag FINAL and the others MESSAGE. A chunk that is changed, left out, moved,
 * taken from another file or behind the last one does not authenticate.
 *
 * What a reader can tell apart, in this order:
 *   truncated   the file is shorter than the header says; the checksum (which needs no key) vouches
 *               for the header against accidents, so a disk's or a network's fault shows here
 *   damaged     the checksum does not match, the file is longer than it should be, or a chunk does
 *               not authenticate although the key check did
 *   wrong key   the checksum matches and the key check does not. A header that was forged together
 *               with its checksum says the same: without the key nobody can tell
 * Costs are bounded before Argon2 is asked, and no byte of content is seen before all of them have
 * been authenticated.
 */
#ifndef IO_SEAL_H
#define IO_SEAL_H

#include "io/file.h"

#include <stddef.h>
#include <stdint.h>

/*
 * A key, in memory that is not swapped and is wiped by seal_key_free(). It remembers what Argon2
 * made of it for the last salt that was read and for the one it writes with, so many files cost
 * little more than one. One thread at a time.
 */
struct seal_key;

enum { SEAL_KEY_MAX = 4096 };

/* Takes a copy. BPNET_EUSAGE unless it is of 1 to SEAL_KEY_MAX bytes. */
int seal_key_new(struct seal_key **out, const void *text, size_t size);
void seal_key_free(struct seal_key *key); /* NULL is allowed */

/* What guessing the key of files written from here on costs; 2 passes over 64 MiB if never set. */
int seal_key_cost(struct seal_key *key, uint32_t passes, uint32_t memory_kib);

/* Overwrite in a way no compiler leaves out. */
void seal_wipe(void *bytes, size_t size);

/*
 * Open a file, sealed or plain. A sealed one is decrypted into memory of its own, 64-byte aligned;
 * `limit` is for what is in the file. `key` may be NULL. BPNET_EKEY: the file is sealed and there
 * is no key, or the wrong one; BPNET_EFORMAT: damaged or truncated.
 */
int seal_view_open(struct file_view *view, const char *path, size_t limit, struct seal_key *key);

/* The same of bytes in memory: *content is fresh (free() it), or NULL when they are not sealed. */
int seal_open(uint8_t **content, size_t *content_size, const uint8_t *bytes, size_t size,
              const char *name, struct seal_key *key);

/* Write a whole file, sealed, or plainly where `key` is NULL. */
int seal_file_write(const char *path, const void *bytes, size_t n, struct seal_key *key);

/*
 * Writing in pieces: say how much there will be, put it, and end. All write to `out`, which the
 * caller opens and commits. seal_writer_close() in any case.
 */
struct seal_writer;
int seal_writer_open(struct seal_writer **w, struct outfile *out, uint64_t size,
                     struct seal_key *key);
int seal_writer_put(struct seal_writer *w, const void *bytes, size_t n);
int seal_writer_end(struct seal_writer *w);
void seal_writer_close(struct seal_writer *w); /* NULL is allowed */

#endif
