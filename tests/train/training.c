/* Short trainings on stick people. */
#include "training.h"

#include "base/log.h"
#include "base/str.h"
#include "data/convert.h"
#include "stickfigure.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static int convert(const struct training *t, bool train)
{
    struct dataset_spec *spec = NULL;
    struct convert_report report;
    char *path = training_path(t, "dataset.json");
    char *prefix = training_path(t, train ? "train" : "val");
    const struct convert_options options = {
        .output_prefix = prefix, .train_mode = train, .partitions = 1, .generate_masks = true};
    int err = dataset_spec_load(&spec, path, NULL);
    if (err == 0)
        err = dataset_convert(spec, &options, &report);
    dataset_spec_free(spec);
    free(path);
    free(prefix);
    return err;
}

int training_open(struct training *t)
{
    const struct stick_dataset data = {.n_train = 8,
                                       .n_val = 4,
                                       .w = 96,
                                       .h = 96,
                                       .max_people = 1,
                                       .seed = 3,
                                       .num_epoch = TRAINING_EPOCHS};
    *t = (struct training){0};
    log_set_level(LOG_QUIET);
    trainer_options_default(&t->options);
    t->options.threads = 2;
    t->options.save_every_minutes = 0.0;
    t->overrides[t->n_overrides++] = "validation_every_n_epoch=0";
    if (!(t->folder = stick_folder_make()))
        return -1;
    const int err = stick_dataset_write(t->folder, &data);
    return err < 0 || convert(t, true) < 0 || convert(t, false) < 0 ? -1 : 0;
}

void training_close(struct training *t)
{
    stick_folder_remove(t->folder);
}

char *training_path(const struct training *t, const char *name)
{
    char *path = path_join(t->folder, name);
    assert(path);
    return path;
}

int training_run(struct train_result *result, const struct training *t, const char *results)
{
    struct experiment_spec *spec = NULL;
    const struct spec_overrides overrides = {t->overrides, t->n_overrides};
    struct trainer_options options = t->options;
    char *path = training_path(t, "train.yaml"), *folder = training_path(t, results);
    int err = experiment_spec_load(&spec, path, &overrides);
    options.results_dir = folder;
    if (err == 0)
        err = trainer_run(result, spec, &options);
    experiment_spec_free(spec);
    free(path);
    free(folder);
    return err;
}

int training_stop_at(void *ctx, const struct train_progress *p)
{
    return p->step >= ((const struct stop_at *)ctx)->step ? -1 : 0;
}
