/* Whole files in, and outputs that are either complete or not there. */
#ifndef IO_FILE_H
#define IO_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* A file mapped for reading, or read into memory where it cannot be mapped. */
struct file_view {
    const uint8_t *bytes;
    size_t size;
    bool mapped;
    bool sealed; /* decrypted from a sealed file (io/seal.h) */
};

/*
 * `limit` is the largest size accepted (BPNET_ELIMIT beyond; at most 1 GiB of a pipe or device).
 * The bytes are aligned to 64. A zeroed view may be closed.
 */
int file_view_open(struct file_view *view, const char *path, size_t limit);
void file_view_close(struct file_view *view);

/*
 * An output under construction: written to a temporary file "<path>.XXXXXX" in the same folder, and
 * given its name only by outfile_commit(), after everything has reached the disk. Any failure, or
 * outfile_abort(), leaves what was there before. Writing to `stream` oneself is fine: the commit
 * sees what failed. Devices and pipes (/dev/stdout) are written to directly.
 */
struct outfile {
    FILE *stream;
    char *path;
    char *temporary;
    int failed; /* errno of the first write that failed */
};

int outfile_open(struct outfile *out, const char *path);
int outfile_write(struct outfile *out, const void *bytes, size_t n);
int outfile_printf(struct outfile *out, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
int outfile_commit(struct outfile *out); /* closes in any case */
void outfile_abort(struct outfile *out); /* a zeroed or committed one is allowed */

/* One call for small outputs. */
int file_write(const char *path, const void *bytes, size_t n);

/* Create a folder and the missing ones above it. */
int folder_create(const char *path);
bool file_exists(const char *path);
bool folder_exists(const char *path);

/* Whether two paths lead to one file, also through links; false when one is not there. */
bool file_same(const char *a, const char *b);

/* BPNET_ECREATE when an output of this name could not be made, to be known before the work is. */
int file_check_output(const char *path);

/*
 * The names in a folder that end in one of `suffixes` (lower case, compared without regard to it;
 * NULL: all), sorted by byte order, without hidden ones. The array and the names are one
 * allocation: free(names).
 */
int folder_list(char ***names, size_t *n, const char *path, const char *const *suffixes);

#endif
