/* Scalars for TensorBoard: an event file that grows while a run goes on. */
#ifndef IO_TFEVENTS_H
#define IO_TFEVENTS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct tfevents {
    FILE *file;
    char *path; /* <folder>/events.out.tfevents.<seconds>.<host>.<process>.<n> */
};

struct tfevents_scalar {
    const char *tag;
    float value;
};

/* Creates the folder, and in it a new file. */
int tfevents_open(struct tfevents *t, const char *folder);

/* One event: values of `step`. On its way to the disk when the call returns. */
int tfevents_write(struct tfevents *t, int64_t step, const struct tfevents_scalar *scalars,
                   size_t n);
int tfevents_close(struct tfevents *t); /* a zeroed one is allowed */

#endif
