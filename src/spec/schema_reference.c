/* What fields expect, in words: for messages, and as the printed reference. */
#include "spec/schema.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- in messages ------------------------------------------------------------------------- */

static const struct {
    const char *one, *many;
} nouns[FIELD_TYPES] = {
    [FIELD_BOOL] = {"True or False", ""},
    [FIELD_INT] = {"an integer", ""},
    [FIELD_INT64] = {"an integer", ""},
    [FIELD_DOUBLE] = {"a number", ""},
    [FIELD_FLOAT] = {"a number", ""},
    [FIELD_TEXT] = {"a string", ""},
    [FIELD_INTS] = {"an integer", "integers"},
    [FIELD_FLOATS] = {"a number", "numbers"},
    [FIELD_INT_LIST] = {"an integer", "integers"},
    [FIELD_FLOAT_LIST] = {"a number", "numbers"},
    [FIELD_TEXT_LIST] = {"a list of strings", ""},
    [FIELD_NAMED] = {"a mapping of names to paths", ""},
    [FIELD_WEIGHTS] = {"a mapping of names to numbers", ""},
    [FIELD_SECTION] = {"a mapping", ""},
    [FIELD_ANY] = {"any value", ""},
    [FIELD_CUSTOM] = {"a structure", ""},
};

static void print_choices(struct str *out, const struct choice *choices, const char *quote)
{
    for (const struct choice *c = choices; c->name; c++)
        str_printf(out, "%s%s%s%s",
                   c == choices ? ""
                   : c[1].name  ? ", "
                                : " or ",
                   quote, c->name, quote);
}

static void print_range(struct str *out, const struct field *f)
{
    if (f->low == 0 && f->high == 0)
        return;
    if (f->low == f->high)
        str_printf(out, " equal to %.10g", f->low);
    else if (isinf(f->high))
        str_printf(out, f->above ? " above %.10g" : " of at least %.10g", f->low);
    else if (!f->above && !f->below)
        str_printf(out, " from %.10g to %.10g", f->low, f->high);
    else
        str_printf(out, " %s %.10g and %s %.10g", f->above ? "above" : "of at least", f->low,
                   f->below ? "below" : "at most", f->high);
}

void field_expectation(struct str *out, const struct field *f)
{
    if (f->choices) {
        print_choices(out, f->choices, "");
        return;
    }
    if (f->type == FIELD_INTS || f->type == FIELD_FLOATS) {
        if (f->count == 1)
            str_append(out, nouns[f->type].one);
        else
            str_printf(out, "a list of %d %s", f->count, nouns[f->type].many);
    } else if (f->type == FIELD_INT_LIST || f->type == FIELD_FLOAT_LIST) {
        str_printf(out, "a list of 1 to %d %s", f->count, nouns[f->type].many);
    } else {
        str_append(out, nouns[f->type].one);
    }
    print_range(out, f);
}

/* ---- Markdown ---------------------------------------------------------------------------- */

static void print_classes(struct str *out, const struct schema *schema, const struct field *f)
{
    const char *before = "For ";
    for (const struct choice *c = schema->fields[0].choices; f->classes && c->name; c++) {
        if (!(f->classes >> c->value & 1U))
            continue;
        str_printf(out, "%s%s", before, c->name);
        before = ", ";
    }
    str_append(out, f->classes ? ". " : "");
}

static void describe_field(struct str *out, const struct schema *schema, const struct field *f)
{
    str_printf(out, "| `%s` | ", f->key);
    if (f->choices)
        print_choices(out, f->choices, "`");
    else
        field_expectation(out, f);
    if (!f->fallback)
        str_append(out, " | required | ");
    else if (f->type == FIELD_SECTION)
        str_append(out, strcmp(f->fallback, "null") == 0 ? " | nothing | " : " | its defaults | ");
    else
        str_printf(out, " | `%s` | ", f->fallback);
    print_classes(out, schema, f);
    str_printf(out, "%s%s%s |\n", f->status == FIELD_IDLE ? "*No effect:* " : "",
               f->help ? f->help : "", f->status == FIELD_OURS ? " *Ours.*" : "");
}

static void describe(struct str *out, const struct schema *schema, const char *path, int level)
{
    str_printf(out, "\n%.*s %s\n\n", level, "######", *path ? path : schema->title);
    if (schema->help)
        str_printf(out, "%s\n\n", schema->help);
    str_append(out, "| key | value | when absent | |\n|---|---|---|---|\n");
    for (size_t i = 0; i < schema->n_fields; i++)
        describe_field(out, schema, &schema->fields[i]);
    for (size_t i = 0; i < schema->n_fields; i++) {
        const struct field *f = &schema->fields[i];
        char inner[DOC_PLACE];
        if (!f->section)
            continue;
        snprintf(inner, sizeof inner, "%s%s%s", path, *path ? "." : "", f->key);
        describe(out, f->section, inner, 3);
    }
}

void schema_describe(struct str *out, const struct schema *schema)
{
    describe(out, schema, "", 2);
}
