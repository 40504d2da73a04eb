/*
 * make-onnx-samples FOLDER [MODEL …]: networks of every kind as ONNX files, each with inputs and
 * what our own executor makes of them, for tests/oracle/onnx-compare. The list of them is
 * FOLDER/samples.txt, one line a run:
 *     file.onnx values.f32 layout input batch h w | heat h w channels | paf h w channels
 * values.f32 has the input (NHWC; pixels as floats), the heatmaps and the PAFs, all float32.
 */
#include "base/cpu.h"
#include "base/error.h"
#include "kernel/kernel.h"
#include "nn/exec.h"
#include "nn/networks.h"
#include "nn/random_graph.h"
#include "onnx/export.h"
#include "prune/pruner.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int sizes[][3] = {{1, 64, 96}, {2, 41, 57}, {1, 33, 100}};

static void die(const char *what)
{
    fprintf(stderr, "make-onnx-samples: %s: %s\n", what, error_message());
    exit(1);
}

static float *batch_input(const struct model *m, const struct onnx_export_options *o, int n,
                          struct exec *e, struct rng *rng)
{
    float *raw = malloc((size_t)n * sizeof(*raw)), *to = exec_input(e);
    if (!raw)
        die("no memory");
    for (int i = 0; i < n; i++) {
        const int c = i % 3;
        raw[i] =
            o->input == ONNX_NORMALISED ? (float)rng_normal(rng) : (float)rng_integer(rng, 0, 255);
        to[i] =
            o->input == ONNX_NORMALISED ? raw[i] : raw[i] / m->meta.scale[c] - m->meta.offset[c];
    }
    return raw;
}

static void write_floats(FILE *file, const float *values, size_t n)
{
    if (fwrite(values, sizeof(*values), n, file) != n)
        die("cannot write");
}

/* One output, its pixels close together, and its part of the line; PAFs enlarged if asked for. */
static void write_output(FILE *file, FILE *list, struct exec *e, int k, int batch, int factor)
{
    int h, w, channels, pitch;
    const float *map = exec_output(e, k, &h, &w, &channels, &pitch);
    for (int image = 0; image < batch; image++)
        for (int y = 0; y < h * factor; y++)
            for (int x = 0; x < w * factor; x++) {
                const int pixel = (image * h + y / factor) * w + x / factor;
                write_floats(file, map + (size_t)pixel * (size_t)pitch, (size_t)channels);
            }
    fprintf(list, " | %d %d %d", h * factor, w * factor, channels);
}

static void run_once(const char *folder, const char *name, struct model *m,
                     const struct onnx_export_options *o, int index, FILE *list)
{
    static const char *const inputs[] = {"normalised", "uint8", "float"};
    struct kernels kernels;
    struct exec_options how = {.batch = o->batch ? (int)o->batch : sizes[index][0],
                               .h = o->fixed_size ? o->h : sizes[index][1],
                               .w = o->fixed_size ? o->w : sizes[index][2],
                               .kernels = &kernels};
    struct exec *e = NULL;
    struct rng rng = rng_stream(7, (uint64_t)index, 0);
    char path[1024];
    const int batch = how.batch, h = how.h, w = how.w;
    kernels_init(&kernels, cpu_level_detect());
    if (workers_open(&how.workers, 1) < 0 || exec_open(&e, m, &how) < 0)
        die(name);
    float *raw = batch_input(m, o, batch * h * w * 3, e, &rng);
    if (exec_forward(e) < 0)
        die(name);
    snprintf(path, sizeof(path), "%s/%s-%d.f32", folder, name, index);
    FILE *file = fopen(path, "wb");
    if (!file)
        die(path);
    fprintf(list, "%s.onnx %s-%d.f32 %s %s %d %d %d", name, name, index,
            o->layout == ONNX_NHWC ? "nhwc" : "nchw", inputs[o->input], batch, h, w);
    write_floats(file, raw, (size_t)(batch * h * w * 3));
    write_output(file, list, e, 0, batch, 1);
    write_output(file, list, e, 1, batch, o->paf_upsample ? o->paf_upsample : 1);
    fprintf(list, "\n");
    if (fclose(file) != 0)
        die(path);
    free(raw);
    exec_close(e);
    workers_close(how.workers);
}

/* The network as a file, and its runs; takes the model. */
static void add_sample(const char *folder, const char *name, struct model *m,
                       const struct onnx_export_options *o, FILE *list)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s.onnx", folder, name);
    if (onnx_export(m, o, path) < 0)
        die(name);
    const int n_sizes = (int)(sizeof(sizes) / sizeof(sizes[0]));
    for (int i = 0; i < n_sizes; i++)
        if (o->fixed_size ? i == 0 : o->batch == 0 || o->batch == sizes[i][0])
            run_once(folder, name, m, o, i, list);
    model_free(m);
}

static struct model *built(const struct model_spec *spec, uint64_t seed)
{
    struct model *m = NULL;
    struct rng rng = rng_stream(seed, 0, 0);
    if (model_build_shape(&m, spec) < 0)
        die("model");
    random_values(&m->params, &rng);
    return m;
}

static void add_built(const char *folder, FILE *list)
{
    static const struct {
        const char *name;
        enum model_kind kind;
        enum backbone_kind backbone;
        int layers, stages;
        enum helnet_type helnet;
        bool attention;
        struct onnx_export_options options;
    } rows[] = {
        {"lite", MODEL_LITE, BACKBONE_VGG, 19, 3, HELNET_DEFAULT, false, {0}},
        {"lite_one_stage", MODEL_LITE, BACKBONE_VGG, 19, 1, HELNET_DEFAULT, false, {0}},
        {"full", MODEL_FULL, BACKBONE_VGG, 19, 2, HELNET_DEFAULT, false, {0}},
        {"attention", MODEL_LITE, BACKBONE_VGG, 19, 2, HELNET_DEFAULT, true, {0}},
        {"light", MODEL_LIGHT, BACKBONE_VGG, 19, 2, HELNET_DEFAULT, false, {0}},
        {"helnet", MODEL_LITE, BACKBONE_HELNET, 12, 1, HELNET_DEFAULT, false, {0}},
        {"helnet_dilated", MODEL_LITE, BACKBONE_HELNET, 10, 1, HELNET_S8_3RD_DILATED, false, {0}},
        {"helnet_dilated_first",
         MODEL_LITE,
         BACKBONE_HELNET,
         6,
         1,
         HELNET_S8_1ST_DILATED,
         false,
         {0}},
        {"resnet10", MODEL_LITE, BACKBONE_RESNET, 10, 2, HELNET_DEFAULT, false, {0}},
        {"resnet50", MODEL_LITE, BACKBONE_RESNET, 50, 1, HELNET_DEFAULT, false, {0}},
        {"norms_kept",
         MODEL_LIGHT,
         BACKBONE_VGG,
         19,
         1,
         HELNET_DEFAULT,
         false,
         {.keep_norms = true}},
        {"nchw", MODEL_LIGHT, BACKBONE_VGG, 19, 1, HELNET_DEFAULT, false, {.layout = ONNX_NCHW}},
        {"sdk", MODEL_LIGHT, BACKBONE_VGG, 19, 2, HELNET_DEFAULT, false, {.paf_upsample = 4}},
        {"sdk_nchw",
         MODEL_LIGHT,
         BACKBONE_VGG,
         19,
         1,
         HELNET_DEFAULT,
         false,
         {.paf_upsample = 2, .layout = ONNX_NCHW}},
        {"pixels",
         MODEL_LIGHT,
         BACKBONE_VGG,
         19,
         1,
         HELNET_DEFAULT,
         false,
         {.input = ONNX_PIXELS_U8}},
        {"pixels_nchw",
         MODEL_LIGHT,
         BACKBONE_VGG,
         19,
         1,
         HELNET_DEFAULT,
         false,
         {.input = ONNX_PIXELS_FLOAT, .layout = ONNX_NCHW}},
        {"one_picture", MODEL_LIGHT, BACKBONE_VGG, 19, 1, HELNET_DEFAULT, false, {.batch = 1}},
        {"fixed",
         MODEL_LITE,
         BACKBONE_VGG,
         19,
         2,
         HELNET_DEFAULT,
         false,
         {.batch = 1, .h = 72, .w = 56, .fixed_size = true}},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct model_spec spec = default_spec(rows[i].kind, rows[i].stages);
        spec.backbone = rows[i].backbone;
        spec.backbone_layers = rows[i].layers;
        spec.helnet = rows[i].helnet;
        spec.self_attention = rows[i].attention;
        spec.width_multiplier = 0.125;
        add_sample(folder, rows[i].name, built(&spec, i), &rows[i].options, list);
    }
}

/* What is left of a network when half of its filters are gone, more in some layers than in others.
 */
static void add_pruned(const char *folder, FILE *list)
{
    static const enum model_kind kinds[] = {MODEL_LITE, MODEL_LIGHT};
    for (uint64_t i = 0; i < 2; i++) {
        const struct onnx_export_options o = {0};
        const struct prune_options how = {.granularity = 2,
                                          .min_filters = 2,
                                          .norm = SCORE_NORM_MAX,
                                          .join = SCORE_UNION,
                                          .input_h = 64,
                                          .input_w = 96};
        struct model_spec spec = default_spec(kinds[i], 2);
        struct model *whole, *pruned;
        struct pruner *pruner;
        struct prune_plan plan;
        spec.width_multiplier = 0.25;
        whole = built(&spec, 50 + i);
        if (pruner_open(&pruner, whole, &how) < 0 || pruner_plan(&plan, pruner, 0.9) < 0 ||
            pruner_apply(&pruned, pruner, &plan) < 0)
            die("pruning");
        if (plan.cost.parameters * 10 > pruner_cost(pruner).parameters * 9)
            die("nothing was pruned");
        add_sample(folder, i ? "pruned_light" : "pruned_lite", pruned, &o, list);
        prune_plan_close(&plan);
        pruner_close(pruner);
        model_free(whole);
    }
}

/* Networks of random operations, with every combination of kernel, stride and dilation. */
static void add_random_ones(const char *folder, FILE *list)
{
    enum { PER_OP = 6, H = 41, W = 57 };
    for (int op = OP_CONV; op < OP_COUNT; op++)
        for (int i = 0; i < PER_OP; i++) {
            struct rng rng = rng_stream((uint64_t)op, (uint64_t)i, 1);
            struct model *m = random_model((enum op)op, H, W, &rng);
            if (!m)
                continue;
            const int last = m->graph.n_nodes - 1, outputs[] = {last, last - 1};
            if (last < 2 || graph_set_outputs(&m->graph, outputs, 2) < 0) {
                model_free(m);
                continue;
            }
            const struct onnx_export_options o = {.batch = 2, .h = H, .w = W, .fixed_size = true};
            const struct onnx_export_options free_size = {.h = H, .w = W};
            char name[64];
            snprintf(name, sizeof(name), "random_%s_%d", op_name((enum op)op), i);
            add_sample(folder, name, m, i % 2 ? &o : &free_size, list);
        }
}

int main(int argc, char **argv)
{
    char path[1024];
    if (argc < 2)
        return 64;
    snprintf(path, sizeof(path), "%s/samples.txt", argv[1]);
    FILE *list = fopen(path, "w");
    if (!list)
        die(path);
    add_built(argv[1], list);
    add_pruned(argv[1], list);
    add_random_ones(argv[1], list);
    for (int i = 2; i < argc; i++) {
        const struct onnx_export_options o = {0};
        struct model *m = NULL;
        if (model_load(&m, argv[i], NULL) < 0)
            die(argv[i]);
        snprintf(path, sizeof(path), "model_%d", i - 1);
        add_sample(argv[1], path, m, &o, list);
    }
    return fclose(list) == 0 ? 0 : 1;
}
