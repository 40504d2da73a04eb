/* The loss and the optimisers' steps, written once for every vector width. */
#ifndef KERNEL_STEP_SIMD_H
#define KERNEL_STEP_SIMD_H

#include "kernel/family.h"
#include "kernel/x86/simd_words.h"

static double l2_loss(const float *p, const float *t, const float *m, size_t n, float scale,
                      float *grad)
{
    vec_total sum = vec_total_zero();
    for (size_t i = 0; i < n; i += LANES) {
        const size_t left = n - i;
        const vec mask = load_next(m + i, left);
        const vec d = vec_mul(vec_sub(load_next(p + i, left), load_next(t + i, left)), mask);
        if (grad)
            store_next(grad + i, vec_mul(vec_mul(vec_set(scale), d), mask), left);
        sum = vec_total_add_squares(sum, d);
    }
    return 0.5 * vec_total_sum(sum);
}

/* What weight decay and gradient ask for: k * (g + l1 * sign(w) + l2 * w). */
struct slope {
    float k, l1, l2;
};

INLINE vec slope_of(const struct slope *s, vec g, vec w)
{
    const vec l1 = vec_set(s->l1);
    const vec none = vec_zero();
    const vec up = vec_select(vec_above(w, none), l1, none);
    const vec down = vec_select(vec_above(none, w), l1, none);
    const vec decay = vec_fma(vec_set(s->l2), w, vec_sub(up, down));
    return vec_mul(vec_set(s->k), vec_add(g, decay));
}

static void momentum_step(float *w, float *v, const float *g, size_t n, float lr, float momentum,
                          float k, float l1, float l2, bool nesterov)
{
    const struct slope s = {k, l1, l2};
    for (size_t i = 0; i < n; i += LANES) {
        const size_t left = n - i;
        const vec weight = load_next(w + i, left);
        const vec slope = slope_of(&s, load_next(g + i, left), weight);
        const vec speed = vec_fma(vec_set(momentum), load_next(v + i, left), slope);
        const vec step = nesterov ? vec_fma(vec_set(momentum), speed, slope) : speed;
        store_next(v + i, speed, left);
        store_next(w + i, vec_fma(vec_set(-lr), step, weight), left);
    }
}

static void adam_step(float *w, float *m, float *v, const float *g, size_t n, float lr, float beta1,
                      float beta2, float epsilon, float c1, float c2, float k, float l1, float l2,
                      float decay)
{
    const struct slope s = {k, l1, l2};
    for (size_t i = 0; i < n; i += LANES) {
        const size_t left = n - i;
        const vec weight = load_next(w + i, left);
        const vec slope = slope_of(&s, load_next(g + i, left), weight);
        const vec first =
            vec_fma(vec_set(beta1), load_next(m + i, left), vec_mul(vec_set(1.0F - beta1), slope));
        const vec second = vec_fma(vec_set(beta2), load_next(v + i, left),
                                   vec_mul(vec_mul(vec_set(1.0F - beta2), slope), slope));
        const vec size = vec_add(vec_sqrt(vec_mul(second, vec_set(c2))), vec_set(epsilon));
        const vec step =
            vec_fma(vec_set(decay), weight, vec_div(vec_mul(first, vec_set(c1)), size));
        store_next(m + i, first, left);
        store_next(v + i, second, left);
        store_next(w + i, vec_fma(vec_set(-lr), step, weight), left);
    }
}

void LEVEL_NAME(step_init)(struct kernels *k)
{
    k->l2_loss = l2_loss;
    k->momentum_step = momentum_step;
    k->adam_step = adam_step;
}

#endif
