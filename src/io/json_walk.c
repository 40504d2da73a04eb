/*
 * Large JSON files, element by element: a scanner that finds where a value ends (strings, escapes,
 * nesting) while the file streams by, and hands each value's text to the parser. Memory is one
 * element's, however long the file.
 */
#include "io/json.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 64 << 10, KEY_SIZE = 256 };

struct scanner {
    const char *path;
    FILE *file;
    char *buffer;
    size_t at, filled;
    uint64_t start; /* where in the file the buffer begins */
    size_t line;
    struct str value; /* text of the value being collected */
};

/* ---- bytes and tokens -------------------------------------------------------------------- */

/* The next byte, or -1 at the end of the file. */
static int peek(struct scanner *s)
{
    if (s->at == s->filled) {
        s->start += s->filled;
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
    const unsigned long long byte = s->start + s->at;
    if (ferror(s->file))
        return error_set_errno(BPNET_EIO, "%s: cannot read after byte %llu", s->path, byte);
    if (c < 0)
        return error_set(BPNET_EFORMAT, "%s:%zu: the file ends at byte %llu, expected %s", s->path,
                         s->line, byte, expected);
    return error_set(BPNET_EFORMAT, "%s:%zu: found '%c' at byte %llu, expected %s", s->path,
                     s->line, c >= 32 && c < 127 ? c : '?', byte, expected);
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

/* ---- values ------------------------------------------------------------------------------ */

enum byte_class { PLAIN, BLANK, SEPARATOR, QUOTE, OPEN, CLOSE };

static const uint8_t classes[256] = {
    [' '] = BLANK,     ['\t'] = BLANK,    ['\n'] = BLANK, ['\r'] = BLANK,
    [','] = SEPARATOR, [':'] = SEPARATOR, ['"'] = QUOTE,  ['['] = OPEN,
    ['{'] = OPEN,      [']'] = CLOSE,     ['}'] = CLOSE,
};

/* What the bytes of a value have said so far; it begins without blanks before it. */
struct progress {
    int depth;
    bool in_string, escaped;
    bool begun, ended;
    size_t lines;
};

static void in_string(struct progress *v, char c)
{
    if (v->escaped)
        v->escaped = false;
    else if (c == '\\')
        v->escaped = true;
    else if (c == '"')
        v->in_string = false;
    v->ended = !v->in_string && v->depth == 0;
}

/* Look at more bytes: returns how many of them belong to the value. */
static size_t scan(struct progress *v, const char *bytes, size_t n)
{
    size_t i = 0;
    while (i < n && !v->ended && v->depth <= JSON_MAX_DEPTH) {
        const char c = bytes[i];
        v->lines += c == '\n';
        if (v->in_string) {
            in_string(v, c);
            i++;
            continue;
        }
        const enum byte_class class = classes[(unsigned char)c];
        if (v->depth == 0 && class != PLAIN && (v->begun || class == CLOSE || class == SEPARATOR)) {
            v->lines -= c == '\n';
            v->ended = true; /* a number or a word ends before what follows it */
            break;
        }
        v->begun = true;
        v->in_string = class == QUOTE;
        v->depth += class == OPEN;
        v->depth -= class == CLOSE;
        v->ended = class == CLOSE && v->depth == 0;
        i++;
    }
    return i;
}

/* Take one value of any kind into s->value, or skip it. */
static int take_value(struct scanner *s, bool keep)
{
    struct progress v = {0};
    str_clear(&s->value);
    while (!v.ended) {
        if (peek(s) < 0)
            return fail(s, v.in_string ? "the end of a string" : "the end of a value");
        const size_t n = scan(&v, s->buffer + s->at, s->filled - s->at);
        if (keep)
            str_append_bytes(&s->value, s->buffer + s->at, n);
        s->at += n;
        if (s->value.length > JSON_MAX_ELEMENT)
            return error_set(BPNET_ELIMIT, "%s:%zu: one element of more than %d MiB", s->path,
                             s->line, JSON_MAX_ELEMENT >> 20);
        if (v.depth > JSON_MAX_DEPTH)
            return error_set(BPNET_EFORMAT, "%s:%zu: nested deeper than %d levels", s->path,
                             s->line + v.lines, JSON_MAX_DEPTH);
    }
    s->line += v.lines;
    return v.begun ? str_status(&s->value) : fail(s, "a value");
}

/* ---- what a file is made of -------------------------------------------------------------- */

static int deliver(struct scanner *s, const struct json_walker *walker, const char *key,
                   size_t index)
{
    char name[512];
    snprintf(name, sizeof(name), "%.300s:%zu: %.100s[%zu], from byte %llu on", s->path, s->line,
             key, index, (unsigned long long)(s->start + s->at));
    struct json *element;
    int error = take_value(s, true);
    if (error < 0 || (error = json_parse(&element, s->value.text, s->value.length, name)) < 0)
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
    struct json *text;
    int error = take_value(s, true);
    if (error < 0 || (error = json_parse(&text, s->value.text, s->value.length, s->path)) < 0)
        return error;
    if (snprintf(key, KEY_SIZE, "%s", json_as_string(text)) >= KEY_SIZE)
        error = error_set(BPNET_ELIMIT, "%s:%zu: a key of more than %d bytes", s->path, s->line,
                          KEY_SIZE - 1);
    json_free(text);
    return error;
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
        return take_value(s, false);
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
        error = walker->wants(walker->ctx, "") ? walk_array(s, walker, "") : take_value(s, false);
    if (error < 0)
        return error;
    if (next_token(s) >= 0 || ferror(s->file))
        return fail(s, first == '[' ? "nothing after the closing ']'"
                                    : "nothing after the closing '}'");
    return BPNET_OK;
}

int json_walk_stream(FILE *file, const char *name, const struct json_walker *walker)
{
    struct scanner s = {.path = name, .file = file, .line = 1};
    s.buffer = malloc(CHUNK);
    const int error =
        s.buffer ? walk(&s, walker) : error_set(BPNET_ENOMEM, "%s: no memory for reading", name);
    free(s.buffer);
    str_free(&s.value);
    return error;
}

int json_walk_file(const char *path, const struct json_walker *walker)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return error_set_errno(BPNET_ENOENT, "%s: cannot open", path);
    const int error = json_walk_stream(file, path, walker);
    fclose(file);
    return error;
}
