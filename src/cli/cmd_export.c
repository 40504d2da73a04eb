/* bpnet export: a network for other programs. */
#include "cli/cmd.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/export_engine.h"
#include "cli/load_model.h"
#include "deploy/clip.h"
#include "deploy/engine_build.h"
#include "io/file.h"
#include "onnx/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct args {
    struct common_args common;
    const char *model, *output, *experiment_spec, *backend, *input_dims, *data_format, *layout;
    const char *input_type, *licence, *data_type, *onnx_data_type, *engine_file;
    const char *cal_image_dir, *cal_data_file, *cal_cache_file, *calibration, *timing_cache;
    const char *eval_dataset, *eval_annotations, *eval_images;
    double percentile, max_drop, min_snr;
    int64_t seed, eval_max_images;
    int64_t batches, batch_size, max_batch_size, opt_batch_size, static_batch_size, upsample_ratio;
    int64_t max_workspace_size;
    bool include_preprocessing, sdk_compatible_model, static_size, keep_batch_norm, force;
    bool rebuild, no_timing, direct, equalize;
    bool strict_type_constraints, force_ptq, verbose;
};

#define AT(member) offsetof(struct args, member)

static const char *const backends[] = {"onnx", "tfonnx", "safetensors", "uff", NULL};
static const char *const data_formats[] = {"channels_last", "channels_first", NULL};
static const char *const layouts[] = {"nhwc", "nchw", NULL};
static const char *const data_types[] = {"fp32", "fp16", "int8", NULL};
static const char *const onnx_data_types[] = {"fp32", "int8", NULL};
static const char *const input_types[] = {"uint8", "float32", NULL};

static const struct option options[] = {
    {"model", "m", OPTION_TEXT, AT(model), "FILE", .help = "network", .required = true},
    {"output_file", "o", OPTION_TEXT, AT(output), "FILE",
     .help = "file to write, sealed with --key if it ends in .etlt; without: the model's path "
             "with a new suffix"},
    {"backend", "t", OPTION_TEXT, AT(backend), "KIND",
     .help = "of file: onnx and tfonnx are the same; safetensors has the weights alone",
     .preset = "onnx", .choices = backends},
    {"experiment_spec", "e", OPTION_TEXT, AT(experiment_spec), "FILE",
     .help = "compared with the normalisation that the model carries"},
    {"input_dims", "d", OPTION_TEXT, AT(input_dims), "H,W,C",
     .help = "picture size it is meant for (C,H,W with channels_first); without: that of training"},
    {"data_format", "i", OPTION_TEXT, AT(data_format), "FORMAT",
     .help = "order of --input_dims, and of the file's input and outputs",
     .preset = "channels_last", .choices = data_formats},
    {"layout", NULL, OPTION_TEXT, AT(layout), "LAYOUT",
     .help = "order of the file's input and outputs; without: as --data_format",
     .choices = layouts},
    {"static_batch_size", NULL, OPTION_INTEGER, AT(static_batch_size), "N",
     .help = "pictures a run; up to 0: free", .preset = "-1", .low = -1, .high = 4096},
    {"static_size", NULL, OPTION_FLAG, AT(static_size),
     .help = "only the size of --input_dims; without: height and width are free"},
    {"include-preprocessing", NULL, OPTION_FLAG, AT(include_preprocessing),
     .help = "pixels of 0 to 255 go in, the graph normalises them"},
    {"input_type", NULL, OPTION_TEXT, AT(input_type), "TYPE", .help = "of these pixels",
     .preset = "uint8", .choices = input_types},
    {"sdk_compatible_model", NULL, OPTION_FLAG, AT(sdk_compatible_model),
     .help = "PAFs enlarged inside the graph, as DeepStream's plug-in wants them"},
    {"upsample_ratio", "u", OPTION_INTEGER, AT(upsample_ratio), "N",
     .help = "factor of --sdk_compatible_model", .preset = "4", .low = 1,
     .high = ONNX_MAX_UPSAMPLE},
    {"keep_batch_norm", NULL, OPTION_FLAG, AT(keep_batch_norm),
     .help = "write batch norms; without: they are part of the convolutions"},
    {"license", NULL, OPTION_TEXT, AT(licence), "TEXT",
     .help = "terms of the weights, for the file's metadata"},
    {"force", NULL, OPTION_FLAG, AT(force), .help = "overwrite an existing file"},
    {"data_type", NULL, OPTION_TEXT, AT(data_type), "TYPE",
     .help = "arithmetic of the engine, or without one of the ONNX file", .preset = "fp32",
     .choices = data_types},
    {"onnx_data_type", NULL, OPTION_TEXT, AT(onnx_data_type), "TYPE",
     .help = "arithmetic of the ONNX file: int8 rounds as the engine does (QuantizeLinear, "
             "DequantizeLinear); without: --data_type, and fp32 beside an engine, as the original",
     .choices = onnx_data_types},
    {"engine_file", NULL, OPTION_TEXT, AT(engine_file), "FILE",
     .help = "build an engine and write it here; with -o, too"},
    {"rebuild", NULL, OPTION_FLAG, AT(rebuild),
     .help = "--model is an engine: build it again, for this machine, from what it keeps"},
    {"timing_cache", NULL, OPTION_TEXT, AT(timing_cache), "FILE",
     .help = "kernel timings of this machine, used and extended"},
    {"no_timing", NULL, OPTION_FLAG, AT(no_timing),
     .help = "choose kernels by rule: the same file every time"},
    {"direct", NULL, OPTION_FLAG, AT(direct),
     .help =
         "no convolution in the frequency domain: slower where kernels are large, smaller files; "
         "int8 gives the same bits on every CPU"},
    {"cal_image_dir", NULL, OPTION_TEXT, AT(cal_image_dir), "DIR",
     .help = "pictures for the calibration of int8"},
    {"cal_data_file", NULL, OPTION_TEXT, AT(cal_data_file), "FILE",
     .help = "these pictures as tensors: used if it exists, else written"},
    {"cal_cache_file", NULL, OPTION_TEXT, AT(cal_cache_file), "FILE",
     .help = "the calibration's ranges: used if it exists, else written", .preset = "./cal.bin"},
    {"batches", NULL, OPTION_INTEGER, AT(batches), "N", .help = "of pictures, for calibration",
     .preset = "10", .low = 1, .high = 1e9},
    {"batch_size", NULL, OPTION_INTEGER, AT(batch_size), "N", .help = "pictures in such a batch",
     .preset = "1", .low = 1, .high = 4096},
    {"calibration", NULL, OPTION_TEXT, AT(calibration), "HOW", .help = "ranges are chosen",
     .preset = "mse", .choices = calibration_names},
    {"percentile", NULL, OPTION_NUMBER, AT(percentile), "P", .help = "of --calibration percentile",
     .preset = "99.99", .low = 50, .high = 100},
    {"equalize", NULL, OPTION_FLAG, AT(equalize),
     .help =
         "bring the channels of a map nearer to one size before it is calibrated: for networks of "
         "depthwise chains"},
    {"seed", NULL, OPTION_INTEGER, AT(seed), "N", .help = "of the choice of pictures",
     .preset = "42", .low = 0, .high = 1e15},
    {"eval-dataset", NULL, OPTION_TEXT, AT(eval_dataset), "SPEC",
     .help = "report the AP of floats and of the engine on this dataset spec's test_data"},
    {"eval_annotations", NULL, OPTION_TEXT, AT(eval_annotations), "FILE",
     .help = "instead: a COCO keypoint file"},
    {"eval_images", NULL, OPTION_TEXT, AT(eval_images), "DIR",
     .help = "and the folder of its pictures"},
    {"eval_max_images", NULL, OPTION_INTEGER, AT(eval_max_images), "N",
     .help = "only the first N; 0: all", .preset = "0", .low = 0, .high = 1e9},
    {"min_snr", NULL, OPTION_NUMBER, AT(min_snr), "DB",
     .help = "of the outputs in 8 bits, on calibration pictures: below it the most harmful layers "
             "are kept in floats; 0: whatever it is",
     .preset = "15", .low = 0, .high = 100},
    {"max-drop", NULL, OPTION_NUMBER, AT(max_drop), "POINTS",
     .help =
         "of AP that an engine may cost, else exit 1 and write none; in 8 bits the worst layers "
         "are kept in floats until it holds; -1: whatever it costs",
     .preset = "-1", .low = -1, .high = 100},
    {"max_batch_size", NULL, OPTION_INTEGER, AT(max_batch_size), "N",
     .no_effect = "an engine runs one picture at a time"},
    {"opt_batch_size", NULL, OPTION_INTEGER, AT(opt_batch_size), "N",
     .no_effect = "an engine runs one picture at a time"},
    {"max_workspace_size", NULL, OPTION_INTEGER, AT(max_workspace_size), "BYTES",
     .no_effect = "an engine takes the memory it needs, which is planned"},
    {"strict_type_constraints", "s", OPTION_FLAG, AT(strict_type_constraints),
     .no_effect = "types are always as asked for"},
    {"force_ptq", NULL, OPTION_FLAG, AT(force_ptq),
     .no_effect = "networks are always quantised after training"},
    {"verbose", "v", OPTION_FLAG, AT(verbose), .no_effect = "see --log_level"},
};

/* What is to be done. */
struct job {
    const struct args *args;
    struct run *run;
    char *path;
    struct model *model;
    struct onnx_export_options how;
    struct export_report report;
    bool safetensors;
    bool file;  /* besides an engine, or without one */
    bool bytes; /* the file is an ONNX file in 8 bits */
};

static void job_free(struct job *j)
{
    free(j->path);
    model_free(j->model);
    export_report_free(&j->report);
}

static bool same(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* ---- arguments ----------------------------------------------------------------------------- */

static int check_supported(const struct args *args)
{
    if (same(args->backend, "uff"))
        return error_set(BPNET_EUNSUPPORTED,
                         "export: UFF files are read by no current program; use --backend tfonnx");
    if (!args->engine_file && (args->rebuild || same(args->data_type, "fp16")))
        return error_set(BPNET_EUSAGE, "export: %s is about engines; name one with --engine_file",
                         args->rebuild ? "--rebuild" : "--data_type fp16");
    if (!args->engine_file && same(args->data_type, "fp32") &&
        (args->eval_dataset || args->eval_annotations))
        return error_set(BPNET_EUSAGE, "export: only engines and networks of 8 bits are evaluated; "
                                       "name an engine with --engine_file");
    if (args->max_drop >= 0 && !args->eval_dataset && !args->eval_annotations)
        return error_set(BPNET_EUSAGE, "export: --max-drop needs --eval-dataset, or "
                                       "--eval_annotations and --eval_images");
    if (same(args->onnx_data_type, "int8") && !same(args->data_type, "int8"))
        return error_set(BPNET_EUSAGE, "export: --onnx_data_type int8 needs --data_type int8");
    if (same(args->data_type, "int8") && same(args->backend, "safetensors") && !args->engine_file)
        return error_set(BPNET_EUSAGE, "export: safetensors files hold floats; --data_type int8 is "
                                       "for ONNX files and engines");
    return BPNET_OK;
}

/* "288,384,3", or "3,288,384" with channels first; or without the channels. */
static int parse_dims(struct job *j)
{
    const char *text = j->args->input_dims;
    const bool first = same(j->args->data_format, "channels_first");
    int v[3] = {0, 0, 0}, channels = 3, h = 0, w = 0;
    char rest;
    if (!text)
        return BPNET_OK;
    const int n = sscanf(text, "%d,%d,%d%c", &v[0], &v[1], &v[2], &rest);
    if (n == 3) {
        channels = v[first ? 0 : 2];
        h = v[first ? 1 : 0];
        w = v[first ? 2 : 1];
    } else if (n == 2) {
        h = v[0];
        w = v[1];
    }
    if (channels != 3 || h < 1 || w < 1 || h > GRAPH_MAX_SIZE || w > GRAPH_MAX_SIZE)
        return error_set(BPNET_EUSAGE, "export: --input_dims '%s': expected %s, up to %d each",
                         text, first ? "3,H,W" : "H,W,3", GRAPH_MAX_SIZE);
    j->how.h = h;
    j->how.w = w;
    return BPNET_OK;
}

static int read_arguments(struct job *j)
{
    const struct args *args = j->args;
    const bool nchw =
        args->layout ? same(args->layout, "nchw") : same(args->data_format, "channels_first");
    const int err = check_supported(args);
    if (err < 0)
        return err;
    j->safetensors = same(args->backend, "safetensors");
    j->file = (args->output || !args->engine_file) && !args->rebuild;
    j->bytes = j->file && !j->safetensors && same(args->data_type, "int8") &&
               (args->onnx_data_type ? same(args->onnx_data_type, "int8") : !args->engine_file);
    j->how.layout = nchw ? ONNX_NCHW : ONNX_NHWC;
    j->how.batch = args->static_batch_size > 0 ? args->static_batch_size : 0;
    j->how.fixed_size = args->static_size;
    j->how.keep_norms = args->keep_batch_norm;
    j->how.licence = args->licence;
    if (args->include_preprocessing)
        j->how.input = same(args->input_type, "uint8") ? ONNX_PIXELS_U8 : ONNX_PIXELS_FLOAT;
    if (args->sdk_compatible_model)
        j->how.paf_upsample = (int)args->upsample_ratio;
    return parse_dims(j);
}

/* ---- paths --------------------------------------------------------------------------------- */

static bool ends_in(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

/* The output's path: as given, with the suffix appended if missing; or beside the model. */
static int choose_path(struct job *j)
{
    const char *suffix = j->safetensors ? ".safetensors" : ".onnx";
    const char *model = j->args->model, *given = j->args->output ? j->args->output : model;
    const char *dot = strrchr(path_base(given), '.');
    struct str path = {0};
    if (given == model && dot && dot != path_base(given))
        str_append_bytes(&path, given, (size_t)(dot - given));
    else
        str_append(&path, given);
    const bool old_name = !j->safetensors && ends_in(given, ".etlt") && given != model;
    if (!old_name && (given == model || !ends_in(given, suffix)))
        str_append(&path, suffix);
    j->path = str_status(&path) == BPNET_OK ? str_copy(str_text(&path)) : NULL;
    str_free(&path);
    if (!j->path)
        return BPNET_ENOMEM;
    if (old_name)
        j->how.key = j->run->key;
    else if (j->run->key)
        log_warning("%s: not sealed, because other programs are to read it; a name that ends in "
                    ".etlt is",
                    j->path);
    return BPNET_OK;
}

/* Whether it may be written, and can be. An engine that is built again may take its own place. */
static int check_output(const struct args *args, const char *path)
{
    if (!args->rebuild && file_same(path, args->model))
        return error_set(BPNET_EUSAGE, "export: the output is the model itself, %s; name another",
                         path);
    if (file_exists(path) && !args->force)
        return error_set(BPNET_ECREATE, "%s exists; --force overwrites it", path);
    return file_check_output(path);
}

/* What a calibration leaves, unless it is there already and is used. */
static int check_kept(const char *path)
{
    return path && *path && !file_exists(path) ? file_check_output(path) : BPNET_OK;
}

static int check_outputs(const struct job *j)
{
    const struct args *args = j->args;
    const char *engine = args->engine_file;
    int err = BPNET_OK;
    if (engine && j->path && (same(engine, j->path) || file_same(engine, j->path)))
        return error_set(BPNET_EUSAGE, "export: -o and --engine_file are one file, %s", engine);
    if ((engine && (err = check_output(args, engine)) < 0) ||
        (j->path && (err = check_output(args, j->path)) < 0) || args->rebuild ||
        !same(args->data_type, "int8") || (err = check_kept(args->cal_data_file)) < 0)
        return err;
    return check_kept(args->cal_cache_file);
}

/* ---- the spec ------------------------------------------------------------------------------ */

/* The original normalises as the spec says; our models know, and a spec can only be wrong. */
static int check_spec(const struct job *j)
{
    const struct model_meta *meta = &j->model->meta;
    const struct spec_overrides overrides = {j->run->common->set.items, j->run->common->set.n};
    struct experiment_spec *spec = NULL;
    if (!j->args->experiment_spec)
        return BPNET_OK;
    const int err = experiment_spec_load(&spec, j->args->experiment_spec, &overrides);
    for (int c = 0; err == 0 && c < 3; c++)
        if (spec->data.image_scale[c] != meta->scale[c] ||
            spec->data.image_offset[c] != meta->offset[c]) {
            log_warning(
                "%s: x / %g - %g for channel %d, but the model was trained with x / %g - %g, "
                "which is what the file says",
                j->args->experiment_spec, (double)spec->data.image_scale[c],
                (double)spec->data.image_offset[c], c, (double)meta->scale[c],
                (double)meta->offset[c]);
            break;
        }
    experiment_spec_free(spec);
    return err;
}

/* ---- writing ------------------------------------------------------------------------------- */

static int make_engine(struct job *j)
{
    const struct args *a = j->args;
    const struct engine_request request = {.path = a->engine_file,
                                           .onnx_path = j->bytes ? j->path : NULL,
                                           .onnx = &j->how,
                                           .from = a->model,
                                           .data_type = a->data_type,
                                           .h = (int)j->how.h,
                                           .w = (int)j->how.w,
                                           .rebuild = a->rebuild,
                                           .no_timing = a->no_timing,
                                           .direct = a->direct,
                                           .equalize = a->equalize,
                                           .timing_cache = a->timing_cache,
                                           .cal_image_dir = a->cal_image_dir,
                                           .cal_data_file = a->cal_data_file,
                                           .cal_cache_file = a->cal_cache_file,
                                           .algorithm = a->calibration,
                                           .percentile = a->percentile,
                                           .pictures = a->batches * a->batch_size,
                                           .seed = a->seed,
                                           .labelled = {.dataset = a->eval_dataset,
                                                        .annotations = a->eval_annotations,
                                                        .images = a->eval_images,
                                                        .max_images = a->eval_max_images},
                                           .min_snr = a->min_snr,
                                           .max_drop = a->max_drop};
    return export_engine(j->run, j->model, &request, &j->report);
}

static int write_floats(struct job *j)
{
    const int err = j->safetensors ? model_save_safetensors(j->model, j->path)
                                   : onnx_export(j->model, &j->how, j->path);
    if (err == 0)
        export_report_add(&j->report, j->safetensors ? EXPORT_SAFETENSORS : EXPORT_ONNX, j->path,
                          false);
    return err;
}

/* What is known before anything is made. */
static void begin_report(struct job *j)
{
    struct export_report *r = &j->report;
    const char *precision = j->args->engine_file || j->bytes ? j->args->data_type : "fp32";
    r->model = j->args->model;
    snprintf(r->precision, sizeof r->precision, "%s",
             same(precision, "fp16") ? build_precision_names[BUILD_BF16] : precision);
    if (!j->model)
        return;
    r->h = j->how.h ? j->how.h : j->model->meta.input_h;
    r->w = j->how.w ? j->how.w : j->model->meta.input_w;
    params_hash(&j->model->params, r->weights);
}

static int make(struct job *j)
{
    int err = BPNET_OK;
    if (j->args->engine_file || same(j->args->data_type, "int8"))
        err = make_engine(j);
    return err == 0 && j->file && !j->bytes ? write_floats(j) : err;
}

/* All of it, also of a network that was not good enough to be written. */
static void tell(struct job *j)
{
    const struct export_report *r = &j->report;
    for (size_t i = 0; i < r->n_files; i++)
        if (r->files[i].kind <= EXPORT_SAFETENSORS)
            run_add_kpi(j->run, "bytes", (double)r->files[i].bytes);
    export_report_print(&j->report, j->run->common->json);
}

static int run_export(struct run *run, const void *a)
{
    struct job j = {.args = a, .run = run};
    int err;
    if ((err = read_arguments(&j)) < 0 || (j.file && (err = choose_path(&j)) < 0) ||
        (err = check_outputs(&j)) < 0 ||
        (!j.args->rebuild && (err = load_model(&j.model, run, j.args->model)) < 0) ||
        (j.model && (err = check_spec(&j)) < 0))
        goto done;
    begin_report(&j);
    if (!run->common->dry_run) {
        err = make(&j);
    } else {
        if (j.file)
            export_report_add(&j.report, j.safetensors ? EXPORT_SAFETENSORS : EXPORT_ONNX, j.path,
                              true);
        if (j.args->engine_file)
            export_report_add(&j.report, EXPORT_ENGINE, j.args->engine_file, true);
    }
    if (err == BPNET_OK || err == BPNET_EGOAL)
        tell(&j);
done:
    job_free(&j);
    return err;
}

static const char *const examples[] = {
    "bpnet export -m model.bpnet",
    "model.onnx, for any picture size and batch",
    "bpnet export -m model.bpnet -o pixels.onnx --include-preprocessing --layout nchw",
    "bytes in: nothing is left to be done before the network but to resize",
    "bpnet export -m model.bpnet -o deploy.onnx -t tfonnx -d 288,384,3 --sdk_compatible_model",
    "for DeepStream",
    "bpnet export -m model.bpnet -t safetensors",
    "the weights alone, by name",
    "bpnet export -m model.bpnet --engine_file pose.engine --data_type int8 -d 288,384,3 "
    "--cal_image_dir photos --batches 200 --eval-dataset dataset.json --max-drop 0.5",
    "an engine of 8 bits for this machine, half a point of AP worse at most",
    "bpnet export -m model.bpnet -o model.int8.onnx --data_type int8 -d 288,384,3 "
    "--cal_image_dir photos --batches 200",
    "the same 8 bits for ONNX Runtime or OpenVINO",
    "bpnet export --rebuild -m pose.engine --engine_file here.engine",
    "the same on another machine",
    NULL,
};

const struct verb cmd_export = {
    .name = "export",
    .group = "Ship a network",
    .summary = "a network as an ONNX file or an engine for this CPU",
    .description =
        "Write a network as ONNX (opset 13), as ONNX Runtime, OpenVINO, TensorRT and others read "
        "it: input input_1:0, outputs paf_out/BiasAdd:0 and heatmap_out/BiasAdd:0, batch norms "
        "folded; skeleton, normalisation and thresholds are in the file's metadata. The file is "
        "sealed only if its name ends in .etlt and there is a --key, which also opens the model. "
        "With --engine_file an engine is built: layers fused, kernels chosen by timing them here. "
        "--data_type int8 calibrates on pictures and makes an engine or an ONNX file of 8 bits. "
        "See docs/export.md and docs/quantization.md.",
    .examples = examples,
    .options = {options, sizeof(options) / sizeof(options[0])},
    .args_size = sizeof(struct args),
    .run = run_export,
};
