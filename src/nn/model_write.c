/*
 * Models to files. The section "graph" is JSON:
 *
 *   { "format": 2,
 *     "nodes": [ { "name", "op", "inputs": [names], "channels", and the attributes of the op } ],
 *     "outputs": [names], heatmaps of stage 1..S, then PAFs,
 *     "parameters": [ { "name", "shape", "offset" } ], offsets in floats into "weights",
 *     "meta": { input size, stride, stages, normalisation, epoch, description },
 *     "skeleton": { "type", "category", "joints": [names], "limbs": [[from, to]] } }
 *
 * "weights" is the parameter block as little-endian floats, "spec" the experiment's YAML.
 */
#include "nn/model.h"

#include "base/error.h"
#include "io/json.h"
#include "nn/model_names.h"

#include <stdlib.h>
#include <string.h>

struct model_sections {
    struct str graph;
};

static void member_integer(struct json_writer *w, const char *key, int64_t value)
{
    json_write_key(w, key);
    json_write_integer(w, value);
}

static void member_text(struct json_writer *w, const char *key, const char *text)
{
    json_write_key(w, key);
    json_write_string(w, text);
}

static void member_float(struct json_writer *w, const char *key, float value)
{
    json_write_key(w, key);
    json_write_float(w, value);
}

static void write_window(struct json_writer *w, const struct node *n)
{
    member_integer(w, "kernel", n->kernel);
    member_integer(w, "stride", n->stride);
    member_integer(w, "dilation", n->dilation);
    if (n->padding == PAD_SAME)
        return;
    member_text(w, "padding", model_padding_names[n->padding]);
    if (n->padding != PAD_GIVEN)
        return;
    json_write_key(w, "pad");
    json_begin_array(w);
    for (int side = 0; side < 4; side++)
        json_write_integer(w, n->pad[side]);
    json_end_array(w);
}

static void write_conv(struct json_writer *w, const struct node *n)
{
    write_window(w, n);
    if (n->groups > 1)
        member_integer(w, "groups", n->groups);
    json_write_key(w, "bias");
    json_write_bool(w, n->bias);
    for (int k = 0; k < MODEL_CONV_FLOATS; k++)
        member_float(w, model_conv_floats[k].key, *model_conv_float((struct node *)n, k));
}

static void write_avg_pool(struct json_writer *w, const struct node *n)
{
    write_window(w, n);
    json_write_key(w, "count_padding");
    json_write_bool(w, n->count_padding);
}

static void write_act(struct json_writer *w, const struct node *n)
{
    member_text(w, "act", model_act_names[n->act]);
}

static void write_norm(struct json_writer *w, const struct node *n)
{
    member_float(w, "epsilon", n->epsilon);
    member_float(w, "momentum", n->momentum);
    if (n->l1 > 0.0F)
        member_float(w, "l1", n->l1);
}

static void write_resize(struct json_writer *w, const struct node *n)
{
    member_text(w, "enlarge", model_enlarge_names[n->enlarge]);
    member_integer(w, "factor", n->factor);
}

static void write_node(struct json_writer *w, const struct graph *g, const struct node *n)
{
    static void (*const writers[OP_COUNT])(struct json_writer *, const struct node *) = {
        [OP_CONV] = write_conv,       [OP_NORM] = write_norm,         [OP_ACT] = write_act,
        [OP_MAX_POOL] = write_window, [OP_AVG_POOL] = write_avg_pool, [OP_RESIZE] = write_resize,
    };
    json_begin_object(w);
    member_text(w, "name", n->name);
    member_text(w, "op", op_name(n->op));
    json_write_key(w, "inputs");
    json_begin_array(w);
    for (int i = 0; i < n->n_inputs; i++)
        json_write_string(w, g->nodes[n->inputs[i]].name);
    json_end_array(w);
    member_integer(w, "channels", n->channels);
    if (writers[n->op])
        writers[n->op](w, n);
    json_end_object(w);
}

static void write_parameters(struct json_writer *w, const struct params *p)
{
    json_write_key(w, "parameters");
    json_begin_array(w);
    for (int i = 0; i < p->n; i++) {
        json_begin_object(w);
        member_text(w, "name", p->list[i].name);
        json_write_key(w, "shape");
        json_begin_array(w);
        for (int d = 0; d < p->list[i].n_dims; d++)
            json_write_integer(w, p->list[i].dims[d]);
        json_end_array(w);
        member_integer(w, "offset", (int64_t)p->list[i].offset);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_triple(struct json_writer *w, const char *key, const float value[3])
{
    json_write_key(w, key);
    json_begin_array(w);
    for (int k = 0; k < 3; k++)
        json_write_float(w, value[k]);
    json_end_array(w);
}

static void write_meta(struct json_writer *w, const struct model_meta *meta)
{
    json_write_key(w, "meta");
    json_begin_object(w);
    member_integer(w, "input_height", meta->input_h);
    member_integer(w, "input_width", meta->input_w);
    member_integer(w, "stride", meta->stride);
    member_integer(w, "stages", meta->stages);
    write_triple(w, "image_scale", meta->scale);
    write_triple(w, "image_offset", meta->offset);
    member_integer(w, "epoch", meta->epoch);
    member_text(w, "description", meta->description);
    json_end_object(w);
}

static void write_skeleton(struct json_writer *w, const struct skeleton *s)
{
    json_write_key(w, "skeleton");
    json_begin_object(w);
    member_text(w, "type", s->type);
    member_text(w, "category", s->category);
    json_write_key(w, "joints");
    json_begin_array(w);
    for (int j = 0; j < s->n_joints; j++)
        json_write_string(w, s->joints[j]);
    json_end_array(w);
    json_write_key(w, "limbs");
    json_begin_array(w);
    for (int k = 0; k < s->n_limbs; k++) {
        json_begin_array(w);
        json_write_integer(w, s->limbs[k][0]);
        json_write_integer(w, s->limbs[k][1]);
        json_end_array(w);
    }
    json_end_array(w);
    json_end_object(w);
}

static void write_graph(struct str *text, const struct model *m)
{
    struct json_writer w = {.text = text, .indent = 1};
    json_begin_object(&w);
    member_integer(&w, "format", MODEL_FORMAT);
    json_write_key(&w, "nodes");
    json_begin_array(&w);
    for (int i = 0; i < m->graph.n_nodes; i++)
        write_node(&w, &m->graph, &m->graph.nodes[i]);
    json_end_array(&w);
    json_write_key(&w, "outputs");
    json_begin_array(&w);
    for (int i = 0; i < m->graph.n_outputs; i++)
        json_write_string(&w, m->graph.nodes[m->graph.outputs[i]].name);
    json_end_array(&w);
    write_parameters(&w, &m->params);
    write_meta(&w, &m->meta);
    write_skeleton(&w, &m->meta.skeleton);
    json_end_object(&w);
    str_append(text, "\n");
}

int model_sections(const struct model *m, struct section sections[3], struct model_sections **keep)
{
    struct model_sections *s = calloc(1, sizeof(*s));
    *keep = s;
    if (!s)
        return error_set(BPNET_ENOMEM, "no memory for a model's description");
    write_graph(&s->graph, m);
    const int error = str_status(&s->graph);
    if (error < 0) {
        model_sections_free(s);
        *keep = NULL;
        return error;
    }
    const char *spec = m->spec_text ? m->spec_text : "";
    sections[0] = (struct section){"graph", s->graph.text, s->graph.length};
    sections[1] = (struct section){"weights", m->params.value, m->params.n_floats * sizeof(float)};
    sections[2] = (struct section){"spec", spec, strlen(spec)};
    return BPNET_OK;
}

void model_sections_free(struct model_sections *keep)
{
    if (!keep)
        return;
    str_free(&keep->graph);
    free(keep);
}

int model_save(const struct model *m, const char *path, struct seal_key *key)
{
    struct section sections[3];
    struct model_sections *keep;
    int error = model_sections(m, sections, &keep);
    if (error < 0)
        return error;
    error = container_write(path, "model", sections, 3, key);
    model_sections_free(keep);
    return error;
}
