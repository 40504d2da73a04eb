/* What a verb is, and what every verb is given. */
#ifndef CLI_VERB_H
#define CLI_VERB_H

#include "base/cpu.h"
#include "cli/opt.h"
#include "io/seal.h"
#include "io/status.h"

#include <signal.h>

/* Options that every verb has: the first member of its own struct. */
struct common_args {
    const char *results_dir;
    struct text_list set;
    int64_t threads;
    const char *cpu;
    bool dry_run, json, quiet;
    const char *log_file, *log_level;
    bool compat, help;
    int64_t gpus, num_processes;
    struct text_list gpu_index;
    bool use_amp;
    const char *key, *key_file, *key_fd;
};

extern const struct option_table common_options;

enum { RUN_MAX_KPI = 16 };

/* One execution of a verb. */
struct run {
    const struct verb *verb;
    const struct verb *const *verbs; /* all of them, ended by NULL */
    const struct common_args *common;
    struct text_list operands;
    enum cpu_level cpu;                /* --cpu, or the machine's best */
    struct seal_key *key;              /* for every file read or written; NULL: none */
    const volatile sig_atomic_t *stop; /* set by Ctrl-C and SIGTERM; a second one kills */
    char *status_folder;               /* of status.json; NULL: none is written */
    struct status_value kpi[RUN_MAX_KPI];
    size_t n_kpi;
};

struct verb {
    const char *name;
    const char *group;           /* heading in the overview */
    const char *summary;         /* one line, no full stop */
    const char *operands;        /* "photo.jpg|folder …"; NULL: takes none */
    const char *description;     /* a few sentences */
    const char *const *examples; /* command, explanation, command, …, NULL */
    struct option_table options;
    size_t args_size; /* of the struct that begins with struct common_args */
    size_t min_operands, max_operands;
    bool brief; /* help does not list the common options: hardly any matters */
    int (*run)(struct run *run, const void *args);
};

/*
 * From here on the run is recorded in <folder>/status.json: a STARTED line now, SUCCESS or FAILURE
 * at the end. Nothing happens at a dry run or when it was called before. For a verb that knows a
 * better folder than --results_dir, which is announced before the verb is called.
 */
int run_announce(struct run *run, const char *folder);

/* A number for the last line of status.json; `key` must live on. */
void run_add_kpi(struct run *run, const char *key, double value);

/* 0, or BPNET_ESTOPPED once someone asked to stop. */
int run_check_stop(const struct run *run);

/* BPNET_EUSAGE, with a suggestion, when there is no verb of that name. */
int run_find_verb(const struct verb **out, const struct verb *const *verbs, const char *name);

/* Run the verb named by argv[1]; returns the process's exit status. */
int run_main(const struct verb *const *verbs, int argc, char *const *argv);

#endif
