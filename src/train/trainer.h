/*
 * Training, from an experiment spec to a model file (spec part 7). A run is a pure function of its
 * spec, its records and its seed: stopping, killing and resuming it at any moment, on any number
 * of threads, gives the same weights as a run that was never disturbed.
 *
 * Files of the results folder:
 *     model.epoch-<E>.bpnet     a checkpoint every checkpoint_n_epoch epochs; also a model
 *     latest.bpnet              a checkpoint every few minutes, and when stopped
 *     best.bpnet                the model with the best validation so far
 *     <final_model_name>.bpnet  the model after the last epoch, .tlt with a key; a suffix is kept,
 *                               a name of the three above is refused
 *     experiment_spec.yaml      the spec, resolved
 *     metrics.csv, events/      what was measured; TensorBoard reads the second
 *     status.json               a line at each epoch
 */
#ifndef TRAIN_TRAINER_H
#define TRAIN_TRAINER_H

#include "base/cpu.h"
#include "spec/spec.h"

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct seal_key;

/* Where the run is, after every step. Values that are not known yet are NaN. */
struct train_progress {
    uint64_t step, last_step; /* steps done, and how many there will be */
    double epoch;             /* with fraction */
    int n_epochs;
    double lr, loss, data_loss; /* of this step */
    double images_per_second, seconds_left;
    double validation_loss, validation_ap; /* the newest ones */
};

struct trainer_options {
    const char *results_dir;   /* NULL: the spec's checkpoint_dir */
    unsigned threads;          /* 0: one per core this process may use */
    unsigned loader_threads;   /* 0: chosen from `threads` */
    enum cpu_level cpu;        /* the highest kernel level to use */
    double save_every_minutes; /* of latest.bpnet; 0: not by time */
    uint64_t save_every_steps; /* of latest.bpnet; 0: not by steps */
    bool dry_run;              /* check everything and time one step; nothing is written */
    bool fresh;                /* start anew: the folder's checkpoints are deleted */
    bool compat;               /* slips of the original, too: see start_find() */
    size_t validation_images;  /* at most so many pictures for the AP; 0: all */
    struct seal_key *key;      /* seals what is written, opens what is sealed; NULL: none */

    /* A signal handler sets it: the step in hand finishes, latest.bpnet is written. NULL: none. */
    const volatile sig_atomic_t *stop;

    /* Called after every step, for a display; a negative return stops as `stop` does. NULL: none.
     */
    int (*progress)(void *ctx, const struct train_progress *progress);
    void *ctx;
};

/* All threads, the best kernels, latest.bpnet every 5 minutes. */
void trainer_options_default(struct trainer_options *options);

/* What a run came to. */
struct train_result {
    uint64_t first_step, step;    /* where it began and ended */
    double loss;                  /* mean total loss of the last epoch; NaN if there was none */
    double best_ap, best_loss;    /* best validation; NaN if there was none */
    int best_epoch;               /* 0: none */
    char hash[33];                /* of the weights */
    double seconds, step_seconds; /* wall time of this call; mean of a step */
};

/*
 * Train, resuming by itself from the newest intact checkpoint of the folder. A checkpoint whose
 * model, data, optimiser or seed disagrees with the spec is BPNET_ECONFIG naming the key; a loss
 * that is not finite is BPNET_ENUMERIC; a stop on request is BPNET_ESTOPPED, and everything done
 * is saved. `result` may be NULL; it is filled as far as the run came.
 */
int trainer_run(struct train_result *result, const struct experiment_spec *spec,
                const struct trainer_options *options);

#endif
