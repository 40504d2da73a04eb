/* More and more layers in floats, doubled until it is enough, then as few as that allows. */
#include "deploy/rescue.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>

static double decibels(double error)
{
    return error > 0 ? fmin(-10 * log10(error), QUALITY_MAX_DB) : QUALITY_MAX_DB;
}

/* The n most harmful layers in floats; what the outputs are worth then. */
static int try_kept(struct rescue *r, size_t n, struct output_error *outputs)
{
    double error;
    sensitivity_keep(&r->sensitivity, n, r->kept);
    const int err = output_error_measure(&error, outputs, r->kept);
    if (err < 0)
        return err;
    r->n_kept = n;
    r->after_db = decibels(error);
    return BPNET_OK;
}

static int search(struct rescue *r, struct output_error *outputs, double least_db)
{
    const size_t all = r->sensitivity.n;
    size_t too_few = 0, enough = 1;
    int err;
    while ((err = try_kept(r, enough, outputs)) == 0 && r->after_db < least_db && enough < all) {
        too_few = enough;
        enough = 2 * enough < all ? 2 * enough : all;
    }
    while (err == 0 && enough - too_few > 1) {
        const size_t middle = too_few + (enough - too_few) / 2;
        err = try_kept(r, middle, outputs);
        if (r->after_db < least_db)
            too_few = middle;
        else
            enough = middle;
    }
    return err == 0 && r->n_kept != enough ? try_kept(r, enough, outputs) : err;
}

static int rank_and_search(struct rescue *r, struct output_error *outputs,
                           const struct rescue_options *options)
{
    const int err = sensitivity_measure(&r->sensitivity, outputs, SENSITIVITY_ALONE,
                                        options->progress, options->ctx);
    if (err < 0 || r->sensitivity.n == 0)
        return err;
    r->kept = calloc((size_t)r->sensitivity.n_layers, sizeof *r->kept);
    return r->kept ? search(r, outputs, options->least_db)
                   : error_set(BPNET_ENOMEM, "no memory to keep layers in floats");
}

int rescue(struct rescue *out, const struct subject *subject, const struct pictures *pictures,
           const struct rescue_options *options)
{
    struct output_error *outputs;
    double error;
    *out = (struct rescue){0};
    int err = output_error_open(&outputs, subject, pictures);
    if (err < 0)
        return err;
    if ((err = output_error_measure(&error, outputs, NULL)) == 0) {
        out->before_db = out->after_db = decibels(error);
        if (out->before_db < options->least_db)
            err = rank_and_search(out, outputs, options);
    }
    output_error_close(outputs);
    if (err < 0)
        rescue_free(out);
    return err;
}

void rescue_free(struct rescue *r)
{
    sensitivity_free(&r->sensitivity);
    free(r->kept);
    *r = (struct rescue){0};
}
