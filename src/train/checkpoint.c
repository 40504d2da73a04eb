/* Checkpoints: written in one go, verified in full before anything of them is used. */
#include "train/checkpoint.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "train/state.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char prefix[] = "model.epoch-";
static const char suffix[] = ".bpnet";

enum { MODEL_SECTIONS = 3, MAX_SECTIONS = MODEL_SECTIONS + 3 };

int checkpoint_save(const char *path, const struct checkpoint_parts *parts, struct seal_key *key)
{
    struct section sections[MAX_SECTIONS];
    struct model_sections *keep = NULL;
    struct str state = {0};
    size_t n = MODEL_SECTIONS;

    struct model used = *parts->model; /* as others will see it */
    if (parts->average)
        used.params.value = (float *)parts->average;
    int err = model_sections(&used, sections, &keep);
    if (err < 0)
        return err;
    train_state_print(&state, parts->state);
    if ((err = str_status(&state)) < 0)
        goto done;
    sections[n++] = (struct section){"state", str_text(&state), state.length};
    sections[n++] =
        (struct section){"optimizer", parts->moments, parts->n_moments * sizeof *parts->moments};
    if (parts->average)
        sections[n++] = (struct section){"raw_weights", parts->model->params.value,
                                         parts->model->params.n_floats * sizeof(float)};
    err = container_write(path, "checkpoint", sections, n, key);
done:
    str_free(&state);
    model_sections_free(keep);
    return err;
}

int checkpoint_export(const char *path, const struct model *model, const float *average,
                      struct seal_key *key)
{
    struct model used = *model;
    if (average)
        used.params.value = (float *)average;
    return model_save(&used, path, key);
}

/* Split the averages from the weights being trained. */
static int read_raw_weights(struct checkpoint *c)
{
    struct params *p = &c->model->params;
    const size_t expected = p->n_floats * sizeof(float);
    const uint8_t *bytes;
    size_t size;
    if (!container_has(&c->file, "raw_weights"))
        return BPNET_OK;
    int err = container_section(&c->file, "raw_weights", &bytes, &size);
    if (err < 0)
        return err;
    if (size != expected)
        return error_set(BPNET_EFORMAT, "%s: section 'raw_weights' has %zu bytes, expected %zu",
                         c->path, size, expected);
    if (!(c->average = malloc(expected)))
        return error_set(BPNET_ENOMEM, "%s: no memory for the averaged weights", c->path);
    memcpy(c->average, p->value, expected);
    memcpy(p->value, bytes, expected);
    return BPNET_OK;
}

static int read_moments(struct checkpoint *c)
{
    const uint8_t *bytes;
    size_t size;
    const size_t block = c->model->params.n_trainable * sizeof(float);
    int err = container_section(&c->file, "optimizer", &bytes, &size);
    if (err < 0)
        return err;
    if (size != block && size != 2 * block)
        return error_set(BPNET_EFORMAT,
                         "%s: section 'optimizer' has %zu bytes, expected %zu or twice as many",
                         c->path, size, block);
    c->moments = (const float *)(const void *)bytes; /* sections are aligned to 64 */
    c->n_moments = size / sizeof(float);
    return BPNET_OK;
}

static int read_state(struct checkpoint *c)
{
    const uint8_t *bytes;
    size_t size;
    const int err = container_section(&c->file, "state", &bytes, &size);
    return err < 0 ? err : train_state_parse(&c->state, (const char *)bytes, size, c->path);
}

int checkpoint_open(struct checkpoint *out, const char *path, struct seal_key *key)
{
    int err;
    *out = (struct checkpoint){0};
    struct checkpoint c = {.path = str_copy(path)};
    if (!c.path)
        return BPNET_ENOMEM;
    if ((err = container_open(&c.file, path, "checkpoint", key)) < 0 ||
        (err = model_from_container(&c.model, &c.file)) < 0 || (err = read_state(&c)) < 0 ||
        (err = read_moments(&c)) < 0 || (err = read_raw_weights(&c)) < 0) {
        checkpoint_close(&c);
        return err;
    }
    *out = c;
    return BPNET_OK;
}

void checkpoint_close(struct checkpoint *c)
{
    model_free(c->model);
    free(c->average);
    container_close(&c->file);
    free(c->path);
    *c = (struct checkpoint){0};
}

char *checkpoint_path(const char *folder, int epoch)
{
    struct str name = {0};
    str_printf(&name, "%s%d%s", prefix, epoch, suffix);
    char *path = str_status(&name) < 0 ? NULL : path_join(folder, str_text(&name));
    str_free(&name);
    return path;
}

/* The epoch in a file's name, or -1. */
static int name_epoch(const char *name)
{
    if (strncmp(name, prefix, strlen(prefix)) != 0)
        return -1;
    const char *digits = name + strlen(prefix);
    if (*digits < '0' || *digits > '9')
        return -1;
    char *end;
    errno = 0;
    const long epoch = strtol(digits, &end, 10);
    return errno || epoch > INT_MAX || strcmp(end, suffix) != 0 ? -1 : (int)epoch;
}

bool checkpoint_owns(const char *name)
{
    return strcmp(name, CHECKPOINT_ROLLING) == 0 || strcmp(name, CHECKPOINT_BEST) == 0 ||
           name_epoch(name) >= 0;
}

static int newest_first(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    return (x < y) - (x > y);
}

/* The epochs of a folder's checkpoints, newest first; free(*epochs). */
static int list_epochs(int **epochs, size_t *n, const char *folder)
{
    static const char *const suffixes[] = {suffix, NULL};
    char **names;
    size_t n_names;
    *epochs = NULL;
    *n = 0;
    int err = folder_list(&names, &n_names, folder, suffixes);
    if (err < 0)
        return err;
    int *list = malloc((n_names + 1) * sizeof *list);
    if (!list)
        err = error_set(BPNET_ENOMEM, "%s: no memory to list checkpoints", folder);
    for (size_t i = 0; list && i < n_names; i++)
        if (name_epoch(names[i]) >= 0)
            list[(*n)++] = name_epoch(names[i]);
    free(names);
    if (list)
        qsort(list, *n, sizeof *list, newest_first);
    *epochs = list;
    return err;
}

/* Open, or warn that a damaged file is passed over and count it. */
static int open_if_intact(struct checkpoint *out, const char *path, struct seal_key *key,
                          int *n_damaged)
{
    const int err = checkpoint_open(out, path, key);
    if (err < 0 && err != BPNET_ENOMEM && err != BPNET_EKEY) {
        log_warning("%s; passing it over", error_message());
        error_clear();
        ++*n_damaged;
        return BPNET_OK;
    }
    return err;
}

static int newest_epoch(struct checkpoint *out, const char *folder, struct seal_key *key,
                        int *n_damaged)
{
    int *epochs;
    size_t n;
    int err = list_epochs(&epochs, &n, folder);
    for (size_t i = 0; err == BPNET_OK && i < n && !out->path; i++) {
        char *path = checkpoint_path(folder, epochs[i]);
        err = path ? open_if_intact(out, path, key, n_damaged) : BPNET_ENOMEM;
        free(path);
    }
    free(epochs);
    return err;
}

int checkpoint_latest(struct checkpoint *out, const char *folder, struct seal_key *key)
{
    *out = (struct checkpoint){0};
    if (!folder_exists(folder))
        return BPNET_OK;
    struct checkpoint rolling = {0};
    int n_damaged = 0;
    char *path = path_join(folder, CHECKPOINT_ROLLING);
    int err = path ? BPNET_OK : BPNET_ENOMEM;
    if (err == BPNET_OK && file_exists(path))
        err = open_if_intact(&rolling, path, key, &n_damaged);
    if (err == BPNET_OK)
        err = newest_epoch(out, folder, key, &n_damaged);
    free(path);
    if (err == BPNET_OK && rolling.path && (!out->path || rolling.state.step > out->state.step)) {
        struct checkpoint older = *out;
        *out = rolling;
        rolling = older;
    }
    checkpoint_close(&rolling);
    if (err == BPNET_OK && !out->path && n_damaged > 0)
        err = error_set(BPNET_EFORMAT,
                        "%s: it has checkpoints, but none is intact: restore one, train into "
                        "another folder, or start afresh",
                        folder);
    if (err < 0)
        checkpoint_close(out);
    return err;
}

static int delete_file(const char *folder, const char *name)
{
    char *path = path_join(folder, name);
    int err = path ? BPNET_OK : BPNET_ENOMEM;
    if (path && unlink(path) != 0 && errno != ENOENT)
        err = error_set_errno(BPNET_EIO, "%s: cannot be deleted", path);
    free(path);
    return err;
}

static int delete_epochs(const char *folder, size_t keep, int best_epoch)
{
    int *epochs;
    size_t n;
    int err = list_epochs(&epochs, &n, folder);
    for (size_t i = keep; err == BPNET_OK && i < n; i++) {
        char *path = checkpoint_path(folder, epochs[i]);
        if (epochs[i] != best_epoch)
            err = path ? delete_file("", path) : BPNET_ENOMEM;
        free(path);
    }
    free(epochs);
    return err;
}

int checkpoint_rotate(const char *folder, int keep, int best_epoch)
{
    return keep > 0 ? delete_epochs(folder, (size_t)keep, best_epoch) : BPNET_OK;
}

int checkpoint_clear(const char *folder)
{
    const int err = delete_epochs(folder, 0, -1);
    return err < 0 ? err : checkpoint_clear_rolling(folder);
}

int checkpoint_clear_rolling(const char *folder)
{
    return delete_file(folder, CHECKPOINT_ROLLING);
}

/* "….bpnet." and mkstemp's six letters, as outfile_open() names its temporaries. */
static bool is_half_written(const char *name)
{
    const size_t n = strlen(name), tail = strlen(suffix) + 7;
    return n > tail && strncmp(name + n - tail, suffix, strlen(suffix)) == 0 && name[n - 7] == '.';
}

int checkpoint_sweep(const char *folder)
{
    char **names;
    size_t n;
    int err = folder_list(&names, &n, folder, NULL);
    if (err < 0)
        return err;
    for (size_t i = 0; i < n && err == BPNET_OK; i++)
        if (is_half_written(names[i]))
            err = delete_file(folder, names[i]);
    free(names);
    return err;
}
