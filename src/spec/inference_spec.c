/* Inference specs: which network, and how people are looked for. */
#include "base/error.h"
#include "base/str.h"
#include "spec/schema.h"
#include "spec/spec.h"
#include "spec/spec_path.h"
#include "spec/spec_tables.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array)   (sizeof(array) / sizeof *(array))
#define AT(member)     .offset = offsetof(struct inference_file, spec.member)
#define OPTION(member) AT(options.member)

/* The file says apart what predict_options say with one list of scales. */
struct inference_file {
    struct inference_spec spec;
    bool multi_scale;
    int n_scales;
    float scales[PREDICT_MAX_SCALES];
};

_Static_assert(offsetof(struct predict_options, input_w) ==
                       offsetof(struct predict_options, input_h) + sizeof(int) &&
                   offsetof(struct predict_options, upsample_x) ==
                       offsetof(struct predict_options, upsample_y) + sizeof(int),
               "shapes are stored as two integers in a row");

static const struct choice aspect_modes[] = {{"adjust_network_input", ASPECT_ADJUST_NETWORK},
                                             {"pad_image_input", ASPECT_PAD_IMAGE},
                                             {"null", ASPECT_STRETCH},
                                             {"None", ASPECT_STRETCH},
                                             {0}};

static const struct choice peak_methods[] = {
    {"subpixel", PEAKS_SUBPIXEL}, {"framework", PEAKS_FRAMEWORK}, {"engine", PEAKS_ENGINE}, {0}};

static const struct field inference_fields[] = {
    {"model_path", FIELD_TEXT, AT(model_path), .fallback = "null",
     .help = "Needed unless the command line names a model."},
    {"train_spec", FIELD_TEXT, AT(train_spec), .fallback = "null",
     .help = "The experiment spec; models know their normalisation, stride and skeleton "
             "themselves."},
    {"input_shape", FIELD_INTS, OPTION(input_h), .count = 2, .fallback = "[256, 256]", .low = 8,
     .high = 8192, .help = "Height and width of the network's input."},
    {"keep_aspect_ratio_mode", FIELD_CHOICE, OPTION(aspect), .fallback = "adjust_network_input",
     .choices = aspect_modes,
     .help = "Make the input larger in one direction; or pad the picture; or stretch it."},
    {"output_stage_to_use", FIELD_INT, OPTION(output_stage), .fallback = "null", .low = 1,
     .high = 32, .help = "Counted from 1; the last when null."},
    {"output_upsampling_factor", FIELD_INTS, OPTION(upsample_y), .count = 2, .fallback = "null",
     .low = 1, .high = 64, .help = "Down and across; the stride when null."},
    {"heatmap_threshold", FIELD_FLOAT, OPTION(heat_threshold), .fallback = "0.1", .low = 0,
     .high = 1, .help = "Peaks are higher. The original reads it and uses 0.1 all the same."},
    {"paf_threshold", FIELD_FLOAT, OPTION(paf_threshold), .fallback = "0.05", .low = 0, .high = 1,
     .help = "Samples of a limb count above it. The original always uses 0.05."},
    {"multi_scale_inference", FIELD_BOOL, .offset = offsetof(struct inference_file, multi_scale),
     .fallback = "False", .help = "Average the maps of all `scales`."},
    {"scales", FIELD_FLOAT_LIST, .offset = offsetof(struct inference_file, scales),
     .length = offsetof(struct inference_file, n_scales), .count = PREDICT_MAX_SCALES,
     .fallback = "[1.0]", .low = 0, .high = 16, .above = true,
     .help = "Of input_shape; only with multi_scale_inference."},
    {"peaks", FIELD_CHOICE, FIELD_OURS, OPTION(peaks), .fallback = "subpixel",
     .choices = peak_methods,
     .help = "Find peaks between pixels, or as the original does for models, or for engines."},
    {"flip_test", FIELD_BOOL, FIELD_OURS, OPTION(flip_test), .fallback = "False",
     .help = "Average with the maps of the mirror image."},
    {"compat", FIELD_BOOL, FIELD_OURS, OPTION(compat), .fallback = "False",
     .help = "Assemble and score people with the original's slips, to compare numbers."},
    {"min_joints", FIELD_INT, FIELD_OURS, OPTION(min_joints), .fallback = "4", .low = 1,
     .high = SKELETON_MAX_JOINTS, .help = "People with fewer are dropped."},
    {"min_score_per_joint", FIELD_FLOAT, FIELD_OURS, OPTION(min_score_per_joint), .fallback = "0.4",
     .low = 0, .high = 10, .help = "And those with a lower score a joint."},
    {"min_limb_share", FIELD_FLOAT, FIELD_OURS, OPTION(min_limb_share), .fallback = "0.8", .low = 0,
     .high = 1, .below = true, .help = "More than this share of a limb's samples must count."},
    {"person_threshold", FIELD_FLOAT, FIELD_OURS, OPTION(person_threshold), .fallback = "0.0",
     .low = 0, .high = 10,
     .help = "People who score less are left out; for looking at, 0.25 is good, for AP 0."},
    {"max_people", FIELD_INT, FIELD_OURS, OPTION(max_people), .fallback = "0", .low = 0,
     .high = 10000, .help = "The best ones of a picture; 0: all."},
};

const struct schema inference_schema = {"Inference spec",
                                        "What `bpnet inference -i` and `bpnet evaluate -i` read.",
                                        inference_fields, COUNT(inference_fields)};

static void settle_scales(struct inference_file *file)
{
    struct predict_options *o = &file->spec.options;
    o->n_scales = file->multi_scale ? file->n_scales : 1;
    o->scales[0] = 1;
    if (file->multi_scale)
        memcpy(o->scales, file->scales, (size_t)file->n_scales * sizeof *file->scales);
}

/* A shape of null leaves zeros, which stand for the stride, as a stage of 0 does for the last. */
static int read_spec(struct inference_file *file, const struct doc *doc)
{
    struct inference_spec *s = &file->spec;
    int err = schema_read(&inference_schema, doc, doc->root, file);
    if (err < 0)
        return err;
    settle_scales(file);
    if (!(s->path = str_copy(doc->path)))
        return BPNET_ENOMEM;
    if ((err = spec_path_settle(&s->model_path, s->path)) < 0 ||
        (err = spec_path_settle(&s->train_spec, s->path)) < 0)
        return err;
    struct str text = {0};
    doc_print_json(&text, doc->root);
    s->text = text.text;
    return str_status(&text);
}

int inference_spec_load(struct inference_spec **out, const char *path,
                        const struct spec_overrides *overrides)
{
    *out = NULL;
    /* What suits the shipped network: its people were 90 to 300 pixels high in training. */
    static const char no_file[] = "input_shape: [288, 384]\n"
                                  "keep_aspect_ratio_mode: pad_image_input\n";
    struct doc doc;
    int err = path ? doc_load(&doc, path, overrides)
                   : doc_parse(&doc, no_file, sizeof(no_file) - 1, "", overrides);
    if (err < 0)
        return err;
    struct inference_file file = {0};
    struct inference_spec *s = calloc(1, sizeof *s);
    err = s ? read_spec(&file, &doc) : error_set(BPNET_ENOMEM, "no memory for an inference spec");
    doc_free(&doc);
    if (s)
        *s = file.spec;
    if (err < 0)
        inference_spec_free(s);
    else
        *out = s;
    return err;
}

void inference_spec_free(struct inference_spec *s)
{
    if (!s)
        return;
    free(s->path);
    free(s->model_path);
    free(s->train_spec);
    free(s->text);
    free(s);
}
