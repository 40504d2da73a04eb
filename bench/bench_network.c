/*
 * A network with random weights, as an experiment spec describes it: speed does not depend on what
 * a network has learnt. Usage:
 *
 *     bench-network SPEC OUT.bpnet SHARE [KEY=VALUE ...]
 *
 * SHARE below 1: pruned to so much of the multiply-accumulates, filters in eights.
 */
#include "random_prune.h"

#include "base/error.h"
#include "nn/model.h"

#include <stdio.h>
#include <stdlib.h>

enum { GRANULARITY = 8 };

static int make(const char *spec_path, const char *out, double share,
                const struct spec_overrides *overrides)
{
    struct experiment_spec *spec;
    struct model *model = NULL, *pruned = NULL;
    int err = experiment_spec_load(&spec, spec_path, overrides);
    if (err < 0)
        return err;
    if ((err = model_build(&model, spec)) == BPNET_OK && share < 1)
        err = random_prune(&pruned, model, GRANULARITY, share);
    if (err == BPNET_OK)
        err = model_save(pruned ? pruned : model, out, NULL);
    model_free(pruned);
    model_free(model);
    experiment_spec_free(spec);
    return err;
}

int main(int argc, char **argv)
{
    const double share = argc > 3 ? strtod(argv[3], NULL) : 0;
    if (!(share > 0)) {
        fprintf(stderr, "usage: bench-network SPEC OUT.bpnet SHARE [KEY=VALUE ...]\n");
        return 64;
    }
    const struct spec_overrides overrides = {(const char *const *)argv + 4, (size_t)argc - 4};
    const int err = make(argv[1], argv[2], share, &overrides);
    if (err < 0)
        fprintf(stderr, "%s\n", error_message());
    return err < 0;
}
