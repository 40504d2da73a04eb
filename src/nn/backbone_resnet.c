/*
 * ResNet (He et al., Deep Residual Learning for Image Recognition, 2016): basic blocks for 10, 18
 * and 34 layers, bottlenecks for 50 (with the stride in the 3x3 convolution). No regularisation.
 */
#include "nn/backbone.h"

#include "base/error.h"

#include <stdio.h>

struct depth {
    int layers, repeats[4];
    bool bottleneck;
};

static const struct depth *find_depth(struct builder *b)
{
    static const struct depth depths[] = {
        {10, {1, 1, 1, 1}, false},
        {18, {2, 2, 2, 2}, false},
        {34, {3, 4, 6, 3}, false},
        {50, {3, 4, 6, 3}, true},
    };
    for (size_t i = 0; i < sizeof depths / sizeof depths[0]; i++)
        if (depths[i].layers == b->spec->backbone_layers)
            return &depths[i];
    b->err = error_set(BPNET_ECONFIG,
                       "backbone_attributes.nlayers: resnet has 10, 18, 34 or 50, found %d",
                       b->spec->backbone_layers);
    return NULL;
}

/* Convolution and batch norm, without the ReLU. */
static int add_conv(struct builder *b, const char *block, const char *part, int kernel,
                    int channels, int stride, int input)
{
    char name[GRAPH_NAME_SIZE];
    snprintf(name, sizeof name, "%.40s_conv_%s", block, part);
    struct node conv = builder_conv(name, kernel, channels);
    conv.stride = stride;
    conv.bias = b->spec->backbone_bias;
    const int x = builder_add_conv(b, &conv, WEIGHTS_GLOROT, input);
    return b->spec->backbone_batch_norm ? builder_norm(b, x) : x;
}

static int add_relu_conv(struct builder *b, const char *block, const char *part, int kernel,
                         int channels, int stride, int input)
{
    return builder_act(b, ACT_RELU, add_conv(b, block, part, kernel, channels, stride, input));
}

static int add_block(struct builder *b, const char *block, bool bottleneck, int width, int stride,
                     bool project, int input)
{
    char name[GRAPH_NAME_SIZE];
    const int channels = bottleneck ? 4 * width : width;
    int x = input, shortcut = input;
    if (bottleneck) {
        x = add_relu_conv(b, block, "1", 1, width, 1, x);
        x = add_relu_conv(b, block, "2", 3, width, stride, x);
        x = add_conv(b, block, "3", 1, channels, 1, x);
    } else {
        x = add_relu_conv(b, block, "1", 3, width, stride, x);
        x = add_conv(b, block, "2", 3, channels, 1, x);
    }
    if (project)
        shortcut = add_conv(b, block, "shortcut", 1, channels, stride, input);
    snprintf(name, sizeof name, "%.40s_add", block);
    return builder_act(b, ACT_RELU, builder_join(b, OP_ADD, name, (int[]){x, shortcut}, 2));
}

int backbone_resnet(struct builder *b, int input, int *stride)
{
    char block[GRAPH_NAME_SIZE];
    const struct depth *depth = find_depth(b);
    if (!depth)
        return 0;
    struct node conv1 = builder_conv("conv1", 7, builder_width(b, 64));
    conv1.stride = 2;
    conv1.bias = b->spec->backbone_bias;
    int x = builder_conv_relu(b, &conv1, WEIGHTS_GLOROT, b->spec->backbone_batch_norm, input);
    x = builder_max_pool(b, "pool1", 3, 2, x);
    for (int k = 0; k < 4; k++) {
        const int width = builder_width(b, 64 << k);
        for (int r = 0; r < depth->repeats[k]; r++) {
            snprintf(block, sizeof block, "block_%d%c", k + 1, 'a' + r);
            const bool wider = r == 0 && (k > 0 || depth->bottleneck);
            x = add_block(b, block, depth->bottleneck, width, r == 0 && k > 0 ? 2 : 1, wider, x);
        }
    }
    *stride = 32;
    return x;
}
