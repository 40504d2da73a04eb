/* Floats as decimal text. */
#ifndef IO_FLOAT_TEXT_H
#define IO_FLOAT_TEXT_H

enum { FLOAT_TEXT_SIZE = 40 };

/*
 * The finite `value` as printf's %.6g writes it, or with 7, 8 or 9 digits where it takes so many to
 * read back the same float.
 */
void float_text(char out[FLOAT_TEXT_SIZE], float value);

#endif
