/* Help texts, written from the verbs' tables: for terminals, and as man pages (roff). */
#ifndef CLI_HELP_H
#define CLI_HELP_H

#include "cli/verb.h"

#include <stdio.h>

void help_print_overview(FILE *out, const struct verb *const *verbs);
void help_print_verb(FILE *out, const struct verb *verb);

/* bpnet(1), and bpnet-<verb>(1). */
void help_print_man(FILE *out, const struct verb *const *verbs);
void help_print_verb_man(FILE *out, const struct verb *verb);

#endif
