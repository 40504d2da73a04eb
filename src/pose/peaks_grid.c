/*
 * The original's peak search, without upsampling whole maps. The grid is cut into blocks (one per
 * cell), and peaks are looked for in three steps that lose none:
 *
 *  - Height. A cubic interpolant of cells between m and M is at most M + u (M - m), where u is the
 *    sum of its negative weights. Blocks whose cells cannot reach the threshold so are left out.
 *  - Rehearsal. Upsampling and smoothing together are one small matrix along each axis, so the
 *    smoothed values of a block are quickly had, but for rounding. A position that is lower than a
 *    neighbour by more than rounding can explain is no peak.
 *  - The few positions left are computed as the original would, step by step.
 */
#include "pose/peaks_grid.h"

#include "base/arena.h"

#include <math.h>
#include <string.h>

enum {
    HALO = GRID_RADIUS + 1, /* smoothing, and the neighbours compared */
    MAX_WINDOW_CELLS = 16,  /* rows of cells under one row of blocks with its halo */
};

struct place {
    int y, x;
};

/* One joint's search, with its parts of the thread's scratch memory. */
struct search {
    struct peaks *p;
    const struct field *field;
    int joint;
    enum peak_method method;
    float threshold;
    float slack; /* between rehearsed and exact smoothed values */
    int w, h, block_w, block_h, blocks_x, blocks_y;
    float *plane[PREDICT_MAX_SCALES]; /* this joint's cells, dense */
    unsigned char *wanted;            /* (blocks_y, blocks_x) */
    int32_t *columns;                 /* of a window: grid position or GRID_OUTSIDE */
    float *cell_rows;                 /* (MAX_WINDOW_CELLS, pitch) */
    float *values, *half, *smooth;    /* (block_h + 2 HALO, pitch) each */
    struct place *candidates;         /* (block_h * pitch) */
    size_t pitch;
};

/* ---- memory -------------------------------------------------------------------------------- */

/* Hands out parts of `base`; without one it only adds up what it would. */
struct cursor {
    unsigned char *base;
    size_t used;
};

static void *take(struct cursor *c, size_t n, size_t size)
{
    void *memory = c->base ? c->base + c->used : NULL;
    c->used += arena_round(n * size);
    return memory;
}

/* Lays the scratch out from `base`; returns its size. */
static size_t lay_out(struct search *s, const struct field *field, unsigned char *base)
{
    const struct grid_axis *x = &field->x[0], *y = &field->y[0];
    struct cursor c = {base, 0};
    s->field = field;
    s->w = x->n;
    s->h = y->n;
    s->block_w = x->block;
    s->block_h = y->block;
    s->blocks_x = x->blocks;
    s->blocks_y = y->blocks;
    s->pitch = (size_t)x->blocks * (size_t)x->block + 2 * HALO;
    const size_t window = ((size_t)y->block + 2 * HALO) * s->pitch;
    for (int i = 0; i < field->n; i++)
        s->plane[i] =
            take(&c, (size_t)field->x[i].cells * (size_t)field->y[i].cells, sizeof(float));
    s->wanted = take(&c, (size_t)s->blocks_x * (size_t)s->blocks_y, 1);
    s->columns = take(&c, s->pitch, sizeof(int32_t));
    s->cell_rows = take(&c, MAX_WINDOW_CELLS * s->pitch, sizeof(float));
    s->values = take(&c, window, sizeof(float));
    s->half = take(&c, window, sizeof(float));
    s->smooth = take(&c, window, sizeof(float));
    s->candidates = take(&c, (size_t)y->block * s->pitch, sizeof(struct place));
    return c.used;
}

size_t peaks_grid_scratch(const struct field *field)
{
    struct search s = {0};
    return lay_out(&s, field, NULL);
}

/* ---- which blocks -------------------------------------------------------------------------- */

struct range {
    float low, high, magnitude;
};

/* Copies a joint's cells to a dense plane. Values that are not numbers do not count. */
static struct range gather(const struct maps *m, int joint, float *plane)
{
    struct range range = {INFINITY, -INFINITY, 0};
    const size_t n = (size_t)m->w * (size_t)m->h;
    for (size_t i = 0; i < n; i++) {
        const float v = m->heat[i * (size_t)m->heat_pitch + (size_t)joint];
        plane[i] = v;
        range.low = v < range.low ? v : range.low;
        range.high = v > range.high ? v : range.high;
    }
    range.magnitude = fmaxf(fabsf(range.low), fabsf(range.high));
    return range;
}

/* The height rule; `low` is the whole plane's. An average of maps needs one that is high enough. */
static bool mark_high(struct search *s, int source, struct range range)
{
    const struct grid_axis *gx = &s->field->x[source], *gy = &s->field->y[source];
    const float nx = gx->undershoot, ny = gy->undershoot;
    const float under = (1 + nx) * ny + (1 + ny) * nx;
    const float rounding = 1e-5f * (fabsf(s->threshold) + range.magnitude);
    const float enough = (s->threshold + under * range.low) / (1 + under) - rounding;
    if (range.high < enough)
        return false;
    bool any = false;
    const float *v = s->plane[source];
    for (int y = 0; y < gy->cells; y++)
        for (int x = 0; x < gx->cells; x++, v++) {
            if (*v < enough)
                continue;
            any = true;
            for (int by = gy->first_block[y]; by <= gy->last_block[y]; by++)
                for (int bx = gx->first_block[x]; bx <= gx->last_block[x]; bx++)
                    s->wanted[(size_t)by * (size_t)s->blocks_x + (size_t)bx] = 1;
        }
    return any;
}

/* ---- one window ---------------------------------------------------------------------------- */

/* Upsampled values of one map at rows y0 .. y0+rows-1 and s->columns, added to s->values. */
static void add_values(struct search *s, int source, int y0, int rows, int columns)
{
    const struct grid_axis *gx = &s->field->x[source], *gy = &s->field->y[source];
    const float share = 1.0f / (float)s->field->n;
    int first = gy->cells, last = -1; /* rows of cells */
    for (int y = y0; y < y0 + rows; y++) {
        const int32_t at = grid_position(y, s->h, s->method);
        for (int k = 0; at != GRID_OUTSIDE && k < gy->taps; k++) {
            const int c = gy->cell[(size_t)at * (size_t)gy->taps + (size_t)k];
            first = c < first ? c : first;
            last = c > last ? c : last;
        }
    }
    for (int c = first; c <= last; c++) {
        const float *in = s->plane[source] + (size_t)c * (size_t)gx->cells;
        float *out = s->cell_rows + (size_t)(c - first) * s->pitch;
        for (int x = 0; x < columns; x++) {
            float sum = 0;
            const size_t at = (size_t)s->columns[x] * (size_t)gx->taps;
            for (int k = 0; s->columns[x] != GRID_OUTSIDE && k < gx->taps; k++)
                sum += gx->weight[at + (size_t)k] * in[gx->cell[at + (size_t)k]];
            out[x] = sum;
        }
    }
    for (int y = y0; y < y0 + rows; y++) {
        const int32_t at = grid_position(y, s->h, s->method);
        if (at == GRID_OUTSIDE)
            continue;
        float *sum = s->half, *out = s->values + (size_t)(y - y0) * s->pitch;
        memset(sum, 0, (size_t)columns * sizeof(float));
        for (int k = 0; k < gy->taps; k++) {
            const size_t tap = (size_t)at * (size_t)gy->taps + (size_t)k;
            const float *in = s->cell_rows + (size_t)(gy->cell[tap] - first) * s->pitch;
            const float weight = gy->weight[tap];
            for (int x = 0; x < columns; x++)
                sum[x] += weight * in[x];
        }
        for (int x = 0; x < columns; x++)
            out[x] += share * sum[x];
    }
}

/* values (rows, columns) to smooth (rows - 4, columns - 4), along x and then y. */
static void smooth_values(struct search *s, int rows, int columns)
{
    const float *kernel = grid_smoothing[s->method].kernel;
    for (int y = 0; y < rows; y++) {
        const float *in = s->values + (size_t)y * s->pitch;
        float *out = s->half + (size_t)y * s->pitch;
        for (int x = 0; x < columns - 2 * GRID_RADIUS; x++)
            out[x] = kernel[0] * in[x] + kernel[1] * in[x + 1] + kernel[2] * in[x + 2] +
                     kernel[3] * in[x + 3] + kernel[4] * in[x + 4];
    }
    for (int y = 0; y < rows - 2 * GRID_RADIUS; y++) {
        const float *in = s->half + (size_t)y * s->pitch;
        float *out = s->smooth + (size_t)y * s->pitch;
        const size_t p = s->pitch;
        for (int x = 0; x < columns - 2 * GRID_RADIUS; x++)
            out[x] = kernel[0] * in[x] + kernel[1] * in[(size_t)x + p] +
                     kernel[2] * in[(size_t)x + 2 * p] + kernel[3] * in[(size_t)x + 3 * p] +
                     kernel[4] * in[(size_t)x + 4 * p];
    }
}

/* The smoothed value is the maximum of its neighbourhood, which ends at the border. */
static bool framework_peak(const struct search *s, const float *v, float value, int y, int x)
{
    if (!(value > s->threshold))
        return false;
    const ptrdiff_t pitch = (ptrdiff_t)s->pitch;
    for (int j = -1; j <= 1; j++)
        for (int i = -1; i <= 1; i++) {
            const bool inside = y + j >= 0 && y + j < s->h && x + i >= 0 && x + i < s->w;
            if (inside && !(v[0] >= v[j * pitch + i]))
                return false;
        }
    return true;
}

/* Zeros lie beyond the border, which a positive value is never below. */
static bool engine_peak(const struct search *s, const float *v, int y, int x)
{
    const ptrdiff_t pitch = (ptrdiff_t)s->pitch;
    return v[0] > s->threshold && v[0] > 0 && (y == 0 || v[0] >= v[-pitch]) &&
           (y == s->h - 1 || v[0] >= v[pitch]) && (x == 0 || v[0] >= v[-1]) &&
           (x == s->w - 1 || v[0] >= v[1]);
}

/* All peaks in columns x0 .. x1-1 of a row of blocks. */
static void search_window(struct search *s, int y0, int y1, int x0, int x1)
{
    const int rows = y1 - y0 + 2 * HALO, columns = x1 - x0 + 2 * HALO;
    for (int x = 0; x < columns; x++)
        s->columns[x] = grid_position(x0 - HALO + x, s->w, s->method);
    for (int y = 0; y < rows; y++)
        memset(s->values + (size_t)y * s->pitch, 0, (size_t)columns * sizeof(float));
    for (int i = 0; i < s->field->n; i++)
        add_values(s, i, y0 - HALO, rows, columns);
    smooth_values(s, rows, columns);
    for (int y = y0; y < y1; y++) {
        const float *smooth = s->smooth + (size_t)(y - y0 + 1) * s->pitch + 1;
        const float *value = s->values + (size_t)(y - y0 + HALO) * s->pitch + HALO;
        for (int x = x0; x < x1; x++, smooth++, value++) {
            const bool peak = s->method == PEAKS_ENGINE ? engine_peak(s, smooth, y, x)
                                                        : framework_peak(s, smooth, *value, y, x);
            if (peak)
                peaks_offer(s->p, s->joint, (struct peak){(float)x, (float)y, *value});
        }
    }
}

/* ---- rehearsal ----------------------------------------------------------------------------- */

/* One row of a map's smoothed values, in blocks bx .. end-1, added to `out`. */
static void add_smooth_row(const struct search *s, int source, int y, int bx, int end, float *out)
{
    const struct grid_axis *gx = &s->field->x[source], *gy = &s->field->y[source];
    const size_t block = (size_t)gx->block, taps = (size_t)gx->smooth_taps;
    const int by = y / gy->block, first = gx->smooth_first[bx];
    const int cells = gx->smooth_first[end - 1] + gx->smooth_taps - first;
    const float share = 1.0f / (float)s->field->n;
    float *line = s->half; /* the row at the columns' cells */
    memset(line, 0, (size_t)cells * sizeof(float));
    const float *wy = gy->smooth_weight + (size_t)by * (size_t)gy->smooth_taps * (size_t)gy->block +
                      (size_t)(y % gy->block);
    for (int k = 0; k < gy->smooth_taps; k++) {
        const float weight = share * wy[(size_t)k * (size_t)gy->block];
        const float *in = s->plane[source] +
                          (size_t)(gy->smooth_first[by] + k) * (size_t)gx->cells + (size_t)first;
        for (int c = 0; c < cells; c++)
            line[c] += weight * in[c];
    }
    for (int b = bx; b < end; b++, out += block) {
        const float *weight = gx->smooth_weight + (size_t)b * taps * block;
        const float *in = line + (gx->smooth_first[b] - first);
        for (size_t k = 0; k < taps; k++)
            for (size_t i = 0; i < block; i++)
                out[i] += in[k] * weight[k * block + i];
    }
}

/*
 * Lists the positions of a run of blocks that are about as high as their four neighbours, as far as
 * those were rehearsed; returns how many, or `limit` if there are more.
 */
static int rehearse(struct search *s, int y0, int y1, int bx, int end, int limit)
{
    const int from = y0 > 0 ? y0 - 1 : 0, to = y1 < s->h ? y1 + 1 : s->h;
    const int columns = (end - bx) * s->block_w;
    const int x0 = bx * s->block_w, width = x0 + columns < s->w ? columns : s->w - x0;
    for (int y = from; y < to; y++) {
        float *out = s->smooth + (size_t)(y - from) * s->pitch;
        memset(out, 0, (size_t)columns * sizeof(float));
        for (int i = 0; i < s->field->n; i++)
            add_smooth_row(s, i, y, bx, end, out);
    }
    int n = 0;
    for (int y = y0; y < y1; y++) {
        const float *v = s->smooth + (size_t)(y - from) * s->pitch;
        const float *up = y > from ? v - s->pitch : v, *down = y + 1 < to ? v + s->pitch : v;
        for (int x = 0; x < width; x++) {
            const float high = v[x] + s->slack;
            if (high < up[x] || high < down[x] || high < v[x > 0 ? x - 1 : 0] ||
                high < v[x + 1 < width ? x + 1 : x])
                continue;
            if (n == limit)
                return limit;
            s->candidates[n++] = (struct place){y, x0 + x};
        }
    }
    return n;
}

/* A run of neighbouring blocks: every candidate by itself, or all of it where there are many. */
static void search_run(struct search *s, int by, int bx, int end)
{
    const int y0 = by * s->block_h, y1 = y0 + s->block_h < s->h ? y0 + s->block_h : s->h;
    const int x0 = bx * s->block_w, x1 = end * s->block_w < s->w ? end * s->block_w : s->w;
    const int side = 1 + 2 * HALO;
    const int limit = (y1 - y0 + 2 * HALO) * (x1 - x0 + 2 * HALO) / (2 * side * side) + 1;
    const int n = rehearse(s, y0, y1, bx, end, limit);
    if (n == limit) {
        search_window(s, y0, y1, x0, x1);
        return;
    }
    for (int i = 0; i < n; i++) {
        const struct place at = s->candidates[i];
        search_window(s, at.y, at.y + 1, at.x, at.x + 1);
    }
}

static void search_blocks(struct search *s)
{
    for (int by = 0; by < s->blocks_y; by++) {
        const unsigned char *row = s->wanted + (size_t)by * (size_t)s->blocks_x;
        for (int bx = 0, end; bx < s->blocks_x; bx = end + 1) {
            for (end = bx; end < s->blocks_x && row[end];)
                end++;
            if (end > bx)
                search_run(s, by, bx, end);
        }
    }
}

void peaks_grid_joint(struct peaks *p, const struct field *field, int joint,
                      enum peak_method method, float threshold, unsigned char *scratch)
{
    struct search s = {.p = p, .joint = joint, .method = method, .threshold = threshold};
    lay_out(&s, field, scratch);
    memset(s.wanted, 0, (size_t)s.blocks_x * (size_t)s.blocks_y);
    bool any = false;
    for (int i = 0; i < field->n; i++) {
        const struct range range = gather(&field->maps[i], joint, s.plane[i]);
        any |= mark_high(&s, i, range);
        s.slack += 4e-5f * range.magnitude / (float)field->n; /* roundings of two ways */
    }
    if (any)
        search_blocks(&s);
}
