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

/* Whose ranges they are: a name with the fingerprint of the weights, and a scale that is never
 * used. */
static const char weights_prefix[] = "bpnet_weights/";
static const char weights_scale[] = "3c010204";

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

/* Room for n factors, new ones 1. */
static int widen_factors(struct ranges *r, struct range *range, int n)
{
    if (n <= range->n_factors)
        return BPNET_OK;
    if (r->all_factors + (size_t)(n - range->n_factors) > RANGES_MAX_FACTORS)
        return error_set(BPNET_ELIMIT, "more than %d factors of channels", RANGES_MAX_FACTORS);
    float *grown = realloc(range->factors, (size_t)n * sizeof(*grown));
    if (!grown)
        return error_set(BPNET_ENOMEM, "no memory for %d factors of channels", n);
    for (int k = range->n_factors; k < n; k++)
        grown[k] = 1;
    r->all_factors += (size_t)(n - range->n_factors);
    range->factors = grown;
    range->n_factors = n;
    return BPNET_OK;
}

int ranges_set_factors(struct ranges *r, const char *name, const float *factors, int n)
{
    struct range *known = find(r, name);
    if (!known)
        return error_set(BPNET_EUSAGE, "factors of '%s', which has no range", name);
    const int err = widen_factors(r, known, n);
    for (int k = 0; k < n && err == BPNET_OK; k++)
        known->factors[k] = factors[k];
    return err;
}

int ranges_copy(struct ranges *to, const struct ranges *from)
{
    int err = BPNET_OK;
    memcpy(to->weights, from->weights, sizeof to->weights);
    for (size_t i = 0; i < from->n && err == BPNET_OK; i++) {
        const struct range *range = &from->items[i];
        err = ranges_set(to, range->name, range->amax);
        if (err == BPNET_OK && range->n_factors > 0)
            err = ranges_set_factors(to, range->name, range->factors, range->n_factors);
    }
    return err;
}

void ranges_free(struct ranges *r)
{
    for (size_t i = 0; i < r->n; i++)
        free(r->items[i].factors);
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

/* The channel that a name ends in, "<name>:0/<channel>", and the length without; -1: none. */
static int channel_of(const char *name, size_t *length)
{
    enum { MAX_DIGITS = 7 };
    size_t at = *length;
    int channel = 0;
    for (int unit = 1; at > 0 && name[at - 1] >= '0' && name[at - 1] <= '9'; at--, unit *= 10) {
        if (*length - at == MAX_DIGITS)
            return -1;
        channel += unit * (name[at - 1] - '0');
    }
    const size_t n = sizeof(output_suffix) - 1;
    if (at == *length || at < n + 1 || name[at - 1] != '/' ||
        memcmp(name + at - 1 - n, output_suffix, n) != 0)
        return -1;
    *length = at - 1;
    return channel;
}

/* A factor belongs to the tensor of the line before. */
static int parse_factor(struct ranges *out, const char *file, size_t number, const char *name,
                        int channel, float factor)
{
    struct range *last = out->n > 0 ? &out->items[out->n - 1] : NULL;
    if (!last || strcmp(last->name, name) != 0)
        return error_set(BPNET_EFORMAT, "%s:%zu: a factor of '%s' that is not behind its range",
                         file, number, name);
    if (channel >= GRAPH_MAX_CHANNELS)
        return error_set(BPNET_EFORMAT, "%s:%zu: a factor of channel %d of '%s', expected 0 to %d",
                         file, number, channel, name, GRAPH_MAX_CHANNELS - 1);
    if (!(factor > 0 && factor <= 1))
        return error_set(BPNET_EFORMAT,
                         "%s:%zu: channel %d of '%s' has the factor %g, expected more than 0 to 1",
                         file, number, channel, name, (double)factor);
    const int err = widen_factors(out, last, channel + 1);
    if (err == BPNET_OK)
        last->factors[channel] = factor;
    return err;
}

/* The fingerprint in a name, if that is what it has. */
static bool parse_weights(struct ranges *out, const char *name)
{
    const size_t n = sizeof(weights_prefix) - 1;
    if (strncmp(name, weights_prefix, n) != 0 || strlen(name) != n + RANGES_FINGERPRINT)
        return false;
    for (size_t i = 0; i < RANGES_FINGERPRINT; i++)
        if (hex_digit(name[n + i]) < 0)
            return false;
    memcpy(out->weights, name + n, RANGES_FINGERPRINT + 1);
    return true;
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
    size_t whole = colon - 1;
    const int channel = channel_of(line, &whole);
    const size_t n = bare_length(line, whole);
    if (n >= sizeof(name))
        return error_set(BPNET_EFORMAT, "%s:%zu: a name of %zu bytes, expected at most %d", file,
                         number, n, GRAPH_NAME_SIZE - 1);
    memcpy(name, line, n);
    name[n] = '\0';
    if (channel >= 0)
        return parse_factor(out, file, number, name, channel, scale);
    if (parse_weights(out, name))
        return BPNET_OK;
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

static uint32_t float_bits(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof(bits));
    return bits;
}

void ranges_print(const struct ranges *r, struct str *out)
{
    str_printf(out, "%s\n", header);
    if (r->weights[0])
        str_printf(out, "%s%s: %s\n", weights_prefix, r->weights, weights_scale);
    for (size_t i = 0; i < r->n; i++) {
        const struct range *range = &r->items[i];
        str_printf(out, "%s%s: %08x\n", range->name, output_suffix,
                   float_bits(range->amax / STEPS));
        for (int k = 0; k < range->n_factors; k++)
            if (range->factors[k] < 1)
                str_printf(out, "%s%s/%d: %08x\n", range->name, output_suffix, k,
                           float_bits(range->factors[k]));
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
