/* Leaving pictures out: all indices of images change, so annotations and orders follow. */
#include "data/coco_sources.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static bool is_name(const char *source, const char *name, size_t n)
{
    return n > 0 && strncmp(source, name, n) == 0 && (source[n] == '\0' || source[n] == ':');
}

bool source_is(const char *source, const char *name)
{
    return is_name(source, name, strlen(name));
}

/* Flag the pictures of every name in the list. */
static int choose(bool *chosen, const struct coco *c, const char *names)
{
    if (!*names)
        return error_set(BPNET_EUSAGE, "%s: no source is named", c->path);
    for (const char *name = names; *name;) {
        const size_t n = strcspn(name, ",");
        bool found = false;
        for (size_t i = 0; i < c->n_images; i++)
            if (is_name(c->images[i].source, name, n))
                found = chosen[i] = true;
        if (!found)
            return error_set(BPNET_EUSAGE, "%s: '%.*s' is the source of none of its %zu pictures",
                             c->path, (int)n, name, c->n_images);
        name += n + (name[n] == ',');
    }
    return BPNET_OK;
}

static void keep(struct coco *c, const bool *chosen, size_t *moved)
{
    size_t n = 0;
    for (size_t i = 0; i < c->n_images; i++)
        if (chosen[i]) {
            moved[i] = n;
            c->images[n++] = c->images[i];
        }
    size_t by_id = 0, kept = 0;
    for (size_t i = 0; i < c->n_images; i++)
        if (chosen[c->images_by_id[i]])
            c->images_by_id[by_id++] = moved[c->images_by_id[i]];
    for (size_t i = 0; i < c->n_annotations; i++) {
        struct coco_annotation a = c->annotations[i];
        if (!chosen[a.image])
            continue;
        a.image = moved[a.image];
        c->annotations[kept++] = a;
    }
    c->n_images = n;
    c->n_annotations = kept;
}

int coco_keep_sources(struct coco *c, const char *names)
{
    bool *chosen = calloc(c->n_images + 1, sizeof *chosen);
    size_t *moved = calloc(c->n_images + 1, sizeof *moved);
    int err = chosen && moved
                  ? choose(chosen, c, names)
                  : error_set(BPNET_ENOMEM, "%s: no memory to choose pictures", c->path);
    if (err == BPNET_OK) {
        keep(c, chosen, moved);
        err = coco_regroup(c);
    }
    free(chosen);
    free(moved);
    return err;
}
