/* Sealed files in the runtime, which has no libsodium: told apart from plain ones, and refused. */
#include "io/seal.h"

#include "base/error.h"

#include <string.h>

static int refuse(const char *name)
{
    return error_set(BPNET_EUNSUPPORTED,
                     "%s: sealed files need the whole of bpnet: this is the runtime alone", name);
}

int seal_key_new(struct seal_key **out, const void *text, size_t size)
{
    (void)text;
    (void)size;
    *out = NULL;
    return refuse("a key");
}

void seal_key_free(struct seal_key *key)
{
    (void)key;
}

int seal_key_cost(struct seal_key *key, uint32_t passes, uint32_t memory_kib)
{
    (void)key;
    (void)passes;
    (void)memory_kib;
    return refuse("a key");
}

void seal_wipe(void *bytes, size_t size)
{
    volatile unsigned char *p = bytes;
    while (size--)
        *p++ = 0;
}

int seal_open(uint8_t **content, size_t *content_size, const uint8_t *bytes, size_t size,
              const char *name, struct seal_key *key)
{
    (void)key;
    *content = NULL;
    *content_size = 0;
    return size >= 8 && memcmp(bytes, "BPSEAL\r\n", 8) == 0 ? refuse(name) : BPNET_OK;
}

int seal_view_open(struct file_view *view, const char *path, size_t limit, struct seal_key *key)
{
    uint8_t *content;
    size_t size;
    int error = file_view_open(view, path, limit);
    if (error < 0)
        return error;
    if ((error = seal_open(&content, &size, view->bytes, view->size, path, key)) < 0)
        file_view_close(view);
    return error;
}

int seal_file_write(const char *path, const void *bytes, size_t n, struct seal_key *key)
{
    return key ? refuse(path) : file_write(path, bytes, n);
}

int seal_writer_open(struct seal_writer **w, struct outfile *out, uint64_t size,
                     struct seal_key *key)
{
    (void)size;
    (void)key;
    *w = NULL;
    return refuse(out->path);
}

int seal_writer_put(struct seal_writer *w, const void *bytes, size_t n)
{
    (void)w;
    (void)bytes;
    (void)n;
    return refuse("a sealed file");
}

int seal_writer_end(struct seal_writer *w)
{
    (void)w;
    return refuse("a sealed file");
}

void seal_writer_close(struct seal_writer *w)
{
    (void)w;
}
