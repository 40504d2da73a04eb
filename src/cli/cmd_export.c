/* bpnet export: a network for other programs. */
#include "cli/cmd.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "io/file.h"
#include "io/json.h"
#include "onnx/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct args {
    struct common_args common;
    const char *model, *output, *experiment_spec, *backend, *input_dims, *data_format, *layout;
    const char *input_type, *licence, *data_type, *engine_file;
    const char *cal_image_dir, *cal_data_file, *cal_cache_file;
    int64_t batches, batch_size, max_batch_size, opt_batch_size, static_batch_size, upsample_ratio;
    int64_t max_workspace_size;
    bool include_preprocessing, sdk_compatible_model, static_size, keep_batch_norm, force;
    bool strict_type_constraints, force_ptq, verbose;
};

#define AT(member) offsetof(struct args, member)

static const char *const backends[] = {"onnx", "tfonnx", "safetensors", "uff", NULL};
static const char *const data_formats[] = {"channels_last", "channels_first", NULL};
static const char *const layouts[] = {"nhwc", "nchw", NULL};
static const char *const data_types[] = {"fp32", "fp16", "int8", NULL};
static const char *const input_types[] = {"uint8", "float32", NULL};

static const struct option options[] = {
    {"model", "m", OPTION_TEXT, AT(model), "FILE", .help = "network", .required = true},
    {"output_file", "o", OPTION_TEXT, AT(output), "FILE",
     .help = "file to write; without: the model's path with a new suffix"},
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
    {"data_type", NULL, OPTION_TEXT, AT(data_type), "TYPE", .help = "arithmetic of the engine",
     .preset = "fp32", .choices = data_types},
    {"engine_file", NULL, OPTION_TEXT, AT(engine_file), "FILE",
     .help = "also build an engine and write it here"},
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
    bool safetensors;
};

static void job_free(struct job *j)
{
    free(j->path);
    model_free(j->model);
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
    if (args->engine_file || !same(args->data_type, "fp32"))
        return error_set(BPNET_EUNSUPPORTED,
                         "export: this build writes ONNX and safetensors files in fp32 only, no "
                         "engines; leave out --engine_file and --data_type");
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
    if (given == model || !ends_in(given, suffix))
        str_append(&path, suffix);
    j->path = str_status(&path) == BPNET_OK ? str_copy(str_text(&path)) : NULL;
    str_free(&path);
    if (!j->path)
        return BPNET_ENOMEM;
    if (file_exists(j->path) && !j->args->force)
        return error_set(BPNET_ECREATE, "%s exists; --force overwrites it", j->path);
    return BPNET_OK;
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

static int report(const struct job *j)
{
    struct file_view view = {0};
    const int err = file_view_open(&view, j->path, SIZE_MAX);
    if (err < 0)
        return err;
    const size_t size = view.size;
    file_view_close(&view);
    run_add_kpi(j->run, "bytes", (double)size);
    if (!j->run->common->json) {
        printf("%s: %.1f MB\n", j->path, (double)size / 1e6);
        return BPNET_OK;
    }
    struct json_writer w = {.stream = stdout, .indent = 2};
    json_begin_object(&w);
    json_write_key(&w, "file");
    json_write_string(&w, j->path);
    json_write_key(&w, "kind");
    json_write_string(&w, j->safetensors ? "safetensors" : "onnx");
    json_write_key(&w, "bytes");
    json_write_integer(&w, (int64_t)size);
    json_end_object(&w);
    printf("\n");
    return BPNET_OK;
}

static int run_export(struct run *run, const void *a)
{
    struct job j = {.args = a, .run = run};
    int err;
    if ((err = read_arguments(&j)) < 0 || (err = choose_path(&j)) < 0 ||
        (err = model_load(&j.model, j.args->model, run->key)) < 0 || (err = check_spec(&j)) < 0)
        goto done;
    if (run->common->dry_run) {
        printf("would write %s\n", j.path);
        goto done;
    }
    err = j.safetensors ? model_save_safetensors(j.model, j.path)
                        : onnx_export(j.model, &j.how, j.path);
    if (err == 0)
        err = report(&j);
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
    NULL,
};

const struct verb cmd_export = {
    .name = "export",
    .group = "Ship a network",
    .summary = "a network as an ONNX file",
    .description =
        "Write a network as ONNX (opset 13), as ONNX Runtime, OpenVINO, TensorRT and others read "
        "it: input input_1:0, outputs paf_out/BiasAdd:0 and heatmap_out/BiasAdd:0, batch norms "
        "folded; skeleton, normalisation and thresholds are in the file's metadata. The file is "
        "never encrypted, --key only opens the model. See docs/export.md.",
    .examples = examples,
    .options = {options, sizeof(options) / sizeof(options[0])},
    .args_size = sizeof(struct args),
    .run = run_export,
};
