/* Compiling: the passes in order, and the two sections that they end in. */
#include "deploy/compile.h"

#include "base/error.h"
#include "deploy/compilation.h"
#include "deploy/network_edit.h"
#include "io/container.h"
#include "pose/predict.h"

#include <stdlib.h>
#include <string.h>

static int run_passes(struct compilation *c)
{
    int err;
    if ((err = network_insert_converts(&c->net)) < 0)
        return err;
    const size_t n_tensors = (size_t)c->net.n_tensors, n_layers = (size_t)c->net.n_layers;
    c->pitches = calloc(n_tensors, sizeof *c->pitches);
    c->maps = calloc(n_tensors, sizeof *c->maps);
    c->kernels = calloc(n_layers + 1, sizeof *c->kernels);
    if (!c->pitches || !c->maps || !c->kernels)
        return error_set(BPNET_ENOMEM, "no memory to compile %zu layers", n_layers);
    place_pitches(c);
    if ((err = tactic_choose(c)) < 0 || (err = place_maps(c)) < 0 || (err = pack_steps(c)) < 0)
        return err;
    return BPNET_OK;
}

/* ---- around the network ------------------------------------------------------------------ */

/* Layers and tensors are copied, because conversions are inserted; weights are not. */
static int copy_network(struct network *to, const struct network *from)
{
    *to = *from;
    to->layer_capacity = from->n_layers;
    to->tensor_capacity = from->n_tensors;
    to->layers = malloc(((size_t)from->n_layers + 1) * sizeof *to->layers);
    to->tensors = malloc(((size_t)from->n_tensors + 1) * sizeof *to->tensors);
    if (!to->layers || !to->tensors)
        return error_set(BPNET_ENOMEM, "no memory to compile %d layers", from->n_layers);
    if (from->n_layers > 0)
        memcpy(to->layers, from->layers, (size_t)from->n_layers * sizeof *to->layers);
    memcpy(to->tensors, from->tensors, (size_t)from->n_tensors * sizeof *to->tensors);
    return BPNET_OK;
}

static void compilation_close(struct compilation *c)
{
    free(c->net.layers);
    free(c->net.tensors);
    free(c->pitches);
    free(c->maps);
    free(c->kernels);
    free(c->constants.bytes);
    str_free(&c->text);
    c->plan.text = NULL;
    plan_free(&c->plan);
}

int32_t compile_text(struct compilation *c, const char *text)
{
    if (!*text && c->text.length > 0)
        return 0;
    const size_t at = c->text.length;
    str_append_bytes(&c->text, text, strlen(text) + 1);
    return (int32_t)at;
}

static int take_tables(struct compilation *c)
{
    const struct skeleton *s = &c->net.model->meta.skeleton;
    c->plan.outputs = calloc((size_t)c->net.n_outputs + 1, sizeof *c->plan.outputs);
    c->plan.joints = calloc((size_t)s->n_joints + 1, sizeof *c->plan.joints);
    c->plan.limbs = calloc((size_t)s->n_limbs + 1, sizeof *c->plan.limbs);
    if (!c->plan.outputs || !c->plan.joints || !c->plan.limbs)
        return error_set(BPNET_ENOMEM, "no memory for the tables of an engine");
    return BPNET_OK;
}

static void list_outputs(struct compilation *c)
{
    for (int k = 0; k < c->net.n_outputs; k++)
        c->plan.outputs[c->plan.head.n_outputs++] = (struct plan_output){
            c->maps[c->net.outputs[k]], compile_text(c, c->net.tensors[c->net.outputs[k]].name)};
}

static void list_skeleton(struct compilation *c)
{
    const struct skeleton *s = &c->net.model->meta.skeleton;
    struct plan_head *h = &c->plan.head;
    h->skeleton_type = compile_text(c, s->type);
    h->skeleton_category = compile_text(c, s->category);
    for (int i = 0; i < s->n_joints; i++)
        c->plan.joints[h->n_joints++] =
            (struct plan_joint){compile_text(c, s->joints[i]), s->mirror[i]};
    for (int i = 0; i < s->n_limbs; i++)
        c->plan.limbs[h->n_limbs++] = (struct plan_limb){s->limbs[i][0], s->limbs[i][1]};
}

/* Whether the outputs are the last stage's heatmaps and PAFs, as network_lower() leaves them. */
static bool is_pose(const struct network *n)
{
    const struct model_meta *m = &n->model->meta;
    return m->stages > 0 && m->skeleton.n_joints > 0 && n->n_outputs == 2 &&
           n->model->graph.n_outputs == 2 * m->stages;
}

static int describe(struct compilation *c)
{
    const struct model_meta *m = &c->net.model->meta;
    struct predict_options defaults;
    struct plan_head *h = &c->plan.head;
    char cpu[128];
    const int err = take_tables(c);
    if (err < 0)
        return err;
    predict_options_default(&defaults);
    cpu_model_name(cpu, sizeof cpu);
    h->version = PLAN_VERSION;
    h->input = c->maps[0];
    h->stride = m->stride > 0 ? m->stride : 1;
    h->heat_output = is_pose(&c->net) ? 0 : -1;
    h->paf_output = is_pose(&c->net) ? 1 : -1;
    h->precision = compile_text(c, c->options->precision ? c->options->precision : "fp32");
    h->cpu = compile_text(c, cpu);
    h->description = compile_text(c, m->description);
    memcpy(h->scale, m->scale, sizeof h->scale);
    memcpy(h->offset, m->offset, sizeof h->offset);
    h->heat_threshold = defaults.heat_threshold;
    h->paf_threshold = defaults.paf_threshold;
    list_outputs(c);
    list_skeleton(c);
    return BPNET_OK;
}

/* ---- the file ---------------------------------------------------------------------------- */

/* A normal network's size is far below the format's limits, but nothing is written unchecked. */
static int check_plan(const struct compilation *c)
{
    const struct plan_head *h = &c->plan.head;
    if (h->n_maps > PLAN_MAX_MAPS || h->n_steps > PLAN_MAX_STEPS || h->text_size > PLAN_MAX_TEXT)
        return error_set(BPNET_ELIMIT, "an engine of %d maps and %d steps, at most %d and %d",
                         h->n_maps, h->n_steps, PLAN_MAX_MAPS, PLAN_MAX_STEPS);
    return plan_check(&c->plan, "the engine");
}

static int compose(uint8_t **bytes, size_t *size, struct compilation *c)
{
    struct str plan = {0};
    int err = str_status(&c->text);
    if (err < 0)
        return err;
    c->plan.text = c->text.text;
    c->plan.head.text_size = (int32_t)c->text.length;
    if ((err = check_plan(c)) < 0)
        return err;
    if ((err = plan_write(&c->plan, &plan)) == BPNET_OK) {
        const struct section sections[] = {{"plan", plan.text, plan.length},
                                           {"weights", c->constants.bytes, c->constants.size}};
        err = container_compose(bytes, size, "engine", sections, 2);
    }
    str_free(&plan);
    return err;
}

int compile_to_memory(uint8_t **bytes, size_t *size, const struct network *net,
                      const struct compile_options *options)
{
    struct compilation c = {.options = options};
    int err;
    *bytes = NULL;
    *size = 0;
    str_append_bytes(&c.text, "", 1);
    if ((err = copy_network(&c.net, net)) == BPNET_OK && (err = run_passes(&c)) == BPNET_OK &&
        (err = describe(&c)) == BPNET_OK)
        err = compose(bytes, size, &c);
    compilation_close(&c);
    return err;
}
