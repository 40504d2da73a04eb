/* The one file format: see container.h for the layout. Nothing is trusted before it is checked. */
#include "io/container.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    HEADER_SIZE = 64,
    ENTRY_SIZE = 64,
    NAME_SIZE = 24,
    KIND_SIZE = 32,
    ALIGNMENT = 64,
    CHECKED_FROM = 32, /* what the header's checksum covers */
    MAX_SECTIONS = 4096,
    FORMAT_VERSION = 1,
};

static const char magic[8] = {'B', 'P', 'N', 'E', 'T', '\r', '\n', 0x1a};
static const size_t max_file = (size_t)1 << 40;

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

static uint64_t round_up(uint64_t n)
{
    return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
}

/* ---- reading ----------------------------------------------------------------------------- */

static const uint8_t *entry_of(const struct container *c, uint32_t index)
{
    return c->file.bytes + HEADER_SIZE + (size_t)index * ENTRY_SIZE;
}

static int bad(const struct container *c, const char *what)
{
    return error_set(BPNET_EFORMAT, "%s: %s", c->path, what);
}

/* The entry's section begins at *offset, where the one before it ended; moves *offset on. */
static int check_entry(const struct container *c, uint32_t index, uint64_t *offset)
{
    const uint8_t *entry = entry_of(c, index);
    if (!memchr(entry, '\0', NAME_SIZE) || entry[0] == '\0')
        return error_set(BPNET_EFORMAT, "%s: section %u has no proper name", c->path, index);
    const char *name = (const char *)entry;
    const uint64_t begin = load64(entry + 24), size = load64(entry + 32);
    if (begin != *offset || size > c->file.size - begin || round_up(size) > c->file.size - begin)
        return error_set(BPNET_EFORMAT,
                         "%s: section '%s' claims %" PRIu64 " bytes from %" PRIu64
                         " of a file of %zu, and the one before it ends at %" PRIu64,
                         c->path, name, size, begin, c->file.size, *offset);
    for (uint64_t i = begin + size; i < begin + round_up(size); i++)
        if (c->file.bytes[i] != 0)
            return error_set(BPNET_EFORMAT, "%s: damaged: bytes behind section '%s' are not zero",
                             c->path, name);
    for (uint32_t other = 0; other < index; other++)
        if (strcmp((const char *)entry_of(c, other), name) == 0)
            return error_set(BPNET_EFORMAT, "%s: section '%s' is there twice", c->path, name);
    *offset += round_up(size);
    return BPNET_OK;
}

/* The first field of an ONNX file, a number. */
static const uint8_t onnx_begin = 1 << 3;

static int check_header(struct container *c, const char *kind)
{
    const uint8_t *bytes = c->file.bytes;
    const size_t size = c->file.size;
    if (size < sizeof(magic) || memcmp(bytes, magic, sizeof(magic)) != 0)
        return bad(c, size > 0 && bytes[0] == onnx_begin
                          ? "not a bpnet file; if it is an ONNX file, 'bpnet import' makes a model "
                            "of it"
                          : "not a bpnet file (its first bytes are not \"BPNET\")");
    if (size < HEADER_SIZE)
        return error_set(BPNET_EFORMAT, "%s: truncated: %zu bytes, the header alone takes %d",
                         c->path, size, HEADER_SIZE);
    const uint32_t version = load32(bytes + 8);
    if (version != FORMAT_VERSION)
        return error_set(BPNET_EUNSUPPORTED, "%s: format version %u; this program reads version %d",
                         c->path, version, FORMAT_VERSION);
    if (load64(bytes + 16) != size)
        return error_set(BPNET_EFORMAT,
                         "%s: truncated or extended: %zu bytes, the header says %" PRIu64, c->path,
                         size, load64(bytes + 16));
    c->n_sections = load32(bytes + 12);
    if (c->n_sections > MAX_SECTIONS || c->n_sections > (size - HEADER_SIZE) / ENTRY_SIZE) {
        const uint32_t claimed = c->n_sections;
        c->n_sections = 0;
        return error_set(BPNET_EFORMAT, "%s: claims %u sections, more than fit", c->path, claimed);
    }
    const size_t head_size = HEADER_SIZE + (size_t)c->n_sections * ENTRY_SIZE;
    if (hash64(bytes + CHECKED_FROM, head_size - CHECKED_FROM) != load64(bytes + 24))
        return bad(c, "damaged: the checksum of its section table does not match");
    memcpy(c->kind, bytes + 32, KIND_SIZE);
    c->kind[KIND_SIZE] = '\0';
    uint64_t offset = head_size;
    for (uint32_t i = 0; i < c->n_sections; i++) {
        const int error = check_entry(c, i, &offset);
        if (error < 0)
            return error;
    }
    if (offset != size)
        return error_set(BPNET_EFORMAT, "%s: %zu bytes, its sections take %" PRIu64, c->path, size,
                         offset);
    if (kind && strcmp(kind, c->kind) != 0)
        return error_set(BPNET_EFORMAT, "%s: is %s %.32s file, expected %s %s file", c->path,
                         str_article(c->kind), c->kind, str_article(kind), kind);
    return BPNET_OK;
}

static int open_view(struct container *c, const char *name, const char *kind)
{
    c->path = str_copy(name);
    const int error = c->path ? check_header(c, kind) : BPNET_ENOMEM;
    if (error < 0)
        container_close(c);
    return error;
}

int container_open(struct container *c, const char *path, const char *kind, struct seal_key *key)
{
    *c = (struct container){0};
    const int error = seal_view_open(&c->file, path, max_file, key);
    return error < 0 ? error : open_view(c, path, kind);
}

int container_open_memory(struct container *c, const uint8_t *bytes, size_t size, const char *name,
                          const char *kind)
{
    *c = (struct container){.file = {.bytes = bytes, .size = size}, .borrowed = true};
    return open_view(c, name, kind);
}

void container_close(struct container *c)
{
    if (!c->borrowed)
        file_view_close(&c->file);
    free(c->path);
    *c = (struct container){0};
}

static const uint8_t *find(const struct container *c, const char *name)
{
    for (uint32_t i = 0; i < c->n_sections; i++)
        if (strcmp((const char *)entry_of(c, i), name) == 0)
            return entry_of(c, i);
    return NULL;
}

bool container_has(const struct container *c, const char *name)
{
    return find(c, name) != NULL;
}

int container_section(struct container *c, const char *name, const uint8_t **bytes, size_t *size)
{
    const uint8_t *entry = find(c, name);
    if (!entry)
        return error_set(BPNET_EFORMAT, "%s: has no section '%s'", c->path, name);
    const uint8_t *start = c->file.bytes + load64(entry + 24);
    const size_t length = (size_t)load64(entry + 32);
    if (hash64_by(c->workers, start, length) != load64(entry + 40))
        return error_set(BPNET_EFORMAT, "%s: damaged: the checksum of section '%s' does not match",
                         c->path, name);
    *bytes = start;
    *size = length;
    return BPNET_OK;
}

const char *container_section_name(const struct container *c, uint32_t index, size_t *size)
{
    const uint8_t *entry = entry_of(c, index);
    if (size)
        *size = (size_t)load64(entry + 32);
    return (const char *)entry;
}

/* ---- writing ----------------------------------------------------------------------------- */

/* Where the bytes go: through the seal if there is one. */
struct sink {
    struct outfile file;
    struct seal_writer *seal;
};

static int put(struct sink *s, const void *bytes, size_t n)
{
    return s->seal ? seal_writer_put(s->seal, bytes, n) : outfile_write(&s->file, bytes, n);
}

static int write_sections(struct sink *out, const struct section *sections, size_t n)
{
    static const uint8_t zeros[ALIGNMENT];
    for (size_t i = 0; i < n; i++) {
        int error = put(out, sections[i].bytes, sections[i].size);
        if (error == BPNET_OK)
            error = put(out, zeros, round_up(sections[i].size) - sections[i].size);
        if (error < 0)
            return error;
    }
    return BPNET_OK;
}

static int check_names(const char *path, const char *kind, const struct section *sections, size_t n)
{
    if (n > MAX_SECTIONS || strlen(kind) > KIND_SIZE)
        return error_set(BPNET_EUSAGE, "%s: %zu sections of kind '%s' do not fit the format", path,
                         n, kind);
    for (size_t i = 0; i < n; i++) {
        if (!*sections[i].name || strlen(sections[i].name) >= NAME_SIZE)
            return error_set(BPNET_EUSAGE, "%s: section name '%s' is not of 1 to %d bytes", path,
                             sections[i].name, NAME_SIZE - 1);
        for (size_t k = 0; k < i; k++)
            if (strcmp(sections[k].name, sections[i].name) == 0)
                return error_set(BPNET_EUSAGE, "%s: two sections are named '%s'", path,
                                 sections[i].name);
    }
    return BPNET_OK;
}

static uint8_t *head_entry(uint8_t *head, size_t index)
{
    return head + HEADER_SIZE + index * ENTRY_SIZE;
}

/* All but the checksums; returns the size of the whole. */
static uint64_t compose_head(uint8_t *head, size_t head_size, const char *kind,
                             const struct section *sections, size_t n)
{
    uint64_t offset = head_size;
    for (size_t i = 0; i < n; i++) {
        uint8_t *entry = head_entry(head, i);
        memcpy(entry, sections[i].name, strlen(sections[i].name));
        store64(entry + 24, offset);
        store64(entry + 32, sections[i].size);
        offset += round_up(sections[i].size);
    }
    memcpy(head, magic, sizeof(magic));
    store32(head + 8, FORMAT_VERSION);
    store32(head + 12, (uint32_t)n);
    store64(head + 16, offset);
    memcpy(head + 32, kind, strlen(kind));
    return offset;
}

/* When the sections' checksums are in place. */
static void finish_head(uint8_t *head, size_t head_size)
{
    store64(head + 24, hash64(head + CHECKED_FROM, head_size - CHECKED_FROM));
}

static void set_checksums(uint8_t *head, size_t head_size, const struct section *sections, size_t n)
{
    for (size_t i = 0; i < n; i++)
        store64(head_entry(head, i) + 40, hash64(sections[i].bytes, sections[i].size));
    finish_head(head, head_size);
}

int container_compose(uint8_t **bytes, size_t *size, const char *kind,
                      const struct section *sections, size_t n_sections)
{
    *bytes = NULL;
    *size = 0;
    const int error = check_names(kind, kind, sections, n_sections);
    if (error < 0)
        return error;
    const size_t head_size = HEADER_SIZE + n_sections * ENTRY_SIZE;
    size_t total = head_size;
    for (size_t i = 0; i < n_sections; i++)
        total += (size_t)round_up(sections[i].size);
    uint8_t *file = aligned_alloc(ALIGNMENT, total);
    if (!file)
        return error_set(BPNET_ENOMEM, "no memory for a %s of %zu bytes", kind, total);
    memset(file, 0, total);
    compose_head(file, head_size, kind, sections, n_sections);
    set_checksums(file, head_size, sections, n_sections);
    uint8_t *at = file + head_size;
    for (size_t i = 0; i < n_sections; i++) {
        if (sections[i].size > 0)
            memcpy(at, sections[i].bytes, sections[i].size);
        at += round_up(sections[i].size);
    }
    *bytes = file;
    *size = total;
    return BPNET_OK;
}

int container_write(const char *path, const char *kind, const struct section *sections,
                    size_t n_sections, struct seal_key *key)
{
    int error = check_names(path, kind, sections, n_sections);
    if (error < 0)
        return error;
    const size_t head_size = HEADER_SIZE + n_sections * ENTRY_SIZE;
    uint8_t *head = calloc(1, head_size);
    if (!head)
        return error_set(BPNET_ENOMEM, "%s: no memory for its header", path);
    const uint64_t size = compose_head(head, head_size, kind, sections, n_sections);
    set_checksums(head, head_size, sections, n_sections);
    struct sink out = {.seal = NULL};
    if ((error = outfile_open(&out.file, path)) < 0)
        goto done;
    if (key && (error = seal_writer_open(&out.seal, &out.file, size, key)) < 0)
        goto done;
    if ((error = put(&out, head, head_size)) < 0 ||
        (error = write_sections(&out, sections, n_sections)) < 0 ||
        (out.seal && (error = seal_writer_end(out.seal)) < 0))
        goto done;
    error = outfile_commit(&out.file);
done:
    seal_writer_close(out.seal);
    outfile_abort(&out.file);
    free(head);
    return error;
}

/* ---- writing piece by piece -------------------------------------------------------------- */

struct container_writer {
    struct outfile file;
    uint8_t *head;
    size_t head_size, n_sections;
    size_t current; /* the section being written */
    uint64_t left;  /* bytes that it misses */
    struct hash *hash;
};

/* Go to the next section that takes bytes, or to the end. */
static int advance(struct container_writer *w, bool begin)
{
    static const uint8_t zeros[ALIGNMENT];
    while (w->current < w->n_sections && (begin || w->left == 0)) {
        if (!begin) {
            uint8_t *entry = head_entry(w->head, w->current);
            const uint64_t size = load64(entry + 32);
            store64(entry + 40, hash_finish64(w->hash));
            w->hash = NULL;
            w->current++;
            const int error = outfile_write(&w->file, zeros, round_up(size) - size);
            if (error < 0 || w->current == w->n_sections)
                return error;
        }
        begin = false;
        w->left = load64(head_entry(w->head, w->current) + 32);
        if (!(w->hash = hash_open()))
            return error_set(BPNET_ENOMEM, "%s: no memory for a checksum", w->file.path);
    }
    return BPNET_OK;
}

int container_writer_open(struct container_writer **out, const char *path, const char *kind,
                          const struct section *sections, size_t n_sections)
{
    *out = NULL;
    int error = check_names(path, kind, sections, n_sections);
    if (error < 0)
        return error;
    struct container_writer *w = calloc(1, sizeof(*w));
    const size_t head_size = HEADER_SIZE + n_sections * ENTRY_SIZE;
    uint8_t *head = calloc(1, head_size);
    if (!w || !head) {
        free(w);
        free(head);
        return error_set(BPNET_ENOMEM, "%s: no memory for its header", path);
    }
    w->head = head;
    w->head_size = head_size;
    w->n_sections = n_sections;
    compose_head(head, head_size, kind, sections, n_sections);
    if ((error = outfile_open(&w->file, path)) < 0 ||
        (error = outfile_write(&w->file, head, head_size)) < 0 || (error = advance(w, true)) < 0) {
        container_writer_close(w);
        return error;
    }
    *out = w;
    return BPNET_OK;
}

int container_writer_put(struct container_writer *w, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;
    while (n > 0) {
        if (w->current == w->n_sections)
            return error_set(BPNET_EUSAGE, "%s: %zu bytes more than its sections take",
                             w->file.path, n);
        const size_t part = n < w->left ? n : (size_t)w->left;
        hash_add(w->hash, at, part);
        int error = outfile_write(&w->file, at, part);
        w->left -= part;
        at += part;
        n -= part;
        if (error == BPNET_OK)
            error = advance(w, false);
        if (error < 0)
            return error;
    }
    return BPNET_OK;
}

int container_writer_commit(struct container_writer *w)
{
    if (w->current < w->n_sections)
        return error_set(BPNET_EUSAGE,
                         "%s: section '%s' is not complete: %" PRIu64 " bytes missing",
                         w->file.path, (const char *)head_entry(w->head, w->current), w->left);
    finish_head(w->head, w->head_size);
    if (fseek(w->file.stream, 0, SEEK_SET) != 0)
        return error_set_errno(BPNET_EIO, "%s: cannot go back to write its header", w->file.path);
    const int error = outfile_write(&w->file, w->head, w->head_size);
    return error < 0 ? error : outfile_commit(&w->file);
}

void container_writer_close(struct container_writer *w)
{
    if (!w)
        return;
    if (w->hash)
        hash_finish64(w->hash);
    outfile_abort(&w->file);
    free(w->head);
    free(w);
}
