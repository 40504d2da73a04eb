/*
 * The original's peak search, without upsampling whole maps. The grid is cut into blocks (one per
 * cell); only blocks that can hold a peak are computed, by two rules that never err:
 *
 *  - Height. A cubic interpolant of cells between m and M is at most M + u (M - m), where u is the
 *    sum of its negative weights. A block whose cells cannot reach the threshold so is left out.
 *  - Slope. Along one axis the interpolant is a chain of cubics whose derivative is a mean of three
 *    numbers (its Bernstein coefficients). If those stay positive in all rows that the block reads,
 *    with room for the negative weights across, then every smoothed value has a higher neighbour on
 *    the same side, and none is a peak.
 */
#include "pose/peaks_grid.h"

#include "base/arena.h"
#include "pose/cubic.h"

#include <math.h>
#include <string.h>

enum {
    RADIUS = 2,                /* of the smoothing */
    HALO = RADIUS + 1,         /* and of the neighbours compared */
    MAX_WINDOW_CELLS = 16,     /* rows of cells under one row of blocks with its halo */
    OUTSIDE = -1,              /* a position beyond the border that counts as zero */
    LEAST_FACTOR_FOR_SLOPE = 5 /* so that a halo reaches no further than the next cell */
};

static const struct method {
    float kernel[2 * RADIUS + 1];
    bool mirrored_border; /* else zeros */
} methods[] = {
    [PEAKS_FRAMEWORK] = {{0.06041140589442979f, 0.24554235491186413f, 0.38809247838741223f,
                          0.24554235491186413f, 0.06041140589442966f},
                         false},
    [PEAKS_ENGINE] = {{0.1782032576265784f, 0.2105222740037377f, 0.22254893673936782f,
                       0.2105222740037377f, 0.1782032576265784f},
                      true},
};

/* One joint's search, with its parts of the thread's scratch memory. */
struct search {
    struct peaks *p;
    const struct field *field;
    int joint;
    enum peak_method method;
    float threshold;
    int w, h, block_w, block_h, blocks_x, blocks_y;
    float *plane[PREDICT_MAX_SCALES]; /* this joint's cells, dense */
    unsigned char *wanted;            /* (blocks_y, blocks_x) */
    int32_t *columns;                 /* of a window: grid position or OUTSIDE */
    float *cell_rows;                 /* (MAX_WINDOW_CELLS, pitch) */
    float *values, *half, *smooth;    /* (block_h + 2 HALO, pitch) each */
    size_t pitch;
};

/* ---- memory -------------------------------------------------------------------------------- */

static void *take(unsigned char **at, size_t size)
{
    void *memory = *at;
    if (*at)
        *at += arena_round(size);
    return memory;
}

/* Lays the scratch out from `at`; returns its size. */
static size_t lay_out(struct search *s, const struct field *field, unsigned char *at)
{
    const struct grid_axis *x = &field->x[0], *y = &field->y[0];
    s->field = field;
    s->w = x->n;
    s->h = y->n;
    s->block_w = x->block;
    s->block_h = y->block;
    s->blocks_x = (x->n - 1) / x->block + 1;
    s->blocks_y = (y->n - 1) / y->block + 1;
    s->pitch = (size_t)x->n + 2 * HALO + (size_t)x->block;

    const size_t window = ((size_t)y->block + 2 * HALO) * s->pitch * sizeof(float);
    size_t size = 0;
    for (int i = 0; i < field->n; i++) {
        const size_t cells = (size_t)field->x[i].cells * (size_t)field->y[i].cells * sizeof(float);
        s->plane[i] = take(&at, cells);
        size += arena_round(cells);
    }
    const size_t wanted = (size_t)s->blocks_x * (size_t)s->blocks_y;
    const size_t rows = MAX_WINDOW_CELLS * s->pitch * sizeof(float);
    s->wanted = take(&at, wanted);
    s->columns = take(&at, s->pitch * sizeof(int32_t));
    s->cell_rows = take(&at, rows);
    s->values = take(&at, window);
    s->half = take(&at, window);
    s->smooth = take(&at, window);
    size += arena_round(wanted) + arena_round(s->pitch * sizeof(int32_t)) + arena_round(rows) +
            3 * arena_round(window);
    return size;
}

size_t peaks_grid_scratch(const struct field *field)
{
    struct search s;
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

/*
 * Whether all smoothed values rise (or all fall) along one axis through a block. `v` is the block's
 * cell, `along` and `across` lead to the cells from two before to two after it. Two cubics pass
 * through a block along an axis: from cell -1 to 0 and from 0 to 1.
 */
static bool sloped(const float *v, const ptrdiff_t along[5], const ptrdiff_t across[5], float least)
{
    float low[6], high[6];
    for (int i = 0; i < 6; i++) {
        low[i] = INFINITY;
        high[i] = -INFINITY;
    }
    for (int r = 0; r < 5; r++) {
        float p[5];
        for (int i = 0; i < 5; i++)
            p[i] = v[along[i] + across[r]];
        float d[6];
        for (int segment = 0; segment < 2; segment++) {
            const float *q = p + segment;
            d[3 * segment] = 0.75f * (q[2] - q[0]);
            d[3 * segment + 2] = 0.75f * (q[3] - q[1]);
            d[3 * segment + 1] = 3 * (q[2] - q[1]) - d[3 * segment] - d[3 * segment + 2];
        }
        for (int i = 0; i < 6; i++) {
            if (isnan(d[i]))
                return false;
            low[i] = fminf(low[i], d[i]);
            high[i] = fmaxf(high[i], d[i]);
        }
    }
    bool rises = true, falls = true;
    for (int i = 0; i < 6; i++) {
        rises = rises && (1 + CUBIC_UNDERSHOOT) * low[i] - CUBIC_UNDERSHOOT * high[i] > least;
        falls = falls && (1 + CUBIC_UNDERSHOOT) * high[i] - CUBIC_UNDERSHOOT * low[i] < -least;
    }
    return rises || falls;
}

static void offsets(ptrdiff_t out[5], int at, int n, ptrdiff_t step)
{
    for (int i = 0; i < 5; i++) {
        const int to = at + i - 2 < 0 ? 0 : at + i - 2 >= n ? n - 1 : at + i - 2;
        out[i] = (to - at) * step;
    }
}

/* The slope rule. At the map's ends a slope may end in a peak, so those blocks stay. */
static void drop_slopes(struct search *s, struct range range)
{
    const int w = s->blocks_x, h = s->blocks_y;
    const float rounding = 1e-4f * range.magnitude; /* of two smoothed values */
    const float least_x = rounding * (float)s->block_w, least_y = rounding * (float)s->block_h;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            const size_t i = (size_t)y * (size_t)w + (size_t)x;
            if (!s->wanted[i])
                continue;
            ptrdiff_t in_x[5], in_y[5];
            offsets(in_x, x, w, 1);
            offsets(in_y, y, h, w);
            const float *v = s->plane[0] + i;
            if ((x > 0 && x < w - 1 && sloped(v, in_x, in_y, least_x)) ||
                (y > 0 && y < h - 1 && sloped(v, in_y, in_x, least_y)))
                s->wanted[i] = 0;
        }
}

/* ---- one window ---------------------------------------------------------------------------- */

/* Positions beyond the border: mirrored about the last one inside, or counted as zero. */
static int32_t position(int i, int n, bool mirrored)
{
    if (i >= 0 && i < n)
        return i;
    if (!mirrored)
        return OUTSIDE;
    while (i < 0 || i >= n) {
        if (n == 1)
            return 0;
        i = i < 0 ? -i : 2 * (n - 1) - i;
    }
    return i;
}

/* Upsampled values of one map at rows y0 .. y0+rows-1 and s->columns, added to s->values. */
static void add_values(struct search *s, int source, int y0, int rows, int columns)
{
    const struct grid_axis *gx = &s->field->x[source], *gy = &s->field->y[source];
    const bool mirrored = methods[s->method].mirrored_border;
    const float share = 1.0f / (float)s->field->n;
    int first = gy->cells, last = -1; /* rows of cells */
    for (int y = y0; y < y0 + rows; y++) {
        const int32_t at = position(y, s->h, mirrored);
        for (int k = 0; at != OUTSIDE && k < gy->taps; k++) {
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
            for (int k = 0; s->columns[x] != OUTSIDE && k < gx->taps; k++)
                sum += gx->weight[at + (size_t)k] * in[gx->cell[at + (size_t)k]];
            out[x] = sum;
        }
    }
    for (int y = y0; y < y0 + rows; y++) {
        const int32_t at = position(y, s->h, mirrored);
        if (at == OUTSIDE)
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
    const float *kernel = methods[s->method].kernel;
    for (int y = 0; y < rows; y++) {
        const float *in = s->values + (size_t)y * s->pitch;
        float *out = s->half + (size_t)y * s->pitch;
        for (int x = 0; x < columns - 2 * RADIUS; x++)
            out[x] = kernel[0] * in[x] + kernel[1] * in[x + 1] + kernel[2] * in[x + 2] +
                     kernel[3] * in[x + 3] + kernel[4] * in[x + 4];
    }
    for (int y = 0; y < rows - 2 * RADIUS; y++) {
        const float *in = s->half + (size_t)y * s->pitch;
        float *out = s->smooth + (size_t)y * s->pitch;
        const size_t p = s->pitch;
        for (int x = 0; x < columns - 2 * RADIUS; x++)
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
    const bool mirrored = methods[s->method].mirrored_border;
    const int rows = y1 - y0 + 2 * HALO, columns = x1 - x0 + 2 * HALO;
    for (int x = 0; x < columns; x++)
        s->columns[x] = position(x0 - HALO + x, s->w, mirrored);
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

/* Neighbouring blocks of a row share a window. */
static void search_blocks(struct search *s)
{
    for (int by = 0; by < s->blocks_y; by++) {
        const unsigned char *row = s->wanted + (size_t)by * (size_t)s->blocks_x;
        const int y0 = by * s->block_h;
        const int y1 = y0 + s->block_h < s->h ? y0 + s->block_h : s->h;
        for (int bx = 0, end; bx < s->blocks_x; bx = end + 1) {
            for (end = bx; end < s->blocks_x && row[end];)
                end++;
            const int x0 = bx * s->block_w;
            const int x1 = end * s->block_w < s->w ? end * s->block_w : s->w;
            if (end > bx)
                search_window(s, y0, y1, x0, x1);
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
    struct range range = {0};
    for (int i = 0; i < field->n; i++) {
        range = gather(&field->maps[i], joint, s.plane[i]);
        any |= mark_high(&s, i, range);
    }
    if (!any)
        return;
    const bool plain = field->n == 1 && s.w == field->x[0].cells * s.block_w &&
                       s.h == field->y[0].cells * s.block_h;
    if (plain && s.block_w >= LEAST_FACTOR_FOR_SLOPE && s.block_h >= LEAST_FACTOR_FOR_SLOPE)
        drop_slopes(&s, range);
    search_blocks(&s);
}
