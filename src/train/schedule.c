/* Learning-rate schedules: each a function of the step alone, so that a resumed run needs no state.
 */
#include "train/schedule.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

static double progress(const struct schedule *s, uint64_t step)
{
    return step >= s->last_step ? 1.0 : (double)step / (double)s->last_step;
}

static double softstart(const struct schedule *s, uint64_t step)
{
    const struct schedule_spec *o = s->spec;
    const double p = progress(s, step);
    double t = 1.0;
    if (p < o->soft_start)
        t = p / o->soft_start;
    else if (p > o->annealing)
        t = (1.0 - p) / (1.0 - o->annealing);
    return exp(log(o->min_lr) + t * (log(o->base_lr) - log(o->min_lr)));
}

static double cosine(const struct schedule *s, uint64_t step)
{
    const struct schedule_spec *o = s->spec;
    const double p = progress(s, step);
    const double t = p < o->soft_start
                         ? p / o->soft_start
                         : 0.5 * (1.0 + cos(pi * (p - o->soft_start) / (1.0 - o->soft_start)));
    return o->min_lr + t * (o->base_lr - o->min_lr);
}

static double exponential(const struct schedule *s, uint64_t step)
{
    const struct schedule_spec *o = s->spec;
    double e = (double)step / (o->decay_epochs * (double)s->steps_per_epoch);
    if (o->staircase)
        e = floor(e);
    return fmax(o->base_lr * pow(o->decay_rate, e), o->min_lr);
}

static double constant(const struct schedule *s, uint64_t step)
{
    (void)step;
    return s->spec->base_lr;
}

double schedule_lr(const struct schedule *schedule, uint64_t step)
{
    static double (*const rate[])(const struct schedule *, uint64_t) = {
        [SCHEDULE_SOFTSTART] = softstart,
        [SCHEDULE_EXPONENTIAL] = exponential,
        [SCHEDULE_CONSTANT] = constant,
        [SCHEDULE_COSINE] = cosine,
    };
    return rate[schedule->spec->kind](schedule, step);
}
