/* Stage losses: one item of work per output and image, added in that order whatever thread ran it.
 */
#include "train/loss.h"

#include "base/error.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

struct loss {
    const struct loss_spec *spec;
    const struct kernels *kernels;
    struct workers *workers;
    int max_images;
    double *partial; /* [LOSS_MAX_MAPS][max_images] */

    const struct loss_map *maps; /* of the run in hand */
    int images;
};

int loss_open(struct loss **out, const struct loss_spec *spec, int max_images,
              const struct kernels *kernels, struct workers *workers)
{
    *out = NULL;
    assert(max_images >= 1);
    struct loss *l = calloc(1, sizeof *l);
    double *partial = calloc((size_t)max_images, LOSS_MAX_MAPS * sizeof *partial);
    if (!l || !partial) {
        free(l);
        free(partial);
        return error_set(BPNET_ENOMEM, "no memory for the loss of %d images", max_images);
    }
    l->spec = spec;
    l->kernels = kernels;
    l->workers = workers;
    l->max_images = max_images;
    l->partial = partial;
    *out = l;
    return BPNET_OK;
}

void loss_close(struct loss *l)
{
    if (!l)
        return;
    free(l->partial);
    free(l);
}

/*
 * With u = 1 - q and f = |u|^gamma the loss is 1/2 (d f)^2, d = (p - L) m, and its slope
 *     d f * (m f + d * gamma |u|^(gamma-1) sign(u) u'),   u' = -1 on the foreground, else 1.
 */
static double focal_loss(const struct loss_spec *o, const float *p, const float *t, const float *m,
                         size_t n, float scale, float *grad)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++) {
        const bool foreground = (double)t[i] > o->background_threshold;
        const double u =
            foreground ? 1.0 - (double)p[i] + o->alpha : (double)p[i] + o->beta; /* 1 - q */
        const double f = pow(fabs(u), o->gamma);
        const double d = (double)(p[i] - t[i]) * (double)m[i];
        sum += d * f * d * f;
        if (grad) {
            double slope = 0.0; /* df/dp; at u = 0, where it may not exist, 0 */
            if (u != 0.0)
                slope = o->gamma * f / fabs(u) * (u > 0.0 ? 1.0 : -1.0) * (foreground ? -1.0 : 1.0);
            grad[i] = (float)((double)scale * d * f * ((double)m[i] * f + d * slope));
        }
    }
    return 0.5 * sum;
}

static double span_loss(const struct loss *l, const float *p, const float *t, const float *m,
                        size_t n, float *grad)
{
    const float scale = 1.0F / (float)l->images;
    return l->spec->focal ? focal_loss(l->spec, p, t, m, n, scale, grad)
                          : l->kernels->l2_loss(p, t, m, n, scale, grad);
}

/* Item k * images + i: output k, image i. */
static void map_item(void *ctx, size_t item, unsigned thread)
{
    (void)thread;
    struct loss *l = ctx;
    const struct loss_map *map = &l->maps[item / (size_t)l->images];
    const size_t image = item % (size_t)l->images;
    const size_t channels = (size_t)map->channels, pitch = (size_t)map->pitch;
    const float *value = map->value + image * map->cells * pitch;
    const size_t at = image * map->cells * channels;
    float *grad = map->grad ? map->grad + at : NULL;

    /* Dense maps in one go; those inside a concatenation pixel by pixel. */
    const bool dense = pitch == channels;
    const size_t n = dense ? map->cells * channels : channels;
    double sum = 0.0;
    for (size_t c = 0; c < (dense ? 1 : map->cells); c++)
        sum += span_loss(l, value + c * pitch, map->label + at + c * channels,
                         map->mask + at + c * channels, n, grad ? grad + c * channels : NULL);
    l->partial[item] = sum;
}

void loss_run(struct loss *l, struct loss_value *out, const struct loss_map *maps, int n_maps,
              int images)
{
    assert(n_maps <= LOSS_MAX_MAPS && images >= 1 && images <= l->max_images);
    l->maps = maps;
    l->images = images;
    workers_run(l->workers, (size_t)n_maps * (size_t)images, map_item, l);

    out->n_maps = n_maps;
    out->data = 0.0;
    for (int k = 0; k < n_maps; k++) {
        double sum = 0.0;
        for (int i = 0; i < images; i++)
            sum += l->partial[k * images + i];
        out->map[k] = sum / images;
        out->data += out->map[k];
    }
}

void loss_map_name(char name[48], int k, int n_maps)
{
    const int stages = n_maps / 2;
    snprintf(name, 48, "%s loss of stage %d", k < stages ? "heatmap" : "PAF", k % stages + 1);
}

int loss_worst_map(const struct loss_value *v)
{
    int worst = 0;
    for (int k = 0; k < v->n_maps; k++) {
        if (!isfinite(v->map[k]))
            return k;
        if (v->map[k] > v->map[worst])
            worst = k;
    }
    return worst;
}
