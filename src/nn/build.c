/* From a model spec to a model. */
#include "base/error.h"
#include "base/str.h"
#include "nn/backbone.h"
#include "nn/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a kind of network is made of. */
struct recipe {
    const char *name;
    int (*backbone)(struct builder *b, int input, int *stride); /* NULL: the spec's */
    void (*heads)(struct builder *b, int features, struct stage_outputs *out);
    bool reduced; /* the reference puts a 3x3 convolution behind every backbone */
};

static const struct recipe recipes[] = {
    [MODEL_LITE] = {"BpNetLiteModel", NULL, heads_lite, true},
    [MODEL_FULL] = {"BpNetModel", NULL, heads_full, true},
    [MODEL_LIGHT] = {"BpNetLightModel", backbone_light, heads_light, false},
};

static const struct {
    const char *name;
    int (*build)(struct builder *b, int input, int *stride);
} backbones[] = {
    [BACKBONE_VGG] = {"vgg", backbone_vgg},
    [BACKBONE_HELNET] = {"helnet", backbone_helnet},
    [BACKBONE_RESNET] = {"resnet", backbone_resnet},
};

static int reduce(struct builder *b, int x)
{
    struct node conv = builder_conv("channel_reduction_conv", 3, builder_width(b, 128));
    conv.bias = true;
    builder_regularize(b, &conv);
    return builder_conv_relu(b, &conv, WEIGHTS_GLOROT, false, x);
}

static int build(struct builder *b, struct model_meta *meta)
{
    const struct model_spec *spec = b->spec;
    const struct recipe *recipe = &recipes[spec->kind];
    struct stage_outputs out;
    int outputs[GRAPH_MAX_OUTPUTS];
    const int input = builder_input(b, 3);
    int x = (recipe->backbone ? recipe->backbone : backbones[spec->backbone].build)(b, input,
                                                                                    &meta->stride);
    if (recipe->reduced)
        x = reduce(b, x);
    recipe->heads(b, x, &out);
    if (b->err < 0)
        return b->err;
    for (int i = 0; i < spec->stages; i++) {
        outputs[i] = out.heat[i];
        outputs[spec->stages + i] = out.paf[i];
    }
    const int err = graph_set_outputs(b->graph, outputs, 2 * spec->stages);
    return err < 0 ? err : graph_check(b->graph);
}

static void describe(struct model_meta *meta, const struct model_spec *spec)
{
    const struct recipe *recipe = &recipes[spec->kind];
    const int n = snprintf(meta->description, sizeof meta->description, "%s", recipe->name);
    if (!recipe->backbone)
        snprintf(meta->description + n, sizeof meta->description - (size_t)n, " on %s%d",
                 backbones[spec->backbone].name, spec->backbone_layers);
}

static int check_spec(const struct model_spec *spec)
{
    if (spec->stages < 1 || spec->stages > GRAPH_MAX_OUTPUTS / 2)
        return error_set(BPNET_ECONFIG, "model.stages: found %d, expected 1 to %d", spec->stages,
                         GRAPH_MAX_OUTPUTS / 2);
    if (spec->heat_channels < 1 || spec->paf_channels < 1)
        return error_set(BPNET_ECONFIG, "model: found %d heat_channels and %d paf_channels",
                         spec->heat_channels, spec->paf_channels);
    if (!(spec->width_multiplier > 0.0))
        return error_set(BPNET_ECONFIG, "model.width_multiplier: found %g, expected more than 0",
                         spec->width_multiplier);
    return BPNET_OK;
}

/* Everything but the parameters' values. */
static int build_shape(struct model *m, struct builder *b, const struct model_spec *spec)
{
    int err;
    if (!(m->spec_text = str_copy("")))
        return BPNET_ENOMEM;
    skeleton_default(&m->meta.skeleton);
    m->meta.stages = spec->stages;
    for (int c = 0; c < 3; c++) {
        m->meta.scale[c] = 256.0F;
        m->meta.offset[c] = 0.5F;
    }
    describe(&m->meta, spec);
    if ((err = builder_open(b, &m->graph, spec)) < 0 || (err = build(b, &m->meta)) < 0)
        return err;
    m->meta.input_h = m->meta.input_w = 8 * m->meta.stride; /* until a spec says more */
    return params_open(&m->params, &m->graph);
}

static int build_model(struct model **out, const struct model_spec *spec, const uint64_t *seed)
{
    struct builder b = {0};
    *out = NULL;
    int err = check_spec(spec);
    if (err < 0)
        return err;
    struct model *m = calloc(1, sizeof *m);
    if (!m)
        return error_set(BPNET_ENOMEM, "no memory for a model");
    err = build_shape(m, &b, spec);
    if (err == BPNET_OK && seed)
        builder_initialize(&b, &m->params, *seed);
    builder_close(&b);
    if (err < 0)
        model_free(m);
    else
        *out = m;
    return err;
}

int model_build_graph(struct model **out, const struct model_spec *spec, uint64_t seed)
{
    return build_model(out, spec, &seed);
}

int model_build_shape(struct model **out, const struct model_spec *spec)
{
    return build_model(out, spec, NULL);
}
