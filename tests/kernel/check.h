/*
 * The kernel checker's own tools. A case draws its sizes and values from one random stream, so
 * (family, seed, case) repeats it. Buffers end at an unmapped page and are surrounded by canaries,
 * gaps between pixels included; inputs are read-only while the kernel runs.
 */
#ifndef TESTS_KERNEL_CHECK_H
#define TESTS_KERNEL_CHECK_H

#include "base/rng.h"
#include "kernel/conv_kernel.h"

struct check {
    const struct kernels *kernels; /* the level under test */
    enum cpu_level level;          /* the same, where `kernels` has no such level of its own */
    const char *kernel;            /* the only one of conv_kernels[] that is wanted, or NULL */
    bool met;                      /* it has been run */
    struct rng rng;
    const char *family;
    uint64_t seed;
    int number;      /* of the case */
    char shape[256]; /* what was drawn, for messages */
    int failures;    /* of this case */
    double worst;    /* largest error so far, in units of its bound */
    struct buffer *buffers;
};

struct bench {
    const struct kernels *kernels;
    enum cpu_level level;
    const char *kernel; /* as in struct check */
    double ceiling;     /* multiply-accumulates per second of this level */
};

/* One family of kernels. */
struct family {
    const char *name;
    const char *bound; /* stated: how far results may be from double precision */
    int cases;
    enum cpu_level highest; /* with kernels of its own */
    void (*check)(struct check *c);
    void (*bench)(const struct bench *b);
};

extern const struct family family_conv, family_mixed, family_depthwise, family_pixel, family_pool,
    family_step, family_q8, family_float, family_whole, family_maps;

/* A map of n_pixels x channels, `pitch` floats between pixels. All of these live until the case
 * ends, when canaries and gaps are looked at. */
struct map {
    float *data;
    size_t n_pixels;
    int channels, pitch;
};

struct map map_new(struct check *c, size_t n_pixels, int channels, int pitch);
struct map map_random(struct check *c, size_t n_pixels, int channels, int pitch);
struct map map_copy(struct check *c, const struct map *from);
float *map_pixel(const struct map *map, size_t pixel);
void map_freeze(struct check *c, const struct map *map); /* read-only from now on */
bool map_same_bits(const struct map *a, const struct map *b);

/* Of any type: sizes in bytes, `behind` of them readable behind the last pixel. */
void *pixels_new(struct check *c, size_t n_pixels, size_t channels, size_t pitch, size_t behind);
void *bytes_new(struct check *c, size_t n); /* 64-byte aligned, a multiple of 64 */
void freeze(struct check *c, const void *data);

/* n floats in a row, 64-byte aligned when `aligned` (then the end may lie before the page's). */
float *floats_new(struct check *c, size_t n, bool aligned);
float *floats_random(struct check *c, size_t n);

int draw(struct check *c, int low, int high); /* both included */
int draw_of(struct check *c, const int *list, size_t n);
bool draw_bool(struct check *c);
int draw_pitch(struct check *c, int channels); /* often the channel count itself */
float draw_value(struct check *c);             /* normal, some zeros */

/* Complain, with the case's name in front. */
void check_fail(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Note |value - expected| against its bound; complains when it is larger. A NaN
 * has to be one on both sides. */
void check_close(struct check *c, const char *what, size_t at, double value, double expected,
                 double bound);

/* Sizes of random contiguous pieces of 0..total: call until it returns 0. */
int draw_piece(struct check *c, int left);

/* Sizes of a convolution without its pitches, then its output for SAME, VALID or any padding. */
void draw_conv_sizes(struct check *c, struct conv_geometry *g);
void draw_conv_padding(struct check *c, struct conv_geometry *g);
double conv_macs(const struct conv_geometry *g);

/* The best of several timings of fn(ctx), in seconds per call. */
double bench_time(void (*fn)(void *ctx), void *ctx);

/* Multiply-accumulates per second that fused instructions of a level's width reach. */
double ceiling_measure(enum cpu_level level);

#endif
