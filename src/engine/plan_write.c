/* A plan as the bytes of its section. */
#include "engine/plan_layout.h"

#include "base/error.h"

#include <string.h>

static void store(uint8_t *to, const uint8_t *from, int bytes)
{
    uint64_t value;
    uint32_t word;
    if (bytes == 8) {
        memcpy(&value, from, 8);
    } else {
        memcpy(&word, from, 4);
        value = word;
    }
    for (int i = 0; i < bytes; i++)
        to[i] = (uint8_t)(value >> (8 * i));
}

static void append_record(struct str *out, const struct plan_record *record, const uint8_t *from)
{
    uint8_t bytes[256] = {0};
    uint8_t *at = bytes;
    for (int f = 0; f < record->n_fields; f++) {
        const struct plan_field *field = &record->fields[f];
        for (int i = 0; i < field->count; i++, at += field->bytes)
            if (field->offset >= 0)
                store(at, from + field->offset + i * field->bytes, field->bytes);
    }
    str_append_bytes(out, (const char *)bytes, record->size);
}

int plan_write(const struct plan *p, struct str *out)
{
    const struct plan_head *h = &p->head;
    const struct {
        enum plan_table table;
        const void *records;
        int32_t n;
    } tables[] = {
        {PLAN_HEAD, h, 1},
        {PLAN_MAPS, p->maps, h->n_maps},
        {PLAN_STEPS, p->steps, h->n_steps},
        {PLAN_OUTPUTS, p->outputs, h->n_outputs},
        {PLAN_JOINTS, p->joints, h->n_joints},
        {PLAN_LIMBS, p->limbs, h->n_limbs},
    };
    for (size_t t = 0; t < PLAN_TABLES; t++) {
        const struct plan_record *record = &plan_records[tables[t].table];
        for (int32_t i = 0; i < tables[t].n; i++)
            append_record(out, record,
                          (const uint8_t *)tables[t].records + (size_t)i * record->struct_size);
    }
    str_append_bytes(out, p->text, (size_t)h->text_size);
    return str_status(out);
}
