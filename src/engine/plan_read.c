/* Taking the section "plan" apart. Sizes are checked before anything is taken for a table. */
#include "engine/plan_layout.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* What is left of the section. */
struct reader {
    const uint8_t *at;
    size_t left;
    const char *name;
};

static uint64_t load(const uint8_t *from, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << (8 * i);
    return value;
}

static int read_record(const struct plan_record *record, const uint8_t *from, uint8_t *to,
                       const char *name)
{
    const uint8_t *at = from;
    for (int f = 0; f < record->n_fields; f++) {
        const struct plan_field *field = &record->fields[f];
        for (int i = 0; i < field->count; i++, at += field->bytes) {
            const uint64_t value = load(at, field->bytes);
            const uint32_t word = (uint32_t)value;
            if (field->offset < 0 && value != 0)
                return error_set(BPNET_EFORMAT, "%s: a reserved number of the plan is %llu", name,
                                 (unsigned long long)value);
            if (field->offset >= 0)
                memcpy(to + field->offset + i * field->bytes,
                       field->bytes == 8 ? (const void *)&value : (const void *)&word,
                       (size_t)field->bytes);
        }
    }
    for (; at < from + record->size; at++)
        if (*at != 0)
            return error_set(BPNET_EFORMAT, "%s: a record of the plan does not end in zeros", name);
    return BPNET_OK;
}

/* `n` records as a fresh array. */
static int read_table(struct reader *r, enum plan_table table, int32_t n, void *out)
{
    static const char *const names[PLAN_TABLES] = {"heads",   "maps",   "steps",
                                                   "outputs", "joints", "limbs"};
    const struct plan_record *record = &plan_records[table];
    uint8_t *records = NULL;
    if (n < 0 || (size_t)n > record->limit || (size_t)n > r->left / record->size)
        return error_set(BPNET_EFORMAT, "%s: the plan claims %d %s, with %zu bytes left", r->name,
                         n, names[table], r->left);
    records = calloc((size_t)n + 1, record->struct_size);
    memcpy(out, &records, sizeof records);
    if (!records)
        return error_set(BPNET_ENOMEM, "%s: no memory for %d %s", r->name, n, names[table]);
    for (int32_t i = 0; i < n; i++) {
        const int err =
            read_record(record, r->at, records + (size_t)i * record->struct_size, r->name);
        if (err < 0)
            return err;
        r->at += record->size;
        r->left -= record->size;
    }
    return BPNET_OK;
}

static int read_head(struct reader *r, struct plan_head *head)
{
    const struct plan_record *record = &plan_records[PLAN_HEAD];
    if (r->left < record->size)
        return error_set(BPNET_EFORMAT, "%s: a plan of %zu bytes; its header alone takes %zu",
                         r->name, r->left, record->size);
    if ((int32_t)load(r->at, 4) != PLAN_VERSION)
        return error_set(BPNET_EUNSUPPORTED,
                         "%s: plan version %d, this program reads version %d; rebuild it with "
                         "`bpnet export --rebuild`",
                         r->name, (int32_t)load(r->at, 4), PLAN_VERSION);
    const int err = read_record(record, r->at, (uint8_t *)head, r->name);
    r->at += record->size;
    r->left -= record->size;
    return err;
}

static int read_text(struct reader *r, struct plan *p)
{
    const int32_t size = p->head.text_size;
    if (size < 1 || size > PLAN_MAX_TEXT || (size_t)size != r->left || r->at[0] != 0 ||
        r->at[size - 1] != 0)
        return error_set(BPNET_EFORMAT,
                         "%s: the plan's texts should be %d bytes between two zeros; %zu are left",
                         r->name, size, r->left);
    p->text = malloc((size_t)size);
    if (!p->text)
        return error_set(BPNET_ENOMEM, "%s: no memory for %d bytes of text", r->name, size);
    memcpy(p->text, r->at, (size_t)size);
    return BPNET_OK;
}

int plan_read(struct plan *out, const uint8_t *bytes, size_t size, const char *name)
{
    struct reader r = {bytes, size, name};
    struct plan p = {0};
    int err;
    *out = p;
    if ((err = read_head(&r, &p.head)) < 0 ||
        (err = read_table(&r, PLAN_MAPS, p.head.n_maps, &p.maps)) < 0 ||
        (err = read_table(&r, PLAN_STEPS, p.head.n_steps, &p.steps)) < 0 ||
        (err = read_table(&r, PLAN_OUTPUTS, p.head.n_outputs, &p.outputs)) < 0 ||
        (err = read_table(&r, PLAN_JOINTS, p.head.n_joints, &p.joints)) < 0 ||
        (err = read_table(&r, PLAN_LIMBS, p.head.n_limbs, &p.limbs)) < 0 ||
        (err = read_text(&r, &p)) < 0)
        plan_free(&p);
    *out = p;
    return err;
}

void plan_free(struct plan *p)
{
    free(p->maps);
    free(p->steps);
    free(p->outputs);
    free(p->joints);
    free(p->limbs);
    free(p->text);
    *p = (struct plan){0};
}
