/* The lists of a lowered network, and what tensors hold. */
#include "deploy/network.h"

#include "base/error.h"
#include "deploy/network_edit.h"
#include "deploy/quantize.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists ------------------------------------------------------------------------------- */

static int grow(void **list, int n, int *capacity, size_t size)
{
    if (n < *capacity)
        return BPNET_OK;
    const int wanted = *capacity > 0 ? 2 * *capacity : 64;
    void *grown = realloc(*list, (size_t)wanted * size);
    if (!grown)
        return error_set(BPNET_ENOMEM, "no memory for a network of %d layers", wanted);
    *list = grown;
    *capacity = wanted;
    return BPNET_OK;
}

int network_add_tensor(struct network *n, const char *name, int h, int w, int channels)
{
    void *list = n->tensors;
    const int err = grow(&list, n->n_tensors, &n->tensor_capacity, sizeof *n->tensors);
    n->tensors = list;
    if (err < 0)
        return err;
    struct tensor *t = &n->tensors[n->n_tensors];
    *t = (struct tensor){
        .h = h, .w = w, .channels = channels, .maker = -1, .whole = -1, .type = MAP_F32};
    snprintf(t->name, sizeof t->name, "%s", name);
    return n->n_tensors++;
}

int network_add_layer(struct network *n, const struct layer *layer)
{
    void *list = n->layers;
    const int err = grow(&list, n->n_layers, &n->layer_capacity, sizeof *n->layers);
    n->layers = list;
    if (err < 0)
        return err;
    n->layers[n->n_layers] = *layer;
    n->tensors[layer->output].maker = n->n_layers;
    return n->n_layers++;
}

void network_free(struct network *n)
{
    for (int i = 0; i < n->n_layers; i++) {
        free(n->layers[i].weights);
        free(n->layers[i].bias);
        free(n->layers[i].correction);
        free(n->layers[i].slopes);
    }
    free(n->layers);
    free(n->tensors);
    *n = (struct network){0};
}

bool network_is_output(const struct network *n, int tensor)
{
    for (int k = 0; k < n->n_outputs; k++)
        if (n->outputs[k] == tensor)
            return true;
    return false;
}

/* ---- quanta ------------------------------------------------------------------------------ */

/* Pixels: real = q / s - o = (q - o s) / s, and the zero byte is the nearest to o s. */
static void pixel_quantum(const struct model_meta *m, int channel, float *scale, int *zero,
                          float *shift)
{
    const double s = (double)m->scale[channel], at = (double)m->offset[channel] * s;
    const double nearest = rint(fmin(fmax(at, 0.0), 255.0));
    *scale = (float)(1.0 / s);
    *zero = (int)nearest;
    *shift = (float)((nearest - at) / s);
}

void tensor_quantum(const struct network *n, int tensor, int channel, float *scale, int *zero,
                    float *shift)
{
    const struct tensor *t = &n->tensors[tensor];
    for (int i = 0; i < t->n_parts; i++) {
        const struct tensor *part = &n->tensors[t->parts[i]];
        if (channel < part->channels) {
            tensor_quantum(n, t->parts[i], channel, scale, zero, shift);
            return;
        }
        channel -= part->channels;
    }
    if (tensor == 0) {
        pixel_quantum(&n->model->meta, channel, scale, zero, shift);
        return;
    }
    *scale = t->scale;
    *zero = t->zero;
    *shift = 0.0F;
}

bool tensor_is_uniform(const struct network *n, int tensor)
{
    const struct tensor *t = &n->tensors[tensor];
    for (int i = 1; i < t->n_parts; i++) {
        const struct tensor *a = &n->tensors[t->parts[0]], *b = &n->tensors[t->parts[i]];
        if (a->zero != b->zero || a->scale < b->scale || a->scale > b->scale)
            return false;
    }
    return tensor != 0;
}

struct quantum tensor_common_quantum(const struct network *n, int tensor)
{
    const struct tensor *t = &n->tensors[tensor];
    struct quantum q = {t->scale, t->zero};
    if (t->n_parts > 0)
        q = (struct quantum){0.0F, 0};
    for (int i = 0; i < t->n_parts; i++)
        q.zero = n->tensors[t->parts[i]].zero > q.zero ? n->tensors[t->parts[i]].zero : q.zero;
    for (int i = 0; i < t->n_parts; i++) { /* 255 quanta above 0 are 127 about 128 */
        const struct tensor *part = &n->tensors[t->parts[i]];
        const float scale = part->scale * (part->zero == 0 && q.zero != 0 ? 255.0F / 127.0F : 1.0F);
        q.scale = scale > q.scale ? scale : q.scale;
    }
    return q;
}

/* ---- types ------------------------------------------------------------------------------- */

void network_set_type(struct network *net, enum map_type type)
{
    for (int i = 1; i < net->n_tensors; i++)
        net->tensors[i].type = network_is_output(net, i) ? MAP_F32 : type;
    for (int i = 0; i < net->n_layers; i++)
        if (net->layers[i].kind == LAYER_CONV)
            net->layers[i].precision = type;
}

int layer_macs_per_pixel(const struct layer *l)
{
    const struct conv_geometry *g = &l->geometry;
    return l->kind != LAYER_CONV ? 0 : g->kernel_h * g->kernel_w * (l->depthwise ? 1 : g->in_c);
}
