/* How far a run is: one line rewritten on a terminal, a line now and then elsewhere. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct progress {
    bool shown;    /* false: quiet */
    bool terminal; /* standard error is one */
    bool drawn;    /* a line is on the terminal */
    int64_t started, last;
    double every; /* seconds between lines elsewhere */
};

/* `every`: seconds between lines where standard error is no terminal. */
void progress_start(struct progress *p, bool quiet, double every);

/* "  37/120  31 %  12.3 pictures/s  7 s left  <note>"; `note` may be "". */
void progress_update(struct progress *p, size_t done, size_t total, const char *unit,
                     const char *note);

/* The same with a line of the caller's own; true when it is time to compose one. */
bool progress_due(struct progress *p);
void progress_line(struct progress *p, const char *line);

/* Remove the line from the terminal, before anything else is printed. */
void progress_clear(struct progress *p);

/* "7 s", "12 min", "3 h 20 min". */
void progress_duration(char text[32], double seconds);

#endif
