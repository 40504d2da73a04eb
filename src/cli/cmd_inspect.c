/* bpnet inspect: what a model file, an engine, or the network of a spec is made of. */
#include "cli/cmd.h"

#include "base/error.h"
#include "base/str.h"
#include "cli/inspect_engine.h"
#include "cli/load_model.h"
#include "io/container.h"
#include "io/json.h"
#include "nn/exec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_SIDE = 8192 };

struct args {
    struct common_args common;
    const char *input_dims;
    bool summary;
};

#define AT(member) offsetof(struct args, member)

static const struct option options[] = {
    {"input_dims", "d", OPTION_TEXT, AT(input_dims), "H,W",
     .help = "picture size to count for; without: that of training"},
    {"summary", NULL, OPTION_FLAG, AT(summary), .help = "totals only, no layers"},
};

/* Everything that is printed. */
struct subject {
    const char *path;
    const char *kind;      /* "model", "checkpoint", "engine", "onnx", "spec" */
    struct container file; /* zero for an ONNX file and a spec */
    bool sealed;
    uint64_t file_size;
    struct model *model;
    int h, w;
    int (*shapes)[2];
    int64_t *macs, total_macs;
    size_t *parameters; /* of each node */
    size_t memory;      /* of running one picture, in bytes */
    char hash[33];
};

static void subject_free(struct subject *s)
{
    container_close(&s->file);
    model_free(s->model);
    free(s->shapes);
    free(s->macs);
    free(s->parameters);
}

static bool ends_in(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

static int load(struct subject *s, const struct run *run)
{
    enum network_kind kind;
    if (ends_in(s->path, ".yaml") || ends_in(s->path, ".yml")) {
        const struct spec_overrides overrides = {run->common->set.items, run->common->set.n};
        struct experiment_spec *spec = NULL;
        int err = experiment_spec_load(&spec, s->path, &overrides);
        if (err == 0)
            err = model_build(&s->model, spec);
        experiment_spec_free(spec);
        s->kind = "spec";
        return err;
    }
    int err = network_kind(&kind, &s->sealed, run, s->path);
    if (err == BPNET_OK && kind == NETWORK_ONNX) {
        s->kind = "onnx";
        return load_model(&s->model, run, s->path);
    }
    if (err == BPNET_OK)
        err = container_open(&s->file, s->path, NULL, run->key);
    if (err < 0)
        return err;
    s->file_size = s->file.file.size;
    s->kind = s->file.kind;
    return strcmp(s->file.kind, "engine") == 0 ? BPNET_OK
                                               : model_from_container(&s->model, &s->file);
}

/* "288,384" or "288,384,3" */
static int parse_dims(struct subject *s, const char *text)
{
    int channels = 3;
    char rest;
    const int n = sscanf(text, "%d,%d,%d%c", &s->h, &s->w, &channels, &rest);
    if ((n != 2 && n != 3) || channels != 3 || s->h < 1 || s->w < 1 || s->h > MAX_SIDE ||
        s->w > MAX_SIDE)
        return error_set(BPNET_EUSAGE,
                         "inspect: --input_dims '%s': expected H,W or H,W,3, up to %d each", text,
                         MAX_SIDE);
    return BPNET_OK;
}

/* How much memory a picture takes, by planning for one. */
static int measure_memory(struct subject *s, const struct run *run)
{
    struct kernels kernels;
    struct workers *workers = NULL;
    struct exec *exec = NULL;
    kernels_init(&kernels, run->cpu);
    int err = workers_open(&workers, (unsigned)run->common->threads);
    const struct exec_options how = {
        .batch = 1, .h = s->h, .w = s->w, .kernels = &kernels, .workers = workers};
    if (err == 0 && (err = exec_open(&exec, s->model, &how)) == 0)
        s->memory = exec_memory(exec);
    exec_close(exec);
    workers_close(workers);
    return err;
}

static int measure(struct subject *s, const struct run *run)
{
    const struct graph *g = &s->model->graph;
    const size_t n = (size_t)g->n_nodes;
    s->shapes = calloc(n, sizeof(*s->shapes));
    s->macs = calloc(n, sizeof(*s->macs));
    s->parameters = calloc(n, sizeof(*s->parameters));
    if (!s->shapes || !s->macs || !s->parameters)
        return error_set(BPNET_ENOMEM, "%s: no memory for %zu layers", s->path, n);
    const int err = graph_infer(g, s->h, s->w, s->shapes);
    if (err < 0)
        return err;
    s->total_macs = graph_macs(g, s->h, s->w, s->macs);
    for (int i = 0; i < s->model->params.n; i++)
        s->parameters[s->model->params.list[i].node] += s->model->params.list[i].count;
    params_hash(&s->model->params, s->hash);
    return measure_memory(s, run);
}

/* ---- for people ---------------------------------------------------------------------------- */

/* One number if all three are it. */
static void print_triple(const float v[3])
{
    printf("%g", (double)v[0]);
    if (memcmp(v, v + 1, 2 * sizeof *v) != 0)
        printf(",%g,%g", (double)v[1], (double)v[2]);
}

static void print_head(struct subject *s)
{
    const struct model_meta *m = &s->model->meta;
    char number[16];
    if (s->file_size) {
        printf("%-11s %s, %s%sB:", s->kind, s->path, s->sealed ? "sealed, " : "",
               short_number(number, (double)s->file_size));
        for (uint32_t i = 0; i < s->file.n_sections; i++) {
            size_t size;
            const char *name = container_section_name(&s->file, i, &size);
            printf("%s %s %sB", i ? "," : "", name, short_number(number, (double)size));
        }
        printf("\n%-11s %s\n", "weights", s->hash);
    } else {
        printf("%-11s %s%s\n", s->kind, s->path, s->sealed ? ", sealed" : "");
    }
    if (m->description[0])
        printf("%-11s %s\n", "about", m->description);
    if (m->stages > 0)
        printf("%-11s %s: %d joints, %d limbs\n", "skeleton", m->skeleton.type,
               m->skeleton.n_joints, m->skeleton.n_limbs);
    else
        printf("%-11s %d, which are not heatmaps and PAFs\n", "outputs", s->model->graph.n_outputs);
    printf("%-11s RGB / ", "input");
    print_triple(m->scale);
    printf(" - ");
    print_triple(m->offset);
    printf(", trained at %dx%d, %d stages, stride %d\n", m->input_h, m->input_w, m->stages,
           m->stride);
    if (m->epoch)
        printf("%-11s %lld\n", "epochs", (long long)m->epoch);
}

static void print_layers(const struct subject *s)
{
    const struct graph *g = &s->model->graph;
    printf("\n%-34s %-10s %-15s %11s  %9s\n", "layer", "kind", "height x width", "parameters",
           "MACs");
    for (int i = 0; i < g->n_nodes; i++) {
        const struct node *n = &g->nodes[i];
        char kind[32], shape[48], number[16];
        snprintf(kind, sizeof(kind), "%s", op_name(n->op));
        if (n->op == OP_CONV)
            snprintf(kind, sizeof(kind), "%s %dx%d%s", op_name(n->op), n->kernel, n->kernel,
                     n->stride > 1 ? "/2" : "");
        snprintf(shape, sizeof(shape), "%dx%dx%d", s->shapes[i][0], s->shapes[i][1], n->channels);
        printf("%-34s %-10s ", n->name, kind);
        if (s->parameters[i])
            printf("%-15s %11zu", shape, s->parameters[i]);
        else
            printf("%s", shape);
        if (s->macs[i])
            printf("  %9s", short_number(number, (double)s->macs[i]));
        printf("\n");
    }
}

static void print_totals(const struct subject *s)
{
    const struct params *p = &s->model->params;
    char number[16];
    printf("\n%-11s %zu, of which %zu are trained\n", "parameters", params_total(p),
           params_trainable(p));
    printf("%-11s %s at %dx%d, one picture\n", "MACs", short_number(number, (double)s->total_macs),
           s->h, s->w);
    printf("%-11s %sB to run one picture, weights included\n", "memory",
           short_number(number, (double)s->memory));
}

/* ---- for programs -------------------------------------------------------------------------- */

static void print_json_layers(struct json_writer *w, const struct subject *s)
{
    const struct graph *g = &s->model->graph;
    json_write_key(w, "layers");
    json_begin_array(w);
    for (int i = 0; i < g->n_nodes; i++) {
        json_begin_object(w);
        json_write_key(w, "name");
        json_write_string(w, g->nodes[i].name);
        json_write_key(w, "kind");
        json_write_string(w, op_name(g->nodes[i].op));
        json_write_key(w, "shape");
        json_begin_array(w);
        json_write_integer(w, s->shapes[i][0]);
        json_write_integer(w, s->shapes[i][1]);
        json_write_integer(w, g->nodes[i].channels);
        json_end_array(w);
        json_write_key(w, "parameters");
        json_write_integer(w, (int64_t)s->parameters[i]);
        json_write_key(w, "macs");
        json_write_integer(w, s->macs[i]);
        json_end_object(w);
    }
    json_end_array(w);
}

static void print_json(const struct subject *s, bool layers)
{
    struct json_writer w = {.stream = stdout, .indent = 2};
    json_begin_object(&w);
    json_write_key(&w, "file");
    json_write_string(&w, s->path);
    json_write_key(&w, "kind");
    json_write_string(&w, s->kind);
    json_write_key(&w, "sealed");
    json_write_bool(&w, s->sealed);
    json_write_key(&w, "weights_hash");
    json_write_string(&w, s->hash);
    json_write_key(&w, "skeleton");
    json_write_string(&w, s->model->meta.skeleton.type);
    json_write_key(&w, "stages");
    json_write_integer(&w, s->model->meta.stages);
    json_write_key(&w, "stride");
    json_write_integer(&w, s->model->meta.stride);
    json_write_key(&w, "epoch");
    json_write_integer(&w, s->model->meta.epoch);
    json_write_key(&w, "input_height");
    json_write_integer(&w, s->h);
    json_write_key(&w, "input_width");
    json_write_integer(&w, s->w);
    json_write_key(&w, "parameters");
    json_write_integer(&w, (int64_t)params_total(&s->model->params));
    json_write_key(&w, "trainable");
    json_write_integer(&w, (int64_t)params_trainable(&s->model->params));
    json_write_key(&w, "macs");
    json_write_integer(&w, s->total_macs);
    json_write_key(&w, "memory_bytes");
    json_write_integer(&w, (int64_t)s->memory);
    if (layers)
        print_json_layers(&w, s);
    json_end_object(&w);
    printf("\n");
}

static int run_inspect(struct run *run, const void *a)
{
    const struct args *args = a;
    struct subject s = {.path = run->operands.items[0]};
    int err = args->input_dims ? parse_dims(&s, args->input_dims) : BPNET_OK;
    if (err < 0 || (err = load(&s, run)) < 0)
        goto done;
    if (!s.model) {
        err = args->input_dims
                  ? error_set(BPNET_EUSAGE, "inspect: --input_dims: an engine has one size")
                  : inspect_engine(run, &s.file, s.path, args->summary);
        goto done;
    }
    if (!args->input_dims) {
        s.h = s.model->meta.input_h;
        s.w = s.model->meta.input_w;
    }
    if ((err = measure(&s, run)) < 0)
        goto done;
    if (run->common->json) {
        print_json(&s, !args->summary);
    } else {
        print_head(&s);
        if (!args->summary)
            print_layers(&s);
        print_totals(&s);
    }
done:
    subject_free(&s);
    return err;
}

static const char *const examples[] = {
    "bpnet inspect model.bpnet",
    "sections, layers, shapes, parameters, multiply-accumulates, memory",
    "bpnet inspect train.yaml --summary -d 288,384 --set model.stages=2",
    "what the network of a spec would cost",
    NULL,
};

const struct verb cmd_inspect = {
    .name = "inspect",
    .group = "Look inside",
    .summary = "layers, parameters, cost of a model, engine or spec",
    .operands = "MODEL|ENGINE|ONNX|SPEC",
    .description =
        "Print what a model file, checkpoint or ONNX file holds, the steps of an engine with their "
        "kernels and times, or what the network of an experiment spec (.yaml) would be.",
    .examples = examples,
    .options = {options, sizeof(options) / sizeof(options[0])},
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_inspect,
};
