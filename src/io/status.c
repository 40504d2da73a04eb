/* status.json: one line an event, in the reference's form (dates and times without zero padding).
 */
#include "io/status.h"

#include "base/error.h"
#include "base/str.h"
#include "io/file.h"
#include "io/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static const char *const state_names[] = {
    [STATUS_STARTED] = "STARTED", [STATUS_RUNNING] = "RUNNING", [STATUS_SUCCESS] = "SUCCESS",
    [STATUS_FAILURE] = "FAILURE", [STATUS_SKIPPED] = "SKIPPED",
};

static void write_values(struct json_writer *w, const struct status_value *values, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        json_write_key(w, values[i].key);
        if (values[i].text)
            json_write_string(w, values[i].text);
        else
            json_write_number(w, values[i].number);
    }
}

static void write_map(struct json_writer *w, const char *key, const struct status_value *values,
                      size_t n)
{
    if (n == 0)
        return;
    json_write_key(w, key);
    json_begin_object(w);
    write_values(w, values, n);
    json_end_object(w);
}

static void compose(struct str *text, const struct status_line *line)
{
    const time_t now = time(NULL);
    struct tm local = {0};
    localtime_r(&now, &local);
    char date[48], clock[48];
    snprintf(date, sizeof(date), "%d/%d/%d", local.tm_mon + 1, local.tm_mday, local.tm_year + 1900);
    snprintf(clock, sizeof(clock), "%d:%d:%d", local.tm_hour, local.tm_min, local.tm_sec);

    struct json_writer w = {.text = text};
    json_begin_object(&w);
    json_write_key(&w, "date");
    json_write_string(&w, date);
    json_write_key(&w, "time");
    json_write_string(&w, clock);
    json_write_key(&w, "status");
    json_write_string(&w, state_names[line->state]);
    json_write_key(&w, "verbosity");
    json_write_string(&w, "INFO");
    if (line->message) {
        json_write_key(&w, "message");
        json_write_string(&w, line->message);
    }
    write_values(&w, line->fields, line->n_fields);
    write_map(&w, "kpi", line->kpi, line->n_kpi);
    write_map(&w, "graphical", line->graphical, line->n_graphical);
    json_end_object(&w);
    str_append(text, "\n");
}

int status_append(const char *folder, const struct status_line *line)
{
    int error = folder_create(folder);
    if (error < 0)
        return error;
    char *path = path_join(folder, "status.json");
    if (!path)
        return BPNET_ENOMEM;
    struct str text = {0};
    compose(&text, line);
    FILE *file = NULL;
    if ((error = str_status(&text)) == BPNET_OK) {
        file = fopen(path, "a");
        if (!file)
            error = error_set_errno(BPNET_ECREATE, "%s: cannot append", path);
        else if (fwrite(text.text, 1, text.length, file) != text.length)
            error = error_set_errno(BPNET_EIO, "%s: cannot write", path);
    }
    if (file && fclose(file) != 0 && error == BPNET_OK)
        error = error_set_errno(BPNET_EIO, "%s: cannot write", path);
    str_free(&text);
    free(path);
    return error;
}
