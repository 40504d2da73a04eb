/* winograd_whole.h in plain C: what every level's results are, bit for bit. */
#include "kernel/conv_list.h"
#include "kernel/map_value.h"
#include "kernel/winograd_whole.h"

#include <math.h>

enum { REF_LANES = 8 };

/* One row by one vector, modulo 2^32. */
static void tile_ref(int steps, const int16_t *x, ptrdiff_t x_row, const int16_t *w, float *y,
                     ptrdiff_t y_row)
{
    (void)x_row;
    (void)y_row;
    for (int lane = 0; lane < REF_LANES; lane++) {
        uint32_t sum = 0;
        for (int k = 0; k < 2 * steps; k++)
            sum += (uint32_t)(x[k] * w[(k / 2 * REF_LANES + lane) * 2 + k % 2]);
        y[lane] = (float)(int32_t)sum;
    }
}

static void patch_line(int out[WINOGRAD_PATCH], const int d[WINOGRAD_PATCH])
{
    out[0] = 4 * d[0] - 5 * d[2] + d[4];
    out[1] = d[4] - 4 * d[2] + d[3] - 4 * d[1];
    out[2] = d[4] - 4 * d[2] - d[3] + 4 * d[1];
    out[3] = d[4] - d[2] + 2 * d[3] - 2 * d[1];
    out[4] = d[4] - d[2] - 2 * d[3] + 2 * d[1];
    out[5] = 4 * d[1] - 5 * d[3] + d[5];
}

static void patch_ref(const struct winograd_square *s, const uint8_t *map, const uint8_t *zero,
                      int channels, int16_t *out, ptrdiff_t point)
{
    for (int k = 0; k < channels; k++) {
        int columns[WINOGRAD_PATCH][WINOGRAD_PATCH]; /* [x][a] */
        for (int x = 0; x < WINOGRAD_PATCH; x++) {
            int d[WINOGRAD_PATCH] = {0};
            for (int y = s->y0; y < s->y1; y++)
                if (x >= s->x0 && x < s->x1)
                    d[y] = map[s->origin + y * s->row + x * s->pixel + k] - zero[k];
            patch_line(columns[x], d);
        }
        for (int a = 0; a < WINOGRAD_PATCH; a++) {
            int line[WINOGRAD_PATCH], done[WINOGRAD_PATCH];
            for (int x = 0; x < WINOGRAD_PATCH; x++)
                line[x] = columns[x][a];
            patch_line(done, line);
            for (int b = 0; b < WINOGRAD_PATCH; b++)
                out[(a * WINOGRAD_PATCH + b) * point + k] = (int16_t)done[b];
        }
    }
    if (channels % 2 != 0) /* the pair's other one, whose weight is 0 */
        for (int i = 0; i < WINOGRAD_POINTS; i++)
            out[i * point + channels] = 0;
}

static void patches_ref(const struct winograd_square *s, int n, const uint8_t *map,
                        const uint8_t *zero, int channels, int16_t *out, ptrdiff_t tile,
                        ptrdiff_t point)
{
    struct winograd_square one = *s;
    for (int i = 0; i < n; i++, out += tile) {
        patch_ref(&one, map, zero, channels, out, point);
        one.origin += WINOGRAD_TILE * one.pixel;
        one.x0 -= WINOGRAD_TILE;
        one.x1 -= WINOGRAD_TILE;
    }
}

static void result_line(float out[WINOGRAD_TILE], const float r[WINOGRAD_PATCH])
{
    const float even_1 = r[1] + r[2], odd_1 = r[1] - r[2];
    const float even_2 = r[3] + r[4], odd_2 = r[3] - r[4];
    out[0] = r[0] + (even_1 + even_2);
    out[1] = fmaf(2, odd_2, odd_1);
    out[2] = fmaf(4, even_2, even_1);
    out[3] = fmaf(8, odd_2, odd_1 + r[5]);
}

static void result_ref(const struct conv_call *call, const struct winograd_square *s,
                       const float *in, ptrdiff_t point, const float *scale, ptrdiff_t scale_point,
                       int channel)
{
    const int n = call->shape->g.out_c - channel;
    for (int k = 0; k < REF_LANES && k < n; k++) {
        float columns[WINOGRAD_PATCH][WINOGRAD_TILE]; /* [x][y] */
        for (int x = 0; x < WINOGRAD_PATCH; x++) {
            float r[WINOGRAD_PATCH];
            for (int y = 0; y < WINOGRAD_PATCH; y++) {
                const int p = y * WINOGRAD_PATCH + x;
                const float sum = in[p * point + k], factor = scale[p * scale_point + k];
                r[y] = p == WHOLE_BIAS_POINT ? fmaf(sum, factor, call->c->bias[channel + k])
                                             : sum * factor;
            }
            result_line(columns[x], r);
        }
        for (int y = s->y0; y < s->y1; y++) {
            float line[WINOGRAD_PATCH], done[WINOGRAD_TILE];
            for (int x = 0; x < WINOGRAD_PATCH; x++)
                line[x] = columns[x][y];
            result_line(done, line);
            for (int x = 0; x < s->x1; x++) {
                const ptrdiff_t at = s->origin + y * s->row + x * s->pixel;
                conv_result(call, done[x], at + channel + k,
                            at / s->pixel * call->c->add_pitch + channel + k);
            }
        }
    }
}

static const whole_tile tiles_ref[] = {tile_ref};

static const struct whole_level level_ref = {
    .lanes = REF_LANES,
    .words = 2,
    .max_vectors = 1,
    .max_rows = {1},
    .tile = {tiles_ref},
    .patches = patches_ref,
    .result = result_ref,
};

WHOLE_KERNEL(conv_s16_winograd_ref, "s16_winograd_ref", CPU_REF, whole_fits, level_ref)
