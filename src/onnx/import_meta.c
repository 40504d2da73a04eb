/*
 * What a model is besides its graph: colours and their values, outputs, skeleton, stride. The
 * file's metadata is asked first (ours, and the words that others use), then the shapes.
 */
#include "onnx/importer.h"

#include "base/error.h"
#include "base/log.h"
#include "io/json.h"
#include "nn/model_names.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_H = 288, DEFAULT_W = 384 };

/* The first of some keys that there is, or NULL. */
static const char *text_of(const struct importer *im, const char *const *keys)
{
    const char *text = NULL;
    for (; *keys && !text; keys++)
        text = onnx_metadata_text(im->file, *keys);
    return text;
}

/* n numbers separated by commas. */
static bool numbers_of(const char *text, double *out, int n)
{
    for (int i = 0; text && i < n; i++) {
        char *end;
        out[i] = strtod(text, &end);
        if (end == text || !(fabs(out[i]) < 1e9))
            return false;
        text = *end == ',' ? end + 1 : end;
    }
    return text != NULL;
}

/* ---- before the graph -------------------------------------------------------------------- */

static void set_colour(struct importer *im)
{
    static const char *const keys[] = {"colour_order", "color_order", "colour", "color", NULL};
    const char *text = text_of(im, keys);
    im->bgr = im->options->colour == COLOUR_BGR;
    if (im->options->colour == COLOUR_UNSAID && text)
        im->bgr = tolower((unsigned char)text[0]) == 'b';
}

static bool good_size(double size)
{
    return size >= 1.0 && size <= GRAPH_MAX_SIZE;
}

/* The size that the file is meant for; `port` has four sizes, `h` is which of them is the height.
 */
static void set_size(struct importer *im, const struct onnx_port *port, int h)
{
    double size[2];
    int *out[2] = {&im->model->meta.input_h, &im->model->meta.input_w};
    if (im->options->input_h > 0) {
        size[0] = im->options->input_h;
        size[1] = im->options->input_w;
    } else if (port->dims[h] > 0 && port->dims[h + 1] > 0) {
        size[0] = (double)port->dims[h];
        size[1] = (double)port->dims[h + 1];
    } else if (!numbers_of(onnx_metadata_text(im->file, "input_size"), size, 2) ||
               !good_size(size[0]) || !good_size(size[1])) {
        size[0] = DEFAULT_H;
        size[1] = DEFAULT_W;
    }
    *out[0] = (int)size[0];
    *out[1] = (int)size[1];
}

/* The one input that is no initializer. */
static int find_input(const struct importer *im, const struct onnx_port **out)
{
    *out = NULL;
    for (size_t i = 0; i < im->file->n_inputs; i++) {
        const struct onnx_port *port = &im->file->inputs[i];
        if (value_find(im, port->name)->kind == VALUE_CONSTANT)
            continue;
        if (*out)
            return error_set(BPNET_EUNSUPPORTED, "%s: inputs '%.80s' and '%.80s', expected one",
                             im->file->path, (*out)->name, port->name);
        *out = port;
    }
    return *out ? BPNET_OK : error_set(BPNET_EFORMAT, "%s: the graph has no input", im->file->path);
}

int meta_begin(struct importer *im)
{
    const struct onnx_port *port;
    const int err = find_input(im, &port);
    if (err < 0)
        return err;
    const bool last = port->n_dims == 4 && port->dims[3] == 3 && port->dims[1] != 3;
    if (port->n_dims != 4 || (!last && port->dims[1] != 3))
        return error_set(BPNET_EUNSUPPORTED,
                         "%s: input '%.80s' is not of (N, 3, H, W) or (N, H, W, 3)", im->file->path,
                         port->name);
    set_colour(im);
    set_size(im, port, last ? 1 : 2);
    if (!good_size(im->model->meta.input_h) || !good_size(im->model->meta.input_w))
        return error_set(BPNET_EUNSUPPORTED, "%s: an input of %d x %d, at most %d each way",
                         im->file->path, im->model->meta.input_h, im->model->meta.input_w,
                         GRAPH_MAX_SIZE);
    const struct node n = {.name = "input", .op = OP_INPUT, .channels = 3};
    const int room = node_room(im), node = room < 0 ? room : graph_add(im->graph, &n);
    if (node < 0)
        return node;
    im->hw[0][0] = im->model->meta.input_h;
    im->hw[0][1] = im->model->meta.input_w;
    struct value *v = value_find(im, port->name);
    v->kind = VALUE_MAP;
    v->channels_last = last;
    for (int c = 0; c < 3; c++)
        v->scale[c] = 1.0F;
    return BPNET_OK;
}

/* ---- values of the input ----------------------------------------------------------------- */

/* "x / scale - offset" of pixels as the file describes its input, RGB; whether it does. */
static bool described_range(const struct importer *im, double scale[3], double offset[3])
{
    static const char *const keys[] = {"range", "value_range", NULL};
    const char *how = onnx_metadata_text(im->file, "normalisation"), *range = text_of(im, keys);
    if (how && strncmp(how, "inside", 6) == 0)
        return true;
    if (numbers_of(onnx_metadata_text(im->file, "scale"), scale, 3) &&
        numbers_of(onnx_metadata_text(im->file, "offset"), offset, 3))
        return true;
    if (!range)
        return false;
    double s, o = 0.0;
    if (sscanf(range, "x/%lf-%lf", &s, &o) < 1) {
        const bool wide = strstr(range, "0..255") || strstr(range, "0-255");
        const bool unit = strstr(range, "0..1") != NULL;
        if (!wide && !unit)
            return false;
        s = wide ? 1.0 : 255.0;
    }
    for (int c = 0; c < 3; c++) {
        scale[c] = s;
        offset[c] = o;
    }
    return true;
}

static int set_range(struct importer *im)
{
    const struct onnx_import_options *o = im->options;
    struct model_meta *meta = &im->model->meta;
    double scale[3] = {1.0, 1.0, 1.0}, offset[3] = {0.0, 0.0, 0.0};
    bool normalises = false;
    for (int c = 0; c < 3; c++)
        normalises = normalises || fabsf(im->scale[c] - 1.0F) > 0.0F || fabsf(im->shift[c]) > 0.0F;
    const bool described = described_range(im, scale, offset);
    for (int c = 0; c < 3 && fabsf(o->scale) > 0.0F; c++) {
        scale[c] = (double)o->scale;
        offset[c] = (double)o->offset;
    }
    if (!described && !normalises && !(fabsf(o->scale) > 0.0F))
        log_warning("%s: nothing says which values the network expects; taken to be pixels of 0 to "
                    "255 as they are",
                    im->file->path);
    for (int c = 0; c < 3; c++) { /* (x / scale - offset) * a + b */
        const int from = im->bgr ? 2 - c : c;
        const double a = (double)im->scale[from], b = (double)im->shift[from];
        meta->scale[c] = (float)(scale[c] / a);
        meta->offset[c] = (float)(offset[c] * a - b);
        if (!(fabsf(meta->scale[c]) < 1e9F && fabsf(meta->scale[c]) > 1e-9F) ||
            !(fabsf(meta->offset[c]) < 1e9F))
            return error_set(BPNET_EFORMAT, "%s: pixels are divided by %g, minus %g",
                             im->file->path, (double)meta->scale[c], (double)meta->offset[c]);
    }
    return BPNET_OK;
}

/* ---- skeleton ---------------------------------------------------------------------------- */

static int set_skeleton(struct importer *im, bool *assumed)
{
    struct skeleton *s = &im->model->meta.skeleton;
    const char *text = onnx_metadata_text(im->file, "skeleton");
    *assumed = false;
    if (im->options->skeleton) {
        *s = *im->options->skeleton;
        return BPNET_OK;
    }
    if (!text || text[0] != '{') {
        skeleton_default(s);
        *assumed = true;
        return BPNET_OK;
    }
    struct json *root;
    char where[512];
    snprintf(where, sizeof where, "%.400s: metadata 'skeleton'", im->file->path);
    int err = json_parse(&root, text, strlen(text), where);
    if (err == BPNET_OK)
        err = model_read_skeleton(s, root, where);
    json_free(root);
    return err;
}

/* ---- outputs ----------------------------------------------------------------------------- */

struct outputs {
    int nodes[GRAPH_MAX_OUTPUTS];
    const char *names[GRAPH_MAX_OUTPUTS];
    int n;
};

static int channels_of(const struct importer *im, int node)
{
    return im->graph->nodes[node].channels;
}

static int list_outputs(struct importer *im, struct outputs *out)
{
    const struct onnx_file *f = im->file;
    *out = (struct outputs){0};
    im->op = NULL;
    for (size_t i = 0; i < f->n_outputs; i++) {
        const struct value *v = value_find(im, f->outputs[i].name);
        if (!v || v->kind != VALUE_MAP || v->node == 0)
            return error_set(BPNET_EUNSUPPORTED, "%s: output '%.80s' is no map that a node makes",
                             f->path, f->outputs[i].name);
        if (out->n == GRAPH_MAX_OUTPUTS)
            return error_set(BPNET_ELIMIT, "%s: more than %d outputs", f->path, GRAPH_MAX_OUTPUTS);
        const int node = node_of(im, v);
        if (node < 0)
            return node;
        out->names[out->n] = v->name;
        out->nodes[out->n++] = node;
    }
    return out->n > 0 ? BPNET_OK : error_set(BPNET_EFORMAT, "%s: the graph has no output", f->path);
}

/*
 * Heatmaps and PAFs in one map: the maps that were joined, where these are cut the same way, or
 * else convolutions that copy channels.
 */
static int slice(struct importer *im, int whole, int first, int channels, const char *name)
{
    const struct node *joined = &im->graph->nodes[whole];
    int at = 0;
    for (int i = 0; joined->op == OP_CONCAT && i < joined->n_inputs; i++) {
        if (at == first && channels_of(im, joined->inputs[i]) == channels && joined->inputs[i] != 0)
            return joined->inputs[i];
        at += channels_of(im, joined->inputs[i]);
    }
    return node_channels(im, whole, first, channels, name);
}

static int split_output(struct importer *im, struct outputs *out, int heat, int paf)
{
    if (out->n != 1 || channels_of(im, out->nodes[0]) != heat + paf)
        return BPNET_OK;
    const int whole = out->nodes[0];
    const int first = slice(im, whole, 0, heat, "_heat");
    const int second = first < 0 ? first : slice(im, whole, heat, paf, "_paf");
    if (second < 0)
        return second;
    out->nodes[0] = first;
    out->nodes[1] = second;
    out->names[0] = out->names[1] = "";
    out->n = 2;
    return BPNET_OK;
}

/* The PAFs of some files are enlarged at the end; our decoder wants them as they were. */
static int without_enlargement(const struct importer *im, int paf, int heat)
{
    const struct node *n = &im->graph->nodes[paf];
    const bool enlarges = n->op == OP_RESIZE || n->op == OP_UPSAMPLE2;
    return enlarges && im->hw[paf][0] > im->hw[heat][0] &&
                   im->hw[n->inputs[0]][0] == im->hw[heat][0]
               ? n->inputs[0]
               : paf;
}

static bool contains(const char *text, const char *word)
{
    const size_t n = strlen(word);
    for (; *text; text++) {
        size_t k = 0;
        while (k < n && tolower((unsigned char)text[k]) == word[k])
            k++;
        if (k == n)
            return true;
    }
    return false;
}

enum meaning { MEANS_NOTHING, MEANS_HEAT, MEANS_PAF };

static enum meaning meaning_of(const struct importer *im, const struct outputs *out, int k,
                               int heat, int paf)
{
    const struct onnx_import_options *o = im->options;
    const int channels = channels_of(im, out->nodes[k]);
    const char *name = out->names[k];
    if (o->heat && strcmp(name, o->heat) == 0)
        return MEANS_HEAT;
    if (o->paf && strcmp(name, o->paf) == 0)
        return MEANS_PAF;
    if (heat == paf && channels == heat)
        return contains(name, "paf") ? MEANS_PAF : MEANS_HEAT;
    return channels == heat && !o->heat ? MEANS_HEAT
           : channels == paf && !o->paf ? MEANS_PAF
                                        : MEANS_NOTHING;
}

static bool named(const struct outputs *out, const char *name)
{
    for (int k = 0; name && k < out->n; k++)
        if (strcmp(out->names[k], name) == 0)
            return true;
    return !name;
}

/* The stages' outputs in their order; 0 stages and all outputs where they are something else. */
static int order_outputs(struct importer *im, const struct outputs *out, int heat, int paf)
{
    int heats[GRAPH_MAX_OUTPUTS], pafs[GRAPH_MAX_OUTPUTS], n_heats = 0, n_pafs = 0;
    for (int k = 0; k < out->n; k++) {
        const enum meaning meaning = meaning_of(im, out, k, heat, paf);
        if (meaning == MEANS_HEAT)
            heats[n_heats++] = out->nodes[k];
        if (meaning == MEANS_PAF)
            pafs[n_pafs++] = out->nodes[k];
    }
    if (n_heats == 0 || n_heats != n_pafs)
        return graph_set_outputs(im->graph, out->nodes, out->n);
    int both[GRAPH_MAX_OUTPUTS];
    for (int k = 0; k < n_heats; k++) {
        both[k] = heats[k];
        both[n_heats + k] = without_enlargement(im, pafs[k], heats[k]);
    }
    im->model->meta.stages = n_heats;
    return graph_set_outputs(im->graph, both, 2 * n_heats);
}

/* Input pixels per cell of the first output. */
static int stride_of(const struct importer *im)
{
    const int node = im->graph->outputs[0], h = im->hw[0][0], w = im->hw[0][1];
    for (int stride = 1; stride <= 1024; stride++)
        if ((h - 1) / stride + 1 == im->hw[node][0] && (w - 1) / stride + 1 == im->hw[node][1])
            return stride;
    return 1;
}

int meta_finish(struct importer *im)
{
    struct model_meta *meta = &im->model->meta;
    struct outputs out;
    bool assumed;
    int err;
    im->op = NULL;
    if ((err = set_range(im)) < 0 || (err = set_skeleton(im, &assumed)) < 0 ||
        (err = list_outputs(im, &out)) < 0)
        return err;
    if (!named(&out, im->options->heat) || !named(&out, im->options->paf))
        return error_set(BPNET_EUSAGE, "%s: no output is called '%.80s'", im->file->path,
                         named(&out, im->options->heat) ? im->options->paf : im->options->heat);
    const int heat = skeleton_heat_channels(&meta->skeleton);
    const int paf = skeleton_paf_channels(&meta->skeleton);
    if ((err = split_output(im, &out, heat, paf)) < 0 ||
        (err = order_outputs(im, &out, heat, paf)) < 0)
        return err;
    if (meta->stages == 0)
        memset(&meta->skeleton, 0, sizeof meta->skeleton);
    else if (assumed)
        log_info("%s: no skeleton in the file; joints and limbs taken to be those of %s",
                 im->file->path, meta->skeleton.type);
    meta->stride = stride_of(im);
    const char *text = onnx_metadata_text(im->file, "description");
    snprintf(meta->description, sizeof meta->description, "%.200s%sfrom ONNX%s%.80s",
             text ? text : "", text && *text ? "; " : "", im->file->producer[0] ? ", by " : "",
             im->file->producer);
    return BPNET_OK;
}
