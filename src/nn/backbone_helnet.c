/*
 * HelNet (spec 6.5): a 7x7 convolution, then three blocks of plain 3x3 convolutions; the customary
 * fourth block is cut off. No weight regularisation. "Dilated" variants give dilation 2 to the
 * convolutions that the variant keeps from striding: conv1, or the first one of each repeat in the
 * third block.
 */
#include "nn/backbone.h"

#include "base/error.h"

#include <stdio.h>

struct depth {
    int layers, repeats[3], convs;
};

static const struct depth *find_depth(struct builder *b)
{
    static const struct depth depths[] = {
        {6, {1, 1, 1}, 1},  {10, {1, 1, 1}, 2}, {12, {1, 1, 2}, 2},
        {18, {2, 2, 2}, 2}, {26, {3, 4, 3}, 2}, {34, {3, 4, 6}, 2},
    };
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++)
        if (depths[i].layers == b->spec->backbone_layers)
            return &depths[i];
    b->err = error_set(BPNET_ECONFIG,
                       "backbone_attributes.nlayers: helnet has 6, 10, 12, 18, 26 or 34, found %d",
                       b->spec->backbone_layers);
    return NULL;
}

static int add_conv(struct builder *b, struct node *conv, int input)
{
    conv->bias = b->spec->backbone_bias;
    return builder_conv_relu(b, conv, WEIGHTS_GLOROT, b->spec->backbone_batch_norm, input);
}

/* Block `index` (from 0): its first convolution has the stride. */
static int add_block(struct builder *b, const struct depth *depth, int index, int stride,
                     int dilation, int x)
{
    char name[GRAPH_NAME_SIZE];
    for (int r = 0; r < depth->repeats[index]; r++) {
        for (int c = 0; c < depth->convs; c++) {
            snprintf(name, sizeof name, "block_%d%c_conv_%d", index + 1, 'a' + r, c + 1);
            struct node conv = builder_conv(name, 3, builder_width(b, 64 << index));
            conv.stride = r == 0 && c == 0 ? stride : 1;
            conv.dilation = c == 0 ? dilation : 1;
            x = add_conv(b, &conv, x);
        }
    }
    return x;
}

int backbone_helnet(struct builder *b, int input, int *stride)
{
    static const struct {
        int stride1, dilation1, stride3, dilation3;
    } kinds[] = {
        [HELNET_DEFAULT] = {2, 1, 2, 1},        [HELNET_S8_3RD] = {2, 1, 1, 1},
        [HELNET_S8_3RD_DILATED] = {2, 1, 1, 2}, [HELNET_S8_1ST] = {1, 1, 2, 1},
        [HELNET_S8_1ST_DILATED] = {1, 2, 2, 1},
    };
    const struct depth *depth = find_depth(b);
    if (!depth)
        return 0;
    struct node conv1 = builder_conv("conv1", 7, builder_width(b, 64));
    conv1.stride = kinds[b->spec->helnet].stride1;
    conv1.dilation = kinds[b->spec->helnet].dilation1;
    int x = add_conv(b, &conv1, input);
    x = add_block(b, depth, 0, 2, 1, x);
    x = add_block(b, depth, 1, 2, 1, x);
    x = add_block(b, depth, 2, kinds[b->spec->helnet].stride3, kinds[b->spec->helnet].dilation3, x);
    *stride = conv1.stride * 4 * kinds[b->spec->helnet].stride3;
    return x;
}
