/* What every fuzz target uses. A failed property ends the program, as a crash would. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define require(property)                                                                          \
    ((property)                                                                                    \
         ? (void)0                                                                                 \
         : (fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #property), abort()))

/* Read every byte, so that a sanitizer sees a range that is not there. */
static inline void touch(const void *bytes, size_t size)
{
    const uint8_t *p = bytes;
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum ^ p[i]);
}

#endif
