/*
 * Rows of dwconv.h, written once for every vector width; included after simd_map_*.h and
 * words_*.h. 3x3 kernels keep their weights in registers.
 */
#ifndef KERNEL_DWCONV_SIMD_H
#define KERNEL_DWCONV_SIMD_H

#include "kernel/dwconv.h"
#include "kernel/x86/conv_store.h"

enum { KEPT_TAPS = 9 };

/* Results of one vector of channels, one after another. */
struct store {
    const struct conv_call *call;
    lanes some;
    bool bytes;
    vec low, high;
    int out_zero;
    ptrdiff_t at, add_at, pitch, add_pitch;
};

INLINE struct store store_start(const struct dwconv_row *row)
{
    const struct conv_constants *c = row->call->c;
    const struct conv_geometry *g = &row->call->shape->g;
    return (struct store){.call = row->call,
                          .some = lanes_first(g->out_c - row->channel),
                          .bytes = conv_stores_bytes(row->call->shape),
                          .low = vec_set(c->low),
                          .high = vec_set(c->high),
                          .out_zero = c->out_zero,
                          .at = row->at,
                          .add_at = row->add_at,
                          .pitch = g->out_pitch,
                          .add_pitch = c->add_pitch};
}

INLINE void store_next_result(struct store *s, vec r)
{
    if (s->bytes)
        vec_store_u8((uint8_t *)s->call->y + s->at, vec_limited(r, s->low, s->high), s->out_zero,
                     s->some);
    else
        conv_store_any(s->call, r, s->at, s->add_at, s->some);
    s->at += s->pitch;
    s->add_at += s->add_pitch;
}

/* ---- bytes ------------------------------------------------------------------------------- */

/* `kept`: the number of taps, when it is KEPT_TAPS; else 0. */
INLINE void row_whole(const struct dwconv_row *row, int kept)
{
    const struct conv_constants *c = row->call->c;
    struct store out = store_start(row);
    const pairs offset = pairs_some(c->offset + row->channel, out.some);
    const vec multiplier = vec_load_some(c->multiplier + row->channel, out.some);
    const vec bias = vec_load_some(c->bias + row->channel, out.some);
    const int16_t *w = row->w;
    pairs weights[(KEPT_TAPS + 1) / 2];
    UNROLL
    for (int t = 0; t < kept; t += 2)
        weights[t / 2] = pairs_load(w + t * LANES);
    const uint8_t *x = row->x;
    for (int i = 0; i < row->n; i++, x += row->pixel) {
        pairs sum = offset;
        if (kept > 0) {
            UNROLL
            for (int t = 0; t < kept; t += 2)
                sum = pairs_add(sum, pairs_bytes(x + row->tap[t], x + row->tap[t + 1]),
                                weights[t / 2]);
        } else {
            for (int t = 0; t < row->n_taps; t += 2)
                sum = pairs_add(sum, pairs_bytes(x + row->tap[t], x + row->tap[t + 1]),
                                pairs_load(w + t * LANES));
        }
        store_next_result(&out, vec_fma(pairs_vec(sum), multiplier, bias));
    }
}

static void dwconv_row_u8(const struct dwconv_row *row)
{
    if (row->n_taps == KEPT_TAPS)
        row_whole(row, KEPT_TAPS);
    else
        row_whole(row, 0);
}

/* ---- floats ------------------------------------------------------------------------------ */

INLINE vec source_floats(const uint8_t *x)
{
    return vec_load((const float *)(const void *)x);
}

INLINE void row_float(const struct dwconv_row *row, int kept)
{
    struct store out = store_start(row);
    const vec bias = vec_load_some(row->call->c->bias + row->channel, out.some);
    const float *w = row->w;
    vec weights[KEPT_TAPS];
    UNROLL
    for (int t = 0; t < kept; t++)
        weights[t] = vec_load(w + t * LANES);
    const uint8_t *x = row->x;
    for (int i = 0; i < row->n; i++, x += row->pixel) {
        vec sum = bias;
        if (kept > 0) {
            UNROLL
            for (int t = 0; t < kept; t++)
                sum = vec_fma(source_floats(x + row->tap[t]), weights[t], sum);
        } else {
            for (int t = 0; t < row->n_taps; t++)
                sum = vec_fma(source_floats(x + row->tap[t]), vec_load(w + t * LANES), sum);
        }
        store_next_result(&out, sum);
    }
}

static void dwconv_row_f32(const struct dwconv_row *row)
{
    if (row->n_taps == KEPT_TAPS)
        row_float(row, KEPT_TAPS);
    else
        row_float(row, 0);
}

static const struct dwconv_level level_u8 = {.sort = DOT_U8, .lanes = LANES, .row = dwconv_row_u8};
static const struct dwconv_level level_f32 = {
    .sort = DOT_F32, .lanes = LANES, .row = dwconv_row_f32};

#endif
