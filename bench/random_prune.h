/* Networks pruned at random: what remains of every layer is about the same share. */
#ifndef BENCH_RANDOM_PRUNE_H
#define BENCH_RANDOM_PRUNE_H

#include "nn/model.h"

/*
 * A fresh model with `share` of the multiply-accumulates; kept filters are a multiple of
 * `granularity`. The same filters go, whatever the granularity.
 */
int random_prune(struct model **out, const struct model *m, int granularity, double share);

/* Two stages of a network with VGG layers where the kind has any, and batch norm; seed 1. */
int random_network(struct model **out, enum model_kind kind, double width);

#endif
