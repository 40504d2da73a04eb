/*
 * The one file format: models, checkpoints, and later calibration data and engines.
 *
 *   offset  size  what
 *        0     8  "BPNET\r\n\x1a"
 *        8     4  format version, 1
 *       12     4  number of sections n, at most 4096
 *       16     8  size of the whole file in bytes
 *       24     8  XXH3-64 of what follows it up to the first section: kind and table
 *       32    32  kind of file, NUL-padded: "model", "checkpoint", …
 *       64  64*n  section table; each entry:
 *                   0  24  name, NUL-padded: "graph", "weights", …
 *                  24   8  offset of the bytes from the start of the file, a multiple of 64
 *                  32   8  size in bytes
 *                  40   8  XXH3-64 of the bytes
 *                  48  16  zero
 *   then the sections' bytes in table order, zero-padded to multiples of 64.
 *
 * Numbers are little-endian. Unknown sections are skipped. A reader checks the header, the table,
 * every section's place and the padding at opening, and a section's checksum when it is asked for:
 * no bit of a file can change unnoticed.
 */
#ifndef IO_CONTAINER_H
#define IO_CONTAINER_H

#include "base/workers.h"
#include "io/file.h"
#include "io/seal.h"

#include <stddef.h>
#include <stdint.h>

struct container {
    struct file_view file;
    char *path; /* for messages */
    char kind[33];
    uint32_t n_sections;
    bool borrowed;           /* the bytes belong to the caller */
    struct workers *workers; /* who verifies sections; NULL, as opened: the caller's thread */
};

/*
 * `kind` may be NULL: any. The file stays mapped until container_close(). A sealed file
 * (io/seal.h) is decrypted into memory with `key`; NULL: there is none, and such a file is
 * BPNET_EKEY. A plain file opens with or without a key.
 */
int container_open(struct container *c, const char *path, const char *kind, struct seal_key *key);

/* The same over bytes in memory, which must outlive the container (for the fuzz target). */
int container_open_memory(struct container *c, const uint8_t *bytes, size_t size, const char *name,
                          const char *kind);
void container_close(struct container *c); /* a zeroed one is allowed */

/*
 * A section's bytes, 64-byte aligned within the mapping, checksum verified; they live as long as
 * the container. BPNET_EFORMAT when it is missing or damaged.
 */
int container_section(struct container *c, const char *name, const uint8_t **bytes, size_t *size);
bool container_has(const struct container *c, const char *name);

/* Names in file order, for `inspect`. */
const char *container_section_name(const struct container *c, uint32_t index, size_t *size);

struct section {
    const char *name;
    const void *bytes;
    size_t size;
};

/* The bytes of such a file, 64-byte aligned; free(). */
int container_compose(uint8_t **bytes, size_t *size, const char *kind,
                      const struct section *sections, size_t n_sections);

/*
 * Write a file in one go, atomically; sealed unless `key` is NULL. Names are of 1 to 23 bytes, each
 * used once.
 */
int container_write(const char *path, const char *kind, const struct section *sections,
                    size_t n_sections, struct seal_key *key);

/*
 * The same for what does not fit into memory: sizes are told first (`bytes` of the sections is not
 * used), the bytes of all sections follow in order in any portions. Never sealed, and only to
 * files. BPNET_EUSAGE at the commit when sections are not complete.
 */
struct container_writer;
int container_writer_open(struct container_writer **out, const char *path, const char *kind,
                          const struct section *sections, size_t n_sections);
int container_writer_put(struct container_writer *w, const void *bytes, size_t n);
int container_writer_commit(struct container_writer *w);
void container_writer_close(struct container_writer *w); /* not committed: leaves nothing; NULL */

#endif
