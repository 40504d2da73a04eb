/* A model as an experiment spec describes it, with all that is needed to use it later. */
#include "base/error.h"
#include "nn/model.h"

#include <stdlib.h>
#include <string.h>

static int check_channels(const struct experiment_spec *spec)
{
    const int heat = skeleton_heat_channels(&spec->skeleton);
    const int paf = skeleton_paf_channels(&spec->skeleton);
    if (spec->model.heat_channels != heat || spec->model.paf_channels != paf)
        return error_set(BPNET_ECONFIG,
                         "%s: model has heat_channels %d and paf_channels %d; the skeleton '%s' "
                         "with %d joints and %d limbs needs %d and %d",
                         spec->path, spec->model.heat_channels, spec->model.paf_channels,
                         spec->skeleton.type, spec->skeleton.n_joints, spec->skeleton.n_limbs, heat,
                         paf);
    return BPNET_OK;
}

/* The labels' grid must be the network's. */
static int check_stride(const struct experiment_spec *spec, const struct model *m)
{
    const struct dataloader_spec *d = &spec->data;
    const int stride = m->meta.stride;
    const int h = (d->image_h + stride - 1) / stride, w = (d->image_w + stride - 1) / stride;
    if (d->target_h != h || d->target_w != w)
        return error_set(BPNET_ECONFIG,
                         "%s: dataloader.pose_config.target_shape is [%d, %d]; this network of "
                         "stride %d makes %d x %d from %d x %d",
                         spec->path, d->target_h, d->target_w, stride, h, w, d->image_h,
                         d->image_w);
    return BPNET_OK;
}

int model_build(struct model **out, const struct experiment_spec *spec)
{
    struct model *m;
    int err;
    *out = NULL;
    if ((err = check_channels(spec)) < 0)
        return err;
    if ((err = model_build_graph(&m, &spec->model, (uint64_t)spec->random_seed)) < 0)
        return error_prefix(err, "%s", spec->path);
    if ((err = check_stride(spec, m)) < 0)
        goto fail;
    m->meta.skeleton = spec->skeleton;
    m->meta.input_h = spec->data.image_h;
    m->meta.input_w = spec->data.image_w;
    memcpy(m->meta.scale, spec->data.image_scale, sizeof m->meta.scale);
    memcpy(m->meta.offset, spec->data.image_offset, sizeof m->meta.offset);
    free(m->spec_text);
    if (!(m->spec_text = experiment_spec_text(spec))) {
        err = BPNET_ENOMEM;
        goto fail;
    }
    *out = m;
    return BPNET_OK;
fail:
    model_free(m);
    return err;
}
