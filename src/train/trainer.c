/*
 * The training loop. One step is: a batch, forward, loss, backward, optimiser. At the end of an
 * epoch the network is validated and a checkpoint written. All that a later step depends on is in
 * struct train_state, the parameters, the moments and the averages, and all of that is in every
 * checkpoint; nothing else may influence a step.
 */
#include "train/trainer.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "io/file.h"
#include "train/maps.h"
#include "train/session.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct trainer {
    struct session s;
    struct train_state *state; /* s.start.state */
    double lr;                 /* of the last step */
    struct loss_value loss;    /* of the last step, to the labels */
    double regularization;
    double epoch_loss;    /* mean of the last whole epoch */
    double epoch_seconds; /* of its steps */
    double step_seconds;  /* smoothed */
    uint64_t session_steps;
    double session_seconds; /* of those steps */
    int64_t logged_ns, saved_ns;
    bool asked_to_stop;
};

void trainer_options_default(struct trainer_options *options)
{
    *options = (struct trainer_options){.cpu = cpu_level_detect(), .save_every_minutes = 5.0};
}

/* ---- a step ------------------------------------------------------------------------------ */

static int diverged(const struct trainer *t)
{
    char name[48] = "the regularisation";
    double value = t->regularization;
    if (!isfinite(t->loss.data)) {
        const int worst = loss_worst_map(&t->loss);
        loss_map_name(name, worst, t->loss.n_maps);
        value = t->loss.map[worst];
    }
    return error_set(
        BPNET_ENUMERIC,
        "the loss is not finite at step %llu (epoch %.2f, learning rate %g): %s is %g; "
        "lower the learning rate, or look at the data",
        (unsigned long long)t->state->step + 1, session_epoch(&t->s), t->lr, name, value);
}

/* The loss to a batch's labels after a forward pass; with `grads`, its gradients too. */
static int measure_loss(struct trainer *t, const struct batch *batch, bool grads)
{
    struct session *s = &t->s;
    struct loss_map maps[LOSS_MAX_MAPS];
    int n_maps;
    const int err = maps_bind(maps, &n_maps, s->exec, batch, grads);
    if (err == BPNET_OK)
        loss_run(s->loss, &t->loss, maps, n_maps, batch->n);
    return err;
}

/*
 * Forward, loss and backward of the next batch: leaves t->loss and the gradients. With a teacher
 * the gradients are of its targets, and the loss that is told is still that to the labels, so that
 * runs with and without one can be compared.
 */
static int compute_gradients(struct trainer *t)
{
    struct session *s = &t->s;
    const struct batch *batch, *taught;
    int err;
    if ((err = loader_next(s->loader, &batch)) < 0)
        return err;
    taught = batch;
    if (s->teacher && (err = teacher_run(s->teacher, batch, &taught)) < 0)
        return err;
    maps_feed(s->exec, batch);
    if ((err = exec_forward(s->exec)) < 0 || (err = measure_loss(t, taught, true)) < 0 ||
        (s->teacher && (err = measure_loss(t, batch, false)) < 0))
        return err;
    t->regularization = optimizer_regularization(s->optimizer);
    if (!isfinite(t->loss.data + t->regularization))
        return diverged(t);
    return exec_backward(s->exec);
}

static void add_loss(struct loss_sums *sums, const struct trainer *t)
{
    sums->n++;
    sums->n_maps = t->loss.n_maps;
    for (int k = 0; k < t->loss.n_maps; k++)
        sums->map[k] += t->loss.map[k];
    sums->data += t->loss.data;
    sums->total += t->loss.data + t->regularization;
}

static void add_time(struct trainer *t, double seconds)
{
    t->session_steps++;
    t->session_seconds += seconds;
    t->state->seconds += seconds;
    t->epoch_seconds += seconds;
    const double share = t->session_steps < 20 ? 1.0 / (double)t->session_steps : 0.05;
    t->step_seconds += share * (seconds - t->step_seconds);
}

static int train_step(struct trainer *t)
{
    struct session *s = &t->s;
    struct params *params = &s->start.model->params;
    const int64_t start = clock_ns();
    t->lr = schedule_lr(&s->schedule, t->state->step);
    const int err = compute_gradients(t);
    if (err < 0)
        return err;
    optimizer_step(s->optimizer, exec_grads(s->exec), t->lr, t->state->step);
    if (s->start.average)
        average_update(s->start.average, params->value, params->n_floats, s->spec->ema_decay,
                       t->state->step, s->workers);
    t->state->step++;
    add_loss(&t->state->epoch, t);
    add_loss(&t->state->row, t);
    add_time(t, clock_seconds_since(start));
    return BPNET_OK;
}

/* ---- what is told about it --------------------------------------------------------------- */

static double seconds_left(const struct trainer *t)
{
    return (double)(t->state->last_step - t->state->step) * t->step_seconds;
}

static double images_per_second(const struct trainer *t)
{
    return t->step_seconds > 0.0 ? t->s.spec->data.batch_size / t->step_seconds : NAN;
}

static void write_row(struct trainer *t, double validation_loss, double validation_ap)
{
    const struct journal_row row = {.step = t->state->step,
                                    .epoch = session_epoch(&t->s),
                                    .lr = t->lr,
                                    .sums = &t->state->row,
                                    .validation_loss = validation_loss,
                                    .validation_ap = validation_ap,
                                    .seconds = t->state->seconds,
                                    .images_per_second = images_per_second(t)};
    journal_write_row(t->s.journal, &row);
    t->state->row = (struct loss_sums){0};
}

static void log_now_and_then(struct trainer *t)
{
    if (clock_seconds_since(t->logged_ns) < t->s.spec->log_every_n_secs)
        return;
    char left[64];
    journal_duration(left, seconds_left(t));
    log_info("epoch %.2f/%d, step %llu/%llu: loss %.6g, learning rate %.4g, %.1f images/s, %s left",
             session_epoch(&t->s), t->s.spec->num_epoch, (unsigned long long)t->state->step,
             (unsigned long long)t->state->last_step, t->loss.data + t->regularization, t->lr,
             images_per_second(t), left);
    t->logged_ns = clock_ns();
}

static void report_progress(struct trainer *t)
{
    const struct trainer_options *o = t->s.options;
    if (!o->progress)
        return;
    const struct train_progress p = {.step = t->state->step,
                                     .last_step = t->state->last_step,
                                     .epoch = session_epoch(&t->s),
                                     .n_epochs = t->s.spec->num_epoch,
                                     .lr = t->lr,
                                     .loss = t->loss.data + t->regularization,
                                     .data_loss = t->loss.data,
                                     .images_per_second = images_per_second(t),
                                     .seconds_left = seconds_left(t),
                                     .validation_loss = t->state->validation_loss,
                                     .validation_ap = t->state->validation_ap};
    if (o->progress(o->ctx, &p) < 0)
        t->asked_to_stop = true;
}

/* ---- saving ------------------------------------------------------------------------------ */

static int save_rolling(struct trainer *t)
{
    char *path = path_join(t->s.folder, CHECKPOINT_ROLLING);
    const int err = path ? session_save(&t->s, path) : BPNET_ENOMEM;
    free(path);
    t->saved_ns = clock_ns();
    return err;
}

/* A rolling checkpoint that fails costs nothing yet: the one before is still there. */
static int save_now_and_then(struct trainer *t)
{
    const struct trainer_options *o = t->s.options;
    const bool by_time = o->save_every_minutes > 0.0 &&
                         clock_seconds_since(t->saved_ns) >= 60.0 * o->save_every_minutes;
    const bool by_steps = o->save_every_steps > 0 && t->state->step % o->save_every_steps == 0;
    if (!by_time && !by_steps)
        return BPNET_OK;
    const int err = save_rolling(t);
    if (err == BPNET_EIO || err == BPNET_ECREATE) {
        log_warning("%s; training goes on", error_message());
        error_clear();
        return BPNET_OK;
    }
    return err;
}

static int export_model(struct trainer *t, const char *name)
{
    char *path = path_join(t->s.folder, name);
    t->s.start.model->meta.epoch = (int64_t)session_epoch(&t->s);
    const int err =
        path ? checkpoint_export(path, t->s.start.model, t->s.start.average, t->s.options->key)
             : BPNET_ENOMEM;
    free(path);
    return err;
}

static int save_epoch(struct trainer *t, int epoch)
{
    char *path = checkpoint_path(t->s.folder, epoch);
    int err = path ? session_save(&t->s, path) : BPNET_ENOMEM;
    free(path);
    if (err == BPNET_OK)
        err = checkpoint_rotate(t->s.folder, t->s.spec->max_ckpt_to_keep, t->state->best_epoch);
    t->saved_ns = clock_ns();
    return err;
}

/* ---- the end of an epoch ----------------------------------------------------------------- */

/* By AP, or by loss where no AP can be measured. */
static bool is_best(const struct train_state *state)
{
    if (!isnan(state->validation_ap))
        return !(state->validation_ap <= state->best_ap);
    return !isnan(state->validation_loss) && isnan(state->best_ap) &&
           !(state->validation_loss >= state->best_loss);
}

static int validate(struct trainer *t, int epoch)
{
    struct validation_result result;
    struct train_state *state = t->state;
    const int err =
        validation_run(t->s.validation, &result, t->s.start.model, session_weights(&t->s));
    if (err == BPNET_ESTOPPED || err == BPNET_ENOMEM)
        return err;
    if (err < 0) {
        log_warning("validation failed: %s; training goes on", error_message());
        error_clear();
        return BPNET_OK;
    }
    state->validation_loss = result.loss;
    state->validation_ap = result.ap;
    if (!is_best(state))
        return BPNET_OK;
    state->best_loss = result.loss;
    state->best_ap = result.ap;
    state->best_epoch = epoch;
    return export_model(t, CHECKPOINT_BEST);
}

static void tell_epoch(struct trainer *t, int epoch, bool validated)
{
    const struct train_state *state = t->state;
    const double loss = validated ? state->validation_loss : NAN;
    const double ap = validated ? state->validation_ap : NAN;
    t->epoch_loss = state->epoch.total / (double)state->epoch.n;
    if (state->row.n > 0)
        write_row(t, loss, ap);
    const struct journal_epoch told = {.epoch = epoch,
                                       .n_epochs = t->s.spec->num_epoch,
                                       .lr = t->lr,
                                       .loss = t->epoch_loss,
                                       .epoch_seconds = t->epoch_seconds,
                                       .seconds_left = seconds_left(t),
                                       .validation_loss = loss,
                                       .validation_ap = ap};
    journal_write_epoch(t->s.journal, &told);
}

static bool due(int epoch, int every)
{
    return every > 0 && epoch % every == 0;
}

static int end_epoch(struct trainer *t)
{
    const int epoch = (int)session_epoch(&t->s);
    const bool last = t->state->step == t->state->last_step;
    const bool validates =
        t->s.validation && (last || due(epoch, t->s.spec->validation_every_n_epoch));
    const int err = validates ? validate(t, epoch) : BPNET_OK;
    if (err < 0)
        return err;
    tell_epoch(t, epoch, validates);
    t->state->epoch = (struct loss_sums){0}; /* closed; see epoch_is_over() */
    t->epoch_seconds = 0.0;
    return last || due(epoch, t->s.spec->checkpoint_n_epoch) ? save_epoch(t, epoch) : BPNET_OK;
}

/* ---- the loop ---------------------------------------------------------------------------- */

/* At an epoch's end that has not been dealt with: a session may have been stopped right there. */
static bool epoch_is_over(const struct trainer *t)
{
    return t->state->epoch.n > 0 &&
           (t->state->step - t->state->base_step) % t->s.schedule.steps_per_epoch == 0;
}

static int after_step(struct trainer *t)
{
    const int every = t->s.spec->summary_every_n_steps;
    if (every > 0 && t->state->step % (uint64_t)every == 0 && !epoch_is_over(t))
        write_row(t, NAN, NAN);
    log_now_and_then(t);
    report_progress(t);
    return save_now_and_then(t);
}

static int stop(struct trainer *t)
{
    const int err = save_rolling(t);
    if (err < 0)
        return err;
    return error_set(BPNET_ESTOPPED, "stopped at step %llu of %llu; everything is saved in %s",
                     (unsigned long long)t->state->step, (unsigned long long)t->state->last_step,
                     t->s.folder);
}

static int loop(struct trainer *t)
{
    for (;;) {
        int err = epoch_is_over(t) ? end_epoch(t) : BPNET_OK;
        if (err == BPNET_ESTOPPED)
            return stop(t);
        if (err < 0 || t->state->step >= t->state->last_step)
            return err;
        if (t->asked_to_stop || (t->s.options->stop && *t->s.options->stop))
            return stop(t);
        if ((err = train_step(t)) < 0 || (err = after_step(t)) < 0)
            return err;
    }
}

/* Old scripts name their models bpnet_model.tlt; what is in them does not depend on it. */
static bool has_suffix(const char *name)
{
    static const char *const suffixes[] = {".bpnet", ".tlt", ".hdf5"};
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        if (strcmp(dot, suffixes[i]) == 0)
            return true;
    return false;
}

/* The final model's name; sealed ones get the suffix that old scripts give them. */
static int final_name(struct str *out, const struct experiment_spec *spec, bool sealed)
{
    const char *name = spec->final_model_name;
    str_printf(out, "%s%s", name, has_suffix(name) ? "" : sealed ? ".tlt" : ".bpnet");
    const int err = str_status(out);
    if (err == BPNET_OK && checkpoint_owns(str_text(out)))
        return error_set(BPNET_ECONFIG,
                         "%s: final_model_name: found '%s', but %s is a file that training keeps "
                         "for itself: choose another name",
                         spec->path, name, str_text(out));
    return err;
}

/* The rolling checkpoint has served. */
static int finish(struct trainer *t)
{
    struct str name = {0};
    int err = final_name(&name, t->s.spec, t->s.options->key != NULL);
    if (err == BPNET_OK)
        err = export_model(t, str_text(&name));
    if (err == BPNET_OK)
        err = session_clear(&t->s);
    if (err == BPNET_OK)
        log_info("trained %llu steps; the model is %s/%s", (unsigned long long)t->state->step,
                 t->s.folder, str_text(&name));
    str_free(&name);
    return err;
}

/* One step that leaves nothing behind but its time. */
static int rehearse(struct trainer *t)
{
    if (t->state->step >= t->state->last_step) {
        log_info("dry run: all %llu steps are done already",
                 (unsigned long long)t->state->last_step);
        return BPNET_OK;
    }
    const int err = train_step(t);
    if (err < 0)
        return err;
    char all[64];
    journal_duration(all, (double)(t->state->last_step - t->state->step) * t->step_seconds);
    log_info("dry run: loss %.6g, one step takes %.2f s, the whole run about %s",
             t->loss.data + t->regularization, t->step_seconds, all);
    return BPNET_OK;
}

static void fill_result(struct train_result *result, const struct trainer *t, double seconds)
{
    const struct train_state *state = t->state;
    struct params used = t->s.start.model->params;
    used.value = (float *)session_weights(&t->s);
    result->step = state->step;
    result->first_step = state->step - t->session_steps;
    result->loss = t->epoch_loss;
    result->best_ap = state->best_ap;
    result->best_loss = state->best_loss;
    result->best_epoch = state->best_epoch;
    result->seconds = seconds;
    result->step_seconds =
        t->session_steps > 0 ? t->session_seconds / (double)t->session_steps : NAN;
    params_hash(&used, result->hash);
}

int trainer_run(struct train_result *result, const struct experiment_spec *spec,
                const struct trainer_options *options)
{
    const int64_t start = clock_ns();
    struct trainer t = {.epoch_loss = NAN};
    if (result)
        *result = (struct train_result){.loss = NAN, .best_ap = NAN, .best_loss = NAN};
    struct str name = {0};
    int err = final_name(&name, spec, options->key != NULL); /* not only after days of work */
    str_free(&name);
    if (err < 0 || (err = session_open(&t.s, spec, options)) < 0)
        return err;
    t.state = &t.s.start.state;
    t.logged_ns = t.saved_ns = clock_ns();
    if (t.state->step > 0)
        t.lr = schedule_lr(&t.s.schedule, t.state->step - 1);
    if (options->dry_run) {
        err = rehearse(&t);
    } else {
        err = loop(&t);
        if (err == BPNET_OK)
            err = finish(&t);
    }
    if (result)
        fill_result(result, &t, clock_seconds_since(start));
    session_close(&t.s);
    return err;
}
