/* The decoder: three steps in order. */
#include "pose/decode.h"

#include "base/error.h"

static int check(const struct maps *m, const struct skeleton *s)
{
    if (m->h < 1 || m->w < 1 || m->h > GRID_MAX_SIDE || m->w > GRID_MAX_SIDE)
        return error_set(BPNET_EUSAGE, "maps of %d x %d cells, expected 1 to %d", m->w, m->h,
                         GRID_MAX_SIDE);
    if (m->heat_channels != skeleton_heat_channels(s) ||
        m->paf_channels != skeleton_paf_channels(s))
        return error_set(BPNET_EUSAGE,
                         "the network has %d heatmap and %d part affinity channels, the pose "
                         "config with %d joints and %d limbs needs %d and %d",
                         m->heat_channels, m->paf_channels, s->n_joints, s->n_limbs,
                         skeleton_heat_channels(s), skeleton_paf_channels(s));
    return BPNET_OK;
}

int decoder_run(struct decoder *d, const struct field *field, const struct skeleton *skeleton,
                const struct predict_options *options, struct workers *workers,
                struct people *people)
{
    int err = BPNET_OK;
    for (int i = 0; i < field->n && err >= 0; i++)
        err = check(&field->maps[i], skeleton);
    if (err < 0 ||
        (err = peaks_find(&d->peaks, field, skeleton->n_joints, options->peaks,
                          options->heat_threshold, workers)) < 0 ||
        (err = links_find(&d->links, field, &d->peaks, skeleton, options, workers)) < 0)
        return err;
    const bool cells = options->peaks == PEAKS_SUBPIXEL;
    const float cell_w = cells ? 1 : (float)field->x[0].block;
    const float cell_h = cells ? 1 : (float)field->y[0].block;
    return assemble(&d->assembly, &d->peaks, &d->links, skeleton, options, cell_w, cell_h, people);
}

void decoder_free(struct decoder *d)
{
    peaks_free(&d->peaks);
    links_free(&d->links);
    assembly_free(&d->assembly);
}
