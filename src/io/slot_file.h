/*
 * A file of numbered slots of one size, for bytes that are dear to make and can be made again. Each
 * slot remembers a tag of what it was made from; one that was never written, was cut short by a
 * crash, is damaged, or was made from something else, is not there. Layout: docs/formats.md.
 */
#ifndef IO_SLOT_FILE_H
#define IO_SLOT_FILE_H

#include <stddef.h>
#include <stdint.h>

struct slot_file;

enum { SLOT_KEY_SIZE = 32 }; /* letters that tell one use of such files from another */

/*
 * Opens a file, or makes it. One of another key or slot size is begun anew; a file that is none of
 * ours is BPNET_EFORMAT and stays as it is. Room on the disk is taken only by slots that were
 * written.
 */
int slot_file_open(struct slot_file **out, const char *path, const char key[SLOT_KEY_SIZE],
                   size_t slot_size);
void slot_file_close(struct slot_file *f); /* NULL is allowed */

/* 1 and the slot's bytes when it holds what was made from this tag, 0 when not, or an error. */
int slot_file_get(struct slot_file *f, uint64_t slot, uint64_t tag, void *bytes);

int slot_file_put(struct slot_file *f, uint64_t slot, uint64_t tag, const void *bytes);

#endif
