/* EXIF orientation: TIFF structure in a JPEG segment (EXIF 2.32, 4.6.4, tag 0x0112). */
#include "io/exif.h"

#include "base/error.h"

#include <stdbool.h>
#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, ENTRY_SIZE = 12 };

struct tiff {
    const uint8_t *bytes;
    size_t size;
    bool big_endian;
};

static unsigned read16(const struct tiff *t, size_t at)
{
    const uint8_t *p = t->bytes + at;
    return t->big_endian ? (unsigned)p[0] << 8 | p[1] : (unsigned)p[1] << 8 | p[0];
}

static size_t read32(const struct tiff *t, size_t at)
{
    const size_t first = read16(t, at), second = read16(t, at + 2);
    return t->big_endian ? first << 16 | second : second << 16 | first;
}

int exif_orientation(const uint8_t *segment, size_t size)
{
    if (size < 6 + 8 || memcmp(segment, "Exif\0\0", 6) != 0)
        return 0;
    struct tiff t = {.bytes = segment + 6, .size = size - 6};
    if (memcmp(t.bytes, "II*\0", 4) != 0 && memcmp(t.bytes, "MM\0*", 4) != 0)
        return 0;
    t.big_endian = t.bytes[0] == 'M';
    const size_t folder = read32(&t, 4);
    if (folder > t.size - 2)
        return 0;
    const size_t entries = read16(&t, folder);
    for (size_t i = 0; i < entries; i++) {
        const size_t at = folder + 2 + i * ENTRY_SIZE;
        if (at + ENTRY_SIZE > t.size)
            return 0;
        if (read16(&t, at) != TAG_ORIENTATION)
            continue;
        const unsigned value = read16(&t, at + 8);
        const bool proper = read16(&t, at + 2) == TYPE_SHORT && value >= 1 && value <= 8;
        return proper ? (int)value : 0;
    }
    return 0;
}

/* What was left out at the right and the bottom may now be at the left and the top. */
static void turn_scale(struct image_scale *scale, bool swap, bool mirror_x, bool mirror_y)
{
    const int w = swap ? scale->h : scale->w, h = swap ? scale->w : scale->h;
    scale->w = w;
    scale->h = h;
    scale->left = mirror_x ? w % scale->shrink : 0;
    scale->top = mirror_y ? h % scale->shrink : 0;
}

int exif_turn(struct image *image, struct image_scale *scale, int orientation)
{
    if (orientation <= 1 || orientation > 8)
        return BPNET_OK;
    /* What is stored has its first row and column at these sides of the upright picture. */
    const bool swap = orientation >= 5; /* rows are columns */
    const bool mirror_x =
        orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
    const bool mirror_y =
        orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
    const size_t c = (size_t)image->channels;
    const size_t stored_w = (size_t)image->w, stored_h = (size_t)image->h;
    struct image upright;
    const int error = swap ? image_alloc(&upright, image->h, image->w, image->channels)
                           : image_alloc(&upright, image->w, image->h, image->channels);
    if (error < 0)
        return error;
    const uint8_t *in = image->pixels;
    for (size_t y = 0; y < stored_h; y++)
        for (size_t x = 0; x < stored_w; x++, in += c) {
            size_t to_x = swap ? y : x, to_y = swap ? x : y;
            if (mirror_x)
                to_x = (size_t)upright.w - 1 - to_x;
            if (mirror_y)
                to_y = (size_t)upright.h - 1 - to_y;
            memcpy(upright.pixels + (to_y * (size_t)upright.w + to_x) * c, in, c);
        }
    image_free(image);
    *image = upright;
    turn_scale(scale, swap, mirror_x, mirror_y);
    return BPNET_OK;
}
