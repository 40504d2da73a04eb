/* Pictures: which codec, which limits, and turning as EXIF says. */
#include "io/image.h"

#include "base/error.h"
#include "io/image_codec.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const size_t max_file = (size_t)512 << 20;

int image_check_size(uint64_t w, uint64_t h, const char *name)
{
    if (w == 0 || h == 0)
        return error_set(BPNET_EFORMAT, "%s: a picture of %llu x %llu pixels", name,
                         (unsigned long long)w, (unsigned long long)h);
    if (w > IMAGE_MAX_SIDE || h > IMAGE_MAX_SIDE || w * h > IMAGE_MAX_PIXELS)
        return error_set(BPNET_ELIMIT,
                         "%s: a picture of %llu x %llu pixels, the limits are %d a side and %d "
                         "million in all",
                         name, (unsigned long long)w, (unsigned long long)h, IMAGE_MAX_SIDE,
                         IMAGE_MAX_PIXELS / 1000000);
    return BPNET_OK;
}

int image_alloc(struct image *image, int w, int h, int channels)
{
    *image = (struct image){0};
    const int error = image_check_size(w > 0 ? (uint64_t)w : 0, h > 0 ? (uint64_t)h : 0, "picture");
    if (error < 0)
        return error;
    image->pixels = malloc((size_t)w * (size_t)h * (size_t)channels);
    if (!image->pixels)
        return error_set(BPNET_ENOMEM, "no memory for a picture of %d x %d pixels", w, h);
    image->w = w;
    image->h = h;
    image->channels = channels;
    return BPNET_OK;
}

void image_free(struct image *image)
{
    free(image->pixels);
    *image = (struct image){0};
}

static bool is_jpeg(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 0xff && bytes[1] == 0xd8 && bytes[2] == 0xff;
}

static bool is_png(const uint8_t *bytes, size_t size)
{
    static const uint8_t signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    return size >= 8 && memcmp(bytes, signature, 8) == 0;
}

static int unknown(const uint8_t *bytes, size_t size, const char *name)
{
    if (size == 0)
        return error_set(BPNET_EFORMAT, "%s: the file is empty, expected a JPEG or PNG picture",
                         name);
    return error_set(
        BPNET_EFORMAT, "%s: neither JPEG nor PNG (it starts with the bytes %02x %02x %02x %02x)",
        name, bytes[0], size > 1 ? bytes[1] : 0, size > 2 ? bytes[2] : 0, size > 3 ? bytes[3] : 0);
}

int image_decode(struct image *out, const uint8_t *bytes, size_t size, int channels,
                 const char *name)
{
    *out = (struct image){0};
    if (is_jpeg(bytes, size))
        return jpeg_decode(out, bytes, size, channels, name);
    if (is_png(bytes, size))
        return png_decode(out, bytes, size, channels, name);
    return unknown(bytes, size, name);
}

int image_load(struct image *out, const char *path, int channels)
{
    struct file_view view;
    *out = (struct image){0};
    int error = file_view_open(&view, path, max_file);
    if (error == BPNET_OK)
        error = image_decode(out, view.bytes, view.size, channels, path);
    file_view_close(&view);
    return error;
}

int image_size(const char *path, int *w, int *h)
{
    struct file_view view;
    int error = file_view_open(&view, path, max_file);
    if (error < 0)
        return error;
    if (is_jpeg(view.bytes, view.size))
        error = jpeg_size(view.bytes, view.size, w, h, path);
    else if (is_png(view.bytes, view.size))
        error = png_size(view.bytes, view.size, w, h, path);
    else
        error = unknown(view.bytes, view.size, path);
    file_view_close(&view);
    return error;
}

int image_save(const struct image *image, const char *path, int quality)
{
    const char *dot = strrchr(path, '.');
    const bool png = dot && strcasecmp(dot, ".png") == 0;
    const bool jpeg = dot && (strcasecmp(dot, ".jpg") == 0 || strcasecmp(dot, ".jpeg") == 0);
    if (!png && !jpeg)
        return error_set(BPNET_EUSAGE, "%s: pictures are written as .png, .jpg or .jpeg", path);
    struct outfile out;
    int error = outfile_open(&out, path);
    if (error < 0)
        return error;
    error = png ? png_encode(&out, image) : jpeg_encode(&out, image, quality);
    if (error < 0) {
        outfile_abort(&out);
        return error;
    }
    return outfile_commit(&out);
}
