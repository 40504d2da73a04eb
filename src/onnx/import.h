/*
 * Networks from ONNX files. Operators become those of nn/graph.h; what only moves or measures data
 * (Transpose, Shape, Reshape, …) is worked out and disappears. Colour order goes into the weights
 * that read the picture, its normalisation into the model's metadata, so that what comes out takes
 * RGB like every other model. docs/import.md lists operators and conditions.
 */
#ifndef ONNX_IMPORT_H
#define ONNX_IMPORT_H

#include "nn/model.h"

enum colour_order { COLOUR_UNSAID, COLOUR_RGB, COLOUR_BGR };

/* What the file does not say, or says wrongly; zero: ask the file. */
struct onnx_import_options {
    const struct skeleton *skeleton; /* its limbs in the order of the file's PAF channels */
    int input_h, input_w;            /* size the network is meant for */
    enum colour_order colour;
    float scale, offset;    /* the network wants x / scale - offset of pixels x; 0 scale: ask */
    const char *heat, *paf; /* names of outputs */
    struct seal_key *key;   /* of a sealed file */
};

/*
 * BPNET_EUNSUPPORTED names the operator that has no counterpart here, with its place. Without
 * heatmaps and PAFs among its outputs the model has no stages (model_meta.stages).
 */
int onnx_import(struct model **out, const char *path, const struct onnx_import_options *options);
int onnx_import_memory(struct model **out, const uint8_t *bytes, size_t size, const char *name,
                       const struct onnx_import_options *options);

#endif
