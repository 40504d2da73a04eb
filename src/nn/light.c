/*
 * BpNetLightModel, ours, made for CPUs: 3x3 convolutions without bias, batch norm and ReLU, widths
 * that are multiples of 16 (AVX-512's lanes), most work at strides 8 and 16, short stages.
 *
 *     stem /2 16, /4 32 + 1 residual block, /8 64 + 2 (the skip), /16 128 + 3,
 *     back to /8: 1x1 of both to 96, the lower one enlarged, added: 3x3 96 = F.
 */
#include "nn/backbone.h"

#include <stdio.h>

enum { FEATURES = 96 };

static enum weight_init hidden_init(const struct builder *b)
{
    return b->spec->initializer == INIT_HE ? WEIGHTS_HE : WEIGHTS_GLOROT;
}

static int add_conv_norm(struct builder *b, const char *name, int kernel, int channels, int stride,
                         int stage, int x)
{
    struct node conv = builder_conv(name, kernel, builder_width(b, channels));
    conv.stride = stride;
    builder_regularize(b, &conv);
    heads_set_lr(&conv, stage);
    return builder_norm(b, builder_add_conv(b, &conv, hidden_init(b), x));
}

static int add_conv_relu(struct builder *b, const char *name, int kernel, int channels, int stride,
                         int stage, int x)
{
    return builder_act(b, ACT_RELU, add_conv_norm(b, name, kernel, channels, stride, stage, x));
}

static int add_residual(struct builder *b, const char *block, int channels, int input)
{
    char name[GRAPH_NAME_SIZE];
    snprintf(name, sizeof name, "%.40s_conv_1", block);
    int x = add_conv_relu(b, name, 3, channels, 1, 1, input);
    snprintf(name, sizeof name, "%.40s_conv_2", block);
    x = add_conv_norm(b, name, 3, channels, 1, 1, x);
    snprintf(name, sizeof name, "%.40s_add", block);
    return builder_act(b, ACT_RELU, builder_join(b, OP_ADD, name, (int[]){input, x}, 2));
}

/* The lower map enlarged and added to the skip, both brought to the features' width. */
static int merge(struct builder *b, int lower, int skip)
{
    const int low = add_conv_norm(b, "merge_conv_low", 1, FEATURES, 1, 1, lower);
    const int up = builder_upsample2(b, "merge_up", low, skip);
    const int side = add_conv_norm(b, "merge_conv_skip", 1, FEATURES, 1, 1, skip);
    return builder_act(b, ACT_RELU, builder_join(b, OP_ADD, "merge_add", (int[]){up, side}, 2));
}

int backbone_light(struct builder *b, int input, int *stride)
{
    static const struct {
        int channels, blocks;
    } levels[] = {{16, 0}, {32, 1}, {64, 2}, {128, 3}}; /* strides 2, 4, 8, 16 */
    enum { SKIP = 2 };
    char name[GRAPH_NAME_SIZE];
    int x = input, skip = input;
    for (int k = 0; k < 4; k++) {
        snprintf(name, sizeof name, "block_%da_conv_1", k + 1);
        x = add_conv_relu(b, name, 3, levels[k].channels, 2, 1, x);
        for (int r = 0; r < levels[k].blocks; r++) {
            snprintf(name, sizeof name, "block_%d%c", k + 1, 'b' + r);
            x = add_residual(b, name, levels[k].channels, x);
        }
        if (k == SKIP)
            skip = x;
    }
    *stride = 8;
    return add_conv_relu(b, "features", 3, FEATURES, 1, 1, merge(b, x, skip));
}

static int add_branch(struct builder *b, const char *branch, const char *final, int channels,
                      int stage, int x)
{
    char name[GRAPH_NAME_SIZE];
    snprintf(name, sizeof name, "stage%d/%s/conv", stage, branch);
    x = add_conv_relu(b, name, 1, FEATURES, 1, stage, x);
    snprintf(name, sizeof name, "stage%d/%s/out", stage, branch);
    const bool last = stage > 1 && stage == b->spec->stages;
    struct node conv = builder_conv(last ? final : name, 1, channels);
    conv.bias = true;
    builder_regularize(b, &conv);
    heads_set_lr(&conv, stage);
    return builder_add_conv(b, &conv, WEIGHTS_NORMAL, x);
}

static int add_trunk(struct builder *b, int features, int stage, const struct stage_outputs *out)
{
    char name[GRAPH_NAME_SIZE];
    int x = features;
    if (stage > 1) {
        snprintf(name, sizeof name, "stage%d/concat", stage);
        x = builder_join(b, OP_CONCAT, name,
                         (int[]){features, out->heat[stage - 2], out->paf[stage - 2]}, 3);
    }
    for (int i = 1; i <= (stage == 1 ? 1 : 2); i++) {
        snprintf(name, sizeof name, "stage%d/conv%d", stage, i);
        x = add_conv_relu(b, name, 3, FEATURES, 1, stage, x);
    }
    return x;
}

void heads_light(struct builder *b, int features, struct stage_outputs *out)
{
    for (int stage = 1; stage <= b->spec->stages; stage++) {
        const int x = add_trunk(b, features, stage, out);
        out->heat[stage - 1] =
            add_branch(b, "heat_branch", "heatmap_out", b->spec->heat_channels, stage, x);
        out->paf[stage - 1] =
            add_branch(b, "paf_branch", "paf_out", b->spec->paf_channels, stage, x);
    }
}
