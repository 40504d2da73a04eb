/* Model specs for tests: the reference's defaults, to be changed field by field. */
#ifndef NETWORKS_H
#define NETWORKS_H

#include "spec/spec.h"

static inline struct model_spec default_spec(enum model_kind kind, int stages)
{
    return (struct model_spec){
        .kind = kind,
        .backbone = BACKBONE_VGG,
        .backbone_layers = 19,
        .backbone_batch_norm = true,
        .width_multiplier = 1.0,
        .stages = stages,
        .heat_channels = 19,
        .paf_channels = 38,
        .n_stage1_kernels = 3,
        .stage1_kernels = {3, 3, 3},
        .n_stage_t_kernels = 5,
        .stage_t_kernels = {7, 7, 7, 7, 7},
        .head_bias = true,
        .regularization = REGULARIZE_L1,
        .kernel_regularization = 5e-4,
        .initializer = INIT_RANDOM_NORMAL,
    };
}

#endif
