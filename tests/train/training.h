/* What the tests of whole trainings share: a small dataset and short runs on it. */
#ifndef TRAINING_H
#define TRAINING_H

#include "train/trainer.h"

enum { TRAINING_MAX_OVERRIDES = 16 };

struct training {
    char *folder; /* with records, specs and pictures of stick people */
    const char *overrides[TRAINING_MAX_OVERRIDES];
    size_t n_overrides;
    struct trainer_options options;
};

/* 8 training pictures, 4 for validation, 64 x 64, batches of 2, 3 epochs; no validation. */
int training_open(struct training *t);
void training_close(struct training *t);

/* "<folder>/<name>"; fresh. */
char *training_path(const struct training *t, const char *name);

/* Train into "<folder>/<results>", which may be there already. */
int training_run(struct train_result *result, const struct training *t, const char *results);

/* The steps a run has, and how many make an epoch. */
enum { TRAINING_EPOCHS = 3 };

/* A progress callback that asks to stop once `step` steps are done. */
struct stop_at {
    uint64_t step;
};
int training_stop_at(void *ctx, const struct train_progress *p);

#endif
