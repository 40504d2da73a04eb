/* What several thresholds would leave, side by side. */
#ifndef CLI_PRUNE_SWEEP_H
#define CLI_PRUNE_SWEEP_H

#include "cli/verb.h"
#include "prune/pruner.h"

/* Annotated pictures to measure each network on; all NULL: it is not measured. */
struct sweep_data {
    const char *inference_spec, *annotations, *images;
    size_t max_images;
};

/*
 * `list` is "0.05,0.1,…". Prints a row for the network as it is and one a threshold; with a results
 * folder also sweep.csv and sweep.svg there.
 */
int prune_sweep(struct run *run, const struct pruner *p, const char *list,
                const struct sweep_data *data);

#endif
