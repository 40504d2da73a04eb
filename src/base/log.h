/* Levelled log lines for people, on standard error, and optionally appended to one file. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_QUIET };

void log_set_level(enum log_level level);
enum log_level log_get_level(void);

/* Also append every line to `path` (created, with its folder's existence required). */
int log_open_file(const char *path);
void log_close_file(void);

/* Lines are "warning: …", "error: …"; INFO lines carry no prefix. A newline is added. */
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warning(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
