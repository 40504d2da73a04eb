/* An inference executor behind the callback that predictors know. */
#include "base/error.h"
#include "nn/run.h"
#include "pose/predict.h"

#include <string.h>

static int run(void *ctx, const float *input, int h, int w, struct maps *out)
{
    struct exec *e = ctx;
    int err = exec_resize(e, 1, h, w);
    if (err < 0)
        return err;
    memcpy(exec_input(e), input, (size_t)h * (size_t)w * 3 * sizeof *input);
    if ((err = exec_forward(e)) < 0)
        return err;
    const int n = exec_n_outputs(e), heat = n / 2 - 1, paf = n - 1;
    out->heat = exec_output(e, heat, &out->h, &out->w, &out->heat_channels, &out->heat_pitch);
    out->paf = exec_output(e, paf, &out->h, &out->w, &out->paf_channels, &out->paf_pitch);
    return BPNET_OK;
}

void exec_as_net(struct exec *e, struct net *net)
{
    const struct model_meta *meta = &e->model->meta;
    *net = (struct net){.run = run, .ctx = e, .stride = meta->stride, .skeleton = &meta->skeleton};
    memcpy(net->scale, meta->scale, sizeof net->scale);
    memcpy(net->offset, meta->offset, sizeof net->offset);
}
