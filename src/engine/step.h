/*
 * Steps made ready to run. A kind of step is a row of step_kinds: what it demands of maps and
 * constants, checked once, and how rows of its output are made. Adding a kind is adding a row.
 */
#ifndef ENGINE_STEP_H
#define ENGINE_STEP_H

#include "base/workers.h"
#include "engine/plan.h"
#include "kernel/conv_kernel.h"
#include "kernel/map_ops.h"

/* Everything about a step that does not change between frames. */
struct task {
    const struct step_kind *kind;
    const struct plan_step *plan;
    const struct conv_kernel *kernel; /* of a convolution */
    struct conv_shape shape;          /* of a convolution; the geometry of pools, too */
    struct conv_constants constants;
    struct map_convert convert;
    const float *slopes;
    int64_t macs;
};

/* What the steps of one engine share. */
struct step_tables {
    struct kernels kernels;
    struct map_ops ops;
};

/* A step's maps in one context's memory. */
struct step_maps {
    struct map_view in[2], added, out;
};

/* What a step is checked against. */
struct step_check {
    const struct plan *plan;
    const uint8_t *weights;
    size_t weights_size;
    enum cpu_level level; /* the best that may be used */
    const char *name;     /* of the file */
};

struct step_kind {
    const char *name;
    int n_inputs;
    int (*check)(const struct step_check *c, struct task *t);
    /* Rows of the output; NULL: a convolution, which has items of its own. */
    void (*rows)(const struct step_tables *tables, const struct task *t, const struct step_maps *m,
                 int row0, int row1);
};

extern const struct step_kind step_kinds[STEP_OPS];

/*
 * Make step `index` of a plan that passed plan_check() ready. What it returns 0 for, runs.
 * BPNET_EUNSUPPORTED: a kernel that is unknown, or beyond this CPU.
 */
int task_prepare(struct task *t, const struct step_check *c, int32_t index);

/* Who runs a step, and the memory for it. */
struct step_team {
    const struct step_tables *tables;
    struct workers *workers; /* NULL: this thread alone */
    unsigned threads;
    uint8_t *workspace;
    uint8_t *scratch;
    size_t scratch_stride; /* from one thread's to the next one's */
};

/* All rows; results do not depend on the team. */
void task_run(const struct step_team *team, const struct task *t, const struct step_maps *m);

/* Memory for a convolution: per thread, and per call; 0 for others. */
size_t task_scratch(const struct task *t);
size_t task_workspace(const struct task *t);

/* Bytes of constants and streams that a step reads. */
size_t task_constants(const struct task *t);

#endif
