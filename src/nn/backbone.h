/* The parts networks are put together from (spec 6.2 to 6.5, and our own light one). */
#ifndef NN_BACKBONE_H
#define NN_BACKBONE_H

#include "nn/builder.h"

/*
 * A backbone, from the input node to its last map: the reference's three kinds. Numbers of layers
 * that a kind does not have are BPNET_ECONFIG, in b->err. *stride is input pixels per cell.
 */
int backbone_vgg(struct builder *b, int input, int *stride);
int backbone_helnet(struct builder *b, int input, int *stride);
int backbone_resnet(struct builder *b, int input, int *stride);

/* The light network's trunk: features F of stride 8. */
int backbone_light(struct builder *b, int input, int *stride);

/* Outputs of all stages, in the order of graph->outputs. */
struct stage_outputs {
    int heat[GRAPH_MAX_OUTPUTS / 2], paf[GRAPH_MAX_OUTPUTS / 2];
};

/* The stages behind the features F (spec 6.3, 6.4): shared trunks or separate branches. */
void heads_lite(struct builder *b, int features, struct stage_outputs *out);
void heads_full(struct builder *b, int features, struct stage_outputs *out);
void heads_light(struct builder *b, int features, struct stage_outputs *out);

/* Learning-rate multipliers of a head's convolution (spec 7.2). */
void heads_set_lr(struct node *conv, int stage);

#endif
