/*
 * JPEG by libjpeg-turbo. Its errors jump; the warnings it would go on after (a truncated file, bad
 * codes) are errors here, since half a picture is not the picture.
 */
#include "io/image_codec.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

enum { MAX_SCANS = 200 }; /* a progressive bomb has thousands */

struct guard {
    struct jpeg_error_mgr manager; /* first: libjpeg sees only this */
    jmp_buf jump;
    char text[JMSG_LENGTH_MAX];
};

static void jump_out(j_common_ptr info)
{
    struct guard *guard = (struct guard *)info->err;
    guard->manager.format_message(info, guard->text);
    longjmp(guard->jump, 1);
}

static void on_message(j_common_ptr info, int level)
{
    if (level < 0) /* corrupt data */
        jump_out(info);
}

static void on_progress(j_common_ptr info)
{
    struct guard *guard = (struct guard *)info->err;
    if (((j_decompress_ptr)info)->input_scan_number > MAX_SCANS) {
        snprintf(guard->text, sizeof(guard->text), "more than %d progressive scans", MAX_SCANS);
        longjmp(guard->jump, 1);
    }
}

static void guard_init(struct guard *guard)
{
    jpeg_std_error(&guard->manager);
    guard->manager.error_exit = jump_out;
    guard->manager.emit_message = on_message;
}

/* ---- EXIF orientation -------------------------------------------------------------------- */

static unsigned read16(const uint8_t *p, int little)
{
    return little ? (unsigned)(p[0] | p[1] << 8) : (unsigned)(p[0] << 8 | p[1]);
}

static uint32_t read32(const uint8_t *p, int little)
{
    return little ? read16(p, 1) | (uint32_t)read16(p + 2, 1) << 16
                  : (uint32_t)read16(p, 0) << 16 | read16(p + 2, 0);
}

/* The orientation tag (0x0112) of the first image directory of an APP1 marker; 1 when absent. */
static int exif_orientation(const uint8_t *data, size_t n)
{
    if (n < 14 || memcmp(data, "Exif\0\0", 6) != 0)
        return 1;
    const uint8_t *tiff = data + 6;
    const size_t size = n - 6;
    const int little = tiff[0] == 'I';
    if (read16(tiff + 2, little) != 42)
        return 1;
    const size_t directory = read32(tiff + 4, little);
    if (directory > size - 2)
        return 1;
    const unsigned entries = read16(tiff + directory, little);
    for (unsigned i = 0; i < entries; i++) {
        const size_t entry = directory + 2 + 12 * (size_t)i;
        if (entry + 12 > size)
            return 1;
        if (read16(tiff + entry, little) == 0x0112) {
            const unsigned value = read16(tiff + entry + 8, little);
            return value >= 1 && value <= 8 ? (int)value : 1;
        }
    }
    return 1;
}

static int marker_orientation(const struct jpeg_decompress_struct *info)
{
    for (jpeg_saved_marker_ptr m = info->marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1)
            return exif_orientation(m->data, m->data_length);
    return 1;
}

/* Turn the picture upright: what orientation 2..8 says of its first row and column. */
static int turn(struct image *image, int orientation)
{
    if (orientation == 1)
        return BPNET_OK;
    const bool swaps = orientation >= 5;
    struct image out;
    const int error = image_alloc(&out, swaps ? image->h : image->w, swaps ? image->w : image->h,
                                  image->channels);
    if (error < 0)
        return error;
    const size_t c = (size_t)image->channels;
    const bool from_right =
        orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    const bool from_bottom =
        orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    for (int y = 0; y < out.h; y++) {
        for (int x = 0; x < out.w; x++) {
            const int u = swaps ? y : x, v = swaps ? x : y;
            const int sx = from_right ? image->w - 1 - u : u;
            const int sy = from_bottom ? image->h - 1 - v : v;
            memcpy(out.pixels + ((size_t)y * (size_t)out.w + (size_t)x) * c,
                   image->pixels + ((size_t)sy * (size_t)image->w + (size_t)sx) * c, c);
        }
    }
    image_free(image);
    *image = out;
    return BPNET_OK;
}

/* ---- decoding ---------------------------------------------------------------------------- */

/* Inverted CMYK, as Adobe writes it, to RGB in place (the row shrinks). */
static void cmyk_to_rgb(uint8_t *row, int w, bool inverted)
{
    for (int x = 0; x < w; x++) {
        const uint8_t *s = row + (size_t)x * 4;
        uint8_t ink[4];
        for (int k = 0; k < 4; k++)
            ink[k] = inverted ? s[k] : (uint8_t)(255 - s[k]);
        for (int k = 0; k < 3; k++)
            row[(size_t)x * 3 + (size_t)k] = (uint8_t)((ink[k] * ink[3] + 127) / 255);
    }
}

static void grey_from_rgb(uint8_t *row, const uint8_t *rgb, int w)
{
    for (int x = 0; x < w; x++)
        row[x] = (uint8_t)((299 * rgb[3 * x] + 587 * rgb[3 * x + 1] + 114 * rgb[3 * x + 2] + 500) /
                           1000);
}

struct decoding {
    struct guard guard;
    struct jpeg_decompress_struct info;
    struct jpeg_progress_mgr progress;
    struct image image;
    uint8_t *row; /* one CMYK row */
};

/* Runs under the guard: may jump out at any libjpeg call, so everything it owns is in `d`. */
static int decode_guarded(struct decoding *d, const uint8_t *bytes, size_t size, int channels,
                          int *orientation, const char *name)
{
    struct jpeg_decompress_struct *info = &d->info;
    jpeg_create_decompress(info);
    d->progress.progress_monitor = on_progress;
    info->progress = &d->progress;
    jpeg_mem_src(info, bytes, (unsigned long)size);
    jpeg_save_markers(info, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(info, TRUE);
    int error = image_check_size(info->image_width, info->image_height, name);
    if (error < 0)
        return error;
    *orientation = marker_orientation(info);
    const bool cmyk = info->num_components == 4;
    if (cmyk)
        info->out_color_space = JCS_CMYK;
    else
        info->out_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_start_decompress(info);
    const int w = (int)info->output_width, h = (int)info->output_height;
    if ((error = image_alloc(&d->image, w, h, channels)) < 0)
        return error;
    if (cmyk && !(d->row = malloc((size_t)w * 4)))
        return error_set(BPNET_ENOMEM, "%s: no memory for a row of %d pixels", name, w);
    while (info->output_scanline < info->output_height) {
        uint8_t *target =
            d->image.pixels + (size_t)info->output_scanline * (size_t)w * (size_t)channels;
        JSAMPROW row = cmyk ? d->row : target;
        jpeg_read_scanlines(info, &row, 1);
        if (cmyk) {
            cmyk_to_rgb(d->row, w, info->saw_Adobe_marker);
            if (channels == 3)
                memcpy(target, d->row, (size_t)w * 3);
            else
                grey_from_rgb(target, d->row, w);
        }
    }
    jpeg_finish_decompress(info);
    return BPNET_OK;
}

int jpeg_decode(struct image *out, const uint8_t *bytes, size_t size, int channels,
                const char *name)
{
    struct decoding *d = calloc(1, sizeof(*d));
    if (!d)
        return error_set(BPNET_ENOMEM, "%s: no memory for a JPEG decoder", name);
    guard_init(&d->guard);
    d->info.err = &d->guard.manager;
    int orientation = 1;
    volatile int error;
    if (setjmp(d->guard.jump))
        error = error_set(BPNET_EFORMAT, "%s: damaged JPEG: %s", name, d->guard.text);
    else
        error = decode_guarded(d, bytes, size, channels, &orientation, name);
    jpeg_destroy_decompress(&d->info);
    if (error == BPNET_OK && channels == 3)
        error = turn(&d->image, orientation);
    if (error == BPNET_OK)
        *out = d->image;
    else
        image_free(&d->image);
    free(d->row);
    free(d);
    return error;
}

int jpeg_size(const uint8_t *bytes, size_t size, int *w, int *h, const char *name)
{
    struct guard guard;
    struct jpeg_decompress_struct info = {0};
    guard_init(&guard);
    info.err = &guard.manager;
    if (setjmp(guard.jump)) {
        jpeg_destroy_decompress(&info);
        return error_set(BPNET_EFORMAT, "%s: damaged JPEG: %s", name, guard.text);
    }
    jpeg_create_decompress(&info);
    jpeg_mem_src(&info, bytes, (unsigned long)size);
    jpeg_save_markers(&info, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&info, TRUE);
    const bool swaps = marker_orientation(&info) >= 5;
    *w = (int)(swaps ? info.image_height : info.image_width);
    *h = (int)(swaps ? info.image_width : info.image_height);
    jpeg_destroy_decompress(&info);
    return image_check_size((uint64_t)*w, (uint64_t)*h, name);
}

int jpeg_encode(struct outfile *out, const struct image *image, int quality)
{
    struct guard guard;
    struct jpeg_compress_struct info = {0};
    guard_init(&guard);
    info.err = &guard.manager;
    if (setjmp(guard.jump)) {
        jpeg_destroy_compress(&info);
        return error_set_errno(BPNET_EIO, "%s: cannot write", out->path);
    }
    jpeg_create_compress(&info);
    jpeg_stdio_dest(&info, out->stream);
    info.image_width = (JDIMENSION)image->w;
    info.image_height = (JDIMENSION)image->h;
    info.input_components = image->channels;
    info.in_color_space = image->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    jpeg_set_defaults(&info);
    jpeg_set_quality(&info, quality, TRUE);
    jpeg_start_compress(&info, TRUE);
    while (info.next_scanline < info.image_height) {
        JSAMPROW row =
            image->pixels + (size_t)info.next_scanline * (size_t)image->w * (size_t)image->channels;
        jpeg_write_scanlines(&info, &row, 1);
    }
    jpeg_finish_compress(&info);
    jpeg_destroy_compress(&info);
    return BPNET_OK;
}
