/* Activations in plain C. */
#ifndef KERNEL_REF_ACTIVATE_H
#define KERNEL_REF_ACTIVATE_H

#include "kernel/kernel.h"

#include <math.h>

static inline float activate(enum activation act, float x)
{
    switch (act) {
    case ACT_RELU: return x < 0.0F ? 0.0F : x;
    case ACT_RELU6: return x < 0.0F ? 0.0F : x > 6.0F ? 6.0F : x;
    case ACT_SIGMOID: return 1.0F / (1.0F + expf(-x));
    case ACT_TANH: return tanhf(x);
    default: return x;
    }
}

#endif
