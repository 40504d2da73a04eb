/* How rows of a step's output are made, and the table of kinds. */
#include "engine/step.h"

#include "engine/step_rules.h"

static uint8_t *row_of(const struct map_view *m, int row)
{
    return (uint8_t *)m->data +
           (size_t)row * (size_t)m->w * (size_t)m->pitch * map_type_size(m->type);
}

static size_t pixels(const struct map_view *m, int row0, int row1)
{
    return (size_t)(row1 - row0) * (size_t)m->w;
}

static void convert_rows(const struct step_tables *tables, const struct task *t,
                         const struct step_maps *m, int row0, int row1)
{
    tables->ops.convert(&m->in[0], &t->convert, &m->out, row0, row1);
}

static void add_rows(const struct step_tables *tables, const struct task *t,
                     const struct step_maps *m, int row0, int row1)
{
    const struct plan_step *s = t->plan;
    tables->ops.add(&m->in[0], &m->in[1], s->a, s->b, s->c, s->low, s->high, s->out_zero, &m->out,
                    row0, row1);
}

static void mul_rows(const struct step_tables *tables, const struct task *t,
                     const struct step_maps *m, int row0, int row1)
{
    (void)t;
    tables->kernels.mul((const float *)row_of(&m->in[0], row0), m->in[0].pitch,
                        (const float *)row_of(&m->in[1], row0), m->in[1].pitch, false,
                        (float *)row_of(&m->out, row0), m->out.pitch, pixels(&m->out, row0, row1),
                        m->out.channels);
}

static void act_rows(const struct step_tables *tables, const struct task *t,
                     const struct step_maps *m, int row0, int row1)
{
    tables->kernels.act((enum activation)t->plan->act, (const float *)row_of(&m->in[0], row0),
                        m->in[0].pitch, (float *)row_of(&m->out, row0), m->out.pitch,
                        pixels(&m->out, row0, row1), m->out.channels);
}

static void max_pool_rows(const struct step_tables *tables, const struct task *t,
                          const struct step_maps *m, int row0, int row1)
{
    tables->ops.max_pool(&t->shape.g, m->in[0].type, m->in[0].data, m->out.data, row0, row1);
}

static void avg_pool_rows(const struct step_tables *tables, const struct task *t,
                          const struct step_maps *m, int row0, int row1)
{
    tables->ops.avg_pool(&t->shape.g, m->in[0].type, m->in[0].data, m->out.data, row0, row1);
}

static void upsample2_rows(const struct step_tables *tables, const struct task *t,
                           const struct step_maps *m, int row0, int row1)
{
    (void)t;
    tables->ops.upsample2(&m->in[0], &m->out, row0, row1);
}

static void enlarge_rows(const struct step_tables *tables, const struct task *t,
                         const struct step_maps *m, int row0, int row1)
{
    const struct map_view *x = &m->in[0];
    tables->kernels.enlarge((enum enlarge)t->plan->act, t->plan->stride, x->data, x->h, x->w,
                            x->channels, x->pitch, m->out.data, m->out.pitch, row0, row1);
}

static void prelu_rows(const struct step_tables *tables, const struct task *t,
                       const struct step_maps *m, int row0, int row1)
{
    tables->kernels.prelu((const float *)row_of(&m->in[0], row0), m->in[0].pitch, t->slopes,
                          (float *)row_of(&m->out, row0), m->out.pitch, pixels(&m->out, row0, row1),
                          m->out.channels);
}

const struct step_kind step_kinds[STEP_OPS] = {
    [STEP_CONV] = {"conv", 1, step_check_conv, NULL},
    [STEP_CONVERT] = {"convert", 1, step_check_convert, convert_rows},
    [STEP_ADD] = {"add", 2, step_check_add, add_rows},
    [STEP_MUL] = {"mul", 2, step_check_float, mul_rows},
    [STEP_ACT] = {"act", 1, step_check_float, act_rows},
    [STEP_MAX_POOL] = {"max_pool", 1, step_check_pool, max_pool_rows},
    [STEP_AVG_POOL] = {"avg_pool", 1, step_check_pool, avg_pool_rows},
    [STEP_UPSAMPLE2] = {"upsample2", 1, step_check_upsample2, upsample2_rows},
    [STEP_ENLARGE] = {"enlarge", 1, step_check_enlarge, enlarge_rows},
    [STEP_PRELU] = {"prelu", 1, step_check_prelu, prelu_rows},
};

/* ---- running ----------------------------------------------------------------------------- */

enum { SHARES = 4 /* pieces of a step's work per thread, so that no thread waits long */ };

/* One step's work in one phase: items, in pieces that threads take. */
struct job {
    const struct step_team *team;
    const struct task *task;
    const struct step_maps *maps;
    int phase, n_items, n_pieces;
};

static void run_piece(void *ctx, size_t piece, unsigned thread)
{
    const struct job *job = ctx;
    const struct step_team *team = job->team;
    const struct task *t = job->task;
    const struct step_maps *m = job->maps;
    const int64_t n = job->n_items;
    const int item0 = (int)(n * (int64_t)piece / job->n_pieces);
    const int item1 = (int)(n * (int64_t)(piece + 1) / job->n_pieces);
    if (!t->kernel) {
        t->kind->rows(team->tables, t, m, item0, item1);
        return;
    }
    const struct conv_call call = {
        .shape = &t->shape,
        .c = &t->constants,
        .x = m->in[0].data,
        .add = m->added.data,
        .y = m->out.data,
        .workspace = team->workspace,
        .scratch = team->scratch + thread * team->scratch_stride,
    };
    t->kernel->run(&call, job->phase, item0, item1);
}

static void run_items(struct job *job, int n_items)
{
    const struct step_team *team = job->team;
    const int64_t most = team->threads > 1 ? (int64_t)team->threads * SHARES : 1;
    job->n_items = n_items;
    job->n_pieces = (int)(n_items < most ? n_items : most);
    if (team->workers)
        workers_run(team->workers, (size_t)job->n_pieces, run_piece, job);
    else
        for (int piece = 0; piece < job->n_pieces; piece++)
            run_piece(job, (size_t)piece, 0);
}

void task_run(const struct step_team *team, const struct task *t, const struct step_maps *m)
{
    struct job job = {.team = team, .task = t, .maps = m};
    if (!t->kernel) {
        run_items(&job, m->out.h);
        return;
    }
    const int n_phases = t->kernel->phases ? t->kernel->phases(&t->shape) : 1;
    for (; job.phase < n_phases; job.phase++)
        run_items(&job, t->kernel->items(&t->shape, job.phase));
}

/* ---- sizes ------------------------------------------------------------------------------- */

size_t task_scratch(const struct task *t)
{
    return t->kernel && t->kernel->scratch ? t->kernel->scratch(&t->shape) : 0;
}

size_t task_workspace(const struct task *t)
{
    return t->kernel && t->kernel->workspace ? t->kernel->workspace(&t->shape) : 0;
}

size_t task_constants(const struct task *t)
{
    const struct plan_step *s = t->plan;
    const size_t out_c = (size_t)t->shape.g.out_c, in_c = (size_t)t->shape.g.in_c;
    size_t size = s->stream >= 0 ? (size_t)s->stream_size : 0;
    size += s->zero >= 0 ? in_c : 0;
    const int64_t per_channel[] = {s->offset, s->multiplier, s->bias,
                                   s->scale,  s->shift,      s->slopes};
    for (size_t i = 0; i < sizeof per_channel / sizeof per_channel[0]; i++)
        size += per_channel[i] >= 0 ? out_c * sizeof(float) : 0;
    return size;
}
