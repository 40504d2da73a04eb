/* Error codes, their exit statuses, and the message each thread keeps. */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

enum { MESSAGE_SIZE = 2048 };

static _Thread_local char message[MESSAGE_SIZE];

static const struct {
    const char *name;
    int exit_status;
} codes[] = {
    [-BPNET_OK] = {"success", EX_OK},
    [-BPNET_EUSAGE] = {"usage", EX_USAGE},
    [-BPNET_EFORMAT] = {"bad data", EX_DATAERR},
    [-BPNET_ENOENT] = {"no input", EX_NOINPUT},
    [-BPNET_EIO] = {"input/output", EX_IOERR},
    [-BPNET_ECREATE] = {"cannot create output", EX_CANTCREAT},
    [-BPNET_ENOMEM] = {"out of resources", EX_OSERR},
    [-BPNET_ELIMIT] = {"over a limit", EX_DATAERR},
    [-BPNET_EUNSUPPORTED] = {"unsupported", EX_UNAVAILABLE},
    [-BPNET_ECONFIG] = {"bad setting", EX_CONFIG},
    [-BPNET_ENUMERIC] = {"numeric", EX_SOFTWARE},
    [-BPNET_ESTOPPED] = {"stopped", EX_TEMPFAIL},
    [-BPNET_EKEY] = {"no key", EX_NOPERM},
    [-BPNET_EGOAL] = {"goal missed", EXIT_FAILURE},
};

static int known(int code)
{
    return code <= 0 && code > -(int)(sizeof(codes) / sizeof(codes[0]));
}

int error_set(int code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return code;
}

int error_set_errno(int code, const char *format, ...)
{
    const int saved = errno;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (length < 0)
        length = 0;
    if ((size_t)length < sizeof(message))
        snprintf(message + length, sizeof(message) - (size_t)length, ": %s", strerror(saved));
    return code;
}

int error_prefix(int code, const char *format, ...)
{
    char head[MESSAGE_SIZE];
    char tail[MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(head, sizeof(head), format, args);
    va_end(args);
    memcpy(tail, message, sizeof(tail));
    /* A message is a sentence for a person: one that is cut at the end is still useful. */
    const size_t used = strlen(head) < sizeof(message) - 3 ? strlen(head) : sizeof(message) - 3;
    memcpy(message, head, used);
    memcpy(message + used, ": ", 2);
    const size_t room = sizeof(message) - used - 3;
    const size_t rest = strlen(tail) < room ? strlen(tail) : room;
    memcpy(message + used + 2, tail, rest);
    message[used + 2 + rest] = '\0';
    return code;
}

const char *error_message(void)
{
    return message;
}

void error_clear(void)
{
    message[0] = '\0';
}

const char *error_name(int code)
{
    return known(code) ? codes[-code].name : "unknown";
}

int error_exit_status(int code)
{
    return known(code) ? codes[-code].exit_status : EX_SOFTWARE;
}

const char *bpnet_last_error(void)
{
    return error_message();
}

const char *bpnet_version(void)
{
    return BPNET_VERSION;
}
