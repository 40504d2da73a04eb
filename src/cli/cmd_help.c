/* bpnet help, bpnet version */
#include "cli/cmd.h"

#include "base/error.h"
#include "cli/help.h"

#include <string.h>

struct help_args {
    struct common_args common;
    bool man;
};

static const struct option help_options[] = {
    {"man", NULL, OPTION_FLAG, offsetof(struct help_args, man),
     .help = "print a man page, in roff, instead"},
};

static int run_help(struct run *run, const void *a)
{
    const struct help_args *args = a;
    if (run->operands.n == 0) {
        (args->man ? help_print_man : help_print_overview)(stdout, run->verbs);
        return BPNET_OK;
    }
    const struct verb *verb;
    const int err = run_find_verb(&verb, run->verbs, run->operands.items[0]);
    if (err == 0)
        (args->man ? help_print_verb_man : help_print_verb)(stdout, verb);
    return err;
}

static const char *const help_examples[] = {
    "bpnet help train",
    "what train does, its options and examples",
    "bpnet help --man train > bpnet-train.1",
    "the same as a man page",
    NULL,
};

const struct verb cmd_help = {
    .name = "help",
    .group = "Help",
    .summary = "what there is, and how a verb is used",
    .operands = "[VERB]",
    .description = "Without a verb: all verbs. With one: its options and examples.",
    .examples = help_examples,
    .options = {help_options, 1},
    .args_size = sizeof(struct help_args),
    .max_operands = 1,
    .brief = true,
    .run = run_help,
};

static int run_version(struct run *run, const void *args)
{
    (void)args;
    if (run->common->json)
        printf("{\"version\": \"%s\"}\n", bpnet_version());
    else
        printf("bpnet %s\n", bpnet_version());
    return BPNET_OK;
}

const struct verb cmd_version = {
    .name = "version",
    .group = "Help",
    .summary = "print the version",
    .description = "Print the version; 'bpnet doctor' prints those of the libraries too.",
    .args_size = sizeof(struct common_args),
    .brief = true,
    .run = run_version,
};
