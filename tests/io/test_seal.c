/*
 * Sealed files: round trips; a second writer and reader made from the layout in seal.h alone; ten
 * thousand tampered files; and which sentence each kind of trouble gets.
 */
#include "base/error.h"
#include "base/hash.h"
#include "base/rng.h"
#include "io/container.h"
#include "io/seal.h"

#include "io/scratch.h"

#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

enum { HEADER = 96, EXTRA = 17, SMALL_CHUNK = 4096, OUR_CHUNK = 256 << 10 };

#define assert_message(part)                                                                       \
    do {                                                                                           \
        if (!strstr(error_message(), part))                                                        \
            fail_msg("'%s' is not in '%s'", part, error_message());                                \
    } while (0)

static struct seal_key *cheap_key(const char *text)
{
    struct seal_key *key;
    assert_int_equal(seal_key_new(&key, text, strlen(text)), BPNET_OK);
    assert_int_equal(seal_key_cost(key, 1, 8), BPNET_OK);
    return key;
}

static uint8_t *some_bytes(size_t n, uint64_t seed)
{
    struct rng rng = rng_stream(seed, n, 0);
    uint8_t *bytes = malloc(n + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (uint8_t)rng_next(&rng);
    return bytes;
}

/* ---- a second implementation, from the layout -------------------------------------------- */

/* Little-endian machines only, as a test may be. */
static void put32(uint8_t *at, uint32_t v)
{
    memcpy(at, &v, 4);
}

static void put64(uint8_t *at, uint64_t v)
{
    memcpy(at, &v, 8);
}

static uint32_t get32(const uint8_t *at)
{
    uint32_t v;
    memcpy(&v, at, 4);
    return v;
}

static uint64_t get64(const uint8_t *at)
{
    uint64_t v;
    memcpy(&v, at, 8);
    return v;
}

struct keys {
    uint8_t stream[32], check[32];
};

static struct keys keys_of(const uint8_t *header, const char *text)
{
    struct keys k;
    uint8_t master[32];
    assert_int_equal(crypto_pwhash(master, 32, text, strlen(text), header + 32, get32(header + 24),
                                   (size_t)get32(header + 28) * 1024, crypto_pwhash_ALG_ARGON2ID13),
                     0);
    crypto_kdf_derive_from_key(k.stream, 32, 1, "bpnetsea", master);
    crypto_kdf_derive_from_key(k.check, 32, 2, "bpnetsea", master);
    return k;
}

static void sum_header(uint8_t *header)
{
    put64(header + 88, hash64(header, 88));
}

/* A sealed file in chunks of SMALL_CHUNK; free() */
static uint8_t *seal_by_hand(const uint8_t *content, size_t n, const char *text, size_t *size)
{
    const size_t n_chunks = n ? (n + SMALL_CHUNK - 1) / SMALL_CHUNK : 1;
    crypto_secretstream_xchacha20poly1305_state state;
    *size = HEADER + n + n_chunks * EXTRA;
    uint8_t *file = calloc(1, *size);
    assert_non_null(file);
    memcpy(file, "BPSEAL\r\n", 8);
    put32(file + 8, 1);
    put32(file + 12, SMALL_CHUNK);
    put64(file + 16, n);
    put32(file + 24, 1);
    put32(file + 28, 8);
    memcpy(file + 32, "0123456789abcdef", 16);
    const struct keys k = keys_of(file, text);
    crypto_secretstream_xchacha20poly1305_init_push(&state, file + 48, k.stream);
    crypto_generichash(file + 72, 16, file, 72, k.check, 32);
    sum_header(file);
    uint8_t *to = file + HEADER;
    for (size_t i = 0; i < n_chunks; i++) {
        const bool last = i + 1 == n_chunks;
        const size_t length = last ? n - i * SMALL_CHUNK : SMALL_CHUNK;
        crypto_secretstream_xchacha20poly1305_push(&state, to, NULL, content + i * SMALL_CHUNK,
                                                   length, i ? NULL : file, i ? 0 : HEADER,
                                                   last ? 3 : 0);
        to += length + EXTRA;
    }
    return file;
}

static uint8_t *open_by_hand(const uint8_t *file, size_t size, const char *text, size_t *n)
{
    crypto_secretstream_xchacha20poly1305_state state;
    const size_t chunk = get32(file + 12);
    uint8_t check[16];
    assert_memory_equal(file, "BPSEAL\r\n", 8);
    assert_int_equal(get32(file + 8), 1);
    assert_int_equal(get64(file + 88), hash64(file, 88));
    const struct keys k = keys_of(file, text);
    crypto_generichash(check, 16, file, 72, k.check, 32);
    assert_memory_equal(check, file + 72, 16);
    *n = get64(file + 16);
    uint8_t *content = malloc(*n + 1), tag = 0;
    assert_int_equal(crypto_secretstream_xchacha20poly1305_init_pull(&state, file + 48, k.stream),
                     0);
    size_t at = HEADER, done = 0;
    while (at < size) {
        const size_t length = size - at < chunk + EXTRA ? size - at : chunk + EXTRA;
        assert_int_equal(crypto_secretstream_xchacha20poly1305_pull(
                             &state, content + done, NULL, &tag, file + at, length,
                             done ? NULL : file, done ? 0 : HEADER),
                         0);
        at += length;
        done += length - EXTRA;
        assert_int_equal(tag, at == size ? 3 : 0);
    }
    assert_int_equal(done, *n);
    return content;
}

/* ---- round trips ------------------------------------------------------------------------- */

static void test_round_trip(void **state)
{
    (void)state;
    static const size_t sizes[] = {
        0, 1, 63, 4096, OUR_CHUNK - 1, OUR_CHUNK, OUR_CHUNK + 1, 2 * OUR_CHUNK, 700001};
    struct seal_key *writer = cheap_key("open sesame"), *reader = cheap_key("open sesame");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        const size_t n = sizes[i], n_chunks = n ? (n + OUR_CHUNK - 1) / OUR_CHUNK : 1;
        uint8_t *bytes = some_bytes(n, i);
        const char *path = scratch_path("sealed");
        struct file_view view;
        assert_int_equal(seal_file_write(path, bytes, n, writer), BPNET_OK);
        assert_int_equal(seal_view_open(&view, path, n, reader), BPNET_OK);
        assert_int_equal(view.size, n);
        assert_memory_equal(view.bytes, bytes, n);
        assert_int_equal((uintptr_t)view.bytes % 64, 0);
        file_view_close(&view);
        if (n) {
            assert_int_equal(seal_view_open(&view, path, n - 1, reader), BPNET_ELIMIT);
            assert_message("sealed: ");
        }

        size_t size, found;
        uint8_t *file = (uint8_t *)scratch_read(path, &size);
        assert_int_equal(size, HEADER + n + n_chunks * EXTRA);
        uint8_t *by_hand = open_by_hand(file, size, "open sesame", &found);
        assert_int_equal(found, n);
        assert_memory_equal(by_hand, bytes, n);
        free(by_hand);
        free(file);
        free(bytes);
    }
    seal_key_free(writer);
    seal_key_free(reader);
}

static void test_by_hand(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, SMALL_CHUNK, SMALL_CHUNK + 1, 5 * SMALL_CHUNK - 7};
    struct seal_key *key = cheap_key("k");
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        uint8_t *bytes = some_bytes(sizes[i], 77), *content;
        size_t size, n;
        uint8_t *file = seal_by_hand(bytes, sizes[i], "k", &size);
        assert_int_equal(seal_open(&content, &n, file, size, "it", key), BPNET_OK);
        assert_int_equal(n, sizes[i]);
        assert_memory_equal(content, bytes, n);
        free(content);
        free(file);
        free(bytes);
    }
    seal_key_free(key);
}

/* One key writes all its files with one salt, each with a stream of its own. */
static void test_salt_and_stream(void **state)
{
    (void)state;
    struct seal_key *key = cheap_key("k"), *other = cheap_key("k");
    const char *paths[3] = {scratch_path("a"), scratch_path("b"), scratch_path("c")};
    char *files[3];
    for (int i = 0; i < 3; i++) {
        assert_int_equal(seal_file_write(paths[i], "the same", 8, i < 2 ? key : other), BPNET_OK);
        files[i] = scratch_read(paths[i], NULL);
    }
    assert_memory_equal(files[0] + 32, files[1] + 32, 16);
    assert_memory_not_equal(files[0] + 32, files[2] + 32, 16);
    assert_memory_not_equal(files[0] + 48, files[1] + 48, 24);
    assert_memory_not_equal(files[0] + HEADER, files[1] + HEADER, 8 + EXTRA);
    for (int i = 0; i < 3; i++)
        free(files[i]);
    seal_key_free(key);
    seal_key_free(other);
}

static void test_plain(void **state)
{
    (void)state;
    struct seal_key *key = cheap_key("k");
    struct file_view view;
    const char *path = scratch_path("plain");
    assert_int_equal(seal_file_write(path, "open", 4, NULL), BPNET_OK);
    assert_int_equal(seal_view_open(&view, path, 4, key), BPNET_OK);
    assert_int_equal(view.size, 4);
    assert_memory_equal(view.bytes, "open", 4);
    file_view_close(&view);
    assert_int_equal(seal_view_open(&view, path, 3, key), BPNET_ELIMIT);
    assert_int_equal(seal_view_open(&view, scratch_path("none"), 3, key), BPNET_ENOENT);
    seal_key_free(key);
}

static void test_container(void **state)
{
    (void)state;
    struct seal_key *key = cheap_key("k"), *wrong = cheap_key("K");
    uint8_t *weights = some_bytes(300000, 5);
    const struct section sections[] = {{"graph", "{}", 2}, {"weights", weights, 300000}};
    const char *path = scratch_path("sealed.tlt");
    struct container c;
    const uint8_t *bytes;
    size_t size;
    assert_int_equal(container_write(path, "model", sections, 2, key), BPNET_OK);
    assert_int_equal(container_open(&c, path, "model", key), BPNET_OK);
    assert_int_equal(container_section(&c, "weights", &bytes, &size), BPNET_OK);
    assert_int_equal(size, 300000);
    assert_memory_equal(bytes, weights, size);
    assert_int_equal((uintptr_t)bytes % 64, 0);
    container_close(&c);

    assert_int_equal(container_open(&c, path, NULL, NULL), BPNET_EKEY);
    assert_message("sealed.tlt is sealed; give its key with -k");
    assert_int_equal(container_open(&c, path, NULL, wrong), BPNET_EKEY);
    assert_message("sealed.tlt: wrong key");
    assert_int_equal(container_open(&c, path, "checkpoint", key), BPNET_EFORMAT);
    assert_message("is a model file");

    /* What was sealed need not be a container. */
    assert_int_equal(seal_file_write(path, "text", 4, key), BPNET_OK);
    assert_int_equal(container_open(&c, path, NULL, key), BPNET_EFORMAT);
    assert_message("not a bpnet file");
    assert_int_equal(container_write("/dev/full", "model", sections, 2, key), BPNET_EIO);
    free(weights);
    seal_key_free(key);
    seal_key_free(wrong);
}

/* ---- tampering --------------------------------------------------------------------------- */

struct victim {
    uint8_t *file, *other; /* of one key and salt, other contents */
    size_t size, n_chunks;
    struct seal_key *key;
};

static void victim_open(struct victim *v)
{
    const size_t n = 5 * SMALL_CHUNK + 99;
    uint8_t *a = some_bytes(n, 1), *b = some_bytes(n, 2);
    v->file = seal_by_hand(a, n, "k", &v->size);
    v->other = seal_by_hand(b, n, "k", &v->size);
    v->n_chunks = 6;
    v->key = cheap_key("k");
    free(a);
    free(b);
}

static void victim_close(struct victim *v)
{
    free(v->file);
    free(v->other);
    seal_key_free(v->key);
}

static int open_bytes(const struct victim *v, const uint8_t *bytes, size_t size)
{
    uint8_t *exact = malloc(size ? size : 1), *content;
    size_t n;
    memcpy(exact, bytes, size);
    const int error = seal_open(&content, &n, exact, size, "it", v->key);
    assert_true((error == BPNET_OK) || (!content && n == 0));
    free(content);
    free(exact);
    return error;
}

static uint8_t *chunk_at(uint8_t *file, size_t index)
{
    return file + HEADER + index * (SMALL_CHUNK + EXTRA);
}

/* One of the ways to change *size bytes; the header's checksum may be set right afterwards. */
static void tamper(const struct victim *v, uint8_t *bytes, size_t *size, struct rng *rng)
{
    const size_t whole = SMALL_CHUNK + EXTRA;
    const size_t a = (size_t)rng_integer(rng, 0, (int64_t)v->n_chunks - 2);
    size_t b = (size_t)rng_integer(rng, 0, (int64_t)v->n_chunks - 2);
    if (a == b)
        b = (a + 1) % (v->n_chunks - 1);
    uint8_t spare[SMALL_CHUNK + EXTRA];
    switch (rng_integer(rng, 0, 8)) {
    case 0: /* a bit, anywhere */
        bytes[rng_integer(rng, 0, (int64_t)*size - 1)] ^= (uint8_t)(1 << rng_integer(rng, 0, 7));
        break;
    case 1: /* a bit of the header */
        bytes[rng_integer(rng, 8, HEADER - 1)] ^= (uint8_t)(1 << rng_integer(rng, 0, 7));
        break;
    case 2: *size = (size_t)rng_integer(rng, 8, (int64_t)*size - 1); break;
    case 3: /* more bytes */
        for (int64_t n = rng_integer(rng, 1, 64); n > 0; n--)
            bytes[(*size)++] = (uint8_t)rng_next(rng);
        break;
    case 4: /* two chunks change places */
        memcpy(spare, chunk_at(bytes, a), whole);
        memcpy(chunk_at(bytes, a), chunk_at(bytes, b), whole);
        memcpy(chunk_at(bytes, b), spare, whole);
        break;
    case 5: /* one chunk twice */ memcpy(chunk_at(bytes, a), chunk_at(bytes, b), whole); break;
    case 6: /* a chunk of the other file, from the same place */
        memcpy(chunk_at(bytes, a), chunk_at(v->other, a), whole);
        break;
    case 7: /* the other file's header, or its tail */
        if (rng_integer(rng, 0, 1))
            memcpy(bytes, v->other, HEADER);
        else
            memcpy(chunk_at(bytes, a + 1), chunk_at(v->other, a + 1),
                   *size - HEADER - (a + 1) * whole);
        break;
    default: /* a chunk is gone, and the header knows */
        memmove(chunk_at(bytes, a), chunk_at(bytes, a + 1), *size - HEADER - (a + 1) * whole);
        *size -= whole;
        put64(bytes + 16, get64(bytes + 16) - SMALL_CHUNK);
        break;
    }
}

static void test_tampered(void **state)
{
    (void)state;
    enum { N = 10000 };
    struct victim v;
    int n_checked = 0;
    victim_open(&v);
    uint8_t *bytes = malloc(v.size + 64);
    assert_int_equal(open_bytes(&v, v.file, v.size), BPNET_OK);
    for (uint64_t i = 0; i < N; i++) {
        struct rng rng = rng_stream(2026, i, 0);
        size_t size = v.size;
        memcpy(bytes, v.file, v.size);
        tamper(&v, bytes, &size, &rng);
        if (size >= HEADER && rng_integer(&rng, 0, 1)) {
            sum_header(bytes); /* as one would who knows the layout */
            if (size == v.size && memcmp(bytes, v.file, size) == 0)
                continue; /* it was the checksum that had been changed */
        }
        if (memcmp(bytes, "BPSEAL\r\n", 8) != 0)
            continue; /* not a sealed file any more: opened as it is */
        const int error = open_bytes(&v, bytes, size);
        if (error != BPNET_EFORMAT && error != BPNET_EKEY && error != BPNET_EUNSUPPORTED)
            fail_msg("file %d: %d %s", (int)i, error, error_message());
        n_checked++;
    }
    assert_true(n_checked > N * 9 / 10);
    free(bytes);
    victim_close(&v);
}

/* Every cut, every bit of the header, bits of the content: each has its sentence. */
static void test_sentences(void **state)
{
    (void)state;
    struct victim v;
    victim_open(&v);
    for (size_t size = 8; size < v.size; size += size < 200 ? 1 : 97) {
        assert_int_equal(open_bytes(&v, v.file, size), BPNET_EFORMAT);
        assert_message("it: truncated");
    }
    for (size_t bit = 64; bit < HEADER * 8; bit++) {
        v.file[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(open_bytes(&v, v.file, v.size), BPNET_EFORMAT);
        assert_message("it: damaged");
        v.file[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    for (size_t at = HEADER; at < v.size; at += 131) {
        v.file[at] ^= 0x10;
        assert_int_equal(open_bytes(&v, v.file, v.size), BPNET_EFORMAT);
        assert_message("it: damaged: the key is right");
        v.file[at] ^= 0x10;
    }
    uint8_t *longer = malloc(v.size + 3);
    memcpy(longer, v.file, v.size);
    memcpy(longer + v.size, "abc", 3);
    assert_int_equal(open_bytes(&v, longer, v.size + 3), BPNET_EFORMAT);
    assert_message("it: damaged: 3 bytes behind its end");
    free(longer);

    struct seal_key *right = v.key;
    v.key = cheap_key("k ");
    assert_int_equal(open_bytes(&v, v.file, v.size), BPNET_EKEY);
    assert_message("it: wrong key");
    seal_key_free(v.key);
    v.key = NULL;
    assert_int_equal(open_bytes(&v, v.file, v.size), BPNET_EKEY);
    assert_message("it is sealed; give its key with -k");
    assert_int_equal(open_bytes(&v, v.file, v.size - 1), BPNET_EFORMAT);
    assert_message("it: truncated");
    v.key = right;
    assert_int_equal(open_bytes(&v, v.file, v.size), BPNET_OK);
    victim_close(&v);
}

/* A header that asks for too much, its checksum right: refused before anything is worked out. */
static void test_bounds(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint64_t value;
        bool wide;
        int error;
        const char *says;
    } cases[] = {
        {8, 2, false, BPNET_EUNSUPPORTED, "version 2"},
        {12, 0, false, BPNET_EFORMAT, "chunks of 0 bytes"},
        {12, 4095, false, BPNET_EFORMAT, "chunks of 4095 bytes"},
        {12, (1 << 20) + 1, false, BPNET_EFORMAT, "chunks of 1048577 bytes"},
        {16, UINT64_MAX, true, BPNET_EFORMAT, "truncated"},
        {16, UINT64_MAX - 200, true, BPNET_EFORMAT, "truncated"},
        {16, (uint64_t)1 << 62, true, BPNET_EFORMAT, "truncated"},
        {16, 0, true, BPNET_EFORMAT, "behind its end"},
        {24, 0, false, BPNET_EFORMAT, "0 passes"},
        {24, 17, false, BPNET_EFORMAT, "17 passes"},
        {24, UINT32_MAX, false, BPNET_EFORMAT, "more than is allowed"},
        {28, 7, false, BPNET_EFORMAT, "over 7 KiB"},
        {28, (256 << 10) + 1, false, BPNET_EFORMAT, "over 262145 KiB"},
        {28, UINT32_MAX, false, BPNET_EFORMAT, "more than is allowed"},
        {24, (uint64_t)5 | (uint64_t)(256 << 10) << 32, true, BPNET_EFORMAT, "5 passes over"},
    };
    struct victim v;
    victim_open(&v);
    uint8_t *bytes = malloc(v.size);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        memcpy(bytes, v.file, v.size);
        if (cases[i].wide)
            put64(bytes + cases[i].at, cases[i].value);
        else
            put32(bytes + cases[i].at, (uint32_t)cases[i].value);
        sum_header(bytes);
        assert_int_equal(open_bytes(&v, bytes, v.size), cases[i].error);
        assert_message(cases[i].says);
    }
    free(bytes);
    victim_close(&v);
}

/* ---- keys and writers -------------------------------------------------------------------- */

static void test_keys(void **state)
{
    (void)state;
    static const char zeros[SEAL_KEY_MAX + 1];
    struct seal_key *key;
    assert_int_equal(seal_key_new(&key, "", 0), BPNET_EUSAGE);
    assert_null(key);
    assert_int_equal(seal_key_new(&key, zeros, sizeof(zeros)), BPNET_EUSAGE);
    assert_message("4097 bytes");
    assert_int_equal(seal_key_new(&key, zeros, SEAL_KEY_MAX), BPNET_OK);
    assert_int_equal(seal_key_cost(key, 0, 8), BPNET_EUSAGE);
    assert_int_equal(seal_key_cost(key, 1, 7), BPNET_EUSAGE);
    assert_int_equal(seal_key_cost(key, 5, 256 << 10), BPNET_EUSAGE);
    assert_int_equal(seal_key_cost(key, 4, 256 << 10), BPNET_OK);
    seal_key_free(key);
    seal_key_free(NULL);
    char text[] = "secret";
    seal_wipe(text, sizeof(text));
    assert_memory_equal(text, zeros, sizeof(text));
}

/* What a person gets who sets nothing: 2 passes over 64 MiB. */
static void test_preset_cost(void **state)
{
    (void)state;
    struct seal_key *key;
    const char *path = scratch_path("preset");
    assert_int_equal(seal_key_new(&key, "k", 1), BPNET_OK);
    assert_int_equal(seal_file_write(path, "x", 1, key), BPNET_OK);
    char *file = scratch_read(path, NULL);
    assert_int_equal(get32((uint8_t *)file + 24), 2);
    assert_int_equal(get32((uint8_t *)file + 28), 64 << 10);
    free(file);
    seal_key_free(key);
}

static void test_writer(void **state)
{
    (void)state;
    struct seal_key *key = cheap_key("k");
    struct seal_writer *w;
    struct outfile out;
    struct file_view view;
    const char *path = scratch_path("pieces");
    uint8_t *bytes = some_bytes(OUR_CHUNK * 2 + 5, 9);
    assert_int_equal(outfile_open(&out, path), BPNET_OK);
    assert_int_equal(seal_writer_open(&w, &out, OUR_CHUNK * 2 + 5, key), BPNET_OK);
    for (size_t at = 0; at < OUR_CHUNK * 2 + 5;) {
        const size_t left = OUR_CHUNK * 2 + 5 - at, n = left < 1000 ? left : 1000;
        assert_int_equal(seal_writer_put(w, bytes + at, n), BPNET_OK);
        at += n;
    }
    assert_int_equal(seal_writer_put(w, bytes, 1), BPNET_EUSAGE);
    assert_message("more content than was announced");
    assert_int_equal(seal_writer_end(w), BPNET_OK);
    seal_writer_close(w);
    assert_int_equal(outfile_commit(&out), BPNET_OK);
    assert_int_equal(seal_view_open(&view, path, 1 << 20, key), BPNET_OK);
    assert_int_equal(view.size, OUR_CHUNK * 2 + 5);
    assert_memory_equal(view.bytes, bytes, view.size);
    file_view_close(&view);

    assert_int_equal(outfile_open(&out, path), BPNET_OK);
    assert_int_equal(seal_writer_open(&w, &out, 2, key), BPNET_OK);
    assert_int_equal(seal_writer_put(w, bytes, 1), BPNET_OK);
    assert_int_equal(seal_writer_end(w), BPNET_EUSAGE);
    assert_message("less content than was announced");
    seal_writer_close(w);
    seal_writer_close(NULL);
    outfile_abort(&out);
    free(bytes);
    seal_key_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_salt_and_stream),
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_container),
        cmocka_unit_test(test_tampered),
        cmocka_unit_test(test_sentences),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_preset_cost),
        cmocka_unit_test(test_writer),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
