/*
 * The learning rate as a pure function of the step (spec 7.4).
 *
 * With p = step / last_step, clamped to 0..1:
 *   soft start and annealing   a geometric ramp from min_lr to base_lr until p = soft_start,
 * base_lr, and a geometric ramp back to min_lr from p = annealing on cosine                     a
 * linear ramp from min_lr to base_lr until p = soft_start, then half a cosine down to min_lr
 * (Loshchilov, Hutter: SGDR, 2017, no restarts) exponential                base_lr * decay_rate ^
 * (epochs / decay_epochs), at least min_lr constant                   base_lr
 */
#ifndef TRAIN_SCHEDULE_H
#define TRAIN_SCHEDULE_H

#include "spec/spec.h"

#include <stdint.h>

struct schedule {
    const struct schedule_spec *spec; /* borrowed */
    uint64_t last_step;               /* of the run, at least 1 */
    uint64_t steps_per_epoch;         /* at least 1 */
};

double schedule_lr(const struct schedule *schedule, uint64_t step);

#endif
