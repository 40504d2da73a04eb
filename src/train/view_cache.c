/* A slot of bytes for each view, at its number's place in the file. */
#include "train/view_cache.h"

#include "base/error.h"
#include "base/log.h"
#include "io/scratch_file.h"

#include <math.h>
#include <stdlib.h>

static const float heat_steps = 255.0F, paf_steps = 127.0F;

struct view_cache {
    struct scratch_file *file;
    size_t n_heat, n_paf;
    uint8_t *slot; /* one, as it is in the file: heat, then PAFs plus 127 */
    bool *has;
    bool full; /* the disk is */
};

int view_cache_open(struct view_cache **out, const char *folder, uint64_t n_views, size_t n_heat,
                    size_t n_paf)
{
    *out = NULL;
    struct view_cache *c = calloc(1, sizeof *c);
    if (!c)
        return error_set(BPNET_ENOMEM, "no memory for a teacher's views");
    c->n_heat = n_heat;
    c->n_paf = n_paf;
    c->slot = malloc(n_heat + n_paf + 1);
    c->has = calloc(n_views + 1, sizeof *c->has);
    const int err = c->slot && c->has ? scratch_file_open(&c->file, folder)
                                      : error_set(BPNET_ENOMEM, "no memory for %llu views",
                                                  (unsigned long long)n_views);
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
    scratch_file_close(c->file);
    free(c->slot);
    free(c->has);
    free(c);
}

bool view_cache_has(const struct view_cache *c, uint64_t view)
{
    return c->has[view];
}

static uint64_t offset_of(const struct view_cache *c, uint64_t view)
{
    return view * (c->n_heat + c->n_paf);
}

static void from_slot(const struct view_cache *c, float *heat, float *paf)
{
    for (size_t i = 0; i < c->n_heat; i++)
        heat[i] = (float)c->slot[i] / heat_steps;
    for (size_t i = 0; i < c->n_paf; i++)
        paf[i] = ((float)c->slot[c->n_heat + i] - paf_steps) / paf_steps;
}

int view_cache_get(struct view_cache *c, uint64_t view, float *heat, float *paf)
{
    const int err = scratch_file_read(c->file, c->slot, c->n_heat + c->n_paf, offset_of(c, view));
    if (err == BPNET_OK)
        from_slot(c, heat, paf);
    return err;
}

void view_cache_put(struct view_cache *c, uint64_t view, float *heat, float *paf)
{
    for (size_t i = 0; i < c->n_heat; i++)
        c->slot[i] = (uint8_t)lrintf(heat[i] * heat_steps);
    for (size_t i = 0; i < c->n_paf; i++)
        c->slot[c->n_heat + i] = (uint8_t)(lrintf(paf[i] * paf_steps) + (long)paf_steps);
    from_slot(c, heat, paf);
    if (c->full)
        return;
    if (scratch_file_write(c->file, c->slot, c->n_heat + c->n_paf, offset_of(c, view)) < 0) {
        log_warning("the teacher answers anew from here on: %s", error_message());
        c->full = true;
        return;
    }
    c->has[view] = true;
}
