/*
 * The section "plan" of an engine file: what to run, on which memory, with which constants. The
 * other sections of such a container (io/container.h, kind "engine") are
 *
 *     weights   packed streams and constants of the steps, referred to by offsets, multiples of 64
 *     report    JSON: how it was built                               (for people and programs)
 *     model     a whole model file; ranges, means: what calibration found (for building it again)
 *
 * of which running it needs plan and weights. Everything is little-endian; i32 and i64 are signed,
 * f32 is IEEE's. `text` is an offset into the text pool. Tables follow each other without gaps.
 *
 *     header, 192 bytes
 *       0  i32  version, 1
 *       4  i32  number of maps, steps, outputs, joints, limbs (5 numbers)
 *      24  i32  bytes of the text pool
 *      28  i32  CPU level that the kernels need (base/cpu.h)
 *      32  i32  map of the input; (h, w, 3) of type U8
 *      36  i32  stride: input pixels per cell of the pose maps
 *      40  i32  output that has the heatmaps, the PAFs; -1, -1: not a pose network (2 numbers)
 *      48  text precision, CPU tuned on, description, skeleton type, category (5 offsets)
 *      68  f32  scale of R, G, B, offset of R, G, B: x / scale - offset     (6 numbers)
 *      92  f32  heatmap threshold, PAF threshold
 *     100       zeros to 104
 *     104  i64  bytes of the memory for maps (64 more are readable behind it)
 *     112  i64  bytes of the section "weights"
 *     120       zeros to 192
 *     maps, 48 bytes each
 *       0  i64  offset in the memory for maps: a multiple of 64, or of the element in a slice
 *       8  i32  height, width, channels, pitch in elements (4 numbers)
 *      24  i32  type (kernel/conv_kernel.h: F32, BF16, U8)
 *      28  i32  the map that this is a slice of, or -1; it comes earlier in the table
 *      32  i32  the slice's first channel in it, 0 for others
 *      36       zeros to 48
 *     steps, 192 bytes each, in the order of running
 *       0  i32  kind (enum step_op)
 *       4  text name, kernel (of a convolution; else offset 0)
 *      12  i32  inputs (2 numbers), map that is added, output: maps, or -1
 *      28  i32  window: height, width, stride, dilation, padding above, left (6 numbers); the
 *               stride of an enlargement is its factor
 *      52  i32  1: depthwise
 *      56  i32  function: enum activation of an act step, enum enlarge of an enlargement, else 0
 *      60  f32  low, high: limits of the result in the output's quanta (U8) or real units
 *      68  i32  zero of the output
 *      72  f32  add_scale;  76  i32  add_zero
 *      80  f32  a, b, c of a sum
 *      92  i32  reserved, 0
 *      96  i64  constants: where in "weights" they are, -1: not there (8 numbers)
 *               stream, input's zero bytes, offset, multiplier, bias, scale, shift, slopes
 *     160  i64  bytes of the stream
 *     168       zeros to 192
 *     outputs, 8 bytes each:  i32 map, text name
 *     joints, 8 bytes each:   text name, i32 mirror joint
 *     limbs, 8 bytes each:    i32 from, i32 to
 *     text pool: texts that end in NUL; offset 0 is ""
 */
#ifndef ENGINE_PLAN_H
#define ENGINE_PLAN_H

#include "base/str.h"
#include "kernel/conv_kernel.h"
#include "pose/skeleton.h"

#include <stddef.h>
#include <stdint.h>

enum {
    PLAN_VERSION = 1,
    PLAN_MAX_MAPS = 1 << 14,
    PLAN_MAX_STEPS = 1 << 13,
    PLAN_MAX_OUTPUTS = 64,
    PLAN_MAX_SIDE = 16384,
    PLAN_MAX_CHANNELS = 1 << 15,
    PLAN_MAX_KERNEL = 31,
    PLAN_MAX_STRIDE = 16,
    PLAN_MAX_DILATION = 16,
    PLAN_MAX_TEXT = 1 << 22,
    PLAN_TAIL = 64 /* bytes that kernels may read behind a map, and behind zero bytes */
};

#define PLAN_MAX_MEMORY ((int64_t)1 << 31) /* of the maps; and of scratch */
#define PLAN_MAX_WORK   ((int64_t)1 << 46) /* multiply-accumulates of a step */

/* Kinds of steps. New ones go to the end: the numbers are in files. */
enum step_op {
    STEP_CONV,
    STEP_CONVERT,
    STEP_ADD,
    STEP_MUL,
    STEP_ACT,
    STEP_MAX_POOL,
    STEP_AVG_POOL,
    STEP_UPSAMPLE2,
    STEP_ENLARGE,
    STEP_PRELU,
    STEP_OPS
};

struct plan_head {
    int32_t version;
    int32_t n_maps, n_steps, n_outputs, n_joints, n_limbs;
    int32_t text_size;
    int32_t level;
    int32_t input;
    int32_t stride;
    int32_t heat_output, paf_output;
    int32_t precision, cpu, description, skeleton_type, skeleton_category;
    float scale[3], offset[3];
    float heat_threshold, paf_threshold;
    int64_t memory, weights;
};

struct plan_map {
    int64_t offset;
    int32_t h, w, channels, pitch;
    int32_t type;
    int32_t whole, channel;
};

struct plan_step {
    int32_t op;
    int32_t name, kernel;
    int32_t inputs[2], added, output;
    int32_t kernel_h, kernel_w, stride, dilation, pad_top, pad_left;
    int32_t depthwise;
    int32_t act;
    float low, high;
    int32_t out_zero;
    float add_scale;
    int32_t add_zero;
    float a, b, c;
    int64_t stream, zero, offset, multiplier, bias, scale, shift, slopes; /* in "weights", or -1 */
    int64_t stream_size;
};

struct plan_output {
    int32_t map, name;
};

struct plan_joint {
    int32_t name, mirror;
};

struct plan_limb {
    int32_t from, to;
};

/* One allocation each, owned. */
struct plan {
    struct plan_head head;
    struct plan_map *maps;
    struct plan_step *steps;
    struct plan_output *outputs;
    struct plan_joint *joints;
    struct plan_limb *limbs;
    char *text;
};

/* Take a section apart; what the numbers mean is plan_check()'s business. `name` is for messages.
 */
int plan_read(struct plan *out, const uint8_t *bytes, size_t size, const char *name);
void plan_free(struct plan *p); /* zeroed is allowed */

/* The bytes of the section, appended to `out`. */
int plan_write(const struct plan *p, struct str *out);

/*
 * Whether its memory makes sense: maps lie in it, those that live at one time do not overlap, all
 * is written before it is read; references and texts exist. What a step does with its maps and
 * constants is task_prepare()'s business. BPNET_EFORMAT says what is wrong.
 */
int plan_check(const struct plan *p, const char *name);

static inline const char *plan_text(const struct plan *p, int32_t offset)
{
    return p->text + offset;
}

/* Bytes from a map's first element to behind its last. */
int64_t plan_map_extent(const struct plan_map *m);

#endif
