/*
 * Command-line options as data. A verb's table of options fills a struct of its own; parsing,
 * suggestions, help text and man page all follow from the table.
 *
 *     --name value   --name=value   -n value   -n=value   --   (what follows are operands)
 *
 * '-' and '_' are the same inside a long name. Short names may have several letters (-pth). A value
 * that is the name of an option is taken for a forgotten value; negative numbers are values.
 */
#ifndef CLI_OPT_H
#define CLI_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum option_type {
    OPTION_FLAG,     /* bool; with choices, one of them may follow: "--flag choice" */
    OPTION_TEXT,     /* const char * */
    OPTION_INTEGER,  /* int64_t */
    OPTION_NUMBER,   /* double */
    OPTION_LIST,     /* struct text_list: may be repeated */
    OPTION_INTEGERS, /* struct text_list: takes every whole number that follows */
    OPTION_WORDS,    /* struct text_list: takes everything up to the next option */
};

struct text_list {
    const char **items; /* the texts belong to argv */
    size_t n;
};

/* Choices end with NULL. A range with low == high is none. */
struct option {
    const char *name;       /* long name, without dashes */
    const char *short_name; /* without dash, or NULL */
    enum option_type type;
    size_t offset;     /* where in the struct the value goes */
    const char *value; /* what the value is, for help: "FILE" */
    const char *help;
    const char *preset; /* the value when it is not given, as text; NULL: zero */
    const char *const *choices;
    double low, high;
    bool required;
    size_t given;          /* where in the struct a bool tells that it was given; 0: nowhere */
    const char *no_effect; /* accepted for old scripts and warned about: why it does nothing */
};

struct option_table {
    const struct option *options;
    size_t n;
};

/*
 * Parse argv[0 .. argc-1] (without program and verb) by several tables into `values`, which is zero
 * before. Operands are collected in order. BPNET_EUSAGE on what makes no sense; `verb` begins the
 * message. Lists grow on the heap: opt_free() in any case.
 */
int opt_parse(void *values, struct text_list *operands, const char *verb,
              const struct option_table *tables, size_t n_tables, int argc, char *const *argv);
void opt_free(void *values, struct text_list *operands, const struct option_table *tables,
              size_t n_tables);

/*
 * For operands that are too many: BPNET_EUSAGE with the choices, where the first that follows a
 * flag with choices was meant as one of them; otherwise 0. `operands` are those found in this argv.
 */
int opt_check_strays(const struct text_list *operands, const char *verb,
                     const struct option_table *tables, size_t n_tables, int argc,
                     char *const *argv);

/* What to suggest for an unknown word: one it begins, or the nearest; NULL: nothing. */
const char *opt_suggest(const char *word, const char *const *candidates, size_t n);

#endif
