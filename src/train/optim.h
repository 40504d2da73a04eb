/*
 * Optimisers over the parameter block: momentum SGD in velocity form (spec 7.2) and Adam with
 * decoupled decay (Kingma, Ba 2015; Loshchilov, Hutter 2019). The regularisers live here: their
 * gradients are added inside the step, and their value is reported for the loss.
 *
 * Momentum: g' = k (g + l1 sign(w) + 2 l2 w), v = momentum v + g', w -= lr v (Nesterov: lr (g' +
 * momentum v)), with k the parameter's multiplier. Adam's step does not depend on the gradient's
 * scale, so there the multiplier is of the rate. Decay is of kernels only.
 */
#ifndef TRAIN_OPTIM_H
#define TRAIN_OPTIM_H

#include "base/workers.h"
#include "nn/model.h"

struct optimizer;

/*
 * Everything given is borrowed. Multipliers are the graph's kernel_lr and bias_lr when `stagewise`,
 * and weight_default for all that is not a convolution's.
 */
int optimizer_open(struct optimizer **out, const struct optimizer_spec *spec, bool stagewise,
                   struct model *model, const struct kernels *kernels, struct workers *workers);
void optimizer_close(struct optimizer *o); /* NULL is allowed */

/* Update the model's parameters from the gradient block. `step` counts from 0. */
void optimizer_step(struct optimizer *o, const float *grads, double lr, uint64_t step);

/* Sum of l1 |w| + l2 w^2 over everything regularised. */
double optimizer_regularization(struct optimizer *o);

/* The moments: one block for momentum, two for Adam, each n_trainable floats, for checkpoints. */
float *optimizer_moments(struct optimizer *o, size_t *n_floats);

/*
 * Exponential moving average of the whole block, running statistics included:
 * a += (1 - d) (w - a), d = min(decay, (1 + step) / (10 + step)), so that it forgets its start.
 */
void average_update(float *average, const float *value, size_t n, double decay, uint64_t step,
                    struct workers *workers);

#endif
