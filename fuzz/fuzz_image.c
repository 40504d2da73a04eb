/* Any bytes as a JPEG or PNG, in colour and in grey, and as EXIF. */
#include "base/error.h"
#include "fuzz.h"
#include "io/exif.h"
#include "io/image.h"

static int by_size(const void *ctx, int w, int h)
{
    (void)ctx;
    return 1 << (w + h) % 4;
}

static void decode_smaller(const uint8_t *bytes, size_t size)
{
    const struct image_fit fit = {by_size, NULL};
    struct image image;
    struct image_scale scale;
    if (image_decode_fit(&image, &scale, bytes, size, &fit, "it") == BPNET_OK) {
        require(image.w == scale.w / scale.shrink && image.h == scale.h / scale.shrink);
        require(image.w > 0 && image.h > 0 && image.channels == 3);
        touch(image.pixels, (size_t)image.w * (size_t)image.h * 3);
    } else {
        require(!image.pixels);
    }
    image_free(&image);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    for (int channels = 1; channels <= 3; channels += 2) {
        struct image image;
        if (image_decode(&image, bytes, size, channels, "it") == BPNET_OK) {
            require(image.w > 0 && image.h > 0 && image.channels == channels);
            touch(image.pixels, (size_t)image.w * (size_t)image.h * (size_t)channels);
        } else {
            require(!image.pixels);
        }
        image_free(&image);
    }
    decode_smaller(bytes, size);
    const int orientation = exif_orientation(bytes, size);
    require(orientation >= 0 && orientation <= 8);
    return 0;
}
