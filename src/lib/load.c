/* Picture files, where the library was built with decoders. */
#include "bpnet.h"

#include "base/error.h"
#include "io/image.h"

#include <stdlib.h>

int bpnet_image_load(bpnet_image *out, const char *path)
{
    *out = (bpnet_image){0};
#ifdef BPNET_IMAGES
    struct image image;
    const int err = image_load(&image, path, 3);
    if (err < 0)
        return err;
    *out = (bpnet_image){
        .pixels = image.pixels, .width = image.w, .height = image.h, .format = BPNET_RGB};
    return BPNET_OK;
#else
    return error_set(BPNET_EUNSUPPORTED, "%s: this library was built without image decoding", path);
#endif
}

void bpnet_image_free(bpnet_image *image)
{
    free((void *)(uintptr_t)image->pixels);
    *image = (bpnet_image){0};
}
