/* Validation: executors are opened for the occasion, so that training has the memory otherwise. */
#include "train/validation.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "data/loader.h"
#include "eval/evaluate.h"
#include "nn/exec.h"
#include "train/loss.h"
#include "train/maps.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One dataset to measure the AP on. */
struct scored_set {
    char *annotations, *images;
};

struct validation {
    struct validation_options o;
    struct predict_options predict;
    struct scored_set *sets;
    size_t n_sets;
    int batch_size; /* of the records; 0: there are none */
};

/* ---- opening ----------------------------------------------------------------------------- */

/* A path as written, or beside the spec when it is only there; fresh, or NULL. */
static char *beside_spec(const char *path, const char *spec_path)
{
    if (file_exists(path) || *path == '/')
        return str_copy(path);
    char *folder = path_folder(spec_path);
    char *joined = folder ? path_join(folder, path) : NULL;
    free(folder);
    if (joined && file_exists(joined))
        return joined;
    free(joined);
    return str_copy(path);
}

/* The set's files under `root`; BPNET_ENOENT when its annotations are not there. */
static int place_set(struct scored_set *set, const struct dataset_spec *dataset, const char *root)
{
    free(set->annotations);
    free(set->images);
    set->annotations = path_join(root, dataset->test.annotation_file);
    set->images = path_join(root, dataset->test.images_root);
    if (!set->annotations || !set->images)
        return BPNET_ENOMEM;
    return file_exists(set->annotations)
               ? BPNET_OK
               : error_set(BPNET_ENOENT, "%s: no such file", set->annotations);
}

/* The dataset's own root, or else the training data's: the spec may have been moved with --set. */
static int add_set(struct validation *v, const struct named_path *named)
{
    struct dataset_spec *dataset = NULL;
    struct scored_set *set = &v->sets[v->n_sets];
    char *path = beside_spec(named->path, v->o.spec->path);
    int err = path ? dataset_spec_load(&dataset, path, NULL) : BPNET_ENOMEM;
    free(path);
    if (err < 0)
        return err;
    if ((err = place_set(set, dataset, dataset->root)) == BPNET_ENOENT &&
        place_set(set, dataset, v->o.spec->data.root_data_path) == BPNET_OK)
        err = BPNET_OK;
    if (err == BPNET_OK)
        v->n_sets++;
    dataset_spec_free(dataset);
    return err;
}

/* A part that is not there is no reason not to train. */
static int or_warn(int err, const char *what)
{
    if (err == BPNET_OK || err == BPNET_ENOMEM)
        return err;
    log_warning("%s: %s", what, error_message());
    error_clear();
    return BPNET_OK;
}

static int open_sets(struct validation *v)
{
    const struct dataloader_spec *data = &v->o.spec->data;
    v->sets = calloc(data->n_dataset_specs + 1, sizeof *v->sets);
    if (!v->sets)
        return error_set(BPNET_ENOMEM, "no memory for %zu datasets", data->n_dataset_specs);
    for (size_t i = 0; i < data->n_dataset_specs; i++) {
        const int err =
            or_warn(add_set(v, &data->dataset_specs[i]), "no AP of this dataset while training");
        if (err < 0)
            return err;
    }
    return BPNET_OK;
}

static int open_inference_spec(struct validation *v)
{
    const struct experiment_spec *spec = v->o.spec;
    predict_options_default(&v->predict);
    v->predict.input_h = spec->data.image_h;
    v->predict.input_w = spec->data.image_w;
    if (!spec->inference_spec)
        return BPNET_OK;
    struct inference_spec *inference = NULL;
    char *path = beside_spec(spec->inference_spec, spec->path);
    const int err = path ? inference_spec_load(&inference, path, NULL) : BPNET_ENOMEM;
    free(path);
    if (err < 0)
        return or_warn(err, "validating with default decoding at the training size");
    v->predict = inference->options;
    inference_spec_free(inference);
    return BPNET_OK;
}

static int open_records(struct validation *v)
{
    const struct dataloader_spec *data = &v->o.spec->data;
    if (data->n_val_records == 0) {
        log_warning("no validation loss while training: the spec names no val_records_path");
        return BPNET_OK;
    }
    struct loader *l = NULL;
    const struct loader_options options = {.spec = data,
                                           .skeleton = &v->o.spec->skeleton,
                                           .threads = 1,
                                           .validation = true,
                                           .batch_size = 1};
    const int err = loader_open(&l, &options);
    if (err == BPNET_OK) {
        const size_t n = loader_n_records(l);
        v->batch_size = n < (size_t)data->batch_size ? (int)n : data->batch_size;
    }
    loader_close(l);
    return or_warn(err, "no validation loss while training");
}

int validation_open(struct validation **out, const struct validation_options *options)
{
    *out = NULL;
    struct validation *v = calloc(1, sizeof *v);
    if (!v)
        return error_set(BPNET_ENOMEM, "no memory for validation");
    v->o = *options;
    int err;
    if ((err = open_inference_spec(v)) < 0 || (err = open_sets(v)) < 0 ||
        (err = open_records(v)) < 0) {
        validation_close(v);
        return err;
    }
    *out = v;
    return BPNET_OK;
}

void validation_close(struct validation *v)
{
    if (!v)
        return;
    for (size_t i = 0; v->sets && i < v->o.spec->data.n_dataset_specs; i++) {
        free(v->sets[i].annotations);
        free(v->sets[i].images);
    }
    free(v->sets);
    free(v);
}

/* ---- measuring --------------------------------------------------------------------------- */

static bool stopped(const struct validation *v)
{
    return v->o.stop && *v->o.stop;
}

static int stop_error(void)
{
    return error_set(BPNET_ESTOPPED, "stopped while validating");
}

/* Sum the data loss over every record once; the last batch may wrap round and is cut. */
static int sum_losses(struct validation *v, struct validation_result *out, struct exec *exec,
                      struct loader *loader, struct loss *loss)
{
    const size_t n = loader_n_records(loader);
    double sum = 0.0;
    for (size_t done = 0; done < n;) {
        const struct batch *batch;
        struct loss_map maps[LOSS_MAX_MAPS];
        struct loss_value value;
        int n_maps, err;
        if (stopped(v))
            return stop_error();
        if ((err = loader_next(loader, &batch)) < 0)
            return err;
        maps_feed(exec, batch);
        if ((err = exec_forward(exec)) < 0 ||
            (err = maps_bind(maps, &n_maps, exec, batch, false)) < 0)
            return err;
        const size_t left = n - done;
        const int images = left < (size_t)batch->n ? (int)left : batch->n;
        loss_run(loss, &value, maps, n_maps, images);
        sum += value.data * images;
        done += (size_t)images;
    }
    out->loss = sum / (double)n;
    out->n_records = n;
    return BPNET_OK;
}

static int measure_loss(struct validation *v, struct validation_result *out, struct model *model)
{
    const struct experiment_spec *spec = v->o.spec;
    const struct exec_options exec_options = {.batch = v->batch_size,
                                              .h = spec->data.image_h,
                                              .w = spec->data.image_w,
                                              .kernels = v->o.kernels,
                                              .workers = v->o.workers,
                                              .output_stage = -1};
    const struct loader_options loader_options = {.spec = &spec->data,
                                                  .skeleton = &spec->skeleton,
                                                  .threads = 1,
                                                  .validation = true,
                                                  .batch_size = v->batch_size};
    struct exec *exec = NULL;
    struct loader *loader = NULL;
    struct loss *loss = NULL;
    int err;
    if ((err = exec_open(&exec, model, &exec_options)) < 0 ||
        (err = loader_open(&loader, &loader_options)) < 0 ||
        (err = loss_open(&loss, &spec->loss, v->batch_size, v->o.kernels, v->o.workers)) < 0)
        goto done;
    err = sum_losses(v, out, exec, loader, loss);
done:
    loss_close(loss);
    loader_close(loader);
    exec_close(exec);
    return err;
}

static int keep_going(void *ctx, size_t done, size_t total)
{
    (void)done;
    (void)total;
    return stopped(ctx) ? stop_error() : BPNET_OK;
}

/* The AP, over several datasets the mean weighted by pictures. */
static int measure_ap(struct validation *v, struct validation_result *out, struct model *model)
{
    const struct exec_options options = {.batch = 1,
                                         .h = v->o.spec->data.image_h,
                                         .w = v->o.spec->data.image_w,
                                         .kernels = v->o.kernels,
                                         .workers = v->o.workers,
                                         .output_stage = v->predict.output_stage};
    struct exec *exec;
    struct net net;
    double sum = 0.0;
    int err = exec_open(&exec, model, &options);
    if (err < 0)
        return err;
    exec_as_net(exec, &net);
    for (size_t i = 0; err == BPNET_OK && i < v->n_sets; i++) {
        struct evaluation evaluation;
        const struct evaluate_options how = {.annotations = v->sets[i].annotations,
                                             .images_root = v->sets[i].images,
                                             .max_images = v->o.max_images,
                                             .progress = keep_going,
                                             .ctx = v};
        err = evaluate_net(&evaluation, &net, &v->predict, v->o.workers, &how);
        if (err == BPNET_OK && evaluation.coco.metric[AP_ALL] >= 0.0) {
            sum += evaluation.coco.metric[AP_ALL] * (double)evaluation.n_images;
            out->n_images += evaluation.n_images;
        }
    }
    if (err == BPNET_OK && out->n_images > 0)
        out->ap = sum / (double)out->n_images;
    exec_close(exec);
    return err;
}

int validation_run(struct validation *v, struct validation_result *out, const struct model *model,
                   const float *weights)
{
    const int64_t start = clock_ns();
    struct model view = *model; /* the same network with the weights to be measured */
    view.params.value = (float *)weights;
    *out = (struct validation_result){.loss = NAN, .ap = NAN};
    int err = v->batch_size > 0 ? measure_loss(v, out, &view) : BPNET_OK;
    if (err == BPNET_OK && v->n_sets > 0)
        err = measure_ap(v, out, &view);
    out->seconds = clock_seconds_since(start);
    return err;
}
