/* From build options to a quantised network. */
#include "deploy/eight_bits.h"

#include "base/error.h"
#include "deploy/quantize.h"

#include <stdlib.h>
#include <string.h>

static int find_ranges(struct ranges *ranges, struct channel_means *means, struct network *net,
                       const struct build_options *o)
{
    const struct calibration_options how = {.algorithm = o->algorithm,
                                            .percentile = o->percentile,
                                            .level = o->level,
                                            .workers = o->workers,
                                            .equalize = o->equalize,
                                            .rewind = o->rewind};
    if (o->ranges)
        return ranges_copy(ranges, o->ranges);
    if (!o->feed)
        return error_set(BPNET_EUSAGE,
                         "a network of 8 bits needs calibration pictures or a calibration table");
    return calibrate(ranges, means, net, o->feed, o->feed_ctx, &how);
}

/* The convolutions whose results are named; BPNET_EUSAGE when there is no such one. */
static int mark_kept(bool *keep, const struct network *net, const struct build_options *o)
{
    for (size_t k = 0; k < o->n_keep_float; k++) {
        bool found = false;
        for (int i = 0; i < net->n_layers; i++) {
            const struct layer *l = &net->layers[i];
            if (l->kind == LAYER_CONV &&
                strcmp(net->tensors[l->output].name, o->keep_float[k]) == 0)
                keep[i] = found = true;
        }
        if (!found)
            return error_set(BPNET_EUSAGE, "no convolution makes '%s'", o->keep_float[k]);
    }
    return BPNET_OK;
}

int eight_bits(struct network *net, struct ranges *ranges, struct channel_means *means,
               const struct build_options *options)
{
    int err = find_ranges(ranges, means, net, options);
    if (err < 0)
        return err;
    bool *keep = calloc((size_t)net->n_layers + 1, sizeof *keep);
    if (!keep)
        return error_set(BPNET_ENOMEM, "no memory to quantise %d layers", net->n_layers);
    const struct quantize_options how = {.means = means->n_tensors > 0 ? means : options->means,
                                         .keep_float = keep};
    if ((err = mark_kept(keep, net, options)) == BPNET_OK)
        err = quantize(net, ranges, &how);
    free(keep);
    return err;
}
