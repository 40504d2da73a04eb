/*
 * JPEG through libjpeg-turbo. The library reports by longjmp, so all state that has to survive one
 * lives in a struct of the caller. A file that ends early or is damaged is an error here, where the
 * library would paint the rest grey and warn.
 */
#include "base/error.h"
#include "io/exif.h"
#include "io/image_codec.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h> /* after it: what it lists depends on the library's build */

enum {
    /* Encoders write about ten; every scan costs a pass over the whole picture. */
    MAX_SCANS = 100,
    /* A block of 64 pixels takes at least one bit, so a byte holds at most this many. */
    MAX_PIXELS_A_BYTE = 512,
};

struct decoder {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    jmp_buf failed;
    int error;
    const char *name;
    size_t size;
    struct image image;
    int shrink;
    uint8_t *row; /* of the library's: with four inks, or longer than the picture's */
};

struct encoder {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jmp_buf failed;
    int error;
    const char *name;
};

/* ---- what the library calls back --------------------------------------------------------- */

static int code_of(int message)
{
    switch (message) {
    case JERR_OUT_OF_MEMORY: return BPNET_ENOMEM;
    case JERR_BAD_PRECISION:
    case JERR_SOF_UNSUPPORTED:
    case JERR_CONVERSION_NOTIMPL: return BPNET_EUNSUPPORTED;
    default: return BPNET_EFORMAT;
    }
}

static struct decoder *decoder_of(j_common_ptr jpeg)
{
    return jpeg->client_data;
}

static void decode_fail(j_common_ptr jpeg)
{
    struct decoder *d = decoder_of(jpeg);
    char text[JMSG_LENGTH_MAX];
    d->errors.format_message(jpeg, text);
    d->error = error_set(code_of(d->errors.msg_code), "%s: damaged JPEG: %s", d->name, text);
    longjmp(d->failed, 1);
}

/* Warnings that mean pixels are missing are errors; stray bytes between markers are harmless. */
static void decode_message(j_common_ptr jpeg, int level)
{
    if (level >= 0)
        return;
    switch (jpeg->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_MUST_RESYNC: decode_fail(jpeg); break;
    default: break;
    }
}

static boolean source_ended(j_decompress_ptr jpeg)
{
    struct decoder *d = decoder_of((j_common_ptr)jpeg);
    d->error =
        error_set(BPNET_EFORMAT, "%s: truncated JPEG: ends after %zu bytes", d->name, d->size);
    longjmp(d->failed, 1);
}

static void source_skip(j_decompress_ptr jpeg, long n)
{
    if (n <= 0)
        return;
    if ((size_t)n > jpeg->src->bytes_in_buffer)
        source_ended(jpeg);
    jpeg->src->next_input_byte += n;
    jpeg->src->bytes_in_buffer -= (size_t)n;
}

static void source_nothing(j_decompress_ptr jpeg)
{
    (void)jpeg;
}

static void limit_scans(j_common_ptr jpeg)
{
    struct decoder *d = decoder_of(jpeg);
    if (d->jpeg.input_scan_number <= MAX_SCANS)
        return;
    d->error =
        error_set(BPNET_ELIMIT, "%s: a progressive JPEG of more than %d scans", d->name, MAX_SCANS);
    longjmp(d->failed, 1);
}

/* ---- decoding ---------------------------------------------------------------------------- */

static void decoder_start(struct decoder *d, const uint8_t *bytes, size_t size)
{
    d->size = size;
    d->source = (struct jpeg_source_mgr){
        .next_input_byte = bytes,
        .bytes_in_buffer = size,
        .init_source = source_nothing,
        .fill_input_buffer = source_ended,
        .skip_input_data = source_skip,
        .resync_to_restart = jpeg_resync_to_restart,
        .term_source = source_nothing,
    };
    d->jpeg.src = &d->source;
    d->progress.progress_monitor = limit_scans;
    d->jpeg.progress = &d->progress;
}

/* The picture's size and whether it can be what the header says; ends by longjmp if not. */
static void read_header(struct decoder *d)
{
    jpeg_save_markers(&d->jpeg, JPEG_APP0 + 1, 0xffff); /* EXIF */
    jpeg_read_header(&d->jpeg, TRUE);
    const uint64_t w = d->jpeg.image_width, h = d->jpeg.image_height;
    d->error = image_check_size(w, h, d->name);
    if (d->error == BPNET_OK && !d->jpeg.arith_code && w * h / MAX_PIXELS_A_BYTE > d->size)
        d->error =
            error_set(BPNET_EFORMAT, "%s: truncated JPEG: %zu bytes cannot hold its %d x %d pixels",
                      d->name, d->size, (int)w, (int)h);
    if (d->error < 0)
        longjmp(d->failed, 1);
}

static int orientation_of(const struct decoder *d)
{
    for (jpeg_saved_marker_ptr m = d->jpeg.marker_list; m; m = m->next)
        if (m->marker == JPEG_APP0 + 1) {
            const int found = exif_orientation(m->data, m->data_length);
            if (found)
                return found;
        }
    return 1;
}

/* Ink to light. Files with an Adobe marker store the inks inverted. */
static void cmyk_row(uint8_t *out, const uint8_t *in, int w, int channels, bool inverted)
{
    for (int x = 0; x < w; x++, in += 4) {
        const unsigned flip = inverted ? 0 : 255;
        const unsigned k = in[3] ^ flip;
        unsigned rgb[3];
        for (int i = 0; i < 3; i++)
            rgb[i] = ((in[i] ^ flip) * k + 127) / 255;
        if (channels == 1) {
            *out++ = image_luma(rgb[0], rgb[1], rgb[2]);
        } else {
            for (int i = 0; i < 3; i++)
                *out++ = (uint8_t)rgb[i];
        }
    }
}

static void choose_colours(struct decoder *d, int channels)
{
    const J_COLOR_SPACE space = d->jpeg.jpeg_color_space;
    if (space == JCS_CMYK || space == JCS_YCCK)
        d->jpeg.out_color_space = JCS_CMYK;
    else
        d->jpeg.out_color_space = channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
}

/* Fewer pixels a block, as `fit` asks; no side vanishes. */
static void choose_size(struct decoder *d, const struct image_fit *fit, int orientation)
{
    const int w = (int)d->jpeg.image_width, h = (int)d->jpeg.image_height;
    const bool on_its_side = orientation >= 5;
    d->shrink = fit ? fit->shrink(fit->ctx, on_its_side ? h : w, on_its_side ? w : h) : 1;
    while (d->shrink > 1 && (d->shrink > w || d->shrink > h))
        d->shrink /= 2;
    d->jpeg.scale_num = (unsigned)(DCTSIZE / d->shrink);
    d->jpeg.scale_denom = DCTSIZE;
}

/* Memory for the picture, and for a row where the library's are not the picture's. */
static void reserve(struct decoder *d, int channels)
{
    /* The library has a pixel for the rest at the border, of which the file says less. */
    const int w = (int)d->jpeg.image_width / d->shrink, h = (int)d->jpeg.image_height / d->shrink;
    const bool larger = (int)d->jpeg.output_width > w || (int)d->jpeg.output_height > h;
    if ((d->error = image_alloc(&d->image, w, h, channels)) < 0)
        longjmp(d->failed, 1);
    const size_t bytes = (size_t)d->jpeg.output_width * (size_t)d->jpeg.output_components;
    if ((d->jpeg.out_color_space == JCS_CMYK || larger) && !(d->row = malloc(bytes))) {
        d->error = error_set(BPNET_ENOMEM, "%s: no memory for a row", d->name);
        longjmp(d->failed, 1);
    }
}

static void decode_rows(struct decoder *d, int channels)
{
    choose_colours(d, channels);
    jpeg_start_decompress(&d->jpeg);
    reserve(d, channels);
    const bool cmyk = d->jpeg.out_color_space == JCS_CMYK;
    const size_t stride = (size_t)d->image.w * (size_t)channels;
    while (d->jpeg.output_scanline < d->jpeg.output_height) {
        const int y = (int)d->jpeg.output_scanline;
        uint8_t *row = y < d->image.h ? d->image.pixels + stride * (size_t)y : NULL;
        JSAMPROW into = d->row ? d->row : row;
        jpeg_read_scanlines(&d->jpeg, &into, 1);
        if (row && cmyk)
            cmyk_row(row, d->row, d->image.w, channels, d->jpeg.saw_Adobe_marker);
        else if (row && d->row)
            memcpy(row, d->row, stride);
    }
    jpeg_finish_decompress(&d->jpeg);
}

/* Run one of the two things one does with a file, between the library's set-up and clean-up. */
static int run(struct decoder *d, const uint8_t *bytes, size_t size, int channels,
               const struct image_fit *fit, int *orientation)
{
    d->jpeg.err = jpeg_std_error(&d->errors);
    d->errors.error_exit = decode_fail;
    d->errors.emit_message = decode_message;
    d->jpeg.client_data = d;
    if (setjmp(d->failed) == 0) {
        jpeg_create_decompress(&d->jpeg);
        decoder_start(d, bytes, size);
        read_header(d);
        *orientation = orientation_of(d);
        if (channels) {
            choose_size(d, fit, *orientation);
            decode_rows(d, channels);
        }
    }
    jpeg_destroy_decompress(&d->jpeg);
    free(d->row);
    return d->error;
}

static int decode(struct image *out, struct image_scale *scale, const uint8_t *bytes, size_t size,
                  int channels, const struct image_fit *fit, const char *name)
{
    struct decoder d = {.name = name};
    int orientation = 1;
    int error = run(&d, bytes, size, channels, fit, &orientation);
    if (error == BPNET_OK) {
        *scale = (struct image_scale){
            .shrink = d.shrink, .w = (int)d.jpeg.image_width, .h = (int)d.jpeg.image_height};
        if (channels == 3)
            error = exif_turn(&d.image, scale, orientation);
    }
    if (error < 0)
        image_free(&d.image);
    *out = d.image;
    return error;
}

static int size_of(int *w, int *h, const uint8_t *bytes, size_t size, const char *name)
{
    struct decoder d = {.name = name};
    int orientation = 1;
    const int error = run(&d, bytes, size, 0, NULL, &orientation);
    if (error < 0)
        return error;
    const bool on_its_side = orientation >= 5;
    *w = (int)(on_its_side ? d.jpeg.image_height : d.jpeg.image_width);
    *h = (int)(on_its_side ? d.jpeg.image_width : d.jpeg.image_height);
    return BPNET_OK;
}

static bool recognise(const uint8_t *bytes, size_t size)
{
    return size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0;
}

/* ---- encoding ---------------------------------------------------------------------------- */

static void encode_fail(j_common_ptr jpeg)
{
    struct encoder *e = jpeg->client_data;
    char text[JMSG_LENGTH_MAX];
    e->errors.format_message(jpeg, text);
    if (e->errors.msg_code == JERR_FILE_WRITE)
        e->error = error_set_errno(BPNET_EIO, "%s: cannot write", e->name);
    else
        e->error = error_set(BPNET_ENOMEM, "%s: cannot encode as JPEG: %s", e->name, text);
    longjmp(e->failed, 1);
}

static void encode_rows(struct encoder *e, FILE *stream, const struct image *image, int quality)
{
    jpeg_stdio_dest(&e->jpeg, stream);
    e->jpeg.image_width = (JDIMENSION)image->w;
    e->jpeg.image_height = (JDIMENSION)image->h;
    e->jpeg.input_components = image->channels;
    e->jpeg.in_color_space = image->channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    jpeg_set_defaults(&e->jpeg);
    jpeg_set_quality(&e->jpeg, quality, TRUE);
    jpeg_start_compress(&e->jpeg, TRUE);
    const size_t stride = (size_t)image->w * (size_t)image->channels;
    while (e->jpeg.next_scanline < e->jpeg.image_height) {
        JSAMPROW row = image->pixels + stride * e->jpeg.next_scanline;
        jpeg_write_scanlines(&e->jpeg, &row, 1);
    }
    jpeg_finish_compress(&e->jpeg);
}

static int encode(struct outfile *out, const struct image *image, int quality)
{
    struct encoder e = {.name = out->path};
    e.jpeg.err = jpeg_std_error(&e.errors);
    e.errors.error_exit = encode_fail;
    e.jpeg.client_data = &e;
    if (setjmp(e.failed) == 0) {
        jpeg_create_compress(&e.jpeg);
        encode_rows(&e, out->stream, image, quality);
    }
    jpeg_destroy_compress(&e.jpeg);
    return e.error;
}

const struct image_codec image_codec_jpeg = {
    .name = "JPEG",
    .recognise = recognise,
    .decode = decode,
    .size = size_of,
    .encode = encode,
};
