/* status.json (spec 1.1): one JSON object a line, appended, for whoever watches a run. */
#ifndef IO_STATUS_H
#define IO_STATUS_H

#include <stddef.h>

enum status_state {
    STATUS_STARTED,
    STATUS_RUNNING,
    STATUS_SUCCESS,
    STATUS_FAILURE,
    STATUS_SKIPPED
};

struct status_value {
    const char *key;
    double number;
    const char *text; /* written instead of the number when not NULL */
};

struct status_line {
    enum status_state state;
    const char *message;               /* may be NULL */
    const struct status_value *fields; /* at the top level: epoch, max_epoch, eta … */
    size_t n_fields;
    const struct status_value *kpi;
    size_t n_kpi;
    const struct status_value *graphical;
    size_t n_graphical;
};

/* Append a line to <folder>/status.json; creates the folder. */
int status_append(const char *folder, const struct status_line *line);

#endif
