/* Calibrate, hold the accuracy, build. */
#include "cli/export_engine.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/export_quality.h"
#include "cli/progress.h"
#include "deploy/calibration_set.h"
#include "deploy/clip.h"
#include "deploy/eight_bits.h"
#include "deploy/engine_build.h"
#include "deploy/gate.h"
#include "deploy/onnx_bytes.h"
#include "deploy/rescue.h"
#include "engine/engine.h"
#include "eval/evaluate.h"
#include "io/file.h"
#include "spec/spec.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 8 }; /* pictures by which layers are ranked */

struct making {
    struct run *run;
    const struct engine_request *request;
    const struct model *model;
    struct workers *workers;
    struct build_options how;
    struct calibration_set *set;
    struct ranges ranges;
    struct channel_means means;
    struct rescue rescue;
    struct gate gate;
    const char **kept; /* names; those of the two before */
    char *annotations, *images;
    struct inference_spec *inference;
    struct progress progress;
    const char *at; /* what the progress is about */
};

static void making_free(struct making *m)
{
    calibration_set_close(m->set);
    ranges_free(&m->ranges);
    channel_means_free(&m->means);
    rescue_free(&m->rescue);
    gate_free(&m->gate);
    free(m->kept);
    free(m->annotations);
    free(m->images);
    inference_spec_free(m->inference);
    workers_close(m->workers);
}

/* ---- calibration --------------------------------------------------------------------------- */

static int open_set(struct making *m)
{
    const struct engine_request *r = m->request;
    const struct calibration_source source = {
        .folder = r->cal_image_dir && *r->cal_image_dir ? r->cal_image_dir : NULL,
        .data_file = r->cal_data_file && *r->cal_data_file ? r->cal_data_file : NULL,
        .n = (size_t)r->pictures,
        .seed = (uint64_t)r->seed,
        .h = m->how.h,
        .w = m->how.w,
        .stretch = m->run->common->compat,
        .level = m->run->cpu,
        .workers = m->workers};
    return calibration_set_open(&m->set, &source);
}

static int feed(void *ctx, uint8_t *pixels)
{
    struct making *m = ctx;
    const int err = run_check_stop(m->run);
    return err < 0 ? err : calibration_set_next(m->set, pixels);
}

static void rewind_set(void *ctx)
{
    const struct making *m = ctx;
    calibration_set_rewind(m->set);
}

static enum calibration_algorithm find_algorithm(const char *name)
{
    int k = 0;
    while (k + 1 < CALIBRATE_ALGORITHMS && strcmp(calibration_names[k], name) != 0)
        k++;
    return (enum calibration_algorithm)k;
}

static int measure_ranges(struct making *m)
{
    const struct calibration_options how = {.algorithm = find_algorithm(m->request->algorithm),
                                            .percentile = m->request->percentile,
                                            .level = m->run->cpu,
                                            .workers = m->workers,
                                            .equalize = m->request->equalize,
                                            .rewind = rewind_set};
    struct network net = {0};
    int err = network_lower(&net, m->model, m->how.h, m->how.w);
    if (err == 0 && (err = open_set(m)) == 0) {
        log_info("calibrating on %lld pictures (%s)", (long long)m->request->pictures,
                 m->request->algorithm);
        err = calibrate(&m->ranges, &m->means, &net, feed, m, &how);
    }
    network_free(&net);
    return err;
}

/* That a table from a file is of this network, before anything is made of it. */
static int check_table(struct making *m, const char *path)
{
    struct network net = {0};
    struct ranges ranges = {0};
    struct channel_means means = {0};
    int err = network_lower(&net, m->model, m->how.h, m->how.w);
    if (err == 0 && (err = eight_bits(&net, &ranges, &means, &m->how)) < 0)
        err = error_prefix(err, "%s (name another with --cal_cache_file)", path);
    network_free(&net);
    ranges_free(&ranges);
    channel_means_free(&means);
    return err;
}

/* Ranges from before more training fit the network, but are not what they could be. */
static void tell_table(const struct making *m, const char *path)
{
    char weights[RANGES_FINGERPRINT + 1];
    params_hash(&m->model->params, weights);
    if (m->ranges.weights[0] && strcmp(m->ranges.weights, weights) != 0)
        log_warning("%s: its ranges are used, but were measured with other weights than those of "
                    "%s; remove it to calibrate anew",
                    path, m->request->from);
    else
        log_info("%s: its ranges are used; remove it to calibrate anew", path);
}

/* From the cache if there is one, as the original does; else from pictures, and kept there. */
static int find_ranges(struct making *m)
{
    const char *cache = m->request->cal_cache_file;
    const bool named = cache && *cache;
    m->how.ranges = &m->ranges;
    int err;
    if (named && file_exists(cache)) {
        if ((err = ranges_read(&m->ranges, cache)) == 0 && (err = check_table(m, cache)) == 0)
            tell_table(m, cache);
    } else if ((err = measure_ranges(m)) == 0 && named) {
        err = onnx_write_table(&m->ranges, m->model, cache);
    }
    m->how.means = m->means.n_tensors > 0 ? &m->means : NULL;
    return err;
}

/* ---- accuracy ------------------------------------------------------------------------------ */

static int find_evaluation(struct making *m)
{
    const struct engine_request *r = m->request;
    const struct spec_overrides none = {0};
    struct dataset_spec *dataset = NULL;
    int err = inference_spec_load(&m->inference, NULL, &none);
    if (err < 0)
        return err;
    if (!r->eval_dataset) {
        if (!r->eval_images)
            return error_set(BPNET_EUSAGE, "export: --eval_annotations needs --eval_images");
        m->annotations = str_copy(r->eval_annotations);
        m->images = str_copy(r->eval_images);
        return m->annotations && m->images ? BPNET_OK : BPNET_ENOMEM;
    }
    if ((err = dataset_spec_load(&dataset, r->eval_dataset, &none)) < 0)
        return err;
    m->annotations = path_join(dataset->root, dataset->test.annotation_file);
    m->images = path_join(dataset->root, dataset->test.images_root);
    dataset_spec_free(dataset);
    return m->annotations && m->images ? BPNET_OK : BPNET_ENOMEM;
}

static int watch(void *ctx, size_t done, size_t total)
{
    struct making *m = ctx;
    progress_update(&m->progress, done, total, m->at, "");
    return run_check_stop(m->run);
}

static int score(void *ctx, const struct engine *engine, double *ap)
{
    struct making *m = ctx;
    struct engine_context *context;
    int err = engine_context_open(&context, engine, m->workers);
    if (err < 0)
        return err;
    struct net net;
    engine_as_net(context, &net);
    struct predict_options how = m->inference->options;
    how.input_h = net.fixed_h;
    how.input_w = net.fixed_w;
    how.aspect = ASPECT_PAD_IMAGE;
    how.cpu = m->run->cpu;
    const struct evaluate_options options = {.annotations = m->annotations,
                                             .images_root = m->images,
                                             .max_images = (size_t)m->request->eval_max_images,
                                             .progress = watch,
                                             .ctx = m};
    struct evaluation evaluation;
    m->at = "pictures";
    progress_start(&m->progress, m->run->common->quiet, 10);
    err = evaluate_net(&evaluation, &net, &how, m->workers, &options);
    progress_clear(&m->progress);
    engine_context_close(context);
    if (err == 0)
        *ap = evaluation.coco.metric[0];
    return err;
}

static void tell_trial(void *ctx, const struct gate_trial *trial)
{
    (void)ctx;
    log_info("%zu convolutions in floats: AP %.4f, %+.2f points", trial->n_kept, trial->score,
             -trial->drop);
}

/* The first calibration pictures, for ranking layers and comparing maps. */
static int take_samples(struct making *m, struct pictures *out, uint8_t **pixels)
{
    const size_t each = (size_t)m->how.h * (size_t)m->how.w * 3;
    const size_t n = m->request->pictures < SAMPLES ? (size_t)m->request->pictures : SAMPLES;
    int err = m->set ? BPNET_OK : open_set(m);
    if (err < 0)
        return err;
    calibration_set_rewind(m->set);
    *pixels = malloc(n * each);
    if (!*pixels)
        return error_set(BPNET_ENOMEM, "no memory for %zu pictures", n);
    *out = (struct pictures){.pixels = *pixels};
    while (out->n < n && (err = calibration_set_next(m->set, *pixels + out->n * each)) > 0)
        out->n++;
    return err < 0 ? err : BPNET_OK;
}

/* What the rescue and the gate keep in floats. */
static int keep_worst(struct making *m)
{
    const struct gate *g = &m->gate;
    const size_t n_rescued = m->rescue.n_kept;
    const size_t n = n_rescued + (g->n_trials > 0 ? g->trials[g->n_trials - 1].n_kept : 0);
    m->kept = calloc(n + 1, sizeof(*m->kept));
    if (!m->kept)
        return error_set(BPNET_ENOMEM, "no memory for the names of %zu layers", n);
    for (size_t i = 0; i < n; i++)
        m->kept[i] = i < n_rescued ? m->rescue.sensitivity.items[i].name
                                   : g->sensitivity.items[i - n_rescued].name;
    m->how.keep_float = m->kept;
    m->how.n_keep_float = n;
    return BPNET_OK;
}

static void print_sensitivity(const struct sensitivity *s, size_t n_kept)
{
    printf("%-32s %s\n", "most sensitive", "share of the outputs' error");
    for (size_t i = 0; i < s->n && (i < 10 || i < n_kept); i++)
        printf("%-32s %6.1f %%%s\n", s->items[i].name, 100 * s->items[i].share,
               i < n_kept ? "  kept in floats" : "");
}

static struct subject subject_of(const struct making *m)
{
    return (struct subject){.model = m->model,
                            .h = m->how.h,
                            .w = m->how.w,
                            .ranges = &m->ranges,
                            .means = m->how.means,
                            .level = m->run->cpu,
                            .workers = m->workers,
                            .kept = m->rescue.kept};
}

static bool has_pictures(const struct making *m)
{
    const struct engine_request *r = m->request;
    return (r->cal_image_dir && *r->cal_image_dir) || (r->cal_data_file && *r->cal_data_file);
}

/* Where 8 bits would leave nothing of the outputs, layers are kept in floats without being asked.
 */
static int hold_outputs(struct making *m)
{
    const struct subject subject = subject_of(m);
    const struct rescue_options options = {
        .least_db = m->request->min_snr, .progress = watch, .ctx = m};
    struct pictures pictures = {0};
    uint8_t *pixels = NULL;
    if (m->request->min_snr <= 0 || !has_pictures(m))
        return BPNET_OK;
    int err = take_samples(m, &pictures, &pixels);
    if (err == 0) {
        m->at = "layers";
        progress_start(&m->progress, m->run->common->quiet, 10);
        err = rescue(&m->rescue, &subject, &pictures, &options);
        progress_clear(&m->progress);
    }
    free(pixels);
    if (err == 0 && m->rescue.n_kept > 0)
        log_warning("8 bits leave %.1f dB of the outputs: %zu of %zu convolutions are kept in "
                    "floats, for %.1f dB (--min_snr)",
                    m->rescue.before_db, m->rescue.n_kept, m->rescue.sensitivity.n,
                    m->rescue.after_db);
    return err;
}

static int hold_accuracy(struct making *m)
{
    const bool limited = m->request->max_drop >= 0;
    const struct subject subject = subject_of(m);
    const struct gate_options options = {.max_drop = limited ? m->request->max_drop : 100,
                                         .score = score,
                                         .trial = tell_trial,
                                         .ctx = m};
    struct pictures pictures = {0};
    uint8_t *pixels = NULL;
    int err = take_samples(m, &pictures, &pixels);
    if (err == 0)
        err = gate_run(&m->gate, &subject, &pictures, &options);
    free(pixels);
    if (err < 0)
        return err;
    const struct gate_trial *last = &m->gate.trials[m->gate.n_trials - 1];
    if (!m->run->common->json) {
        printf("AP of floats %.4f, of 8 bits %.4f: %+.2f points, %zu convolutions in floats\n",
               m->gate.exact, last->score, -last->drop, m->rescue.n_kept + last->n_kept);
        if (m->gate.sensitivity.n > 0)
            print_sensitivity(&m->gate.sensitivity, last->n_kept);
    }
    run_add_kpi(m->run, "AP_fp32", m->gate.exact);
    run_add_kpi(m->run, "AP_engine", last->score);
    if (!m->gate.passed)
        return error_set(BPNET_EUSAGE,
                         "8 bits cost %.2f points of AP, --max-drop allows %g; nothing was written",
                         last->drop, m->request->max_drop);
    return BPNET_OK;
}

/* ---- building ------------------------------------------------------------------------------ */

static int report(struct making *m)
{
    struct engine *engine;
    const int err = engine_open(&engine, m->request->path, m->run->key, m->run->cpu);
    if (err < 0)
        return err;
    const struct engine_info *info = engine_info(engine);
    if (!m->run->common->json)
        printf("%s: %s, %d x %d, %d steps, weights %.1f MB, maps %.1f MB\n", m->request->path,
               info->precision, info->input_h, info->input_w, info->n_steps,
               (double)info->weights_bytes / 1e6, (double)info->workspace_bytes / 1e6);
    double ap = 0;
    int scored = BPNET_OK;
    if (m->annotations && m->how.precision != BUILD_INT8) {
        scored = score(m, engine, &ap);
        if (scored == 0 && !m->run->common->json)
            printf("AP of the engine %.4f\n", ap);
        run_add_kpi(m->run, "AP_engine", ap);
    }
    engine_close(engine);
    return scored;
}

/* On calibration pictures, where there are some. */
static int compare_with_floats(struct making *m)
{
    struct pictures pictures = {0};
    uint8_t *pixels = NULL;
    if (!has_pictures(m) || m->how.precision == BUILD_FP32)
        return BPNET_OK;
    int err = take_samples(m, &pictures, &pixels);
    if (err == 0)
        err = export_quality(m->run, m->model, &m->how, &pictures);
    free(pixels);
    return err;
}

static int build(struct making *m)
{
    const struct engine_request *r = m->request;
    int err;
    if ((err = workers_open(&m->workers, (unsigned)m->run->common->threads)) < 0)
        return err;
    m->how.workers = m->workers;
    if (r->rebuild)
        return engine_rebuild(r->path, r->from, &m->how);
    if ((r->eval_dataset || r->eval_annotations) && (err = find_evaluation(m)) < 0)
        return err;
    if (m->how.precision == BUILD_INT8) {
        if ((err = find_ranges(m)) < 0 || (err = hold_outputs(m)) < 0 ||
            (m->annotations && (err = hold_accuracy(m)) < 0) || (err = keep_worst(m)) < 0)
            return err;
        if (r->onnx_path && (err = onnx_export_bytes(m->model, &m->how, r->onnx, r->onnx_path)) < 0)
            return err;
    }
    if (!r->path)
        return BPNET_OK;
    if ((err = compare_with_floats(m)) < 0)
        return err;
    log_info(r->no_timing ? "building" : "building: kernels are chosen by timing them");
    return engine_build(r->path, m->model, &m->how, NULL);
}

int export_engine(struct run *run, const struct model *model, const struct engine_request *request)
{
    struct making m = {.run = run, .request = request, .model = model};
    m.how = (struct build_options){.h = request->h,
                                   .w = request->w,
                                   .level = run->cpu,
                                   .timing_cache = request->timing_cache,
                                   .no_timing = request->no_timing,
                                   .direct = request->direct,
                                   .key = run->key};
    if (model && request->h == 0) {
        m.how.h = model->meta.input_h;
        m.how.w = model->meta.input_w;
    }
    m.how.precision = strcmp(request->data_type, "int8") == 0   ? BUILD_INT8
                      : strcmp(request->data_type, "fp16") == 0 ? BUILD_BF16
                                                                : BUILD_FP32;
    int err = build(&m);
    if (err == 0 && request->path)
        err = report(&m);
    making_free(&m);
    return err;
}
