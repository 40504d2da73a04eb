/* The op table, and windows, which several operations share. */
#include "nn/op.h"

#include "base/error.h"
#include "nn/run.h"

static int input_check(const struct graph *g, const struct node *n)
{
    (void)g;
    (void)n;
    return BPNET_OK; /* graph_check() knows where an input may be */
}

static int input_infer(const struct graph *g, const struct node *n, const int (*hw)[2], int out[2])
{
    (void)g;
    (void)n;
    (void)hw;
    (void)out; /* given, not inferred */
    return BPNET_OK;
}

static const struct op_row op_input = {
    .name = "input",
    .check = input_check,
    .infer = input_infer,
};

const struct op_row *const op_rows[OP_COUNT] = {
    [OP_INPUT] = &op_input,       [OP_CONV] = &op_conv,         [OP_NORM] = &op_norm,
    [OP_ACT] = &op_act,           [OP_ADD] = &op_add,           [OP_MUL] = &op_mul,
    [OP_CONCAT] = &op_concat,     [OP_MAX_POOL] = &op_max_pool, [OP_UPSAMPLE2] = &op_upsample2,
    [OP_AVG_POOL] = &op_avg_pool, [OP_RESIZE] = &op_resize,     [OP_PRELU] = &op_prelu,
};

const char *op_name(enum op op)
{
    return op_rows[op]->name;
}

int check_same_channels(const struct graph *g, const struct node *n)
{
    const struct node *input = &g->nodes[n->inputs[0]];
    if (n->channels != input->channels)
        return error_set(BPNET_EFORMAT, "node '%s': %d channels, its input '%s' has %d", n->name,
                         n->channels, input->name, input->channels);
    return BPNET_OK;
}

/* ---- windows ----------------------------------------------------------------------------- */

static int reach_of(const struct node *n)
{
    return (n->kernel - 1) * n->dilation + 1;
}

struct window node_window(const struct node *n, const int in[2])
{
    struct window w;
    for (int axis = 0; axis < 2; axis++) {
        const int reach = reach_of(n), size = in[axis];
        if (n->padding == PAD_GIVEN) {
            const int room = size + n->pad[axis] + n->pad[axis + 2] - reach;
            w.out[axis] = room < 0 ? 0 : room / n->stride + 1;
            w.pad[axis] = n->pad[axis];
        } else {
            w.out[axis] = (size - 1) / n->stride + 1;
            const int missing = (w.out[axis] - 1) * n->stride + reach - size;
            const int zeros = missing > 0 ? missing : 0;
            w.pad[axis] = (zeros + (n->padding == PAD_SAME_LOWER)) / 2;
        }
    }
    return w;
}

static int check_padding(const struct node *n)
{
    if ((int)n->padding < 0 || n->padding >= PAD_COUNT)
        return error_set(BPNET_EFORMAT, "node '%s': its kind of padding is unknown", n->name);
    for (int side = 0; side < 4 && n->padding == PAD_GIVEN; side++)
        if (n->pad[side] < 0 || n->pad[side] >= reach_of(n))
            return error_set(BPNET_EFORMAT,
                             "node '%s': padding %d, expected 0 to %d, within the kernel's reach",
                             n->name, n->pad[side], reach_of(n) - 1);
    return BPNET_OK;
}

int window_check(const struct node *n)
{
    if (n->kernel < 1 || n->kernel > GRAPH_MAX_KERNEL || n->stride < 1 ||
        n->stride > GRAPH_MAX_STRIDE || n->dilation < 1 || n->dilation > GRAPH_MAX_DILATION)
        return error_set(BPNET_EFORMAT,
                         "node '%s': kernel %d, stride %d, dilation %d; expected 1 to %d, %d and "
                         "%d",
                         n->name, n->kernel, n->stride, n->dilation, GRAPH_MAX_KERNEL,
                         GRAPH_MAX_STRIDE, GRAPH_MAX_DILATION);
    return check_padding(n);
}

int window_infer(const struct graph *g, const struct node *n, const int (*hw)[2], int out[2])
{
    const int *in = hw[n->inputs[0]];
    const struct window w = node_window(n, in);
    (void)g;
    if (w.out[0] < 1 || w.out[1] < 1)
        return error_set(BPNET_EUSAGE, "node '%s': its window of %d does not fit into %d x %d",
                         n->name, reach_of(n), in[0], in[1]);
    out[0] = w.out[0];
    out[1] = w.out[1];
    return BPNET_OK;
}

struct conv_geometry window_geometry(const struct node *n, const struct map *in,
                                     const struct map *out)
{
    const struct window w = node_window(n, (const int[2]){in->h, in->w});
    return (struct conv_geometry){
        .in_h = in->h,
        .in_w = in->w,
        .in_c = in->channels,
        .out_h = out->h,
        .out_w = out->w,
        .out_c = out->channels,
        .kernel_h = n->kernel,
        .kernel_w = n->kernel,
        .stride = n->stride,
        .dilation = n->dilation,
        .pad_top = w.pad[0],
        .pad_left = w.pad[1],
        .in_pitch = in->pitch,
        .out_pitch = out->pitch,
    };
}
