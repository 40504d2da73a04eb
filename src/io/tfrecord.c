/* TFRecord framing: see tfrecord.h for the layout. */
#include "io/tfrecord.h"

#include "base/error.h"
#include "base/str.h"
#include "io/crc32c.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const size_t max_file = (size_t)1 << 40;

static uint32_t load32(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void store32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

/* ---- writing ----------------------------------------------------------------------------- */

void tfrecord_frame(uint8_t head[TFRECORD_HEAD], uint8_t tail[4], const void *bytes, size_t size)
{
    store32(head, (uint32_t)size);
    store32(head + 4, (uint32_t)((uint64_t)size >> 32));
    store32(head + 8, crc32c_masked(head, 8));
    store32(tail, crc32c_masked(bytes, size));
}

int tfrecord_writer_open(struct tfrecord_writer *w, const char *path)
{
    *w = (struct tfrecord_writer){0};
    return outfile_open(&w->file, path);
}

int tfrecord_write(struct tfrecord_writer *w, const void *bytes, size_t size)
{
    if (size > TFRECORD_MAX_RECORD)
        return error_set(BPNET_ELIMIT, "%s: record %zu has %zu bytes; the limit is %d",
                         w->file.path, w->n_records, size, TFRECORD_MAX_RECORD);
    uint8_t head[TFRECORD_HEAD], tail[4];
    tfrecord_frame(head, tail, bytes, size);
    int error;
    if ((error = outfile_write(&w->file, head, sizeof(head))) < 0 ||
        (error = outfile_write(&w->file, bytes, size)) < 0 ||
        (error = outfile_write(&w->file, tail, sizeof(tail))) < 0)
        return error;
    w->n_records++;
    return BPNET_OK;
}

int tfrecord_writer_commit(struct tfrecord_writer *w)
{
    return outfile_commit(&w->file);
}

void tfrecord_writer_abort(struct tfrecord_writer *w)
{
    outfile_abort(&w->file);
}

/* ---- reading ----------------------------------------------------------------------------- */

static int open_view(struct tfrecord_reader *r, const char *name)
{
    r->path = str_copy(name);
    if (r->path)
        return BPNET_OK;
    tfrecord_close(r);
    return BPNET_ENOMEM;
}

int tfrecord_open(struct tfrecord_reader *r, const char *path)
{
    *r = (struct tfrecord_reader){0};
    const int error = file_view_open(&r->file, path, max_file);
    return error < 0 ? error : open_view(r, path);
}

int tfrecord_open_memory(struct tfrecord_reader *r, const uint8_t *bytes, size_t size,
                         const char *name)
{
    *r = (struct tfrecord_reader){.file = {.bytes = bytes, .size = size}, .borrowed = true};
    return open_view(r, name);
}

void tfrecord_close(struct tfrecord_reader *r)
{
    if (!r->borrowed)
        file_view_close(&r->file);
    free(r->path);
    *r = (struct tfrecord_reader){0};
}

/* The frame at `offset`: the data's size, its checksum not yet compared. */
static int check_frame(const struct tfrecord_reader *r, size_t offset, size_t *size)
{
    const size_t left = offset <= r->file.size ? r->file.size - offset : 0;
    if (left < TFRECORD_FRAME)
        return error_set(BPNET_EFORMAT,
                         "%s: truncated: %zu bytes at offset %zu, a record has at least %d",
                         r->path, left, offset, TFRECORD_FRAME);
    const uint8_t *head = r->file.bytes + offset;
    if (crc32c_masked(head, 8) != load32(head + 8))
        return error_set(BPNET_EFORMAT,
                         "%s: not a TFRecord file, or damaged: the checksum of the length at "
                         "offset %zu does not match",
                         r->path, offset);
    const uint64_t claimed = (uint64_t)load32(head + 4) << 32 | load32(head);
    if (claimed > TFRECORD_MAX_RECORD)
        return error_set(BPNET_ELIMIT,
                         "%s: the record at offset %zu has %" PRIu64 " bytes; the limit is %d",
                         r->path, offset, claimed, TFRECORD_MAX_RECORD);
    if (claimed > left - TFRECORD_FRAME)
        return error_set(BPNET_EFORMAT,
                         "%s: truncated: the record at offset %zu has %" PRIu64
                         " bytes, of which %zu are there",
                         r->path, offset, claimed, left - TFRECORD_FRAME);
    *size = (size_t)claimed;
    return BPNET_OK;
}

int tfrecord_at(const struct tfrecord_reader *r, size_t offset, const uint8_t **bytes, size_t *size,
                size_t *next)
{
    const int error = check_frame(r, offset, size);
    if (error < 0)
        return error;
    *bytes = r->file.bytes + offset + TFRECORD_HEAD;
    if (crc32c_masked(*bytes, *size) != load32(*bytes + *size))
        return error_set(BPNET_EFORMAT,
                         "%s: damaged: the checksum of the record at offset %zu does not match",
                         r->path, offset);
    if (next)
        *next = offset + TFRECORD_FRAME + *size;
    return BPNET_OK;
}

int tfrecord_index(const struct tfrecord_reader *r, size_t **offsets, size_t *n)
{
    size_t *list = NULL, count = 0, capacity = 0;
    *offsets = NULL;
    *n = 0;
    for (size_t at = 0; at < r->file.size;) {
        size_t size;
        const int error = check_frame(r, at, &size);
        if (error < 0) {
            free(list);
            return error;
        }
        if (count == capacity) {
            capacity = capacity ? capacity * 2 : 256;
            size_t *grown = realloc(list, capacity * sizeof(*list));
            if (!grown) {
                free(list);
                return error_set(BPNET_ENOMEM, "%s: no memory for an index of %zu records", r->path,
                                 capacity);
            }
            list = grown;
        }
        list[count++] = at;
        at += TFRECORD_FRAME + size;
    }
    *offsets = list;
    *n = count;
    return BPNET_OK;
}
