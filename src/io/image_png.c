/* PNG by libpng: any kind of file to 8-bit RGB or grey, alpha laid over white. */
#include "io/image_codec.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

struct source {
    const uint8_t *bytes;
    size_t size, at;
};

struct failure {
    char text[200];
};

static void on_error(png_structp png, png_const_charp text)
{
    struct failure *failure = png_get_error_ptr(png);
    snprintf(failure->text, sizeof(failure->text), "%s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text; /* a wrong gamma or text chunk does not change the pixels we use */
}

static void read_bytes(png_structp png, png_bytep into, size_t n)
{
    struct source *s = png_get_io_ptr(png);
    if (n > s->size - s->at)
        png_error(png, "the file is truncated");
    memcpy(into, s->bytes + s->at, n);
    s->at += n;
}

struct decoding {
    struct failure failure;
    struct source source;
    png_structp png;
    png_infop info;
    struct image image;
    uint8_t *rows; /* all rows of an interlaced picture, else one; RGBA */
};

static void over_white(uint8_t *out, const uint8_t *rgba, int w, int channels)
{
    for (int x = 0; x < w; x++, rgba += 4) {
        unsigned rgb[3];
        for (int k = 0; k < 3; k++)
            rgb[k] = (rgba[k] * rgba[3] + 255u * (255u - rgba[3]) + 127u) / 255u;
        if (channels == 3)
            for (int k = 0; k < 3; k++)
                *out++ = (uint8_t)rgb[k];
        else
            *out++ = (uint8_t)((299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000);
    }
}

static int decode_guarded(struct decoding *d, int channels, const char *name)
{
    png_structp png = d->png;
    png_set_read_fn(png, &d->source, read_bytes);
    png_set_user_limits(png, 0x7fffffff, 0x7fffffff); /* ours are checked below, with the numbers */
    png_set_chunk_malloc_max(png, 8 << 20);
    png_read_info(png, d->info);
    const uint32_t w = png_get_image_width(png, d->info), h = png_get_image_height(png, d->info);
    int error = image_check_size(w, h, name);
    if (error < 0)
        return error;
    png_set_expand(png);
    png_set_strip_16(png);
    png_set_gray_to_rgb(png);
    png_set_add_alpha(png, 255, PNG_FILLER_AFTER);
    const int passes = png_set_interlace_handling(png);
    png_read_update_info(png, d->info);

    if ((error = image_alloc(&d->image, (int)w, (int)h, channels)) < 0)
        return error;
    const size_t row_size = (size_t)w * 4, out_size = (size_t)w * (size_t)channels;
    d->rows = malloc(passes > 1 ? row_size * h : row_size);
    if (!d->rows)
        return error_set(BPNET_ENOMEM, "%s: no memory for %u x %u pixels", name, w, h);
    for (int pass = 0; pass < passes; pass++) {
        for (uint32_t y = 0; y < h; y++) {
            uint8_t *row = passes > 1 ? d->rows + row_size * y : d->rows;
            png_read_row(png, row, NULL);
            if (pass == passes - 1)
                over_white(d->image.pixels + out_size * y, row, (int)w, channels);
        }
    }
    png_read_end(png, NULL);
    return BPNET_OK;
}

int png_decode(struct image *out, const uint8_t *bytes, size_t size, int channels, const char *name)
{
    struct decoding *d = calloc(1, sizeof(*d));
    if (!d)
        return error_set(BPNET_ENOMEM, "%s: no memory for a PNG decoder", name);
    d->source = (struct source){bytes, size, 0};
    volatile int error = BPNET_OK;
    d->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &d->failure, on_error, on_warning);
    d->info = d->png ? png_create_info_struct(d->png) : NULL;
    if (!d->info)
        error = error_set(BPNET_ENOMEM, "%s: no memory for a PNG decoder", name);
    else if (setjmp(png_jmpbuf(d->png)))
        error = error_set(BPNET_EFORMAT, "%s: damaged PNG: %s", name, d->failure.text);
    else
        error = decode_guarded(d, channels, name);
    png_destroy_read_struct(&d->png, &d->info, NULL);
    if (error == BPNET_OK)
        *out = d->image;
    else
        image_free(&d->image);
    free(d->rows);
    free(d);
    return error;
}

/* The first chunk is IHDR at a fixed place: 8 signature, 4 length, 4 name, then the two sizes. */
int png_size(const uint8_t *bytes, size_t size, int *w, int *h, const char *name)
{
    if (size < 24 || memcmp(bytes + 12, "IHDR", 4) != 0)
        return error_set(BPNET_EFORMAT, "%s: damaged PNG: no header chunk", name);
    uint32_t sides[2];
    for (int k = 0; k < 2; k++) {
        const uint8_t *p = bytes + 16 + 4 * k;
        sides[k] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    }
    const int error = image_check_size(sides[0], sides[1], name);
    if (error < 0)
        return error;
    *w = (int)sides[0];
    *h = (int)sides[1];
    return BPNET_OK;
}

int png_encode(struct outfile *out, const struct image *image)
{
    struct failure failure = {""};
    png_structp png =
        png_create_write_struct(PNG_LIBPNG_VER_STRING, &failure, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_write_struct(&png, NULL);
        return error_set(BPNET_ENOMEM, "%s: no memory for a PNG encoder", out->path);
    }
    if (setjmp(png_jmpbuf(png))) {
        png_destroy_write_struct(&png, &info);
        return error_set_errno(BPNET_EIO, "%s: cannot write", out->path);
    }
    png_init_io(png, out->stream);
    png_set_IHDR(png, info, (uint32_t)image->w, (uint32_t)image->h, 8,
                 image->channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(png, 6);
    png_write_info(png, info);
    const size_t row_size = (size_t)image->w * (size_t)image->channels;
    for (int y = 0; y < image->h; y++)
        png_write_row(png, image->pixels + row_size * (size_t)y);
    png_write_end(png, NULL);
    png_destroy_write_struct(&png, &info);
    return BPNET_OK;
}
