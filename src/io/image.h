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

/* Width and height from the header alone, as image_decode() to 3 channels would have them. */
int image_size(const char *path, int *w, int *h);

/* Written atomically; the suffix of `path` (.png, .jpg, .jpeg) decides. Quality is JPEG's. */
int image_save(const struct image *image, const char *path, int quality);

#endif
