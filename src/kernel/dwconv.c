/* The walk of dwconv.h: bands of rows, in them rows, in them vectors of channels. */
#include "kernel/dwconv.h"

#include "kernel/bf16.h"
#include "kernel/integers.h"

#include <string.h>

static int n_taps(const struct conv_shape *s)
{
    return s->g.kernel_h * s->g.kernel_w;
}

bool dwconv_fits(const struct conv_shape *s)
{
    return s->depthwise && n_taps(s) <= DWCONV_MAX_TAPS;
}

/* Bytes of one vector of channels in the stream. */
static size_t vector_bytes(const struct conv_shape *s, const struct dwconv_level *level)
{
    const size_t lanes = (size_t)level->lanes, taps = (size_t)n_taps(s);
    return level->sort == DOT_U8 ? (taps + 1) / 2 * lanes * 2 * sizeof(int16_t)
                                 : taps * lanes * sizeof(float);
}

size_t dwconv_packed(const struct conv_shape *s, const struct dwconv_level *level)
{
    const size_t vectors = (size_t)divide_up(s->g.in_c, level->lanes);
    return (vectors * vector_bytes(s, level) + 63) / 64 * 64;
}

static float float_weight(const struct conv_shape *s, const float *w, ptrdiff_t i)
{
    return s->in == MAP_BF16 ? bf16_float(bf16_round(w[i])) : w[i];
}

/* (vector, tap, channel), or (vector, pair of taps, channel, tap of the pair). */
void dwconv_pack(const struct conv_shape *s, const struct dwconv_level *level, const void *w,
                 void *packed)
{
    const int channels = s->g.in_c;
    memset(packed, 0, dwconv_packed(s, level));
    for (int channel = 0; channel < channels; channel++) {
        void *vector =
            (uint8_t *)packed + (size_t)(channel / level->lanes) * vector_bytes(s, level);
        const int lane = channel % level->lanes;
        for (int tap = 0; tap < n_taps(s); tap++) {
            const ptrdiff_t from = (ptrdiff_t)tap * channels + channel;
            if (level->sort == DOT_U8)
                ((int16_t *)vector)[(tap / 2 * level->lanes + lane) * 2 + tap % 2] =
                    ((const int8_t *)w)[from];
            else
                ((float *)vector)[tap * level->lanes + lane] = float_weight(s, w, from);
        }
    }
}

size_t dwconv_scratch(const struct conv_shape *s, const struct dwconv_level *level)
{
    const struct dot_window w = dot_window_of(s, level->sort);
    return dot_window_bytes(&w, s);
}

int dwconv_items(const struct conv_shape *s)
{
    return s->g.out_h;
}

static void set_taps(struct dwconv_row *row, const struct conv_geometry *g,
                     const struct dot_source *source)
{
    row->n_taps = g->kernel_h * g->kernel_w;
    for (int tap = 0; tap < row->n_taps; tap++)
        row->tap[tap] = tap / g->kernel_w * g->dilation * source->row +
                        tap % g->kernel_w * g->dilation * source->pixel;
    row->tap[row->n_taps] = row->tap[row->n_taps - 1];
}

static void run_band(const struct conv_call *call, const struct dwconv_level *level,
                     const struct dot_source *source, int row0, int row1)
{
    const struct conv_geometry *g = &call->shape->g;
    const size_t size = level->sort == DOT_U8 ? 1 : sizeof(float);
    const size_t step = vector_bytes(call->shape, level);
    struct dwconv_row row = {.call = call, .pixel = g->stride * source->pixel, .n = g->out_w};
    set_taps(&row, g, source);
    for (int y = row0; y < row1; y++) {
        const ptrdiff_t first = (ptrdiff_t)y * g->out_w;
        row.w = call->c->packed;
        for (row.channel = 0; row.channel < g->in_c; row.channel += level->lanes) {
            row.x = source->data + (y - row0) * g->stride * source->row +
                    (ptrdiff_t)((size_t)row.channel * size);
            row.at = first * g->out_pitch + row.channel;
            row.add_at = first * call->c->add_pitch + row.channel;
            level->row(&row);
            row.w = (const uint8_t *)row.w + step;
        }
    }
}

void dwconv_run(const struct conv_call *call, const struct dwconv_level *level, int item0,
                int item1)
{
    const struct dot_window w = dot_window_of(call->shape, level->sort);
    for (int row = item0; row < item1; row += w.band) {
        const int row1 = smaller(row + w.band, item1);
        const struct dot_source source = dot_window_fill(&w, call, row, row1);
        run_band(call, level, &source, row, row1);
    }
}
