/*
 * What a run begins from, in this order (spec 7.6, part 9):
 *   1. the furthest intact checkpoint of the results folder: the run is resumed;
 *   2. finetuning_config.checkpoint_path: weights, optimiser and step of another run;
 *   3. pretrained_weights with load_graph: the file's own graph, with the regularisers and
 *      learning-rate multipliers that the spec asks for;
 *   4. pretrained_weights without: a fresh model that takes over what fits by name and shape;
 *   5. a fresh model.
 */
#ifndef TRAIN_START_H
#define TRAIN_START_H

#include "spec/spec.h"
#include "train/checkpoint.h"

struct start {
    struct model *model;
    float *average;           /* NULL without averaging */
    struct train_state state; /* last_step and n_records are 0 in a run that is not resumed */
    bool resumed, compat;
    struct checkpoint file; /* 1. and 2.: holds the moments; path is NULL otherwise */
};

/*
 * `folder` is where to look for checkpoints; NULL: nowhere. `key` opens files that are sealed. With
 * `compat` a graph from a file loses regularisers and multipliers, as in the original (quirk 8). A
 * checkpoint that disagrees with the spec is BPNET_ECONFIG. On failure *out is zeroed.
 */
int start_find(struct start *out, const struct experiment_spec *spec, const char *folder,
               struct seal_key *key, bool compat);

/* The checkpoint's moments into the optimiser's; nothing to do in a fresh run. */
int start_take_moments(const struct start *s, float *moments, size_t n_moments);

void start_close(struct start *s); /* a zeroed one is allowed */

#endif
