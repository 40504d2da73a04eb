/*
 * The three ways. A group is a convolution of its own, between slices of the maps' channels; only
 * its kernel has to be cut out, because the groups' outputs alternate in the parameter's rows.
 */
#include "nn/conv_way.h"

#include <string.h>

enum { ALIGN = 16 };

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static const float *bias_of(const struct step *s)
{
    return s->node->bias || s->norm >= 0 ? s->channel : NULL;
}

static bool wants_dx(const struct exec *e, const struct step *s)
{
    return e->options.training && s->back[0] != GRAD_NONE;
}

size_t conv_kernel_count(const struct step *s)
{
    const struct conv_geometry *g = &s->geometry;
    const size_t inputs = (size_t)(g->in_c / s->node->groups);
    return (size_t)g->kernel_h * (size_t)g->kernel_w * inputs * (size_t)g->out_c;
}

/* The kernels of a convolution, which may be one of a step's groups. */
static const struct kernels *kernels_for(const struct exec *e, const struct conv_geometry *g)
{
    return e->options.mixed && kernels_mix_suits(g) ? e->options.mixed : e->kernels;
}

/* ---- all with all ------------------------------------------------------------------------ */

static void dense_prepare(const struct exec *e, struct step *s)
{
    const struct kernels *k = kernels_for(e, &s->geometry);
    s->bands = bands_of(e, step_output(e, s), k->conv_rows(&s->geometry));
    s->packed_size = k->conv_packed(&s->geometry);
    s->scratch_size = k->conv_scratch(&s->geometry);
    if (e->options.training)
        s->scratch_size = larger(s->scratch_size, k->conv_dw_scratch(&s->dw_geometry));
    if (!wants_dx(e, s))
        return;
    s->back_bands = bands_of(e, step_input(e, s, 0), k->conv_dx_rows(&s->dx_geometry));
    s->packed_back_size = k->conv_dx_packed(&s->dx_geometry);
    s->scratch_size = larger(s->scratch_size, k->conv_dx_scratch(&s->dx_geometry));
}

static void dense_pack(const struct exec *e, struct step *s, const float *w)
{
    const struct kernels *k = kernels_for(e, &s->geometry);
    k->conv_pack(&s->geometry, w, s->packed);
    if (s->packed_back)
        k->conv_dx_pack(&s->dx_geometry, w, s->packed_back);
}

static void dense_forward(const struct exec *e, const struct step *s, struct band b,
                          enum activation act, unsigned thread)
{
    kernels_for(e, &s->geometry)
        ->conv(&s->geometry, map_image(step_input(e, s, 0), b.image), s->packed, bias_of(s), act,
               false, map_image(step_output(e, s), b.image), b.row0, b.row1,
               exec_scratch(e, thread));
}

static void dense_dx(const struct exec *e, const struct step *s, struct band b, unsigned thread)
{
    kernels_for(e, &s->dx_geometry)
        ->conv_dx(&s->dx_geometry, map_image(step_output_grad(e, s), b.image), s->packed_back,
                  s->back[0] == GRAD_ADD, map_image(step_input_grad(e, s, 0), b.image), b.row0,
                  b.row1, exec_scratch(e, thread));
}

static void dense_dw(const struct exec *e, const struct step *s, const struct dw_share *share,
                     float *dw, unsigned thread)
{
    const struct kernels *k = kernels_for(e, &s->dw_geometry);
    const int n_tiles = k->conv_dw_tiles(&s->dw_geometry);
    k->conv_dw(&s->dw_geometry, map_image(step_input(e, s, 0), share->image),
               map_image(step_output_grad(e, s), share->image), share->n_images, dw,
               n_tiles * share->part / share->n_parts, n_tiles * (share->part + 1) / share->n_parts,
               exec_scratch(e, thread));
}

static const struct conv_way dense = {.prepare = dense_prepare,
                                      .pack = dense_pack,
                                      .forward = dense_forward,
                                      .dx = dense_dx,
                                      .dw = dense_dw,
                                      .has_parts = true};

/* ---- depthwise --------------------------------------------------------------------------- */

static void depthwise_prepare(const struct exec *e, struct step *s)
{
    s->bands = bands_of(e, step_output(e, s), 1);
    s->packed_size = conv_kernel_count(s); /* (KH, KW, 1, C) is what kernels want */
    if (wants_dx(e, s))
        s->back_bands = bands_of(e, step_input(e, s, 0), 1);
}

static void depthwise_pack(const struct exec *e, struct step *s, const float *w)
{
    (void)e;
    memcpy(s->packed, w, conv_kernel_count(s) * sizeof *w);
}

static void depthwise_forward(const struct exec *e, const struct step *s, struct band b,
                              enum activation act, unsigned thread)
{
    (void)thread;
    e->kernels->depthwise(&s->geometry, map_image(step_input(e, s, 0), b.image), s->packed,
                          bias_of(s), act, map_image(step_output(e, s), b.image), b.row0, b.row1);
}

static void depthwise_dx(const struct exec *e, const struct step *s, struct band b, unsigned thread)
{
    (void)thread;
    e->kernels->depthwise_dx(&s->dx_geometry, map_image(step_output_grad(e, s), b.image), s->packed,
                             s->back[0] == GRAD_ADD, map_image(step_input_grad(e, s, 0), b.image),
                             b.row0, b.row1);
}

static void depthwise_dw(const struct exec *e, const struct step *s, const struct dw_share *share,
                         float *dw, unsigned thread)
{
    (void)thread;
    for (int image = share->image; image < share->image + share->n_images; image++)
        e->kernels->depthwise_dw(&s->dw_geometry, map_image(step_input(e, s, 0), image),
                                 map_image(step_output_grad(e, s), image), dw);
}

static const struct conv_way depthwise = {.prepare = depthwise_prepare,
                                          .pack = depthwise_pack,
                                          .forward = depthwise_forward,
                                          .dx = depthwise_dx,
                                          .dw = depthwise_dw,
                                          .any_act = true};

/* ---- group by group ---------------------------------------------------------------------- */

static size_t aligned(size_t floats)
{
    return (floats + ALIGN - 1) / ALIGN * ALIGN;
}

/* One group of a geometry. */
static struct conv_geometry group_of(const struct step *s, struct conv_geometry g)
{
    g.in_c /= s->node->groups;
    g.out_c /= s->node->groups;
    return g;
}

/* Floats of one group's kernel. */
static size_t group_count(const struct step *s)
{
    return conv_kernel_count(s) / (size_t)s->node->groups;
}

/* Floats from one group's weight stream to the next's. */
static size_t stream_size(const struct exec *e, const struct step *s)
{
    const struct conv_geometry g = group_of(s, s->geometry);
    return aligned(kernels_for(e, &g)->conv_packed(&g));
}

static size_t back_stream_size(const struct exec *e, const struct step *s)
{
    const struct conv_geometry g = group_of(s, s->dx_geometry);
    return aligned(kernels_for(e, &g)->conv_dx_packed(&g));
}

static size_t dw_scratch(const struct exec *e, const struct step *s)
{
    const struct conv_geometry g = group_of(s, s->dw_geometry);
    return aligned(kernels_for(e, &g)->conv_dw_scratch(&g));
}

static void grouped_prepare(const struct exec *e, struct step *s)
{
    const struct conv_geometry g = group_of(s, s->geometry);
    const struct kernels *k = kernels_for(e, &g);
    const size_t groups = (size_t)s->node->groups;
    s->bands = bands_of(e, step_output(e, s), k->conv_rows(&g));
    s->packed_size = groups * stream_size(e, s) + group_count(s); /* and one kernel, cut out */
    s->scratch_size = k->conv_scratch(&g);
    if (e->options.training)
        s->scratch_size = larger(s->scratch_size, dw_scratch(e, s) + group_count(s));
    if (!wants_dx(e, s))
        return;
    const struct conv_geometry back = group_of(s, s->dx_geometry);
    s->back_bands = bands_of(e, step_input(e, s, 0), k->conv_dx_rows(&back));
    s->packed_back_size = groups * back_stream_size(e, s);
    s->scratch_size = larger(s->scratch_size, k->conv_dx_scratch(&back));
}

static void grouped_pack(const struct exec *e, struct step *s, const float *w)
{
    const struct conv_geometry g = group_of(s, s->geometry), back = group_of(s, s->dx_geometry);
    const struct kernels *k = kernels_for(e, &g);
    const size_t outputs = (size_t)g.out_c, all = (size_t)s->geometry.out_c;
    const size_t rows = group_count(s) / outputs, size = stream_size(e, s);
    float *cut = s->packed + (size_t)s->node->groups * size;
    for (size_t group = 0; group < (size_t)s->node->groups; group++) {
        for (size_t r = 0; r < rows; r++)
            memcpy(cut + r * outputs, w + r * all + group * outputs, outputs * sizeof *w);
        k->conv_pack(&g, cut, s->packed + group * size);
        if (s->packed_back)
            k->conv_dx_pack(&back, cut, s->packed_back + group * back_stream_size(e, s));
    }
}

static void grouped_forward(const struct exec *e, const struct step *s, struct band b,
                            enum activation act, unsigned thread)
{
    const struct conv_geometry g = group_of(s, s->geometry);
    const float *x = map_image(step_input(e, s, 0), b.image), *bias = bias_of(s);
    float *y = map_image(step_output(e, s), b.image);
    for (int group = 0; group < s->node->groups; group++)
        kernels_for(e, &g)->conv(&g, x + group * g.in_c,
                                 s->packed + (size_t)group * stream_size(e, s),
                                 bias ? bias + group * g.out_c : NULL, act, false,
                                 y + group * g.out_c, b.row0, b.row1, exec_scratch(e, thread));
}

static void grouped_dx(const struct exec *e, const struct step *s, struct band b, unsigned thread)
{
    const struct conv_geometry g = group_of(s, s->dx_geometry);
    const float *dy = map_image(step_output_grad(e, s), b.image);
    float *dx = map_image(step_input_grad(e, s, 0), b.image);
    for (int group = 0; group < s->node->groups; group++)
        kernels_for(e, &g)->conv_dx(
            &g, dy + group * g.out_c, s->packed_back + (size_t)group * back_stream_size(e, s),
            s->back[0] == GRAD_ADD, dx + group * g.in_c, b.row0, b.row1, exec_scratch(e, thread));
}

static void grouped_dw(const struct exec *e, const struct step *s, const struct dw_share *share,
                       float *dw, unsigned thread)
{
    const struct conv_geometry g = group_of(s, s->dw_geometry);
    const struct kernels *k = kernels_for(e, &g);
    const size_t outputs = (size_t)g.out_c, all = (size_t)s->geometry.out_c;
    const size_t rows = group_count(s) / outputs;
    const float *x = map_image(step_input(e, s, 0), share->image);
    const float *dy = map_image(step_output_grad(e, s), share->image);
    float *cut = exec_scratch(e, thread) + dw_scratch(e, s);
    for (int group = 0; group < s->node->groups; group++) {
        memset(cut, 0, group_count(s) * sizeof *cut);
        k->conv_dw(&g, x + group * g.in_c, dy + group * g.out_c, share->n_images, cut, 0,
                   k->conv_dw_tiles(&g), exec_scratch(e, thread));
        for (size_t r = 0; r < rows; r++)
            for (size_t c = 0; c < outputs; c++)
                dw[r * all + (size_t)group * outputs + c] += cut[r * outputs + c];
    }
}

static const struct conv_way grouped = {.prepare = grouped_prepare,
                                        .pack = grouped_pack,
                                        .forward = grouped_forward,
                                        .dx = grouped_dx,
                                        .dw = grouped_dw};

const struct conv_way *conv_way_of(const struct step *s)
{
    const int groups = s->node->groups;
    if (groups == 1)
        return &dense;
    return groups == s->geometry.in_c && groups == s->geometry.out_c ? &depthwise : &grouped;
}
