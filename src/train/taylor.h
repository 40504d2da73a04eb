/*
 * How much the loss would change without a filter, to first order (Molchanov et al. 2019,
 * "Importance Estimation for Neural Network Pruning", I^(1) with gates): with a factor a = 1 on a
 * filter's output,
 *
 *     importance = mean over batches of (d loss / d a)^2.
 *
 * The derivative needs no gates: it is gamma * dgamma + beta * dbeta where a batch norm follows the
 * filter, and the sum of w * dw over kernel and bias where none does.
 */
#ifndef TRAIN_TAYLOR_H
#define TRAIN_TAYLOR_H

#include "base/cpu.h"
#include "spec/spec.h"

#include <signal.h>

struct seal_key;

struct taylor_options {
    const char *model; /* whose filters are scored; the spec's pretrained_weights do not matter */
    int stages;        /* that it has, whatever the spec says; 0: as the spec says */
    int batches;       /* of the spec's training records and size, augmented as in training */
    unsigned threads;  /* 0: one per core this process may use */
    enum cpu_level cpu;
    struct seal_key *key;
    const volatile sig_atomic_t *stop; /* NULL: none */
    /* After every batch; may be NULL. */
    void (*progress)(void *ctx, int done, int total);
    void *ctx;
};

/* Per node of the model's graph the importance of its filters; NULL where it has none. */
struct taylor_scores {
    int n_nodes;
    double **of;
};

/*
 * The data loss of the labels alone counts: no regularisers, no teacher. Nothing is written. On
 * failure *out is zeroed; BPNET_ESTOPPED when asked to stop.
 */
int taylor_score(struct taylor_scores *out, const struct experiment_spec *spec,
                 const struct taylor_options *options);
void taylor_scores_free(struct taylor_scores *s); /* a zeroed one is allowed */

#endif
