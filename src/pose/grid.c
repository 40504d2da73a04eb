/* Tables of the fine grid: built once a picture size, read by the peak search and the limb scores.
 */
#include "pose/grid.h"

#include "base/arena.h"
#include "base/error.h"
#include "pose/cubic.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CUBIC_TAPS = 4, HALO = 3 }; /* a search looks 3 positions beyond its block */

static int clamp(int x, int low, int high)
{
    return x < low ? low : x > high ? high : x;
}

static int reserve(struct grid_axis *axis, int cells, int n, int taps, int block)
{
    if (cells < 1 || n < 1 || n > GRID_MAX_SIDE || cells > GRID_MAX_SIDE)
        return error_set(BPNET_ELIMIT, "a grid of %d positions over %d cells, expected 1 to %d", n,
                         cells, GRID_MAX_SIDE);
    const size_t table = arena_round((size_t)n * (size_t)taps * sizeof(int32_t));
    const size_t blocks = arena_round((size_t)cells * sizeof(int32_t));
    const size_t size = 2 * table + 2 * blocks;
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
    axis->cell = (int32_t *)(void *)at;
    axis->weight = (float *)(void *)(at + table);
    axis->first_block = (int32_t *)(void *)(at + 2 * table);
    axis->last_block = (int32_t *)(void *)(at + 2 * table + blocks);
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

int grid_axis_upsample(struct grid_axis *axis, int cells, int factor)
{
    if (factor < 1 || factor > GRID_MAX_FACTOR || cells < 1 || cells > GRID_MAX_SIDE / factor)
        return error_set(BPNET_ELIMIT,
                         "upsampling %d cells by %d, expected a factor of 1 to %d and at most %d "
                         "positions",
                         cells, factor, GRID_MAX_FACTOR, GRID_MAX_SIDE);
    if (axis->taps == CUBIC_TAPS && axis->cells == cells && axis->n == cells * factor &&
        axis->block == factor)
        return BPNET_OK;
    const int err = reserve(axis, cells, cells * factor, CUBIC_TAPS, factor);
    if (err < 0)
        return err;
    for (int x = 0; x < axis->n; x++) {
        const size_t at = (size_t)x * CUBIC_TAPS;
        const int first = upsampled(x, factor, axis->weight + at) - 1;
        for (int k = 0; k < CUBIC_TAPS; k++)
            axis->cell[at + (size_t)k] = clamp(first + k, 0, cells - 1);
    }
    measure_undershoot(axis);
    index_blocks(axis);
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

int grid_axis_rescale(struct grid_axis *axis, int cells, int stride, int content, int n)
{
    if (stride < 1 || stride > GRID_MAX_FACTOR || content < 1 || content > n ||
        content > cells * stride)
        return error_set(BPNET_ELIMIT, "resizing %d pixels of %d cells of %d to %d", content, cells,
                         stride, n);
    const int err = reserve(axis, cells, n, GRID_TAPS, stride);
    if (err < 0)
        return err;
    const double scale = (double)content / n;
    for (int x = 0; x < n; x++) {
        const size_t at = (size_t)x * GRID_TAPS;
        compose(axis->cell + at, axis->weight + at, (x + 0.5) * scale - 0.5, cells, stride,
                content);
    }
    measure_undershoot(axis);
    index_blocks(axis);
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
