/* A slot of bytes for each view, at its number's place in the file. */
#include "train/view_cache.h"

#include "base/error.h"
#include "base/log.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

static const float heat_steps = 255.0F, paf_steps = 127.0F;

struct view_cache {
    struct slot_file *file;
    size_t n_heat, n_paf;
    uint8_t *slot; /* one: heat, then PAFs plus 127 */
    bool full;     /* the disk is */
};

int view_cache_open(struct view_cache **out, const char *path, const char key[SLOT_KEY_SIZE],
                    size_t n_heat, size_t n_paf)
{
    *out = NULL;
    struct view_cache *c = calloc(1, sizeof *c);
    if (!c)
        return error_set(BPNET_ENOMEM, "no memory for a teacher's views");
    c->n_heat = n_heat;
    c->n_paf = n_paf;
    c->slot = malloc(n_heat + n_paf + 1);
    const int err = c->slot ? slot_file_open(&c->file, path, key, n_heat + n_paf)
                            : error_set(BPNET_ENOMEM, "no memory for a teacher's views");
    if (err < 0)
        view_cache_close(c);
    else
        *out = c;
    return err;
}

void view_cache_close(struct view_cache *c)
{
    if (!c)
        return;
    slot_file_close(c->file);
    free(c->slot);
    free(c);
}

static void from_slot(const struct view_cache *c, float *heat, float *paf)
{
    for (size_t i = 0; i < c->n_heat; i++)
        heat[i] = (float)c->slot[i] / heat_steps;
    for (size_t i = 0; i < c->n_paf; i++)
        paf[i] = ((float)c->slot[c->n_heat + i] - paf_steps) / paf_steps;
}

int view_cache_get(struct view_cache *c, uint64_t view, uint64_t picture, float *heat, float *paf)
{
    const int found = slot_file_get(c->file, view, picture, c->slot);
    if (found > 0)
        from_slot(c, heat, paf);
    return found;
}

void view_cache_put(struct view_cache *c, uint64_t view, uint64_t picture, float *heat, float *paf)
{
    for (size_t i = 0; i < c->n_heat; i++)
        c->slot[i] = (uint8_t)lrintf(heat[i] * heat_steps);
    for (size_t i = 0; i < c->n_paf; i++)
        c->slot[c->n_heat + i] = (uint8_t)(lrintf(paf[i] * paf_steps) + (long)paf_steps);
    from_slot(c, heat, paf);
    if (c->full || slot_file_put(c->file, view, picture, c->slot) == BPNET_OK)
        return;
    log_warning("the teacher answers anew from here on: %s", error_message());
    c->full = true;
}
