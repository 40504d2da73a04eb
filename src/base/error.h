/* The one error model: a negative BPNET_E code, and one sentence kept per thread. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "bpnet.h"

#include <stdarg.h>

/*
 * Set this thread's message and return `code`, so that a failure reads
 *     return error_set(BPNET_EFORMAT, "%s:%d: found %s, expected %s", …);
 * A message is set once, where the failure is understood; callers only forward the code.
 */
int error_set(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same with errno's text appended: "<message>: No space left on device". */
int error_set_errno(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Put context in front of the message there is ("<context>: <message>") and return `code`.
 * For the few places that know something the failing callee could not, such as a file's name.
 */
int error_prefix(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

const char *error_message(void); /* never NULL */
void error_clear(void);

/* A short name of a code: "bad format", "out of memory", … */
const char *error_name(int code);

/* The process exit status (sysexits.h; 1 for BPNET_EGOAL) that stands for a code. */
int error_exit_status(int code);

#endif
