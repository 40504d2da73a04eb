/*
 * Coordinates are most of what is written, and printf and scanf are slow: numbers of ordinary size
 * are scaled to a whole number of so many digits in double precision. Where its error of 2^-53
 * could decide how the result is rounded, which is hardly ever, the library is asked.
 */
#include "io/float_text.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FEWEST = 6, MOST = 9 };

/* Exact in double precision. */
static const double powers[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12};

static void by_library(char *out, float value)
{
    for (int digits = FEWEST; digits <= MOST; digits++) {
        snprintf(out, FLOAT_TEXT_SIZE, "%.*g", digits, (double)value);
        if (strtof(out, NULL) == value)
            break;
    }
}

/* Whether x is half-way between two floats. */
static bool between_floats(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return (bits & 0x1fffffff) == 0x10000000;
}

/* n / 10^decimals without zeros at the end. */
static void print_scaled(char *out, bool negative, uint32_t n, int decimals)
{
    char digits[16];
    int count = 0;
    for (; decimals > 0 && n % 10 == 0; decimals--)
        n /= 10;
    for (; n > 0 || count <= decimals; n /= 10)
        digits[count++] = (char)('0' + n % 10);
    if (negative)
        *out++ = '-';
    while (count > 0) {
        *out++ = digits[--count];
        if (count == decimals && count > 0)
            *out++ = '.';
    }
    *out = 0;
}

void float_text(char out[FLOAT_TEXT_SIZE], float value)
{
    const double size = fabs((double)value);
    if (!(size >= 1e-4 && size < 1e5)) { /* others may have an exponent */
        by_library(out, value);
        return;
    }
    int exponent = 4; /* of the first digit */
    while (exponent >= 0 ? size < powers[exponent] : size * powers[-exponent] < 1)
        exponent--;
    for (int digits = FEWEST; digits <= MOST; digits++) {
        const int decimals = digits - 1 - exponent;
        const double scaled = size * powers[decimals], whole = rint(scaled);
        const double back = whole / powers[decimals];
        if (fabs(fabs(scaled - whole) - 0.5) < 1e-6 || between_floats(back))
            break;
        if ((float)back == (float)size) {
            print_scaled(out, value < 0, (uint32_t)whole, decimals);
            return;
        }
    }
    by_library(out, value);
}
