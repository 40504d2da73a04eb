/*
 * What an executor is made of: maps, bands of rows, steps. For the operations, the planner and the
 * executor; everybody else uses nn/exec.h.
 *
 * A step is a node, together with the ReLU or batch norm behind it where these are fused. Its
 * result is the map of `out`, the last node of the fusion; the nodes in between have no map.
 */
#ifndef NN_RUN_H
#define NN_RUN_H

#include "base/arena.h"
#include "nn/exec.h"
#include "nn/memplan.h"
#include "nn/op.h"

#include <stdint.h>

/* A value or its gradient, (N, h, w, channels); `data` is set once memory is planned. */
struct map {
    float *data;
    int h, w, channels;
    int pitch; /* floats between pixels */
};

static inline size_t map_image_floats(const struct map *m)
{
    return (size_t)m->h * (size_t)m->w * (size_t)m->pitch;
}
static inline float *map_image(const struct map *m, int image)
{
    return m->data + (size_t)image * map_image_floats(m);
}
static inline float *map_row(const struct map *m, int image, int row)
{
    return map_image(m, image) + (size_t)row * (size_t)m->w * (size_t)m->pitch;
}

/* The items of parallel work on a map: bands of rows, image after image. */
struct bands {
    int h, rows; /* of an image, of a band */
    int per_image;
    size_t n;
};

struct band {
    int image, row0, row1;
};

static inline struct band band_at(const struct bands *b, size_t item)
{
    const int index = (int)(item % (size_t)b->per_image);
    const int row0 = index * b->rows;
    const int row1 = row0 + b->rows < b->h ? row0 + b->rows : b->h;
    return (struct band){(int)(item / (size_t)b->per_image), row0, row1};
}

/* What a step's backward pass does with the gradient of an input. */
enum grad_mode {
    GRAD_NONE,  /* nobody needs it */
    GRAD_WRITE, /* it is the first to contribute */
    GRAD_ADD,   /* it adds to what others contributed */
    GRAD_SHARED /* nothing: the map shares the memory of the output's gradient */
};

/* Where a map lies: in the memory of the map of another node (or its own), from a channel on. */
struct place {
    int root, channel;
};

struct step {
    const struct op_row *row;
    const struct node *node;
    int index; /* of the node */
    int norm;  /* node of the batch norm folded into it, or -1 */
    int out;   /* node whose map it fills */
    enum activation act;

    bool placed[GRAPH_MAX_INPUTS]; /* concat: the input is written in place */
    enum grad_mode back[GRAPH_MAX_INPUTS];

    struct bands bands;      /* of the output */
    struct bands back_bands; /* of the first input */

    /* Convolution and pooling: pitches of x and y, dx and dy, x and dy. */
    struct conv_geometry geometry, dx_geometry, dw_geometry;
    float *packed, *packed_back; /* weight streams */
    float *channel;              /* per-channel values that outlive a call */
    bool sums_channels;          /* conv: the next step is the batch norm of its result */

    /* Memory it asks for, in floats. */
    size_t packed_capacity; /* what there is behind `packed` */
    size_t packed_for;      /* packed_size when the weights were packed */
    size_t packed_size, packed_back_size, channel_size;
    size_t scratch_size;   /* per thread */
    size_t partials_size;  /* shared, during one pass of the step */
    size_t workspace_size; /* its own, during one pass of the step */
    float *workspace;

    int64_t forward_ns, backward_ns; /* while profiling */
};

struct exec {
    struct model *model;
    struct exec_options options;
    const struct kernels *kernels;
    struct workers *workers;
    unsigned threads;

    struct step *steps;
    int n_steps;
    int outputs[GRAPH_MAX_OUTPUTS], n_outputs; /* nodes */

    /* Per node: */
    int *step_of;             /* the step that fills its map, or -1 */
    int *n_readers;           /* steps that read it, and 1 more if it is an output */
    bool *needs_grad;         /* there are trainable parameters before it */
    int (*hw)[2];             /* size */
    bool *dense;              /* its map and its gradient must have pitch = channels */
    struct map *maps, *grads; /* value and gradient */
    struct place *map_places;
    struct place *grad_places; /* here the root is a buffer of the memory plan; -1: none yet */
    int *buffers;              /* the memory plan's buffer of a root */

    int *workspaces; /* per step: the memory plan's buffer of its workspace, or -1 */
    int *leases;     /* per buffer, while gradients are planned */

    struct memplan memplan;
    struct arena state;  /* packed weights, gradients: for as long as the executor lives */
    struct arena memory; /* maps and scratch: for one size */
    float *scratch;
    size_t scratch_floats; /* per thread */
    float *partials;
    float *folded; /* one kernel with its batch norm folded in */
    float *param_grads;

    bool planned; /* ready to run */
    bool profiling;
};

/* ---- for the operations ------------------------------------------------------------------ */

static inline const struct map *step_input(const struct exec *e, const struct step *s, int i)
{
    return &e->maps[s->node->inputs[i]];
}
static inline const struct map *step_output(const struct exec *e, const struct step *s)
{
    return &e->maps[s->out];
}
static inline const struct map *step_input_grad(const struct exec *e, const struct step *s, int i)
{
    return &e->grads[s->node->inputs[i]];
}
static inline const struct map *step_output_grad(const struct exec *e, const struct step *s)
{
    return &e->grads[s->out];
}
static inline float *exec_scratch(const struct exec *e, unsigned thread)
{
    return e->scratch + (size_t)thread * e->scratch_floats;
}

/* When a step runs, for lifetimes. */
static inline int forward_time(const struct step *s, const struct exec *e)
{
    return (int)(s - e->steps);
}
static inline int backward_time(const struct step *s, const struct exec *e)
{
    return 2 * e->n_steps - 1 - (int)(s - e->steps);
}

/* Whether the backward pass overwrites the gradient of the step's result. */
static inline bool gates_grad(const struct step *s)
{
    return s->row->gates && s->act != ACT_NONE;
}

/* Whether the backward pass reads the step's result. */
static inline bool keeps_output(const struct step *s)
{
    return s->row->keeps_output || s->act != ACT_NONE;
}

/* Values, or gradients, of a node's parameter. */
float *exec_param(const struct exec *e, const struct node *n, enum param_role role);
float *exec_param_grad(const struct exec *e, const struct node *n, enum param_role role);

/*
 * Bands of a map, of a multiple of `unit` rows. In training they follow from the map alone, because
 * sums over bands must not depend on the number of threads; in inference they are cut so that all
 * threads have equal work.
 */
struct bands bands_of(const struct exec *e, const struct map *m, int unit);

/* Run over the items with {e, s} as the context. */
struct step_job {
    struct exec *e;
    struct step *s;
};
void step_run(struct exec *e, struct step *s, size_t n_items, work_fn fn);

/*
 * Sum partial results in double and in order: total[c] = sum over parts of partials[part * stride
 * + c].
 */
void partials_total(const float *partials, size_t n_parts, size_t stride, int channels,
                    double *total);

/* ---- planning ---------------------------------------------------------------------------- */

/* Cut the graph into steps: what the outputs need, fused. Once per executor. */
int steps_make(struct exec *e);

/* Decide which maps share memory. Once per executor. */
void layout_make(struct exec *e);

/* Plan everything that depends on the size, and take memory for it. */
int plan_make(struct exec *e, int batch, int h, int w);

/*
 * The part of it that is about gradients: where their maps lie, when they live, and what every
 * step's backward pass does with them.
 */
int plan_gradients(struct exec *e);

/* Memory for a whole map, used at one moment: a new buffer of the plan, or an error code. */
int plan_buffer(struct exec *e, const struct map *m, int moment);

#endif
