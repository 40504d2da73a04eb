/* The state of a run: a table of its members drives both directions. */
#include "train/state.h"

#include "base/error.h"
#include "io/json.h"

#include <limits.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

enum member_kind { COUNT, SIGNED, SMALL, REAL };

struct member {
    const char *key;
    enum member_kind kind;
    size_t offset;
};

#define AT(field) offsetof(struct train_state, field)
static const struct member members[] = {
    {"step", COUNT, AT(step)},
    {"last_step", COUNT, AT(last_step)},
    {"base_step", COUNT, AT(base_step)},
    {"base_epoch", SMALL, AT(base_epoch)},
    {"seed", SIGNED, AT(seed)},
    {"n_records", COUNT, AT(n_records)},
    {"cpu_level", SMALL, AT(cpu)},
    {"seconds", REAL, AT(seconds)},
    {"validation_loss", REAL, AT(validation_loss)},
    {"validation_ap", REAL, AT(validation_ap)},
    {"best_loss", REAL, AT(best_loss)},
    {"best_ap", REAL, AT(best_ap)},
    {"best_epoch", SMALL, AT(best_epoch)},
};
#undef AT
enum { N_MEMBERS = sizeof members / sizeof *members };

void train_state_init(struct train_state *s)
{
    *s = (struct train_state){
        .validation_loss = NAN, .validation_ap = NAN, .best_loss = NAN, .best_ap = NAN};
}

static void print_sums(struct json_writer *w, const char *key, const struct loss_sums *s)
{
    json_write_key(w, key);
    json_begin_object(w);
    json_write_key(w, "n");
    json_write_integer(w, (int64_t)s->n);
    json_write_key(w, "data");
    json_write_number(w, s->data);
    json_write_key(w, "total");
    json_write_number(w, s->total);
    json_write_key(w, "maps");
    json_begin_array(w);
    for (int k = 0; k < s->n_maps; k++)
        json_write_number(w, s->map[k]);
    json_end_array(w);
    json_end_object(w);
}

void train_state_print(struct str *out, const struct train_state *s)
{
    struct json_writer w = {.text = out};
    json_begin_object(&w);
    for (int i = 0; i < N_MEMBERS; i++) {
        const void *at = (const char *)s + members[i].offset;
        json_write_key(&w, members[i].key);
        switch (members[i].kind) {
        case COUNT: json_write_integer(&w, (int64_t) * (const uint64_t *)at); break;
        case SIGNED: json_write_integer(&w, *(const int64_t *)at); break;
        case SMALL: json_write_integer(&w, *(const int *)at); break;
        case REAL: json_write_number(&w, *(const double *)at); break;
        }
    }
    json_write_key(&w, "teacher");
    json_write_string(&w, s->teacher);
    print_sums(&w, "epoch_sums", &s->epoch);
    print_sums(&w, "row_sums", &s->row);
    json_end_object(&w);
}

static int parse_member(struct train_state *s, const struct member *m, const struct json *root,
                        const char *name)
{
    void *at = (char *)s + m->offset;
    if (m->kind == REAL) {
        if (json_kind(json_get(root, m->key)) == JSON_KIND_NULL) {
            *(double *)at = NAN;
            return BPNET_OK;
        }
        return json_need_number(at, root, m->key, name);
    }
    int64_t value;
    const int err = json_need_integer(&value, root, m->key, name);
    if (err < 0)
        return err;
    if (m->kind != SIGNED && (value < 0 || (m->kind == SMALL && value > INT_MAX)))
        return error_set(BPNET_EFORMAT, "%s: key '%s': found %lld, expected a count", name, m->key,
                         (long long)value);
    if (m->kind == COUNT)
        *(uint64_t *)at = (uint64_t)value;
    else if (m->kind == SIGNED)
        *(int64_t *)at = value;
    else
        *(int *)at = (int)value;
    return BPNET_OK;
}

static int parse_sums(struct loss_sums *s, const struct json *root, const char *key,
                      const char *name)
{
    const struct json *object = json_get(root, key), *maps;
    int64_t n;
    int err;
    if ((err = json_need_integer(&n, object, "n", name)) < 0 ||
        (err = json_need_number(&s->data, object, "data", name)) < 0 ||
        (err = json_need_number(&s->total, object, "total", name)) < 0 ||
        (err = json_need_array(&maps, object, "maps", name)) < 0)
        return err;
    if (n < 0 || json_length(maps) > LOSS_MAX_MAPS)
        return error_set(BPNET_EFORMAT, "%s: key '%s': found %lld steps of %zu losses", name, key,
                         (long long)n, json_length(maps));
    s->n = (uint64_t)n;
    s->n_maps = (int)json_length(maps);
    for (int k = 0; k < s->n_maps; k++)
        s->map[k] = json_as_number(json_at(maps, (size_t)k));
    return BPNET_OK;
}

/* Checkpoints of earlier versions had no teachers. */
static int parse_teacher(struct train_state *s, const struct json *root, const char *name)
{
    const struct json *value = json_get(root, "teacher");
    if (!value)
        return BPNET_OK;
    const char *text = json_as_string(value);
    const size_t n = text ? strlen(text) : 0;
    if (!text || (n != 0 && n != sizeof s->teacher - 1))
        return error_set(BPNET_EFORMAT, "%s: key 'teacher': found %zu letters, expected %zu", name,
                         n, sizeof s->teacher - 1);
    memcpy(s->teacher, text, n + 1);
    return BPNET_OK;
}

int train_state_parse(struct train_state *out, const char *json, size_t size, const char *name)
{
    struct json *root;
    struct train_state s;
    train_state_init(&s);
    int err = json_parse(&root, json, size, name);
    if (err < 0)
        return err;
    for (int i = 0; err == BPNET_OK && i < N_MEMBERS; i++)
        err = parse_member(&s, &members[i], root, name);
    if (err == BPNET_OK)
        err = parse_teacher(&s, root, name);
    if (err == BPNET_OK)
        err = parse_sums(&s.epoch, root, "epoch_sums", name);
    if (err == BPNET_OK)
        err = parse_sums(&s.row, root, "row_sums", name);
    json_free(root);
    if (err == BPNET_OK)
        *out = s;
    return err;
}
