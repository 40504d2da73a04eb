/*
 * Running a graph. A training executor keeps what the backward pass needs; an inference executor
 * folds batch norms into convolutions and reuses memory by lifetimes. All memory is taken at
 * opening (or at a resize), none per run.
 */
#ifndef NN_EXEC_H
#define NN_EXEC_H

#include "base/workers.h"
#include "nn/model.h"

struct exec;

struct exec_options {
    bool training;
    int batch, h, w;
    const struct kernels *kernels;
    const struct kernels *mixed; /* of mixed precision, for the convolutions they suit; or NULL */
    struct workers *workers;
    int output_stage; /* inference: only this stage's outputs (1-based); 0: the last; -1: all */
};

int exec_open(struct exec **out, struct model *model, const struct exec_options *options);
void exec_close(struct exec *e); /* NULL is allowed */

/* Re-plan an inference executor for another picture size; cheap when memory suffices. */
int exec_resize(struct exec *e, int batch, int h, int w);

/* Re-read the model's parameters (after they changed); training executors do so by themselves. */
void exec_refresh(struct exec *e);

/* (N, H, W, 3) normalised floats: write here, then run. */
float *exec_input(struct exec *e);

/*
 * Forward. In training, batch norms use the batch's statistics and update the model's running
 * ones: running = momentum * running + (1 - momentum) * batch (variance: the biased batch
 * variance, as Keras's fused form with its n/(n-1) correction).
 */
int exec_forward(struct exec *e);

/* Output k in the order of graph->outputs: (N, h, w, channels) at `pitch` floats a pixel. */
int exec_n_outputs(const struct exec *e);
const float *exec_output(const struct exec *e, int k, int *h, int *w, int *channels, int *pitch);

/* Training: write d(loss)/d(output k) here (dense, pitch = channels) before exec_backward(). */
float *exec_output_grad(struct exec *e, int k);

/* Backward: fills the gradient block (mirrors params.value's trainable part; overwritten). */
int exec_backward(struct exec *e);
const float *exec_grads(const struct exec *e);

size_t exec_memory(const struct exec *e); /* bytes */

/* Time spent in each step (a layer, or what is fused), summed since exec_profile_start(). */
struct exec_time {
    const char *name; /* of the node that the step begins with */
    const char *op;
    int64_t macs; /* of one run over the batch, forward */
    int64_t forward_ns, backward_ns;
};
void exec_profile_start(struct exec *e); /* begin timing, from zero */
int exec_n_steps(const struct exec *e);
struct exec_time exec_step_time(const struct exec *e, int step);

/* An inference executor as a predictor's network; `net` borrows the executor and the model. */
struct net;
void exec_as_net(struct exec *e, struct net *net);

#endif
