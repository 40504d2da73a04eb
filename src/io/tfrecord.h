/*
 * TFRecord files: records of bytes one after the other, each framed as
 *
 *   u64  length of the data
 *   u32  masked CRC-32C of those eight bytes
 *        the data
 *   u32  masked CRC-32C of the data
 *
 * with little-endian numbers. There is no header and no index; a reader maps the file and can build
 * an index in one pass over the frames.
 */
#ifndef IO_TFRECORD_H
#define IO_TFRECORD_H

#include "io/file.h"

#include <stddef.h>
#include <stdint.h>

enum {
    TFRECORD_MAX_RECORD = 64 << 20, /* bytes of data in one record */
    TFRECORD_HEAD = 12,             /* bytes before the data */
    TFRECORD_FRAME = 16,            /* bytes of the whole frame without the data */
};

/* ---- writing: the file appears, complete, at the commit ----------------------------------- */

struct tfrecord_writer {
    struct outfile file;
    size_t n_records;
};

int tfrecord_writer_open(struct tfrecord_writer *w, const char *path);
int tfrecord_write(struct tfrecord_writer *w, const void *bytes, size_t size);
int tfrecord_writer_commit(struct tfrecord_writer *w); /* closes in any case */
void tfrecord_writer_abort(struct tfrecord_writer *w); /* a zeroed or committed one is allowed */

/* The frame around `size` bytes, for writers with a stream of their own (event files). */
void tfrecord_frame(uint8_t head[TFRECORD_HEAD], uint8_t tail[4], const void *bytes, size_t size);

/* ---- reading ----------------------------------------------------------------------------- */

struct tfrecord_reader {
    struct file_view file;
    char *path; /* for messages */
    bool borrowed;
};

int tfrecord_open(struct tfrecord_reader *r, const char *path);

/* The same over bytes that outlive the reader. */
int tfrecord_open_memory(struct tfrecord_reader *r, const uint8_t *bytes, size_t size,
                         const char *name);
void tfrecord_close(struct tfrecord_reader *r); /* a zeroed one is allowed */

/*
 * The record at byte `offset`: its data (they live as long as the reader) and the offset of the
 * next. Both checksums are verified. BPNET_EFORMAT names the offset of what is damaged or cut off.
 * Only reads the mapping, so any number of threads may call it.
 *
 *     for (size_t at = 0; at < r.file.size && error == BPNET_OK;)
 *         error = tfrecord_at(&r, at, &bytes, &size, &at);
 */
int tfrecord_at(const struct tfrecord_reader *r, size_t offset, const uint8_t **bytes, size_t *size,
                size_t *next);

/*
 * The offsets of all records, in order: free(*offsets). Checks every frame's length and its
 * checksum, not the data's, so only the frames are touched.
 */
int tfrecord_index(const struct tfrecord_reader *r, size_t **offsets, size_t *n);

#endif
