/*
 * A file without a name, for bytes that are too many for memory and that nobody needs afterwards.
 * It takes room on the disk only where it was written, and is gone with the process.
 */
#ifndef IO_SCRATCH_FILE_H
#define IO_SCRATCH_FILE_H

#include <stddef.h>
#include <stdint.h>

struct scratch_file;

/* In this folder, which must be there. */
int scratch_file_open(struct scratch_file **out, const char *folder);
void scratch_file_close(struct scratch_file *f); /* NULL is allowed */

/* All n bytes or an error. Reading past what was written is one; holes read as zeros. */
int scratch_file_write(struct scratch_file *f, const void *bytes, size_t n, uint64_t offset);
int scratch_file_read(struct scratch_file *f, void *bytes, size_t n, uint64_t offset);

#endif
