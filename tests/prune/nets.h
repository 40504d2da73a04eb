/* Small networks for tests of pruning, node by node. */
#ifndef NETS_H
#define NETS_H

#include "nn/random_graph.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static inline int net_add(struct model *m, struct node n, const char *name)
{
    snprintf(n.name, sizeof n.name, "%s", name);
    const int index = graph_add(&m->graph, &n);
    assert_true(index >= 0);
    return index;
}

static inline int net_input(struct model *m)
{
    return net_add(m, (struct node){.op = OP_INPUT, .channels = 3}, "input");
}

static inline int net_conv(struct model *m, const char *name, int input, int channels, bool bias)
{
    return net_add(m,
                   (struct node){.op = OP_CONV,
                                 .n_inputs = 1,
                                 .inputs = {input},
                                 .channels = channels,
                                 .kernel = 1,
                                 .stride = 1,
                                 .dilation = 1,
                                 .bias = bias},
                   name);
}

static inline int net_norm(struct model *m, const char *name, int input)
{
    return net_add(m,
                   (struct node){.op = OP_NORM,
                                 .n_inputs = 1,
                                 .inputs = {input},
                                 .channels = m->graph.nodes[input].channels,
                                 .epsilon = 1e-3F,
                                 .momentum = 0.9F},
                   name);
}

static inline int net_relu(struct model *m, const char *name, int input)
{
    return net_add(m,
                   (struct node){.op = OP_ACT,
                                 .n_inputs = 1,
                                 .inputs = {input},
                                 .channels = m->graph.nodes[input].channels,
                                 .act = ACT_RELU},
                   name);
}

static inline int net_join(struct model *m, enum op op, const char *name, int a, int b)
{
    const int n = m->graph.nodes[a].channels, k = m->graph.nodes[b].channels;
    return net_add(
        m,
        (struct node){
            .op = op, .n_inputs = 2, .inputs = {a, b}, .channels = op == OP_CONCAT ? n + k : n},
        name);
}

/* Ends the graph; parameter values are 1, 2, 3, … in the order of the parameters. */
static inline void net_finish(struct model *m, int output)
{
    m->meta.input_h = m->meta.input_w = 8;
    assert_int_equal(graph_set_outputs(&m->graph, &output, 1), 0);
    assert_int_equal(graph_check(&m->graph), 0);
    assert_int_equal(params_open(&m->params, &m->graph), 0);
    float next = 1.0F;
    for (int i = 0; i < m->params.n; i++)
        for (size_t k = 0; k < m->params.list[i].count; k++)
            m->params.value[m->params.list[i].offset + k] = next++;
}

static inline float *net_values(struct model *m, const char *name)
{
    const int i = param_find(&m->params, name);
    assert_true(i >= 0);
    return m->params.value + m->params.list[i].offset;
}

/* A 1x1 kernel (1, 1, CI, CO) whose filters have these norms, all in their first weight. */
static inline void net_set_norms(struct model *m, const char *kernel, const float *norms)
{
    const int i = param_find(&m->params, kernel);
    assert_true(i >= 0);
    const struct param *p = &m->params.list[i];
    memset(m->params.value + p->offset, 0, p->count * sizeof(float));
    for (int j = 0; j < p->dims[3]; j++)
        m->params.value[p->offset + (size_t)j] = norms[j];
}

static inline void net_close(struct model *m)
{
    graph_free(&m->graph);
    params_close(&m->params);
}

#endif
