/*
 * The walk of dot.h over a map: bands of rows, in them blocks of output channels, in them rows, in
 * them tiles. A block's weights are read again for every tile, so blocks come before rows: a block
 * of two vectors often stays in the nearest cache.
 */
#include "kernel/dot.h"

#include "kernel/dot_window.h"
#include "kernel/integers.h"

/* A block of output channels: whole vectors, and half a one in paired tiles. */
struct block {
    int channel;
    int vectors;
    bool half;
    int width; /* channels that exist */
};

/* The block at `channel`; odd halves are left to the last block. */
static struct block block_at(const struct dot_tiles *tiles, int channel, int out_c)
{
    const int left = out_c - channel;
    const int halves = divide_up(left, tiles->lanes / 2);
    struct block b = {.channel = channel, .vectors = 2};
    if (halves == 3 || halves == 5) {
        const int whole = halves / 2;
        b.half = tiles->max_paired[whole - 1] > 0;
        b.vectors = b.half ? whole : whole + 1;
    } else if (halves <= 2 * DOT_MAX_VECTORS) {
        b.vectors = (halves + 1) / 2;
    }
    b.width = smaller(left, b.vectors * tiles->lanes + (b.half ? tiles->lanes / 2 : 0));
    return b;
}

/* Bytes of the weight stream per group of 4 source bytes. */
static ptrdiff_t block_step(const struct dot_tiles *tiles, const struct block *b)
{
    return (ptrdiff_t)(b->vectors + b->half) * tiles->lanes * 4;
}

static ptrdiff_t groups(const struct dot_window *w)
{
    return (ptrdiff_t)w->n_rows * w->n_runs * w->run;
}

size_t dot_packed(const struct conv_shape *s, const struct dot_tiles *tiles)
{
    const struct dot_window w = dot_window_of(s, tiles->sort);
    ptrdiff_t bytes = 0;
    for (int c = 0; c < s->g.out_c;) {
        const struct block b = block_at(tiles, c, s->g.out_c);
        bytes += groups(&w) * block_step(tiles, &b);
        c += b.width;
    }
    return (size_t)(bytes + 63) / 64 * 64;
}

/* One weight as the tiles want it, behind the `at` ones before. */
static void put_weight(const struct conv_shape *s, enum dot_sort sort, const void *w,
                       ptrdiff_t index, void *out, ptrdiff_t at)
{
    if (sort == DOT_U8)
        ((int8_t *)out)[at] = index < 0 ? 0 : ((const int8_t *)w)[index];
    else if (sort == DOT_S16)
        ((int16_t *)out)[at] = index < 0 ? 0 : ((const int8_t *)w)[index];
    else if (sort == DOT_BF16)
        ((uint16_t *)out)[at] = index < 0 ? 0 : bf16_round(((const float *)w)[index]);
    else if (index < 0)
        ((float *)out)[at] = 0.0F;
    else
        ((float *)out)[at] = s->in == MAP_BF16 ? bf16_float(bf16_round(((const float *)w)[index]))
                                               : ((const float *)w)[index];
}

/* The weight of channel j and element i of a run; -1: there is none. */
static ptrdiff_t weight_index(const struct conv_shape *s, const struct dot_window *w, int row,
                              int run, int i, int j)
{
    const int tap = w->n_runs > 1 ? run : i / s->g.in_c;
    const int source = w->n_runs > 1 ? i : i % s->g.in_c;
    if (i >= w->run_elements || j < 0)
        return -1;
    return (((ptrdiff_t)row * s->g.kernel_w + tap) * s->g.in_c + source) * s->g.out_c + j;
}

/* The output channel of a stream's lane, -1: none. */
static int channel_of(const struct dot_tiles *tiles, const struct block *b, int lane)
{
    const int whole = b->vectors * tiles->lanes;
    const int at = lane < whole ? lane : whole + (lane - whole) % (tiles->lanes / 2);
    return at < b->width ? b->channel + at : -1;
}

void dot_pack(const struct conv_shape *s, const struct dot_tiles *tiles, const void *w,
              void *packed)
{
    const struct dot_window win = dot_window_of(s, tiles->sort);
    const int per_group = dot_per_group(tiles->sort);
    ptrdiff_t at = 0;
    for (int c = 0; c < s->g.out_c;) {
        const struct block b = block_at(tiles, c, s->g.out_c);
        const int lanes = (b.vectors + b.half) * tiles->lanes;
        for (int step = 0; step < win.n_rows * win.n_runs * win.run; step++) {
            const int first = step % win.run * per_group;
            const int run = step / win.run % win.n_runs;
            const int row = step / win.run / win.n_runs;
            for (int lane = 0; lane < lanes; lane++) {
                const int j = channel_of(tiles, &b, lane);
                for (int e = 0; e < per_group; e++)
                    put_weight(s, tiles->sort, w, weight_index(s, &win, row, run, first + e, j),
                               packed, at++);
            }
        }
        c += b.width;
    }
    const ptrdiff_t end = (ptrdiff_t)dot_packed(s, tiles) * per_group / 4;
    while (at < end)
        put_weight(s, tiles->sort, w, -1, packed, at++);
}

size_t dot_scratch(const struct conv_shape *s, const struct dot_tiles *tiles)
{
    const struct dot_window w = dot_window_of(s, tiles->sort);
    return dot_window_bytes(&w, s);
}

/* Rows, so that a team shares them out evenly whatever their number; bands are made of what a call
 * is given. */
int dot_items(const struct conv_shape *s)
{
    return s->g.out_h;
}

/* Neighbouring results, cut into tiles of nearly equal width; paired ones get even widths. */
static void run_row(const struct dot_span *span, const struct dot_tiles *tiles,
                    const struct block *b, const uint8_t *x, const uint8_t *w, const uint8_t *add,
                    uint8_t *y, int n)
{
    const int max = b->half ? tiles->max_paired[b->vectors - 1] : tiles->max_pixels[b->vectors - 1];
    const dot_tile *tile = b->half ? tiles->paired[b->vectors - 1] : tiles->tile[b->vectors - 1];
    const int n_tiles = divide_up(n, max);
    for (int i = 0, begin = 0; i < n_tiles; i++) {
        int width = (n - begin) / (n_tiles - i);
        if (b->half && width % 2 != 0 && width < max && i < n_tiles - 1)
            width++;
        tile[width - 1](span, x + begin * span->x_pixel, w,
                        add ? add + begin * span->add_pixel : NULL, y + begin * span->y_pixel);
        begin += width;
    }
}

/* What the sums of a block become. */
static void set_results(struct dot_span *span, const struct conv_call *call,
                        const struct dot_tiles *tiles, const struct block *b)
{
    const struct conv_constants *c = call->c;
    const bool whole = tiles->sort == DOT_U8 || tiles->sort == DOT_S16;
    span->last_lanes = b->width - (b->vectors - !b->half) * tiles->lanes;
    span->offset = whole ? c->offset + b->channel : NULL;
    span->multiplier = whole ? c->multiplier + b->channel : NULL;
    span->bias = c->bias + b->channel;
}

/* Output rows row0 <= y < row1 from a source whose (0, 0) is that of row0's first result. */
static void run_rows(const struct conv_call *call, const struct dot_tiles *tiles,
                     const struct dot_window *w, const struct dot_source *source, int row0,
                     int row1)
{
    const struct conv_geometry *g = &call->shape->g;
    const struct conv_constants *c = call->c;
    const ptrdiff_t size = (ptrdiff_t)map_type_size(call->shape->out);
    struct dot_span span = {
        .n_rows = w->n_rows,
        .n_runs = w->n_runs,
        .run = w->run,
        .x_row = g->dilation * source->row,
        .x_run = g->dilation * source->pixel,
        .x_pixel = g->stride * source->pixel,
        .out = call->shape->out,
        .adds = call->shape->adds,
        .y_pixel = g->out_pitch * size,
        .add_pixel = c->add_pitch * size,
        .low = c->low,
        .high = c->high,
        .add_scale = c->add_scale,
        .out_zero = c->out_zero,
        .add_zero = c->add_zero,
    };
    /* where rows follow each other without gaps they are one */
    const int n_rows = source->joined ? 1 : row1 - row0;
    const int width = source->joined ? (row1 - row0) * g->out_w : g->out_w;
    const uint8_t *weights = c->packed;
    for (int channel = 0; channel < g->out_c;) {
        const struct block b = block_at(tiles, channel, g->out_c);
        set_results(&span, call, tiles, &b);
        for (int row = 0; row < n_rows; row++) {
            const ptrdiff_t first = (ptrdiff_t)(row0 + row) * g->out_w;
            const uint8_t *add = NULL;
            if (span.adds)
                add = (const uint8_t *)call->add + first * span.add_pixel + channel * size;
            run_row(&span, tiles, &b, source->data + row * g->stride * source->row, weights, add,
                    (uint8_t *)call->y + first * span.y_pixel + channel * size, width);
        }
        weights += groups(w) * block_step(tiles, &b);
        channel += b.width;
    }
}

void dot_run(const struct conv_call *call, const struct dot_tiles *tiles, int item0, int item1)
{
    const struct dot_window w = dot_window_of(call->shape, tiles->sort);
    for (int row = item0; row < item1; row += w.band) {
        const int row1 = smaller(row + w.band, item1);
        const struct dot_source source = dot_window_fill(&w, call, row, row1);
        run_rows(call, tiles, &w, &source, row, row1);
    }
}
