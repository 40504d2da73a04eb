/* From arguments to a running verb, and from its outcome to status.json and an exit status. */
#include "cli/verb.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/help.h"
#include "cli/key.h"
#include "io/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const cpu_levels[] = {"auto",       "ref",        "avx2", "avx512",
                                         "avx512vnni", "avx512bf16", NULL};
static const char *const originals[] = {"tlt", NULL};
static const char *const log_levels[] = {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", NULL};

#define AT(member) offsetof(struct common_args, member)

static const struct option options[] = {
    {"results_dir", "r", OPTION_TEXT, AT(results_dir), "DIR",
     .help = "folder for outputs and status.json"},
    {"set", NULL, OPTION_LIST, AT(set), "KEY=VALUE",
     .help = "change a key of the spec; repeatable"},
    {"threads", NULL, OPTION_INTEGER, AT(threads), "N", .help = "threads; 0: one per core",
     .preset = "0", .low = 0, .high = 1024},
    {"cpu", NULL, OPTION_TEXT, AT(cpu), "LEVEL", .help = "highest instruction set to use",
     .preset = "auto", .choices = cpu_levels},
    {"dry-run", NULL, OPTION_FLAG, AT(dry_run), .help = "check everything, write nothing"},
    {"json", NULL, OPTION_FLAG, AT(json), .help = "print the outcome as JSON"},
    {"quiet", NULL, OPTION_FLAG, AT(quiet), .help = "no progress, only results and errors"},
    {"log_file", NULL, OPTION_TEXT, AT(log_file), "FILE",
     .help = "also append messages to this file"},
    {"log_level", "ll", OPTION_TEXT, AT(log_level), "LEVEL", .help = "least level of messages",
     .preset = "INFO", .choices = log_levels},
    {"compat", NULL, OPTION_FLAG, AT(compat), "[tlt]",
     .help = "do as the original does, slips included", .choices = originals},
    {"help", "h", OPTION_FLAG, AT(help), .help = "print this help"},
    {"gpus", NULL, OPTION_INTEGER, AT(gpus), "N",
     .no_effect = "this program runs on CPUs; see --threads"},
    {"gpu_index", NULL, OPTION_INTEGERS, AT(gpu_index), "I",
     .no_effect = "this program runs on CPUs; see --threads"},
    {"num_processes", "np", OPTION_INTEGER, AT(num_processes), "N",
     .no_effect = "one process uses all cores; see --threads"},
    {"use_amp", NULL, OPTION_FLAG, AT(use_amp), .no_effect = "it is for train alone"},
    {"key", "k", OPTION_TEXT, AT(key), "KEY",
     .help = "seal models that are written, open sealed ones; or set BPNET_KEY"},
    {"key_file", NULL, OPTION_TEXT, AT(key_file), "FILE", .help = "the key is in this file"},
    {"key_fd", NULL, OPTION_TEXT, AT(key_fd), "N",
     .help = "the key is read from this open file descriptor"},
};

const struct option_table common_options = {options, sizeof(options) / sizeof(options[0])};

/* ---- stopping ------------------------------------------------------------------------------ */

static volatile sig_atomic_t stop_requested;

static void request_stop(int signal_number)
{
    (void)signal_number;
    stop_requested = 1;
}

static void catch_signals(void)
{
    struct sigaction stop = {.sa_handler = request_stop, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&stop.sa_mask);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGUSR1, &stop, NULL); /* what schedulers send before they take the machine */
    /* A reader that goes away, or a file over ulimit -f, is an error of that write and no more. */
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&ignore.sa_mask);
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);
}

int run_check_stop(const struct run *run)
{
    return *run->stop ? error_set(BPNET_ESTOPPED, "%s: stopped on request", run->verb->name) : 0;
}

/* ---- status.json --------------------------------------------------------------------------- */

int run_announce(struct run *run, const char *folder)
{
    if (run->common->dry_run || run->status_folder)
        return BPNET_OK;
    char text[64];
    snprintf(text, sizeof(text), "Starting %s", run->verb->name);
    const struct status_line line = {.state = STATUS_STARTED, .message = text};
    const int err = status_append(folder, &line);
    if (err < 0)
        return err;
    run->status_folder = str_copy(folder);
    return run->status_folder ? BPNET_OK : BPNET_ENOMEM;
}

void run_add_kpi(struct run *run, const char *key, double value)
{
    if (run->n_kpi < RUN_MAX_KPI)
        run->kpi[run->n_kpi++] = (struct status_value){.key = key, .number = value};
}

/* The last line of status.json; returns the outcome, or why the line could not be written. */
static int record_outcome(struct run *run, int outcome)
{
    if (!run->status_folder)
        return outcome;
    char text[64];
    snprintf(text, sizeof(text), "%s finished", run->verb->name);
    const struct status_line line = {.state = outcome < 0 ? STATUS_FAILURE : STATUS_SUCCESS,
                                     .message = outcome < 0 ? error_message() : text,
                                     .kpi = run->kpi,
                                     .n_kpi = run->n_kpi};
    char *story = outcome < 0 ? str_copy(error_message()) : NULL;
    const int err = status_append(run->status_folder, &line);
    if (outcome < 0 && story)
        error_set(outcome, "%s", story); /* the first failure is the one to tell */
    free(story);
    return outcome < 0 ? outcome : err;
}

/* ---- running ------------------------------------------------------------------------------- */

static enum log_level level_of(const struct common_args *common)
{
    static const enum log_level levels[] = {LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_QUIET};
    size_t i = 0;
    while (log_levels[i + 1] && strcmp(log_levels[i], common->log_level) != 0)
        i++;
    return common->quiet && levels[i] < LOG_WARNING ? LOG_WARNING : levels[i];
}

static int open_log(const struct common_args *common)
{
    log_set_level(level_of(common));
    if (!common->log_file)
        return BPNET_OK;
    char *folder = path_folder(common->log_file);
    int err = folder ? folder_create(folder) : BPNET_ENOMEM;
    if (err == 0)
        err = log_open_file(common->log_file);
    free(folder);
    return err;
}

static int check_operands(const struct verb *verb, const struct text_list *operands, int argc,
                          char *const *argv)
{
    const struct option_table tables[] = {verb->options, common_options};
    if (operands->n > verb->max_operands &&
        opt_check_strays(operands, verb->name, tables, 2, argc, argv) < 0)
        return BPNET_EUSAGE;
    if (operands->n > verb->max_operands)
        return error_set(BPNET_EUSAGE, "%s: '%s' was not expected; 'bpnet help %s' shows how",
                         verb->name, operands->items[verb->max_operands], verb->name);
    if (operands->n < verb->min_operands)
        return error_set(BPNET_EUSAGE, "%s: %s is missing; 'bpnet help %s' has examples",
                         verb->name, verb->operands, verb->name);
    return BPNET_OK;
}

static int execute(struct run *run, const void *args)
{
    int err;
    if ((err = open_log(run->common)) < 0)
        return err;
    run->cpu = cpu_level_detect();
    if (strcmp(run->common->cpu, "auto") != 0 &&
        (err = cpu_level_parse(&run->cpu, run->common->cpu)) < 0)
        return err;
    if ((err = key_open(&run->key, run->common)) < 0)
        return err;
    if (run->common->results_dir && (err = run_announce(run, run->common->results_dir)) < 0)
        return err;
    err = run->verb->run(run, args);
    return record_outcome(run, err);
}

/* Whatever was printed must have arrived, except when its reader went away. */
static int finish_output(int err)
{
    errno = 0;
    const bool failed = fflush(stdout) != 0 || ferror(stdout);
    if (!failed || errno == EPIPE || err < 0)
        return err;
    return errno ? error_set_errno(BPNET_EIO, "standard output")
                 : error_set(BPNET_EIO, "standard output: writing failed");
}

/* main() prints the error; the log file is to have it too. */
static void note_in_log(const char *path)
{
    FILE *file = fopen(path, "a");
    if (!file)
        return;
    fprintf(file, "error: %s\n", error_message());
    fclose(file);
}

static bool asks_for_help(int argc, char *const *argv)
{
    for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    }
    return false;
}

static int run_verb(const struct verb *verb, const struct verb *const *verbs, int argc,
                    char *const *argv)
{
    if (asks_for_help(argc, argv)) {
        help_print_verb(stdout, verb);
        return BPNET_OK;
    }
    void *args = calloc(1, verb->args_size);
    if (!args)
        return error_set(BPNET_ENOMEM, "no memory for options");
    const struct option_table tables[] = {verb->options, common_options};
    struct run run = {.verb = verb, .verbs = verbs, .common = args, .stop = &stop_requested};
    int err = opt_parse(args, &run.operands, verb->name, tables, 2, argc, argv);
    const bool parsed = err == 0;
    if (parsed && (err = check_operands(verb, &run.operands, argc, argv)) == 0)
        err = execute(&run, args);
    err = finish_output(err);
    log_close_file();
    if (err < 0 && parsed && run.common->log_file)
        note_in_log(run.common->log_file);
    if (parsed && run.common->compat)
        fprintf(stderr, "Execution status: %s\n", err < 0 ? "FAIL" : "PASS");
    opt_free(args, &run.operands, tables, 2);
    seal_key_free(run.key);
    free(run.status_folder);
    free(args);
    return err;
}

int run_find_verb(const struct verb **out, const struct verb *const *verbs, const char *name)
{
    const char *names[64];
    size_t n = 0;
    for (; verbs[n] && n < sizeof(names) / sizeof(names[0]); n++) {
        if (strcmp(verbs[n]->name, name) == 0) {
            *out = verbs[n];
            return BPNET_OK;
        }
        names[n] = verbs[n]->name;
    }
    const char *nearest = opt_suggest(name, names, n);
    if (nearest)
        return error_set(BPNET_EUSAGE, "unknown verb '%s'; did you mean '%s'?", name, nearest);
    return error_set(BPNET_EUSAGE, "unknown verb '%s'; 'bpnet help' lists them", name);
}

int run_main(const struct verb *const *verbs, int argc, char *const *argv)
{
    catch_signals();
    const char *name = argc > 1 ? argv[1] : "help";
    if (strcmp(name, "--version") == 0)
        name = "version";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    const struct verb *verb;
    int err = run_find_verb(&verb, verbs, name);
    if (err == 0)
        err = run_verb(verb, verbs, argc > 2 ? argc - 2 : 0, argv + 2);
    if (err < 0)
        fprintf(stderr, "bpnet: %s\n", error_message());
    return error_exit_status(err);
}
