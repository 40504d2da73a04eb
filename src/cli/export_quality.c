/* Two networks from one model, compared on pictures. */
#include "cli/export_quality.h"

#include "base/error.h"
#include "deploy/eight_bits.h"
#include "deploy/equalize.h"
#include "deploy/quantize.h"

static int prepare(struct network *net, const struct model *model, const struct build_options *how)
{
    struct ranges ranges = {0};
    struct channel_means means = {0};
    int err = network_lower(net, model, how->h, how->w);
    if (err < 0)
        return err;
    if (how->precision == BUILD_BF16)
        network_set_type(net, MAP_BF16);
    if (how->precision == BUILD_INT8)
        err = eight_bits(net, &ranges, &means, how);
    ranges_free(&ranges);
    channel_means_free(&means);
    if (err < 0)
        network_free(net);
    return err;
}

int export_quality(struct quality *out, const struct model *model, const struct build_options *how,
                   const struct pictures *pictures)
{
    const struct quality_options options = {.level = how->level, .workers = how->workers};
    struct network exact = {0}, net = {0};
    int err;
    if ((err = network_lower(&exact, model, how->h, how->w)) == 0 &&
        (!how->ranges || (err = equalize(&exact, how->ranges)) == 0) &&
        (err = prepare(&net, model, how)) == 0)
        err = quality_measure(out, &exact, &net, pictures, &options);
    network_free(&net);
    network_free(&exact);
    return err;
}
