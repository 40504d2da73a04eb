/*
 * The runtime: an engine file is opened, checked once, and run. Nothing is allocated after opening.
 *
 * An engine is read-only and may be shared; a context is one thread's means to run it (memory for
 * maps, a team of workers). What the reader accepts, contexts run without another check.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "base/cpu.h"
#include "base/workers.h"
#include "io/seal.h"
#include "kernel/map_ops.h"
#include "pose/predict.h"

#include <stddef.h>
#include <stdint.h>

struct engine;
struct engine_context;

/* What a file says of itself. Text lives as long as the engine. */
struct engine_info {
    int input_h, input_w;
    enum cpu_level level;    /* that its kernels need */
    const char *precision;   /* "fp32", "bf16", "int8" */
    const char *cpu;         /* model name of the machine it was tuned on */
    const char *description; /* of the model */
    const char *report;      /* JSON of how it was built; "" when there is none */
    int stride;
    float scale[3], offset[3]; /* x / scale - offset: folded in; for people */
    float heat_threshold, paf_threshold;
    const struct skeleton *skeleton;
    int heat_output, paf_output;           /* -1, -1: not a network that the decoder knows */
    size_t weights_bytes, workspace_bytes; /* of a context */
    int n_steps, n_outputs;
};

/*
 * `level`: the best this process may use. BPNET_EUNSUPPORTED when the engine needs more. `key`:
 * for a sealed file, or NULL. `workers` (NULL: this thread alone) verify the file meanwhile.
 */
int engine_open(struct engine **out, const char *path, struct seal_key *key, enum cpu_level level,
                struct workers *workers);
/* The same over bytes, which must outlive the engine and be 64-byte aligned. */
int engine_open_memory(struct engine **out, const uint8_t *bytes, size_t size, const char *name,
                       enum cpu_level level);
void engine_close(struct engine *e); /* NULL is allowed; contexts are closed before */
const struct engine_info *engine_info(const struct engine *e);

/* `workers` (NULL: this thread alone) is borrowed. */
int engine_context_open(struct engine_context **out, const struct engine *e,
                        struct workers *workers);
void engine_context_close(struct engine_context *c); /* NULL is allowed */

/* Run on (input_h, input_w, 3) RGB bytes, as the letterbox makes them. It cannot fail. */
void engine_run(struct engine_context *c, const uint8_t *pixels);

/* Output k, F32; valid until the next run. */
struct map_view engine_output(const struct engine_context *c, int k);
const char *engine_output_name(const struct engine *e, int k);

/* A context as a predictor's network (fixed size, pixels in). */
void engine_as_net(struct engine_context *c, struct net *net);

/* ---- looking inside ---------------------------------------------------------------------- */

extern const char *const map_type_names[MAP_TYPES]; /* "f32", "bf16", "u8" */

struct engine_step_info {
    const char *name;   /* the tensor it makes */
    const char *kind;   /* "conv", "max_pool", … */
    const char *kernel; /* of a convolution; "" otherwise */
    enum map_type in, out;
    int h, w, channels; /* of what it makes */
    int64_t macs;
    size_t bytes_read, bytes_written; /* maps and weights */
};
struct engine_step_info engine_step(const struct engine *e, int index);

/* Called after every step with the map it made: for calibration and comparisons. */
typedef void (*engine_observer)(void *ctx, int step, const struct map_view *made);
void engine_observe(struct engine_context *c, engine_observer fn, void *ctx); /* NULL: no more */

/* Nanoseconds per step, summed from now on; NULL: stop. `ns` has n_steps members. */
void engine_profile(struct engine_context *c, int64_t *ns);

#endif
