/* JSON out: commas, indentation and escapes; numbers in the fewest digits that read back equal. */
#include "io/json.h"

#include <assert.h>
#include <math.h>
#include <string.h>

static void put(struct json_writer *w, const char *bytes, size_t n)
{
    if (w->stream)
        fwrite(bytes, 1, n,
               w->stream); /* a failed write stays in ferror(), checked at the commit */
    else
        str_append_bytes(w->text, bytes, n);
}

static void put_text(struct json_writer *w, const char *text)
{
    put(w, text, strlen(text));
}

static void new_line(struct json_writer *w)
{
    if (w->indent <= 0)
        return;
    put(w, "\n", 1);
    for (int i = 0; i < w->indent * w->depth; i++)
        put(w, " ", 1);
}

/* What stands before a value: nothing after a key, else a comma unless it is the first. */
static void before_value(struct json_writer *w)
{
    if (w->after_key) {
        w->after_key = false;
        return;
    }
    if (w->depth == 0)
        return;
    if (!w->first[w->depth])
        put_text(w, w->indent == 0 ? ", " : ",");
    w->first[w->depth] = false;
    new_line(w);
}

static void begin(struct json_writer *w, const char *bracket)
{
    before_value(w);
    put_text(w, bracket);
    assert(w->depth + 1 < (int)(sizeof(w->first) / sizeof(w->first[0])));
    w->first[++w->depth] = true;
}

static void end(struct json_writer *w, const char *bracket)
{
    const bool empty = w->first[w->depth--];
    if (!empty)
        new_line(w);
    put_text(w, bracket);
}

void json_begin_object(struct json_writer *w)
{
    begin(w, "{");
}

void json_end_object(struct json_writer *w)
{
    end(w, "}");
}

void json_begin_array(struct json_writer *w)
{
    begin(w, "[");
}

void json_end_array(struct json_writer *w)
{
    end(w, "]");
}

/* How many bytes the UTF-8 character at `c` has, 0 if it is none (RFC 3629, section 4). */
static size_t utf8_length(const unsigned char *c)
{
    static const struct {
        unsigned char first, last, second_min, second_max, length;
    } forms[] = {
        {0x00, 0x7f, 0x00, 0xff, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (*c < forms[i].first || *c > forms[i].last)
            continue;
        if (forms[i].length > 1 && (c[1] < forms[i].second_min || c[1] > forms[i].second_max))
            return 0;
        for (size_t k = 2; k < forms[i].length; k++)
            if ((c[k] & 0xc0) != 0x80)
                return 0;
        return forms[i].length;
    }
    return 0;
}

static void put_string(struct json_writer *w, const char *text)
{
    static const char *const escapes[128] = {
        ['"'] = "\\\"", ['\\'] = "\\\\", ['\n'] = "\\n", ['\r'] = "\\r",
        ['\t'] = "\\t", ['\b'] = "\\b",  ['\f'] = "\\f",
    };
    put(w, "\"", 1);
    for (const unsigned char *c = (const unsigned char *)text; *c;) {
        const size_t length = utf8_length(c);
        char code[8];
        if (length == 0) {
            put_text(w, "\xef\xbf\xbd");
        } else if (*c < 128 && escapes[*c]) {
            put_text(w, escapes[*c]);
        } else if (*c < 32 || *c == 127) {
            snprintf(code, sizeof(code), "\\u%04x", *c);
            put_text(w, code);
        } else {
            put(w, (const char *)c, length);
        }
        c += length ? length : 1;
    }
    put(w, "\"", 1);
}

void json_write_key(struct json_writer *w, const char *key)
{
    before_value(w);
    put_string(w, key);
    put_text(w, w->indent < 0 ? ":" : ": ");
    w->after_key = true;
}

void json_write_string(struct json_writer *w, const char *text)
{
    before_value(w);
    put_string(w, text);
}

void json_write_integer(struct json_writer *w, int64_t value)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)value);
    json_write_raw(w, text);
}

/* Zero keeps its sign only with a point: "-0" is read as an integer. */
static bool is_special(struct json_writer *w, double value)
{
    if (!isfinite(value))
        json_write_null(w);
    else if (value == 0)
        json_write_raw(w, signbit(value) ? "-0.0" : "0");
    return !isfinite(value) || value == 0;
}

void json_write_number(struct json_writer *w, double value)
{
    char text[40];
    if (is_special(w, value))
        return;
    for (int digits = 15; digits <= 17; digits++) {
        double back;
        snprintf(text, sizeof(text), "%.*g", digits, value);
        if (sscanf(text, "%lf", &back) == 1 && back == value)
            break;
    }
    json_write_raw(w, text);
}

void json_write_float(struct json_writer *w, float value)
{
    char text[40];
    if (is_special(w, (double)value))
        return;
    for (int digits = 6; digits <= 9; digits++) {
        float back;
        snprintf(text, sizeof(text), "%.*g", digits, (double)value);
        if (sscanf(text, "%f", &back) == 1 && back == value)
            break;
    }
    json_write_raw(w, text);
}

void json_write_bool(struct json_writer *w, bool value)
{
    json_write_raw(w, value ? "true" : "false");
}

void json_write_null(struct json_writer *w)
{
    json_write_raw(w, "null");
}

void json_write_raw(struct json_writer *w, const char *json)
{
    before_value(w);
    put_text(w, json);
}

void json_write_value(struct json_writer *w, const struct json *v)
{
    const char *key;
    const struct json *member;
    switch (json_kind(v)) {
    case JSON_KIND_OBJECT:
        json_begin_object(w);
        for (void *at = NULL; json_next(v, &at, &key, &member);) {
            json_write_key(w, key);
            json_write_value(w, member);
        }
        json_end_object(w);
        break;
    case JSON_KIND_ARRAY:
        json_begin_array(w);
        for (size_t i = 0; i < json_length(v); i++)
            json_write_value(w, json_at(v, i));
        json_end_array(w);
        break;
    case JSON_KIND_STRING: json_write_string(w, json_as_string(v)); break;
    case JSON_KIND_INTEGER: json_write_integer(w, json_as_integer(v)); break;
    case JSON_KIND_REAL: json_write_number(w, json_as_number(v)); break;
    case JSON_KIND_TRUE:
    case JSON_KIND_FALSE: json_write_bool(w, json_kind(v) == JSON_KIND_TRUE); break;
    case JSON_KIND_NULL: json_write_null(w); break;
    }
}

void json_print(struct str *out, const struct json *v)
{
    struct json_writer w = {.text = out, .indent = -1};
    json_write_value(&w, v);
}
