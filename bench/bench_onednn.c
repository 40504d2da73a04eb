/*
 * oneDNN (2.x) as a contender of bench/peers: the convolutions, pools, sums and concatenations of a
 * model's lowered network as a sequence of its primitives, every one with the formats it likes
 * best; random weights. Usage:
 *
 *     OMP_NUM_THREADS=N bench-onednn MODEL fp32|bf16|int8
 *
 * Winograd's algorithm is asked for where it exists, since the library never chooses it by itself,
 * and kept when the whole network is faster with it.
 */
#include "base/clock.h"
#include "base/error.h"
#include "base/rng.h"
#include "deploy/network.h"

#include <math.h>
#include <oneapi/dnnl/dnnl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HEIGHT = 288, WIDTH = 384, MAX_RUNS = 100000, MAX_ARGS = 16, DIMS = 4 };

struct call {
    dnnl_primitive_t primitive;
    dnnl_exec_arg_t args[MAX_ARGS];
    int n_args;
};

struct sequence {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
    dnnl_data_type_t type; /* of maps */
    bool winograd;
    struct network net;
    dnnl_memory_t *maps; /* per tensor; NULL: not made yet */
    struct call *calls;
    int n_calls;
    int64_t macs;
    struct rng rng;
};

/* Everything that fails does so while the sequence is built. */
static void must(dnnl_status_t status, const char *what)
{
    if (status == dnnl_success)
        return;
    fprintf(stderr, "bench-onednn: %s: status %d\n", what, (int)status);
    exit(1);
}

/* ---- memory ------------------------------------------------------------------------------ */

static dnnl_memory_desc_t map_format(int channels, int h, int w, dnnl_data_type_t type, bool any)
{
    const dnnl_dims_t dims = {1, channels, h, w};
    dnnl_memory_desc_t md;
    must(dnnl_memory_desc_init_by_tag(&md, DIMS, dims, type, any ? dnnl_format_tag_any : dnnl_nhwc),
         "a format");
    return md;
}

/* Small random numbers, whatever the order. */
static void fill(struct sequence *s, dnnl_memory_t memory, const dnnl_memory_desc_t *md)
{
    void *data;
    must(dnnl_memory_get_data_handle(memory, &data), "memory");
    const size_t size = dnnl_memory_desc_get_size(md);
    const bool floats = md->data_type == dnnl_f32, halves = md->data_type == dnnl_bf16;
    for (size_t i = 0; floats && i < size / sizeof(float); i++)
        ((float *)data)[i] = (float)(rng_uniform(&s->rng) - 0.5) * 0.1F;
    for (size_t i = 0; halves && i < size / sizeof(uint16_t); i++)
        ((uint16_t *)data)[i] =
            (uint16_t)(0x3c00 | rng_integer(&s->rng, 0, 127) | rng_integer(&s->rng, 0, 1) << 15);
    for (size_t i = 0; !floats && !halves && i < size; i++)
        ((uint8_t *)data)[i] = (uint8_t)rng_integer(&s->rng, 0, 255);
}

static dnnl_memory_t memory_of(struct sequence *s, const dnnl_memory_desc_t *md)
{
    dnnl_memory_t memory;
    must(dnnl_memory_create(&memory, md, s->engine, DNNL_MEMORY_ALLOCATE), "memory");
    fill(s, memory, md);
    return memory;
}

static const dnnl_memory_desc_t *format_of(dnnl_memory_t memory)
{
    const dnnl_memory_desc_t *md;
    must(dnnl_memory_get_memory_desc(memory, &md), "a format");
    return md;
}

/* ---- calls ------------------------------------------------------------------------------- */

static struct call *new_call(struct sequence *s, dnnl_primitive_desc_t pd)
{
    struct call *call = &s->calls[s->n_calls++];
    must(dnnl_primitive_create(&call->primitive, pd), "a primitive");
    return call;
}

static void add_arg(struct call *call, int arg, dnnl_memory_t memory)
{
    call->args[call->n_args++] = (dnnl_exec_arg_t){arg, memory};
}

/* The map in that format: itself, or reordered. */
static dnnl_memory_t in_format(struct sequence *s, dnnl_memory_t map, const dnnl_memory_desc_t *md)
{
    dnnl_primitive_desc_t pd;
    if (dnnl_memory_desc_equal(format_of(map), md))
        return map;
    dnnl_memory_t other = memory_of(s, md);
    must(dnnl_reorder_primitive_desc_create(&pd, format_of(map), s->engine, md, s->engine, NULL),
         "a reorder");
    struct call *call = new_call(s, pd);
    add_arg(call, DNNL_ARG_FROM, map);
    add_arg(call, DNNL_ARG_TO, other);
    return other;
}

static dnnl_memory_t map_of(struct sequence *s, int tensor);

/* The parts of a joint tensor, copied into one map. */
static dnnl_memory_t concatenate(struct sequence *s, const struct tensor *t)
{
    dnnl_memory_t parts[GRAPH_MAX_INPUTS];
    dnnl_memory_desc_t formats[GRAPH_MAX_INPUTS];
    dnnl_primitive_desc_t pd;
    for (int i = 0; i < t->n_parts; i++) {
        parts[i] = map_of(s, t->parts[i]);
        formats[i] = *format_of(parts[i]);
    }
    must(dnnl_concat_primitive_desc_create(&pd, NULL, t->n_parts, 1, formats, NULL, s->engine),
         "a concatenation");
    struct call *call = new_call(s, pd);
    dnnl_memory_t whole = memory_of(s, dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0));
    for (int i = 0; i < t->n_parts; i++)
        add_arg(call, DNNL_ARG_MULTIPLE_SRC + i, parts[i]);
    add_arg(call, DNNL_ARG_DST, whole);
    return whole;
}

static dnnl_memory_t map_of(struct sequence *s, int tensor)
{
    if (!s->maps[tensor] && s->net.tensors[tensor].n_parts > 0)
        s->maps[tensor] = concatenate(s, &s->net.tensors[tensor]);
    if (!s->maps[tensor])
        must(dnnl_invalid_arguments, s->net.tensors[tensor].name);
    return s->maps[tensor];
}

/* ---- layers ------------------------------------------------------------------------------ */

static bool rectified(const struct layer *l)
{
    return l->low > -INFINITY;
}

static dnnl_primitive_attr_t attributes(struct sequence *s, const struct layer *l)
{
    dnnl_primitive_attr_t attr;
    dnnl_post_ops_t ops;
    must(dnnl_primitive_attr_create(&attr), "attributes");
    must(dnnl_post_ops_create(&ops), "post-ops");
    if (s->type == dnnl_u8) {
        const float scale = 1.0F / 512;
        must(dnnl_primitive_attr_set_output_scales(attr, 1, 0, &scale), "scales");
    }
    if (l->added >= 0)
        must(dnnl_post_ops_append_binary(ops, dnnl_binary_add, format_of(map_of(s, l->added))),
             "a sum");
    if (rectified(l))
        must(dnnl_post_ops_append_eltwise(ops, 1.0F, dnnl_eltwise_relu, 0.0F, 0.0F), "a ReLU");
    must(dnnl_primitive_attr_set_post_ops(attr, ops), "post-ops");
    return attr;
}

/* Padding behind, from the sizes. */
static void paddings(const struct conv_geometry *g, dnnl_dims_t before, dnnl_dims_t behind)
{
    before[0] = g->pad_top;
    before[1] = g->pad_left;
    behind[0] =
        (g->out_h - 1) * g->stride + (g->kernel_h - 1) * g->dilation + 1 - g->in_h - g->pad_top;
    behind[1] =
        (g->out_w - 1) * g->stride + (g->kernel_w - 1) * g->dilation + 1 - g->in_w - g->pad_left;
}

static dnnl_primitive_desc_t describe_conv(struct sequence *s, const struct layer *l,
                                           dnnl_primitive_attr_t attr, dnnl_data_type_t out)
{
    const struct conv_geometry *g = &l->geometry;
    const dnnl_dims_t strides = {g->stride, g->stride};
    const dnnl_dims_t dilates = {g->dilation - 1, g->dilation - 1};
    const dnnl_dims_t kernel = {g->out_c, g->in_c, g->kernel_h, g->kernel_w}, bias = {g->out_c};
    const bool first = l->inputs[0] == 0;
    dnnl_dims_t before, behind;
    paddings(g, before, behind);
    const dnnl_memory_desc_t src = map_format(g->in_c, g->in_h, g->in_w, s->type, !first);
    const dnnl_memory_desc_t dst = map_format(g->out_c, g->out_h, g->out_w, out, true);
    dnnl_memory_desc_t w, b;
    must(dnnl_memory_desc_init_by_tag(&w, DIMS, kernel, s->type == dnnl_u8 ? dnnl_s8 : s->type,
                                      dnnl_format_tag_any),
         "weights");
    must(dnnl_memory_desc_init_by_tag(&b, 1, bias, dnnl_f32, dnnl_x), "biases");
    static const dnnl_alg_kind_t ways[] = {dnnl_convolution_winograd, dnnl_convolution_direct};
    for (int i = s->winograd ? 0 : 1; i < 2; i++) {
        dnnl_convolution_desc_t conv;
        dnnl_primitive_desc_t pd;
        if (dnnl_dilated_convolution_forward_desc_init(&conv, dnnl_forward_inference, ways[i], &src,
                                                       &w, &b, &dst, strides, dilates, before,
                                                       behind) == dnnl_success &&
            dnnl_primitive_desc_create(&pd, &conv, attr, s->engine, NULL) == dnnl_success)
            return pd;
    }
    must(dnnl_unimplemented, "a convolution");
    return NULL;
}

static dnnl_memory_t add_conv(struct sequence *s, const struct layer *l)
{
    const struct conv_geometry *g = &l->geometry;
    bool is_output = false;
    for (int k = 0; k < s->net.n_outputs; k++)
        is_output |= s->net.outputs[k] == l->output;
    if (l->depthwise)
        must(dnnl_unimplemented, "depthwise convolutions are not in this driver");
    const dnnl_primitive_desc_t pd =
        describe_conv(s, l, attributes(s, l), is_output ? dnnl_f32 : s->type);
    dnnl_memory_t x = in_format(s, map_of(s, l->inputs[0]),
                                dnnl_primitive_desc_query_md(pd, dnnl_query_src_md, 0));
    struct call *call = new_call(s, pd);
    dnnl_memory_t y = memory_of(s, dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0));
    add_arg(call, DNNL_ARG_SRC, x);
    add_arg(call, DNNL_ARG_WEIGHTS,
            memory_of(s, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0)));
    add_arg(call, DNNL_ARG_BIAS,
            memory_of(s, dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 1)));
    add_arg(call, DNNL_ARG_DST, y);
    if (l->added >= 0)
        add_arg(call, DNNL_ARG_ATTR_MULTIPLE_POST_OP(0) | DNNL_ARG_SRC_1, map_of(s, l->added));
    s->macs += (int64_t)g->out_h * g->out_w * g->out_c * g->kernel_h * g->kernel_w * g->in_c;
    return y;
}

static dnnl_memory_t add_upsample(struct sequence *s, const struct layer *l)
{
    const float factors[] = {2, 2};
    const dnnl_memory_desc_t *src = format_of(map_of(s, l->inputs[0]));
    dnnl_resampling_desc_t d;
    dnnl_primitive_desc_t pd;
    must(dnnl_resampling_forward_desc_init(&d, dnnl_forward_inference, dnnl_resampling_linear,
                                           factors, src, NULL),
         "an enlargement");
    must(dnnl_primitive_desc_create(&pd, &d, NULL, s->engine, NULL), "an enlargement");
    struct call *call = new_call(s, pd);
    dnnl_memory_t y = memory_of(s, dnnl_primitive_desc_query_md(pd, dnnl_query_dst_md, 0));
    add_arg(call, DNNL_ARG_SRC, map_of(s, l->inputs[0]));
    add_arg(call, DNNL_ARG_DST, y);
    return y;
}

static void build(struct sequence *s)
{
    s->maps = calloc((size_t)s->net.n_tensors, sizeof *s->maps);
    s->calls = calloc((size_t)s->net.n_layers * 4, sizeof *s->calls);
    if (!s->maps || !s->calls)
        must(dnnl_out_of_memory, "tables");
    const dnnl_memory_desc_t input = map_format(3, HEIGHT, WIDTH, s->type, false);
    s->maps[0] = memory_of(s, &input);
    for (int i = 0; i < s->net.n_layers; i++) {
        const struct layer *l = &s->net.layers[i];
        if (l->kind == LAYER_CONV)
            s->maps[l->output] = add_conv(s, l);
        else if (l->kind == LAYER_UPSAMPLE2)
            s->maps[l->output] = add_upsample(s, l);
        else if (l->kind == LAYER_CONVERT) /* a copy, which it is spared */
            s->maps[l->output] = map_of(s, l->inputs[0]);
        else
            must(dnnl_unimplemented, s->net.tensors[l->output].name);
    }
}

/* ---- turns ------------------------------------------------------------------------------- */

static double run(const struct sequence *s)
{
    const int64_t start = clock_ns();
    for (int i = 0; i < s->n_calls; i++) {
        const struct call *c = &s->calls[i];
        must(dnnl_primitive_execute(c->primitive, s->stream, c->n_args, c->args), "running");
    }
    must(dnnl_stream_wait(s->stream), "running");
    return clock_seconds_since(start) * 1e3;
}

static double least(const struct sequence *s)
{
    double ms = INFINITY;
    for (int i = 0; i < 4; i++)
        ms = fmin(ms, run(s));
    return ms;
}

static void take_turns(const struct sequence *s)
{
    char line[64];
    const dnnl_version_t *v = dnnl_version();
    double *ms = malloc(MAX_RUNS * sizeof *ms);
    for (int i = 0; i < 2; i++)
        run(s);
    printf("ready %d.%d.%d\n", v->major, v->minor, v->patch);
    fflush(stdout);
    while (ms && fgets(line, sizeof line, stdin)) {
        const long n = strtol(line, NULL, 10);
        for (long i = 0; i < n && i < MAX_RUNS; i++)
            ms[i] = run(s);
        for (long i = 0; i < n && i < MAX_RUNS; i++)
            printf("%s%.4f", i ? " " : "", ms[i]);
        printf("\n");
        fflush(stdout);
    }
    free(ms);
}

int main(int argc, char **argv)
{
    struct sequence s = {.rng = rng_stream(1, 0, 0)};
    struct model *model;
    if (argc != 3) {
        fprintf(stderr, "usage: OMP_NUM_THREADS=N bench-onednn MODEL fp32|bf16|int8\n");
        return 64;
    }
    s.type = strcmp(argv[2], "int8") == 0   ? dnnl_u8
             : strcmp(argv[2], "bf16") == 0 ? dnnl_bf16
                                            : dnnl_f32;
    if (model_load(&model, argv[1], NULL) < 0 || network_lower(&s.net, model, HEIGHT, WIDTH) < 0) {
        fprintf(stderr, "bench-onednn: %s\n", error_message());
        return 1;
    }
    must(dnnl_engine_create(&s.engine, dnnl_cpu, 0), "an engine");
    must(dnnl_stream_create(&s.stream, s.engine, dnnl_stream_default_flags), "a stream");
    struct sequence other = s;
    build(&s);
    if (s.type == dnnl_f32) {
        other.winograd = true;
        build(&other);
        if (least(&other) < least(&s))
            s = other;
    }
    take_turns(&s);
    return 0; /* the system takes the memory back */
}
