/* Opening and closing all that training needs, in an order in which mistakes show early. */
#define _GNU_SOURCE /* flock */
#include "train/session.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

/* ---- folder ------------------------------------------------------------------------------ */

/* Two sessions in one folder would destroy each other's files. */
static int lock_folder(struct session *s)
{
    s->lock = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (s->lock < 0)
        return error_set_errno(BPNET_ECREATE, "%s", s->folder);
    if (flock(s->lock, LOCK_EX | LOCK_NB) != 0)
        return error_set(BPNET_EUSAGE, "%s: another training is writing to this folder", s->folder);
    return BPNET_OK;
}

static int open_folder(struct session *s)
{
    const char *folder =
        s->options->results_dir ? s->options->results_dir : s->spec->checkpoint_dir;
    if (!folder || !*folder)
        return error_set(BPNET_EUSAGE,
                         "%s: no results folder: neither an option nor "
                         "checkpoint_dir names one",
                         s->spec->path);
    if (!(s->folder = str_copy(folder)))
        return BPNET_ENOMEM;
    if (s->options->dry_run)
        return BPNET_OK;
    const int err = folder_create(s->folder);
    return err < 0 ? err : lock_folder(s);
}

static int write_spec(const struct session *s)
{
    char *path = path_join(s->folder, "experiment_spec.yaml");
    const int err = path ? experiment_spec_write(s->spec, path) : BPNET_ENOMEM;
    free(path);
    return err;
}

/* ---- parts ------------------------------------------------------------------------------- */

static int open_team(struct session *s)
{
    const enum cpu_level best = cpu_level_detect();
    const enum cpu_level level = s->options->cpu < best ? s->options->cpu : best;
    kernels_init(&s->kernels, level);
    s->mixed = s->kernels;
    s->is_mixed = s->spec->use_amp && kernels_mix(&s->mixed, level);
    if (s->spec->use_amp && !s->is_mixed)
        log_warning("use_amp: %s kernels have no BF16 arithmetic; training in single precision",
                    cpu_level_name(level));
    return workers_open(&s->workers, s->options->threads);
}

/* A resumed run must see the same records in the same order. */
static int open_loader(struct session *s)
{
    const struct train_state *state = &s->start.state;
    unsigned threads = s->options->loader_threads;
    if (threads == 0)
        threads = (workers_count(s->workers) + 3) / 4;
    const struct loader_options options = {.spec = &s->spec->data,
                                           .skeleton = &s->spec->skeleton,
                                           .seed = (uint64_t)s->spec->random_seed,
                                           .first_step = state->step,
                                           .threads = threads};
    const int err = loader_open(&s->loader, &options);
    if (err < 0)
        return err;
    const uint64_t n = loader_n_records(s->loader);
    if (s->start.resumed && n != state->n_records)
        return error_set(
            BPNET_ECONFIG,
            "%s was made with %llu training records, there are %llu now: restore them, "
            "train into another folder, or start afresh",
            s->start.file.path, (unsigned long long)state->n_records, (unsigned long long)n);
    return BPNET_OK;
}

/* Spec 7.3: an epoch is as many whole batches as the records fill, and at least one. */
static void plan_steps(struct session *s)
{
    struct train_state *state = &s->start.state;
    const uint64_t n = loader_n_records(s->loader);
    const uint64_t steps = n / (uint64_t)s->spec->data.batch_size;
    const int epochs = s->spec->num_epoch - state->base_epoch;
    s->schedule = (struct schedule){.spec = &s->spec->optimizer.schedule,
                                    .steps_per_epoch = steps > 0 ? steps : 1};
    state->n_records = n;
    state->last_step = state->base_step + (uint64_t)epochs * s->schedule.steps_per_epoch;
    s->schedule.last_step = state->last_step;
}

/* The level whose kernels are used. */
static enum cpu_level used_level(const struct session *s)
{
    return s->is_mixed && s->kernels.level != CPU_REF ? CPU_AVX512BF16 : s->kernels.level;
}

/* Of the run that this folder belongs to. */
static char *own_views(const struct session *s)
{
    return path_join(s->folder, "teacher.views");
}

/* Another teacher would teach otherwise from here on. */
static int open_teacher(struct session *s)
{
    struct train_state *state = &s->start.state;
    const char *path = s->spec->teacher.model_path;
    const struct teacher_options options = {.kernels = s->is_mixed ? &s->mixed : &s->kernels,
                                            .workers = s->workers,
                                            .key = s->options->key};
    const int err = path ? teacher_open(&s->teacher, s->spec, &options) : BPNET_OK;
    if (err < 0)
        return err;
    const char *found = path ? teacher_fingerprint(s->teacher) : "";
    if (s->start.resumed && strcmp(state->teacher, found) != 0)
        return error_set(BPNET_ECONFIG,
                         "%s was made with %s teacher%s%s, the spec's teacher.model_path is %s: "
                         "restore it, train into another folder, or start afresh",
                         s->start.file.path, *state->teacher ? "the" : "no",
                         *state->teacher ? " of fingerprint " : "", state->teacher,
                         path ? found : "null");
    memcpy(state->teacher, found, strlen(found) + 1);
    return BPNET_OK;
}

static int open_network(struct session *s)
{
    const struct dataloader_spec *data = &s->spec->data;
    const struct exec_options options = {.training = true,
                                         .batch = data->batch_size,
                                         .h = data->image_h,
                                         .w = data->image_w,
                                         .kernels = &s->kernels,
                                         .mixed = s->is_mixed ? &s->mixed : NULL,
                                         .workers = s->workers};
    float *moments;
    size_t n_moments;
    int err;
    if ((err = exec_open(&s->exec, s->start.model, &options)) < 0 ||
        (err = loss_open(&s->loss, &s->spec->loss, data->batch_size, &s->kernels, s->workers)) <
            0 ||
        (err = optimizer_open(&s->optimizer, &s->spec->optimizer, s->spec->stagewise_lr_multipliers,
                              s->start.model, &s->kernels, s->workers)) < 0)
        return err;
    s->n_maps = exec_n_outputs(s->exec);
    moments = optimizer_moments(s->optimizer, &n_moments);
    return start_take_moments(&s->start, moments, n_moments);
}

static int open_validation(struct session *s)
{
    if (s->spec->validation_every_n_epoch <= 0)
        return BPNET_OK;
    const struct validation_options options = {.spec = s->spec,
                                               .kernels = &s->kernels,
                                               .workers = s->workers,
                                               .max_images = s->options->validation_images,
                                               .stop = s->options->stop};
    return validation_open(&s->validation, &options);
}

static int keep_views(const struct session *s)
{
    char *own = own_views(s);
    if (!own)
        return error_set(BPNET_ENOMEM, "no memory for a path");
    const char *named = s->spec->teacher.views_path;
    const int err = teacher_keep_views(s->teacher, named ? named : own, used_level(s));
    free(own);
    return err;
}

/* Only now is anything in the folder touched. */
static int open_outputs(struct session *s)
{
    const struct train_state *state = &s->start.state;
    int err;
    if (s->options->dry_run)
        return BPNET_OK;
    if (s->options->fresh && (err = checkpoint_clear(s->folder)) < 0)
        return err;
    if ((err = checkpoint_sweep(s->folder)) < 0 || (err = write_spec(s)) < 0 ||
        (s->teacher && (err = keep_views(s)) < 0))
        return err;
    return journal_open(&s->journal, s->folder, s->n_maps, state->step - state->row.n);
}

static void tell(struct session *s)
{
    const struct train_state *state = &s->start.state;
    if (s->start.resumed) {
        log_info("resuming %s at step %llu of %llu", s->start.file.path,
                 (unsigned long long)state->step, (unsigned long long)state->last_step);
        if (state->cpu != (int)used_level(s))
            log_warning("the checkpoint was made with other kernels (%s): results will differ from "
                        "an undisturbed run in the last digits",
                        state->cpu < CPU_LEVELS ? cpu_level_name((enum cpu_level)state->cpu)
                                                : "unknown");
    }
    log_info(
        "%zu parameters, %.1f MB of activations; %llu records, %llu steps an epoch, %d epochs; "
        "%u threads, %s%s",
        params_total(&s->start.model->params), (double)exec_memory(s->exec) / 1e6,
        (unsigned long long)state->n_records, (unsigned long long)s->schedule.steps_per_epoch,
        s->spec->num_epoch, workers_count(s->workers), cpu_level_name(used_level(s)),
        s->is_mixed ? ", mixed precision" : "");
}

int session_open(struct session *s, const struct experiment_spec *spec,
                 const struct trainer_options *options)
{
    int err;
    *s = (struct session){.spec = spec, .options = options, .lock = -1};
    if ((err = open_team(s)) < 0 || (err = open_folder(s)) < 0 ||
        (err = start_find(&s->start, spec, options->fresh ? NULL : s->folder, options->key,
                          options->compat)) < 0 ||
        (err = open_loader(s)) < 0)
        goto fail;
    plan_steps(s);
    if ((err = open_network(s)) < 0 || (err = open_teacher(s)) < 0 ||
        (err = open_validation(s)) < 0 || (err = open_outputs(s)) < 0)
        goto fail;
    tell(s);
    s->start.state.cpu = (int)used_level(s);
    return BPNET_OK;
fail:
    session_close(s);
    return err;
}

void session_close(struct session *s)
{
    journal_close(s->journal);
    validation_close(s->validation);
    optimizer_close(s->optimizer);
    loss_close(s->loss);
    teacher_close(s->teacher);
    exec_close(s->exec);
    loader_close(s->loader);
    start_close(&s->start);
    workers_close(s->workers);
    if (s->lock >= 0)
        close(s->lock); /* and with it the lock */
    free(s->folder);
    *s = (struct session){.lock = -1};
}

/* ---- the end ----------------------------------------------------------------------------- */

int session_clear(const struct session *s)
{
    int err = checkpoint_clear_rolling(s->folder);
    char *views = own_views(s);
    if (err == BPNET_OK && !views)
        err = error_set(BPNET_ENOMEM, "no memory for a path");
    else if (err == BPNET_OK && unlink(views) != 0 && errno != ENOENT)
        err = error_set_errno(BPNET_EIO, "%s: cannot be deleted", views);
    free(views);
    return err;
}

/* ---- saving ------------------------------------------------------------------------------ */

/* A step that overflowed shows in the next loss; a checkpoint must not come in between. */
static int check_weights(const struct session *s)
{
    const struct params *p = &s->start.model->params;
    for (int i = 0; i < p->n; i++)
        for (size_t k = 0; k < p->list[i].count; k++)
            if (!isfinite(p->value[p->list[i].offset + k]))
                return error_set(BPNET_ENUMERIC,
                                 "parameter '%s' is not finite after step %llu; lower the learning "
                                 "rate",
                                 p->list[i].name, (unsigned long long)s->start.state.step);
    return BPNET_OK;
}

int session_save(struct session *s, const char *path)
{
    struct checkpoint_parts parts = {
        .model = s->start.model, .average = s->start.average, .state = &s->start.state};
    const int err = check_weights(s);
    if (err < 0)
        return err;
    parts.moments = optimizer_moments(s->optimizer, &parts.n_moments);
    s->start.model->meta.epoch = (int64_t)session_epoch(s);
    return checkpoint_save(path, &parts, s->options->key);
}

const float *session_weights(const struct session *s)
{
    return s->start.average ? s->start.average : s->start.model->params.value;
}

double session_epoch(const struct session *s)
{
    const struct train_state *state = &s->start.state;
    return state->base_epoch +
           (double)(state->step - state->base_step) / (double)s->schedule.steps_per_epoch;
}
