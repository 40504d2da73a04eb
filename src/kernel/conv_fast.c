/*
 * The float convolution of training (kernel.h: direct, or Winograd's algorithm where that is
 * faster) as a kernel for inference. It knows bias and ReLU; other limits and an added map are
 * dealt with band by band, right behind it.
 */
#include "kernel/conv_list.h"
#include "kernel/integers.h"
#include "kernel/map_value.h"

#if defined(__x86_64__)

static struct kernels kernels_of(enum cpu_level level)
{
    struct kernels k;
    kernels_init(&k, level);
    return k;
}

static size_t bytes_of(size_t floats)
{
    return (floats * sizeof(float) + 63) / 64 * 64;
}

static bool fits(const struct conv_shape *s)
{
    return s->in == MAP_F32 && s->out == MAP_F32 && !s->depthwise;
}

static int items(const struct conv_shape *s, enum cpu_level level)
{
    const struct kernels k = kernels_of(level);
    return divide_up(s->g.out_h, k.conv_rows(&s->g));
}

/* y = limits(y + add) for n pixels. */
static void finish(const struct conv_call *call, float *y, const float *add, ptrdiff_t n)
{
    const struct conv_constants *c = call->c;
    const struct conv_geometry *g = &call->shape->g;
    for (ptrdiff_t i = 0; i < n; i++, y += g->out_pitch) {
        for (int j = 0; add && j < g->out_c; j++)
            y[j] += add[i * c->add_pitch + j];
        for (int j = 0; j < g->out_c; j++)
            y[j] = map_limited(y[j], c->low, c->high);
    }
}

static void run(const struct conv_call *call, int item0, int item1, enum cpu_level level)
{
    const struct kernels k = kernels_of(level);
    const struct conv_geometry *g = &call->shape->g;
    const struct conv_constants *c = call->c;
    const bool adds = call->shape->adds;
    const bool open = c->high >= INFINITY;
    const bool relu = open && c->low >= 0.0F && c->low <= 0.0F;
    const bool none = open && c->low <= -INFINITY;
    const int rows = k.conv_rows(g);
    const int end = smaller(item1 * rows, g->out_h);
    for (int row = item0 * rows; row < end; row += rows) {
        const int row1 = smaller(row + rows, end);
        k.conv(g, call->x, c->packed, c->bias, relu && !adds ? ACT_RELU : ACT_NONE, false, call->y,
               row, row1, call->scratch);
        const ptrdiff_t first = (ptrdiff_t)row * g->out_w;
        float *y = (float *)call->y + first * g->out_pitch;
        const float *add = adds ? (const float *)call->add + first * c->add_pitch : NULL;
        const ptrdiff_t n = (ptrdiff_t)(row1 - row) * g->out_w;
        if (adds && (relu || none))
            k.add(y, g->out_pitch, add, c->add_pitch, relu ? ACT_RELU : ACT_NONE, y, g->out_pitch,
                  (size_t)n, g->out_c);
        else if (!relu && !none)
            finish(call, y, add, n);
    }
}

#define FAST(suffix, cpu)                                                                          \
    static size_t packed_##suffix(const struct conv_shape *s)                                      \
    {                                                                                              \
        const struct kernels k = kernels_of(cpu);                                                  \
        return bytes_of(k.conv_packed(&s->g));                                                     \
    }                                                                                              \
    static void pack_##suffix(const struct conv_shape *s, const void *w, void *packed)             \
    {                                                                                              \
        const struct kernels k = kernels_of(cpu);                                                  \
        k.conv_pack(&s->g, w, packed);                                                             \
    }                                                                                              \
    static size_t scratch_##suffix(const struct conv_shape *s)                                     \
    {                                                                                              \
        const struct kernels k = kernels_of(cpu);                                                  \
        return bytes_of(k.conv_scratch(&s->g));                                                    \
    }                                                                                              \
    static int items_##suffix(const struct conv_shape *s, int phase)                               \
    {                                                                                              \
        (void)phase;                                                                               \
        return items(s, cpu);                                                                      \
    }                                                                                              \
    static void run_##suffix(const struct conv_call *call, int phase, int item0, int item1)        \
    {                                                                                              \
        (void)phase;                                                                               \
        run(call, item0, item1, cpu);                                                              \
    }                                                                                              \
    const struct conv_kernel conv_f32_fast_##suffix = {                                            \
        .name = "f32_fast_" #suffix,                                                               \
        .level = cpu,                                                                              \
        .weights = WEIGHT_F32,                                                                     \
        .fits = fits,                                                                              \
        .packed = packed_##suffix,                                                                 \
        .pack = pack_##suffix,                                                                     \
        .scratch = scratch_##suffix,                                                               \
        .items = items_##suffix,                                                                   \
        .run = run_##suffix,                                                                       \
    };

FAST(avx2, CPU_AVX2)
FAST(avx512, CPU_AVX512)

#else
typedef int conv_fast_is_empty;
#endif
