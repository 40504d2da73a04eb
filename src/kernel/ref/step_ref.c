/* Flat loops over parameters and outputs: the loss and the optimisers' steps. */
#include "kernel/family.h"

#include <math.h>

static double l2_loss(const float *p, const float *t, const float *m, size_t n, float scale,
                      float *grad)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        const float d = (p[i] - t[i]) * m[i];
        if (grad)
            grad[i] = scale * d * m[i];
        sum += (double)d * (double)d;
    }
    return 0.5 * sum;
}

static float sign(float x)
{
    return x > 0.0F ? 1.0F : x < 0.0F ? -1.0F : 0.0F;
}

static void momentum_step(float *w, float *v, const float *g, size_t n, float lr, float momentum,
                          float k, float l1, float l2, bool nesterov)
{
    for (size_t i = 0; i < n; i++) {
        const float slope = k * (g[i] + l1 * sign(w[i]) + l2 * w[i]);
        v[i] = momentum * v[i] + slope;
        w[i] -= lr * (nesterov ? momentum * v[i] + slope : v[i]);
    }
}

static void adam_step(float *w, float *m, float *v, const float *g, size_t n, float lr, float beta1,
                      float beta2, float epsilon, float c1, float c2, float k, float l1, float l2,
                      float decay)
{
    for (size_t i = 0; i < n; i++) {
        const float slope = k * (g[i] + l1 * sign(w[i]) + l2 * w[i]);
        m[i] = beta1 * m[i] + (1.0F - beta1) * slope;
        v[i] = beta2 * v[i] + (1.0F - beta2) * slope * slope;
        w[i] -= lr * (m[i] * c1 / (sqrtf(v[i] * c2) + epsilon) + decay * w[i]);
    }
}

void step_init_ref(struct kernels *k)
{
    k->l2_loss = l2_loss;
    k->momentum_step = momentum_step;
    k->adam_step = adam_step;
}
