/* The VGG-19 look-alike with strided convolutions instead of pooling (spec 6.2). */
#include "nn/backbone.h"

#include "base/error.h"

int backbone_vgg(struct builder *b, int input, int *stride)
{
    static const struct {
        const char *name;
        int stride, channels;
    } rows[] = {
        {"block_1a_conv_1", 1, 64},  {"block_1a_conv_2", 1, 64},  {"block_2a_conv_1", 2, 128},
        {"block_2a_conv_2", 1, 128}, {"block_3a_conv_1", 2, 256}, {"block_3a_conv_2", 1, 256},
        {"block_3a_conv_3", 1, 256}, {"block_3a_conv_4", 1, 256}, {"block_4a_conv_1", 2, 512},
        {"block_4a_conv_2", 1, 512}, {"block_6a_conv_1", 1, 256},
    };
    if (b->spec->backbone_layers != 19) {
        b->err = error_set(BPNET_ECONFIG, "backbone_attributes.nlayers: vgg has 19, found %d",
                           b->spec->backbone_layers);
        return 0;
    }
    int x = input;
    *stride = 1;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct node conv = builder_conv(rows[i].name, 3, builder_width(b, rows[i].channels));
        conv.stride = rows[i].stride;
        conv.bias = b->spec->backbone_bias;
        builder_regularize(b, &conv);
        x = builder_conv_relu(b, &conv, WEIGHTS_GLOROT, true, x);
        *stride *= rows[i].stride;
    }
    return x;
}
