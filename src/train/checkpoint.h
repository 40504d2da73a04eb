/*
 * Checkpoints: one file that is a model for every other verb and, beside it, all that training
 * needs to go on as if nothing had happened. A container of kind "checkpoint" with the model's
 * sections and
 *     "optimizer"    the moments, floats
 *     "state"        where the run stands, JSON
 *     "raw_weights"  with averaging only: the parameter block that is being trained; "weights"
 *                    then holds the averages, which are what a model is used with
 */
#ifndef TRAIN_CHECKPOINT_H
#define TRAIN_CHECKPOINT_H

#include "nn/model.h"
#include "train/loss.h"

#include <stdbool.h>
#include <stdint.h>

/* Sums over steps, for means. */
struct loss_sums {
    uint64_t n;
    int n_maps;
    double map[LOSS_MAX_MAPS], data, total;
};

/* Where a run stands after `step` steps. NaN: not known yet. */
struct train_state {
    uint64_t step, last_step;
    uint64_t base_step; /* fine-tuning counts epochs from here; 0 otherwise */
    int base_epoch;
    int64_t seed;
    uint64_t n_records;          /* of the training set */
    int cpu;                     /* enum cpu_level of the kernels: others round differently */
    double seconds;              /* trained so far, over all sessions */
    struct loss_sums epoch, row; /* since the last epoch's end, and the last row of metrics.csv */
    double validation_loss, validation_ap;
    double best_loss, best_ap;
    int best_epoch;   /* 0: none */
    char teacher[33]; /* fingerprint of the teacher; "": none */
};

void train_state_init(struct train_state *s);

/* What is saved: all borrowed. `average` is NULL without averaging. */
struct checkpoint_parts {
    const struct model *model;
    const float *average;
    const float *moments;
    size_t n_moments;
    const struct train_state *state;
};

/* Sealed unless `key` is NULL; so is what the others read (io/seal.h). */
int checkpoint_save(const char *path, const struct checkpoint_parts *parts, struct seal_key *key);

/* The model a checkpoint stands for, alone: the averages when there are any. */
int checkpoint_export(const char *path, const struct model *model, const float *average,
                      struct seal_key *key);

struct checkpoint {
    char *path;
    struct container file;
    struct model *model;  /* with the weights being trained */
    float *average;       /* the averages, n_floats; NULL without averaging */
    const float *moments; /* within the file */
    size_t n_moments;
    struct train_state state;
};

/* Everything is read and verified. On failure *out is zeroed. */
int checkpoint_open(struct checkpoint *out, const char *path, struct seal_key *key);
void checkpoint_close(struct checkpoint *c); /* a zeroed one is allowed */

/*
 * The furthest checkpoint of a folder that verifies: a damaged one is passed over with a warning.
 * out->path is NULL when there is none; BPNET_EFORMAT when there are some and all are damaged, for
 * training must not begin anew over them unasked. One that `key` does not open is BPNET_EKEY.
 */
int checkpoint_latest(struct checkpoint *out, const char *folder, struct seal_key *key);

/* "<folder>/model.epoch-<E>.bpnet"; fresh, or NULL. */
char *checkpoint_path(const char *folder, int epoch);
#define CHECKPOINT_ROLLING "latest.bpnet"
#define CHECKPOINT_BEST    "best.bpnet"

/* Whether training itself writes, and deletes, files of this name in its folder. */
bool checkpoint_owns(const char *name);

/* Delete epoch checkpoints older than the newest `keep` (0: all stay), except best_epoch's. */
int checkpoint_rotate(const char *folder, int keep, int best_epoch);

/* Delete every checkpoint of a folder, or latest.bpnet alone. */
int checkpoint_clear(const char *folder);
int checkpoint_clear_rolling(const char *folder);

/* Delete what a killed run left half-written: "<name>.bpnet.XXXXXX". The folder must be locked. */
int checkpoint_sweep(const char *folder);

#endif
