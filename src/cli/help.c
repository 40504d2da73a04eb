/* Rendering tables of options: aligned columns of at most 80 characters, or roff. */
#include "cli/help.h"

#include "base/str.h"
#include "bpnet.h"

#include <string.h>

enum { WIDTH = 80, WIDEST_LEFT = 30 };

static const char tagline[] = "body-pose networks on ordinary CPUs";

/* Write words from column `at` on, breaking lines before WIDTH and indenting the next by `indent`.
 */
static void wrap(FILE *out, const char *text, int at, int indent)
{
    bool line_start = true;
    while (*text) {
        const size_t length = strcspn(text, " \n");
        const int width = (int)length;
        if (!line_start && at + 1 + width > WIDTH) {
            fprintf(out, "\n%*s", indent, "");
            at = indent;
            line_start = true;
        }
        if (!line_start) {
            fputc(' ', out);
            at++;
        }
        fwrite(text, 1, length, out);
        at += width;
        line_start = false;
        text += length;
        if (*text == '\n') { /* a paragraph */
            fprintf(out, "\n%*s", indent, "");
            at = indent;
            line_start = true;
        }
        text += *text != '\0';
    }
    fputc('\n', out);
}

/* The option's short name, unless a verb's own table `taken` (NULL: none) has it for another. */
static const char *short_name(const struct option *o, const struct option_table *taken)
{
    for (size_t i = 0; taken && o->short_name && i < taken->n; i++) {
        const char *other = taken->options[i].short_name;
        if (other && strcmp(other, o->short_name) == 0)
            return NULL;
    }
    return o->short_name;
}

/* "-m, --model_filename FILE" */
static void print_names(struct str *s, const struct option *o, const struct option_table *taken)
{
    const char *letter = short_name(o, taken);
    if (letter)
        str_printf(s, "-%s, ", letter);
    else
        str_append(s, "    ");
    str_printf(s, "--%s", o->name);
    if (o->value)
        str_printf(s, " %s", o->value);
}

/* What the option does, what it may be, what it is when left out. */
static void print_meaning(struct str *s, const struct option *o)
{
    str_append(s, o->help);
    const bool listed = o->type != OPTION_FLAG; /* what may follow a flag is in its name */
    for (const char *const *choice = o->choices; listed && choice && *choice; choice++)
        str_printf(s, "%s%s", choice == o->choices ? ": " : ", ", *choice);
    if (o->required)
        str_append(s, " (required)");
    else if (o->preset && strcmp(o->preset, "") != 0)
        str_printf(s, " (default: %s)", o->preset);
}

static void print_options(FILE *out, const char *title, const struct option_table *table,
                          const struct option_table *taken)
{
    struct str left = {0}, right = {0};
    int widest = 0;
    for (size_t i = 0; i < table->n; i++) {
        str_clear(&left);
        print_names(&left, &table->options[i], taken);
        const int width = (int)left.length;
        if (!table->options[i].no_effect && width > widest && width <= WIDEST_LEFT)
            widest = width;
    }
    fprintf(out, "\n%s\n", title);
    for (size_t i = 0; i < table->n; i++) {
        if (table->options[i].no_effect)
            continue;
        str_clear(&left);
        str_clear(&right);
        print_names(&left, &table->options[i], taken);
        print_meaning(&right, &table->options[i]);
        const int width = (int)left.length;
        fprintf(out, "  %s", str_text(&left));
        if (width > widest)
            fprintf(out, "\n%*s", widest + 4, "");
        else
            fprintf(out, "%*s", widest - width + 2, "");
        wrap(out, str_text(&right), widest + 4, widest + 4);
    }
    str_free(&left);
    str_free(&right);
}

/* "--gpus, --gpu_index, ..." of both tables; empty when there is none. */
static void list_without_effect(struct str *s, const struct option_table *table)
{
    for (size_t i = 0; i < table->n; i++) {
        if (table->options[i].no_effect)
            str_printf(s, "%s--%s", s->length ? ", " : "", table->options[i].name);
    }
}

void help_print_overview(FILE *out, const struct verb *const *verbs)
{
    fprintf(out, "bpnet %s: %s\n\nusage: bpnet VERB [options] ...\n", bpnet_version(), tagline);
    const char *group = "";
    for (; *verbs; verbs++) {
        if (strcmp(group, (*verbs)->group) != 0)
            fprintf(out, "\n%s\n", (*verbs)->group);
        group = (*verbs)->group;
        fprintf(out, "  %-16s  %s\n", (*verbs)->name, (*verbs)->summary);
    }
    fputs("\nStart with\n"
          "  bpnet inference photo.jpg\n"
          "  bpnet help inference\n",
          out);
}

void help_print_verb(FILE *out, const struct verb *verb)
{
    fprintf(out, "usage: bpnet %s [options]%s%s\n\n", verb->name, verb->operands ? " " : "",
            verb->operands ? verb->operands : "");
    wrap(out, verb->description, 0, 0);
    if (verb->examples)
        fputs("\nExamples\n", out);
    for (const char *const *e = verb->examples; e && e[0]; e += 2) {
        fprintf(out, "  %s\n      ", e[0]);
        wrap(out, e[1], 6, 6);
    }
    if (verb->options.n)
        print_options(out, "Options", &verb->options, NULL);
    if (verb->brief)
        return;
    print_options(out, "Common options", &common_options, &verb->options);
    struct str ignored = {0};
    list_without_effect(&ignored, &verb->options);
    list_without_effect(&ignored, &common_options);
    fputs("\n  ", out);
    struct str sentence = {0};
    str_printf(&sentence, "Accepted for old scripts, without effect: %s.", str_text(&ignored));
    wrap(out, str_text(&sentence), 2, 2);
    str_free(&sentence);
    str_free(&ignored);
}

/* ---- man pages ----------------------------------------------------------------------------- */

/* Text for roff: hyphens and backslashes are escaped, and a line may not begin with a dot. */
static void roff(FILE *out, const char *text)
{
    if (*text == '.' || *text == '\'')
        fputs("\\&", out);
    for (; *text; text++) {
        if (*text == '\\')
            fputs("\\e", out);
        else if (*text == '-')
            fputs("\\-", out);
        else
            fputc(*text, out);
    }
}

static void roff_line(FILE *out, const char *macro, const char *text)
{
    fputs(macro, out);
    roff(out, text);
    fputc('\n', out);
}

static void man_title(FILE *out, const char *name, const char *summary)
{
    fprintf(out, ".TH %s 1 \"\" \"bpnet %s\" \"User Commands\"\n.SH NAME\n", name, bpnet_version());
    roff(out, name);
    fputs(" \\- ", out);
    roff_line(out, "", summary);
}

static void man_options(FILE *out, const char *title, const struct option_table *table,
                        const struct option_table *taken)
{
    struct str text = {0};
    fprintf(out, ".SH %s\n", title);
    for (size_t i = 0; i < table->n; i++) {
        const struct option *o = &table->options[i];
        const char *letter = short_name(o, taken);
        fputs(".TP\n", out);
        if (letter) {
            fputs("\\fB", out);
            str_clear(&text);
            str_printf(&text, "-%s", letter);
            roff(out, str_text(&text));
            fputs("\\fR, ", out);
        }
        str_clear(&text);
        str_printf(&text, "--%s", o->name);
        fputs("\\fB", out);
        roff(out, str_text(&text));
        fputs("\\fR", out);
        if (o->value) {
            fputs(" \\fI", out);
            roff(out, o->value);
            fputs("\\fR", out);
        }
        str_clear(&text);
        if (o->no_effect)
            str_printf(&text, "Accepted for old scripts, without effect: %s.", o->no_effect);
        else
            print_meaning(&text, o);
        fputc('\n', out);
        roff_line(out, "", str_text(&text));
    }
    str_free(&text);
}

static const struct {
    const char *status, *meaning;
} exit_statuses[] = {
    {"0", "success"},
    {"1", "a goal that was set cannot be reached, such as export's \\-\\-max\\-drop"},
    {"64", "the command line makes no sense"},
    {"65", "an input is damaged, not what it should be, or over a limit"},
    {"66", "an input does not exist or cannot be opened"},
    {"69", "valid, but this build or machine cannot do it"},
    {"70", "the arithmetic diverged, or an internal error"},
    {"71", "memory, threads or another resource ran out"},
    {"73", "an output cannot be created"},
    {"74", "reading or writing failed half-way"},
    {"75", "stopped on request; what was done so far is saved"},
    {"77", "a file is sealed, and its key is missing or another one"},
    {"78", "a spec file or a setting is wrong"},
};

static void man_exit_status(FILE *out)
{
    fputs(".SH EXIT STATUS\n", out);
    for (size_t i = 0; i < sizeof(exit_statuses) / sizeof(exit_statuses[0]); i++)
        fprintf(out, ".TP\n%s\n%s\n", exit_statuses[i].status, exit_statuses[i].meaning);
}

void help_print_man(FILE *out, const struct verb *const *verbs)
{
    man_title(out, "bpnet", tagline);
    fputs(".SH SYNOPSIS\n.B bpnet\n.I verb\n[options] ...\n.SH VERBS\n", out);
    for (const struct verb *const *v = verbs; *v; v++) {
        roff_line(out, ".TP\n.B ", (*v)->name);
        roff_line(out, "", (*v)->summary);
    }
    man_options(out, "COMMON OPTIONS", &common_options, NULL);
    fputs(".SH ENVIRONMENT\n.TP\n.B BPNET_MODEL\nthe model that is used when none is named\n", out);
    man_exit_status(out);
    fputs(".SH SEE ALSO\n", out);
    for (const struct verb *const *v = verbs; *v; v++) {
        fputs(".BR bpnet\\-", out);
        roff(out, (*v)->name);
        fputs(v[1] ? " (1),\n" : " (1)\n", out);
    }
}

void help_print_verb_man(FILE *out, const struct verb *verb)
{
    char name[64];
    snprintf(name, sizeof(name), "bpnet-%s", verb->name);
    man_title(out, name, verb->summary);
    fputs(".SH SYNOPSIS\n.B bpnet ", out);
    roff(out, verb->name);
    fputs("\n[options]", out);
    if (verb->operands) {
        fputc(' ', out);
        roff(out, verb->operands);
    }
    roff_line(out, "\n.SH DESCRIPTION\n", verb->description);
    if (verb->options.n)
        man_options(out, "OPTIONS", &verb->options, NULL);
    if (!verb->brief)
        man_options(out, "COMMON OPTIONS", &common_options, &verb->options);
    if (verb->examples)
        fputs(".SH EXAMPLES\n", out);
    for (const char *const *e = verb->examples; e && e[0]; e += 2) {
        roff_line(out, ".TP\n.B ", e[0]);
        roff_line(out, "", e[1]);
    }
    man_exit_status(out);
    fputs(".SH SEE ALSO\n.BR bpnet (1)\n", out);
}
