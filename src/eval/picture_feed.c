/* Decoding overlaps with the network: one pipeline of two slots. */
#include "eval/picture_feed.h"

#include "base/error.h"
#include "base/pipeline.h"

#include <stdio.h>
#include <stdlib.h>

enum { SLOTS = 2 };

struct picture_feed {
    const char *const *paths;
    size_t n;
    struct image_fit fit;
    struct pipeline *pipeline;
    struct picture slots[SLOTS];
    void *pointers[SLOTS];
};

static int load(void *ctx, void *slot, uint64_t sequence, unsigned thread)
{
    (void)thread;
    const struct picture_feed *f = ctx;
    struct picture *picture = slot;
    image_free(&picture->image);
    picture->image = (struct image){0};
    picture->err = BPNET_OK;
    if (sequence >= f->n)
        return BPNET_OK; /* filled ahead, never asked for */
    picture->err = image_load_fit(&picture->image, &picture->scale, f->paths[sequence],
                                  f->fit.shrink ? &f->fit : NULL);
    if (picture->err < 0)
        snprintf(picture->message, sizeof(picture->message), "%s", error_message());
    return BPNET_OK;
}

int picture_feed_open(struct picture_feed **out, const char *const *paths, size_t n,
                      const struct image_fit *fit)
{
    *out = NULL;
    struct picture_feed *f = calloc(1, sizeof(*f));
    if (!f)
        return error_set(BPNET_ENOMEM, "no memory to read pictures");
    f->paths = paths;
    f->n = n;
    if (fit)
        f->fit = *fit;
    for (int i = 0; i < SLOTS; i++)
        f->pointers[i] = &f->slots[i];
    const int err = pipeline_open(&f->pipeline, f->pointers, SLOTS, 1, 0, load, f);
    if (err < 0) {
        free(f);
        return err;
    }
    *out = f;
    return BPNET_OK;
}

void picture_feed_close(struct picture_feed *f)
{
    if (!f)
        return;
    pipeline_close(f->pipeline);
    for (int i = 0; i < SLOTS; i++)
        image_free(&f->slots[i].image);
    free(f);
}

int picture_feed_next(struct picture_feed *f, const struct picture **out)
{
    void *slot;
    const int err = pipeline_next(f->pipeline, &slot);
    if (err == 0)
        *out = slot;
    return err;
}
