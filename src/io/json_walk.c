/*
 * Large JSON files, element by element: a scanner that finds where a value ends (strings, escapes,
 * nesting) while the file streams by, and hands each value's text to the parser. Memory is one
 * element's, however long the file.
 */
#include "io/json.h"

#include "base/error.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 20, MAX_DEPTH = 512, KEY_SIZE = 256 };

struct scanner {
    const char *path;
    FILE *file;
    char *buffer;
    size_t at, filled;
    size_t line;
    struct str value; /* text of the value being collected */
};

/* The next byte, or -1 at the end of the file. */
static int peek(struct scanner *s)
{
    if (s->at == s->filled) {
        s->filled = fread(s->buffer, 1, CHUNK, s->file);
        s->at = 0;
        if (s->filled == 0)
            return -1;
    }
    return (unsigned char)s->buffer[s->at];
}

static void skip(struct scanner *s)
{
    if (s->buffer[s->at++] == '\n')
        s->line++;
}

static int fail(struct scanner *s, const char *expected)
{
    const int c = peek(s);
    if (ferror(s->file))
        return error_set(BPNET_EIO, "%s: cannot read after line %zu", s->path, s->line);
    if (c < 0)
        return error_set(BPNET_EFORMAT, "%s:%zu: the file ends, expected %s", s->path, s->line,
                         expected);
    return error_set(BPNET_EFORMAT, "%s:%zu: found '%c', expected %s", s->path, s->line,
                     c >= 32 && c < 127 ? c : '?', expected);
}

static int next_token(struct scanner *s)
{
    int c;
    while ((c = peek(s)) == ' ' || c == '\t' || c == '\n' || c == '\r')
        skip(s);
    return c;
}

static int expect(struct scanner *s, char wanted, const char *name)
{
    if (next_token(s) != wanted)
        return fail(s, name);
    skip(s);
    return BPNET_OK;
}

/* Take bytes up to the end of a string; the opening quote is the next byte. */
static int take_string(struct scanner *s, struct str *into)
{
    char run[512];
    size_t n = 0;
    bool escaped = false, opened = false;
    for (;;) {
        const int c = peek(s);
        if (c < 0)
            return fail(s, "the end of a string");
        skip(s);
        run[n++] = (char)c;
        const bool closes = opened && !escaped && c == '"';
        escaped = opened && !escaped && c == '\\';
        opened = true;
        if (closes || n == sizeof(run)) {
            if (into)
                str_append_bytes(into, run, n);
            n = 0;
        }
        if (into && into->length > JSON_MAX_ELEMENT)
            return error_set(BPNET_ELIMIT, "%s:%zu: one element of more than %d MiB", s->path,
                             s->line, JSON_MAX_ELEMENT >> 20);
        if (closes)
            return BPNET_OK;
    }
}

/* Take one value of any kind; with `into` NULL it is only skipped. */
static int take_value(struct scanner *s, struct str *into)
{
    int depth = 0;
    bool any = false;
    for (;;) {
        const int c = peek(s);
        const bool blank = c == ' ' || c == '\t' || c == '\n' || c == '\r';
        if (depth == 0 && any && (c < 0 || blank || c == ',' || c == ']' || c == '}'))
            return BPNET_OK;
        if (c < 0)
            return fail(s, "a value");
        if (c == '"') {
            const int error = take_string(s, into);
            if (error < 0)
                return error;
        } else {
            if (!any && (c == ',' || c == ']' || c == '}' || c == ':'))
                return fail(s, "a value");
            if (c == '{' || c == '[')
                depth++;
            if (c == '}' || c == ']')
                depth--;
            if (depth > MAX_DEPTH)
                return error_set(BPNET_EFORMAT, "%s:%zu: nested deeper than %d levels", s->path,
                                 s->line, MAX_DEPTH);
            skip(s);
            if (into)
                str_append_bytes(into, &(char){(char)c}, 1);
        }
        any |= !blank;
        if (into && into->length > JSON_MAX_ELEMENT)
            return error_set(BPNET_ELIMIT, "%s:%zu: one element of more than %d MiB", s->path,
                             s->line, JSON_MAX_ELEMENT >> 20);
        if (depth == 0 && any && (c == '"' || c == '}' || c == ']'))
            return BPNET_OK;
    }
}

static int deliver(struct scanner *s, const struct json_walker *walker, const char *key,
                   size_t index)
{
    const size_t line = s->line;
    str_clear(&s->value);
    int error = take_value(s, &s->value);
    if (error < 0 || (error = str_status(&s->value)) < 0)
        return error;
    char name[512];
    snprintf(name, sizeof(name), "%.300s: %.100s[%zu], which ends in line %zu", s->path, key, index,
             line);
    struct json *element;
    if ((error = json_parse(&element, s->value.text, s->value.length, name)) < 0)
        return error;
    error = walker->element(walker->ctx, key, index, element);
    json_free(element);
    return error;
}

static int walk_array(struct scanner *s, const struct json_walker *walker, const char *key)
{
    skip(s); /* the bracket */
    if (next_token(s) == ']') {
        skip(s);
        return BPNET_OK;
    }
    for (size_t index = 0;; index++) {
        next_token(s);
        const int error = deliver(s, walker, key, index);
        if (error < 0)
            return error;
        const int c = next_token(s);
        if (c != ',' && c != ']')
            return fail(s, "',' or ']'");
        skip(s);
        if (c == ']')
            return BPNET_OK;
    }
}

static int take_key(struct scanner *s, char key[KEY_SIZE])
{
    if (next_token(s) != '"')
        return fail(s, "a key in quotes");
    str_clear(&s->value);
    const int error = take_string(s, &s->value);
    if (error < 0)
        return error;
    struct json *text;
    const int parsed = json_parse(&text, s->value.text, s->value.length, s->path);
    if (parsed < 0)
        return parsed;
    snprintf(key, KEY_SIZE, "%s", json_as_string(text));
    json_free(text);
    return BPNET_OK;
}

static int walk_member(struct scanner *s, const struct json_walker *walker)
{
    char key[KEY_SIZE];
    int error = take_key(s, key);
    if (error < 0 || (error = expect(s, ':', "':'")) < 0)
        return error;
    const bool wanted = walker->wants(walker->ctx, key);
    const int c = next_token(s);
    if (!wanted)
        return take_value(s, NULL);
    return c == '[' ? walk_array(s, walker, key) : deliver(s, walker, key, 0);
}

static int walk_object(struct scanner *s, const struct json_walker *walker)
{
    int error = expect(s, '{', "'{' or '[': an object or an array at the top");
    if (error < 0)
        return error;
    if (next_token(s) == '}') {
        skip(s);
        return BPNET_OK;
    }
    for (int c = ','; c == ',';) {
        if ((error = walk_member(s, walker)) < 0)
            return error;
        c = next_token(s);
        if (c != ',' && c != '}')
            return fail(s, "',' or '}'");
        skip(s);
    }
    return BPNET_OK;
}

static int walk(struct scanner *s, const struct json_walker *walker)
{
    int error;
    const int first = next_token(s);
    if (first != '[')
        error = walk_object(s, walker);
    else
        error = walker->wants(walker->ctx, "") ? walk_array(s, walker, "") : take_value(s, NULL);
    if (error < 0)
        return error;
    return next_token(s) < 0 ? BPNET_OK
                             : fail(s, first == '[' ? "nothing after the closing ']'"
                                                    : "nothing after the closing '}'");
}

int json_walk_file(const char *path, const struct json_walker *walker)
{
    struct scanner s = {.path = path, .line = 1};
    s.file = fopen(path, "rb");
    if (!s.file)
        return error_set_errno(BPNET_ENOENT, "%s: cannot open", path);
    s.buffer = malloc(CHUNK);
    int error =
        s.buffer ? walk(&s, walker) : error_set(BPNET_ENOMEM, "%s: no memory for reading", path);
    if (error == BPNET_OK && ferror(s.file))
        error = error_set(BPNET_EIO, "%s: cannot read", path);
    free(s.buffer);
    str_free(&s.value);
    fclose(s.file);
    return error;
}
