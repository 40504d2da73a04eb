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
    if (w->indent == 0)
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
        put_text(w, w->indent ? "," : ", ");
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

static void put_string(struct json_writer *w, const char *text)
{
    static const char *const escapes[128] = {
        ['"'] = "\\\"", ['\\'] = "\\\\", ['\n'] = "\\n", ['\r'] = "\\r",
        ['\t'] = "\\t", ['\b'] = "\\b",  ['\f'] = "\\f",
    };
    put(w, "\"", 1);
    for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
        char code[8];
        if (*c < 128 && escapes[*c]) {
            put_text(w, escapes[*c]);
        } else if (*c < 32 || *c == 127) {
            snprintf(code, sizeof(code), "\\u%04x", *c);
            put_text(w, code);
        } else {
            put(w, (const char *)c, 1);
        }
    }
    put(w, "\"", 1);
}

void json_write_key(struct json_writer *w, const char *key)
{
    before_value(w);
    put_string(w, key);
    put(w, ": ", 2);
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

void json_write_number(struct json_writer *w, double value)
{
    char text[40];
    if (!isfinite(value)) {
        json_write_null(w);
        return;
    }
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
    if (!isfinite(value)) {
        json_write_null(w);
        return;
    }
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
    struct str text = {0};
    json_print(&text, v);
    json_write_raw(w, str_text(&text));
    str_free(&text);
}
