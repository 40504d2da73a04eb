/* The two codecs behind image.h; each is the only file that sees its library. */
#ifndef IO_IMAGE_CODEC_H
#define IO_IMAGE_CODEC_H

#include "io/file.h"
#include "io/image.h"

/* Bytes are known to start with the format's signature. */
int jpeg_decode(struct image *out, const uint8_t *bytes, size_t size, int channels,
                const char *name);
int jpeg_size(const uint8_t *bytes, size_t size, int *w, int *h, const char *name);
int jpeg_encode(struct outfile *out, const struct image *image, int quality);

int png_decode(struct image *out, const uint8_t *bytes, size_t size, int channels,
               const char *name);
int png_size(const uint8_t *bytes, size_t size, int *w, int *h, const char *name);
int png_encode(struct outfile *out, const struct image *image);

/* BPNET_ELIMIT with the numbers when a picture is larger than image.h allows. */
int image_check_size(uint64_t w, uint64_t h, const char *name);

#endif
