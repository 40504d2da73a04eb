/*
 * Where types meet that do not fit, conversions are inserted. Layers are visited in order: first
 * their inputs are brought to the type that the layer reads, then, when the layer cannot make what
 * its tensor should be, it makes another tensor, which is converted.
 */
#include "deploy/network.h"

#include "base/error.h"
#include "deploy/network_edit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* What a layer demands of an input. */
struct demand {
    enum map_type type;
    bool uniform; /* U8: one quantum for all channels */
};

static const char *const suffixes[MAP_TYPES] = {
    [MAP_F32] = "f32", [MAP_BF16] = "bf16", [MAP_U8] = "u8"};

/* ---- joint tensors ----------------------------------------------------------------------- */

/* Parts get one type: bytes when one of them is and all have ranges; else the widest. */
static void unite_types(struct network *n, int joint)
{
    const struct tensor *t = &n->tensors[joint];
    bool any_bytes = false, all_ranges = true, any_float = false;
    for (int i = 0; i < t->n_parts; i++) {
        const struct tensor *part = &n->tensors[t->parts[i]];
        any_bytes |= part->type == MAP_U8;
        any_float |= part->type == MAP_F32;
        all_ranges &= part->scale > 0.0F;
    }
    const enum map_type type = any_bytes && all_ranges  ? MAP_U8
                               : any_bytes || any_float ? MAP_F32
                                                        : MAP_BF16;
    for (int i = 0; i < t->n_parts; i++)
        n->tensors[t->parts[i]].type = type;
    n->tensors[joint].type = type;
}

/* ---- conversions ------------------------------------------------------------------------- */

static bool same_scale(float a, float b)
{
    return !(a < b) && !(a > b);
}

static bool is_plain_convert(const struct layer *l, int from)
{
    return l->kind == LAYER_CONVERT && l->inputs[0] == from && !l->weights && l->low <= -INFINITY &&
           l->high >= INFINITY;
}

/* A tensor with the values of `from` in this type, made earlier or now. */
static int converted(struct network *n, int from, enum map_type type, struct quantum q)
{
    for (int i = 0; i < n->n_layers; i++) {
        const struct tensor *made = &n->tensors[n->layers[i].output];
        if (is_plain_convert(&n->layers[i], from) && made->type == type &&
            (type != MAP_U8 || (made->zero == q.zero && same_scale(made->scale, q.scale))))
            return n->layers[i].output;
    }
    const struct tensor source = n->tensors[from];
    if (type == MAP_U8 && !(q.scale > 0.0F))
        return error_set(BPNET_EUSAGE, "tensor '%s' has no range; calibrate the network",
                         source.name);
    char name[GRAPH_NAME_SIZE];
    snprintf(name, sizeof name, "%.50s/%s", source.name, suffixes[type]);
    const int to = network_add_tensor(n, name, source.h, source.w, source.channels);
    if (to < 0)
        return to;
    n->tensors[to].type = type;
    n->tensors[to].scale = q.scale;
    n->tensors[to].zero = q.zero;
    n->tensors[to].nonnegative = source.nonnegative;
    struct layer convert = {.kind = LAYER_CONVERT,
                            .inputs = {from},
                            .n_inputs = 1,
                            .added = -1,
                            .output = to,
                            .low = -INFINITY,
                            .high = INFINITY};
    const int err = network_add_layer(n, &convert);
    return err < 0 ? err : to;
}

/* The tensor, or one with its values, as demanded. */
static int supply(struct network *n, int tensor, struct demand demand)
{
    const struct tensor *t = &n->tensors[tensor];
    if (t->type == demand.type &&
        (demand.type != MAP_U8 || !demand.uniform || tensor_is_uniform(n, tensor)))
        return tensor;
    return converted(n, tensor, demand.type, tensor_common_quantum(n, tensor));
}

/* ---- layers ------------------------------------------------------------------------------ */

/* The type of map that this layer makes, given those of its tensors. */
static enum map_type makes(const struct network *n, const struct layer *l)
{
    const enum map_type in = n->tensors[l->inputs[0]].type, out = n->tensors[l->output].type;
    switch (l->kind) {
    case LAYER_CONV: return out == l->precision ? out : MAP_F32;
    case LAYER_CONVERT:
    case LAYER_ADD: return out;
    case LAYER_MAX_POOL:
    case LAYER_AVG_POOL:
    case LAYER_UPSAMPLE2: return l->inputs[0] == 0 ? MAP_F32 : in;
    default: return MAP_F32;
    }
}

static int supply_inputs(struct network *n, struct layer *l, enum map_type made)
{
    struct demand demand = {made, true};
    if (l->kind == LAYER_CONV)
        demand = (struct demand){l->precision, false};
    for (int k = 0; k < l->n_inputs && l->kind != LAYER_CONVERT; k++) {
        l->inputs[k] = supply(n, l->inputs[k], demand);
        if (l->inputs[k] < 0)
            return l->inputs[k];
    }
    if (l->added >= 0) {
        l->added = supply(n, l->added, (struct demand){made, true});
        if (l->added < 0)
            return l->added;
    }
    return BPNET_OK;
}

/* Pooling and enlargement leave the quantum as it is. */
static void keep_quantum(struct network *n, const struct layer *l)
{
    const struct quantum q = tensor_common_quantum(n, l->inputs[0]);
    if (l->kind == LAYER_MAX_POOL || l->kind == LAYER_AVG_POOL || l->kind == LAYER_UPSAMPLE2) {
        n->tensors[l->output].scale = q.scale;
        n->tensors[l->output].zero = q.zero;
    }
}

static int insert_around(struct network *n, struct layer l)
{
    const int wanted = l.output;
    const enum map_type made = makes(n, &l);
    int err = supply_inputs(n, &l, made);
    if (err < 0)
        return err;
    if (n->tensors[wanted].type != made) {
        const struct tensor like = n->tensors[wanted];
        char name[GRAPH_NAME_SIZE];
        snprintf(name, sizeof name, "%.50s/%s", like.name, suffixes[made]);
        l.output = network_add_tensor(n, name, like.h, like.w, like.channels);
        if (l.output < 0)
            return l.output;
        n->tensors[l.output].type = made;
        n->tensors[l.output].nonnegative = like.nonnegative;
    }
    if (made == MAP_U8)
        keep_quantum(n, &l);
    if ((err = network_add_layer(n, &l)) < 0 || l.output == wanted)
        return err;
    struct layer convert = {.kind = LAYER_CONVERT,
                            .node = l.node,
                            .inputs = {l.output},
                            .n_inputs = 1,
                            .added = -1,
                            .output = wanted,
                            .low = -INFINITY,
                            .high = INFINITY};
    return network_add_layer(n, &convert);
}

static void set_makers(struct network *n)
{
    for (int i = 0; i < n->n_layers; i++)
        n->tensors[n->layers[i].output].maker = i;
}

int network_insert_converts(struct network *n)
{
    struct layer *const before = n->layers;
    const int n_before = n->n_layers, capacity_before = n->layer_capacity;
    int err = BPNET_OK;
    for (int i = 0; i < n->n_tensors; i++)
        if (n->tensors[i].n_parts > 0)
            unite_types(n, i);
    n->layers = NULL;
    n->n_layers = n->layer_capacity = 0;
    for (int i = 0; i < n_before && err >= 0; i++)
        err = insert_around(n, before[i]);
    if (err < 0) { /* the layers as they were: they own their weights */
        free(n->layers);
        n->layers = before;
        n->n_layers = n_before;
        n->layer_capacity = capacity_before;
    } else {
        free(before);
    }
    set_makers(n);
    return err < 0 ? err : BPNET_OK;
}
