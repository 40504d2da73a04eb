/* Between a batch and an executor: pictures in, outputs paired with their labels. */
#ifndef TRAIN_MAPS_H
#define TRAIN_MAPS_H

#include "data/loader.h"
#include "nn/exec.h"
#include "train/loss.h"

/* Copy a batch's pictures into the executor's input; sizes must agree. */
void maps_feed(struct exec *exec, const struct batch *batch);

/*
 * Pair every output (heat 1..S, then PAF 1..S) with its labels and masks; with `grads`, also with
 * the executor's gradient. BPNET_ECONFIG when sizes disagree.
 */
int maps_bind(struct loss_map maps[LOSS_MAX_MAPS], int *n_maps, struct exec *exec,
              const struct batch *batch, bool grads);

#endif
