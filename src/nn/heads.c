/*
 * The reference's stages (spec 6.3, 6.4). Lite: heatmaps and PAFs share each stage's trunk; full:
 * each has its own. A later stage sees [F, heatmaps, PAFs] of the one before.
 */
#include "nn/backbone.h"

#include <stdio.h>

enum { HIDDEN = 128, HIDDEN_1 = 512 };

struct branch {
    const char *name;  /* "heat_branch" */
    const char *final; /* the last stage's output */
    int channels;
    enum activation attention;
};

static struct branch heat_branch(const struct builder *b)
{
    return (struct branch){"heat_branch", "heatmap_out", b->spec->heat_channels, ACT_SIGMOID};
}

static struct branch paf_branch(const struct builder *b)
{
    return (struct branch){"paf_branch", "paf_out", b->spec->paf_channels, ACT_TANH};
}

void heads_set_lr(struct node *conv, int stage)
{
    conv->kernel_lr = stage == 1 ? 1.0F : 4.0F;
    conv->bias_lr = 2.0F * conv->kernel_lr;
}

static enum weight_init head_init(const struct builder *b)
{
    static const enum weight_init inits[] = {[INIT_RANDOM_NORMAL] = WEIGHTS_NORMAL,
                                             [INIT_XAVIER] = WEIGHTS_GLOROT,
                                             [INIT_HE] = WEIGHTS_HE};
    return inits[b->spec->initializer];
}

static struct node head_conv(const struct builder *b, const char *name, int stage, int kernel,
                             int channels)
{
    struct node conv = builder_conv(name, kernel, channels);
    conv.bias = b->spec->head_bias;
    heads_set_lr(&conv, stage);
    builder_regularize(b, &conv);
    return conv;
}

static int add_relu_conv(struct builder *b, const char *prefix, int index, int stage, int kernel,
                         int channels, int x)
{
    char name[GRAPH_NAME_SIZE];
    snprintf(name, sizeof name, "%s/conv%d", prefix, index);
    const struct node conv = head_conv(b, name, stage, kernel, channels);
    return builder_conv_relu(b, &conv, head_init(b), false, x);
}

/* conv1, conv2, … with these kernel sizes. */
static int add_trunk(struct builder *b, const char *prefix, int stage, const int *kernels, int n,
                     int x)
{
    for (int i = 0; i < n; i++)
        x = add_relu_conv(b, prefix, i + 1, stage, kernels[i], builder_width(b, HIDDEN), x);
    return x;
}

/* conv6's output times a map of weights computed from it. */
static int add_attention(struct builder *b, const char *prefix, int stage, enum activation act,
                         int x)
{
    char name[GRAPH_NAME_SIZE];
    snprintf(name, sizeof name, "%s/attention", prefix);
    const struct node conv = head_conv(b, name, stage, 3, builder_width(b, HIDDEN));
    const enum weight_init init = b->spec->initializer == INIT_HE ? WEIGHTS_GLOROT : head_init(b);
    const int weights = builder_act(b, act, builder_add_conv(b, &conv, init, x));
    snprintf(name, sizeof name, "%s/attended", prefix);
    return builder_join(b, OP_MUL, name, (int[]){x, weights}, 2);
}

/* A branch's last layers: 1x1 with ReLU, attention where asked for, 1x1 to the maps. */
static int add_branch(struct builder *b, const struct branch *branch, int stage, int index, int x)
{
    char prefix[GRAPH_NAME_SIZE / 2], name[GRAPH_NAME_SIZE];
    snprintf(prefix, sizeof prefix, "stage%d/%s", stage, branch->name);
    x = add_relu_conv(b, prefix, index, stage, 1, builder_width(b, stage == 1 ? HIDDEN_1 : HIDDEN),
                      x);
    if (stage > 1 && b->spec->self_attention)
        x = add_attention(b, prefix, stage, branch->attention, x);
    snprintf(name, sizeof name, "%s/out", prefix);
    const bool last = stage > 1 && stage == b->spec->stages;
    const struct node conv = head_conv(b, last ? branch->final : name, stage, 1, branch->channels);
    return builder_add_conv(
        b, &conv, b->spec->initializer == INIT_XAVIER ? WEIGHTS_GLOROT : WEIGHTS_NORMAL, x);
}

static int stage_input(struct builder *b, int features, int stage, const struct stage_outputs *out)
{
    char name[GRAPH_NAME_SIZE];
    if (stage == 1)
        return features;
    snprintf(name, sizeof name, "stage%d/concat", stage);
    return builder_join(b, OP_CONCAT, name,
                        (int[]){features, out->heat[stage - 2], out->paf[stage - 2]}, 3);
}

static const int *stage_kernels(const struct model_spec *spec, int stage, int *n)
{
    *n = stage == 1 ? spec->n_stage1_kernels : spec->n_stage_t_kernels;
    return stage == 1 ? spec->stage1_kernels : spec->stage_t_kernels;
}

void heads_lite(struct builder *b, int features, struct stage_outputs *out)
{
    const struct branch heat = heat_branch(b), paf = paf_branch(b);
    char prefix[GRAPH_NAME_SIZE / 2];
    for (int stage = 1; stage <= b->spec->stages; stage++) {
        int n;
        const int *kernels = stage_kernels(b->spec, stage, &n);
        snprintf(prefix, sizeof prefix, "stage%d", stage);
        const int x = add_trunk(b, prefix, stage, kernels, n, stage_input(b, features, stage, out));
        out->paf[stage - 1] = add_branch(b, &paf, stage, n + 1, x);
        out->heat[stage - 1] = add_branch(b, &heat, stage, n + 1, x);
    }
}

void heads_full(struct builder *b, int features, struct stage_outputs *out)
{
    const struct branch branches[2] = {heat_branch(b), paf_branch(b)};
    char prefix[GRAPH_NAME_SIZE / 2];
    for (int stage = 1; stage <= b->spec->stages; stage++) {
        int n;
        const int *kernels = stage_kernels(b->spec, stage, &n);
        const int input = stage_input(b, features, stage, out);
        for (int k = 0; k < 2; k++) {
            snprintf(prefix, sizeof prefix, "stage%d/%s", stage, branches[k].name);
            const int x = add_trunk(b, prefix, stage, kernels, n, input);
            int *made = k == 0 ? out->heat : out->paf;
            made[stage - 1] = add_branch(b, &branches[k], stage, n + 1, x);
        }
    }
}
