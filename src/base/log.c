/* One sink for log lines; a lock keeps lines of different threads whole. */
#include "base/log.h"

#include "base/error.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static enum log_level threshold = LOG_INFO;
static FILE *file;

static const char *const prefixes[] = {
    [LOG_DEBUG] = "debug: ",
    [LOG_INFO] = "",
    [LOG_WARNING] = "warning: ",
    [LOG_ERROR] = "error: ",
};

void log_set_level(enum log_level level)
{
    threshold = level;
}

enum log_level log_get_level(void)
{
    return threshold;
}

int log_open_file(const char *path)
{
    FILE *opened = fopen(path, "a");
    if (!opened)
        return error_set_errno(BPNET_ECREATE, "%s: cannot append to the log file", path);
    log_close_file();
    file = opened;
    return BPNET_OK;
}

void log_close_file(void)
{
    if (file)
        fclose(file);
    file = NULL;
}

static void write_line(enum log_level level, const char *format, va_list args)
{
    if (level < threshold)
        return;
    char text[4096];
    vsnprintf(text, sizeof(text), format, args);
    pthread_mutex_lock(&lock);
    /* A progress line may stand there: overwrite it to its end. */
    fprintf(stderr, "%s%s%s\n", prefixes[level], text, isatty(STDERR_FILENO) ? "\033[K" : "");
    if (file) {
        fprintf(file, "%s%s\n", prefixes[level], text);
        fflush(file);
    }
    pthread_mutex_unlock(&lock);
}

#define DEFINE_LOG(name, level)                                                                    \
    void name(const char *format, ...)                                                             \
    {                                                                                              \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        write_line(level, format, args);                                                           \
        va_end(args);                                                                              \
    }

DEFINE_LOG(log_debug, LOG_DEBUG)
DEFINE_LOG(log_info, LOG_INFO)
DEFINE_LOG(log_warning, LOG_WARNING)
DEFINE_LOG(log_error, LOG_ERROR)
