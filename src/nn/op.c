/* The op table, and the padding rule that several operations share. */
#include "nn/op.h"

#include "base/error.h"

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
    [OP_INPUT] = &op_input,   [OP_CONV] = &op_conv,         [OP_NORM] = &op_norm,
    [OP_ACT] = &op_act,       [OP_ADD] = &op_add,           [OP_MUL] = &op_mul,
    [OP_CONCAT] = &op_concat, [OP_MAX_POOL] = &op_max_pool, [OP_UPSAMPLE2] = &op_upsample2,
};

const char *op_name(enum op op)
{
    return op_rows[op]->name;
}

int same_size(int size, int stride)
{
    return (size - 1) / stride + 1;
}

int same_pad(int size, int kernel, int stride, int dilation)
{
    const int reach = (kernel - 1) * dilation + 1;
    const int total = (same_size(size, stride) - 1) * stride + reach - size;
    return total > 0 ? total / 2 : 0;
}
