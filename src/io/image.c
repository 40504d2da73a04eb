/* Pictures: limits, the choice of a format, and files. The formats are in image_jpeg.c and _png.c.
 */
#include "io/image.h"

#include "base/error.h"
#include "base/str.h"
#include "io/image_codec.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const size_t max_file = (size_t)512 << 20;

static const struct image_codec *const codecs[] = {&image_codec_jpeg, &image_codec_png};

enum { N_CODECS = sizeof(codecs) / sizeof(codecs[0]) };

static const struct {
    const char *suffix;
    const struct image_codec *codec;
} suffixes[] = {
    {".png", &image_codec_png}, {".jpg", &image_codec_jpeg}, {".jpeg", &image_codec_jpeg}};

int image_check_size(uint64_t w, uint64_t h, const char *name)
{
    if (w == 0 || h == 0)
        return error_set(BPNET_EFORMAT, "%s: a picture of %" PRIu64 " x %" PRIu64 " pixels", name,
                         w, h);
    if (w > IMAGE_MAX_SIDE || h > IMAGE_MAX_SIDE || w * h > IMAGE_MAX_PIXELS)
        return error_set(BPNET_ELIMIT,
                         "%s: %" PRIu64 " x %" PRIu64 " pixels; the limits are %d a side and %d "
                         "million altogether",
                         name, w, h, IMAGE_MAX_SIDE, IMAGE_MAX_PIXELS / 1000000);
    return BPNET_OK;
}

int image_alloc(struct image *image, int w, int h, int channels)
{
    *image = (struct image){0};
    const int error = image_check_size(w > 0 ? (uint64_t)w : 0, h > 0 ? (uint64_t)h : 0, "image");
    if (error < 0)
        return error;
    if (channels != 1 && channels != 3)
        return error_set(BPNET_EUSAGE, "an image of %d channels; expected 1 or 3", channels);
    const size_t size = (size_t)w * (size_t)h * (size_t)channels;
    uint8_t *pixels = malloc(size);
    if (!pixels)
        return error_set(BPNET_ENOMEM, "no memory for an image of %d x %d pixels", w, h);
    *image = (struct image){pixels, w, h, channels};
    return BPNET_OK;
}

void image_free(struct image *image)
{
    free(image->pixels);
    *image = (struct image){0};
}

/* ---- reading ----------------------------------------------------------------------------- */

static const struct image_codec *codec_of(const uint8_t *bytes, size_t size, const char *name)
{
    for (size_t i = 0; i < N_CODECS; i++)
        if (codecs[i]->recognise(bytes, size))
            return codecs[i];
    if (size == 0) {
        error_set(BPNET_EFORMAT, "%s: empty, expected a JPEG or PNG", name);
        return NULL;
    }
    struct str found = {0};
    for (size_t i = 0; i < size && i < 4; i++)
        str_printf(&found, " %02x", bytes[i]);
    error_set(BPNET_EFORMAT, "%s: begins with%s, expected a JPEG or PNG", name, str_text(&found));
    str_free(&found);
    return NULL;
}

static int decode(struct image *out, struct image_scale *scale, const uint8_t *bytes, size_t size,
                  int channels, const struct image_fit *fit, const char *name)
{
    *out = (struct image){0};
    *scale = (struct image_scale){.shrink = 1};
    const struct image_codec *codec = codec_of(bytes, size, name);
    if (!codec)
        return BPNET_EFORMAT;
    const int error = codec->decode(out, scale, bytes, size, channels, fit, name);
    if (error == BPNET_OK && scale->shrink == 1)
        *scale = (struct image_scale){.shrink = 1, .w = out->w, .h = out->h};
    return error;
}

int image_decode(struct image *out, const uint8_t *bytes, size_t size, int channels,
                 const char *name)
{
    *out = (struct image){0};
    if (channels != 1 && channels != 3)
        return error_set(BPNET_EUSAGE, "%s: decoding to %d channels; expected 1 or 3", name,
                         channels);
    struct image_scale scale;
    return decode(out, &scale, bytes, size, channels, NULL, name);
}

int image_decode_fit(struct image *out, struct image_scale *scale, const uint8_t *bytes,
                     size_t size, const struct image_fit *fit, const char *name)
{
    return decode(out, scale, bytes, size, 3, fit, name);
}

int image_load(struct image *out, const char *path, int channels)
{
    *out = (struct image){0};
    struct file_view file;
    int error = file_view_open(&file, path, max_file);
    if (error == BPNET_OK)
        error = image_decode(out, file.bytes, file.size, channels, path);
    file_view_close(&file);
    return error;
}

int image_load_fit(struct image *out, struct image_scale *scale, const char *path,
                   const struct image_fit *fit)
{
    *out = (struct image){0};
    struct file_view file;
    int error = file_view_open(&file, path, max_file);
    if (error == BPNET_OK)
        error = image_decode_fit(out, scale, file.bytes, file.size, fit, path);
    file_view_close(&file);
    return error;
}

int image_size(const char *path, int *w, int *h)
{
    *w = *h = 0;
    struct file_view file;
    int error = file_view_open(&file, path, max_file);
    if (error == BPNET_OK) {
        const struct image_codec *codec = codec_of(file.bytes, file.size, path);
        error = codec ? codec->size(w, h, file.bytes, file.size, path) : BPNET_EFORMAT;
    }
    file_view_close(&file);
    return error;
}

/* ---- writing ----------------------------------------------------------------------------- */

static const struct image_codec *codec_for(const char *path)
{
    const char *dot = strrchr(path_base(path), '.');
    for (size_t i = 0; dot && i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        if (strcasecmp(dot, suffixes[i].suffix) == 0)
            return suffixes[i].codec;
    return NULL;
}

int image_save(const struct image *image, const char *path, int quality)
{
    const struct image_codec *codec = codec_for(path);
    if (!codec)
        return error_set(BPNET_EUSAGE, "%s: ends in none of .png, .jpg and .jpeg", path);
    if (quality < 1 || quality > 100)
        return error_set(BPNET_EUSAGE, "%s: quality %d, expected 1 to 100", path, quality);
    struct outfile out;
    int error = outfile_open(&out, path);
    if (error < 0)
        return error;
    if ((error = codec->encode(&out, image, quality)) < 0) {
        outfile_abort(&out);
        return error;
    }
    return outfile_commit(&out);
}
