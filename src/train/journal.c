/* The journal. metrics.csv is continued, not rewritten, so a watcher can follow it. */
#include "train/journal.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "io/file.h"
#include "io/status.h"
#include "io/tfevents.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { METRICS_MAX_SIZE = 1 << 30, MAX_VALUES = 8 };

struct journal {
    char *folder, *metrics_path;
    FILE *metrics;
    struct tfevents events;
    int n_maps;
    bool warned;
};

/* ---- metrics.csv ------------------------------------------------------------------------- */

static void print_header(struct str *out, int n_maps)
{
    str_append(out, "step,epoch,lr,loss,data_loss,regularization");
    for (int k = 0; k < n_maps; k++)
        str_printf(out, ",%s_%d", k < n_maps / 2 ? "heat" : "paf", k % (n_maps / 2) + 1);
    str_append(out, ",validation_loss,validation_ap,seconds,images_per_second\n");
}

/* The length of the part of a file that stays: its header and the whole rows up to last_step. */
static size_t kept_length(const char *text, size_t size, const char *header, uint64_t last_step)
{
    const size_t first = strlen(header);
    if (size < first || memcmp(text, header, first) != 0)
        return 0;
    size_t kept = first;
    while (kept < size) {
        const char *end = memchr(text + kept, '\n', size - kept);
        uint64_t step = 0;
        if (!end)
            break;
        for (const char *c = text + kept; *c >= '0' && *c <= '9'; c++)
            step = 10 * step + (uint64_t)(*c - '0');
        if (step > last_step)
            break;
        kept = (size_t)(end - text) + 1;
    }
    return kept;
}

/* Begin metrics.csv with what is to be kept of the one there is. */
static int begin_metrics(const char *path, int n_maps, uint64_t last_step)
{
    struct str header = {0};
    struct file_view old = {0};
    print_header(&header, n_maps);
    int err = str_status(&header);
    if (err == BPNET_OK && last_step > 0 && file_exists(path))
        err = file_view_open(&old, path, METRICS_MAX_SIZE);
    if (err == BPNET_OK) {
        const char *text = (const char *)old.bytes;
        const size_t kept = text ? kept_length(text, old.size, str_text(&header), last_step) : 0;
        err = kept > 0 ? file_write(path, text, kept)
                       : file_write(path, str_text(&header), header.length);
    }
    file_view_close(&old);
    str_free(&header);
    return err;
}

static void cell(struct str *out, double value)
{
    if (isfinite(value))
        str_printf(out, ",%.9g", value);
    else
        str_append(out, ",");
}

static void warn_once(struct journal *j, const char *path)
{
    if (!j->warned)
        log_warning("%s cannot be written any more; training goes on without", path);
    j->warned = true;
}

static void write_csv(struct journal *j, const struct journal_row *row)
{
    const struct loss_sums *s = row->sums;
    const double n = (double)s->n;
    struct str line = {0};
    str_printf(&line, "%llu", (unsigned long long)row->step);
    cell(&line, row->epoch);
    cell(&line, row->lr);
    cell(&line, s->total / n);
    cell(&line, s->data / n);
    cell(&line, (s->total - s->data) / n);
    for (int k = 0; k < j->n_maps; k++)
        cell(&line, s->map[k] / n);
    cell(&line, row->validation_loss);
    cell(&line, row->validation_ap);
    str_printf(&line, ",%.1f,%.2f\n", row->seconds, row->images_per_second);
    if (str_status(&line) < 0 ||
        fwrite(str_text(&line), 1, line.length, j->metrics) != line.length ||
        fflush(j->metrics) != 0)
        warn_once(j, j->metrics_path);
    str_free(&line);
}

/* ---- TensorBoard (spec 7.7) --------------------------------------------------------------- */

enum { MAX_SCALARS = LOSS_MAX_MAPS + 8, TAG_SIZE = 32 };

struct scalars {
    struct tfevents_scalar list[MAX_SCALARS];
    size_t n;
};

static void add_scalar(struct scalars *s, const char *tag, double value)
{
    if (isfinite(value))
        s->list[s->n++] = (struct tfevents_scalar){tag, (float)value};
}

static void write_events(struct journal *j, const struct journal_row *row)
{
    const struct loss_sums *s = row->sums;
    const double n = (double)s->n;
    const int stages = j->n_maps / 2;
    char tags[LOSS_MAX_MAPS][TAG_SIZE];
    struct scalars out = {.n = 0};
    add_scalar(&out, "learning_rate", row->lr);
    add_scalar(&out, "Loss/total_loss", s->total / n);
    for (int k = 0; k < j->n_maps; k++) {
        snprintf(tags[k], TAG_SIZE, "%s_loss_stage%d", k < stages ? "cmap" : "paf", k % stages + 1);
        add_scalar(&out, tags[k], s->map[k] / n);
    }
    add_scalar(&out, "Loss/validation_loss", row->validation_loss);
    add_scalar(&out, "AP", row->validation_ap);
    add_scalar(&out, "epoch", row->epoch);
    add_scalar(&out, "images_per_second", row->images_per_second);
    if (tfevents_write(&j->events, (int64_t)row->step, out.list, out.n) < 0)
        warn_once(j, j->events.path);
}

void journal_write_row(struct journal *j, const struct journal_row *row)
{
    write_csv(j, row);
    write_events(j, row);
}

/* ---- epochs ------------------------------------------------------------------------------ */

void journal_duration(char text[64], double seconds)
{
    if (!isfinite(seconds) || seconds < 0.0 || seconds > 1e9) {
        snprintf(text, 64, "unknown");
        return;
    }
    const long long s = llround(seconds), days = s / 86400;
    const int h = (int)(s / 3600 % 24), m = (int)(s / 60 % 60), rest = (int)(s % 60);
    if (days > 0)
        snprintf(text, 64, "%lld day%s, %d:%02d:%02d", days, days == 1 ? "" : "s", h, m, rest);
    else
        snprintf(text, 64, "%d:%02d:%02d", h, m, rest);
}

static size_t add_value(struct status_value *list, size_t n, const char *key, double number)
{
    if (isfinite(number))
        list[n++] = (struct status_value){.key = key, .number = number};
    return n;
}

/* The line that people see. */
static void log_epoch(const struct journal_epoch *e, const char *taken, const char *left)
{
    struct str line = {0};
    str_printf(&line, "Epoch %d/%d: loss %.6g, learning rate %.4g", e->epoch, e->n_epochs, e->loss,
               e->lr);
    if (isfinite(e->validation_loss))
        str_printf(&line, ", validation loss %.6g", e->validation_loss);
    if (isfinite(e->validation_ap))
        str_printf(&line, ", AP %.4f", e->validation_ap);
    log_info("%s; took %s, %s left", str_text(&line), taken, left);
    str_free(&line);
}

void journal_write_epoch(struct journal *j, const struct journal_epoch *e)
{
    char taken[64], left[64];
    journal_duration(taken, e->epoch_seconds);
    journal_duration(left, e->seconds_left);
    log_epoch(e, taken, left);

    const struct status_value fields[] = {
        {.key = "epoch", .number = e->epoch},
        {.key = "max_epoch", .number = e->n_epochs},
        {.key = "time_per_epoch", .text = taken},
        {.key = "eta", .text = left},
    };
    struct status_value graphical[MAX_VALUES], kpi[MAX_VALUES];
    size_t n_graphical = 0, n_kpi = 0;
    n_graphical = add_value(graphical, n_graphical, "loss", e->loss);
    n_graphical = add_value(graphical, n_graphical, "learning_rate", e->lr);
    n_graphical = add_value(graphical, n_graphical, "validation_loss", e->validation_loss);
    n_kpi = add_value(kpi, n_kpi, "AP", e->validation_ap);
    const struct status_line line = {.state = STATUS_RUNNING,
                                     .fields = fields,
                                     .n_fields = sizeof fields / sizeof *fields,
                                     .kpi = kpi,
                                     .n_kpi = n_kpi,
                                     .graphical = graphical,
                                     .n_graphical = n_graphical};
    if (status_append(j->folder, &line) < 0)
        warn_once(j, "status.json");
}

/* ---- life -------------------------------------------------------------------------------- */

int journal_open(struct journal **out, const char *folder, int n_maps, uint64_t last_step)
{
    *out = NULL;
    struct journal *j = calloc(1, sizeof *j);
    if (!j)
        return error_set(BPNET_ENOMEM, "no memory for a journal");
    int err = BPNET_ENOMEM;
    j->n_maps = n_maps;
    j->folder = str_copy(folder);
    j->metrics_path = path_join(folder, "metrics.csv");
    if (!j->folder || !j->metrics_path)
        goto fail;
    if ((err = begin_metrics(j->metrics_path, n_maps, last_step)) < 0)
        goto fail;
    if (!(j->metrics = fopen(j->metrics_path, "a"))) {
        err = error_set_errno(BPNET_ECREATE, "%s", j->metrics_path);
        goto fail;
    }
    char *events = path_join(folder, "events");
    err = events ? tfevents_open(&j->events, events) : BPNET_ENOMEM;
    free(events);
    if (err < 0)
        goto fail;
    *out = j;
    return BPNET_OK;
fail:
    journal_close(j);
    return err;
}

void journal_close(struct journal *j)
{
    if (!j)
        return;
    if (j->metrics)
        fclose(j->metrics);
    tfevents_close(&j->events);
    free(j->metrics_path);
    free(j->folder);
    free(j);
}
