/* The two picture formats behind io/image.h, each in the one file that sees its library. */
#ifndef IO_IMAGE_CODEC_H
#define IO_IMAGE_CODEC_H

#include "io/file.h"
#include "io/image.h"

#include <stdbool.h>

struct image_codec {
    const char *name;
    bool (*recognise)(const uint8_t *bytes, size_t size);

    /*
     * As image_decode(), image_decode_fit() and image_size(); `out` is zero and stays so on
     * failure. `fit` may be NULL; a codec that knows no smaller sizes leaves `scale` as it is.
     */
    int (*decode)(struct image *out, struct image_scale *scale, const uint8_t *bytes, size_t size,
                  int channels, const struct image_fit *fit, const char *name);
    int (*size)(int *w, int *h, const uint8_t *bytes, size_t size, const char *name);

    /* Encode to the stream of an open outfile. */
    int (*encode)(struct outfile *out, const struct image *image, int quality);
};

extern const struct image_codec image_codec_jpeg, image_codec_png;

/* BPNET_ELIMIT, with the sizes in the message, when a picture is too large to be decoded. */
int image_check_size(uint64_t w, uint64_t h, const char *name);

/* Rec. 601 luma, rounded, as JPEG defines it. */
static inline uint8_t image_luma(unsigned r, unsigned g, unsigned b)
{
    return (uint8_t)((299 * r + 587 * g + 114 * b + 500) / 1000);
}

#endif
