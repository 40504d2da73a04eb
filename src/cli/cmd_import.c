/* bpnet import: a model from an ONNX file. */
#include "cli/cmd.h"

#include "base/error.h"
#include "base/log.h"
#include "nn/model.h"
#include "onnx/import.h"
#include "spec/spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct args {
    struct common_args common;
    const char *output, *pose_config, *input_dims, *colour, *heat, *paf;
    double scale, offset;
};

#define AT(member) offsetof(struct args, member)

static const char *const colours[] = {"file", "rgb", "bgr", NULL};

static const struct option options[] = {
    {"output", "o", OPTION_TEXT, AT(output), "FILE", .help = "the model to write",
     .required = true},
    {"pose_config", "p", OPTION_TEXT, AT(pose_config), "FILE",
     .help = "joints and limbs, these in the order of the PAF channels; without: the file's "
             "metadata, or else the 18 joints of BodyPoseNet"},
    {"input_dims", "d", OPTION_TEXT, AT(input_dims), "H,W",
     .help = "size of picture the network is meant for, where the file leaves it free"},
    {"colour", NULL, OPTION_TEXT, AT(colour), "ORDER",
     .help = "order of the channels that the network was trained with", .preset = "file",
     .choices = colours},
    {"scale", NULL, OPTION_NUMBER, AT(scale), "S",
     .help = "the network wants pixels of 0 to 255 divided by S; 0: as the file says",
     .preset = "0", .low = 0, .high = 1e6},
    {"offset", NULL, OPTION_NUMBER, AT(offset), "O", .help = "and then O less, with --scale",
     .preset = "0", .low = -1e6, .high = 1e6},
    {"heat", NULL, OPTION_TEXT, AT(heat), "NAME", .help = "the output with the heatmaps"},
    {"paf", NULL, OPTION_TEXT, AT(paf), "NAME", .help = "the output with the PAFs"},
};

static int parse_dims(struct onnx_import_options *o, const char *text)
{
    char rest;
    if (sscanf(text, "%d,%d%c", &o->input_h, &o->input_w, &rest) != 2 || o->input_h < 1 ||
        o->input_w < 1 || o->input_h > GRAPH_MAX_SIZE || o->input_w > GRAPH_MAX_SIZE)
        return error_set(BPNET_EUSAGE, "import: --input_dims %s: expected H,W of 1 to %d", text,
                         GRAPH_MAX_SIZE);
    return BPNET_OK;
}

static void report(const struct model *m, const char *path)
{
    const struct model_meta *meta = &m->meta;
    log_info("%s: %d layers, %zu parameters", path, m->graph.n_nodes - 1, params_total(&m->params));
    if (meta->stages > 0)
        log_info("%s: %d joints, %d limbs, stride %d, input RGB / %g - %g", path,
                 meta->skeleton.n_joints, meta->skeleton.n_limbs, meta->stride,
                 (double)meta->scale[0], (double)meta->offset[0]);
    else
        log_warning("%s: its outputs are not heatmaps and PAFs of the skeleton; it can be "
                    "inspected and run, but finds no people",
                    path);
}

static int run_import(struct run *run, const void *a)
{
    const struct args *args = a;
    const char *from = run->operands.items[0];
    struct onnx_import_options o = {
        .scale = (float)args->scale,
        .offset = (float)args->offset,
        .heat = args->heat,
        .paf = args->paf,
        .key = run->key,
        .colour = strcmp(args->colour, "bgr") == 0   ? COLOUR_BGR
                  : strcmp(args->colour, "rgb") == 0 ? COLOUR_RGB
                                                     : COLOUR_UNSAID,
    };
    struct skeleton *skeleton = NULL;
    struct model *m = NULL;
    int err = args->input_dims ? parse_dims(&o, args->input_dims) : BPNET_OK;
    if (err == BPNET_OK && args->pose_config) {
        skeleton = calloc(1, sizeof *skeleton);
        err = skeleton ? pose_config_load(skeleton, args->pose_config)
                       : error_set(BPNET_ENOMEM, "import: no memory for a skeleton");
        o.skeleton = skeleton;
    }
    if (err < 0 || (err = onnx_import(&m, from, &o)) < 0)
        goto done;
    if (!run->common->dry_run && (err = model_save(m, args->output, run->key)) < 0)
        goto done;
    report(m, args->output);
    run_add_kpi(run, "parameters", (double)params_total(&m->params));
done:
    model_free(m);
    free(skeleton);
    return err;
}

static const char *const examples[] = {
    "bpnet import openpose.onnx -o openpose.bpnet",
    "a network whose file says which colours and values it wants",
    "bpnet import pose.onnx -o pose.bpnet --colour bgr --scale 255 -p joints.json",
    "one that does not",
    NULL,
};

const struct verb cmd_import = {
    .name = "import",
    .group = "Ship a network",
    .summary = "make a model from an ONNX file",
    .operands = "network.onnx",
    .description =
        "Reads a network of convolutions and writes a model that every other verb takes: it is "
        "evaluated, pruned, retrained, quantised and deployed like a network of our own. Colour "
        "order and normalisation become part of the model, so that it takes RGB pictures. Outputs "
        "are recognised by their names or their numbers of channels. An operator that has no "
        "counterpart is named with its place; weights in other files are refused.",
    .examples = examples,
    .options = {options, sizeof(options) / sizeof(options[0])},
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_import,
};
