/* Calibrate, hold the accuracy, build. */
#include "cli/export_engine.h"

#include "base/error.h"
#include "base/log.h"
#include "cli/export_accuracy.h"
#include "cli/export_quality.h"
#include "deploy/calibration_set.h"
#include "deploy/clip.h"
#include "deploy/eight_bits.h"
#include "deploy/gate.h"
#include "deploy/onnx_bytes.h"
#include "deploy/rescue.h"
#include "io/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 8, POINTS = 100 }; /* pictures by which layers are ranked; of an AP */

struct making {
    struct run *run;
    const struct engine_request *request;
    const struct model *model;
    struct export_report *report;
    struct workers *workers;
    struct build_options how;
    bool has_pictures; /* of the calibration; otherwise it is fed noise */
    struct calibration_set *set;
    struct ranges ranges;
    struct channel_means means;
    struct accuracy accuracy;
    struct pictures samples;
    uint8_t *sample_pixels;
    struct rescue rescue;
    struct gate gate;
    size_t n_gate;     /* of the gate's sensitivity, the first so many are kept in floats */
    const char **kept; /* names; those that the rescue and the gate keep */
    struct progress progress;
};

static void making_free(struct making *m)
{
    progress_clear(&m->progress);
    calibration_set_close(m->set);
    ranges_free(&m->ranges);
    channel_means_free(&m->means);
    accuracy_close(&m->accuracy);
    free(m->sample_pixels);
    rescue_free(&m->rescue);
    gate_free(&m->gate);
    free(m->kept);
    workers_close(m->workers);
}

static bool is_given(const char *text)
{
    return text && *text;
}

/* ---- calibration --------------------------------------------------------------------------- */

static int open_set(struct making *m)
{
    const struct engine_request *r = m->request;
    const bool kept = is_given(r->cal_data_file) && !file_exists(r->cal_data_file);
    const struct calibration_source source = {
        .folder = is_given(r->cal_image_dir) ? r->cal_image_dir : NULL,
        .data_file = is_given(r->cal_data_file) ? r->cal_data_file : NULL,
        .n = (size_t)r->pictures,
        .seed = (uint64_t)r->seed,
        .h = m->how.h,
        .w = m->how.w,
        .stretch = m->run->common->compat,
        .level = m->run->cpu,
        .workers = m->workers};
    const int err = calibration_set_open(&m->set, &source);
    if (err == 0 && kept)
        export_report_add(m->report, EXPORT_PICTURES, r->cal_data_file, false);
    return err;
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
    const bool named = is_given(cache);
    m->how.ranges = &m->ranges;
    int err;
    if (named && file_exists(cache)) {
        if ((err = ranges_read(&m->ranges, cache)) == 0 && (err = check_table(m, cache)) == 0)
            tell_table(m, cache);
    } else if ((err = measure_ranges(m)) == 0 && named) {
        if ((err = onnx_write_table(&m->ranges, m->model, cache)) == 0)
            export_report_add(m->report, EXPORT_TABLE, cache, false);
    }
    m->how.means = m->means.n_tensors > 0 ? &m->means : NULL;
    return err;
}

/* ---- samples ------------------------------------------------------------------------------- */

static bool has_samples(const struct making *m)
{
    return m->has_pictures || m->accuracy.annotations;
}

static int first_of_calibration(struct making *m, size_t n, size_t each)
{
    int err = m->set ? BPNET_OK : open_set(m);
    if (err < 0)
        return err;
    calibration_set_rewind(m->set);
    while (m->samples.n < n &&
           (err = calibration_set_next(m->set, m->sample_pixels + m->samples.n * each)) > 0)
        m->samples.n++;
    return err < 0 ? err : BPNET_OK;
}

/*
 * The pictures on which layers are ranked and maps compared: the first ones of the calibration, or
 * else (its ranges came from a file, or from noise) of the evaluation.
 */
static int take_samples(struct making *m)
{
    const size_t each = (size_t)m->how.h * (size_t)m->how.w * 3;
    const size_t n =
        m->has_pictures && m->request->pictures < SAMPLES ? (size_t)m->request->pictures : SAMPLES;
    if (m->sample_pixels)
        return BPNET_OK;
    m->sample_pixels = malloc(n * each);
    if (!m->sample_pixels)
        return error_set(BPNET_ENOMEM, "no memory for %zu pictures", n);
    m->samples.pixels = m->sample_pixels;
    if (m->has_pictures)
        return first_of_calibration(m, n, each);
    const int err =
        accuracy_pictures(&m->accuracy, n, m->how.h, m->how.w, m->sample_pixels, &m->samples.n);
    if (err == 0)
        log_info("no calibration pictures: maps and layers are compared on %zu of the evaluation",
                 m->samples.n);
    return err;
}

/* ---- layers in floats ---------------------------------------------------------------------- */

static int watch_layers(void *ctx, size_t done, size_t total)
{
    struct making *m = ctx;
    if (done == 1)
        progress_start(&m->progress, m->run->common->quiet, 10);
    progress_update(&m->progress, done, total, "layers", "");
    if (done == total)
        progress_clear(&m->progress);
    return run_check_stop(m->run);
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

/* What the rescue and the gate keep in floats. */
static int keep_worst(struct making *m)
{
    const size_t n_rescued = m->rescue.n_kept, n = n_rescued + m->n_gate;
    const char **kept = calloc(n + 1, sizeof(*kept));
    if (!kept)
        return error_set(BPNET_ENOMEM, "no memory for the names of %zu layers", n);
    free(m->kept);
    m->kept = kept;
    for (size_t i = 0; i < n; i++)
        kept[i] = i < n_rescued ? m->rescue.sensitivity.items[i].name
                                : m->report->sensitivity.items[i - n_rescued].name;
    m->how.keep_float = kept;
    m->how.n_keep_float = n;
    return export_report_keep(m->report, kept, n);
}

/* Where 8 bits would leave nothing of the outputs, layers are kept in floats without being asked.
 */
static int hold_outputs(struct making *m)
{
    const struct subject subject = subject_of(m);
    const struct rescue_options options = {
        .least_db = m->request->min_snr, .progress = watch_layers, .ctx = m};
    int err;
    if (m->request->min_snr <= 0 || !has_samples(m))
        return BPNET_OK;
    if ((err = take_samples(m)) < 0 ||
        (err = rescue(&m->rescue, &subject, &m->samples, &options)) < 0)
        return err;
    if (m->rescue.n_kept > 0)
        log_warning("8 bits leave %.1f dB of the outputs: %zu of %zu convolutions are kept in "
                    "floats, for %.1f dB (--min_snr)",
                    m->rescue.before_db, m->rescue.n_kept, m->rescue.sensitivity.n,
                    m->rescue.after_db);
    return BPNET_OK;
}

/* ---- accuracy ------------------------------------------------------------------------------ */

static int score(void *ctx, const struct engine *engine, double *ap)
{
    struct making *m = ctx;
    return accuracy_score(&m->accuracy, engine, ap);
}

static void tell_trial(void *ctx, const struct gate_trial *trial)
{
    (void)ctx;
    log_info("%zu convolutions in floats: AP %.4f, %+.2f points", trial->n_kept, trial->score,
             0 - trial->drop); /* not "-0.00" */
}

/* Takes note of what the result scores; BPNET_EGOAL when that is too little. */
static int judge_score(struct making *m, double ap, const char *what)
{
    struct export_report *r = m->report;
    r->ap_result = ap;
    const double drop = POINTS * (r->ap_float - ap);
    return m->request->max_drop < 0 || drop <= m->request->max_drop
               ? BPNET_OK
               : error_set(BPNET_EGOAL,
                           "%s loses %.2f points of AP, --max-drop allows %g; it was not written",
                           what, drop, m->request->max_drop);
}

/*
 * The AP of floats and the layers' sensitivity; and trials in 8 bits where they decide what is
 * kept in floats, or where no engine will be there to be scored.
 */
static int hold_accuracy(struct making *m)
{
    const bool limited = m->request->max_drop >= 0;
    const struct subject subject = subject_of(m);
    const struct gate_options options = {.max_drop = limited ? m->request->max_drop : POINTS,
                                         .no_trials = !limited && m->request->path,
                                         .score = score,
                                         .trial = tell_trial,
                                         .progress = watch_layers,
                                         .ctx = m};
    int err;
    if ((err = take_samples(m)) < 0 ||
        (err = gate_run(&m->gate, &subject, &m->samples, &options)) < 0)
        return err;
    m->report->evaluated = true;
    m->report->ap_float = m->gate.exact;
    m->report->sensitivity = m->gate.sensitivity;
    m->gate.sensitivity = (struct sensitivity){0};
    if (m->gate.n_trials == 0)
        return BPNET_OK;
    const struct gate_trial *last = &m->gate.trials[m->gate.n_trials - 1];
    m->n_gate = last->n_kept;
    return judge_score(m, last->score, "the network in 8 bits");
}

/* ---- building ------------------------------------------------------------------------------ */

/* Facts of the engine that is about to be written, and whether it is good enough. */
static int judge_engine(void *ctx, const struct engine *engine, const struct model *model,
                        const struct build_options *how)
{
    struct making *m = ctx;
    struct export_report *r = m->report;
    const struct engine_info *info = engine_info(engine);
    double ap;
    int err = BPNET_OK;
    snprintf(r->precision, sizeof r->precision, "%s", info->precision);
    r->h = info->input_h;
    r->w = info->input_w;
    r->engine =
        (struct export_engine_facts){info->n_steps, info->weights_bytes, info->workspace_bytes};
    params_hash(&model->params, r->weights);
    if (m->request->rebuild)
        err = export_report_keep(r, how->keep_float, how->n_keep_float);
    if (err < 0 || !m->accuracy.annotations)
        return err;
    if (!r->evaluated) {
        const struct subject subject = {.model = model,
                                        .h = info->input_h,
                                        .w = info->input_w,
                                        .level = m->run->cpu,
                                        .workers = m->workers};
        const struct gate_options options = {.score = score, .ctx = m};
        if ((err = gate_floats(&r->ap_float, &subject, &options)) < 0)
            return err;
        r->evaluated = true;
    }
    err = score(m, engine, &ap);
    return err < 0 ? err : judge_score(m, ap, "the engine");
}

/* One that loses more than its trial did, by kernels that were timed, is built again with twice as
 * many layers in floats, as long as there are more. */
static int build_engine(struct making *m)
{
    const size_t all = m->report->sensitivity.n;
    int err;
    log_info(m->how.no_timing ? "building" : "building: kernels are chosen by timing them");
    while ((err = engine_build(m->request->path, m->model, &m->how, NULL)) == BPNET_EGOAL &&
           m->n_gate < all) {
        log_info("%s", error_message());
        m->n_gate = m->n_gate == 0 ? 1 : 2 * m->n_gate < all ? 2 * m->n_gate : all;
        if ((err = keep_worst(m)) < 0)
            return err;
        log_info("building: %zu convolutions in floats", m->how.n_keep_float);
    }
    return err;
}

static int compare_with_floats(struct making *m)
{
    if (!has_samples(m) || m->how.precision == BUILD_FP32)
        return BPNET_OK;
    const int err = take_samples(m);
    return err < 0 ? err : export_quality(&m->report->quality, m->model, &m->how, &m->samples);
}

static int write_bytes(struct making *m)
{
    const struct engine_request *r = m->request;
    const int err = onnx_export_bytes(m->model, &m->how, r->onnx, r->onnx_path);
    if (err == 0)
        export_report_add(m->report, EXPORT_ONNX, r->onnx_path, false);
    return err;
}

static int build(struct making *m)
{
    const struct engine_request *r = m->request;
    int err;
    if ((err = workers_open(&m->workers, (unsigned)m->run->common->threads)) < 0)
        return err;
    m->how.workers = m->workers;
    if ((err = accuracy_open(&m->accuracy, &r->labelled, m->run, m->workers)) < 0)
        return err;
    if (r->rebuild) {
        err = engine_rebuild(r->path, r->from, &m->how);
    } else {
        if (m->how.precision == BUILD_INT8 &&
            ((err = find_ranges(m)) < 0 || (err = hold_outputs(m)) < 0 ||
             (m->accuracy.annotations && (err = hold_accuracy(m)) < 0) ||
             (err = keep_worst(m)) < 0))
            return err;
        if (r->path)
            err = build_engine(m);
    }
    if (err == 0 && r->path)
        export_report_add(m->report, EXPORT_ENGINE, r->path, false);
    if (err == 0 && r->onnx_path)
        err = write_bytes(m);
    return err < 0 || r->rebuild ? err : compare_with_floats(m);
}

int export_engine(struct run *run, const struct model *model, const struct engine_request *request,
                  struct export_report *report)
{
    struct making m = {
        .run = run,
        .request = request,
        .model = model,
        .report = report,
        .has_pictures = is_given(request->cal_image_dir) ||
                        (is_given(request->cal_data_file) && file_exists(request->cal_data_file))};
    m.how = (struct build_options){.h = request->h,
                                   .w = request->w,
                                   .level = run->cpu,
                                   .timing_cache = request->timing_cache,
                                   .no_timing = request->no_timing,
                                   .direct = request->direct,
                                   .key = run->key,
                                   .judge = judge_engine,
                                   .judge_ctx = &m};
    if (model && request->h == 0) {
        m.how.h = model->meta.input_h;
        m.how.w = model->meta.input_w;
    }
    m.how.precision = strcmp(request->data_type, "int8") == 0   ? BUILD_INT8
                      : strcmp(request->data_type, "fp16") == 0 ? BUILD_BF16
                                                                : BUILD_FP32;
    const int err = build(&m);
    if (report->evaluated) {
        run_add_kpi(run, "AP_fp32", report->ap_float);
        run_add_kpi(run, "AP_engine", report->ap_result);
    }
    making_free(&m);
    return err;
}
