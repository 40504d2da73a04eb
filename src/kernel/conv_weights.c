/*
 * Why like this: for a single tap no border copy is needed, because the output pixels that reach
 * outside through it can simply be left out. With few input channels (the first layer has 3) a
 * tile of one tap would be too small, so the taps of a kernel row are taken together; then rows
 * are copied with their zeros as in the forward pass, which is cheap with few channels. Pairs of
 * pixels must be made in any case, so there the whole band is copied, with its zeros.
 */
#include "kernel/conv_weights.h"

#include "kernel/integers.h"

enum {
    BAND_FLOATS = 64 * 1024, /* of x and dy together */
    FEW_CHANNELS = 7,        /* at most so many: taps of a kernel row together */
    MIN_TILES = 6,           /* so that a few threads find work */
    MIN_ROWS = 4             /* but tiles stay large enough to hide latencies */
};

/* How the weights are cut into tiles: taps x row blocks x vector blocks. */
struct cut {
    bool joined; /* a "tap" is a kernel row, and its rows are KW * CI */
    int taps;
    int rows, row_blocks; /* rows of a tap, and the blocks of nearly equal size they make */
    int vectors, vector_blocks;
};

/* The output pixels of one axis whose input lies inside the map. */
struct range {
    int begin, end;
};

static struct cut cut_of(const struct conv_geometry *g, const struct dw_tiles *tiles)
{
    struct cut cut = {.taps = g->kernel_h * g->kernel_w, .rows = g->in_c};
    cut.joined = g->in_c <= FEW_CHANNELS && g->kernel_w > 1 && g->dilation == 1 && !tiles->pair;
    if (cut.joined) {
        cut.taps = g->kernel_h;
        cut.rows = g->kernel_w * g->in_c;
    }
    cut.vectors = (g->out_c + tiles->lanes - 1) / tiles->lanes;
    int max = cut.rows;
    for (int v = 0, n; v < cut.vectors; v += n) {
        n = conv_vectors(cut.vectors - v);
        max = smaller(max, tiles->max_rows[n - 1]);
        cut.vector_blocks++;
    }
    cut.row_blocks = (cut.rows + max - 1) / max;
    while (cut.taps * cut.row_blocks * cut.vector_blocks < MIN_TILES &&
           cut.rows / (cut.row_blocks + 1) >= MIN_ROWS)
        cut.row_blocks++;
    return cut;
}

/* Output rows taken at once. */
static int band_rows(const struct conv_geometry *g)
{
    const ptrdiff_t row = (ptrdiff_t)g->in_w * g->in_c * g->stride + (ptrdiff_t)g->out_w * g->out_c;
    const ptrdiff_t rows = BAND_FLOATS / row;
    return rows < 1 ? 1 : rows < g->out_h ? (int)rows : g->out_h;
}

int conv_weights_tiles(const struct conv_geometry *g, const struct dw_tiles *tiles)
{
    const struct cut cut = cut_of(g, tiles);
    return cut.taps * cut.row_blocks * cut.vector_blocks;
}

/* ---- pairs of pixels ----------------------------------------------------------------------- */

/* A band's pairs of input pixels; those of output pixels come behind them. */
struct pairs {
    int columns, step; /* slots of a row, and the input pixels from one to the next */
    int per_row;       /* slots of a row of dy */
};

static struct pairs pairs_of(const struct conv_geometry *g)
{
    struct pairs p = {.step = g->kernel_w == 1 ? 2 * g->stride : 1,
                      .per_row = divide_up(g->out_w, 2)};
    p.columns = ((p.per_row - 1) * 2 * g->stride + (g->kernel_w - 1) * g->dilation) / p.step + 1;
    return p;
}

static int pair_rows(const struct conv_geometry *g, int out_rows)
{
    return (out_rows - 1) * g->stride + (g->kernel_h - 1) * g->dilation + 1;
}

static size_t pairs_size(const struct conv_geometry *g, int out_rows)
{
    const struct pairs p = pairs_of(g);
    return (size_t)pair_rows(g, out_rows) * (size_t)p.columns * (size_t)g->in_c +
           (size_t)out_rows * (size_t)p.per_row * (size_t)g->out_c;
}

static float *fill_x(const struct conv_geometry *g, const struct dw_tiles *tiles,
                     const struct pairs *p, struct range rows, const float *x, float *out)
{
    const int y0 = rows.begin * g->stride - g->pad_top;
    for (int y = y0; y < y0 + pair_rows(g, rows.end - rows.begin); y++) {
        const ptrdiff_t row = (ptrdiff_t)y * g->in_w;
        for (int i = 0; i < p->columns; i++, out += g->in_c) {
            const int a = i * p->step - g->pad_left, b = a + g->stride;
            const bool in_a = y >= 0 && y < g->in_h && a >= 0 && a < g->in_w;
            const bool in_b = y >= 0 && y < g->in_h && b >= 0 && b < g->in_w;
            tiles->pair(in_a ? x + (row + a) * g->in_pitch : NULL,
                        in_b ? x + (row + b) * g->in_pitch : NULL, g->in_c, out);
        }
    }
    return out;
}

static void fill_dy(const struct conv_geometry *g, const struct dw_tiles *tiles, struct range rows,
                    const float *dy, float *out)
{
    for (int y = rows.begin; y < rows.end; y++)
        for (int i = 0; i < g->out_w; i += 2, out += g->out_c) {
            const float *a = dy + ((ptrdiff_t)y * g->out_w + i) * g->out_pitch;
            tiles->pair(a, i + 1 < g->out_w ? a + g->out_pitch : NULL, g->out_c, out);
        }
}

/* What a tile sums over in a band of pairs. */
static void pair_span(const struct conv_geometry *g, int tap, struct range rows, const float **x,
                      struct dw_span *span)
{
    const struct pairs p = pairs_of(g);
    const ptrdiff_t row = (ptrdiff_t)p.columns * g->in_c;
    *x += tap / g->kernel_w * g->dilation * row +
          (ptrdiff_t)(tap % g->kernel_w * g->dilation) * g->in_c;
    *span = (struct dw_span){.n_rows = rows.end - rows.begin,
                             .n_columns = p.per_row,
                             .x_row = g->stride * row,
                             .x_pixel = 2 * g->stride / p.step * (ptrdiff_t)g->in_c,
                             .dy_row = (ptrdiff_t)p.per_row * g->out_c,
                             .dy_pixel = g->out_c,
                             .dw_row = g->out_c,
                             .accumulate = true};
}

/* ---- all --------------------------------------------------------------------------------------
 */

size_t conv_weights_scratch(const struct conv_geometry *g, const struct dw_tiles *tiles)
{
    if (tiles->pair)
        return pairs_size(g, band_rows(g));
    if (!cut_of(g, tiles).joined)
        return 0;
    const struct conv_pass pass = conv_pass_forward(g);
    const struct conv_window window = conv_pass_window(&pass, 0, band_rows(g));
    return (size_t)window.h * (size_t)window.w * (size_t)g->in_c;
}

/* The outputs o, begin <= o < end, with 0 <= o * stride + offset < size. */
static struct range inside(struct range outputs, int stride, int offset, int size)
{
    const int first = offset < 0 ? (-offset + stride - 1) / stride : 0;
    const int end = offset < size ? (size - 1 - offset) / stride + 1 : 0;
    if (outputs.begin < first)
        outputs.begin = first;
    if (outputs.end > end)
        outputs.end = end;
    return outputs;
}

/* What a tile sums over in the band `rows`: false when all its pixels lie outside. */
static bool tile_span(const struct conv_geometry *g, bool joined, int tap, struct range rows,
                      const float **x, const float **dy, struct dw_span *span)
{
    struct range columns = {0, g->out_w};
    if (joined) {
        const struct conv_pass pass = conv_pass_forward(g);
        const ptrdiff_t row = (ptrdiff_t)conv_pass_window(&pass, 0, 1).w * g->in_c;
        span->x_pixel = (ptrdiff_t)g->stride * g->in_c;
        span->x_row = g->stride * row;
        *x += tap * row;
    } else {
        const int dy0 = tap / g->kernel_w * g->dilation - g->pad_top;
        const int dx0 = tap % g->kernel_w * g->dilation - g->pad_left;
        const ptrdiff_t row = (ptrdiff_t)g->in_w * g->in_pitch;
        rows = inside(rows, g->stride, dy0, g->in_h);
        columns = inside(columns, g->stride, dx0, g->in_w);
        if (rows.begin >= rows.end || columns.begin >= columns.end)
            return false;
        span->x_pixel = (ptrdiff_t)g->stride * g->in_pitch;
        span->x_row = g->stride * row;
        *x += (rows.begin * g->stride + dy0) * row +
              (ptrdiff_t)(columns.begin * g->stride + dx0) * g->in_pitch;
    }
    span->n_rows = rows.end - rows.begin;
    span->n_columns = columns.end - columns.begin;
    span->dy_pixel = g->out_pitch;
    span->dy_row = (ptrdiff_t)g->out_w * g->out_pitch;
    span->dw_row = g->out_c;
    span->accumulate = true;
    *dy += rows.begin * span->dy_row + columns.begin * span->dy_pixel;
    return true;
}

static void run_tile(const struct conv_geometry *g, const struct dw_tiles *tiles,
                     const struct cut *cut, int tile, struct range rows, const float *x,
                     const float *dy, float *dw)
{
    const int tap = tile / (cut->row_blocks * cut->vector_blocks);
    const int row_block = tile / cut->vector_blocks % cut->row_blocks;
    const int row0 = cut->rows * row_block / cut->row_blocks;
    const int row1 = cut->rows * (row_block + 1) / cut->row_blocks;
    const int vector = tile % cut->vector_blocks * 2; /* all blocks but the last have 2 */
    const int n = conv_vectors(cut->vectors - vector);
    const int channel = vector * tiles->lanes;
    struct dw_span span;
    if (tiles->pair)
        pair_span(g, tap, rows, &x, &span);
    else if (!tile_span(g, cut->joined, tap, rows, &x, &dy, &span))
        return;
    span.last_lanes = smaller(tiles->lanes, g->out_c - (vector + n - 1) * tiles->lanes);
    tiles->tile[n - 1][row1 - row0 - 1](&span, x + row0, dy + channel,
                                        dw + ((ptrdiff_t)tap * cut->rows + row0) * g->out_c +
                                            channel);
}

/* A band of one image. */
static void run_band(const struct conv_geometry *g, const struct dw_tiles *tiles,
                     const struct cut *cut, struct range rows, const float *x, const float *dy,
                     float *dw, int tile0, int tile1, float *scratch)
{
    if (tiles->pair) {
        const struct pairs p = pairs_of(g);
        float *behind = fill_x(g, tiles, &p, rows, x, scratch);
        fill_dy(g, tiles, rows, dy, behind);
        x = scratch;
        dy = behind;
    } else if (cut->joined) {
        const struct conv_pass pass = conv_pass_forward(g);
        const struct conv_window window = conv_pass_window(&pass, rows.begin, rows.end);
        conv_window_fill(&window, &pass, NULL, x, scratch);
        x = scratch;
    }
    for (int tile = tile0; tile < tile1; tile++)
        run_tile(g, tiles, cut, tile, rows, x, dy, dw);
}

void conv_weights_run(const struct conv_geometry *g, const struct dw_tiles *tiles, const float *x,
                      const float *dy, int n_images, float *dw, int tile0, int tile1,
                      float *scratch)
{
    const struct cut cut = cut_of(g, tiles);
    const int step = band_rows(g);
    for (int image = 0; image < n_images; image++) {
        for (int row = 0; row < g->out_h; row += step)
            run_band(g, tiles, &cut, (struct range){row, smaller(row + step, g->out_h)}, x, dy, dw,
                     tile0, tile1, scratch);
        x += (ptrdiff_t)g->in_h * g->in_w * g->in_pitch;
        dy += (ptrdiff_t)g->out_h * g->out_w * g->out_pitch;
    }
}
