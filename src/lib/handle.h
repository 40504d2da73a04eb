/* What the files of the public library share; callers see bpnet.h alone. */
#ifndef LIB_HANDLE_H
#define LIB_HANDLE_H

#include "bpnet.h"
#include "io/image.h"

/*
 * People of a picture that was decoded as handle_fit() asks, or smaller or larger, as bpnet_run()
 * would have them of the whole one.
 */
struct image_fit handle_fit(const struct bpnet *net);
int handle_run(struct bpnet *net, const struct image *image, const struct image_scale *scale,
               const bpnet_people **people);

/* Memory for a picture that has to be repacked; zero-initialise. */
struct packed_picture {
    uint8_t *pixels;
    size_t capacity;
};

/*
 * The caller's picture as RGB or grey without gaps: itself where it already is so, else a copy in
 * `memory`. BPNET_EUSAGE for impossible sizes and strides.
 */
int packed_picture_make(struct image *out, struct packed_picture *memory, const bpnet_image *image);
void packed_picture_free(struct packed_picture *memory);

#endif
