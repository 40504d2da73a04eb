/* JPEG and PNG to and from 8-bit pictures, within limits that make bombs harmless. */
#ifndef IO_IMAGE_H
#define IO_IMAGE_H

#include <stddef.h>
#include <stdint.h>

/* Rows follow each other without gaps: (h, w, channels), channels 3 (RGB) or 1 (grey). */
struct image {
    uint8_t *pixels;
    int w, h, channels;
};

enum {
    IMAGE_MAX_SIDE = 32768,
    IMAGE_MAX_PIXELS = 200 * 1000 * 1000,
};

/* An image of undefined content; BPNET_ELIMIT beyond the limits above. */
int image_alloc(struct image *image, int w, int h, int channels);
void image_free(struct image *image); /* a zeroed image is allowed */

/*
 * Decode a JPEG or PNG, told apart by content, to `channels` (3: RGB, whatever the file has, alpha
 * over white; 1: grey). EXIF orientation is applied to JPEGs when channels is 3, as viewers do.
 * `name` is only for messages. A truncated JPEG is BPNET_EFORMAT.
 */
int image_decode(struct image *out, const uint8_t *bytes, size_t size, int channels,
                 const char *name);
int image_load(struct image *out, const char *path, int channels);

/*
 * Where a picture that was decoded smaller lies in the whole one, which is w x h: its pixel (x, y)
 * is made of the shrink x shrink pixels from (left + shrink x, top + shrink y) on.
 */
struct image_scale {
    int shrink, left, top, w, h;
};

/* How much smaller, 1, 2, 4 or 8 times, a picture of w x h pixels may be decoded. */
struct image_fit {
    int (*shrink)(const void *ctx, int w, int h);
    const void *ctx;
};

/*
 * The same in RGB, at a part of the size where the file allows: a JPEG's blocks are transformed
 * back to fewer pixels, each about the mean of those it stands for. At the right and the bottom of
 * the stored picture less than `shrink` pixels may be left out. `fit` NULL: whole.
 */
int image_decode_fit(struct image *out, struct image_scale *scale, const uint8_t *bytes,
                     size_t size, const struct image_fit *fit, const char *name);
int image_load_fit(struct image *out, struct image_scale *scale, const char *path,
                   const struct image_fit *fit);

/* Width and height from the header alone, as image_decode() to 3 channels would have them. */
int image_size(const char *path, int *w, int *h);

/* Written atomically; the suffix of `path` (.png, .jpg, .jpeg) decides. Quality is JPEG's. */
int image_save(const struct image *image, const char *path, int quality);

#endif
