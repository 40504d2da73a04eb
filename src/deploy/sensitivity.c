/* Errors of outputs with one layer after another in floats, or in 8 bits. */
#include "deploy/sensitivity.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

static int compare_shares(const void *a, const void *b)
{
    const struct sensitive *x = a, *y = b;
    if (x->share > y->share || x->share < y->share)
        return x->share > y->share ? -1 : 1;
    return x->layer - y->layer;
}

static int list_layers(struct sensitivity *out, const struct network *net)
{
    out->n_layers = net->n_layers;
    out->items = calloc((size_t)net->n_layers + 1, sizeof(*out->items));
    if (!out->items)
        return error_set(BPNET_ENOMEM, "no memory to rank %d layers", net->n_layers);
    for (int i = 0; i < net->n_layers; i++) {
        const struct layer *l = &net->layers[i];
        if (l->kind != LAYER_CONV || l->precision != MAP_U8)
            continue;
        struct sensitive *s = &out->items[out->n++];
        memcpy(s->name, net->tensors[l->output].name, sizeof(s->name));
        s->layer = i;
    }
    return BPNET_OK;
}

static int measure_layers(struct sensitivity *out, struct output_error *outputs, bool alone,
                          int (*progress)(void *ctx, size_t done, size_t total), void *ctx)
{
    bool *keep = calloc((size_t)out->n_layers + 1, sizeof(*keep));
    if (!keep)
        return error_set(BPNET_ENOMEM, "no memory to rank %d layers", out->n_layers);
    int err = output_error_measure(&out->error, outputs, NULL);
    for (int i = 0; i < out->n_layers; i++)
        keep[i] = alone;
    for (size_t i = 0; i < out->n && err == 0; i++) {
        struct sensitive *item = &out->items[i];
        double error;
        keep[item->layer] = !alone;
        err = output_error_measure(&error, outputs, keep);
        keep[item->layer] = alone;
        if (err < 0)
            break;
        item->share = alone ? error : out->error > 0 ? 1 - error / out->error : 0;
        if (progress)
            err = progress(ctx, i + 1, out->n);
    }
    free(keep);
    if (err == 0)
        qsort(out->items, out->n, sizeof(*out->items), compare_shares);
    return err;
}

int sensitivity_measure(struct sensitivity *out, struct output_error *outputs,
                        enum sensitivity_way way,
                        int (*progress)(void *ctx, size_t done, size_t total), void *ctx)
{
    struct network net;
    *out = (struct sensitivity){0};
    int err = subject_quantize(&net, output_error_subject(outputs), NULL);
    if (err < 0)
        return err;
    err = list_layers(out, &net);
    network_free(&net);
    if (err == 0)
        err = measure_layers(out, outputs, way == SENSITIVITY_ALONE, progress, ctx);
    if (err < 0)
        sensitivity_free(out);
    return err;
}

void sensitivity_free(struct sensitivity *s)
{
    free(s->items);
    *s = (struct sensitivity){0};
}

void sensitivity_keep(const struct sensitivity *s, size_t n, bool *keep)
{
    memset(keep, 0, (size_t)s->n_layers * sizeof(*keep));
    for (size_t i = 0; i < n; i++)
        keep[s->items[i].layer] = true;
}
