/* Tables of the fine grid: built once a picture size, read by the peak search and the limb scores.
 */
#include "pose/grid.h"

#include "base/arena.h"
#include "base/error.h"
#include "pose/cubic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    CUBIC_TAPS = 4,
    HALO = GRID_RADIUS + 1, /* a search looks so many positions beyond its block */
    /* Cells under a block and the smoothing's reach, at most: with a factor of 1, 7 + 4. */
    SMOOTH_TAPS = GRID_TAPS + 2 * GRID_RADIUS,
};

static int clamp(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
}

/* Fitted to the original's framework and engine paths. */
const struct grid_smoothing grid_smoothing[] = {
    [PEAKS_SUBPIXEL] = {{0, 0, 1, 0, 0}, true},
    [PEAKS_FRAMEWORK] = {{0.06041140589442979f, 0.24554235491186413f, 0.38809247838741223f,
                          0.24554235491186413f, 0.06041140589442966f},
                         false},
    [PEAKS_ENGINE] = {{0.1782032576265784f, 0.2105222740037377f, 0.22254893673936782f,
                       0.2105222740037377f, 0.1782032576265784f},
                      true},
};

int grid_position(int at, int n, enum peak_method method)
{
    if (at >= 0 && at < n)
        return at;
    if (!grid_smoothing[method].mirrored_border)
        return GRID_OUTSIDE;
    while (n > 1 && (at < 0 || at >= n))
        at = at < 0 ? -at : 2 * (n - 1) - at;
    return n > 1 ? at : 0;
}

static void *take(unsigned char **at, size_t n, size_t size)
{
    void *memory = *at;
    *at += arena_round(n * size);
    return memory;
}

static int reserve(struct grid_axis *axis, int cells, int n, int taps, int block)
{
    if (cells < 1 || n < 1 || n > GRID_MAX_SIDE || cells > GRID_MAX_SIDE)
        return error_set(BPNET_ELIMIT, "a grid of %d positions over %d cells, expected 1 to %d", n,
                         cells, GRID_MAX_SIDE);
    const int blocks = (n - 1) / block + 1;
    const size_t table = (size_t)n * (size_t)taps;
    const size_t smooth = (size_t)blocks * (size_t)block * SMOOTH_TAPS;
    const size_t size = arena_round(table * sizeof(int32_t)) + arena_round(table * sizeof(float)) +
                        2 * arena_round((size_t)cells * sizeof(int32_t)) +
                        arena_round((size_t)blocks * sizeof(int32_t)) +
                        arena_round(smooth * sizeof(float));
    if (size > axis->size) {
        grid_axis_free(axis);
        axis->memory = aligned_alloc(ARENA_ALIGN, size);
        if (!axis->memory)
            return error_set(BPNET_ENOMEM, "no memory for a grid of %d positions", n);
        axis->size = size;
    }
    unsigned char *at = axis->memory;
    axis->n = n;
    axis->cells = cells;
    axis->taps = taps;
    axis->block = block;
    axis->blocks = blocks;
    axis->cell = take(&at, table, sizeof(int32_t));
    axis->weight = take(&at, table, sizeof(float));
    axis->first_block = take(&at, (size_t)cells, sizeof(int32_t));
    axis->last_block = take(&at, (size_t)cells, sizeof(int32_t));
    axis->smooth_first = take(&at, (size_t)blocks, sizeof(int32_t));
    axis->smooth_weight = take(&at, smooth, sizeof(float));
    return BPNET_OK;
}

/* Which blocks read a cell: a block reads the cells of its positions and of HALO more. */
static void index_blocks(struct grid_axis *axis)
{
    for (int c = 0; c < axis->cells; c++) {
        axis->first_block[c] = INT32_MAX;
        axis->last_block[c] = -1;
    }
    for (int x = 0; x < axis->n; x++) {
        const int first = clamp(x - HALO, 0, axis->n - 1) / axis->block;
        const int last = clamp(x + HALO, 0, axis->n - 1) / axis->block;
        for (int k = 0; k < axis->taps; k++) {
            const int c = axis->cell[(size_t)x * (size_t)axis->taps + (size_t)k];
            if (first < axis->first_block[c])
                axis->first_block[c] = first;
            if (last > axis->last_block[c])
                axis->last_block[c] = last;
        }
    }
}

/* The cells under positions begin .. end-1 and GRID_RADIUS more. */
static void cells_under(const struct grid_axis *axis, int begin, int end, int *first, int *last)
{
    *first = axis->cells;
    *last = 0;
    for (int x = begin - GRID_RADIUS; x < end + GRID_RADIUS; x++) {
        const int at = grid_position(x, axis->n, axis->method);
        for (int k = 0; at != GRID_OUTSIDE && k < axis->taps; k++) {
            const int c = axis->cell[(size_t)at * (size_t)axis->taps + (size_t)k];
            *first = c < *first ? c : *first;
            *last = c > *last ? c : *last;
        }
    }
}

static void smooth_block(struct grid_axis *axis, int b)
{
    const float *kernel = grid_smoothing[axis->method].kernel;
    const int first = axis->smooth_first[b], begin = b * axis->block;
    float *out = axis->smooth_weight + (size_t)b * (size_t)axis->block * (size_t)axis->smooth_taps;
    memset(out, 0, (size_t)axis->block * (size_t)axis->smooth_taps * sizeof(float));
    for (int i = 0; i < axis->block && begin + i < axis->n; i++)
        for (int d = -GRID_RADIUS; d <= GRID_RADIUS; d++) {
            const int at = grid_position(begin + i + d, axis->n, axis->method);
            for (int k = 0; at != GRID_OUTSIDE && k < axis->taps; k++) {
                const size_t tap = (size_t)at * (size_t)axis->taps + (size_t)k;
                const size_t cell = (size_t)(axis->cell[tap] - first);
                out[cell * (size_t)axis->block + (size_t)i] +=
                    kernel[d + GRID_RADIUS] * axis->weight[tap];
            }
        }
}

static void smooth_blocks(struct grid_axis *axis)
{
    int most = 1, first, last;
    for (int b = 0; b < axis->blocks; b++) {
        cells_under(axis, b * axis->block, clamp((b + 1) * axis->block, 0, axis->n), &first, &last);
        axis->smooth_first[b] = first;
        most = last - first + 1 > most ? last - first + 1 : most;
    }
    axis->smooth_taps = most;
    for (int b = 0; b < axis->blocks; b++) {
        if (axis->smooth_first[b] + most > axis->cells)
            axis->smooth_first[b] = axis->cells - most;
        smooth_block(axis, b);
    }
}

static void measure_undershoot(struct grid_axis *axis)
{
    float worst = 0;
    for (int x = 0; x < axis->n; x++) {
        float negative = 0;
        for (int k = 0; k < axis->taps; k++)
            negative -= fminf(axis->weight[(size_t)x * (size_t)axis->taps + (size_t)k], 0);
        worst = fmaxf(worst, negative);
    }
    axis->undershoot = worst;
}

/* The cell left of (or at) an upsampled position, and the weights of the four cells around. */
static int upsampled(int x, int factor, float w[CUBIC_TAPS])
{
    const float at = (float)((x + 0.5) * (1.0 / factor) - 0.5);
    const float below = floorf(at);
    cubic_weights(at - below, w);
    return (int)below;
}

int grid_axis_upsample(struct grid_axis *axis, int cells, int factor, enum peak_method method)
{
    if (factor < 1 || factor > GRID_MAX_FACTOR || cells < 1 || cells > GRID_MAX_SIDE / factor)
        return error_set(BPNET_ELIMIT,
                         "upsampling %d cells by %d, expected a factor of 1 to %d and at most %d "
                         "positions",
                         cells, factor, GRID_MAX_FACTOR, GRID_MAX_SIDE);
    if (axis->taps == CUBIC_TAPS && axis->cells == cells && axis->n == cells * factor &&
        axis->block == factor && axis->method == method)
        return BPNET_OK;
    const int err = reserve(axis, cells, cells * factor, CUBIC_TAPS, factor);
    if (err < 0)
        return err;
    axis->method = method;
    for (int x = 0; x < axis->n; x++) {
        const size_t at = (size_t)x * CUBIC_TAPS;
        const int first = upsampled(x, factor, axis->weight + at) - 1;
        for (int k = 0; k < CUBIC_TAPS; k++)
            axis->cell[at + (size_t)k] = clamp(first + k, 0, cells - 1);
    }
    measure_undershoot(axis);
    index_blocks(axis);
    smooth_blocks(axis);
    return BPNET_OK;
}

/* Both steps are linear and act along one axis at a time: their product is again such a table. */
static void compose(int32_t cell[GRID_TAPS], float weight[GRID_TAPS], double at, int cells,
                    int stride, int content)
{
    double sums[GRID_TAPS] = {0};
    float outer[CUBIC_TAPS], inner[CUBIC_TAPS];
    const float position = (float)at, below = floorf(position);
    cubic_weights(position - below, outer);
    int first = 0;
    for (int k = 0; k < CUBIC_TAPS; k++) {
        const int pixel = clamp((int)below - 1 + k, 0, content - 1);
        const int from = upsampled(pixel, stride, inner) - 1;
        if (k == 0)
            first = clamp(from, 0, cells - 1);
        for (int i = 0; i < CUBIC_TAPS; i++)
            sums[clamp(from + i, 0, cells - 1) - first] += (double)outer[k] * (double)inner[i];
    }
    for (int i = 0; i < GRID_TAPS; i++) {
        cell[i] = clamp(first + i, 0, cells - 1);
        weight[i] = (float)sums[i];
    }
}

int grid_axis_rescale(struct grid_axis *axis, int cells, int stride, int content, int n,
                      enum peak_method method)
{
    if (stride < 1 || stride > GRID_MAX_FACTOR || content < 1 || content > n ||
        content > cells * stride)
        return error_set(BPNET_ELIMIT, "resizing %d pixels of %d cells of %d to %d", content, cells,
                         stride, n);
    const int err = reserve(axis, cells, n, GRID_TAPS, stride);
    if (err < 0)
        return err;
    axis->method = method;
    const double scale = (double)content / n;
    for (int x = 0; x < n; x++) {
        const size_t at = (size_t)x * GRID_TAPS;
        compose(axis->cell + at, axis->weight + at, (x + 0.5) * scale - 0.5, cells, stride,
                content);
    }
    measure_undershoot(axis);
    index_blocks(axis);
    smooth_blocks(axis);
    return BPNET_OK;
}

void grid_axis_free(struct grid_axis *axis)
{
    free(axis->memory);
    *axis = (struct grid_axis){0};
}

void field_free(struct field *field)
{
    for (int i = 0; i < PREDICT_MAX_SCALES; i++) {
        grid_axis_free(&field->x[i]);
        grid_axis_free(&field->y[i]);
    }
    *field = (struct field){0};
}
