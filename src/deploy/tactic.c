/*
 * Which kernel does each convolution. Those that fit are run on maps of the right size with the
 * engine's team, in turns, so that all meet the same disturbances; the least time of a few runs
 * counts. Equal convolutions are timed once, and a file remembers for the next time.
 */
#include "deploy/compilation.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/cpu.h"
#include "base/error.h"
#include "base/log.h"
#include "deploy/network_edit.h"
#include "deploy/timing_cache.h"
#include "engine/step.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CANDIDATES = 32, RUNS = 32, ENOUGH_NS = 40 * 1000 * 1000 };

/* A kernel so many times slower than the best is out; a first run may have met anything. */
static const double hopeless_first = 8, hopeless = 2;
static const double noticeable = 1.02; /* less is noise: then the higher level is taken */

struct candidates {
    const struct conv_kernel *kernels[MAX_CANDIDATES];
    int64_t ns[MAX_CANDIDATES]; /* the least so far; INT64_MAX: none */
    int n;
};

/* ---- who may ----------------------------------------------------------------------------- */

/* Transforms need not round the weights of a layer of 8 bits, so they do better than that. */
static bool may_do(const struct conv_kernel *k, const struct conv_shape *s, const struct layer *l)
{
    const enum weight_type weights =
        l->precision == MAP_U8 && !k->transforms ? WEIGHT_S8 : WEIGHT_F32;
    return k->weights == weights && k->fits(s);
}

/* The best level first; within a level as listed. Plain C only where there is nothing else. */
static void add_candidates(struct candidates *c, const struct conv_shape *s, const struct layer *l,
                           enum cpu_level level, bool transforms)
{
    for (int at = (int)level; at >= 0; at--) {
        if (at == (int)CPU_REF && level > CPU_REF && c->n > 0)
            return;
        for (int i = 0; conv_kernels[i] && c->n < MAX_CANDIDATES; i++) {
            const struct conv_kernel *k = conv_kernels[i];
            if ((int)k->level == at && k->transforms == transforms && may_do(k, s, l)) {
                c->ns[c->n] = INT64_MAX;
                c->kernels[c->n++] = k;
            }
        }
    }
}

/* Direct sums first: without timing they are taken. */
static void find_candidates(struct candidates *c, const struct conv_shape *s, const struct layer *l,
                            const struct compile_options *o)
{
    c->n = 0;
    add_candidates(c, s, l, o->level, false);
    if (!o->direct && !o->no_timing)
        add_candidates(c, s, l, o->level, true);
}

/* ---- timing ------------------------------------------------------------------------------ */

/* Memory like the engine's for one convolution and the kernel that needs most of it. */
struct bench {
    struct conv_shape shape;
    struct step_maps maps;
    struct step_team team;
    struct arena arena;
    uint8_t *packed;
    float *channels; /* ones */
    uint8_t *zero;
    int32_t *offset;
};

static size_t map_size(int h, int w, int pitch, enum map_type type)
{
    return (size_t)h * (size_t)w * (size_t)pitch * map_type_size(type) + PLAN_TAIL;
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static int bench_open(struct bench *b, const struct conv_shape *s, const struct candidates *c,
                      struct workers *workers)
{
    const struct conv_geometry *g = &s->g;
    const size_t x = map_size(g->in_h, g->in_w, g->in_pitch, s->in);
    const size_t y = map_size(g->out_h, g->out_w, g->out_pitch, s->out);
    size_t packed = 0, scratch = 0, workspace = 0;
    for (int i = 0; i < c->n; i++) {
        const struct conv_kernel *k = c->kernels[i];
        packed = most(packed, k->packed(s));
        scratch = most(scratch, k->scratch ? k->scratch(s) : 0);
        workspace = most(workspace, k->workspace ? k->workspace(s) : 0);
    }
    const unsigned threads = workers ? workers_count(workers) : 1;
    const size_t per_channel = (size_t)g->out_c * sizeof(float), stride = arena_round(scratch);
    const size_t zeros = (size_t)g->in_c + PLAN_TAIL;
    *b = (struct bench){.shape = *s};
    const int err =
        arena_open(&b->arena, arena_round(x) + 2 * arena_round(y) + arena_round(packed) +
                                  arena_round(workspace) + threads * stride +
                                  2 * arena_round(per_channel) + arena_round(zeros));
    if (err < 0)
        return err;
    b->maps.in[0].data = arena_take(&b->arena, x);
    b->maps.out.data = arena_take(&b->arena, y);
    b->maps.added.data = arena_take(&b->arena, y);
    b->packed = arena_take(&b->arena, packed);
    b->channels = arena_take(&b->arena, per_channel);
    b->offset = arena_take(&b->arena, per_channel);
    b->zero = arena_take(&b->arena, zeros);
    b->team = (struct step_team){.workers = workers,
                                 .threads = threads,
                                 .workspace = arena_take(&b->arena, workspace),
                                 .scratch = arena_take(&b->arena, threads * stride),
                                 .scratch_stride = stride};
    memset(b->arena.base, 0, b->arena.size); /* no page is new to the first kernel */
    for (int k = 0; k < g->out_c; k++)
        b->channels[k] = 1.0F;
    return BPNET_OK;
}

/* One run, on zeros: no kernel's time depends on the values. In an engine all other layers' weights
 * pass between two runs, so these come from memory. */
static int64_t time_once(const struct bench *b, const struct conv_kernel *kernel)
{
    const bool bytes = b->shape.out == MAP_U8;
    const struct task task = {
        .kernel = kernel,
        .shape = b->shape,
        .constants = {.packed = b->packed,
                      .zero = b->zero,
                      .offset = b->offset,
                      .multiplier = b->channels,
                      .bias = b->channels,
                      .low = 0.0F,
                      .high = bytes ? 255.0F : INFINITY,
                      .add_scale = 1.0F,
                      .add_pitch = b->shape.g.out_pitch},
    };
    cpu_forget(b->packed, kernel->packed(&b->shape));
    const int64_t start = clock_ns();
    task_run(&b->team, &task, &b->maps);
    return clock_ns() - start;
}

static int64_t least(const struct candidates *c)
{
    int64_t ns = INT64_MAX;
    for (int i = 0; i < c->n; i++)
        ns = c->ns[i] < ns ? c->ns[i] : ns;
    return ns;
}

/* In turns, so that all meet the same disturbances. */
static void time_all(const struct bench *b, struct candidates *c)
{
    int64_t spent = 0;
    for (int run = 0; run < RUNS && (run < 2 || spent < ENOUGH_NS); run++) {
        const double worst = (double)least(c) * (run < 2 ? hopeless_first : hopeless);
        for (int i = 0; i < c->n; i++) {
            if (run > 0 && (double)c->ns[i] > worst)
                continue;
            const int64_t ns = time_once(b, c->kernels[i]);
            c->ns[i] = ns < c->ns[i] ? ns : c->ns[i];
            spent += ns;
        }
    }
}

/* ---- choosing ---------------------------------------------------------------------------- */

static bool recall(const struct timing_cache *cache, const char *shape, struct candidates *c)
{
    for (int i = 0; i < c->n; i++)
        if (!timing_cache_find(cache, shape, c->kernels[i]->name, &c->ns[i]))
            return false;
    return true;
}

static int measure(struct timing_cache *cache, const char *shape, const struct conv_shape *s,
                   struct candidates *c, struct workers *workers)
{
    struct bench b;
    int err = bench_open(&b, s, c, workers);
    if (err < 0)
        return err;
    time_all(&b, c);
    arena_close(&b.arena);
    for (int i = 0; i < c->n && err == BPNET_OK; i++)
        err = timing_cache_add(cache, shape, c->kernels[i]->name, c->ns[i]);
    return err;
}

static int choose(struct compilation *c, struct timing_cache *cache, int index)
{
    const struct compile_options *o = c->options;
    const struct layer *l = &c->net.layers[index];
    const struct conv_shape s = compile_shape(c, l);
    struct candidates all;
    find_candidates(&all, &s, l, o);
    if (all.n == 0)
        return error_set(BPNET_EUNSUPPORTED, "no kernel does the convolution '%s'",
                         c->net.tensors[l->output].name);
    int best = 0;
    if (!o->no_timing && all.n > 1) {
        char shape[TIMING_SHAPE_SIZE];
        timing_shape(shape, &s);
        if (!recall(cache, shape, &all)) {
            const int err = measure(cache, shape, &s, &all, o->workers);
            if (err < 0)
                return err;
        }
        for (int i = 1; i < all.n; i++)
            best = (double)all.ns[i] * noticeable < (double)all.ns[best] ? i : best;
    }
    c->kernels[index] = all.kernels[best];
    return BPNET_OK;
}

int tactic_choose(struct compilation *c)
{
    const struct compile_options *o = c->options;
    const char *path = o->no_timing ? NULL : o->timing_cache;
    struct timing_cache cache;
    int err = timing_cache_open(&cache, path, o->workers ? workers_count(o->workers) : 1);
    for (int i = 0; i < c->net.n_layers && err == BPNET_OK; i++)
        if (c->net.layers[i].kind == LAYER_CONV)
            err = choose(c, &cache, i);
    if (err == BPNET_OK)
        err = timing_cache_save(&cache);
    timing_cache_close(&cache);
    return err;
}
