/*
 * Opening an engine, and running it. An engine is a plan, tasks that point into the mapped file,
 * and what the file says of itself; a context is memory for maps and a team of workers.
 */
#include "engine/engine.h"

#include "base/arena.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/plan.h"
#include "engine/step.h"
#include "io/container.h"

#include <stdlib.h>
#include <string.h>

struct engine {
    struct container file;
    struct plan plan;
    struct task *tasks;
    const uint8_t *weights;
    size_t weights_size;
    size_t scratch, workspace; /* the most that any step needs */
    struct step_tables tables;
    struct skeleton skeleton;
    char *report;
    struct engine_info info;
};

struct engine_context {
    const struct engine *engine;
    struct workers *workers;
    unsigned threads;
    struct arena arena;
    uint8_t *memory, *workspace, *scratch;
    engine_observer observer;
    void *observer_ctx;
    int64_t *ns;
};

/* ---- opening ----------------------------------------------------------------------------- */

static int check_level(const struct engine *e, const char *name, enum cpu_level level)
{
    const enum cpu_level needed = (enum cpu_level)e->plan.head.level;
    if (needed > level)
        return error_set(BPNET_EUNSUPPORTED,
                         "%s: built for %s, this CPU has %s; rebuild it with `bpnet export "
                         "--rebuild`",
                         name, cpu_level_name(needed), cpu_level_name(level));
    return BPNET_OK;
}

static int read_sections(struct engine *e, const char *name)
{
    const uint8_t *bytes;
    size_t size;
    int err = container_section(&e->file, "plan", &bytes, &size);
    if (err < 0 || (err = plan_read(&e->plan, bytes, size, name)) < 0 ||
        (err = plan_check(&e->plan, name)) < 0 ||
        (err = container_section(&e->file, "weights", &e->weights, &e->weights_size)) < 0)
        return err;
    if ((uint64_t)e->plan.head.weights != e->weights_size)
        return error_set(BPNET_EFORMAT, "%s: %zu bytes of weights, the plan says %lld", name,
                         e->weights_size, (long long)e->plan.head.weights);
    size = 0;
    if (container_has(&e->file, "report") &&
        (err = container_section(&e->file, "report", &bytes, &size)) < 0)
        return err;
    e->report = calloc(1, size + 1);
    if (!e->report)
        return error_set(BPNET_ENOMEM, "%s: no memory for its report", name);
    if (size > 0)
        memcpy(e->report, bytes, size);
    return BPNET_OK;
}

static int prepare_steps(struct engine *e, const char *name, enum cpu_level level)
{
    const int32_t n = e->plan.head.n_steps;
    const struct step_check check = {&e->plan, e->weights, e->weights_size, level, name};
    e->tasks = calloc((size_t)n + 1, sizeof *e->tasks);
    if (!e->tasks)
        return error_set(BPNET_ENOMEM, "%s: no memory for %d steps", name, n);
    for (int32_t i = 0; i < n; i++) {
        const int err = task_prepare(&e->tasks[i], &check, i);
        if (err < 0)
            return err;
        const size_t scratch = task_scratch(&e->tasks[i]), space = task_workspace(&e->tasks[i]);
        e->scratch = scratch > e->scratch ? scratch : e->scratch;
        e->workspace = space > e->workspace ? space : e->workspace;
    }
    return BPNET_OK;
}

static void copy_name(char to[SKELETON_NAME_SIZE], const char *from)
{
    size_t n = strlen(from);
    n = n < SKELETON_NAME_SIZE ? n : SKELETON_NAME_SIZE - 1;
    memcpy(to, from, n);
    to[n] = '\0';
}

static void take_skeleton(struct engine *e)
{
    const struct plan *p = &e->plan;
    struct skeleton *s = &e->skeleton;
    copy_name(s->type, plan_text(p, p->head.skeleton_type));
    copy_name(s->category, plan_text(p, p->head.skeleton_category));
    s->n_joints = p->head.n_joints;
    s->n_limbs = p->head.n_limbs;
    for (int i = 0; i < s->n_joints; i++) {
        copy_name(s->joints[i], plan_text(p, p->joints[i].name));
        s->mirror[i] = (int16_t)p->joints[i].mirror;
    }
    for (int i = 0; i < s->n_limbs; i++) {
        s->limbs[i][0] = (int16_t)p->limbs[i].from;
        s->limbs[i][1] = (int16_t)p->limbs[i].to;
    }
}

static const struct plan_map *output_map(const struct engine *e, int k)
{
    return &e->plan.maps[e->plan.outputs[k].map];
}

/* The decoder takes the maps' sizes and channels from the skeleton and the stride. */
static int check_pose(const struct engine *e, const char *name)
{
    const struct plan_head *h = &e->plan.head;
    if (h->heat_output == -1 && h->paf_output == -1)
        return BPNET_OK;
    if (h->heat_output < 0 || h->heat_output >= h->n_outputs || h->paf_output < 0 ||
        h->paf_output >= h->n_outputs || h->n_joints < 1)
        return error_set(BPNET_EFORMAT, "%s: heatmaps are output %d and PAFs output %d of %d", name,
                         h->heat_output, h->paf_output, h->n_outputs);
    const struct plan_map *in = &e->plan.maps[h->input];
    const struct plan_map *heat = output_map(e, h->heat_output),
                          *paf = output_map(e, h->paf_output);
    const int rows = (in->h - 1) / h->stride + 1, columns = (in->w - 1) / h->stride + 1;
    if (heat->channels != skeleton_heat_channels(&e->skeleton) ||
        paf->channels != skeleton_paf_channels(&e->skeleton) || heat->h != rows ||
        heat->w != columns || paf->h != rows || paf->w != columns)
        return error_set(BPNET_EFORMAT,
                         "%s: heatmaps of %d x %d x %d and PAFs of %d x %d x %d do not belong to "
                         "%d joints, %d limbs and a stride of %d",
                         name, heat->h, heat->w, heat->channels, paf->h, paf->w, paf->channels,
                         e->skeleton.n_joints, e->skeleton.n_limbs, h->stride);
    return BPNET_OK;
}

static size_t context_size(const struct engine *e, unsigned threads)
{
    return arena_round((size_t)e->plan.head.memory + PLAN_TAIL) + arena_round(e->workspace) +
           threads * arena_round(e->scratch);
}

static void take_info(struct engine *e)
{
    const struct plan *p = &e->plan;
    const struct plan_head *h = &p->head;
    e->info = (struct engine_info){
        .input_h = p->maps[h->input].h,
        .input_w = p->maps[h->input].w,
        .level = (enum cpu_level)h->level,
        .precision = plan_text(p, h->precision),
        .cpu = plan_text(p, h->cpu),
        .description = plan_text(p, h->description),
        .report = e->report,
        .stride = h->stride,
        .heat_threshold = h->heat_threshold,
        .paf_threshold = h->paf_threshold,
        .skeleton = &e->skeleton,
        .heat_output = h->heat_output,
        .paf_output = h->paf_output,
        .weights_bytes = e->weights_size,
        .workspace_bytes = context_size(e, 1),
        .n_steps = h->n_steps,
        .n_outputs = h->n_outputs,
    };
    memcpy(e->info.scale, h->scale, sizeof h->scale);
    memcpy(e->info.offset, h->offset, sizeof h->offset);
}

/* From an open container; the engine owns it in any case. */
static int open_file(struct engine **out, struct container *file, const char *name,
                     enum cpu_level level)
{
    int err;
    struct engine *e = calloc(1, sizeof *e);
    if (!e) {
        container_close(file);
        return error_set(BPNET_ENOMEM, "%s: no memory for an engine", name);
    }
    e->file = *file;
    if ((err = read_sections(e, name)) < 0 || (err = check_level(e, name, level)) < 0 ||
        (err = prepare_steps(e, name, level)) < 0)
        goto fail;
    take_skeleton(e);
    if ((err = check_pose(e, name)) < 0)
        goto fail;
    take_info(e);
    kernels_init(&e->tables.kernels, level);
    map_ops_init(&e->tables.ops, level);
    *out = e;
    return BPNET_OK;
fail:
    engine_close(e);
    return err;
}

int engine_open(struct engine **out, const char *path, struct seal_key *key, enum cpu_level level,
                struct workers *workers)
{
    struct container file;
    *out = NULL;
    int err = container_open(&file, path, "engine", key);
    if (err < 0)
        return err;
    file.workers = workers;
    err = open_file(out, &file, path, level);
    if (*out)
        (*out)->file.workers = NULL; /* they are not ours to keep */
    return err;
}

int engine_open_memory(struct engine **out, const uint8_t *bytes, size_t size, const char *name,
                       enum cpu_level level)
{
    struct container file;
    *out = NULL;
    if ((uintptr_t)bytes % ARENA_ALIGN != 0)
        return error_set(BPNET_EUSAGE, "%s: an engine in memory must be aligned to %d bytes", name,
                         ARENA_ALIGN);
    const int err = container_open_memory(&file, bytes, size, name, "engine");
    return err < 0 ? err : open_file(out, &file, name, level);
}

void engine_close(struct engine *e)
{
    if (!e)
        return;
    free(e->tasks);
    free(e->report);
    plan_free(&e->plan);
    container_close(&e->file);
    free(e);
}

const struct engine_info *engine_info(const struct engine *e)
{
    return &e->info;
}

/* ---- contexts ---------------------------------------------------------------------------- */

int engine_context_open(struct engine_context **out, const struct engine *e,
                        struct workers *workers)
{
    *out = NULL;
    struct engine_context *c = calloc(1, sizeof *c);
    if (!c)
        return error_set(BPNET_ENOMEM, "no memory for a context of an engine");
    c->engine = e;
    c->workers = workers;
    c->threads = workers ? workers_count(workers) : 1;
    const int err = arena_open(&c->arena, context_size(e, c->threads));
    if (err < 0) {
        free(c);
        return err;
    }
    c->memory = arena_take(&c->arena, (size_t)e->plan.head.memory + PLAN_TAIL);
    c->workspace = arena_take(&c->arena, e->workspace);
    c->scratch = arena_take(&c->arena, c->threads * arena_round(e->scratch));
    *out = c;
    return BPNET_OK;
}

void engine_context_close(struct engine_context *c)
{
    if (!c)
        return;
    arena_close(&c->arena);
    free(c);
}

static struct map_view view_of(const struct engine_context *c, int32_t map)
{
    const struct plan_map *m = &c->engine->plan.maps[map];
    return (struct map_view){
        c->memory + m->offset, (enum map_type)m->type, m->h, m->w, m->channels, m->pitch};
}

/* ---- running ----------------------------------------------------------------------------- */

static void run_step(const struct engine_context *c, int32_t index)
{
    const struct task *t = &c->engine->tasks[index];
    const struct plan_step *s = t->plan;
    const struct step_team team = {
        .tables = &c->engine->tables,
        .workers = c->workers,
        .threads = c->threads,
        .workspace = c->workspace,
        .scratch = c->scratch,
        .scratch_stride = arena_round(c->engine->scratch),
    };
    struct step_maps maps = {.out = view_of(c, s->output)};
    for (int i = 0; i < t->kind->n_inputs; i++)
        maps.in[i] = view_of(c, s->inputs[i]);
    if (s->added >= 0)
        maps.added = view_of(c, s->added);
    task_run(&team, t, &maps);
}

static void take_pixels(const struct engine_context *c, const uint8_t *pixels)
{
    const struct map_view in = view_of(c, c->engine->plan.head.input);
    const size_t n = (size_t)in.h * (size_t)in.w;
    uint8_t *to = in.data;
    if (in.pitch == in.channels) {
        memcpy(to, pixels, n * (size_t)in.channels);
        return;
    }
    for (size_t i = 0; i < n; i++, to += in.pitch, pixels += in.channels)
        memcpy(to, pixels, (size_t)in.channels);
}

void engine_run(struct engine_context *c, const uint8_t *pixels)
{
    take_pixels(c, pixels);
    for (int32_t i = 0; i < c->engine->plan.head.n_steps; i++) {
        const int64_t start = c->ns ? clock_ns() : 0;
        run_step(c, i);
        if (c->ns)
            c->ns[i] += clock_ns() - start;
        if (c->observer) {
            const struct map_view made = view_of(c, c->engine->plan.steps[i].output);
            c->observer(c->observer_ctx, i, &made);
        }
    }
}

struct map_view engine_output(const struct engine_context *c, int k)
{
    return view_of(c, c->engine->plan.outputs[k].map);
}

const char *engine_output_name(const struct engine *e, int k)
{
    return plan_text(&e->plan, e->plan.outputs[k].name);
}

/* ---- as a predictor's network ------------------------------------------------------------ */

static int run_pixels(void *ctx, const uint8_t *input, int h, int w, struct maps *out)
{
    struct engine_context *c = ctx;
    const struct engine_info *info = &c->engine->info;
    if (h != info->input_h || w != info->input_w)
        return error_set(BPNET_EUSAGE, "an engine for %d x %d pixels was given %d x %d",
                         info->input_w, info->input_h, w, h);
    if (info->heat_output < 0)
        return error_set(BPNET_EUSAGE, "this engine's network has no heatmaps and PAFs");
    engine_run(c, input);
    const struct map_view heat = engine_output(c, info->heat_output);
    const struct map_view paf = engine_output(c, info->paf_output);
    *out = (struct maps){
        .h = heat.h,
        .w = heat.w,
        .heat = heat.data,
        .heat_channels = heat.channels,
        .heat_pitch = heat.pitch,
        .paf = paf.data,
        .paf_channels = paf.channels,
        .paf_pitch = paf.pitch,
    };
    return BPNET_OK;
}

void engine_as_net(struct engine_context *c, struct net *net)
{
    const struct engine_info *info = &c->engine->info;
    *net = (struct net){
        .run_pixels = run_pixels,
        .ctx = c,
        .stride = info->stride,
        .fixed_size = true,
        .fixed_h = info->input_h,
        .fixed_w = info->input_w,
        .skeleton = info->skeleton,
    };
    memcpy(net->scale, info->scale, sizeof net->scale);
    memcpy(net->offset, info->offset, sizeof net->offset);
}

/* ---- looking inside ---------------------------------------------------------------------- */

const char *const map_type_names[MAP_TYPES] = {
    [MAP_F32] = "f32", [MAP_BF16] = "bf16", [MAP_U8] = "u8"};

static size_t map_bytes(const struct engine *e, int32_t map)
{
    if (map < 0)
        return 0;
    const struct plan_map *m = &e->plan.maps[map];
    return (size_t)m->h * (size_t)m->w * (size_t)m->channels *
           map_type_size((enum map_type)m->type);
}

struct engine_step_info engine_step(const struct engine *e, int index)
{
    const struct task *t = &e->tasks[index];
    const struct plan_step *s = t->plan;
    const struct plan_map *made = &e->plan.maps[s->output];
    return (struct engine_step_info){
        .name = plan_text(&e->plan, s->name),
        .kind = t->kind->name,
        .kernel = plan_text(&e->plan, s->kernel),
        .in = (enum map_type)e->plan.maps[s->inputs[0]].type,
        .out = (enum map_type)made->type,
        .h = made->h,
        .w = made->w,
        .channels = made->channels,
        .macs = t->macs,
        .bytes_read = map_bytes(e, s->inputs[0]) + map_bytes(e, s->inputs[1]) +
                      map_bytes(e, s->added) + task_constants(t),
        .bytes_written = map_bytes(e, s->output),
    };
}

void engine_observe(struct engine_context *c, engine_observer fn, void *ctx)
{
    c->observer = fn;
    c->observer_ctx = ctx;
}

void engine_profile(struct engine_context *c, int64_t *ns)
{
    c->ns = ns;
    if (ns)
        memset(ns, 0, (size_t)c->engine->plan.head.n_steps * sizeof *ns);
}
