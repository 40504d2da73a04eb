/* Everything a training session holds open, from the spec to the journal. */
#ifndef TRAIN_SESSION_H
#define TRAIN_SESSION_H

#include "data/loader.h"
#include "nn/exec.h"
#include "train/journal.h"
#include "train/loss.h"
#include "train/optim.h"
#include "train/schedule.h"
#include "train/start.h"
#include "train/teacher.h"
#include "train/trainer.h"
#include "train/validation.h"

struct session {
    const struct experiment_spec *spec;    /* borrowed */
    const struct trainer_options *options; /* borrowed */
    char *folder;                          /* the results folder */
    int lock;                              /* on the folder; -1: none */
    struct kernels kernels;
    struct kernels mixed; /* of mixed precision */
    bool is_mixed;        /* it is asked for, and this CPU can */
    struct workers *workers;
    struct start start; /* model, averages and state live here */
    struct loader *loader;
    struct exec *exec;
    struct teacher *teacher; /* NULL: none */
    struct loss *loss;
    struct optimizer *optimizer;
    struct validation *validation; /* NULL: none */
    struct journal *journal;       /* NULL in a dry run */
    struct schedule schedule;
    int n_maps;
};

/* The session is zeroed first. On failure everything is closed again. */
int session_open(struct session *s, const struct experiment_spec *spec,
                 const struct trainer_options *options);
void session_close(struct session *s);

/* Write a checkpoint of the state in hand under this path. */
int session_save(struct session *s, const char *path);

/* Delete what only going on with this run would have needed. */
int session_clear(const struct session *s);

/* The weights that validation and the final model use. */
const float *session_weights(const struct session *s);

/* Epochs done, with fraction. */
double session_epoch(const struct session *s);

#endif
