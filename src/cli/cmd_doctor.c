/* bpnet doctor: is this machine fit, and what to do about it if not. */
#define _GNU_SOURCE
#include "cli/cmd.h"

#include "base/error.h"
#include "base/str.h"
#include "cli/find_model.h"
#include "io/container.h"
#include "io/json.h"

#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum verdict { VERDICT_OK, VERDICT_WARN, VERDICT_FAIL };
static const char *const verdict_names[] = {"OK", "WARN", "FAIL"};

struct finding {
    enum verdict verdict;
    struct str text;
    struct str remedy; /* empty when all is well */
};

static const double GIB = 1024.0 * 1024 * 1024;

/* The first line of a small file of the system, "" when there is none. */
static const char *read_line(char *buffer, size_t size, const char *path)
{
    buffer[0] = '\0';
    FILE *file = fopen(path, "r");
    if (file) {
        if (!fgets(buffer, (int)size, file))
            buffer[0] = '\0';
        fclose(file);
    }
    buffer[strcspn(buffer, "\n")] = '\0';
    return buffer;
}

static void complain(struct finding *f, enum verdict verdict, const char *remedy)
{
    if (verdict > f->verdict)
        f->verdict = verdict;
    str_printf(&f->remedy, "%s%s", f->remedy.length ? "; " : "", remedy);
}

static void check_cpu(struct finding *f, const char *folder)
{
    (void)folder;
    char name[256];
    cpu_model_name(name, sizeof(name));
    const enum cpu_level level = cpu_level_detect();
    str_printf(&f->text, "%s, kernels: %s", *name ? name : "unknown model", cpu_level_name(level));
    if (level == CPU_REF)
        complain(f, VERDICT_WARN, "without AVX2 and FMA everything runs, but many times slower");
}

static void check_features(struct finding *f, const char *folder)
{
    (void)folder;
    for (int present = 1; present >= 0; present--) {
        size_t n = 0;
        for (size_t i = 0; i < cpu_feature_count(); i++) {
            if (cpu_feature_present(i) != (present == 1))
                continue;
            str_printf(&f->text, "%s%s",
                       n == 0 && !present ? "; not: "
                       : n                ? " "
                                          : "",
                       cpu_feature_name(i));
            n++;
        }
    }
}

static void check_cores(struct finding *f, const char *folder)
{
    (void)folder;
    const unsigned cores = cpu_cores();
    const long online = sysconf(_SC_NPROCESSORS_ONLN);
    str_printf(&f->text, "%u of %ld", cores, online);
    char line[128];
    double quota, period;
    if (sscanf(read_line(line, sizeof(line), "/sys/fs/cgroup/cpu.max"), "%lf %lf", &quota,
               &period) == 2 &&
        quota < cores * period) {
        char remedy[96];
        const unsigned allowed = quota / period < 1 ? 1 : (unsigned)(quota / period);
        str_printf(&f->text, ", the control group allows %.1f", quota / period);
        snprintf(remedy, sizeof(remedy), "use --threads %u, or raise the group's cpu.max", allowed);
        complain(f, VERDICT_WARN, remedy);
    }
}

/* A number of kB in /proc/meminfo, in bytes; 0 when it is not there. */
static double meminfo(const char *key)
{
    FILE *file = fopen("/proc/meminfo", "r");
    if (!file)
        return 0;
    char line[256];
    double bytes = 0;
    const size_t length = strlen(key);
    while (fgets(line, sizeof(line), file)) {
        if (strncmp(line, key, length) == 0 && line[length] == ':')
            bytes = strtod(line + length + 1, NULL) * 1024;
    }
    fclose(file);
    return bytes;
}

static void check_memory(struct finding *f, const char *folder)
{
    (void)folder;
    char line[128];
    double available = meminfo("MemAvailable");
    str_printf(&f->text, "%.1f GiB free of %.1f GiB", available / GIB, meminfo("MemTotal") / GIB);
    const double group = strtod(read_line(line, sizeof(line), "/sys/fs/cgroup/memory.max"), NULL);
    if (group > 0 && group < available) {
        str_printf(&f->text, ", the control group allows %.1f GiB", group / GIB);
        available = group;
    }
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) == 0 && (double)limit.rlim_cur < available) {
        str_printf(&f->text, ", ulimit -v allows %.1f GiB", (double)limit.rlim_cur / GIB);
        available = (double)limit.rlim_cur;
    }
    if (available < GIB / 4)
        complain(f, VERDICT_FAIL, "end other programs: even inference needs 0.25 GiB");
    else if (available < 2 * GIB)
        complain(f, VERDICT_WARN, "enough for inference; for training lower batch_size");
}

static void check_huge_pages(struct finding *f, const char *folder)
{
    (void)folder;
    static const char path[] = "/sys/kernel/mm/transparent_hugepage/enabled";
    char line[128];
    read_line(line, sizeof(line), path);
    if (strstr(line, "[always]") || strstr(line, "[madvise]")) {
        str_append(&f->text, "given on request");
        return;
    }
    str_append(&f->text, *line ? "switched off" : "unknown");
    if (*line)
        complain(f, VERDICT_WARN,
                 "a few percent slower; as root: echo madvise > "
                 "/sys/kernel/mm/transparent_hugepage/enabled");
}

static void check_limits(struct finding *f, const char *folder)
{
    (void)folder;
    struct rlimit files, size;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || getrlimit(RLIMIT_FSIZE, &size) < 0) {
        str_append(&f->text, "unknown");
        return;
    }
    str_printf(&f->text, "%llu open files, ", (unsigned long long)files.rlim_cur);
    if (size.rlim_cur == RLIM_INFINITY)
        str_append(&f->text, "files of any size");
    else
        str_printf(&f->text, "files up to %.2f GiB", (double)size.rlim_cur / GIB);
    if (files.rlim_cur < 64)
        complain(f, VERDICT_WARN, "raise it: ulimit -n 256");
    if ((double)size.rlim_cur < GIB)
        complain(f, VERDICT_WARN, "checkpoints may not fit: ulimit -f unlimited");
}

static void check_disk(struct finding *f, const char *folder)
{
    struct statvfs disk;
    if (statvfs(folder, &disk) < 0) {
        str_printf(&f->text, "%s is not there", folder);
        complain(f, VERDICT_FAIL, "create it, or name another with --results_dir");
        return;
    }
    const double available = (double)disk.f_bavail * (double)disk.f_frsize;
    str_printf(&f->text, "%.1f GiB free in %s", available / GIB, folder);
    if (access(folder, W_OK) < 0)
        complain(f, VERDICT_WARN, "not writable: name another folder with --results_dir");
    if (available < GIB / 64)
        complain(f, VERDICT_FAIL, "make room, or name another folder with --results_dir");
    else if (available < GIB)
        complain(f, VERDICT_WARN, "checkpoints of a training may not fit");
}

static void check_model(struct finding *f, const char *folder)
{
    (void)folder;
    char *path = NULL;
    struct container c = {0};
    int err = find_model(&path);
    if (err == 0)
        err = container_open(&c, path, NULL, NULL);
    if (err == 0)
        str_append(&f->text, path);
    else {
        str_append(&f->text, error_message());
        complain(f, VERDICT_WARN, "inference and evaluate then need -m");
    }
    container_close(&c);
    free(path);
}

/* "libjansson.so.4.14.0": the file behind a loaded library's name says its version. */
static int add_library(struct dl_phdr_info *info, size_t size, void *text)
{
    (void)size;
    static const char *const ours[] = {"jansson",    "yaml",   "jpeg",  "png",
                                       "protobuf-c", "xxhash", "sodium"};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        const char *found = strstr(path_base(info->dlpi_name), ours[i]);
        char *real = found ? realpath(info->dlpi_name, NULL) : NULL;
        if (real)
            str_printf(text, "%s%s", ((struct str *)text)->length ? ", " : "", path_base(real));
        free(real);
    }
    return 0;
}

static void check_libraries(struct finding *f, const char *folder)
{
    (void)folder;
    dl_iterate_phdr(add_library, &f->text);
    if (f->text.length == 0)
        str_append(&f->text, "all linked into the program");
}

static const struct {
    const char *name;
    void (*check)(struct finding *f, const char *folder);
} checks[] = {
    {"cpu", check_cpu},       {"features", check_features},     {"cores", check_cores},
    {"memory", check_memory}, {"huge pages", check_huge_pages}, {"limits", check_limits},
    {"disk", check_disk},     {"model", check_model},           {"libraries", check_libraries},
};

static void print_finding(const char *name, const struct finding *f)
{
    printf("%-4s  %-10s  %s\n", verdict_names[f->verdict], name, str_text(&f->text));
    if (f->remedy.length)
        printf("%18s-> %s\n", "", f->remedy.text);
}

static void write_finding(struct json_writer *w, const char *name, const struct finding *f)
{
    json_begin_object(w);
    json_write_key(w, "check");
    json_write_string(w, name);
    json_write_key(w, "verdict");
    json_write_string(w, verdict_names[f->verdict]);
    json_write_key(w, "found");
    json_write_string(w, str_text(&f->text));
    json_write_key(w, "remedy");
    json_write_string(w, str_text(&f->remedy));
    json_end_object(w);
}

static int run_doctor(struct run *run, const void *args)
{
    (void)args;
    struct json_writer w = {.stream = stdout, .indent = 2};
    const char *folder = run->common->results_dir ? run->common->results_dir : ".";
    int n_failed = 0;
    if (run->common->json)
        json_begin_array(&w);
    else
        printf("bpnet %s\n", bpnet_version());
    for (size_t i = 0; i < sizeof(checks) / sizeof(checks[0]); i++) {
        struct finding f = {0};
        checks[i].check(&f, folder);
        if (run->common->json)
            write_finding(&w, checks[i].name, &f);
        else
            print_finding(checks[i].name, &f);
        n_failed += f.verdict == VERDICT_FAIL;
        str_free(&f.text);
        str_free(&f.remedy);
    }
    if (run->common->json) {
        json_end_array(&w);
        printf("\n");
    }
    return n_failed == 0
               ? BPNET_OK
               : error_set(BPNET_EUNSUPPORTED, "doctor: %d of the checks failed", n_failed);
}

static const char *const examples[] = {
    "bpnet doctor",
    "one line a check; '->' says what to do",
    "bpnet doctor --results_dir /data/run1 --json",
    "is there room in that folder? for scripts",
    NULL,
};

const struct verb cmd_doctor = {
    .name = "doctor",
    .group = "Look inside",
    .summary = "is this machine fit, and what to do if not",
    .description = "Check processor, memory, limits, disk, libraries and the shipped model. Every "
                   "line is OK, WARN or FAIL; the exit status is 0 unless something failed.",
    .examples = examples,
    .args_size = sizeof(struct common_args),
    .run = run_doctor,
};
