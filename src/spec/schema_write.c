/* The resolved spec as block YAML: two-space blocks, one-line values, plain words where they can.
 */
#include "base/error.h"
#include "spec/schema.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*
 * The shortest decimal that reads back to the same number, with a dot in any case: without one
 * PyYAML would take 2e-05 for a text.
 */
static void write_number(struct str *out, double x, bool is_float)
{
    char text[40];
    if (isnan(x)) {
        str_append(out, "null");
        return;
    }
    const bool moderate = fabs(x) >= 1e-4 && fabs(x) < 1e15; /* reads better without exponent */
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if ((is_float ? strtof(text, NULL) == (float)x : strtod(text, NULL) == x) &&
            !(moderate && strchr(text, 'e')))
            break;
    }
    const size_t mantissa = strcspn(text, "e");
    str_append_bytes(out, text, mantissa);
    if (!memchr(text, '.', mantissa))
        str_append(out, ".0");
    str_append(out, text + mantissa);
}

/* Texts of these characters need no quotes, unless they look like something else. */
static bool is_plain(const char *text)
{
    if (!isalpha((unsigned char)*text) && *text != '/' && *text != '_')
        return false;
    for (const char *c = text; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("_-./", *c))
            return false;
    char copy[] = "false"; /* as long as any word that is not a text */
    if (strlen(text) > strlen(copy))
        return true;
    memcpy(copy, text, strlen(text) + 1);
    struct doc_node node = {.text = copy};
    scalar_resolve(&node);
    return node.kind == DOC_TEXT;
}

/*
 * The bytes of the character at `c` that cannot stand as they are in a quoted text: controls, line
 * breaks of Unicode, non-characters. 0: it can.
 */
static size_t unprintable(const unsigned char *c, unsigned *code)
{
    if (c[0] < 0x80) {
        *code = c[0];
        return c[0] < ' ' || c[0] == 0x7f || c[0] == '"' || c[0] == '\\';
    }
    if (c[0] == 0xc2) {
        *code = c[1];
        return c[1] < 0xa0 ? 2 : 0;
    }
    if (c[0] < 0xe0 || c[0] >= 0xf0)
        return 0;
    *code = (c[0] & 0xfU) << 12 | (c[1] & 0x3fU) << 6 | (c[2] & 0x3fU);
    return *code == 0x2028 || *code == 0x2029 || *code == 0xfeff || *code >= 0xfffe ? 3 : 0;
}

static void write_text(struct str *out, const char *text)
{
    if (!text) {
        str_append(out, "null");
        return;
    }
    if (is_plain(text)) {
        str_append(out, text);
        return;
    }
    str_append(out, "\"");
    while (*text) {
        unsigned code = 0;
        const size_t n = unprintable((const unsigned char *)text, &code);
        if (n == 0)
            str_append_bytes(out, text, 1);
        else if (code == '"' || code == '\\')
            str_printf(out, "\\%c", (int)code);
        else
            str_printf(out, "\\u%04x", code);
        text += n ? n : 1;
    }
    str_append(out, "\"");
}

static const char *choice_name(const struct choice *choices, const void *at)
{
    int value;
    memcpy(&value, at, sizeof value);
    while (choices->name && choices->value != value)
        choices++;
    return choices->name;
}

static void write_scalar(struct str *out, enum field_type type, const void *at)
{
    switch (type) {
    case FIELD_BOOL: str_append(out, *(const bool *)at ? "True" : "False"); break;
    case FIELD_INT:
    case FIELD_INTS:
    case FIELD_INT_LIST: str_printf(out, "%d", *(const int *)at); break;
    case FIELD_INT64: str_printf(out, "%lld", (long long)*(const int64_t *)at); break;
    case FIELD_DOUBLE: write_number(out, *(const double *)at, false); break;
    case FIELD_FLOAT:
    case FIELD_FLOATS:
    case FIELD_FLOAT_LIST: write_number(out, (double)*(const float *)at, true); break;
    case FIELD_TEXT:
    case FIELD_TEXT_LIST: write_text(out, *(char *const *)at); break;
    default: break;
    }
}

static void write_list(struct str *out, const struct field *field, const char *at, size_t n)
{
    const size_t size = field->type == FIELD_TEXT_LIST ? sizeof(char *)
                        : field->type == FIELD_INTS || field->type == FIELD_INT_LIST
                            ? sizeof(int)
                            : sizeof(float);
    str_append(out, "[");
    for (size_t i = 0; i < n; i++) {
        str_append(out, i ? ", " : "");
        write_scalar(out, field->type, at + i * size);
    }
    str_append(out, "]");
}

static void write_section(struct str *out, const struct schema *schema, const void *base,
                          int indent);

static void write_named(struct str *out, const struct named_path *named, size_t n, int indent)
{
    if (n == 0)
        str_append(out, " {}");
    str_append(out, "\n");
    for (size_t i = 0; i < n; i++) {
        str_printf(out, "%*s", indent + 2, "");
        write_text(out, named[i].name);
        str_append(out, ": ");
        write_text(out, named[i].path);
        str_append(out, "\n");
    }
}

static void write_weights(struct str *out, const struct named_number *named, size_t n, int indent)
{
    if (n == 0)
        str_append(out, " {}");
    str_append(out, "\n");
    for (size_t i = 0; i < n; i++) {
        str_printf(out, "%*s", indent + 2, "");
        write_text(out, named[i].name);
        str_append(out, ": ");
        write_number(out, named[i].value, false);
        str_append(out, "\n");
    }
}

static bool is_unset(const struct field *field, const void *at)
{
    return field->type == FIELD_INT && field->fallback && strcmp(field->fallback, "null") == 0 &&
           *(const int *)at == 0;
}

static void write_field(struct str *out, const struct field *field, const void *base, int indent)
{
    const char *at = (const char *)base + field->offset;
    const void *counter = (const char *)base + field->length;
    str_printf(out, "%*s%s:", indent, "", field->key);
    if (field->type == FIELD_SECTION) {
        str_append(out, "\n");
        write_section(out, field->section, at, indent + 2);
        return;
    }
    if (field->type == FIELD_NAMED) {
        struct named_path *named;
        memcpy(&named, at, sizeof named);
        write_named(out, named, *(const size_t *)counter, indent);
        return;
    }
    if (field->type == FIELD_WEIGHTS) {
        struct named_number *named;
        memcpy(&named, at, sizeof named);
        write_weights(out, named, *(const size_t *)counter, indent);
        return;
    }
    str_append(out, " ");
    switch (field->type) {
    case FIELD_ANY:
    case FIELD_FIXED:
        str_append(out, field->fallback ? field->fallback : field->choices->name);
        break;
    case FIELD_CHOICE: str_append(out, choice_name(field->choices, at)); break;
    case FIELD_INTS:
    case FIELD_FLOATS: write_list(out, field, at, (size_t)field->count); break;
    case FIELD_INT_LIST:
    case FIELD_FLOAT_LIST: write_list(out, field, at, (size_t) * (const int *)counter); break;
    case FIELD_TEXT_LIST: {
        const char *texts;
        memcpy(&texts, at, sizeof texts);
        write_list(out, field, texts, *(const size_t *)counter);
        break;
    }
    default:
        if (is_unset(field, at))
            str_append(out, "null");
        else
            write_scalar(out, field->type, at);
        break;
    }
    str_append(out, "\n");
}

static void write_section(struct str *out, const struct schema *schema, const void *base,
                          int indent)
{
    for (size_t i = 0; i < schema->n_fields; i++)
        if (schema->fields[i].type != FIELD_CUSTOM &&
            field_applies(schema, &schema->fields[i], base))
            write_field(out, &schema->fields[i], base, indent);
}

void schema_write(struct str *out, const struct schema *schema, const void *base)
{
    write_section(out, schema, base, 0);
}
