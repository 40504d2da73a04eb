/*
 * The gradient of a convolution's weights by Winograd's algorithm: 3x3 sums over a 4x4 tile of dy
 * and the 6x6 patch of x beneath it. For every point the transformed tiles make a matrix product
 * over all tiles of the map; only at the end is the sum transformed back and added to dw.
 *
 * A tile of work is one piece of the kernel, one block of input channels and one block of output
 * channels. Neighbouring tiles that differ in the input channels are done together, because they
 * share the transform of dy.
 */
#include "kernel/winograd.h"

#include "kernel/integers.h"

enum {
    IN_BLOCK = 8,       /* input channels of a tile */
    OUT_VECTORS = 4,    /* vectors of output channels of a tile, at most */
    TOGETHER = 8,       /* tiles done together, at most */
    BATCH = 32,         /* squares transformed at once */
    PATCH_COST = 170,   /* vector operations of a transform, per vector of channels */
    WEIGHTS_COST = 170, /* and of the transform back, per vector of weights */
};

/* How the weights are cut, and the sizes of a group of tiles done together. */
struct plan {
    int pieces_y, pieces_x;
    int in_blocks, out_blocks;
    int vectors;              /* of output channels */
    int squares_y, squares_x; /* tiles of dy */
    int batch;
    ptrdiff_t in_width, out_width; /* channels of a group, in whole vectors */
    ptrdiff_t in_point, out_point, sum_point;
};

static struct plan plan_of(const struct conv_geometry *g, int lanes)
{
    struct plan p = {
        .pieces_y = divide_up(g->kernel_h, WINOGRAD_PIECE),
        .pieces_x = divide_up(g->kernel_w, WINOGRAD_PIECE),
        .in_blocks = divide_up(g->in_c, IN_BLOCK),
        .vectors = divide_up(g->out_c, lanes),
        .squares_y = divide_up(g->out_h, WINOGRAD_TILE),
        .squares_x = divide_up(g->out_w, WINOGRAD_TILE),
    };
    p.out_blocks = divide_up(p.vectors, OUT_VECTORS);
    p.batch = smaller(BATCH, p.squares_y * p.squares_x);
    p.in_width = (ptrdiff_t)divide_up(smaller(TOGETHER, p.in_blocks) * IN_BLOCK, lanes) * lanes;
    p.out_width = divide_up(p.vectors, p.out_blocks) * lanes;
    p.in_point = p.batch * p.in_width + lanes;
    p.out_point = p.batch * p.out_width + lanes;
    p.sum_point = p.in_width * p.out_width + lanes;
    return p;
}

bool winograd_weights_suits(const struct conv_geometry *g, int lanes)
{
    if (g->stride != 1 || g->dilation != 1)
        return false;
    const struct plan p = plan_of(g, lanes);
    const int64_t squares = (int64_t)p.squares_y * p.squares_x;
    const int64_t pieces = (int64_t)p.pieces_y * p.pieces_x;
    const int64_t weights = (int64_t)g->in_c * p.vectors;
    const int64_t in_vectors = divide_up(g->in_c, lanes);
    const int64_t transforms = PATCH_COST * (in_vectors * p.out_blocks +
                                             p.vectors * (int64_t)divide_up(p.in_blocks, TOGETHER));
    const int64_t fast =
        pieces * (squares * (WINOGRAD_POINTS * weights + transforms) + WEIGHTS_COST * weights);
    const int64_t taps = (int64_t)g->kernel_h * g->kernel_w;
    return fast * 5 < taps * weights * g->out_h * g->out_w * 4;
}

int winograd_weights_tiles(const struct conv_geometry *g, int lanes)
{
    const struct plan p = plan_of(g, lanes);
    return p.pieces_y * p.pieces_x * p.out_blocks * p.in_blocks;
}

size_t winograd_weights_scratch(const struct conv_geometry *g, int lanes)
{
    const struct plan p = plan_of(g, lanes);
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
                           int n_squares, bool accumulate)
{
    const struct dw_span span = {
        .n_rows = 1,
        .n_columns = n_squares,
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

static void transform_batch(const struct conv_geometry *g, const struct plan *p,
                            const struct winograd_level *level, const struct group *group,
                            const float *x, const float *dy, int first, int n, float *patches,
                            float *grads)
{
    const int y0 = group->piece_y * WINOGRAD_PIECE - g->pad_top;
    const int x0 = group->piece_x * WINOGRAD_PIECE - g->pad_left;
    for (int i = 0; i < n; i++) {
        const int oy = (first + i) / p->squares_x * WINOGRAD_TILE;
        const int ox = (first + i) % p->squares_x * WINOGRAD_TILE;
        const struct winograd_square in =
            winograd_square_at(oy + y0, ox + x0, WINOGRAD_PATCH, g->in_h, g->in_w, g->in_pitch);
        const struct winograd_square out =
            winograd_square_at(oy, ox, WINOGRAD_TILE, g->out_h, g->out_w, g->out_pitch);
        level->patch(&in, x + group->in0, group->n_in, patches + i * p->in_width, p->in_point);
        level->grad(&out, dy + group->out0, group->n_out, grads + i * p->out_width, p->out_point);
    }
}

static void run_group(const struct conv_geometry *g, const struct plan *p,
                      const struct winograd_level *level, const struct group *group, const float *x,
                      const float *dy, float *dw, float *scratch)
{
    float *patches = scratch;
    float *grads = patches + WINOGRAD_POINTS * p->in_point;
    float *sums = grads + WINOGRAD_POINTS * p->out_point;
    const int vectors = divide_up(group->n_out, level->dw->lanes);
    const int n_squares = p->squares_y * p->squares_x;
    for (int first = 0; first < n_squares; first += p->batch) {
        const int n = smaller(p->batch, n_squares - first);
        transform_batch(g, p, level, group, x, dy, first, n, patches, grads);
        for (int point = 0; point < WINOGRAD_POINTS; point++)
            multiply_point(p, level->dw, group->n_in, vectors, patches + point * p->in_point,
                           grads + point * p->out_point, sums + point * p->sum_point, n, first > 0);
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
                          const float *x, const float *dy, float *dw, int tile0, int tile1,
                          float *scratch)
{
    const int lanes = level->dw->lanes;
    const struct plan p = plan_of(g, lanes);
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
        run_group(g, &p, level, &group, x, dy, dw, scratch);
    }
}
