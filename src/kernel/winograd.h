/*
 * Convolution with stride 1 by Winograd's minimal filtering: a tile of 4x4 results of a 3x3 kernel
 * takes 36 products per pair of channels instead of 144 (Lavin, Gray: Fast Algorithms for
 * Convolutional Neural Networks, 2016). The points are 0, +-3/4, +-3/2 and infinity: the
 * transforms' factors are exact in binary, and results err about twice as much as direct sums do
 * (with the usual 0, +-1, +-2 it is five times). Larger kernels are cut into 3x3 pieces, padded
 * with zeros, whose products are summed before the result is transformed back.
 *
 * Everything here is the same at every vector level; a level brings the transforms and the register
 * tiles, with which the 36 matrix products are done.
 *
 * In mixed precision the transforms' results are rounded to BF16, which the products take in
 * pairs: of channels, or of squares for the weights' gradient. The transform back amplifies this
 * rounding: relative to the results' usual size it is 1 %, five times that of direct sums of BF16.
 */
#ifndef KERNEL_WINOGRAD_H
#define KERNEL_WINOGRAD_H

#include "kernel/conv_kernel.h"
#include "kernel/conv_pass.h"
#include "kernel/conv_weights.h"

enum {
    WINOGRAD_PIECE = 3, /* taps of a piece, per axis */
    WINOGRAD_TILE = 4,  /* results of a tile, per axis */
    WINOGRAD_PATCH = 6, /* what they need: tile + piece - 1 */
    WINOGRAD_POINTS = WINOGRAD_PATCH * WINOGRAD_PATCH
};

/* The points, besides 0 and infinity: +-WINOGRAD_A, +-WINOGRAD_B. */
#define WINOGRAD_A 0.75F
#define WINOGRAD_B 1.5F

/* A square of pixels that may reach over a map's borders; outside are zeros. */
struct winograd_square {
    ptrdiff_t origin;     /* of the first pixel, in floats from the map's beginning; may be < 0 */
    ptrdiff_t row, pixel; /* floats between rows and pixels */
    int y0, y1, x0, x1;   /* the part inside: y0 <= y < y1, x0 <= x < x1, from the first pixel */
};

/* A square of `size` pixels whose first one is pixel (y, x) of a map of h x w pixels. */
struct winograd_square winograd_square_at(int y, int x, int size, int h, int w, ptrdiff_t pitch);

/*
 * Transforms of all channels of one square. Transformed values of point p (0..35) are at p * point;
 * channels are padded with zeros to whole vectors there.
 */
struct winograd_level {
    const struct conv_tiles *conv;
    const struct dw_tiles *dw;
    /* 3x3 taps x `width` pairs of channels, whole vectors of them. Mixed: of two source channels,
     * the second's taps behind the first's. */
    void (*taps)(const float *taps, int width, float *out, ptrdiff_t point);
    /* 6x6 pixels of a source map. Mixed: two channels to a slot. */
    void (*patch)(const struct winograd_square *s, const float *map, int channels, float *out,
                  ptrdiff_t point);
    /* 4x4 sums, finished and stored where they are inside. */
    void (*result)(const struct winograd_square *s, const float *in, ptrdiff_t point, int channels,
                   const struct conv_finish *finish, float *map);
    /* The same from and to maps of BF16, finished as a kernel for inference does. */
    void (*patch_bf16)(const struct winograd_square *s, const uint16_t *map, int channels,
                       float *out, ptrdiff_t point);
    void (*result_bf16)(const struct winograd_square *s, const float *in, ptrdiff_t point,
                        int channels, const struct conv_call *call);
    /* For the gradient of the weights, 6x6 pixels of x, and 4x4 pixels of dy: of one square. Mixed:
     * of n <= 2 squares, which share the slots; the second one is zero when there is none. */
    void (*x)(const struct winograd_square *s, int n, const float *map, int channels, float *out,
              ptrdiff_t point);
    void (*dy)(const struct winograd_square *s, int n, const float *map, int channels, float *out,
               ptrdiff_t point);
    /* 3x3 taps (those inside are wanted) of one input channel, added to dw. */
    void (*weights)(const struct winograd_square *s, const float *in, ptrdiff_t point, int channels,
                    float *dw);
};

/* Whether it is the faster way: by counting vector operations, from the geometry alone. */
bool winograd_suits(const struct conv_pass *pass, int lanes);

/* Target rows that suit one call. */
int winograd_rows(const struct conv_pass *pass);

size_t winograd_packed(const struct conv_pass *pass, int lanes);
void winograd_pack(const struct conv_pass *pass, const struct winograd_level *level, const float *w,
                   float *packed);
size_t winograd_scratch(const struct conv_pass *pass, int lanes);

/* Float maps, or those of `call`, which are BF16. */
struct winograd_maps {
    const float *source;
    float *target;
    const struct conv_finish *finish;
    const struct conv_call *call; /* NULL: the above */
};

void winograd_run(const struct conv_pass *pass, const struct winograd_level *level,
                  const struct winograd_maps *maps, const float *packed, int row0, int row1,
                  float *scratch);

#if defined(__x86_64__)
extern const struct winograd_level winograd_level_avx2, winograd_level_avx512;
extern const struct winograd_level winograd_level_avx512bf16; /* mixed precision */
#endif

/* The gradient of the weights, of n_images that follow each other. */
bool winograd_weights_suits(const struct conv_geometry *g, const struct dw_tiles *tiles);
int winograd_weights_tiles(const struct conv_geometry *g, const struct dw_tiles *tiles);
size_t winograd_weights_scratch(const struct conv_geometry *g, const struct dw_tiles *tiles);
void winograd_weights_run(const struct conv_geometry *g, const struct winograd_level *level,
                          const float *x, const float *dy, int n_images, float *dw, int tile0,
                          int tile1, float *scratch);

#endif
