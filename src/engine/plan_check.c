/*
 * Whether a plan's memory makes sense. Sizes are multiplied in 64 bits after every factor was found
 * small; lifetimes are those that running the steps in order implies.
 */
#include "engine/plan.h"

#include "base/error.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int64_t plan_map_extent(const struct plan_map *m)
{
    const int64_t pixels = (int64_t)m->h * m->w;
    return ((pixels - 1) * m->pitch + m->channels) * (int64_t)map_type_size((enum map_type)m->type);
}

/* ---- the header ---------------------------------------------------------------------------- */

static bool is_text(const struct plan *p, int32_t offset)
{
    return offset >= 0 && offset < p->head.text_size;
}

static int check_head(const struct plan *p, const char *name)
{
    const struct plan_head *h = &p->head;
    if (h->level < 0 || h->level >= CPU_LEVELS || h->stride < 1 || h->stride > PLAN_MAX_SIDE ||
        h->memory < 0 || h->memory > PLAN_MAX_MEMORY || h->weights < 0)
        return error_set(BPNET_EFORMAT,
                         "%s: the plan's level is %d, its stride %d, its memory %lld bytes, its "
                         "constants %lld",
                         name, h->level, h->stride, (long long)h->memory, (long long)h->weights);
    if (!is_text(p, h->precision) || !is_text(p, h->cpu) || !is_text(p, h->description) ||
        !is_text(p, h->skeleton_type) || !is_text(p, h->skeleton_category))
        return error_set(BPNET_EFORMAT, "%s: a text of the plan is outside its texts", name);
    for (int c = 0; c < 3; c++)
        if (!isfinite(h->scale[c]) || h->scale[c] == 0 || !isfinite(h->offset[c]))
            return error_set(BPNET_EFORMAT, "%s: the plan normalises pixels by / %g - %g", name,
                             (double)h->scale[c], (double)h->offset[c]);
    if (!isfinite(h->heat_threshold) || !isfinite(h->paf_threshold))
        return error_set(BPNET_EFORMAT, "%s: the plan's thresholds are not numbers", name);
    return BPNET_OK;
}

static int check_skeleton(const struct plan *p, const char *name)
{
    const struct plan_head *h = &p->head;
    for (int32_t i = 0; i < h->n_joints; i++)
        if (!is_text(p, p->joints[i].name) || p->joints[i].mirror < 0 ||
            p->joints[i].mirror >= h->n_joints)
            return error_set(BPNET_EFORMAT, "%s: joint %d of the plan has no name or mirror", name,
                             i);
    for (int32_t i = 0; i < h->n_limbs; i++)
        if (p->limbs[i].from < 0 || p->limbs[i].from >= h->n_joints || p->limbs[i].to < 0 ||
            p->limbs[i].to >= h->n_joints)
            return error_set(BPNET_EFORMAT, "%s: limb %d of the plan joins joints %d and %d of %d",
                             name, i, p->limbs[i].from, p->limbs[i].to, h->n_joints);
    return BPNET_OK;
}

/* ---- maps ---------------------------------------------------------------------------------- */

static bool is_size(int32_t n, int32_t limit)
{
    return n >= 1 && n <= limit;
}

static bool lies_in_whole(const struct plan *p, const struct plan_map *m)
{
    const struct plan_map *whole = &p->maps[m->whole];
    const int64_t size = (int64_t)map_type_size((enum map_type)m->type);
    return whole->whole < 0 && m->h == whole->h && m->w == whole->w && m->type == whole->type &&
           m->pitch == whole->pitch && m->channel >= 0 &&
           m->channels <= whole->channels - m->channel &&
           m->offset == whole->offset + m->channel * size;
}

static int check_map(const struct plan *p, int32_t index, const char *name)
{
    const struct plan_map *m = &p->maps[index];
    if (!is_size(m->h, PLAN_MAX_SIDE) || !is_size(m->w, PLAN_MAX_SIDE) ||
        !is_size(m->channels, PLAN_MAX_CHANNELS) || !is_size(m->pitch, PLAN_MAX_CHANNELS) ||
        m->pitch < m->channels || m->type < 0 || m->type >= MAP_TYPES || m->offset < 0 ||
        m->whole < -1 || m->whole >= index)
        return error_set(BPNET_EFORMAT, "%s: map %d is %d x %d x %d, pitch %d, type %d, part of %d",
                         name, index, m->h, m->w, m->channels, m->pitch, m->type, m->whole);
    if (m->whole >= 0 ? !lies_in_whole(p, m)
                      : m->offset % 64 != 0 || m->channel != 0 ||
                            plan_map_extent(m) > p->head.memory - m->offset)
        return error_set(BPNET_EFORMAT, "%s: map %d, at %lld, does not lie in %s", name, index,
                         (long long)m->offset, m->whole >= 0 ? "its whole" : "the memory");
    return BPNET_OK;
}

static int check_input(const struct plan *p, const char *name)
{
    const int32_t input = p->head.input;
    if (input < 0 || input >= p->head.n_maps || p->maps[input].whole >= 0 ||
        p->maps[input].channels != 3 || p->maps[input].type != MAP_U8)
        return error_set(BPNET_EFORMAT, "%s: map %d cannot be the input", name, input);
    return BPNET_OK;
}

/* ---- lifetimes ----------------------------------------------------------------------------- */

/* When a whole map is in use, and which of its channels are written. */
struct life {
    int32_t begin, end; /* begin > end: never */
    uint8_t *written;   /* a byte a channel */
};

struct lives {
    const struct plan *plan;
    const char *name;
    struct life *of; /* per map; of wholes */
    uint8_t *bytes;
};

static int32_t whole_of(const struct plan *p, int32_t map)
{
    return p->maps[map].whole >= 0 ? p->maps[map].whole : map;
}

static void use(struct lives *l, int32_t map, int32_t moment)
{
    struct life *life = &l->of[whole_of(l->plan, map)];
    if (moment < life->begin)
        life->begin = moment;
    if (moment > life->end)
        life->end = moment;
}

static void write_map(struct lives *l, int32_t map, int32_t moment)
{
    const struct plan_map *m = &l->plan->maps[map];
    use(l, map, moment);
    memset(l->of[whole_of(l->plan, map)].written + m->channel, 1, (size_t)m->channels);
}

static int read_map(struct lives *l, int32_t map, int32_t moment)
{
    const struct plan_map *m = &l->plan->maps[map];
    use(l, map, moment);
    if (memchr(l->of[whole_of(l->plan, map)].written + m->channel, 0, (size_t)m->channels))
        return error_set(BPNET_EFORMAT, "%s: step %d reads map %d before all of it is written",
                         l->name, moment, map);
    return BPNET_OK;
}

static bool is_map(const struct plan *p, int32_t map)
{
    return map >= 0 && map < p->head.n_maps;
}

/* Two maps of a step, of which one is written, must not share elements. */
static bool are_apart(const struct plan *p, int32_t a, int32_t b)
{
    const struct plan_map *x = &p->maps[a], *y = &p->maps[b];
    return whole_of(p, a) != whole_of(p, b) || x->channel + x->channels <= y->channel ||
           y->channel + y->channels <= x->channel;
}

static int live_step(struct lives *l, int32_t index)
{
    const struct plan *p = l->plan;
    const struct plan_step *s = &p->steps[index];
    const int32_t read[3] = {s->inputs[0], s->inputs[1], s->added};
    if (!is_text(p, s->name) || !is_text(p, s->kernel))
        return error_set(BPNET_EFORMAT, "%s: step %d has no name", l->name, index);
    if (!is_map(p, s->output) || s->output == p->head.input || !is_map(p, s->inputs[0]))
        return error_set(BPNET_EFORMAT, "%s: step %d reads map %d and writes map %d", l->name,
                         index, s->inputs[0], s->output);
    for (int i = 0; i < 3; i++) {
        if (read[i] == -1)
            continue;
        if (!is_map(p, read[i]) || !are_apart(p, read[i], s->output))
            return error_set(BPNET_EFORMAT, "%s: step %d reads map %d and writes map %d", l->name,
                             index, read[i], s->output);
        const int err = read_map(l, read[i], index);
        if (err < 0)
            return err;
    }
    write_map(l, s->output, index);
    return BPNET_OK;
}

static int live_outputs(struct lives *l)
{
    const struct plan *p = l->plan;
    for (int32_t k = 0; k < p->head.n_outputs; k++) {
        const struct plan_output *o = &p->outputs[k];
        if (!is_map(p, o->map) || p->maps[o->map].type != MAP_F32 || !is_text(p, o->name))
            return error_set(BPNET_EFORMAT, "%s: output %d, map %d, is no map of floats", l->name,
                             k, o->map);
        const int err = read_map(l, o->map, p->head.n_steps);
        if (err < 0)
            return err;
    }
    return BPNET_OK;
}

struct placed {
    int64_t begin, end;
    int32_t map;
};

static int by_place(const void *a, const void *b)
{
    const struct placed *x = a, *y = b;
    return x->begin < y->begin ? -1 : x->begin > y->begin;
}

/* Maps in use at one time, two by two; those sorted behind the end of the first one are apart. */
static int check_overlaps(const struct lives *l)
{
    const struct plan *p = l->plan;
    int err = BPNET_OK;
    int32_t n = 0;
    struct placed *placed = malloc(((size_t)p->head.n_maps + 1) * sizeof *placed);
    if (!placed)
        return error_set(BPNET_ENOMEM, "%s: no memory to check %d maps", l->name, p->head.n_maps);
    for (int32_t i = 0; i < p->head.n_maps; i++) {
        const int64_t begin = p->maps[i].offset;
        if (p->maps[i].whole < 0 && l->of[i].begin <= l->of[i].end)
            placed[n++] = (struct placed){begin, begin + plan_map_extent(&p->maps[i]), i};
    }
    qsort(placed, (size_t)n, sizeof *placed, by_place);
    for (int32_t i = 0; i < n && err == BPNET_OK; i++) {
        const struct life *a = &l->of[placed[i].map];
        for (int32_t k = i + 1; k < n && placed[k].begin < placed[i].end; k++) {
            const struct life *b = &l->of[placed[k].map];
            if (a->begin <= b->end && b->begin <= a->end)
                err = error_set(BPNET_EFORMAT, "%s: maps %d and %d overlap in memory and in time",
                                l->name, placed[i].map, placed[k].map);
        }
    }
    free(placed);
    return err;
}

static int open_lives(struct lives *l, const struct plan *p, const char *name)
{
    size_t n_channels = 0;
    *l = (struct lives){.plan = p, .name = name};
    for (int32_t i = 0; i < p->head.n_maps; i++)
        n_channels += p->maps[i].whole < 0 ? (size_t)p->maps[i].channels : 0;
    l->of = calloc((size_t)p->head.n_maps + 1, sizeof *l->of);
    l->bytes = calloc(n_channels + 1, 1);
    if (!l->of || !l->bytes)
        return error_set(BPNET_ENOMEM, "%s: no memory to check %d maps", name, p->head.n_maps);
    uint8_t *at = l->bytes;
    for (int32_t i = 0; i < p->head.n_maps; i++) {
        l->of[i] = (struct life){INT32_MAX, -1, at};
        at += p->maps[i].whole < 0 ? p->maps[i].channels : 0;
    }
    return BPNET_OK;
}

static int check_lives(const struct plan *p, const char *name)
{
    struct lives l;
    int err = open_lives(&l, p, name);
    if (err == BPNET_OK)
        write_map(&l, p->head.input, 0);
    for (int32_t i = 0; i < p->head.n_steps && err == BPNET_OK; i++)
        err = live_step(&l, i);
    if (err == BPNET_OK)
        err = live_outputs(&l);
    if (err == BPNET_OK)
        err = check_overlaps(&l);
    free(l.of);
    free(l.bytes);
    return err;
}

int plan_check(const struct plan *p, const char *name)
{
    int err;
    if ((err = check_head(p, name)) < 0 || (err = check_skeleton(p, name)) < 0)
        return err;
    for (int32_t i = 0; i < p->head.n_maps; i++)
        if ((err = check_map(p, i, name)) < 0)
            return err;
    if ((err = check_input(p, name)) < 0)
        return err;
    return check_lives(p, name);
}
