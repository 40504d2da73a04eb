/*
 * TensorRT's calibration cache. Its scale is per tensor and symmetric: real = q * scale with q in
 * -127..127, so amax is 127 scales.
 */
#include "deploy/ranges.h"

#include "base/error.h"
#include "io/file.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_FILE = 16 << 20, STEPS = 127, HEX_DIGITS = 8, SHOWN = 60 };

/* The version is that of TAO 5's TensorRT, 8.5.1; TensorRT itself does not insist on it. */
static const char header[] = "TRT-8501-EntropyCalibration2";

static const float max_range = 1e30f;

/* The first (and only) output of a node, as TensorFlow calls it. */
static const char output_suffix[] = ":0";

/* ---- the list ------------------------------------------------------------------------------ */

static struct range *find(const struct ranges *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++) {
        if (strcmp(r->items[i].name, name) == 0)
            return &r->items[i];
    }
    return NULL;
}

const struct range *ranges_find(const struct ranges *r, const char *name)
{
    return find(r, name);
}

static int append(struct ranges *r, const char *name, float amax)
{
    if (r->n == RANGES_MAX)
        return error_set(BPNET_ELIMIT, "more than %d ranges", RANGES_MAX);
    if (r->n == r->capacity) {
        const size_t capacity = r->capacity ? 2 * r->capacity : 64;
        struct range *grown = realloc(r->items, capacity * sizeof(*grown));
        if (!grown)
            return error_set(BPNET_ENOMEM, "no memory for %zu ranges", capacity);
        r->items = grown;
        r->capacity = capacity;
    }
    struct range *added = &r->items[r->n++];
    *added = (struct range){.amax = amax};
    memcpy(added->name, name, strlen(name));
    return BPNET_OK;
}

int ranges_set(struct ranges *r, const char *name, float amax)
{
    const size_t length = strlen(name);
    if (length == 0 || length >= GRAPH_NAME_SIZE || strpbrk(name, "\r\n"))
        return error_set(BPNET_EUSAGE,
                         "a range named '%.*s': expected 1 to %d bytes without line breaks", SHOWN,
                         name, GRAPH_NAME_SIZE - 1);
    if (!(amax >= 0 && amax <= max_range))
        return error_set(BPNET_EUSAGE, "range of '%s': %g, expected 0 to %g", name, (double)amax,
                         (double)max_range);
    const float kept = amax / STEPS * STEPS;
    struct range *known = find(r, name);
    if (!known)
        return append(r, name, kept);
    known->amax = kept;
    return BPNET_OK;
}

void ranges_free(struct ranges *r)
{
    free(r->items);
    *r = (struct ranges){0};
}

/* ---- reading ------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* Exactly eight digits, most significant first, as the bits of a float. */
static bool parse_scale(const char *text, size_t length, float *scale)
{
    uint32_t bits = 0;
    if (length != HEX_DIGITS)
        return false;
    for (size_t i = 0; i < length; i++) {
        const int digit = hex_digit(text[i]);
        if (digit < 0)
            return false;
        bits = bits << 4 | (uint32_t)digit;
    }
    memcpy(scale, &bits, sizeof(bits));
    return true;
}

static int expected(const char *file, size_t number, const char *line, size_t length)
{
    char shown[SHOWN + 1];
    size_t n = length < SHOWN ? length : SHOWN;
    for (size_t i = 0; i < n; i++)
        shown[i] = (char)(line[i] >= 32 && line[i] < 127 ? line[i] : '?');
    shown[n] = '\0';
    return error_set(BPNET_EFORMAT, "%s:%zu: found '%s%s', expected '<tensor>: <8 hex digits>'",
                     file, number, shown, length > n ? "..." : "");
}

/* Length of a name without TensorFlow's ":0". */
static size_t bare_length(const char *name, size_t length)
{
    const size_t n = sizeof(output_suffix) - 1;
    const bool ends = length > n && memcmp(name + length - n, output_suffix, n) == 0;
    return ends ? length - n : length;
}

/* "name: 3c010204"; tensors of TensorFlow have colons in their names, so the last one counts. */
static int parse_line(struct ranges *out, const char *file, size_t number, const char *line,
                      size_t length)
{
    size_t colon = length;
    while (colon > 0 && line[colon - 1] != ':')
        colon--;
    if (colon < 2 || memchr(line, '\0', length) || memchr(line, '\r', length))
        return expected(file, number, line, length);
    size_t digits = colon;
    while (digits < length && (line[digits] == ' ' || line[digits] == '\t'))
        digits++;
    float scale;
    if (digits == colon || !parse_scale(line + digits, length - digits, &scale))
        return expected(file, number, line, length);

    char name[GRAPH_NAME_SIZE];
    const size_t n = bare_length(line, colon - 1);
    if (n >= sizeof(name))
        return error_set(BPNET_EFORMAT, "%s:%zu: a name of %zu bytes, expected at most %d", file,
                         number, n, GRAPH_NAME_SIZE - 1);
    memcpy(name, line, n);
    name[n] = '\0';
    const float amax = scale * STEPS;
    if (!(amax >= 0 && amax <= max_range))
        return error_set(BPNET_EFORMAT, "%s:%zu: '%s' has the range %g, expected 0 to %g", file,
                         number, name, (double)amax, (double)max_range);
    if (find(out, name))
        return error_set(BPNET_EFORMAT, "%s:%zu: '%s' is there twice", file, number, name);
    return append(out, name, amax);
}

int ranges_parse(struct ranges *out, const char *bytes, size_t size, const char *name)
{
    *out = (struct ranges){0};
    int err = BPNET_OK;
    size_t number = 0;
    for (size_t at = 0; at < size && err == 0; number++) {
        const char *line = bytes + at;
        const char *end = memchr(line, '\n', size - at);
        size_t length = end ? (size_t)(end - line) : size - at;
        at += length + 1;
        while (length > 0 && (line[length - 1] == '\r' || line[length - 1] == ' '))
            length--;
        if (number == 0) {
            if (length < 4 || memcmp(line, "TRT-", 4) != 0)
                break;
        } else if (length > 0) {
            err = parse_line(out, name, number + 1, line, length);
        }
    }
    if (err == 0 && number == 0)
        err =
            error_set(BPNET_EFORMAT, "%s:1: not a calibration table, expected '%s'", name, header);
    if (err < 0)
        ranges_free(out);
    return err;
}

int ranges_read(struct ranges *out, const char *path)
{
    *out = (struct ranges){0};
    struct file_view file;
    int err = file_view_open(&file, path, MAX_FILE);
    if (err < 0)
        return err;
    err = ranges_parse(out, (const char *)file.bytes, file.size, path);
    file_view_close(&file);
    return err;
}

/* ---- writing ------------------------------------------------------------------------------- */

void ranges_print(const struct ranges *r, struct str *out)
{
    str_printf(out, "%s\n", header);
    for (size_t i = 0; i < r->n; i++) {
        const float scale = r->items[i].amax / STEPS;
        uint32_t bits;
        memcpy(&bits, &scale, sizeof(bits));
        str_printf(out, "%s%s: %08x\n", r->items[i].name, output_suffix, bits);
    }
}

int ranges_write(const struct ranges *r, const char *path)
{
    struct str text = {0};
    ranges_print(r, &text);
    int err = str_status(&text);
    if (err == 0)
        err = file_write(path, text.text, text.length);
    str_free(&text);
    return err;
}
