/* More and more layers in floats, doubled until it is enough, then as few as that allows. */
#include "deploy/rescue.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double decibels(double error)
{
    return error > 0 ? fmin(-10 * log10(error), QUALITY_MAX_DB) : QUALITY_MAX_DB;
}

/* The first n of the harmful layers in floats; what the outputs are worth then. */
static int try_kept(struct rescue *r, size_t n, const struct subject *subject,
                    const struct pictures *pictures)
{
    double error;
    memset(r->kept, 0, (size_t)r->sensitivity.n_layers * sizeof *r->kept);
    for (size_t i = 0; i < n; i++)
        r->kept[r->sensitivity.items[i].layer] = true;
    const int err = sensitivity_error(&error, subject, pictures, r->kept);
    r->n_kept = n;
    r->after_db = decibels(error);
    return err;
}

static int search(struct rescue *r, const struct subject *subject, const struct pictures *pictures,
                  double least_db)
{
    const size_t all = r->sensitivity.n;
    size_t too_few = 0, enough = 1;
    int err;
    while ((err = try_kept(r, enough, subject, pictures)) == 0 && r->after_db < least_db &&
           enough < all) {
        too_few = enough;
        enough = 2 * enough < all ? 2 * enough : all;
    }
    while (err == 0 && enough - too_few > 1) {
        const size_t middle = too_few + (enough - too_few) / 2;
        err = try_kept(r, middle, subject, pictures);
        if (r->after_db < least_db)
            too_few = middle;
        else
            enough = middle;
    }
    return err == 0 && r->n_kept != enough ? try_kept(r, enough, subject, pictures) : err;
}

int rescue(struct rescue *out, const struct subject *subject, const struct pictures *pictures,
           const struct rescue_options *options)
{
    double error;
    *out = (struct rescue){0};
    int err = sensitivity_error(&error, subject, pictures, NULL);
    if (err < 0)
        return err;
    out->before_db = out->after_db = decibels(error);
    if (out->before_db >= options->least_db)
        return BPNET_OK;
    err = sensitivity_alone(&out->sensitivity, subject, pictures, options->progress, options->ctx);
    if (err == 0 && out->sensitivity.n > 0) {
        out->kept = calloc((size_t)out->sensitivity.n_layers, sizeof *out->kept);
        err = out->kept ? search(out, subject, pictures, options->least_db)
                        : error_set(BPNET_ENOMEM, "no memory to keep layers in floats");
    }
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
