/* What the passes of compiling hand on to each other; see compile.c for their order. */
#ifndef DEPLOY_COMPILATION_H
#define DEPLOY_COMPILATION_H

#include "deploy/compile.h"
#include "engine/plan.h"

/* The section "weights" under construction. */
struct constants {
    uint8_t *bytes; /* 64-byte aligned */
    size_t size, capacity;
};

struct compilation {
    const struct compile_options *options;
    struct network net; /* a copy with conversions; weights belong to the caller's */
    int *pitches;       /* per tensor, in elements */
    int *maps;          /* per tensor: its map in the plan */
    const struct conv_kernel **kernels; /* per layer: of a convolution */
    struct plan plan;                   /* tables are taken when all is known */
    struct str text;
    struct constants constants;
};

/* Distances between pixels. */
void place_pitches(struct compilation *c);
/* The plan's maps: memory by lifetimes. */
int place_maps(struct compilation *c);

/* The shape of a convolution, once there are pitches. */
struct conv_shape compile_shape(const struct compilation *c, const struct layer *l);

/* A kernel for every convolution. */
int tactic_choose(struct compilation *c);

/* The plan's steps and their constants. */
int pack_steps(struct compilation *c);

/* Append a text to the pool: its offset. */
int32_t compile_text(struct compilation *c, const char *text);

#endif
