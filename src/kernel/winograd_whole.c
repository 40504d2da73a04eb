/*
 * The walk of winograd_whole.h: batches of tiles are transformed; then, block by block of output
 * channels, multiplied point by point and transformed back, so that a block's sums are still in the
 * cache. A batch is an item.
 */
#include "kernel/winograd_whole.h"

#include "kernel/integers.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
    BATCH = 28,       /* tiles: rows of two or three register tiles */
    LEAST_ITEMS = 4,  /* where there are tiles enough: work for several threads */
    LEAST_BATCH = 14, /* tiles: fewer would read the weights too often */
    GAP = 64,         /* bytes between points, so that these do not share cache lines' addresses */
    MAX_CHANNELS = 8192,
    LARGEST_WORD = 32767
};

static const double matrix_b[WINOGRAD_PATCH][WINOGRAD_PATCH] = {
    {4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
    {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};

static const double matrix_g[WINOGRAD_PATCH][WINOGRAD_PIECE] = {{1.0 / 4, 0, 0},
                                                                {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                                                                {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                                                {1.0 / 24, 1.0 / 12, 1.0 / 6},
                                                                {1.0 / 24, -1.0 / 12, 1.0 / 6},
                                                                {0, 0, 1}};

bool whole_fits(const struct conv_shape *s)
{
    const struct conv_geometry *g = &s->g;
    return s->in == MAP_U8 && !s->depthwise && g->kernel_h == WINOGRAD_PIECE &&
           g->kernel_w == WINOGRAD_PIECE && g->stride == 1 && g->dilation == 1 &&
           g->in_c <= MAX_CHANNELS;
}

/* ---- sizes ------------------------------------------------------------------------------- */

/* A block of output channels. */
struct block {
    int vectors; /* the half one included */
    bool half;
    int lanes; /* in all */
};

static struct block block_at(const struct whole_level *level, int left)
{
    const int lanes = level->lanes;
    struct block b = {.vectors = divide_up(left, lanes)};
    if (b.vectors > level->max_vectors)
        b.vectors = smaller(2, level->max_vectors);
    else
        b.half = level->halves && left <= b.vectors * lanes - lanes / 2;
    b.lanes = b.vectors * lanes - (b.half ? lanes / 2 : 0);
    return b;
}

/* Sizes that follow from a shape; distances in elements. */
struct plan {
    int tiles_x, n_tiles, batch;
    int steps;                    /* pairs of input channels */
    ptrdiff_t patch, patch_point; /* between tiles and points of transformed pixels */
    ptrdiff_t sum, sum_point;     /* of a block's sums */
    ptrdiff_t out_lanes;          /* output channels in whole vectors */
};

static int batch_of(int n_tiles)
{
    const int most = larger(LEAST_BATCH, divide_up(n_tiles, LEAST_ITEMS));
    return divide_up(n_tiles, divide_up(n_tiles, smaller(BATCH, most)));
}

static struct plan plan_of(const struct conv_shape *s, const struct whole_level *level)
{
    const struct conv_geometry *g = &s->g;
    struct plan p = {
        .tiles_x = divide_up(g->out_w, WINOGRAD_TILE),
        .steps = divide_up(g->in_c, 2),
        .patch = (ptrdiff_t)divide_up(g->in_c, level->words) * level->words,
        .sum = (ptrdiff_t)level->max_vectors * level->lanes,
        .out_lanes = (ptrdiff_t)divide_up(g->out_c, level->lanes) * level->lanes,
    };
    p.n_tiles = p.tiles_x * divide_up(g->out_h, WINOGRAD_TILE);
    p.batch = batch_of(p.n_tiles);
    p.patch_point = p.batch * p.patch + GAP / (ptrdiff_t)sizeof(int16_t);
    p.sum_point = p.batch * p.sum + GAP / (ptrdiff_t)sizeof(float);
    return p;
}

int whole_items(const struct conv_shape *s)
{
    const int n = divide_up(s->g.out_w, WINOGRAD_TILE) * divide_up(s->g.out_h, WINOGRAD_TILE);
    return divide_up(n, batch_of(n));
}

size_t whole_scratch(const struct conv_shape *s, const struct whole_level *level)
{
    const struct plan p = plan_of(s, level);
    const size_t bytes = WINOGRAD_POINTS * ((size_t)p.patch_point * sizeof(int16_t) +
                                            (size_t)p.sum_point * sizeof(float));
    return (bytes + 63) / 64 * 64;
}

/* ---- the stream -------------------------------------------------------------------------- */

/* Words of the weights: (block, point, pair of channels, channel of the block, of the pair). */
static ptrdiff_t stream_words(const struct conv_shape *s, const struct whole_level *level)
{
    ptrdiff_t words = 0;
    for (int channel = 0; channel < s->g.out_c;) {
        const struct block b = block_at(level, s->g.out_c - channel);
        words += (ptrdiff_t)WINOGRAD_POINTS * divide_up(s->g.in_c, 2) * b.lanes * 2;
        channel += b.lanes;
    }
    return (words + 31) / 32 * 32;
}

/* Behind them the scales, (point, channel). */
size_t whole_packed(const struct conv_shape *s, const struct whole_level *level)
{
    const struct plan p = plan_of(s, level);
    const size_t bytes = (size_t)stream_words(s, level) * sizeof(int16_t) +
                         WINOGRAD_POINTS * (size_t)p.out_lanes * sizeof(float);
    return (bytes + 63) / 64 * 64;
}

/* Sums of weights up to this fit 32 bits at that point. */
static double most_weights(int point, int channels)
{
    double positive = 0, negative = 0;
    for (int i = 0; i < WINOGRAD_POINTS; i++) {
        const double b = matrix_b[point / WINOGRAD_PATCH][i / WINOGRAD_PATCH] *
                         matrix_b[point % WINOGRAD_PATCH][i % WINOGRAD_PATCH];
        positive += b > 0 ? b : 0;
        negative -= b < 0 ? b : 0;
    }
    const double largest = positive > negative ? positive : negative;
    return (double)INT32_MAX / (255 * largest) - 0.5 * channels - 1;
}

/* Neighbouring output channels under way. */
enum { COLUMNS = 8 };
struct columns {
    const float *first; /* tap 0 of input channel 0 */
    ptrdiff_t tap, channel;
    int n;
    double at[WINOGRAD_POINTS][COLUMNS]; /* u of one input channel */
    double sum[WINOGRAD_POINTS][COLUMNS], largest[WINOGRAD_POINTS][COLUMNS];
    float scale[WINOGRAD_POINTS][COLUMNS];
};

/* All points of input channel c: rows of the taps first, then columns. */
static void transform_taps(struct columns *k, int c)
{
    double taps[WINOGRAD_PIECE][WINOGRAD_PIECE][COLUMNS] = {0};
    double rows[WINOGRAD_PIECE][WINOGRAD_PATCH][COLUMNS] = {0};
    for (int i = 0; i < WINOGRAD_PIECE * WINOGRAD_PIECE; i++)
        for (int j = 0; j < k->n; j++)
            taps[i / WINOGRAD_PIECE][i % WINOGRAD_PIECE][j] =
                (double)k->first[i * k->tap + c * k->channel + j];
    for (int y = 0; y < WINOGRAD_PIECE; y++)
        for (int b = 0; b < WINOGRAD_PATCH; b++)
            for (int x = 0; x < WINOGRAD_PIECE; x++)
                for (int j = 0; j < COLUMNS; j++)
                    rows[y][b][j] += matrix_g[b][x] * taps[y][x][j];
    memset(k->at, 0, sizeof k->at);
    for (int point = 0; point < WINOGRAD_POINTS; point++)
        for (int y = 0; y < WINOGRAD_PIECE; y++)
            for (int j = 0; j < COLUMNS; j++)
                k->at[point][j] +=
                    matrix_g[point / WINOGRAD_PATCH][y] * rows[y][point % WINOGRAD_PATCH][j];
}

static void measure_columns(struct columns *k, int channels)
{
    memset(k->sum, 0, sizeof k->sum);
    memset(k->largest, 0, sizeof k->largest);
    for (int c = 0; c < channels; c++) {
        transform_taps(k, c);
        for (int point = 0; point < WINOGRAD_POINTS; point++)
            for (int j = 0; j < COLUMNS; j++) {
                const double u = fabs(k->at[point][j]);
                k->sum[point][j] += u;
                k->largest[point][j] = u > k->largest[point][j] ? u : k->largest[point][j];
            }
    }
    for (int point = 0; point < WINOGRAD_POINTS; point++) {
        const double most = most_weights(point, channels);
        for (int j = 0; j < COLUMNS; j++) {
            const double by_sum = k->sum[point][j] / most;
            const double by_size = k->largest[point][j] / LARGEST_WORD;
            const float scale = nextafterf((float)(by_sum > by_size ? by_sum : by_size), INFINITY);
            k->scale[point][j] = scale > FLT_MIN && scale < INFINITY ? scale : 1;
        }
    }
}

static int16_t word_of(double u, float scale)
{
    return (int16_t)fmax(-LARGEST_WORD, fmin(rint(u / (double)scale), LARGEST_WORD));
}

/* The words of columns that begin at lane `lane` of a block. */
static void pack_columns(struct columns *k, int channels, const struct block *b, int lane,
                         int16_t *out)
{
    const ptrdiff_t point_words = (ptrdiff_t)divide_up(channels, 2) * b->lanes * 2;
    for (int c = 0; c < channels; c++) {
        int16_t *to = out + ((ptrdiff_t)(c / 2) * b->lanes + lane) * 2 + c % 2;
        transform_taps(k, c);
        for (int point = 0; point < WINOGRAD_POINTS; point++)
            for (int j = 0; j < k->n; j++)
                to[point * point_words + 2 * j] = word_of(k->at[point][j], k->scale[point][j]);
    }
}

void whole_pack(const struct conv_shape *s, const struct whole_level *level, const float *w,
                void *packed)
{
    const struct conv_geometry *g = &s->g;
    const struct plan p = plan_of(s, level);
    int16_t *words = packed;
    float *scales = (float *)(void *)(words + stream_words(s, level));
    struct columns k = {.tap = (ptrdiff_t)g->in_c * g->out_c, .channel = g->out_c};
    memset(packed, 0, whole_packed(s, level));
    for (int channel = 0; channel < g->out_c;) {
        const struct block b = block_at(level, g->out_c - channel);
        for (int lane = 0; lane < b.lanes && channel + lane < g->out_c; lane += COLUMNS) {
            k.first = w + channel + lane;
            k.n = smaller(smaller(COLUMNS, b.lanes - lane), g->out_c - channel - lane);
            measure_columns(&k, g->in_c);
            pack_columns(&k, g->in_c, &b, lane, words);
            for (int point = 0; point < WINOGRAD_POINTS; point++)
                memcpy(scales + point * p.out_lanes + channel + lane, k.scale[point],
                       (size_t)k.n * sizeof *scales);
        }
        words += (ptrdiff_t)WINOGRAD_POINTS * p.steps * b.lanes * 2;
        channel += b.lanes;
    }
}

/* ---- running ----------------------------------------------------------------------------- */

static void transform_pixels(const struct conv_call *call, const struct whole_level *level,
                             const struct plan *p, int first, int n, int16_t *patches)
{
    const struct conv_geometry *g = &call->shape->g;
    for (int i = 0, strip; i < n; i += strip) { /* a row of tiles, or a part of it */
        const int column = (first + i) % p->tiles_x;
        const int y = (first + i) / p->tiles_x * WINOGRAD_TILE - g->pad_top;
        const int x = column * WINOGRAD_TILE - g->pad_left;
        struct winograd_square s =
            winograd_square_at(y, x, WINOGRAD_PATCH, g->in_h, g->in_w, g->in_pitch);
        strip = smaller(n - i, p->tiles_x - column);
        s.x1 = smaller(strip * WINOGRAD_TILE + WINOGRAD_PATCH - WINOGRAD_TILE, g->in_w - x);
        level->patches(&s, strip, call->x, call->c->zero, g->in_c, patches + i * p->patch, p->patch,
                       p->patch_point);
    }
}

/* One point of a block: rows of nearly equal register tiles. */
static void multiply(const struct whole_level *level, const struct plan *p, const struct block *b,
                     const int16_t *x, const int16_t *w, float *y, int n)
{
    const whole_tile *tile =
        b->half ? level->half_tile[b->vectors - 1] : level->tile[b->vectors - 1];
    const int n_tiles = divide_up(n, level->max_rows[b->vectors - 1]);
    for (int i = 0; i < n_tiles; i++) {
        const int rows = n / (n_tiles - i);
        tile[rows - 1](p->steps, x, p->patch * (ptrdiff_t)sizeof *x, w, y,
                       p->sum * (ptrdiff_t)sizeof *y);
        x += rows * p->patch;
        y += rows * p->sum;
        n -= rows;
    }
}

static void transform_sums(const struct conv_call *call, const struct whole_level *level,
                           const struct plan *p, const struct block *b, int first, int n,
                           const float *sums, const float *scales, int channel)
{
    const struct conv_geometry *g = &call->shape->g;
    for (int i = 0; i < n; i++) {
        const int y = (first + i) / p->tiles_x * WINOGRAD_TILE;
        const int x = (first + i) % p->tiles_x * WINOGRAD_TILE;
        const struct winograd_square s =
            winograd_square_at(y, x, WINOGRAD_TILE, g->out_h, g->out_w, g->out_pitch);
        for (int v = 0; v < b->vectors && channel + v * level->lanes < g->out_c; v++)
            level->result(call, &s, sums + i * p->sum + v * level->lanes, p->sum_point,
                          scales + v * level->lanes, p->out_lanes, channel + v * level->lanes);
    }
}

void whole_run(const struct conv_call *call, const struct whole_level *level, int item0, int item1)
{
    const struct conv_shape *s = call->shape;
    const struct plan p = plan_of(s, level);
    const int16_t *stream = call->c->packed;
    const float *scales = (const float *)(const void *)(stream + stream_words(s, level));
    int16_t *patches = call->scratch;
    float *sums = (float *)(void *)(patches + WINOGRAD_POINTS * p.patch_point);
    for (int item = item0; item < item1; item++) {
        const int first = item * p.batch;
        const int n = smaller(p.batch, p.n_tiles - first);
        const int16_t *words = stream;
        transform_pixels(call, level, &p, first, n, patches);
        for (int channel = 0; channel < s->g.out_c;) {
            const struct block b = block_at(level, s->g.out_c - channel);
            for (int point = 0; point < WINOGRAD_POINTS; point++) {
                multiply(level, &p, &b, patches + point * p.patch_point, words,
                         sums + point * p.sum_point, n);
                words += (ptrdiff_t)p.steps * b.lanes * 2;
            }
            transform_sums(call, level, &p, &b, first, n, sums, scales + channel, channel);
            channel += b.lanes;
        }
    }
}
