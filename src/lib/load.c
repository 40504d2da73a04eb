/* Picture files, where the library was built with decoders. */
#include "lib/handle.h"

#include "base/error.h"

#include <stdlib.h>

#ifdef BPNET_IMAGES
static int load(struct image *out, struct image_scale *scale, const char *path,
                const struct image_fit *fit)
{
    return image_load_fit(out, scale, path, fit);
}

static int decode(struct image *out, struct image_scale *scale, const void *bytes, size_t size,
                  const struct image_fit *fit, const char *name)
{
    return image_decode_fit(out, scale, bytes, size, fit, name);
}
#else
static int decode(struct image *out, struct image_scale *scale, const void *bytes, size_t size,
                  const struct image_fit *fit, const char *name)
{
    (void)scale;
    (void)bytes;
    (void)size;
    (void)fit;
    *out = (struct image){0};
    return error_set(BPNET_EUNSUPPORTED, "%s: this library was built without image decoding", name);
}

static int load(struct image *out, struct image_scale *scale, const char *path,
                const struct image_fit *fit)
{
    return decode(out, scale, NULL, 0, fit, path);
}
#endif

int bpnet_image_load(bpnet_image *out, const char *path)
{
    struct image image;
    struct image_scale scale;
    *out = (bpnet_image){0};
    const int err = load(&image, &scale, path, NULL);
    if (err < 0)
        return err;
    *out = (bpnet_image){
        .pixels = image.pixels, .width = image.w, .height = image.h, .format = BPNET_RGB};
    return BPNET_OK;
}

void bpnet_image_free(bpnet_image *image)
{
    free((void *)(uintptr_t)image->pixels);
    *image = (bpnet_image){0};
}

int bpnet_run_file(bpnet *net, const char *path, const bpnet_people **people)
{
    const struct image_fit fit = handle_fit(net);
    struct image image;
    struct image_scale scale;
    *people = NULL;
    int err = load(&image, &scale, path, &fit);
    if (err == BPNET_OK)
        err = handle_run(net, &image, &scale, people);
    free(image.pixels);
    return err;
}

int bpnet_run_encoded(bpnet *net, const void *bytes, size_t size, const bpnet_people **people)
{
    const struct image_fit fit = handle_fit(net);
    struct image image;
    struct image_scale scale;
    *people = NULL;
    int err = decode(&image, &scale, bytes, size, &fit, "picture");
    if (err == BPNET_OK)
        err = handle_run(net, &image, &scale, people);
    free(image.pixels);
    return err;
}
