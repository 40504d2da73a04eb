/* A network as the benchmark sees it: opened once, run by several independent runners. */
#ifndef CLI_RUNNER_H
#define CLI_RUNNER_H

#include "cli/verb.h"
#include "engine/engine.h"
#include "kernel/kernel.h"
#include "nn/exec.h"
#include "pose/predict.h"

/* An engine, or else a model that the inference executor runs in single precision. */
struct runnable {
    char *path;
    struct engine *engine;
    struct model *model;
    struct kernels kernels;
    enum cpu_level level;
    int h, w;
    const char *precision;
    const char *description;
    const struct skeleton *skeleton; /* NULL: nothing that a decoder knows */
};

/* `path` NULL: the shipped model. h, w 0: the size of an engine, or that of a model's training. */
int runnable_open(struct runnable *r, const struct run *run, const char *path, int h, int w);
void runnable_close(struct runnable *r); /* a zeroed one is allowed */

/* One stream: memory and threads of its own. */
struct runner {
    const struct runnable *of;
    struct workers *workers;
    struct engine_context *context;
    struct exec *exec;
    struct net net;
    void *input; /* a picture that was prepared once: bytes, or normalised floats */
};

int runner_open(struct runner *r, const struct runnable *of, unsigned threads);
void runner_close(struct runner *r); /* a zeroed one is allowed */

/* Any (h, w, 3) RGB bytes as the input of runner_run(). */
void runner_set_input(struct runner *r, const uint8_t *pixels);
int runner_run(struct runner *r);

/* Memory for maps and scratch, in bytes; of weights in all forms the runner reads. */
size_t runner_memory(const struct runner *r);
size_t runnable_weights(const struct runnable *r);

/* ---- steps ------------------------------------------------------------------------------- */

struct runner_step {
    const char *name, *kind, *kernel;
    const char *type; /* of its arithmetic: "int8", … */
    enum map_type arithmetic;
    int64_t macs;
    int64_t ns; /* of one run, on average */
};

/* Time every step over `runs` runs; *steps is fresh, of *n members. */
int runner_profile(struct runner *r, int runs, struct runner_step **steps, size_t *n);

#endif
