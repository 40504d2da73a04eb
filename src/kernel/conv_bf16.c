/*
 * Convolutions of BF16 maps by Winograd's algorithm (winograd.h) as kernels for inference. Values
 * are widened on their way into the transform; the products are of floats, or of BF16 in mixed
 * precision, which is faster and errs more. Weights are not rounded before they are transformed.
 */
#include "kernel/conv_list.h"
#include "kernel/integers.h"
#include "kernel/winograd.h"

#if defined(__x86_64__)

static struct conv_pass pass_of(const struct conv_shape *s, const struct winograd_level *level)
{
    struct conv_pass pass = conv_pass_forward(&s->g);
    pass.paired = level->conv->narrow != NULL;
    return pass;
}

static size_t bytes_of(size_t floats)
{
    return (floats * sizeof(float) + 63) / 64 * 64;
}

static bool fits(const struct conv_shape *s, const struct winograd_level *level)
{
    const struct conv_pass pass = pass_of(s, level);
    return s->in == MAP_BF16 && s->out == MAP_BF16 && !s->depthwise &&
           winograd_suits(&pass, level->conv->lanes);
}

static size_t packed(const struct conv_shape *s, const struct winograd_level *level)
{
    const struct conv_pass pass = pass_of(s, level);
    return bytes_of(winograd_packed(&pass, level->conv->lanes));
}

static void pack(const struct conv_shape *s, const struct winograd_level *level, const float *w,
                 void *out)
{
    const struct conv_pass pass = pass_of(s, level);
    winograd_pack(&pass, level, w, out);
}

static size_t scratch(const struct conv_shape *s, const struct winograd_level *level)
{
    const struct conv_pass pass = pass_of(s, level);
    return bytes_of(winograd_scratch(&pass, level->conv->lanes));
}

static int items(const struct conv_shape *s, const struct winograd_level *level)
{
    const struct conv_pass pass = pass_of(s, level);
    return divide_up(s->g.out_h, winograd_rows(&pass));
}

static void run(const struct conv_call *call, const struct winograd_level *level, int item0,
                int item1)
{
    const struct conv_pass pass = pass_of(call->shape, level);
    const struct winograd_maps maps = {.call = call};
    const int rows = winograd_rows(&pass);
    const int end = smaller(item1 * rows, call->shape->g.out_h);
    for (int row = item0 * rows; row < end; row += rows)
        winograd_run(&pass, level, &maps, call->c->packed, row, smaller(row + rows, end),
                     call->scratch);
}

#define WINOGRAD_KERNEL(suffix, cpu)                                                               \
    static bool fits_##suffix(const struct conv_shape *s)                                          \
    {                                                                                              \
        return fits(s, &winograd_level_##suffix);                                                  \
    }                                                                                              \
    static size_t packed_##suffix(const struct conv_shape *s)                                      \
    {                                                                                              \
        return packed(s, &winograd_level_##suffix);                                                \
    }                                                                                              \
    static void pack_##suffix(const struct conv_shape *s, const void *w, void *out)                \
    {                                                                                              \
        pack(s, &winograd_level_##suffix, w, out);                                                 \
    }                                                                                              \
    static size_t scratch_##suffix(const struct conv_shape *s)                                     \
    {                                                                                              \
        return scratch(s, &winograd_level_##suffix);                                               \
    }                                                                                              \
    static int items_##suffix(const struct conv_shape *s, int phase)                               \
    {                                                                                              \
        (void)phase;                                                                               \
        return items(s, &winograd_level_##suffix);                                                 \
    }                                                                                              \
    static void run_##suffix(const struct conv_call *call, int phase, int item0, int item1)        \
    {                                                                                              \
        (void)phase;                                                                               \
        run(call, &winograd_level_##suffix, item0, item1);                                         \
    }                                                                                              \
    const struct conv_kernel conv_bf16_winograd_##suffix = {                                       \
        .name = "bf16_winograd_" #suffix,                                                          \
        .level = cpu,                                                                              \
        .weights = WEIGHT_F32,                                                                     \
        .transforms = true,                                                                        \
        .fits = fits_##suffix,                                                                     \
        .packed = packed_##suffix,                                                                 \
        .pack = pack_##suffix,                                                                     \
        .scratch = scratch_##suffix,                                                               \
        .items = items_##suffix,                                                                   \
        .run = run_##suffix,                                                                       \
    };

WINOGRAD_KERNEL(avx2, CPU_AVX2)
WINOGRAD_KERNEL(avx512, CPU_AVX512)
WINOGRAD_KERNEL(avx512bf16, CPU_AVX512BF16)

#else
typedef int conv_bf16_is_empty;
#endif
