/* A network as an ONNX file: what is needed, what goes in, what comes out, what is said about it.
 */
#include "onnx/export.h"

#include "base/error.h"
#include "base/str.h"
#include "io/json.h"
#include "onnx/exporter.h"
#include "pose/predict.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char input_name[] = ONNX_INPUT_NAME, heat_name[] = ONNX_HEAT_NAME;
static const char paf_name[] = ONNX_PAF_NAME, enlarged_paf_name[] = ONNX_ENLARGED_PAF_NAME;

void onnx_value_name(char out[ONNX_VALUE_SIZE], const struct node *n)
{
    static const char *const taken[] = {input_name, heat_name, paf_name, enlarged_paf_name};
    snprintf(out, ONNX_VALUE_SIZE, "%s:0", n->name);
    for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
        if (strcmp(out, taken[i]) == 0)
            snprintf(out, ONNX_VALUE_SIZE, "%s:inner", n->name);
}

/* ---- what is written ----------------------------------------------------------------------- */

static int find_outputs(struct exporter *x)
{
    const struct graph *g = &x->m->graph;
    const int stages = g->n_outputs / 2;
    if (stages < 1 || g->n_outputs % 2 != 0)
        return error_set(BPNET_EUNSUPPORTED,
                         "a network of %d outputs; only those with heatmaps and PAFs of every "
                         "stage can be written",
                         g->n_outputs);
    x->heat = g->outputs[stages - 1];
    x->paf = g->outputs[2 * stages - 1];
    if (x->heat == x->paf)
        return error_set(BPNET_EUNSUPPORTED, "heatmaps and PAFs are one output, '%s'",
                         export_node(x, x->heat)->name);
    return BPNET_OK;
}

static void find_needed(struct exporter *x)
{
    x->needed[0] = x->needed[x->heat] = x->needed[x->paf] = true;
    for (int i = x->m->graph.n_nodes - 1; i > 0; i--)
        for (int k = 0; x->needed[i] && k < export_node(x, i)->n_inputs; k++)
            x->needed[export_node(x, i)->inputs[k]] = true;
}

/* A batch norm is folded into a convolution that nobody else reads, and so are those behind it. */
static int find_folded(struct exporter *x)
{
    const int n_nodes = x->m->graph.n_nodes;
    int *n_readers = calloc((size_t)n_nodes, sizeof(*n_readers));
    if (!n_readers)
        return error_set(BPNET_ENOMEM, "no memory for an ONNX model");
    n_readers[x->heat]++;
    n_readers[x->paf]++;
    for (int i = 0; i < n_nodes; i++)
        for (int k = 0; x->needed[i] && k < export_node(x, i)->n_inputs; k++)
            n_readers[export_node(x, i)->inputs[k]]++;
    for (int i = 0; i < n_nodes; i++)
        x->norm[i] = -1;
    for (int i = 0; i < n_nodes; i++) {
        const struct node *n = export_node(x, i);
        const int from = n->op == OP_NORM && x->needed[i] ? n->inputs[0] : -1;
        if (from < 0 || n_readers[from] != 1 || x->options->keep_norms ||
            (export_node(x, from)->op != OP_CONV && !x->folded[from]))
            continue;
        x->norm[from] = i;
        x->folded[i] = true;
    }
    free(n_readers);
    return BPNET_OK;
}

static int plan(struct exporter *x)
{
    const size_t n = (size_t)x->m->graph.n_nodes;
    int err = find_outputs(x);
    if (err < 0)
        return err;
    x->needed = calloc(n, sizeof(*x->needed));
    x->folded = calloc(n, sizeof(*x->folded));
    x->norm = calloc(n, sizeof(*x->norm));
    x->value = calloc(n, sizeof(*x->value));
    x->hw = calloc(n, sizeof(*x->hw));
    if (!x->needed || !x->folded || !x->norm || !x->value || !x->hw)
        return error_set(BPNET_ENOMEM, "no memory for an ONNX model");
    for (int i = 0; i < x->m->graph.n_nodes; i++)
        onnx_value_name(x->value[i], export_node(x, i));
    find_needed(x);
    if ((err = find_folded(x)) < 0 ||
        (err = graph_infer(&x->m->graph, x->height, x->width, x->hw)) < 0)
        return err;
    return export_check_ranges(x);
}

/* ---- what goes in -------------------------------------------------------------------------- */

static void set_dims(const struct exporter *x, struct onnx_dim dims[4], int channels,
                     struct onnx_dim h, struct onnx_dim w)
{
    const bool nhwc = x->options->layout == ONNX_NHWC;
    dims[0] = (struct onnx_dim){x->options->batch, "batch"};
    dims[nhwc ? 3 : 1] = (struct onnx_dim){channels, NULL};
    dims[nhwc ? 1 : 2] = h;
    dims[nhwc ? 2 : 3] = w;
}

static void transpose(struct exporter *x, const char *from, const char *to, bool to_nchw)
{
    onnx_node(x->w, "Transpose", to);
    onnx_node_ints(x->w, "perm",
                   to_nchw ? (const int64_t[]){0, 3, 1, 2} : (const int64_t[]){0, 2, 3, 1}, 4);
    onnx_node_input(x->w, from);
}

/* One value for all channels, or one for each. */
static void add_colour_constant(struct exporter *x, const char *name, const float v[3])
{
    const bool same = v[0] == v[1] && v[1] == v[2];
    float *to = onnx_constant(x->w, name, ONNX_FLOAT, (const int64_t[]){1, 3, 1, 1}, same ? 0 : 4);
    for (int c = 0; to && c < (same ? 1 : 3); c++)
        to[c] = v[c];
}

/* Whether a byte's steps are exactly the normalised values: then it is dequantised, no more. */
static bool pixels_are(const struct exporter *x, const struct onnx_range *range)
{
    const struct model_meta *meta = &x->m->meta;
    for (int c = 0; range && c < 3; c++)
        if (range->scale != 1.0F / meta->scale[c] ||
            (float)range->zero != meta->offset[c] * meta->scale[c])
            return false;
    return range != NULL;
}

/* `pixels` (NCHW) as the network's input: x / scale - offset. */
static void normalise(struct exporter *x, const char *pixels)
{
    const struct model_meta *meta = &x->m->meta;
    const struct onnx_range *range = export_range(x, 0);
    if (x->options->input == ONNX_PIXELS_U8 && pixels_are(x, range)) {
        export_dequantize(x, pixels, x->value[0], range);
        return;
    }
    if (x->options->input == ONNX_PIXELS_U8) {
        onnx_node(x->w, "Cast", "input_1:float");
        onnx_node_int(x->w, "to", ONNX_FLOAT);
        onnx_node_input(x->w, pixels);
        pixels = "input_1:float";
    }
    add_colour_constant(x, "input_1:scale", meta->scale);
    add_colour_constant(x, "input_1:offset", meta->offset);
    onnx_node(x->w, "Div", "input_1:scaled");
    onnx_node_input(x->w, pixels);
    onnx_node_input(x->w, "input_1:scale");
    onnx_node(x->w, "Sub", x->value[0]);
    onnx_node_input(x->w, "input_1:scaled");
    onnx_node_input(x->w, "input_1:offset");
    export_round(x, 0);
}

static void add_input(struct exporter *x)
{
    const struct onnx_export_options *o = x->options;
    const bool raw = o->input != ONNX_NORMALISED, nhwc = o->layout == ONNX_NHWC;
    const bool fixed = o->fixed_size;
    struct onnx_dim dims[4];
    set_dims(x, dims, export_node(x, 0)->channels,
             (struct onnx_dim){fixed ? x->height : 0, "height"},
             (struct onnx_dim){fixed ? x->width : 0, "width"});
    onnx_graph_input(x->w, input_name, o->input == ONNX_PIXELS_U8 ? ONNX_UINT8 : ONNX_FLOAT, dims,
                     4);
    if (raw && nhwc)
        transpose(x, input_name, "input_1:nchw", true);
    if (raw) {
        normalise(x, nhwc ? "input_1:nchw" : input_name);
        return;
    }
    if (nhwc)
        transpose(x, input_name, x->value[0], true);
    else
        memcpy(x->value[0], input_name, sizeof(input_name));
    export_round(x, 0);
}

/* ---- what comes out ------------------------------------------------------------------------ */

/* Spec 12.3: a transposed convolution that repeats every cell of a channel n times n times. */
static void enlarge(struct exporter *x, int node, const char *to)
{
    const int64_t n = x->options->paf_upsample, channels = export_node(x, node)->channels;
    const int64_t square[] = {n, n}, pads[] = {0, 0, 0, 0};
    static const char kernel[] = "conv2d_transpose_1:kernel", bias[] = "conv2d_transpose_1:bias";
    float *w =
        onnx_constant(x->w, kernel, ONNX_FLOAT, (const int64_t[]){channels, channels, n, n}, 4);
    for (int64_t c = 0; w && c < channels; c++)
        for (int64_t i = 0; i < n * n; i++)
            w[(c * channels + c) * n * n + i] = 1.0F;
    onnx_constant(x->w, bias, ONNX_FLOAT, &channels, 1);
    onnx_node(x->w, "ConvTranspose", to);
    onnx_node_ints(x->w, "kernel_shape", square, 2);
    onnx_node_ints(x->w, "strides", square, 2);
    onnx_node_ints(x->w, "pads", pads, 4);
    onnx_node_input(x->w, x->value[node]);
    onnx_node_input(x->w, kernel);
    onnx_node_input(x->w, bias);
}

/* Height and width of an output: their names, or numbers for an input of fixed size. */
static void output_dims(const struct exporter *x, int node, int factor, const char *const names[2],
                        struct onnx_dim out[2])
{
    for (int d = 0; d < 2; d++) {
        const int64_t size = (int64_t)x->hw[node][d] * factor;
        out[d] = (struct onnx_dim){x->options->fixed_size ? size : 0, names[d]};
    }
}

static void add_output(struct exporter *x, int node, const char *name, int factor,
                       const char *const sizes[2])
{
    static const char inner[] = "conv2d_transpose_1:nchw";
    const bool nhwc = x->options->layout == ONNX_NHWC;
    const char *value = x->value[node];
    struct onnx_dim dims[4], hw[2];
    output_dims(x, node, factor, sizes, hw);
    set_dims(x, dims, export_node(x, node)->channels, hw[0], hw[1]);
    if (factor > 1) {
        enlarge(x, node, nhwc ? inner : name);
        value = inner;
    }
    if (nhwc) {
        transpose(x, value, name, false);
    } else if (factor == 1) {
        onnx_node(x->w, "Identity", name);
        onnx_node_input(x->w, value);
    }
    onnx_graph_output(x->w, name, ONNX_FLOAT, dims, 4);
}

static void add_outputs(struct exporter *x)
{
    static const char *const map[2] = {"map_height", "map_width"};
    static const char *const enlarged[2] = {"paf_height", "paf_width"};
    const int factor = x->options->paf_upsample;
    if (factor > 0)
        add_output(x, x->paf, enlarged_paf_name, factor, enlarged);
    else
        add_output(x, x->paf, paf_name, 1, map);
    add_output(x, x->heat, heat_name, 1, map);
}

/* ---- what is said about it ----------------------------------------------------------------- */

static int add_skeleton(struct exporter *x)
{
    const struct skeleton *s = &x->m->meta.skeleton;
    struct str text = {0};
    struct json_writer w = {.text = &text};
    json_begin_object(&w);
    json_write_key(&w, "type");
    json_write_string(&w, s->type);
    json_write_key(&w, "category");
    json_write_string(&w, s->category);
    json_write_key(&w, "joints");
    json_begin_array(&w);
    for (int i = 0; i < s->n_joints; i++)
        json_write_string(&w, s->joints[i]);
    json_end_array(&w);
    json_write_key(&w, "limbs");
    json_begin_array(&w);
    for (int i = 0; i < s->n_limbs; i++) {
        json_begin_array(&w);
        json_write_integer(&w, s->limbs[i][0]);
        json_write_integer(&w, s->limbs[i][1]);
        json_end_array(&w);
    }
    json_end_array(&w);
    json_end_object(&w);
    onnx_metadata(x->w, "skeleton", str_text(&text));
    const int err = str_status(&text);
    str_free(&text);
    return err;
}

/* "256,256,256" */
static int add_numbers(struct exporter *x, const char *key, const float *v, int n)
{
    struct str text = {0};
    for (int i = 0; i < n; i++) {
        struct json_writer w = {.text = &text};
        str_append(&text, i ? "," : "");
        json_write_float(&w, v[i]);
    }
    onnx_metadata(x->w, key, str_text(&text));
    const int err = str_status(&text);
    str_free(&text);
    return err;
}

static void add_sizes(struct exporter *x, const char *key, int a, int b)
{
    char text[32];
    snprintf(text, sizeof(text), b ? "%d,%d" : "%d", a, b);
    onnx_metadata(x->w, key, text);
}

static int add_metadata(struct exporter *x)
{
    const struct model_meta *meta = &x->m->meta;
    const struct onnx_export_options *o = x->options;
    struct predict_options predict;
    int err;
    predict_options_default(&predict);
    onnx_metadata(x->w, "description", meta->description);
    onnx_metadata(x->w, "colour_order", "RGB");
    onnx_metadata(x->w, "normalisation",
                  o->input == ONNX_NORMALISED ? "outside: x / scale - offset" : "inside");
    if ((err = add_skeleton(x)) < 0 || (err = add_numbers(x, "scale", meta->scale, 3)) < 0 ||
        (err = add_numbers(x, "offset", meta->offset, 3)) < 0 ||
        (err = add_numbers(x, "heat_threshold", &predict.heat_threshold, 1)) < 0 ||
        (err = add_numbers(x, "paf_threshold", &predict.paf_threshold, 1)) < 0)
        return err;
    add_sizes(x, "input_size", x->height, x->width);
    add_sizes(x, "stride", meta->stride, 0);
    add_sizes(x, "stages", meta->stages, 0);
    if (o->paf_upsample > 0)
        add_sizes(x, "paf_upsample", o->paf_upsample, 0);
    if (o->licence)
        onnx_metadata(x->w, "licence", o->licence);
    return BPNET_OK;
}

/* ---- all of it ----------------------------------------------------------------------------- */

static int build(struct exporter *x)
{
    int err = plan(x);
    if (err < 0)
        return err;
    add_input(x);
    for (int i = 1; i < x->m->graph.n_nodes && err == 0; i++) {
        if (!x->needed[i])
            continue;
        if ((err = export_op(x, i)) == 0 && x->norm[i] < 0)
            export_round(x, i);
    }
    if (err < 0)
        return err;
    add_outputs(x);
    return add_metadata(x);
}

static int check_options(const struct onnx_export_options *o)
{
    if (o->batch < 0 || o->h < 0 || o->w < 0 || o->h > GRAPH_MAX_SIZE || o->w > GRAPH_MAX_SIZE ||
        (o->h == 0) != (o->w == 0))
        return error_set(BPNET_EUSAGE, "an ONNX file for batches of %lld of %d x %d",
                         (long long)o->batch, o->h, o->w);
    if (o->ranges && o->keep_norms)
        return error_set(BPNET_EUSAGE,
                         "batch norms of an 8-bit network are part of its convolutions");
    if (o->paf_upsample < 0 || o->paf_upsample > ONNX_MAX_UPSAMPLE)
        return error_set(BPNET_EUSAGE, "PAFs enlarged %d times; expected 1 to %d", o->paf_upsample,
                         ONNX_MAX_UPSAMPLE);
    return BPNET_OK;
}

int onnx_export(const struct model *m, const struct onnx_export_options *options, const char *path)
{
    struct exporter x = {.m = m,
                         .options = options,
                         .height = options->h ? options->h : m->meta.input_h,
                         .width = options->w ? options->w : m->meta.input_w};
    int err = check_options(options);
    if (err == 0 && (err = onnx_writer_open(&x.w, "bpnet")) == 0)
        err = build(&x);
    err = err < 0 ? error_prefix(err, "%s", path) : onnx_writer_save(x.w, path, options->key);
    onnx_writer_close(x.w);
    free(x.needed);
    free(x.folded);
    free(x.norm);
    free(x.value);
    free(x.hw);
    return err;
}
