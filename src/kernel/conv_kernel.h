/*
 * Convolutions for inference, as a list of kernels to choose from. Each says what it can do, packs
 * weights into a stream of its own, and computes; the builder of an engine times those that fit and
 * keeps the fastest. The contract of kernel.h holds here too: no allocation, errors, threads or
 * state, nothing touched outside the stated extents, results that do not depend on how items are
 * shared out.
 *
 * Maps are NHWC of one of three types. A U8 map stands for real numbers: scale * (q - zero), where
 * zero is 0 for tensors that cannot be negative and 128 for others (pixels: 128, too, where the
 * normalisation says so); its channels may have scales and zeros of their own (a concatenation).
 * The scales are folded into weights and multipliers, so kernels see only `zero`, the bytes of a
 * pixel outside the map. Kernels may read (and ignore) up to 64 bytes behind the last pixel of x
 * and behind `zero`: the engine's maps and constants have them.
 *
 * 8-bit definition, which every level reproduces bit for bit (wraps modulo 2^32 in between):
 *
 *     acc = offset[j] + sum over taps and channels of q * w        w in -127..127
 *     r   = fmaf((float)acc, multiplier[j], bias[j])
 *     r   = fmaf((float)(q_add - add_zero), add_scale, r)          when a map is added
 *     U8 out:  q = (int)rint(min(max(r, low), high)) + out_zero    rint: to nearest even
 *     F32 out: y = min(max(r, low), high)
 *
 * (offset[j] is minus the sum of zero[c] * w; multiplier, bias, add_scale, low and high are in
 * units of the output's quantum for U8, in real units otherwise; low and high are whole numbers
 * with 0 <= low + out_zero, high + out_zero <= 255.) max(r, low) is r > low ? r : low, and min
 * likewise. A BF16 map is written from the limited r, rounded to nearest even.
 *
 * Kernels with float weights compute r = sum + bias[j] (multiplier and offset unused), where a byte
 * counts as q - zero[c] and a BF16 map's weights are rounded to BF16, too (in pack(); a kernel that
 * transforms rounds what it multiplies, or nothing). To F32 and BF16 results a map is added as it
 * stands. Their results agree with the plain-C kernel to rounding; those of kernels that transform
 * err with the size of all that a tile sees, not of a result's own terms.
 * tests/kernel/check_engine.c states and checks the bounds.
 */
#ifndef KERNEL_CONV_KERNEL_H
#define KERNEL_CONV_KERNEL_H

#include "kernel/kernel.h"

enum map_type { MAP_F32, MAP_BF16, MAP_U8, MAP_TYPES };

static inline size_t map_type_size(enum map_type t)
{
    return t == MAP_F32 ? 4 : t == MAP_BF16 ? 2 : 1;
}

/* What decides whether a kernel fits, and the layout of its stream. */
struct conv_shape {
    struct conv_geometry g; /* pitches in elements of the map's type */
    bool depthwise;         /* out_c = in_c, weights (KH, KW, C) */
    enum map_type in, out;
    bool adds; /* a map of type `out` and size of the output is added before the limits */
};

/* Everything else that is constant between frames. */
struct conv_constants {
    const void *packed;      /* 64-byte aligned */
    const uint8_t *zero;     /* U8 in: in_c bytes, and readable like x behind them */
    const int32_t *offset;   /* weights S8: out_c */
    const float *multiplier; /* weights S8: out_c */
    const float *bias;       /* out_c */
    float low, high;         /* limits of the result; -INFINITY, INFINITY: none */
    int out_zero;            /* U8 out */
    float add_scale;         /* U8 out and a map added */
    int add_zero;
    int add_pitch;
};

struct conv_call {
    const struct conv_shape *shape;
    const struct conv_constants *c;
    const void *x; /* one image */
    const void *add;
    void *y;
    void *workspace; /* shared by all threads and phases of this call */
    void *scratch;   /* of this thread */
};

enum weight_type { WEIGHT_F32, WEIGHT_S8 };

struct conv_kernel {
    const char *name; /* at most 31 bytes, in engine files: never given to another stream layout */
    enum cpu_level level;
    enum weight_type weights;
    bool transforms; /* sums are made in another domain: larger errors, larger streams */
    bool (*fits)(const struct conv_shape *s);

    /* The stream: its bytes (a multiple of 64), and its making from (KH, KW, CI, CO), or
     * (KH, KW, C) when depthwise, of float or int8_t as `weights` says. */
    size_t (*packed)(const struct conv_shape *s);
    void (*pack)(const struct conv_shape *s, const void *w, void *packed);

    /* Bytes, multiples of 64; NULL: none. */
    size_t (*scratch)(const struct conv_shape *s);   /* per thread */
    size_t (*workspace)(const struct conv_shape *s); /* per call */

    /*
     * The work: phases one after another, the items of a phase in any order on any threads.
     * A direct convolution has one phase, whose items are bands of rows. NULL phases: one.
     */
    int (*phases)(const struct conv_shape *s);
    int (*items)(const struct conv_shape *s, int phase);
    void (*run)(const struct conv_call *call, int phase, int item0, int item1);
};

/* All kernels that this build has, slow ones (plain C) first; NULL ends the list. */
extern const struct conv_kernel *const conv_kernels[];

/* By name: NULL when unknown. */
const struct conv_kernel *conv_kernel_find(const char *name);

#endif
