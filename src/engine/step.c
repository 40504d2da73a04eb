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

const struct step_kind step_kinds[STEP_OPS] = {
    [STEP_CONV] = {"conv", 1, step_check_conv, NULL},
    [STEP_CONVERT] = {"convert", 1, step_check_convert, convert_rows},
    [STEP_ADD] = {"add", 2, step_check_add, add_rows},
    [STEP_MUL] = {"mul", 2, step_check_float, mul_rows},
    [STEP_ACT] = {"act", 1, step_check_float, act_rows},
    [STEP_MAX_POOL] = {"max_pool", 1, step_check_pool, max_pool_rows},
    [STEP_AVG_POOL] = {"avg_pool", 1, step_check_pool, avg_pool_rows},
    [STEP_UPSAMPLE2] = {"upsample2", 1, step_check_upsample2, upsample2_rows},
};

size_t step_scratch(const struct task *t)
{
    return t->kernel && t->kernel->scratch ? t->kernel->scratch(&t->shape) : 0;
}

size_t step_workspace(const struct task *t)
{
    return t->kernel && t->kernel->workspace ? t->kernel->workspace(&t->shape) : 0;
}

size_t step_constants(const struct task *t)
{
    const struct plan_step *s = t->plan;
    const size_t out_c = (size_t)t->shape.g.out_c, in_c = (size_t)t->shape.g.in_c;
    size_t size = s->stream >= 0 ? (size_t)s->stream_size : 0;
    size += s->zero >= 0 ? in_c : 0;
    const int64_t per_channel[] = {s->offset, s->multiplier, s->bias, s->scale, s->shift};
    for (size_t i = 0; i < sizeof per_channel / sizeof per_channel[0]; i++)
        size += per_channel[i] >= 0 ? out_c * sizeof(float) : 0;
    return size;
}
