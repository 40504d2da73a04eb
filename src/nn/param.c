/* Laying out parameters: trainable ones in the order of their nodes, then running statistics. */
#include "nn/param.h"

#include "base/error.h"
#include "base/hash.h"
#include "nn/graph.h"
#include "nn/op.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGN_FLOATS = 16 };

static_assert((int)NODE_ROLES == (int)PARAM_ROLES, "a node has an index for every role");

static const char *const role_names[PARAM_ROLES] = {
    [PARAM_KERNEL] = "kernel",     [PARAM_BIAS] = "bias",   [PARAM_GAMMA] = "gamma",
    [PARAM_BETA] = "beta",         [PARAM_SLOPE] = "slope", [PARAM_MEAN] = "mean",
    [PARAM_VARIANCE] = "variance",
};

const char *param_role_name(enum param_role role)
{
    return role_names[role];
}

static bool is_trainable(enum param_role role)
{
    return role != PARAM_MEAN && role != PARAM_VARIANCE;
}

static int shape_of(const struct graph *g, const struct node *n, enum param_role role, int dims[4])
{
    const struct op_row *row = op_rows[n->op];
    return row->shape ? row->shape(g, n, role, dims) : 0;
}

/* Append the parameters of one node that are trainable, or those that are not. */
static int add_params(struct params *p, struct graph *g, int node, bool trainable)
{
    struct node *n = &g->nodes[node];
    for (int role = 0; role < PARAM_ROLES; role++) {
        int dims[4] = {1, 1, 1, 1};
        const int n_dims = shape_of(g, n, role, dims);
        if (n_dims == 0 || is_trainable(role) != trainable)
            continue;
        struct param *param = &p->list[p->n];
        *param = (struct param){.node = node, .role = role, .n_dims = n_dims, .count = 1};
        for (int d = 0; d < n_dims; d++) {
            param->dims[d] = dims[d];
            param->count *= (size_t)dims[d]; /* within the graph's limits it fits */
        }
        snprintf(param->name, sizeof param->name, "%s/%s", n->name, role_names[role]);
        param->offset = p->n_floats;
        p->n_floats += (param->count + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
        if (p->n_floats > PARAMS_MAX)
            return error_set(BPNET_ELIMIT, "the network has more than %d parameters", PARAMS_MAX);
        n->params[role] = p->n++;
    }
    return BPNET_OK;
}

int params_open(struct params *out, struct graph *g)
{
    struct params p = {0};
    int err = BPNET_OK;
    *out = p;
    for (int i = 0; i < g->n_nodes; i++)
        for (int role = 0; role < NODE_ROLES; role++)
            g->nodes[i].params[role] = -1;
    p.list = calloc((size_t)g->n_nodes * PARAM_ROLES, sizeof *p.list);
    if (!p.list)
        return error_set(BPNET_ENOMEM, "no memory for a list of parameters");
    for (int i = 0; i < g->n_nodes && err == BPNET_OK; i++)
        err = add_params(&p, g, i, true);
    p.n_trainable = p.n_floats;
    for (int i = 0; i < g->n_nodes && err == BPNET_OK; i++)
        err = add_params(&p, g, i, false);
    if (err == BPNET_OK && !(p.value = calloc(p.n_floats + 1, sizeof *p.value)))
        err = error_set(BPNET_ENOMEM, "no memory for %zu parameters", p.n_floats);
    if (err < 0)
        params_close(&p);
    else
        *out = p;
    return err;
}

void params_close(struct params *p)
{
    free(p->list);
    free(p->value);
    *p = (struct params){0};
}

int param_find(const struct params *p, const char *name)
{
    for (int i = 0; i < p->n; i++)
        if (strcmp(p->list[i].name, name) == 0)
            return i;
    return -1;
}

size_t params_total(const struct params *p)
{
    size_t total = 0;
    for (int i = 0; i < p->n; i++)
        total += p->list[i].count;
    return total;
}

size_t params_trainable(const struct params *p)
{
    size_t total = 0;
    for (int i = 0; i < p->n; i++)
        if (is_trainable(p->list[i].role))
            total += p->list[i].count;
    return total;
}

void params_hash(const struct params *p, char hex[33])
{
    memset(hex, '0', 32);
    hex[32] = '\0';
    struct hash *h = hash_open();
    if (!h)
        return;
    for (int i = 0; i < p->n; i++) {
        const struct param *param = &p->list[i];
        hash_add(h, param->name, strlen(param->name) + 1);
        hash_add(h, param->dims, (size_t)param->n_dims * sizeof param->dims[0]);
        hash_add(h, p->value + param->offset, param->count * sizeof(float));
    }
    hash_finish(h, hex);
}
