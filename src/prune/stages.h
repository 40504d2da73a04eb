/*
 * A network that stops earlier. Every stage of these networks ends in heatmaps and PAFs that were
 * trained (OpenPose, Cao et al. 2017), so the first ones are a network of their own, nearly as
 * accurate as all.
 */
#ifndef PRUNE_STAGES_H
#define PRUNE_STAGES_H

#include "nn/model.h"

/*
 * The model of the first `stages`, with the names and weights it had; what only later ones needed
 * is gone. *origin (free() it) tells each node's index in `m`. BPNET_EUSAGE when m has no so many
 * stages.
 */
int stages_keep(struct model **out, int **origin, const struct model *m, int stages);

#endif
