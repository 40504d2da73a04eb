/* Parsing by tables of options. */
#include "cli/opt.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_OPTIONS = 128, NAME_SIZE = 64 };

struct parser {
    const char *verb;
    const struct option_table *tables;
    size_t n_tables;
    unsigned char *values;
    struct text_list *operands;
    int argc, next;
    char *const *argv;
    bool given[MAX_OPTIONS];
};

/* Option number i of all tables in a row, or NULL. */
static const struct option *option_at(const struct option_table *tables, size_t n_tables, size_t i)
{
    for (size_t t = 0; t < n_tables; t++) {
        if (i < tables[t].n)
            return &tables[t].options[i];
        i -= tables[t].n;
    }
    return NULL;
}

/* Long names are equal when they differ in '-' and '_' only. */
static bool same_name(const char *name, const char *word, size_t length)
{
    if (strlen(name) != length)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (name[i] != (word[i] == '-' ? '_' : word[i]) && name[i] != word[i])
            return false;
    }
    return true;
}

/* The option that an argument names, up to its '='; NULL when it names none. */
static const struct option *find_option(const struct parser *p, const char *arg, size_t *index)
{
    if (arg[0] != '-' || arg[1] == '\0')
        return NULL;
    const bool is_long = arg[1] == '-';
    const char *word = arg + (is_long ? 2 : 1);
    const size_t length = strcspn(word, "=");
    const struct option *o;
    for (size_t i = 0; (o = option_at(p->tables, p->n_tables, i)); i++) {
        const bool hit = is_long ? same_name(o->name, word, length)
                                 : o->short_name && strlen(o->short_name) == length &&
                                       strncmp(o->short_name, word, length) == 0;
        if (hit) {
            *index = i;
            return o;
        }
    }
    return NULL;
}

const char *opt_suggest(const char *word, const char *const *candidates, size_t n)
{
    const size_t length = strlen(word);
    for (size_t i = 0; i < n && length >= 3; i++) {
        if (strncasecmp(candidates[i], word, length) == 0)
            return candidates[i];
    }
    return str_nearest(word, candidates, n);
}

static int unknown_option(const struct parser *p, const char *arg)
{
    const char *names[MAX_OPTIONS];
    size_t n = 0;
    const struct option *o;
    for (size_t i = 0; (o = option_at(p->tables, p->n_tables, i)) && n < MAX_OPTIONS; i++) {
        if (!o->no_effect)
            names[n++] = o->name;
    }
    char word[NAME_SIZE] = "";
    const char *start = arg + strspn(arg, "-");
    const size_t length = strcspn(start, "=");
    memcpy(word, start, length < sizeof(word) ? length : sizeof(word) - 1);
    /* "-p4": the value of a one-letter option, written together. */
    if (arg[1] != '-' && strlen(word) > 1) {
        const char alone[3] = {'-', word[0], '\0'};
        size_t index;
        if (find_option(p, alone, &index) && strspn(word + 1, "0123456789.") == strlen(word + 1))
            return error_set(BPNET_EUSAGE, "%s: unknown option '%s'; write '%s %s'", p->verb, arg,
                             alone, word + 1);
    }
    const char *nearest = opt_suggest(word, names, n);
    if (nearest)
        return error_set(BPNET_EUSAGE, "%s: unknown option '%s'; did you mean '--%s'?", p->verb,
                         arg, nearest);
    return error_set(BPNET_EUSAGE, "%s: unknown option '%s'; 'bpnet help %s' lists them", p->verb,
                     arg, p->verb);
}

/* A whole text as a finite number. */
static bool parse_number(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == '\0' && isfinite(*out);
}

static bool parse_integer(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return end != text && *end == '\0' && errno == 0;
}

static int list_add(struct text_list *list, const char *text)
{
    /* Capacity is the next power of two: grow when n is one. */
    if ((list->n & (list->n - 1)) == 0) {
        const size_t capacity = list->n ? 2 * list->n : 1;
        const char **grown = realloc(list->items, capacity * sizeof(*grown));
        if (!grown)
            return error_set(BPNET_ENOMEM, "no memory for %zu arguments", capacity);
        list->items = grown;
    }
    list->items[list->n++] = text;
    return BPNET_OK;
}

static int check_range(const struct parser *p, const struct option *o, const char *text, double v)
{
    if (o->low == o->high || (v >= o->low && v <= o->high))
        return BPNET_OK;
    if (isinf(o->high))
        return error_set(BPNET_EUSAGE, "%s: --%s %s: expected at least %g", p->verb, o->name, text,
                         o->low);
    return error_set(BPNET_EUSAGE, "%s: --%s %s: expected %g to %g", p->verb, o->name, text, o->low,
                     o->high);
}

static bool is_choice(const struct option *o, const char *text)
{
    for (const char *const *choice = o->choices; choice && *choice; choice++)
        if (strcasecmp(*choice, text) == 0)
            return true;
    return false;
}

static int check_choice(const struct parser *p, const struct option *o, const char **text)
{
    if (!o->choices)
        return BPNET_OK;
    struct str list = {0};
    for (const char *const *choice = o->choices; *choice; choice++) {
        if (strcasecmp(*choice, *text) == 0) {
            *text = *choice;
            str_free(&list);
            return BPNET_OK;
        }
        str_printf(&list, "%s%s", choice == o->choices ? "" : ", ", *choice);
    }
    const int err = error_set(BPNET_EUSAGE, "%s: --%s '%s': expected %s%s", p->verb, o->name, *text,
                              o->choices[1] ? "one of " : "", str_text(&list));
    str_free(&list);
    return err;
}

/* Store one value given as text. */
static int store(struct parser *p, const struct option *o, const char *text)
{
    void *at = p->values + o->offset;
    int err = BPNET_OK;
    double number = 0;
    switch (o->type) {
    case OPTION_FLAG: *(bool *)at = true; break;
    case OPTION_TEXT:
        if ((err = check_choice(p, o, &text)) == 0)
            *(const char **)at = text;
        break;
    case OPTION_INTEGER:
        if (!parse_integer(text, at))
            return error_set(BPNET_EUSAGE, "%s: --%s '%s': expected a whole number", p->verb,
                             o->name, text);
        err = check_range(p, o, text, (double)*(int64_t *)at);
        break;
    case OPTION_NUMBER:
        if (!parse_number(text, &number))
            return error_set(BPNET_EUSAGE, "%s: --%s '%s': expected a number", p->verb, o->name,
                             text);
        *(double *)at = number;
        err = check_range(p, o, text, number);
        break;
    case OPTION_LIST:
    case OPTION_INTEGERS:
    case OPTION_WORDS: err = list_add(at, text); break;
    }
    return err;
}

static int need_value(const struct parser *p, const struct option *o)
{
    return error_set(BPNET_EUSAGE, "%s: --%s needs a value: %s", p->verb, o->name,
                     o->value ? o->value : "VALUE");
}

/* A flag is enough by itself; one with choices takes a word that is one of them. */
static int take_flag(struct parser *p, const struct option *o, const char *inline_value)
{
    if (inline_value && !o->choices)
        return error_set(BPNET_EUSAGE, "%s: --%s takes no value, found '%s'", p->verb, o->name,
                         inline_value);
    if (inline_value) {
        const int err = check_choice(p, o, &inline_value);
        if (err < 0)
            return err;
    } else if (p->next < p->argc && is_choice(o, p->argv[p->next])) {
        p->next++;
    }
    return store(p, o, "");
}

/* Whether an option that has one value takes the next argument, too. */
static bool takes_more(const struct parser *p, const struct option *o)
{
    int64_t number;
    if (p->next == p->argc)
        return false;
    const char *arg = p->argv[p->next];
    return (o->type == OPTION_INTEGERS && parse_integer(arg, &number)) ||
           (o->type == OPTION_WORDS && arg[0] != '-');
}

/* The option `o` was named by argv[next - 1]; `inline_value` follows its '=', or is NULL. */
static int take_option(struct parser *p, const struct option *o, const char *inline_value)
{
    size_t ignored;
    if (o->type == OPTION_FLAG)
        return take_flag(p, o, inline_value);
    if (inline_value)
        return store(p, o, inline_value);
    if (p->next == p->argc || find_option(p, p->argv[p->next], &ignored))
        return need_value(p, o);
    int err = store(p, o, p->argv[p->next++]);
    while (err == 0 && takes_more(p, o))
        err = store(p, o, p->argv[p->next++]);
    return err;
}

static void note_given(struct parser *p, const struct option *o, size_t index)
{
    p->given[index] = true;
    if (o->given)
        *(bool *)(p->values + o->given) = true;
}

static int parse_arguments(struct parser *p)
{
    bool only_operands = false;
    while (p->next < p->argc) {
        const char *arg = p->argv[p->next++];
        int err;
        if (only_operands || arg[0] != '-' || arg[1] == '\0') {
            err = list_add(p->operands, arg);
        } else if (strcmp(arg, "--") == 0) {
            only_operands = true;
            continue;
        } else {
            size_t index;
            const struct option *o = find_option(p, arg, &index);
            if (!o)
                return unknown_option(p, arg);
            const char *equals = strchr(arg, '=');
            err = take_option(p, o, equals ? equals + 1 : NULL);
            if (o->no_effect && !p->given[index])
                log_warning("--%s has no effect: %s", o->name, o->no_effect);
            note_given(p, o, index);
        }
        if (err < 0)
            return err;
    }
    return BPNET_OK;
}

int opt_parse(void *values, struct text_list *operands, const char *verb,
              const struct option_table *tables, size_t n_tables, int argc, char *const *argv)
{
    struct parser p = {.verb = verb,
                       .tables = tables,
                       .n_tables = n_tables,
                       .values = values,
                       .operands = operands,
                       .argc = argc,
                       .argv = argv};
    const struct option *o;
    int err;
    for (size_t i = 0; (o = option_at(tables, n_tables, i)); i++) {
        if (o->preset && (err = store(&p, o, o->preset)) < 0)
            return err;
    }
    if ((err = parse_arguments(&p)) < 0)
        return err;
    for (size_t i = 0; (o = option_at(tables, n_tables, i)); i++) {
        if (o->required && !p.given[i])
            return error_set(BPNET_EUSAGE, "%s: --%s %s is required; 'bpnet help %s' has examples",
                             verb, o->name, o->value ? o->value : "", verb);
    }
    return BPNET_OK;
}

int opt_check_strays(const struct text_list *operands, const char *verb,
                     const struct option_table *tables, size_t n_tables, int argc,
                     char *const *argv)
{
    const struct parser p = {.verb = verb, .tables = tables, .n_tables = n_tables};
    int at = 0;
    for (size_t i = 0; i < operands->n; i++) {
        while (at < argc && argv[at] != operands->items[i])
            at++;
        size_t index;
        const struct option *o = at > 0 && at < argc ? find_option(&p, argv[at - 1], &index) : NULL;
        const char *word = operands->items[i];
        if (o && o->type == OPTION_FLAG && o->choices && !strchr(argv[at - 1], '='))
            return check_choice(&p, o, &word);
    }
    return BPNET_OK;
}

void opt_free(void *values, struct text_list *operands, const struct option_table *tables,
              size_t n_tables)
{
    const struct option *o;
    for (size_t i = 0; (o = option_at(tables, n_tables, i)); i++) {
        if (o->type == OPTION_LIST || o->type == OPTION_INTEGERS || o->type == OPTION_WORDS) {
            struct text_list *list =
                (struct text_list *)(void *)((unsigned char *)values + o->offset);
            free(list->items);
            *list = (struct text_list){0};
        }
    }
    free(operands->items);
    *operands = (struct text_list){0};
}
