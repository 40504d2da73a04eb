/*
 * An engine in memory, of a network that is still being worked on: calibration and trials of
 * precisions run on it. Kernels are chosen by rule; nothing of it is kept.
 */
#ifndef DEPLOY_DRAFT_H
#define DEPLOY_DRAFT_H

#include "deploy/network.h"

struct draft {
    uint8_t *bytes;
    struct engine *engine;
};

/* The network may end before the draft does. `workers` may be NULL. On failure *out is zeroed. */
int draft_open(struct draft *out, const struct network *net, enum cpu_level level,
               struct workers *workers);
void draft_close(struct draft *d); /* a zeroed one is allowed */

#endif
