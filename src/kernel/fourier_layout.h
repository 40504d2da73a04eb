/* Sizes that follow from a convolution and a level's transforms; between the files of fourier. */
#ifndef KERNEL_FOURIER_LAYOUT_H
#define KERNEL_FOURIER_LAYOUT_H

#include "kernel/fourier.h"

struct fourier_layout {
    int slots;
    int rows, columns;             /* of results in a tile */
    int tiles_y, tiles_x, n_tiles; /* of the map */
    int in_vectors, out_vectors;   /* of channels */
    int steps;                     /* groups of 4 bytes in a row of the transformed source */
    ptrdiff_t step_bytes;          /* of the weights of one vector of outputs */
    ptrdiff_t slot_weights;        /* bytes */

    int batch, n_batches;     /* tiles that are transformed before they are multiplied */
    bool shared;              /* a batch is all threads' work, phase by phase; else one thread's */
    ptrdiff_t x_row, x_plane; /* bytes */
    ptrdiff_t y_row, y_part;  /* floats */
    size_t x_bytes, bytes;    /* transformed source; and with it the sums */
};

struct fourier_layout fourier_layout_of(const struct conv_shape *s,
                                        const struct fourier_level *level);

/* Whether a slot holds two real numbers. */
static inline bool fourier_slot_is_real(int slot, int points)
{
    return slot == 0 || slot == points / 2;
}

#endif
