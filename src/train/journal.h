/*
 * What a run tells the world: metrics.csv, TensorBoard events, status.json and log lines. A journal
 * that cannot be written (disk full) costs one warning, not the training.
 */
#ifndef TRAIN_JOURNAL_H
#define TRAIN_JOURNAL_H

#include "train/checkpoint.h"

#include <stddef.h>
#include <stdint.h>

struct journal;

/*
 * In `folder`, for a network of n_maps outputs. Rows of metrics.csv beyond `last_step` belong to
 * steps that will be done again and are cut off.
 */
int journal_open(struct journal **out, const char *folder, int n_maps, uint64_t last_step);
void journal_close(struct journal *j); /* NULL is allowed */

/* Means since the last row. NaN: nothing to tell, an empty cell. */
struct journal_row {
    uint64_t step;
    double epoch, lr;
    const struct loss_sums *sums; /* n >= 1 */
    double validation_loss, validation_ap;
    double seconds, images_per_second;
};
void journal_write_row(struct journal *j, const struct journal_row *row);

/* The end of an epoch: a log line and a line of status.json. */
struct journal_epoch {
    int epoch, n_epochs;
    double lr, loss; /* mean of the epoch */
    double epoch_seconds, seconds_left;
    double validation_loss, validation_ap;
};
void journal_write_epoch(struct journal *j, const struct journal_epoch *e);

/* "1 day, 2:03:04" or "0:05:06", as the original writes durations. */
void journal_duration(char text[64], double seconds);

#endif
