/* A header, then slots: a check over tag and bytes, and the bytes. */
#include "io/slot_file.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/str.h"
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

static const char magic[8] = "bpnslots";

enum { VERSION = 1 };

struct header {
    char magic[8];
    uint32_t version, zero;
    uint64_t slot_size;
    char key[SLOT_KEY_SIZE];
    uint64_t check; /* hash64() of what is before it */
};

struct slot_file {
    int fd;
    char *path; /* for messages */
    size_t slot_size;
    uint8_t *slot; /* one, as it is in the file */
};

/* ---- bytes at a place -------------------------------------------------------------------- */

/* How many bytes there were: fewer than n at the file's end. */
static int read_at(const struct slot_file *f, void *bytes, size_t n, uint64_t offset, size_t *found)
{
    uint8_t *p = bytes;
    for (*found = 0; *found < n;) {
        const ssize_t done = pread(f->fd, p + *found, n - *found, (off_t)(offset + *found));
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return error_set_errno(BPNET_EIO, "%s: cannot read at byte %llu", f->path,
                                   (unsigned long long)(offset + *found));
        if (done == 0)
            break;
        *found += (size_t)done;
    }
    return BPNET_OK;
}

static int write_at(const struct slot_file *f, const void *bytes, size_t n, uint64_t offset)
{
    const uint8_t *p = bytes;
    while (n > 0) {
        const ssize_t done = pwrite(f->fd, p, n, (off_t)offset);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return error_set_errno(BPNET_EIO, "%s: cannot write at byte %llu", f->path,
                                   (unsigned long long)offset);
        p += done;
        n -= (size_t)done;
        offset += (uint64_t)done;
    }
    return BPNET_OK;
}

/* ---- opening ----------------------------------------------------------------------------- */

static struct header make_header(const char *key, size_t slot_size)
{
    struct header h = {.version = VERSION, .slot_size = slot_size};
    memcpy(h.magic, magic, sizeof h.magic);
    memcpy(h.key, key, sizeof h.key);
    h.check = hash64(&h, offsetof(struct header, check));
    return h;
}

/* The file is there and open. */
static int take_over(struct slot_file *f, const struct header *wanted)
{
    struct header found;
    size_t n;
    int err = read_at(f, &found, sizeof found, 0, &n);
    if (err < 0)
        return err;
    if (n < sizeof found || memcmp(found.magic, magic, sizeof magic) != 0)
        return error_set(
            BPNET_EFORMAT,
            "%s: it begins with other bytes than a file of slots does; name a new file", f->path);
    if (memcmp(&found, wanted, sizeof found) == 0)
        return BPNET_OK;
    if (ftruncate(f->fd, 0) < 0)
        return error_set_errno(BPNET_EIO, "%s: cannot begin it anew", f->path);
    return write_at(f, wanted, sizeof *wanted, 0);
}

int slot_file_open(struct slot_file **out, const char *path, const char key[SLOT_KEY_SIZE],
                   size_t slot_size)
{
    *out = NULL;
    const struct header wanted = make_header(key, slot_size);
    struct slot_file *f = calloc(1, sizeof *f);
    int err = BPNET_OK;
    if (f) {
        f->fd = -1;
        f->slot_size = slot_size;
        f->path = str_copy(path);
        f->slot = malloc(sizeof(uint64_t) + slot_size);
    }
    if (!f || !f->path || !f->slot)
        err = error_set(BPNET_ENOMEM, "%s: no memory for slots of %zu bytes", path, slot_size);
    else if (!file_exists(path))
        err = file_write(path, &wanted, sizeof wanted);
    if (err == BPNET_OK && (f->fd = open(path, O_RDWR | O_CLOEXEC)) < 0)
        err = error_set_errno(BPNET_EIO, "%s: cannot open it for reading and writing", path);
    if (err == BPNET_OK)
        err = take_over(f, &wanted);
    if (err < 0)
        slot_file_close(f);
    else
        *out = f;
    return err;
}

void slot_file_close(struct slot_file *f)
{
    if (!f)
        return;
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    free(f->slot);
    free(f);
}

/* ---- slots ------------------------------------------------------------------------------- */

static uint64_t place_of(const struct slot_file *f, uint64_t slot)
{
    return sizeof(struct header) + slot * (sizeof(uint64_t) + f->slot_size);
}

static uint64_t check_of(const struct slot_file *f, uint64_t tag, const void *bytes)
{
    const uint64_t both[2] = {tag, hash64(bytes, f->slot_size)};
    return hash64(both, sizeof both);
}

int slot_file_get(struct slot_file *f, uint64_t slot, uint64_t tag, void *bytes)
{
    const size_t size = sizeof(uint64_t) + f->slot_size;
    size_t found;
    uint64_t check;
    const int err = read_at(f, f->slot, size, place_of(f, slot), &found);
    if (err < 0)
        return err;
    memcpy(&check, f->slot, sizeof check);
    if (found < size || check != check_of(f, tag, f->slot + sizeof check))
        return 0;
    memcpy(bytes, f->slot + sizeof check, f->slot_size);
    return 1;
}

int slot_file_put(struct slot_file *f, uint64_t slot, uint64_t tag, const void *bytes)
{
    const uint64_t check = check_of(f, tag, bytes);
    memcpy(f->slot, &check, sizeof check);
    memcpy(f->slot + sizeof check, bytes, f->slot_size);
    return write_at(f, f->slot, sizeof check + f->slot_size, place_of(f, slot));
}
