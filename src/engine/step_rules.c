/*
 * What the kinds of steps demand of their maps and constants. Kernels trust their arguments, so
 * everything that could make one read or write elsewhere, divide by zero or convert a number that
 * does not fit is refused here.
 */
#include "engine/step_rules.h"

#include "base/error.h"

#include <math.h>
#include <string.h>

/* ---- pieces ------------------------------------------------------------------------------ */

static const struct plan_map *map_at(const struct step_check *c, int32_t index)
{
    return &c->plan->maps[index];
}

static int bad(const struct step_check *c, const struct task *t, const char *what)
{
    return error_set(BPNET_EFORMAT, "%s: step %d, '%s': %s", c->name,
                     (int)(t->plan - c->plan->steps), plan_text(c->plan, t->plan->name), what);
}

static bool same_size(const struct plan_map *a, const struct plan_map *b)
{
    return a->h == b->h && a->w == b->w && a->channels == b->channels;
}

/* `size` bytes of constants at `at`, or NULL. */
static const void *constant(const struct step_check *c, int64_t at, size_t size)
{
    if (at < 0 || at % 64 != 0 || (uint64_t)at > c->weights_size ||
        size > c->weights_size - (size_t)at)
        return NULL;
    return c->weights + at;
}

static const float *floats(const struct step_check *c, int64_t at, int32_t n)
{
    return constant(c, at, (size_t)n * sizeof(float));
}

/* Limits that a kernel may round to: whole numbers that are bytes. */
static bool is_limit(const struct plan_step *s, int32_t type, float v)
{
    if (type != MAP_U8)
        return !isnan(v);
    return v >= -255 && v <= 255 && v == rintf(v) && (int)v + s->out_zero >= 0 &&
           (int)v + s->out_zero <= 255;
}

static bool has_limits(const struct plan_step *s, int32_t type)
{
    return s->out_zero >= 0 && s->out_zero <= 255 && is_limit(s, type, s->low) &&
           is_limit(s, type, s->high);
}

/* Along one axis: whether every window has a pixel of the map. */
static bool windows_touch(int in, int out, int kernel, int stride, int dilation, int pad)
{
    return pad >= 0 && pad <= (kernel - 1) * dilation && (out - 1) * stride - pad < in;
}

static bool is_window(const struct plan_step *s, const struct plan_map *x, const struct plan_map *y)
{
    return s->kernel_h >= 1 && s->kernel_h <= PLAN_MAX_KERNEL && s->kernel_w >= 1 &&
           s->kernel_w <= PLAN_MAX_KERNEL && s->stride >= 1 && s->stride <= PLAN_MAX_STRIDE &&
           s->dilation >= 1 && s->dilation <= PLAN_MAX_DILATION &&
           windows_touch(x->h, y->h, s->kernel_h, s->stride, s->dilation, s->pad_top) &&
           windows_touch(x->w, y->w, s->kernel_w, s->stride, s->dilation, s->pad_left);
}

static struct conv_geometry geometry_of(const struct plan_step *s, const struct plan_map *x,
                                        const struct plan_map *y)
{
    return (struct conv_geometry){
        .in_h = x->h,
        .in_w = x->w,
        .in_c = x->channels,
        .out_h = y->h,
        .out_w = y->w,
        .out_c = y->channels,
        .kernel_h = s->kernel_h,
        .kernel_w = s->kernel_w,
        .stride = s->stride,
        .dilation = s->dilation,
        .pad_top = s->pad_top,
        .pad_left = s->pad_left,
        .in_pitch = x->pitch,
        .out_pitch = y->pitch,
    };
}

/* ---- convolution ------------------------------------------------------------------------- */

static int find_kernel(const struct step_check *c, struct task *t)
{
    const char *name = plan_text(c->plan, t->plan->kernel);
    t->kernel = conv_kernel_find(name);
    if (!t->kernel)
        return error_set(BPNET_EUNSUPPORTED,
                         "%s: needs the kernel '%s', which this program does not have; rebuild it "
                         "with `bpnet export --rebuild`",
                         c->name, name);
    if (t->kernel->level > c->level)
        return error_set(BPNET_EUNSUPPORTED,
                         "%s: built for %s, this CPU has %s; rebuild it with `bpnet export "
                         "--rebuild`",
                         c->name, cpu_level_name((enum cpu_level)c->plan->head.level),
                         cpu_level_name(c->level));
    return BPNET_OK;
}

static int check_added(const struct step_check *c, struct task *t, const struct plan_map *y)
{
    const struct plan_step *s = t->plan;
    t->shape.adds = s->added >= 0;
    if (!t->shape.adds)
        return BPNET_OK;
    const struct plan_map *added = map_at(c, s->added);
    if (added->type != y->type || !same_size(added, y) || s->add_zero < 0 || s->add_zero > 255)
        return bad(c, t, "the map that it adds is not like its result");
    t->constants.add_pitch = added->pitch;
    t->constants.add_scale = s->add_scale;
    t->constants.add_zero = s->add_zero;
    return BPNET_OK;
}

static int check_constants(const struct step_check *c, struct task *t)
{
    const struct plan_step *s = t->plan;
    const struct conv_geometry *g = &t->shape.g;
    struct conv_constants *k = &t->constants;
    const size_t packed = t->kernel->packed(&t->shape);
    if (s->stream_size < 0 || (uint64_t)s->stream_size != packed)
        return error_set(BPNET_EFORMAT, "%s: the weights of '%s' take %lld bytes, expected %zu",
                         c->name, plan_text(c->plan, s->name), (long long)s->stream_size, packed);
    k->packed = constant(c, s->stream, packed);
    k->bias = floats(c, s->bias, g->out_c);
    if (!k->packed || !k->bias)
        return bad(c, t, "its weights or biases are outside the constants");
    if (t->shape.in == MAP_U8) {
        k->zero = constant(c, s->zero, (size_t)g->in_c + PLAN_TAIL);
        if (!k->zero)
            return bad(c, t, "its zeros are outside the constants");
    }
    if (t->kernel->weights == WEIGHT_S8) {
        k->offset = constant(c, s->offset, (size_t)g->out_c * sizeof *k->offset);
        k->multiplier = floats(c, s->multiplier, g->out_c);
        if (!k->offset || !k->multiplier)
            return bad(c, t, "its multipliers are outside the constants");
    }
    k->low = s->low;
    k->high = s->high;
    k->out_zero = s->out_zero;
    return BPNET_OK;
}

/* In floats first, because the product of sizes that are all within limits may be beyond 64 bits.
 */
static bool count_macs(struct task *t)
{
    const struct conv_geometry *g = &t->shape.g;
    const double macs = (double)g->out_h * g->out_w * g->kernel_h * g->kernel_w * g->out_c *
                        (t->shape.depthwise ? 1 : g->in_c);
    t->macs = macs <= (double)PLAN_MAX_WORK ? (int64_t)macs : 0;
    return t->macs > 0;
}

int step_check_conv(const struct step_check *c, struct task *t)
{
    int err;
    const struct plan_step *s = t->plan;
    const struct plan_map *x = map_at(c, s->inputs[0]), *y = map_at(c, s->output);
    if (!is_window(s, x, y))
        return bad(c, t, "a window that does not fit its maps");
    t->shape.g = geometry_of(s, x, y);
    t->shape.depthwise = s->depthwise == 1;
    t->shape.in = (enum map_type)x->type;
    t->shape.out = (enum map_type)y->type;
    if (s->depthwise < 0 || s->depthwise > 1 || (s->depthwise && x->channels != y->channels))
        return bad(c, t, "not a depthwise convolution");
    if (!has_limits(s, y->type))
        return bad(c, t, "limits that its result cannot have");
    if ((err = check_added(c, t, y)) < 0 || (err = find_kernel(c, t)) < 0)
        return err;
    if (!count_macs(t) || !t->kernel->fits(&t->shape))
        return bad(c, t, "its kernel does not do this");
    if ((err = check_constants(c, t)) < 0)
        return err;
    if (task_scratch(t) > (size_t)PLAN_MAX_MEMORY || task_workspace(t) > (size_t)PLAN_MAX_MEMORY)
        return bad(c, t, "needs too much memory");
    return BPNET_OK;
}

/* ---- others ------------------------------------------------------------------------------ */

int step_check_convert(const struct step_check *c, struct task *t)
{
    const struct plan_step *s = t->plan;
    const struct plan_map *x = map_at(c, s->inputs[0]), *y = map_at(c, s->output);
    t->shape.g.out_c = y->channels;
    t->convert = (struct map_convert){
        .scale = floats(c, s->scale, y->channels),
        .shift = floats(c, s->shift, y->channels),
        .low = s->low,
        .high = s->high,
        .zero = s->out_zero,
    };
    if (!same_size(x, y) || !has_limits(s, y->type) || !t->convert.scale || !t->convert.shift)
        return bad(c, t, "its maps, limits or constants do not fit");
    return BPNET_OK;
}

int step_check_add(const struct step_check *c, struct task *t)
{
    const struct plan_step *s = t->plan;
    const struct plan_map *x = map_at(c, s->inputs[0]), *y = map_at(c, s->inputs[1]);
    const struct plan_map *z = map_at(c, s->output);
    if (!same_size(x, z) || !same_size(y, z) || x->type != z->type || y->type != z->type ||
        !has_limits(s, z->type))
        return bad(c, t, "its maps or limits do not fit");
    return BPNET_OK;
}

int step_check_float(const struct step_check *c, struct task *t)
{
    const struct plan_step *s = t->plan;
    const struct plan_map *z = map_at(c, s->output);
    for (int i = 0; i < t->kind->n_inputs; i++) {
        const struct plan_map *x = map_at(c, s->inputs[i]);
        if (!same_size(x, z) || x->type != MAP_F32)
            return bad(c, t, "its maps do not fit");
    }
    if (z->type != MAP_F32 || s->act < ACT_NONE || s->act >= ACT_COUNT ||
        (s->op == STEP_ACT && s->act == ACT_NONE))
        return bad(c, t, "its result or function is of another kind");
    return BPNET_OK;
}

int step_check_pool(const struct step_check *c, struct task *t)
{
    const struct plan_step *s = t->plan;
    const struct plan_map *x = map_at(c, s->inputs[0]), *y = map_at(c, s->output);
    if (!is_window(s, x, y) || s->dilation != 1 || x->channels != y->channels || x->type != y->type)
        return bad(c, t, "its maps or window do not fit");
    t->shape.g = geometry_of(s, x, y);
    return BPNET_OK;
}

int step_check_upsample2(const struct step_check *c, struct task *t)
{
    const struct plan_step *s = t->plan;
    const struct plan_map *x = map_at(c, s->inputs[0]), *y = map_at(c, s->output);
    if (y->h > 2 * x->h || y->w > 2 * x->w || x->channels != y->channels || x->type != y->type)
        return bad(c, t, "its maps do not fit");
    return BPNET_OK;
}

int step_check_enlarge(const struct step_check *c, struct task *t)
{
    const struct plan_step *s = t->plan;
    const struct plan_map *x = map_at(c, s->inputs[0]), *y = map_at(c, s->output);
    if (s->act < 0 || s->act >= ENLARGE_COUNT || s->stride < 1 || s->stride > PLAN_MAX_STRIDE ||
        y->h != s->stride * x->h || y->w != s->stride * x->w || x->channels != y->channels ||
        x->type != MAP_F32 || y->type != MAP_F32)
        return bad(c, t, "its maps or factor do not fit");
    return BPNET_OK;
}

int step_check_prelu(const struct step_check *c, struct task *t)
{
    const struct plan_map *y = map_at(c, t->plan->output);
    t->shape.g.out_c = y->channels;
    t->slopes = floats(c, t->plan->slopes, y->channels);
    if (!t->slopes)
        return bad(c, t, "its slopes are outside the constants");
    return step_check_float(c, t);
}

int task_prepare(struct task *t, const struct step_check *c, int32_t index)
{
    const struct plan_step *s = &c->plan->steps[index];
    *t = (struct task){.plan = s};
    if (s->op < 0 || s->op >= STEP_OPS)
        return error_set(BPNET_EUNSUPPORTED,
                         "%s: step %d is of kind %d, which this program does not have; rebuild it "
                         "with `bpnet export --rebuild`",
                         c->name, index, s->op);
    t->kind = &step_kinds[s->op];
    if ((s->inputs[1] >= 0) != (t->kind->n_inputs == 2) || (s->added >= 0 && s->op != STEP_CONV))
        return bad(c, t, "reads another number of maps than such a step does");
    return t->kind->check(c, t);
}
