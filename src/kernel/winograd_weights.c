/*
 * The gradient of a convolution's weights by Winograd's algorithm: 3x3 sums over a 4x4 tile of dy
 * and the 6x6 patch of x beneath it. For every point the transformed tiles make a matrix product
 * over all tiles of the map; only at the end is the sum transformed back and added to dw.
 *
 * A tile of work is one piece of the kernel, one block of input channels and one block of output
 * channels. Neighbouring tiles that differ in the input channels are done together, because they
 * share the transform of dy. The squares of all images follow each other, so that small maps make
 * long sums, too.
 */
#include "kernel/winograd.h"

#include "kernel/integers.h"

enum {
    IN_BLOCK = 8,       /* input channels of a tile */
    OUT_VECTORS = 8,    /* vectors of output channels of a tile, at most */
    TOGETHER = 16,      /* tiles done together, at most */
    BATCH = 64,         /* squares transformed at once, even */
    PAIR_COST = 40,     /* vector operations to make BF16 pairs of them, besides */
    PATCH_COST = 170,   /* vector operations of a transform, per vector of channels */
    WEIGHTS_COST = 170, /* and of the transform back, per vector of weights */
};

/* How the weights are cut, and the sizes of a group of tiles done together. */
struct plan {
    int pieces_y, pieces_x;
    int in_blocks, out_blocks;
    int vectors;                   /* of output channels */
    int squares_y, squares_x;      /* tiles of dy, of one image */
    int per_slot;                  /* squares */
    ptrdiff_t in_width, out_width; /* channels of a group, in whole vectors */
    ptrdiff_t in_point, out_point, sum_point;
};

static struct plan plan_of(const struct conv_geometry *g, const struct dw_tiles *tiles)
{
    const int lanes = tiles->lanes;
    struct plan p = {
        .pieces_y = divide_up(g->kernel_h, WINOGRAD_PIECE),
        .pieces_x = divide_up(g->kernel_w, WINOGRAD_PIECE),
        .in_blocks = divide_up(g->in_c, IN_BLOCK),
        .vectors = divide_up(g->out_c, lanes),
        .squares_y = divide_up(g->out_h, WINOGRAD_TILE),
        .squares_x = divide_up(g->out_w, WINOGRAD_TILE),
        .per_slot = tiles->pair ? 2 : 1,
    };
    p.out_blocks = divide_up(p.vectors, OUT_VECTORS);
    p.in_width = (ptrdiff_t)divide_up(smaller(TOGETHER, p.in_blocks) * IN_BLOCK, lanes) * lanes;
    p.out_width = divide_up(p.vectors, p.out_blocks) * lanes;
    p.in_point = BATCH / p.per_slot * p.in_width + lanes;
    p.out_point = BATCH / p.per_slot * p.out_width + lanes;
    p.sum_point = p.in_width * p.out_width + lanes;
    return p;
}

bool winograd_weights_suits(const struct conv_geometry *g, const struct dw_tiles *tiles)
{
    if (g->stride != 1 || g->dilation != 1)
        return false;
    const struct plan p = plan_of(g, tiles);
    const int64_t squares = (int64_t)p.squares_y * p.squares_x;
    const int64_t pieces = (int64_t)p.pieces_y * p.pieces_x;
    const int64_t weights = (int64_t)g->in_c * p.vectors;
    const int64_t in_vectors = divide_up(g->in_c, tiles->lanes);
    const int64_t cost = PATCH_COST + (p.per_slot > 1 ? PAIR_COST : 0);
    const int64_t transforms =
        cost * (in_vectors * p.out_blocks + p.vectors * (int64_t)divide_up(p.in_blocks, TOGETHER));
    const int64_t products = WINOGRAD_POINTS * weights / p.per_slot;
    const int64_t fast = pieces * (squares * (products + transforms) + WEIGHTS_COST * weights);
    const int64_t taps = (int64_t)g->kernel_h * g->kernel_w;
    return fast * 5 < taps * weights * g->out_h * g->out_w / p.per_slot * 4;
}

int winograd_weights_tiles(const struct conv_geometry *g, const struct dw_tiles *tiles)
{
    const struct plan p = plan_of(g, tiles);
    return p.pieces_y * p.pieces_x * p.out_blocks * p.in_blocks;
}

size_t winograd_weights_scratch(const struct conv_geometry *g, const struct dw_tiles *tiles)
{
    const struct plan p = plan_of(g, tiles);
    return (size_t)WINOGRAD_POINTS * (size_t)(p.in_point + p.out_point + p.sum_point);
}

/* Some blocks of input channels by one block of output channels, of one piece. */
struct group {
    int piece_y, piece_x;
    int in0, n_in;   /* input channels */
    int out0, n_out; /* output channels */
};

/* Register tiles over one point's matrices: sums[ci][co] (+)= patches[.][ci] * grads[.][co]. */
static void multiply_point(const struct plan *p, const struct dw_tiles *tiles, int n_in,
                           int vectors, const float *patches, const float *grads, float *sums,
                           int n_slots, bool accumulate)
{
    const struct dw_span span = {
        .n_rows = 1,
        .n_columns = n_slots,
        .x_pixel = p->in_width,
        .dy_pixel = p->out_width,
        .dw_row = p->out_width,
        .last_lanes = tiles->lanes,
        .accumulate = accumulate,
    };
    for (int v = 0, n; v < vectors; v += n) {
        n = conv_vectors(vectors - v);
        const int max = tiles->max_rows[n - 1];
        const int blocks = divide_up(n_in, max);
        for (int i = 0, row = 0; i < blocks; i++) {
            const int rows = (n_in - row) / (blocks - i);
            tiles->tile[n - 1][rows - 1](&span, patches + row, grads + v * tiles->lanes,
                                         sums + row * p->out_width + v * tiles->lanes);
            row += rows;
        }
    }
}

/* Both maps' squares number `square` of all images. */
static void squares_at(const struct conv_geometry *g, const struct plan *p,
                       const struct group *group, int square, struct winograd_square *in,
                       struct winograd_square *out)
{
    const int per_image = p->squares_y * p->squares_x;
    const ptrdiff_t image = square / per_image;
    const int oy = square % per_image / p->squares_x * WINOGRAD_TILE;
    const int ox = square % per_image % p->squares_x * WINOGRAD_TILE;
    *in = winograd_square_at(oy + group->piece_y * WINOGRAD_PIECE - g->pad_top,
                             ox + group->piece_x * WINOGRAD_PIECE - g->pad_left, WINOGRAD_PATCH,
                             g->in_h, g->in_w, g->in_pitch);
    *out = winograd_square_at(oy, ox, WINOGRAD_TILE, g->out_h, g->out_w, g->out_pitch);
    in->origin += image * g->in_h * g->in_w * g->in_pitch;
    out->origin += image * g->out_h * g->out_w * g->out_pitch;
}

static void transform_batch(const struct conv_geometry *g, const struct plan *p,
                            const struct winograd_level *level, const struct group *group,
                            const float *x, const float *dy, int first, int n, float *patches,
                            float *grads)
{
    struct winograd_square in[2], out[2];
    for (int i = 0; i < n; i += p->per_slot) {
        const int present = smaller(p->per_slot, n - i);
        for (int k = 0; k < present; k++)
            squares_at(g, p, group, first + i + k, &in[k], &out[k]);
        level->x(in, present, x + group->in0, group->n_in, patches, p->in_point);
        level->dy(out, present, dy + group->out0, group->n_out, grads, p->out_point);
        patches += p->in_width;
        grads += p->out_width;
    }
}

static void run_group(const struct conv_geometry *g, const struct plan *p,
                      const struct winograd_level *level, const struct group *group, const float *x,
                      const float *dy, int n_images, float *dw, float *scratch)
{
    float *patches = scratch;
    float *grads = patches + WINOGRAD_POINTS * p->in_point;
    float *sums = grads + WINOGRAD_POINTS * p->out_point;
    const int vectors = divide_up(group->n_out, level->dw->lanes);
    const int n_squares = n_images * p->squares_y * p->squares_x;
    for (int first = 0; first < n_squares; first += BATCH) {
        const int n = smaller(BATCH, n_squares - first);
        transform_batch(g, p, level, group, x, dy, first, n, patches, grads);
        for (int point = 0; point < WINOGRAD_POINTS; point++)
            multiply_point(p, level->dw, group->n_in, vectors, patches + point * p->in_point,
                           grads + point * p->out_point, sums + point * p->sum_point,
                           divide_up(n, p->per_slot), first > 0);
    }
    struct winograd_square taps = {
        .pixel = (ptrdiff_t)g->in_c * g->out_c,
        .row = (ptrdiff_t)g->kernel_w * g->in_c * g->out_c,
        .y1 = smaller(WINOGRAD_PIECE, g->kernel_h - group->piece_y * WINOGRAD_PIECE),
        .x1 = smaller(WINOGRAD_PIECE, g->kernel_w - group->piece_x * WINOGRAD_PIECE),
    };
    for (int i = 0; i < group->n_in; i++) {
        taps.origin = WINOGRAD_PIECE * (group->piece_y * taps.row + group->piece_x * taps.pixel) +
                      (ptrdiff_t)(group->in0 + i) * g->out_c + group->out0;
        level->weights(&taps, sums + i * p->out_width, p->sum_point, group->n_out, dw);
    }
}

void winograd_weights_run(const struct conv_geometry *g, const struct winograd_level *level,
                          const float *x, const float *dy, int n_images, float *dw, int tile0,
                          int tile1, float *scratch)
{
    const int lanes = level->dw->lanes;
    const struct plan p = plan_of(g, level->dw);
    for (int tile = tile0, n; tile < tile1; tile += n) {
        const int in_block = tile % p.in_blocks;
        const int out_block = tile / p.in_blocks % p.out_blocks;
        const int piece = tile / (p.in_blocks * p.out_blocks);
        n = smaller(smaller(TOGETHER, tile1 - tile), p.in_blocks - in_block);
        struct group group = {
            .piece_y = piece / p.pieces_x,
            .piece_x = piece % p.pieces_x,
            .in0 = in_block * IN_BLOCK,
            .out0 = p.vectors * out_block / p.out_blocks * lanes,
        };
        group.n_in = smaller(n * IN_BLOCK, g->in_c - group.in0);
        group.n_out =
            smaller(p.vectors * (out_block + 1) / p.out_blocks * lanes, g->out_c) - group.out0;
        run_group(g, &p, level, &group, x, dy, n_images, dw, scratch);
    }
}
