/* Drawing progress on standard error. */
#include "cli/progress.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static const double TERMINAL_EVERY = 0.1;

void progress_start(struct progress *p, bool quiet, double every)
{
    *p = (struct progress){.shown = !quiet && log_get_level() <= LOG_INFO,
                           .terminal = isatty(STDERR_FILENO) == 1,
                           .started = clock_ns(),
                           .every = every};
    p->last = p->started;
}

bool progress_due(struct progress *p)
{
    if (!p->shown || clock_seconds_since(p->last) < (p->terminal ? TERMINAL_EVERY : p->every))
        return false;
    p->last = clock_ns();
    return true;
}

static int terminal_width(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 1 ? size.ws_col : 80;
}

void progress_line(struct progress *p, const char *line)
{
    if (!p->shown)
        return;
    if (p->terminal)
        fprintf(stderr, "%.*s\033[K\r", terminal_width() - 1,
                line); /* the next line overwrites it */
    else
        log_info("%s", line);
    p->drawn = p->terminal;
}

void progress_update(struct progress *p, size_t done, size_t total, const char *unit,
                     const char *note)
{
    if (!progress_due(p))
        return;
    const double seconds = clock_seconds_since(p->started);
    const double rate = (double)done / seconds;
    char left[32], line[256];
    progress_duration(left, done ? (double)(total - done) / rate : 0);
    snprintf(line, sizeof(line), "%zu/%zu  %.0f %%  %.1f %s/s  %s left  %s", done, total,
             total ? 100.0 * (double)done / (double)total : 100.0, rate, unit, left, note);
    progress_line(p, line);
}

void progress_clear(struct progress *p)
{
    if (p->drawn)
        fputs("\033[K", stderr);
    p->drawn = false;
}

void progress_duration(char text[32], double seconds)
{
    if (!(seconds >= 0))
        seconds = 0;
    if (seconds < 90)
        snprintf(text, 32, "%.0f s", seconds);
    else if (seconds < 5400)
        snprintf(text, 32, "%.0f min", seconds / 60);
    else
        snprintf(text, 32, "%.0f h %02.0f min", (double)(long)(seconds / 3600),
                 (double)((long)(seconds / 60) % 60));
}
