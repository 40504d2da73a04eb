/*
 * Pictures decoded one ahead by a thread of its own, in the order of their paths. One that cannot
 * be read is delivered with its error, so that a bad file among thousands stops nothing.
 */
#ifndef EVAL_PICTURE_FEED_H
#define EVAL_PICTURE_FEED_H

#include "io/image.h"

struct picture {
    struct image image; /* RGB; empty when err < 0 */
    struct image_scale scale;
    int err;
    char message[512]; /* why */
};

struct picture_feed;

/* `paths` are borrowed. `fit` NULL: pictures are decoded whole. */
int picture_feed_open(struct picture_feed **out, const char *const *paths, size_t n,
                      const struct image_fit *fit);
void picture_feed_close(struct picture_feed *f); /* NULL is allowed */

/* The next picture, valid until the next call; at most n calls. */
int picture_feed_next(struct picture_feed *f, const struct picture **out);

#endif
