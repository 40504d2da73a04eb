/* Pictures of callers: formats and strides that the predictor does not know are copied. */
#include "lib/handle.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* Bytes a pixel, and where red, green and blue are. */
static const struct layout {
    int bytes, channels;
    int rgb[3];
} layouts[] = {[BPNET_RGB] = {3, 3, {0, 1, 2}},
               [BPNET_BGR] = {3, 3, {2, 1, 0}},
               [BPNET_RGBA] = {4, 3, {0, 1, 2}},
               [BPNET_BGRA] = {4, 3, {2, 1, 0}},
               [BPNET_GREY] = {1, 1, {0, 0, 0}}};

enum { N_LAYOUTS = sizeof(layouts) / sizeof(layouts[0]) };

static int check(const bpnet_image *image, const struct layout **layout, ptrdiff_t *stride)
{
    if (!image->pixels || (unsigned)image->format >= N_LAYOUTS)
        return error_set(BPNET_EUSAGE, "a picture without pixels or of an unknown format (%d)",
                         (int)image->format);
    if (image->width < 1 || image->height < 1 || image->width > IMAGE_MAX_SIDE ||
        image->height > IMAGE_MAX_SIDE || (int64_t)image->width * image->height > IMAGE_MAX_PIXELS)
        return error_set(BPNET_EUSAGE,
                         "a picture of %d x %d pixels; expected 1 to %d a side and "
                         "at most %d million",
                         image->width, image->height, IMAGE_MAX_SIDE, IMAGE_MAX_PIXELS / 1000000);
    *layout = &layouts[image->format];
    const ptrdiff_t row = (ptrdiff_t)image->width * (*layout)->bytes;
    *stride = image->stride ? image->stride : row;
    if (*stride<row && * stride> - row)
        return error_set(BPNET_EUSAGE, "a stride of %td bytes, rows have %td", *stride, row);
    return BPNET_OK;
}

static int reserve(struct packed_picture *memory, size_t size)
{
    if (size <= memory->capacity)
        return BPNET_OK;
    free(memory->pixels);
    memory->capacity = 0;
    memory->pixels = malloc(size);
    if (!memory->pixels)
        return error_set(BPNET_ENOMEM, "no memory for a picture of %zu bytes", size);
    memory->capacity = size;
    return BPNET_OK;
}

static void copy_row(uint8_t *to, const uint8_t *from, int width, const struct layout *layout)
{
    if (layout->channels == 1) {
        memcpy(to, from, (size_t)width);
        return;
    }
    for (int x = 0; x < width; x++, to += 3, from += layout->bytes)
        for (int c = 0; c < 3; c++)
            to[c] = from[layout->rgb[c]];
}

int packed_picture_make(struct image *out, struct packed_picture *memory, const bpnet_image *image)
{
    const struct layout *layout = NULL;
    ptrdiff_t stride = 0;
    int err = check(image, &layout, &stride);
    if (err < 0)
        return err;
    *out = (struct image){.w = image->width, .h = image->height, .channels = layout->channels};
    const size_t row = (size_t)image->width * (size_t)layout->channels;
    if ((image->format == BPNET_RGB || image->format == BPNET_GREY) && stride == (ptrdiff_t)row) {
        out->pixels = (uint8_t *)(uintptr_t)image->pixels; /* only read */
        return BPNET_OK;
    }
    if ((err = reserve(memory, row * (size_t)image->height)) < 0)
        return err;
    for (int y = 0; y < image->height; y++)
        copy_row(memory->pixels + (size_t)y * row, image->pixels + y * stride, image->width,
                 layout);
    out->pixels = memory->pixels;
    return BPNET_OK;
}

void packed_picture_free(struct packed_picture *memory)
{
    free(memory->pixels);
    *memory = (struct packed_picture){0};
}
