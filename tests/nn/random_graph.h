/*
 * Random small networks for tests, made from the op table alone: a new operation appears in them
 * unasked, as long as some choice of attributes and inputs passes its own check.
 */
#ifndef RANDOM_GRAPH_H
#define RANDOM_GRAPH_H

#include "base/error.h"
#include "base/rng.h"
#include "nn/exec.h"
#include "nn/model.h"
#include "nn/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline int pick(struct rng *rng, int low, int high)
{
    return (int)rng_integer(rng, low, high);
}

static inline int one_of(struct rng *rng, const int *values, int n)
{
    return values[pick(rng, 0, n - 1)];
}

/* Some node of this operation, reading earlier nodes; whether it is valid is yet to be seen. */
static inline struct node random_node(const struct graph *g, enum op op, struct rng *rng)
{
    static const int widths[] = {1, 3, 5, 8, 16, 17};
    static const int acts[] = {ACT_RELU, ACT_RELU, ACT_SIGMOID, ACT_TANH, ACT_RELU6};
    static const int paddings[] = {PAD_SAME, PAD_SAME, PAD_SAME_LOWER, PAD_GIVEN};
    const int recent = g->n_nodes > 4 && pick(rng, 0, 1) ? g->n_nodes - 3 : g->n_nodes > 1;
    struct node n = {.op = op,
                     .kernel = pick(rng, 1, 4),
                     .stride = pick(rng, 1, 2),
                     .dilation = pick(rng, 1, 2),
                     .padding = (enum padding)one_of(rng, paddings, 4),
                     .pad = {pick(rng, 0, 3), pick(rng, 0, 3), pick(rng, 0, 3), pick(rng, 0, 3)},
                     .bias = pick(rng, 0, 1),
                     .count_padding = pick(rng, 0, 1),
                     .factor = pick(rng, 1, 3),
                     .enlarge = (enum enlarge)pick(rng, 0, ENLARGE_COUNT - 1),
                     .act = (enum activation)one_of(rng, acts, 5),
                     .epsilon = 1e-2F,
                     .momentum = 0.5F,
                     .kernel_lr = 1.0F,
                     .bias_lr = 2.0F};
    int sum = 0;
    n.n_inputs = pick(rng, op_rows[op]->min_inputs, op_rows[op]->max_inputs);
    for (int i = 0; i < n.n_inputs; i++) {
        n.inputs[i] = pick(rng, recent, g->n_nodes - 1);
        sum += g->nodes[n.inputs[i]].channels;
    }
    const int channels[] = {g->nodes[n.inputs[0]].channels, sum, one_of(rng, widths, 6)};
    n.channels = channels[pick(rng, 0, 2)];
    const int groups[] = {1, 1, 2, 4, channels[0]};
    n.groups = one_of(rng, groups, 5);
    snprintf(n.name, sizeof n.name, "%s_%d", op_name(op), g->n_nodes);
    return n;
}

static inline int last_node(struct graph *g)
{
    const int last = g->n_nodes - 1;
    return graph_set_outputs(g, &last, 1);
}

/* Add a valid node of this operation: its index, or -1 when no try succeeded. */
static inline int add_random(struct graph *g, enum op op, int h, int w, struct rng *rng)
{
    int hw[64][2];
    for (int attempt = 0; attempt < 2000 && g->n_nodes < 60; attempt++) {
        const struct node n = random_node(g, op, rng);
        if (n.n_inputs < 1 || n.channels < 1 || n.channels > 64 || graph_add(g, &n) < 0)
            continue;
        if (last_node(g) == 0 && graph_check(g) == 0 && graph_infer(g, h, w, hw) == 0)
            return g->n_nodes - 1;
        g->n_nodes--;
    }
    return -1;
}

/* A convolution of one node, with a size of its own. */
static inline int add_conv(struct graph *g, int input, int kernel, int stride, int channels)
{
    struct node n = {.op = OP_CONV,
                     .n_inputs = 1,
                     .inputs = {input},
                     .kernel = kernel,
                     .stride = stride,
                     .dilation = 1,
                     .channels = channels,
                     .bias = true};
    snprintf(n.name, sizeof n.name, "own_conv_%d", g->n_nodes);
    return graph_add(g, &n);
}

/* The last node, and a few others. */
static inline int random_outputs(struct graph *g, struct rng *rng)
{
    int outputs[4] = {g->n_nodes - 1};
    int n = 1;
    const int wanted = pick(rng, 1, 3);
    for (int attempt = 0; attempt < 10 && n < wanted; attempt++) {
        const int node = pick(rng, 1, g->n_nodes - 1);
        bool is_new = true;
        for (int i = 0; i < n; i++)
            is_new = is_new && outputs[i] != node;
        if (is_new)
            outputs[n++] = node;
    }
    return graph_set_outputs(g, outputs, n);
}

static inline void random_values(struct params *p, struct rng *rng)
{
    for (int i = 0; i < p->n; i++) {
        const struct param *param = &p->list[i];
        const double fan = param->role == PARAM_KERNEL
                               ? (double)param->count / (double)param->dims[param->n_dims - 1]
                               : 4.0;
        for (size_t k = 0; k < param->count; k++) {
            double v = rng_normal(rng) / (fan > 1.0 ? __builtin_sqrt(fan) : 1.0);
            if (param->role == PARAM_GAMMA || param->role == PARAM_VARIANCE)
                v = rng_range(rng, 0.5, 1.5);
            p->value[param->offset + k] = (float)v;
        }
    }
}

/*
 * A network for inputs of h x w with `op` in it and several readers here and there, or NULL when
 * no such node could be made.
 */
static inline struct model *random_model(enum op op, int h, int w, struct rng *rng)
{
    struct model *m = calloc(1, sizeof *m);
    struct graph *g = &m->graph;
    const struct node input = {.name = "input", .op = OP_INPUT, .channels = 3};
    m->spec_text = calloc(1, 1);
    bool found = graph_add(g, &input) == 0;
    const int first = add_conv(g, 0, 3, 1, 8);
    add_conv(g, first, 1, 1, 8);
    add_conv(g, first, 2, 2, 8);
    for (int i = pick(rng, 0, 4); i > 0; i--)
        add_random(g, (enum op)pick(rng, OP_CONV, OP_COUNT - 1), h, w, rng);
    found = found && add_random(g, op, h, w, rng) > 0;
    if (found)
        add_conv(g, g->n_nodes - 1, 1, 1, pick(rng, 1, 9));
    for (int i = pick(rng, 0, 4); i > 0; i--)
        add_random(g, (enum op)pick(rng, OP_CONV, OP_COUNT - 1), h, w, rng);
    if (!found || random_outputs(g, rng) < 0 || params_open(&m->params, g) < 0) {
        model_free(m);
        return NULL;
    }
    random_values(&m->params, rng);
    return m;
}

#endif
