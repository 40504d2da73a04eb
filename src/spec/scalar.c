/*
 * What a plain scalar means. The rules are YAML 1.1's as PyYAML applies them, because the specs in
 * the world were written for it; base 60 and dates are left out, and an exponent needs neither a
 * dot in front of it nor a sign in it.
 */
#include "spec/doc.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *const null_words[] = {"", "~", "null", "Null", "NULL", NULL};
static const char *const true_words[] = {"true", "True", "TRUE", "yes", "Yes",
                                         "YES",  "on",   "On",   "ON",  NULL};
static const char *const false_words[] = {"false", "False", "FALSE", "no",  "No",
                                          "NO",    "off",   "Off",   "OFF", NULL};
static const char *const infinity_words[] = {".inf", ".Inf", ".INF", NULL};
static const char *const nan_words[] = {".nan", ".NaN", ".NAN", NULL};

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(text, *words) == 0)
            return true;
    return false;
}

/* Digits of a base; an underscore may stand after the first. NULL when there is no digit. */
static const char *skip_digits(const char *c, int base)
{
    const char *start = c;
    for (;; c++) {
        const int low = tolower((unsigned char)*c);
        const int value = isdigit(low) ? low - '0' : low >= 'a' && low <= 'f' ? low - 'a' + 10 : 99;
        if (value >= base && !(*c == '_' && c > start))
            return c > start ? c : NULL;
    }
}

/* The base of an integer and where its digits begin, or 0 when it is none. */
static int integer_base(const char *text, const char **digits)
{
    const char *c = text + (*text == '-' || *text == '+');
    int base = 10;
    if (c[0] == '0' && (c[1] == 'x' || c[1] == 'b')) {
        base = c[1] == 'x' ? 16 : 2;
        c += 2;
    } else if (c[0] == '0' && c[1]) {
        base = 8;
        c++;
    }
    const char *end = skip_digits(c, base);
    *digits = c;
    return end && !*end ? base : 0;
}

static bool is_real(const char *text)
{
    const char *c = text + (*text == '-' || *text == '+');
    const char *whole = skip_digits(c, 10);
    if (whole)
        c = whole;
    const bool dot = *c == '.';
    if (dot) {
        c++;
        const char *fraction = skip_digits(c, 10);
        if (!fraction && !whole)
            return false;
        if (fraction)
            c = fraction;
    }
    const bool exponent = *c == 'e' || *c == 'E';
    if (!dot && !(whole && exponent)) /* 09 is neither octal nor decimal */
        return false;
    if (exponent) {
        c++;
        c += *c == '-' || *c == '+';
        c = skip_digits(c, 10);
    }
    return c && !*c;
}

/* The text without underscores; false when it is too long to be a sensible number. */
static bool plain_digits(char *out, size_t size, const char *text)
{
    size_t n = 0;
    for (; *text; text++) {
        if (*text == '_')
            continue;
        if (n + 1 == size)
            return false;
        out[n++] = *text;
    }
    out[n] = '\0';
    return true;
}

static bool resolve_number(struct doc_node *node)
{
    char digits[400];
    const char *start = NULL;
    const int base = integer_base(node->text, &start);
    if (base) {
        if (!plain_digits(digits, sizeof digits, start))
            return false;
        errno = 0;
        const bool negative = *node->text == '-';
        const unsigned long long value = strtoull(digits, NULL, base);
        if (errno == 0 && value <= (unsigned long long)INT64_MAX) {
            node->kind = DOC_INTEGER;
            node->integer = negative ? -(int64_t)value : (int64_t)value;
            node->real = (double)node->integer;
            return true;
        }
        if (base != 10) /* beyond 64 bits: a number, where strtod can read it */
            return false;
    } else if (!is_real(node->text)) {
        return false;
    }
    if (!plain_digits(digits, sizeof digits, node->text))
        return false;
    node->kind = DOC_REAL;
    node->real = strtod(digits, NULL);
    return true;
}

void scalar_resolve(struct doc_node *node)
{
    const char *text = node->text;
    const char *unsigned_text = text + (*text == '-' || *text == '+');
    if (is_one_of(text, null_words)) {
        node->kind = DOC_NULL;
    } else if (is_one_of(text, true_words) || is_one_of(text, false_words)) {
        node->kind = DOC_BOOL;
        node->truth = is_one_of(text, true_words);
    } else if (is_one_of(unsigned_text, infinity_words) || is_one_of(text, nan_words)) {
        node->kind = DOC_REAL;
        node->real = unsigned_text[1] == 'i' || unsigned_text[1] == 'I' ? HUGE_VAL : NAN;
        if (*text == '-')
            node->real = -node->real;
    } else if (!resolve_number(node)) {
        node->kind = DOC_TEXT;
    }
}
