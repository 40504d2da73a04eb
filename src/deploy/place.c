/*
 * Where maps lie. A tensor lives from the layer that makes it to the last one that reads it; a
 * joint tensor from the first of its parts on. Tensors that do not live at one time share memory.
 */
#include "deploy/compilation.h"

#include "base/error.h"
#include "deploy/network_edit.h"
#include "nn/memplan.h"

#include <stdlib.h>

enum { UNIT = 16 /* elements: pixels begin where vectors like to load */ };

static int whole_of(const struct network *n, int tensor)
{
    return n->tensors[tensor].whole >= 0 ? n->tensors[tensor].whole : tensor;
}

static int round_up(int n, int unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Pixels as they come; dense floats; bytes, and what is read in slices, by whole units. */
static int own_pitch(const struct tensor *t, bool is_input)
{
    const bool dense = is_input || (t->type == MAP_F32 && t->n_parts == 0) || t->channels < UNIT;
    return dense ? t->channels : round_up(t->channels, UNIT);
}

void place_pitches(struct compilation *c)
{
    for (int i = 0; i < c->net.n_tensors; i++) {
        const int whole = whole_of(&c->net, i);
        c->pitches[i] = own_pitch(&c->net.tensors[whole], whole == 0);
    }
}

struct conv_shape compile_shape(const struct compilation *c, const struct layer *l)
{
    const struct network *n = &c->net;
    struct conv_shape s = {
        .g = l->geometry,
        .depthwise = l->depthwise,
        .in = n->tensors[l->inputs[0]].type,
        .out = n->tensors[l->output].type,
        .adds = l->added >= 0,
    };
    s.g.in_pitch = c->pitches[l->inputs[0]];
    s.g.out_pitch = c->pitches[l->output];
    return s;
}

/* ---- lifetimes --------------------------------------------------------------------------- */

static int64_t extent(const struct compilation *c, int tensor)
{
    const struct tensor *t = &c->net.tensors[tensor];
    return (int64_t)t->h * t->w * c->pitches[tensor] * (int64_t)map_type_size(t->type);
}

static int add_buffer(struct compilation *c, struct memplan *plan, int tensor, int moment)
{
    const int64_t size = extent(c, tensor) + PLAN_TAIL;
    if (size > PLAN_MAX_MEMORY)
        return error_set(BPNET_ELIMIT, "tensor '%s' takes %lld bytes; an engine has %lld at most",
                         c->net.tensors[tensor].name, (long long)size, (long long)PLAN_MAX_MEMORY);
    return memplan_add(plan, (size_t)size, moment);
}

/* The tensor's memory is in use at this moment; its buffer is made at the first. */
static int use(struct compilation *c, struct memplan *plan, int *buffers, int tensor, int moment)
{
    const int whole = whole_of(&c->net, tensor);
    if (buffers[whole] >= 0) {
        memplan_use(plan, buffers[whole], moment);
        return BPNET_OK;
    }
    buffers[whole] = add_buffer(c, plan, whole, moment);
    return buffers[whole] < 0 ? buffers[whole] : BPNET_OK;
}

static int plan_lives(struct compilation *c, struct memplan *plan, int *buffers)
{
    const struct network *n = &c->net;
    int err = use(c, plan, buffers, 0, 0);
    for (int i = 0; i < n->n_layers && err >= 0; i++) {
        const struct layer *l = &n->layers[i];
        err = use(c, plan, buffers, l->output, i);
        for (int k = 0; k < l->n_inputs && err >= 0; k++)
            err = use(c, plan, buffers, l->inputs[k], i);
        if (l->added >= 0 && err >= 0)
            err = use(c, plan, buffers, l->added, i);
    }
    for (int k = 0; k < n->n_outputs && err >= 0; k++)
        err = use(c, plan, buffers, n->outputs[k], n->n_layers);
    return err;
}

/* ---- the plan's table -------------------------------------------------------------------- */

static void add_map(struct compilation *c, int tensor, int64_t offset)
{
    const struct tensor *t = &c->net.tensors[tensor];
    const bool slice = t->whole >= 0;
    c->maps[tensor] = c->plan.head.n_maps;
    c->plan.maps[c->plan.head.n_maps++] = (struct plan_map){
        .offset = offset + (slice ? t->channel * (int64_t)map_type_size(t->type) : 0),
        .h = t->h,
        .w = t->w,
        .channels = t->channels,
        .pitch = c->pitches[tensor],
        .type = (int32_t)t->type,
        .whole = slice ? c->maps[t->whole] : -1,
        .channel = slice ? t->channel : 0,
    };
}

/* Wholes first: a slice comes behind what it is a slice of. */
static void list_maps(struct compilation *c, const struct memplan *plan, const int *buffers)
{
    const struct network *n = &c->net;
    for (int slices = 0; slices < 2; slices++)
        for (int i = 0; i < n->n_tensors; i++) {
            const int buffer = buffers[whole_of(n, i)];
            if ((n->tensors[i].whole >= 0) == (slices == 1) && buffer >= 0)
                add_map(c, i, (int64_t)plan->buffers[buffer].offset);
        }
}

int place_maps(struct compilation *c)
{
    const size_t n = (size_t)c->net.n_tensors;
    struct memplan plan = {0};
    size_t memory = 0;
    int *buffers = malloc(n * sizeof *buffers);
    c->plan.maps = calloc(n, sizeof *c->plan.maps);
    int err = buffers && c->plan.maps ? BPNET_OK
                                      : error_set(BPNET_ENOMEM, "no memory to place %zu maps", n);
    for (size_t i = 0; i < n && err == BPNET_OK; i++)
        buffers[i] = -1;
    if (err == BPNET_OK && (err = plan_lives(c, &plan, buffers)) >= 0 &&
        (err = memplan_solve(&plan, &memory)) >= 0) {
        if (memory > (size_t)PLAN_MAX_MEMORY)
            err = error_set(BPNET_ELIMIT, "the maps take %zu bytes; an engine has %lld at most",
                            memory, (long long)PLAN_MAX_MEMORY);
        else
            list_maps(c, &plan, buffers);
    }
    c->plan.head.memory = (int64_t)memory;
    memplan_free(&plan);
    free(buffers);
    return err < 0 ? err : BPNET_OK;
}
