/*
 * Forward and the gradient of the input by Winograd's algorithm. A batch of tiles is transformed,
 * multiplied point by point with the transformed weights and transformed back before the next one,
 * so that the values in between stay in the cache while the weights of a point are read once per
 * batch.
 */
#include "kernel/winograd.h"

#include "kernel/integers.h"

#include <string.h>

enum {
    BATCH_BYTES = 512 * 1024, /* of transformed source and sums */
    MIN_BATCH = 28,           /* tiles; fewer would read the weights too often */
    MANY_PIECES_BATCH = 16,   /* tiles of a call at least, where the weights exceed every cache */
    PATCH_COST = 170,         /* vector operations of a transform, per vector of channels */
    RESULT_COST = 150,
    MAX_LANES = 16, /* of any level */
    SOURCES = 16,   /* channels whose weights are transformed at once */
    PIECE_TAPS = WINOGRAD_PIECE * WINOGRAD_PIECE
};

/* Sizes that follow from a pass. */
struct plan {
    int pieces_y, pieces_x;
    int at_y, at_x; /* source coordinates of the first target's first tap */
    int tiles_y, tiles_x;
    int batch;
    int source_vectors;
    ptrdiff_t source_width, target_width; /* slots and channels in whole vectors */
    ptrdiff_t source_point, sum_point;    /* slots between points; not a power of 2 */
};

static struct plan plan_of(const struct conv_pass *pass, int lanes)
{
    struct plan p = {
        .pieces_y = divide_up(pass->kernel_h, WINOGRAD_PIECE),
        .pieces_x = divide_up(pass->kernel_w, WINOGRAD_PIECE),
        .at_y = pass->backward ? pass->pad_top - pass->kernel_h + 1 : -pass->pad_top,
        .at_x = pass->backward ? pass->pad_left - pass->kernel_w + 1 : -pass->pad_left,
        .tiles_y = divide_up(pass->target_h, WINOGRAD_TILE),
        .tiles_x = divide_up(pass->target_w, WINOGRAD_TILE),
        .source_vectors = divide_up(pass->source_c, lanes),
        .target_width = (ptrdiff_t)divide_up(pass->target_c, lanes) * lanes,
    };
    p.source_width = (ptrdiff_t)p.source_vectors * lanes / (pass->paired ? 2 : 1);
    const ptrdiff_t tile_bytes =
        (p.source_width + p.target_width) * WINOGRAD_POINTS * (ptrdiff_t)sizeof(float);
    p.batch = larger(MIN_BATCH, (int)(BATCH_BYTES / tile_bytes));
    if ((ptrdiff_t)p.tiles_y * p.tiles_x < p.batch)
        p.batch = p.tiles_y * p.tiles_x;
    p.source_point = p.batch * p.source_width + lanes;
    p.sum_point = p.batch * p.target_width + lanes;
    return p;
}

bool winograd_suits(const struct conv_pass *pass, int lanes)
{
    if (pass->stride != 1 || pass->dilation != 1)
        return false;
    const struct plan p = plan_of(pass, lanes);
    const int64_t slots = conv_pass_slots(pass);
    const int64_t targets = p.target_width / lanes;
    const int64_t pieces = (int64_t)p.pieces_y * p.pieces_x;
    const int64_t per_piece = WINOGRAD_POINTS * slots * targets + PATCH_COST * p.source_vectors;
    const int64_t fast = (pieces * per_piece + RESULT_COST * targets) * p.tiles_y * p.tiles_x;
    const int64_t taps = (int64_t)pass->kernel_h * pass->kernel_w;
    const int64_t direct = taps * slots * targets * pass->target_h * pass->target_w;
    return fast * 5 < direct * 4;
}

int winograd_rows(const struct conv_pass *pass)
{
    const int tiles = divide_up(pass->target_w, WINOGRAD_TILE);
    if (pass->kernel_h <= WINOGRAD_PIECE && pass->kernel_w <= WINOGRAD_PIECE)
        return WINOGRAD_TILE;
    return WINOGRAD_TILE * divide_up(MANY_PIECES_BATCH, tiles);
}

size_t winograd_packed(const struct conv_pass *pass, int lanes)
{
    const struct plan p = plan_of(pass, lanes);
    return (size_t)p.pieces_y * (size_t)p.pieces_x * WINOGRAD_POINTS *
           (size_t)conv_pass_slots(pass) * (size_t)p.target_width;
}

/* A block of weights to transform: some sources by `width` targets (whole vectors of them). */
struct weights {
    const float *first; /* of the block's first pair of channels, tap 0 */
    ptrdiff_t source_step, target_step;
    int n_sources, n_targets, width;
};

/* out[(source * 9 + tap) * width + target]; the sources are few, so that memory is read in lines.
 */
static void gather_tap(const struct weights *block, ptrdiff_t offset, float *out)
{
    const ptrdiff_t step = (ptrdiff_t)PIECE_TAPS * block->width;
    for (int k = 0; k < block->n_targets; k++) {
        const float *in = block->first + offset + k * block->target_step;
        for (int source = 0; source < block->n_sources; source++)
            out[source * step + k] = in[source * block->source_step];
    }
}

/* All taps of a piece, zeros beyond the kernel; the gradient's kernel is turned by 180 degrees. */
static void gather_piece(const struct conv_pass *pass, const struct weights *block, int piece_y,
                         int piece_x, float *out)
{
    const ptrdiff_t tap_size = (ptrdiff_t)pass->source_c * pass->target_c;
    const int last = pass->kernel_h * pass->kernel_w - 1;
    memset(out, 0, sizeof(*out) * (size_t)(SOURCES * PIECE_TAPS) * (size_t)block->width);
    for (int i = 0; i < PIECE_TAPS; i++) {
        const int y = piece_y * WINOGRAD_PIECE + i / WINOGRAD_PIECE;
        const int x = piece_x * WINOGRAD_PIECE + i % WINOGRAD_PIECE;
        const int tap = y * pass->kernel_w + x;
        if (y < pass->kernel_h && x < pass->kernel_w)
            gather_tap(block, (pass->backward ? last - tap : tap) * tap_size,
                       out + i * block->width);
    }
}

/*
 * (piece, point, block of target channels, source slot, channel in the block): each point is a
 * stream as the register tiles read it.
 */
void winograd_pack(const struct conv_pass *pass, const struct winograd_level *level, const float *w,
                   float *packed)
{
    float taps[SOURCES * PIECE_TAPS * CONV_MAX_VECTORS * MAX_LANES];
    const int lanes = level->conv->lanes;
    const struct plan p = plan_of(pass, lanes);
    const int vectors = (int)p.target_width / lanes;
    const ptrdiff_t point = conv_pass_slots(pass) * p.target_width;
    const int step = pass->paired ? 2 : 1;
    struct weights block = {.source_step = pass->backward ? 1 : pass->target_c,
                            .target_step = pass->backward ? pass->source_c : 1};
    for (int piece = 0; piece < p.pieces_y * p.pieces_x; piece++) {
        float *out = packed + piece * WINOGRAD_POINTS * point;
        for (int v = 0, n; v < vectors; v += n) {
            n = conv_vectors(vectors - v);
            block.width = n * lanes;
            block.n_targets = smaller(block.width, pass->target_c - v * lanes);
            for (int source = 0; source < pass->source_c; source += SOURCES) {
                block.n_sources = smaller(SOURCES, pass->source_c - source);
                block.first = w + source * block.source_step + v * lanes * block.target_step;
                gather_piece(pass, &block, piece / p.pieces_x, piece % p.pieces_x, taps);
                for (int i = 0; i < block.n_sources; i += step, out += block.width)
                    level->taps(taps + i * PIECE_TAPS * block.width, block.width, out, point);
            }
        }
    }
}

size_t winograd_scratch(const struct conv_pass *pass, int lanes)
{
    const struct plan p = plan_of(pass, lanes);
    return (size_t)WINOGRAD_POINTS * (size_t)(p.source_point + p.sum_point);
}

struct winograd_square winograd_square_at(int y, int x, int size, int h, int w, ptrdiff_t pitch)
{
    return (struct winograd_square){
        .origin = ((ptrdiff_t)y * w + x) * pitch,
        .row = w * pitch,
        .pixel = pitch,
        .y0 = larger(0, -y),
        .y1 = smaller(size, h - y),
        .x0 = larger(0, -x),
        .x1 = smaller(size, w - x),
    };
}

/* Multiply one piece of a batch: sums (+)= patches x weights, point by point. */
static void multiply(const struct conv_pass *pass, const struct plan *p,
                     const struct conv_tiles *tiles, const float *patches, const float *packed,
                     bool accumulate, float *sums, int n_tiles)
{
    const int vectors = (int)p->target_width / tiles->lanes;
    const struct conv_span span = {
        .n_rows = 1,
        .n_runs = 1,
        .run = conv_pass_slots(pass),
        .x_pixel = p->source_width,
        .y_pixel = p->target_width,
        .last_lanes = tiles->lanes,
        .accumulate = accumulate,
    };
    for (int point = 0; point < WINOGRAD_POINTS; point++) {
        for (int v = 0, n; v < vectors; v += n) {
            n = conv_vectors(vectors - v);
            conv_tiles_row(&span, tiles, n, patches, packed, sums + v * tiles->lanes, n_tiles);
            packed += (ptrdiff_t)n * tiles->lanes * span.run;
        }
        patches += p->source_point;
        sums += p->sum_point;
    }
}

static void patch(const struct conv_pass *pass, const struct winograd_level *level,
                  const struct winograd_maps *maps, int y, int x, float *out, ptrdiff_t point)
{
    const struct winograd_square s = winograd_square_at(y, x, WINOGRAD_PATCH, pass->source_h,
                                                        pass->source_w, pass->source_pitch);
    if (maps->call)
        level->patch_bf16(&s, maps->call->x, pass->source_c, out, point);
    else
        level->patch(&s, maps->source, pass->source_c, out, point);
}

/* The tile at (y, x), but only its rows row0 <= y < row1. */
static void result(const struct conv_pass *pass, const struct winograd_level *level,
                   const struct winograd_maps *maps, int y, int x, int row0, int row1,
                   const float *sums, ptrdiff_t point)
{
    struct winograd_square s =
        winograd_square_at(y, x, WINOGRAD_TILE, pass->target_h, pass->target_w, pass->target_pitch);
    s.y0 = larger(s.y0, row0 - y);
    s.y1 = smaller(s.y1, row1 - y);
    if (maps->call)
        level->result_bf16(&s, sums, point, pass->target_c, maps->call);
    else
        level->result(&s, sums, point, pass->target_c, maps->finish, maps->target);
}

void winograd_run(const struct conv_pass *pass, const struct winograd_level *level,
                  const struct winograd_maps *maps, const float *packed, int row0, int row1,
                  float *scratch)
{
    const struct plan p = plan_of(pass, level->conv->lanes);
    float *patches = scratch;
    float *sums = scratch + WINOGRAD_POINTS * p.source_point;
    const ptrdiff_t piece_size = WINOGRAD_POINTS * conv_pass_slots(pass) * p.target_width;
    const int end = divide_up(row1, WINOGRAD_TILE) * p.tiles_x;
    for (int first = row0 / WINOGRAD_TILE * p.tiles_x; first < end; first += p.batch) {
        const int n = smaller(p.batch, end - first);
        for (int piece = 0; piece < p.pieces_y * p.pieces_x; piece++) {
            const int y0 = p.at_y + piece / p.pieces_x * WINOGRAD_PIECE;
            const int x0 = p.at_x + piece % p.pieces_x * WINOGRAD_PIECE;
            for (int i = 0; i < n; i++)
                patch(pass, level, maps, (first + i) / p.tiles_x * WINOGRAD_TILE + y0,
                      (first + i) % p.tiles_x * WINOGRAD_TILE + x0, patches + i * p.source_width,
                      p.source_point);
            multiply(pass, &p, level->conv, patches, packed + piece * piece_size, piece > 0, sums,
                     n);
        }
        for (int i = 0; i < n; i++)
            result(pass, level, maps, (first + i) / p.tiles_x * WINOGRAD_TILE,
                   (first + i) % p.tiles_x * WINOGRAD_TILE, row0, row1, sums + i * p.target_width,
                   p.sum_point);
    }
}
