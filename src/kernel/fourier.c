/*
 * The walk of fourier.h over a map, in batches of tiles: transform, multiply, transform back. Where
 * the weights are many a batch is as large as memory in between allows, because it reads them all;
 * then the threads share its three phases. Where they are few a batch fits the cache of the thread
 * that does it alone.
 */
#include "kernel/fourier.h"

#include "kernel/fourier_layout.h"
#include "kernel/integers.h"

enum {
    CACHE_BYTES = 640 * 1024,  /* of a thread's own batch */
    FEW_WEIGHTS = 1024 * 1024, /* bytes that may be read for every such batch */
    MIN_BATCH = 28,            /* tiles; fewer would read the weights too often */
    SHARED_BYTES = 8 * 1024 * 1024,
    MIN_SHARED_BATCH = 42,
    MAX_CHANNELS = 4096, /* of which a batch is less than a GB */
    MAX_STREAM = 64 << 20,
    UNIT = 16 /* channels: rows begin where vectors like to */
};

/* Distances that differ by a line from what many planes would collide at in a cache. */
static ptrdiff_t spread(ptrdiff_t bytes)
{
    return (bytes + 63) / 64 * 64 + 64;
}

static void set_batch(struct fourier_layout *l, ptrdiff_t per_tile)
{
    const int own = larger(MIN_BATCH, (int)(CACHE_BYTES / per_tile));
    const int together = larger(MIN_SHARED_BATCH, (int)(SHARED_BYTES / per_tile));
    l->shared = l->slots * l->slot_weights > FEW_WEIGHTS || l->n_tiles < 4 * own;
    l->n_batches = divide_up(l->n_tiles, l->shared ? together : own);
    l->batch = divide_up(l->n_tiles, l->n_batches);
}

struct fourier_layout fourier_layout_of(const struct conv_shape *s,
                                        const struct fourier_level *level)
{
    const struct conv_geometry *g = &s->g;
    const int points = level->points;
    const ptrdiff_t number = 4 / level->per_group;
    struct fourier_layout l = {
        .slots = points * points / 2,
        .rows = points - g->kernel_h + 1,
        .columns = points - g->kernel_w + 1,
        .in_vectors = divide_up(g->in_c, level->lanes),
        .out_vectors = divide_up(g->out_c, level->lanes),
        .steps = divide_up(g->in_c, level->per_group),
        .step_bytes = (ptrdiff_t)level->lanes * 4,
        .x_row = (ptrdiff_t)divide_up(g->in_c, UNIT) * UNIT * number,
        .y_row = (ptrdiff_t)divide_up(g->out_c, UNIT) * UNIT,
    };
    l.tiles_y = divide_up(g->out_h, l.rows);
    l.tiles_x = divide_up(g->out_w, l.columns);
    l.n_tiles = l.tiles_y * l.tiles_x;
    l.slot_weights = FOURIER_PLANES * l.steps * l.step_bytes * l.out_vectors;
    set_batch(&l, l.slots * (FOURIER_PLANES * l.x_row + 2 * l.y_row * (ptrdiff_t)sizeof(float)));
    l.x_plane = spread(l.batch * l.x_row);
    l.y_part = spread(l.batch * l.y_row * (ptrdiff_t)sizeof(float)) / (ptrdiff_t)sizeof(float);
    l.x_bytes = (size_t)(l.slots * FOURIER_PLANES * l.x_plane);
    l.bytes = l.x_bytes + (size_t)(l.slots * 2 * l.y_part) * sizeof(float);
    return l;
}

bool fourier_fits(const struct conv_shape *s, const struct fourier_level *level)
{
    const struct conv_geometry *g = &s->g;
    const int most = level->points / 2 + 1;
    return !s->depthwise && g->stride == 1 && g->dilation == 1 && g->in_c <= MAX_CHANNELS &&
           g->out_c <= MAX_CHANNELS && 4 * g->kernel_h > level->points &&
           4 * g->kernel_w > level->points && g->kernel_h <= most && g->kernel_w <= most &&
           fourier_packed(s, level) <= MAX_STREAM;
}

size_t fourier_scratch(const struct conv_shape *s, const struct fourier_level *level)
{
    const struct fourier_layout l = fourier_layout_of(s, level);
    return l.shared ? 0 : l.bytes;
}

size_t fourier_workspace(const struct conv_shape *s, const struct fourier_level *level)
{
    const struct fourier_layout l = fourier_layout_of(s, level);
    return l.shared ? l.bytes : 0;
}

/* ---- the three phases of a batch --------------------------------------------------------- */

/* Tiles `first` to `first + n` of the map, and the memory between the phases. */
struct batch {
    int first, n;
    uint8_t *x;
    float *y;
};

static struct batch batch_at(const struct fourier_layout *l, int index, void *memory)
{
    const int first = index * l->batch;
    return (struct batch){
        .first = first,
        .n = smaller(l->batch, l->n_tiles - first),
        .x = memory,
        .y = (float *)(void *)((uint8_t *)memory + l->x_bytes),
    };
}

/* An item is one vector of channels of a tile. */
static void forward(const struct conv_call *call, const struct fourier_level *level,
                    const struct fourier_layout *l, const struct batch *b, int item0, int item1)
{
    const struct conv_geometry *g = &call->shape->g;
    for (int item = item0; item < item1; item++) {
        const int tile = item / l->in_vectors, channel = item % l->in_vectors * level->lanes;
        const int y = (b->first + tile) / l->tiles_x * l->rows - g->pad_top;
        const int x = (b->first + tile) % l->tiles_x * l->columns - g->pad_left;
        level->forward(call, y, x, channel, b->x + tile * l->x_row + channel * 4 / level->per_group,
                       l->x_plane);
    }
}

static void inverse(const struct conv_call *call, const struct fourier_level *level,
                    const struct fourier_layout *l, const struct batch *b, int item0, int item1)
{
    for (int item = item0; item < item1; item++) {
        const int tile = item / l->out_vectors, channel = item % l->out_vectors * level->lanes;
        const int y = (b->first + tile) / l->tiles_x * l->rows;
        const int x = (b->first + tile) % l->tiles_x * l->columns;
        level->inverse(call, y, x, channel, b->y + tile * l->y_row + channel, l->y_part);
    }
}

/* All rows by a block of weights. The next block's are fetched meanwhile. */
static void multiply_block(const struct fourier_level *level, const struct fourier_span *span,
                           int vectors, ptrdiff_t block_bytes, const uint8_t *x, const uint8_t *w,
                           float *y, int n_rows)
{
    struct fourier_span s = *span;
    const int n_tiles = divide_up(n_rows, level->max_rows[vectors - 1]);
    for (int i = 0, row = 0; i < n_tiles; i++) {
        const int m = (n_rows - row) / (n_tiles - i);
        const ptrdiff_t fetched = (ptrdiff_t)i * FOURIER_PLANES * s.steps * 128;
        s.ahead = fetched < block_bytes ? block_bytes + fetched : 0;
        level->tile[vectors - 1][m - 1](&s, x + row * s.x_row, w, y + row * s.y_row);
        row += m;
    }
}

/* An item is a slot: one matrix product. */
static void multiply(const struct conv_call *call, const struct fourier_level *level,
                     const struct fourier_layout *l, const struct batch *b, int slot0, int slot1)
{
    struct fourier_span span = {
        .steps = l->steps,
        .x_plane = l->x_plane,
        .x_row = l->x_row,
        .y_part = l->y_part,
        .y_row = l->y_row,
    };
    for (int slot = slot0; slot < slot1; slot++) {
        const uint8_t *x = b->x + slot * FOURIER_PLANES * l->x_plane;
        const uint8_t *w = (const uint8_t *)call->c->packed + slot * l->slot_weights;
        float *y = b->y + slot * 2 * l->y_part;
        span.real = fourier_slot_is_real(slot, level->points);
        for (int v = 0, n; v < l->out_vectors; v += n) {
            n = fourier_vectors(l->out_vectors - v);
            const ptrdiff_t bytes = FOURIER_PLANES * l->steps * l->step_bytes * n;
            multiply_block(level, &span, n, bytes, x, w, y + v * level->lanes, b->n);
            w += bytes;
        }
    }
}

/* ---- the work as items ------------------------------------------------------------------- */

enum { FORWARD, MULTIPLY, INVERSE, PHASES };

int fourier_phases(const struct conv_shape *s, const struct fourier_level *level)
{
    const struct fourier_layout l = fourier_layout_of(s, level);
    return l.shared ? PHASES * l.n_batches : 1;
}

int fourier_items(const struct conv_shape *s, const struct fourier_level *level, int phase)
{
    const struct fourier_layout l = fourier_layout_of(s, level);
    if (!l.shared)
        return l.n_batches;
    const struct batch b = batch_at(&l, phase / PHASES, NULL);
    switch (phase % PHASES) {
    case FORWARD: return b.n * l.in_vectors;
    case MULTIPLY: return l.slots;
    default: return b.n * l.out_vectors;
    }
}

static void run_phase(const struct conv_call *call, const struct fourier_level *level,
                      const struct fourier_layout *l, const struct batch *b, int phase, int item0,
                      int item1)
{
    switch (phase) {
    case FORWARD: forward(call, level, l, b, item0, item1); break;
    case MULTIPLY: multiply(call, level, l, b, item0, item1); break;
    default: inverse(call, level, l, b, item0, item1); break;
    }
}

void fourier_run(const struct conv_call *call, const struct fourier_level *level, int phase,
                 int item0, int item1)
{
    const struct fourier_layout l = fourier_layout_of(call->shape, level);
    if (l.shared) {
        const struct batch b = batch_at(&l, phase / PHASES, call->workspace);
        run_phase(call, level, &l, &b, phase % PHASES, item0, item1);
        return;
    }
    for (int i = item0; i < item1; i++) {
        const struct batch b = batch_at(&l, i, call->scratch);
        run_phase(call, level, &l, &b, FORWARD, 0, b.n * l.in_vectors);
        run_phase(call, level, &l, &b, MULTIPLY, 0, l.slots);
        run_phase(call, level, &l, &b, INVERSE, 0, b.n * l.out_vectors);
    }
}
