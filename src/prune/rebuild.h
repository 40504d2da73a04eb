/* A network with fewer channels (spec 8.3): names, order and attributes stay. */
#ifndef PRUNE_REBUILD_H
#define PRUNE_REBUILD_H

#include "nn/model.h"
#include "prune/pruner.h"

/* The graph with the channel counts of a plan, without parameters. */
int rebuild_graph(struct graph *out, const struct graph *g, const int *count);

/* Sizes of all parameters of a graph, without laying them out. */
size_t rebuild_parameters(const struct graph *g);

/* Fresh model with what stays of the parameters. */
int rebuild_model(struct model **out, const struct model *m, const struct prune_plan *plan);

#endif
