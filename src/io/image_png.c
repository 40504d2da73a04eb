/*
 * PNG through libpng: every kind (palette, 1 to 16 bits, interlaced, transparent) to 8-bit RGB or
 * grey. Errors arrive by longjmp, so what has to survive one lives in a struct of the caller.
 */
#include "base/error.h"
#include "io/image_codec.h"

#include <stdlib.h>
#include <string.h>

#include <png.h>

enum {
    SIGNATURE_SIZE = 8,
    HEADER_END = 8 + 8 + 13, /* signature, chunk head, IHDR's fields */
    MAX_CHUNK = 8 << 20,     /* of text, profiles and the like */
    MAX_INFLATION = 1032,    /* bytes that one compressed byte can become (RFC 1951) */
};

struct decoder {
    png_structp png;
    png_infop info;
    const char *name;
    const uint8_t *bytes;
    size_t size, at;
    int error;
    struct image image;
    uint8_t *rgba; /* pixels with alpha, before they are put over white */
    uint8_t **rows;
};

/* ---- what the library calls back --------------------------------------------------------- */

static void decode_fail(png_structp png, png_const_charp text)
{
    struct decoder *d = png_get_error_ptr(png);
    if (d->error == BPNET_OK)
        d->error = error_set(BPNET_EFORMAT, "%s: damaged PNG: %s", d->name, text);
    png_longjmp(png, 1);
}

static void ignore_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void read_bytes(png_structp png, png_bytep into, size_t n)
{
    struct decoder *d = png_get_io_ptr(png);
    if (n > d->size - d->at) {
        d->error =
            error_set(BPNET_EFORMAT, "%s: truncated PNG: ends after %zu bytes", d->name, d->size);
        png_longjmp(png, 1);
    }
    memcpy(into, d->bytes + d->at, n);
    d->at += n;
}

/* ---- decoding ---------------------------------------------------------------------------- */

static uint32_t big_endian(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* Sizes come first in the file: they are judged before anything is allocated. */
static int check_header(uint64_t *w, uint64_t *h, const uint8_t *bytes, size_t size,
                        const char *name)
{
    if (size < HEADER_END)
        return error_set(BPNET_EFORMAT, "%s: truncated PNG: ends after %zu bytes", name, size);
    if (memcmp(bytes + SIGNATURE_SIZE, "\0\0\0\rIHDR", 8) != 0)
        return error_set(BPNET_EFORMAT, "%s: damaged PNG: does not begin with its header", name);
    *w = big_endian(bytes + 16);
    *h = big_endian(bytes + 20);
    return image_check_size(*w, *h, name);
}

static int check_length(uint64_t w, uint64_t h, const uint8_t *bytes, size_t size, const char *name)
{
    static const uint8_t samples[8] = {[0] = 1, [2] = 3, [3] = 1, [4] = 2, [6] = 4};
    const unsigned bits = (unsigned)bytes[24] * samples[bytes[25] & 7];
    if ((w * bits / 8) * h / MAX_INFLATION > size)
        return error_set(BPNET_EFORMAT,
                         "%s: truncated PNG: %zu bytes cannot hold its %d x %d pixels", name, size,
                         (int)w, (int)h);
    return BPNET_OK;
}

static void no_memory(struct decoder *d)
{
    d->error = error_set(BPNET_ENOMEM, "%s: no memory for its pixels", d->name);
    png_longjmp(d->png, 1);
}

/* Ask for 8-bit grey, grey with alpha, RGB or RGB with alpha; returns the samples of a pixel. */
static size_t choose_samples(struct decoder *d, int channels)
{
    png_set_expand(d->png);
    png_set_scale_16(d->png);
    if (channels == 3)
        png_set_gray_to_rgb(d->png);
    png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    return png_get_channels(d->png, d->info);
}

static uint8_t over_white(unsigned value, unsigned alpha)
{
    return (uint8_t)((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

/* One row of 1 to 4 samples a pixel to 1 or 3. */
static void convert_row(uint8_t *out, const uint8_t *in, size_t w, size_t samples, int channels)
{
    const size_t colours = samples >= 3 ? 3 : 1;
    for (size_t x = 0; x < w; x++, in += samples) {
        const unsigned alpha = samples % 2 == 0 ? in[samples - 1] : 255;
        uint8_t flat[3];
        for (size_t i = 0; i < colours; i++)
            flat[i] = over_white(in[i], alpha);
        if (channels == 1) {
            *out++ = colours == 1 ? flat[0] : image_luma(flat[0], flat[1], flat[2]);
        } else {
            memcpy(out, flat, 3);
            out += 3;
        }
    }
}

static void decode_rows(struct decoder *d, int channels)
{
    png_read_info(d->png, d->info);
    const size_t samples = choose_samples(d, channels);
    const size_t w = png_get_image_width(d->png, d->info);
    const size_t h = png_get_image_height(d->png, d->info);
    if ((d->error = image_alloc(&d->image, (int)w, (int)h, channels)) < 0)
        png_longjmp(d->png, 1);
    const bool direct = samples == (size_t)channels;
    if (!direct && !(d->rgba = malloc(w * h * samples)))
        no_memory(d);
    if (!(d->rows = malloc(h * sizeof(*d->rows))))
        no_memory(d);
    for (size_t y = 0; y < h; y++)
        d->rows[y] = (direct ? d->image.pixels : d->rgba) + y * w * samples;
    png_read_image(d->png, d->rows);
    png_read_end(d->png, NULL);
    for (size_t y = 0; y < h && !direct; y++)
        convert_row(d->image.pixels + y * w * (size_t)channels, d->rows[y], w, samples, channels);
}

static void run(struct decoder *d, int channels)
{
    if (setjmp(png_jmpbuf(d->png)))
        return;
    png_set_user_limits(d->png, IMAGE_MAX_SIDE, IMAGE_MAX_SIDE);
    png_set_chunk_malloc_max(d->png, MAX_CHUNK);
    png_set_read_fn(d->png, d, read_bytes);
    decode_rows(d, channels);
}

static int decode(struct image *out, struct image_scale *scale, const uint8_t *bytes, size_t size,
                  int channels, const struct image_fit *fit, const char *name)
{
    (void)scale;
    (void)fit; /* every pixel has to be inflated anyway */
    struct decoder d = {.name = name, .bytes = bytes, .size = size};
    uint64_t w, h;
    int error = check_header(&w, &h, bytes, size, name);
    if (error < 0 || (error = check_length(w, h, bytes, size, name)) < 0)
        return error;
    d.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &d, decode_fail, ignore_warning);
    d.info = d.png ? png_create_info_struct(d.png) : NULL;
    if (d.info)
        run(&d, channels);
    else
        d.error = error_set(BPNET_ENOMEM, "%s: no memory for a decoder", name);
    png_destroy_read_struct(&d.png, &d.info, NULL);
    free(d.rgba);
    free(d.rows);
    if (d.error < 0)
        image_free(&d.image);
    *out = d.image;
    return d.error;
}

static int size_of(int *w, int *h, const uint8_t *bytes, size_t size, const char *name)
{
    uint64_t wide, high;
    const int error = check_header(&wide, &high, bytes, size, name);
    if (error < 0)
        return error;
    *w = (int)wide;
    *h = (int)high;
    return BPNET_OK;
}

static bool recognise(const uint8_t *bytes, size_t size)
{
    return size >= SIGNATURE_SIZE && memcmp(bytes, "\x89PNG\r\n\x1a\n", SIGNATURE_SIZE) == 0;
}

/* ---- encoding ---------------------------------------------------------------------------- */

struct encoder {
    png_structp png;
    png_infop info;
    struct outfile *out;
    int error;
};

static void encode_fail(png_structp png, png_const_charp text)
{
    struct encoder *e = png_get_error_ptr(png);
    if (e->error == BPNET_OK)
        e->error = error_set(BPNET_ENOMEM, "%s: cannot encode as PNG: %s", e->out->path, text);
    png_longjmp(png, 1);
}

static void write_bytes(png_structp png, png_bytep bytes, size_t n)
{
    struct encoder *e = png_get_io_ptr(png);
    e->error = outfile_write(e->out, bytes, n);
    if (e->error < 0)
        png_longjmp(png, 1);
}

static void flush_nothing(png_structp png)
{
    (void)png;
}

static void encode_rows(struct encoder *e, const struct image *image)
{
    if (setjmp(png_jmpbuf(e->png)))
        return;
    png_set_write_fn(e->png, e, write_bytes, flush_nothing);
    png_set_IHDR(e->png, e->info, (png_uint_32)image->w, (png_uint_32)image->h, 8,
                 image->channels == 3 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(e->png, e->info);
    const size_t stride = (size_t)image->w * (size_t)image->channels;
    for (size_t y = 0; y < (size_t)image->h; y++)
        png_write_row(e->png, image->pixels + y * stride);
    png_write_end(e->png, NULL);
}

static int encode(struct outfile *out, const struct image *image, int quality)
{
    (void)quality; /* PNG keeps every pixel */
    struct encoder e = {.out = out};
    e.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &e, encode_fail, ignore_warning);
    e.info = e.png ? png_create_info_struct(e.png) : NULL;
    if (e.info)
        encode_rows(&e, image);
    else
        e.error = error_set(BPNET_ENOMEM, "%s: no memory for an encoder", out->path);
    png_destroy_write_struct(&e.png, &e.info);
    return e.error;
}

const struct image_codec image_codec_png = {
    .name = "PNG",
    .recognise = recognise,
    .decode = decode,
    .size = size_of,
    .encode = encode,
};
