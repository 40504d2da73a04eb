/*
 * Comparing resolved specs key by key. The texts are flattened to "path = value" pairs; only what
 * our own writer makes needs to be understood: two-space blocks, "- " items, one-line values.
 */
#include "train/specdiff.h"

#include "base/error.h"
#include "base/str.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 16 };

/* Where things lie and what is reported: nothing here enters the weights. */
static const char *const free_keys[] = {
    "checkpoint_dir",
    "log_every_n_secs",
    "checkpoint_n_epoch",
    "summary_every_n_steps",
    "infrequent_summary_every_n_steps",
    "validation_every_n_epoch",
    "max_ckpt_to_keep",
    "pretrained_weights", /* a resumed run has its weights */
    "load_graph",
    "finetuning_config",
    "inference_spec",
    "teacher.model_path", /* the run's state knows which it is */
    "teacher.views_path",
    "final_model_name",
    "key",
    "dataloader.pose_config.pose_config_path", /* the skeleton itself is in the model */
    "dataloader.dataset_config.root_data_path",
    "dataloader.dataset_config.train_records_folder_path",
    "dataloader.dataset_config.val_records_folder_path",
    "dataloader.dataset_config.val_records_path",
    "dataloader.dataset_config.dataset_specs",
};

struct pair {
    char *path;  /* one allocation with the value */
    char *value; /* "" for a key that opens a block */
};

struct pairs {
    struct pair *list;
    size_t n, capacity;
};

static void pairs_free(struct pairs *p)
{
    for (size_t i = 0; i < p->n; i++)
        free(p->list[i].path);
    free(p->list);
}

/* A level of nesting: its indentation and the length of the path up to and including its key. */
struct level {
    size_t indent, length;
    int item; /* number of the current "- " item below this level's key; -1: none yet */
};

struct flattener {
    struct pairs *pairs;
    struct str path;
    struct level levels[MAX_DEPTH];
    int depth;
};

static int add_pair(struct flattener *f, const char *value, size_t value_length)
{
    struct pairs *p = f->pairs;
    if (p->n == p->capacity) {
        const size_t capacity = p->capacity ? 2 * p->capacity : 128;
        struct pair *list = realloc(p->list, capacity * sizeof *list);
        if (!list)
            return error_set(BPNET_ENOMEM, "no memory to compare specs");
        p->list = list;
        p->capacity = capacity;
    }
    char *path = malloc(f->path.length + 1 + value_length + 1);
    if (!path || str_status(&f->path) < 0) {
        free(path);
        return error_set(BPNET_ENOMEM, "no memory to compare specs");
    }
    memcpy(path, str_text(&f->path), f->path.length + 1);
    char *copy = path + f->path.length + 1;
    memcpy(copy, value, value_length);
    copy[value_length] = '\0';
    p->list[p->n++] = (struct pair){path, copy};
    return BPNET_OK;
}

static void cut_path(struct flattener *f, size_t length)
{
    if (f->path.text && length < f->path.length) {
        f->path.length = length;
        f->path.text[length] = '\0';
    }
}

/* Open a level for a key (or an item) at this indentation, closing those that it ends. */
static void enter(struct flattener *f, size_t indent, const char *name, size_t length)
{
    while (f->depth > 0 && f->levels[f->depth - 1].indent >= indent)
        f->depth--;
    cut_path(f, f->depth > 0 ? f->levels[f->depth - 1].length : 0);
    if (f->path.length > 0 && *name != '[')
        str_append(&f->path, ".");
    str_append_bytes(&f->path, name, length);
    if (f->depth < MAX_DEPTH)
        f->levels[f->depth++] = (struct level){indent, f->path.length, -1};
}

/* "- " opens an item of the block above; items may stand at the key's own indentation. */
static void enter_item(struct flattener *f, size_t indent)
{
    while (f->depth > 0 && f->levels[f->depth - 1].indent > indent)
        f->depth--;
    char name[24];
    int *item = f->depth > 0 ? &f->levels[f->depth - 1].item : NULL;
    const int length = snprintf(name, sizeof name, "[%d]", item ? ++*item : 0);
    const int depth = f->depth;
    cut_path(f, depth > 0 ? f->levels[depth - 1].length : 0);
    str_append_bytes(&f->path, name, (size_t)length);
    if (f->depth < MAX_DEPTH)
        f->levels[f->depth++] = (struct level){indent + 1, f->path.length, -1};
}

/* The ':' that ends a key: followed by a space or the end, outside quotes and brackets. */
static const char *key_end(const char *line, const char *end)
{
    if (line < end && (*line == '"' || *line == '\'' || *line == '[' || *line == '{')) {
        const char quote = *line;
        if (quote == '[' || quote == '{')
            return NULL;
        const char *close = memchr(line + 1, quote, (size_t)(end - line - 1));
        return close && close + 1 < end && close[1] == ':' ? close + 1 : NULL;
    }
    for (const char *c = line; c < end; c++)
        if (*c == ':' && (c + 1 == end || c[1] == ' '))
            return c;
    return NULL;
}

static int flatten_line(struct flattener *f, const char *line, const char *end)
{
    const char *at = line;
    while (at < end && *at == ' ')
        at++;
    while (end > at && (end[-1] == ' ' || end[-1] == '\r'))
        end--;
    if (at == end || *at == '#' || (end - at >= 3 && strncmp(at, "---", 3) == 0))
        return BPNET_OK;
    while (end - at >= 2 && at[0] == '-' && at[1] == ' ') {
        enter_item(f, (size_t)(at - line));
        for (at += 2; at < end && *at == ' ';)
            at++;
    }
    const char *colon = key_end(at, end);
    if (!colon)
        return add_pair(f, at, (size_t)(end - at)); /* an item that is a plain value */
    enter(f, (size_t)(at - line), at, (size_t)(colon - at));
    const char *value = colon + 1;
    while (value < end && *value == ' ')
        value++;
    return value == end ? BPNET_OK : add_pair(f, value, (size_t)(end - value));
}

static int flatten(struct pairs *out, const char *text)
{
    struct flattener f = {.pairs = out};
    int err = BPNET_OK;
    while (*text && err == BPNET_OK) {
        const char *end = strchr(text, '\n');
        if (!end)
            end = text + strlen(text);
        err = flatten_line(&f, text, end);
        text = *end ? end + 1 : end;
    }
    str_free(&f.path);
    return err;
}

static const char *find(const struct pairs *p, const char *path)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->list[i].path, path) == 0)
            return p->list[i].value;
    return NULL;
}

static bool is_free(const char *path)
{
    for (size_t i = 0; i < sizeof free_keys / sizeof *free_keys; i++) {
        const size_t n = strlen(free_keys[i]);
        if (strncmp(path, free_keys[i], n) == 0 &&
            (path[n] == '\0' || path[n] == '.' || path[n] == '['))
            return true;
    }
    return false;
}

/* Take note of one key's two values; NULL: the key is not there. */
static void weigh(enum spec_change *worst, const char *path, const char *before, const char *now,
                  char *story, size_t size)
{
    if (is_free(path) || (before && now && strcmp(before, now) == 0))
        return;
    const enum spec_change change = strcmp(path, "num_epoch") == 0 ? SPEC_HARMLESS : SPEC_DIFFERENT;
    if (change <= *worst)
        return;
    *worst = change;
    snprintf(story, size, "%s: %s in the checkpoint, %s in the spec", path,
             before ? before : "absent", now ? now : "absent");
}

int spec_compare(enum spec_change *out, const char *before, const char *now, char *story,
                 size_t size)
{
    struct pairs old = {0}, new = {0};
    *out = SPEC_SAME;
    int err = flatten(&old, before);
    if (err == BPNET_OK)
        err = flatten(&new, now);
    for (size_t i = 0; err == BPNET_OK && i < new.n; i++)
        weigh(out, new.list[i].path, find(&old, new.list[i].path), new.list[i].value, story, size);
    for (size_t i = 0; err == BPNET_OK && i < old.n; i++)
        if (!find(&new, old.list[i].path))
            weigh(out, old.list[i].path, old.list[i].value, NULL, story, size);
    pairs_free(&old);
    pairs_free(&new);
    return err;
}
