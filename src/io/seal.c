/* Sealed files: see seal.h for the layout. Nothing is used before it is authenticated. */
#include "io/seal.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_SIZE = 96,
    CHECK_FROM = 72,    /* the key check, of what is before it */
    CHECKSUM_FROM = 88, /* the checksum, of what is before it */
    CHECK_SIZE = 16,
    SALT_SIZE = crypto_pwhash_argon2id_SALTBYTES,
    STREAM_HEADER_SIZE = crypto_secretstream_xchacha20poly1305_HEADERBYTES,
    EXTRA =
        crypto_secretstream_xchacha20poly1305_ABYTES, /* bytes a chunk is longer than its text */
    FORMAT_VERSION = 1,
    MIN_CHUNK = 4 << 10,
    MAX_CHUNK = 1 << 20,
    CHUNK = 256 << 10, /* what we write */
    MAX_PASSES = 16,
    MIN_MEMORY_KIB = 8,
    MAX_MEMORY_KIB = 256 << 10,
    MAX_WORK_KIB = 1 << 20, /* passes times memory */
    DEFAULT_PASSES = 2,
    DEFAULT_MEMORY_KIB = 64 << 10,
    ALIGNMENT = 64,
    STREAM_KEY = 1,
    CHECK_KEY = 2,
};

_Static_assert(SALT_SIZE == 16 && STREAM_HEADER_SIZE == 24 && EXTRA == 17, "the layout in seal.h");

static const char magic[8] = {'B', 'P', 'S', 'E', 'A', 'L', '\r', '\n'};
static const char kdf_context[crypto_kdf_CONTEXTBYTES + 1] = "bpnetsea";

/* What Argon2 is asked, and its answer. */
struct derived {
    bool set;
    uint32_t passes, memory_kib;
    uint8_t salt[SALT_SIZE];
    uint8_t master[crypto_kdf_KEYBYTES];
};

struct seal_key {
    uint32_t passes, memory_kib; /* for writing */
    struct derived read, write;
    size_t size;
    char text[SEAL_KEY_MAX];
};

/* The numbers of a header. */
struct header {
    uint32_t chunk;
    uint64_t size;
    uint32_t passes, memory_kib;
};

static uint32_t load32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static uint64_t load64(const uint8_t *p)
{
    return (uint64_t)load32(p) | (uint64_t)load32(p + 4) << 32;
}

static void store32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static void store64(uint8_t *p, uint64_t v)
{
    store32(p, (uint32_t)v);
    store32(p + 4, (uint32_t)(v >> 32));
}

/* ---- keys -------------------------------------------------------------------------------- */

int seal_key_new(struct seal_key **out, const void *text, size_t size)
{
    *out = NULL;
    if (size == 0)
        return error_set(BPNET_EUSAGE, "the key is empty");
    if (size > SEAL_KEY_MAX)
        return error_set(BPNET_EUSAGE, "the key has %zu bytes, expected 1 to %d", size,
                         SEAL_KEY_MAX);
    if (sodium_init() < 0)
        return error_set(BPNET_EUNSUPPORTED, "libsodium does not work here: no random numbers");
    struct seal_key *key = sodium_malloc(sizeof(*key));
    if (!key)
        return error_set(BPNET_ENOMEM, "no memory for a key");
    memset(key, 0, sizeof(*key));
    key->passes = DEFAULT_PASSES;
    key->memory_kib = DEFAULT_MEMORY_KIB;
    key->size = size;
    memcpy(key->text, text, size);
    *out = key;
    return BPNET_OK;
}

void seal_key_free(struct seal_key *key)
{
    sodium_free(key); /* wipes */
}

void seal_wipe(void *bytes, size_t size)
{
    sodium_memzero(bytes, size);
}

static bool cost_fits(uint32_t passes, uint32_t memory_kib)
{
    return passes >= 1 && passes <= MAX_PASSES && memory_kib >= MIN_MEMORY_KIB &&
           memory_kib <= MAX_MEMORY_KIB && (uint64_t)passes * memory_kib <= MAX_WORK_KIB;
}

int seal_key_cost(struct seal_key *key, uint32_t passes, uint32_t memory_kib)
{
    if (!cost_fits(passes, memory_kib))
        return error_set(BPNET_EUSAGE, "%u passes over %u KiB are beyond what sealed files allow",
                         passes, memory_kib);
    key->passes = passes;
    key->memory_kib = memory_kib;
    key->write.set = false;
    return BPNET_OK;
}

/* Have Argon2's answer for these costs and this salt in *d, asking it only when they are new. */
static int derive(struct derived *d, const struct seal_key *key, uint32_t passes,
                  uint32_t memory_kib, const uint8_t salt[SALT_SIZE])
{
    if (d->set && d->passes == passes && d->memory_kib == memory_kib &&
        memcmp(d->salt, salt, SALT_SIZE) == 0)
        return BPNET_OK;
    d->set = false;
    if (crypto_pwhash_argon2id(d->master, sizeof(d->master), key->text, key->size, salt, passes,
                               (size_t)memory_kib << 10, crypto_pwhash_argon2id_ALG_ARGON2ID13) < 0)
        return error_set(BPNET_ENOMEM, "no memory to work out a key: it takes %u KiB", memory_kib);
    d->passes = passes;
    d->memory_kib = memory_kib;
    memmove(d->salt, salt, SALT_SIZE);
    d->set = true;
    return BPNET_OK;
}

static void subkey(uint8_t out[crypto_kdf_KEYBYTES], uint64_t which, const struct derived *d)
{
    crypto_kdf_derive_from_key(out, crypto_kdf_KEYBYTES, which, kdf_context, d->master);
}

/* The key check of a header. */
static void check_of(uint8_t check[CHECK_SIZE], const uint8_t *header, const struct derived *d)
{
    uint8_t key[crypto_kdf_KEYBYTES];
    subkey(key, CHECK_KEY, d);
    crypto_generichash(check, CHECK_SIZE, header, CHECK_FROM, key, sizeof(key));
    sodium_memzero(key, sizeof(key));
}

/* ---- reading ----------------------------------------------------------------------------- */

static bool is_sealed(const uint8_t *bytes, size_t size)
{
    return size >= sizeof(magic) && memcmp(bytes, magic, sizeof(magic)) == 0;
}

/* Bytes of a file with this header; no content is an empty chunk. Cannot overflow: see callers. */
static uint64_t sealed_size(uint64_t size, uint32_t chunk)
{
    const uint64_t n_chunks = size ? (size - 1) / chunk + 1 : 1;
    return HEADER_SIZE + size + n_chunks * EXTRA;
}

/* Everything that can be checked without the key, and at no cost. */
static int read_header(struct header *h, const uint8_t *bytes, size_t size, const char *name)
{
    if (size < HEADER_SIZE)
        return error_set(BPNET_EFORMAT, "%s: truncated: %zu bytes, a sealed file's header takes %d",
                         name, size, HEADER_SIZE);
    if (hash64(bytes, CHECKSUM_FROM) != load64(bytes + CHECKSUM_FROM))
        return error_set(BPNET_EFORMAT,
                         "%s: damaged: the checksum of the sealed file's header does not match",
                         name);
    if (load32(bytes + 8) != FORMAT_VERSION)
        return error_set(BPNET_EUNSUPPORTED,
                         "%s: sealed format version %u; this program reads version %d", name,
                         load32(bytes + 8), FORMAT_VERSION);
    *h = (struct header){load32(bytes + 12), load64(bytes + 16), load32(bytes + 24),
                         load32(bytes + 28)};
    if (h->chunk < MIN_CHUNK || h->chunk > MAX_CHUNK)
        return error_set(BPNET_EFORMAT, "%s: sealed in chunks of %u bytes, expected %d to %d", name,
                         h->chunk, MIN_CHUNK, MAX_CHUNK);
    if (!cost_fits(h->passes, h->memory_kib))
        return error_set(BPNET_EFORMAT,
                         "%s: working out its key would take %u passes over %u KiB, more than is "
                         "allowed",
                         name, h->passes, h->memory_kib);
    if (h->size > size || sealed_size(h->size, h->chunk) > size)
        return error_set(BPNET_EFORMAT,
                         "%s: truncated: %zu bytes, sealed with %" PRIu64 " bytes of content", name,
                         size, h->size);
    if (sealed_size(h->size, h->chunk) < size)
        return error_set(BPNET_EFORMAT, "%s: damaged: %" PRIu64 " bytes behind its end", name,
                         (uint64_t)size - sealed_size(h->size, h->chunk));
    return BPNET_OK;
}

static int check_key(const struct header *h, const uint8_t *bytes, const char *name,
                     struct seal_key *key)
{
    uint8_t check[CHECK_SIZE];
    if (!key)
        return error_set(BPNET_EKEY, "%s is sealed; give its key with -k", name);
    const uint8_t *salt = bytes + 32;
    const int error = derive(&key->read, key, h->passes, h->memory_kib, salt);
    if (error < 0)
        return error_prefix(error, "%s", name);
    check_of(check, bytes, &key->read);
    if (sodium_memcmp(check, bytes + CHECK_FROM, CHECK_SIZE) != 0)
        return error_set(BPNET_EKEY, "%s: wrong key: it is sealed with another one", name);
    return BPNET_OK;
}

/* All chunks, one after the other; false: one of them does not authenticate. */
static bool open_chunks(uint8_t *content, const struct header *h, const uint8_t *bytes,
                        const struct derived *d)
{
    uint8_t key[crypto_kdf_KEYBYTES];
    crypto_secretstream_xchacha20poly1305_state state;
    subkey(key, STREAM_KEY, d);
    bool good = crypto_secretstream_xchacha20poly1305_init_pull(&state, bytes + 48, key) == 0;
    sodium_memzero(key, sizeof(key));
    const uint8_t *from = bytes + HEADER_SIZE;
    uint64_t done = 0;
    do {
        const uint64_t left = h->size - done;
        const size_t n = left < h->chunk ? (size_t)left : h->chunk;
        const bool first = done == 0, last = n == left;
        uint8_t tag = 0;
        good = good &&
               crypto_secretstream_xchacha20poly1305_pull(&state, content + done, NULL, &tag, from,
                                                          n + EXTRA, first ? bytes : NULL,
                                                          first ? HEADER_SIZE : 0) == 0 &&
               tag == (last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
                            : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE);
        from += n + EXTRA;
        done += n;
    } while (good && done < h->size);
    sodium_memzero(&state, sizeof(state));
    return good;
}

int seal_open(uint8_t **content, size_t *content_size, const uint8_t *bytes, size_t size,
              const char *name, struct seal_key *key)
{
    struct header h = {0};
    *content = NULL;
    *content_size = 0;
    if (!is_sealed(bytes, size)) {
        if (key)
            log_debug("%s is not sealed: it needs no key", name);
        return BPNET_OK;
    }
    int error = read_header(&h, bytes, size, name);
    if (error < 0 || (error = check_key(&h, bytes, name, key)) < 0)
        return error;
    const size_t capacity = ((size_t)h.size / ALIGNMENT + 1) * ALIGNMENT;
    uint8_t *opened = aligned_alloc(ALIGNMENT, capacity);
    if (!opened)
        return error_set(BPNET_ENOMEM, "%s: no memory for %" PRIu64 " bytes", name, h.size);
    if (!open_chunks(opened, &h, bytes, &key->read)) {
        sodium_memzero(opened, capacity);
        free(opened);
        return error_set(BPNET_EFORMAT,
                         "%s: damaged: the key is right, but the content was changed", name);
    }
    *content = opened;
    *content_size = (size_t)h.size;
    return BPNET_OK;
}

int seal_view_open(struct file_view *view, const char *path, size_t limit, struct seal_key *key)
{
    uint8_t *content;
    size_t size;
    /* What sealing adds is less than a chunk's EXTRA in MIN_CHUNK. */
    const size_t more = HEADER_SIZE + EXTRA + limit / MIN_CHUNK * EXTRA;
    int error = file_view_open(view, path, limit > SIZE_MAX - more ? SIZE_MAX : limit + more);
    if (error < 0)
        return error;
    if ((error = seal_open(&content, &size, view->bytes, view->size, path, key)) < 0) {
        file_view_close(view);
        return error;
    }
    if (content) {
        file_view_close(view);
        *view = (struct file_view){.bytes = content, .size = size, .sealed = true};
    }
    if (view->size > limit) {
        size = view->size;
        file_view_close(view);
        return error_set(BPNET_ELIMIT, "%s: %zu bytes, more than the limit of %zu", path, size,
                         limit);
    }
    return BPNET_OK;
}

/* ---- writing ----------------------------------------------------------------------------- */

struct seal_writer {
    struct outfile *out;
    crypto_secretstream_xchacha20poly1305_state state;
    uint8_t header[HEADER_SIZE];
    uint64_t left; /* bytes that are still to come */
    bool first;
    size_t filled;
    uint8_t content[CHUNK], sealed[CHUNK + EXTRA];
};

static int compose_header(struct seal_writer *w, struct seal_key *key)
{
    uint8_t salt[SALT_SIZE], stream[crypto_kdf_KEYBYTES];
    if (!key->write.set)
        randombytes_buf(salt, sizeof(salt));
    else
        memcpy(salt, key->write.salt, sizeof(salt));
    const int error = derive(&key->write, key, key->passes, key->memory_kib, salt);
    if (error < 0)
        return error_prefix(error, "%s", w->out->path);
    memcpy(w->header, magic, sizeof(magic));
    store32(w->header + 8, FORMAT_VERSION);
    store32(w->header + 12, CHUNK);
    store64(w->header + 16, w->left);
    store32(w->header + 24, key->passes);
    store32(w->header + 28, key->memory_kib);
    memcpy(w->header + 32, salt, sizeof(salt));
    subkey(stream, STREAM_KEY, &key->write);
    crypto_secretstream_xchacha20poly1305_init_push(&w->state, w->header + 48, stream);
    sodium_memzero(stream, sizeof(stream));
    check_of(w->header + CHECK_FROM, w->header, &key->write);
    store64(w->header + CHECKSUM_FROM, hash64(w->header, CHECKSUM_FROM));
    return BPNET_OK;
}

int seal_writer_open(struct seal_writer **out, struct outfile *file, uint64_t size,
                     struct seal_key *key)
{
    struct seal_writer *w = calloc(1, sizeof(*w));
    *out = NULL;
    if (!w)
        return error_set(BPNET_ENOMEM, "%s: no memory to seal it", file->path);
    w->out = file;
    w->left = size;
    w->first = true;
    int error = compose_header(w, key);
    if (error == BPNET_OK)
        error = outfile_write(file, w->header, HEADER_SIZE);
    if (error < 0)
        seal_writer_close(w);
    else
        *out = w;
    return error;
}

static int write_chunk(struct seal_writer *w, bool last)
{
    const uint8_t tag = last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
                             : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;
    crypto_secretstream_xchacha20poly1305_push(&w->state, w->sealed, NULL, w->content, w->filled,
                                               w->first ? w->header : NULL,
                                               w->first ? HEADER_SIZE : 0, tag);
    const size_t n = w->filled + EXTRA;
    w->filled = 0;
    w->first = false;
    return outfile_write(w->out, w->sealed, n);
}

/* A full chunk waits until more comes: it may be the last one. */
int seal_writer_put(struct seal_writer *w, const void *bytes, size_t n)
{
    const uint8_t *from = bytes;
    if (n > w->left)
        return error_set(BPNET_EUSAGE, "%s: more content than was announced", w->out->path);
    w->left -= n;
    while (n) {
        if (w->filled == CHUNK) {
            const int error = write_chunk(w, false);
            if (error < 0)
                return error;
        }
        const size_t room = CHUNK - w->filled, now = n < room ? n : room;
        memcpy(w->content + w->filled, from, now);
        w->filled += now;
        from += now;
        n -= now;
    }
    return BPNET_OK;
}

int seal_writer_end(struct seal_writer *w)
{
    if (w->left)
        return error_set(BPNET_EUSAGE, "%s: less content than was announced", w->out->path);
    return write_chunk(w, true);
}

void seal_writer_close(struct seal_writer *w)
{
    if (!w)
        return;
    sodium_memzero(w, sizeof(*w));
    free(w);
}

static int write_sealed(struct outfile *out, const void *bytes, size_t n, struct seal_key *key)
{
    struct seal_writer *w;
    int error = seal_writer_open(&w, out, n, key);
    if (error == BPNET_OK && (error = seal_writer_put(w, bytes, n)) == BPNET_OK)
        error = seal_writer_end(w);
    seal_writer_close(w);
    return error;
}

int seal_file_write(const char *path, const void *bytes, size_t n, struct seal_key *key)
{
    struct outfile out;
    if (!key)
        return file_write(path, bytes, n);
    int error = outfile_open(&out, path);
    if (error < 0)
        return error;
    if ((error = write_sealed(&out, bytes, n, key)) < 0) {
        outfile_abort(&out);
        return error;
    }
    return outfile_commit(&out);
}
