/*
 * All parameters of a network in one block of floats; gradients and optimiser moments mirror it, so
 * the optimiser is one flat loop and a checkpoint is one write. Trainable parameters come first.
 */
#ifndef NN_PARAM_H
#define NN_PARAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum param_role {
    PARAM_KERNEL, /* (KH, KW, CI, CO), CI of one group */
    PARAM_BIAS,
    PARAM_GAMMA,
    PARAM_BETA,
    PARAM_SLOPE, /* of OP_PRELU */
    PARAM_MEAN,  /* running statistics: not trainable */
    PARAM_VARIANCE,
    PARAM_ROLES
};

struct param {
    char name[96]; /* "<node name>/<role>": "stage1/conv1/kernel" */
    int node;      /* index of its node in the graph */
    enum param_role role;
    int n_dims, dims[4];
    size_t offset, count; /* in floats, offset a multiple of 16 */
};

struct params {
    struct param *list;
    int n;
    float *value;       /* the block; padding between parameters is zero */
    size_t n_floats;    /* of the block */
    size_t n_trainable; /* the first so many floats of the block are trainable */
};

struct graph;

/*
 * Lay out the parameters of a graph that has passed graph_check(), all zero, and set its nodes'
 * indices. BPNET_ELIMIT beyond PARAMS_MAX floats. On failure *p is zeroed.
 */
int params_open(struct params *p, struct graph *g);
void params_close(struct params *p); /* a zeroed one is allowed */

enum { PARAMS_MAX = 1 << 29 }; /* 2 GiB */

const char *param_role_name(enum param_role role); /* "kernel", "bias", "gamma", … */

int param_find(const struct params *p, const char *name); /* index, or -1 */

/* Sums over parameters, without padding: what spec 6.7 counts. */
size_t params_total(const struct params *p);
size_t params_trainable(const struct params *p);

/* XXH3-128 over names, shapes and values, as 32 hex digits: the weights' hash. */
void params_hash(const struct params *p, char hex[33]);

#endif
