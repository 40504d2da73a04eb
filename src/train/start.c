/* Where a run begins: resumed, fine-tuned, transferred or new. */
#include "train/start.h"

#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "train/specdiff.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Keys that the checkpoint's version did not know had their defaults then. */
static int compare_specs(enum spec_change *change, const struct checkpoint *c,
                         const struct experiment_spec *spec, char *story, size_t size)
{
    char *before = NULL, *now = experiment_spec_text(spec);
    if (!now)
        return BPNET_ENOMEM;
    int err = experiment_spec_complete(&before, c->model->spec_text, c->path);
    if (err != BPNET_ENOMEM) /* what is not a spec of ours is compared as it is */
        err = spec_compare(change, before ? before : c->model->spec_text, now, story, size);
    free(before);
    free(now);
    return err;
}

/* A checkpoint says which spec it was trained with; compare it with the one in hand. */
static int check_spec(const struct checkpoint *c, const struct experiment_spec *spec)
{
    enum spec_change change;
    char story[256];
    const int err = compare_specs(&change, c, spec, story, sizeof story);
    if (err < 0)
        return err;
    if (change == SPEC_DIFFERENT)
        return error_set(BPNET_ECONFIG,
                         "%s was made with another spec (%s): restore the setting, train into "
                         "another folder, or start afresh",
                         c->path, story);
    if (change == SPEC_HARMLESS)
        log_warning("%s: the learning rate follows the new length from here on", story);
    return BPNET_OK;
}

/* Take over what a checkpoint holds; the file stays open for its moments. */
static void adopt(struct start *s, struct checkpoint *c)
{
    s->file = *c;
    *c = (struct checkpoint){0};
    s->model = s->file.model;
    s->average = s->file.average;
    s->state = s->file.state;
    s->file.model = NULL;
    s->file.average = NULL;
}

static int resume(struct start *s, const struct experiment_spec *spec, const char *folder,
                  struct seal_key *key)
{
    struct checkpoint c;
    int err = checkpoint_latest(&c, folder, key);
    if (err < 0 || !c.path)
        return err;
    if ((err = check_spec(&c, spec)) < 0) {
        checkpoint_close(&c);
        return err;
    }
    adopt(s, &c);
    s->resumed = true;
    return BPNET_OK;
}

static int fine_tune(struct start *s, const struct experiment_spec *spec, struct seal_key *key)
{
    if (!spec->finetune_checkpoint)
        return error_set(BPNET_ECONFIG,
                         "%s: finetuning_config.checkpoint_path: found null, expected the "
                         "checkpoint to start from, because is_finetune_exp is set",
                         spec->path);
    if (spec->finetune_epoch >= spec->num_epoch)
        return error_set(BPNET_ECONFIG,
                         "%s: finetuning_config.ckpt_epoch_num is %d of %d epochs: nothing is left "
                         "to train",
                         spec->path, spec->finetune_epoch, spec->num_epoch);
    struct checkpoint c;
    const int err = checkpoint_open(&c, spec->finetune_checkpoint, key);
    if (err < 0)
        return err;
    adopt(s, &c);
    const uint64_t step = s->state.step;
    train_state_init(&s->state);
    s->state.step = s->state.base_step = step;
    s->state.base_epoch = spec->finetune_epoch;
    log_info("fine-tuning %s from its step %llu", spec->finetune_checkpoint,
             (unsigned long long)step);
    return BPNET_OK;
}

/*
 * What the original does to a graph from a file (spec part 9, quirk 8): nothing is regularised, and
 * every multiplier is 1.
 */
static void drop_training_attributes(struct graph *g)
{
    for (int i = 0; i < g->n_nodes; i++) {
        struct node *node = &g->nodes[i];
        node->l1 = node->l2 = node->bias_l1 = node->bias_l2 = 0.0F;
        node->kernel_lr = node->bias_lr = 1.0F;
    }
}

/* The spec's regularisers and multipliers for a graph that came from a file, by node name. */
static void apply_training_attributes(struct graph *to, const struct graph *from)
{
    for (int i = 0; i < to->n_nodes; i++) {
        struct node *node = &to->nodes[i];
        const int k = graph_find(from, node->name);
        if (k < 0 || node->op != from->nodes[k].op)
            continue;
        const struct node *own = &from->nodes[k];
        node->l1 = own->l1;
        node->l2 = own->l2;
        node->bias_l1 = own->bias_l1;
        node->bias_l2 = own->bias_l2;
        node->kernel_lr = own->kernel_lr;
        node->bias_lr = own->bias_lr;
    }
}

/* A graph from a file must have the outputs that the spec's labels are for. */
static int check_outputs(const struct model *found, const struct model *expected, const char *path)
{
    const struct graph *f = &found->graph, *e = &expected->graph;
    if (f->n_outputs != e->n_outputs)
        return error_set(BPNET_ECONFIG, "%s has %d stages, the spec's model has %d", path,
                         f->n_outputs / 2, e->n_outputs / 2);
    for (int k = 0; k < f->n_outputs; k++) {
        const struct node *a = &f->nodes[f->outputs[k]], *b = &e->nodes[e->outputs[k]];
        if (a->channels != b->channels)
            return error_set(BPNET_ECONFIG, "%s: output '%s' has %d channels, the spec's has %d",
                             path, a->name, a->channels, b->channels);
    }
    if (found->meta.stride != expected->meta.stride)
        return error_set(BPNET_ECONFIG, "%s has stride %d, the spec's model has %d", path,
                         found->meta.stride, expected->meta.stride);
    return BPNET_OK;
}

static int load_graph(struct start *s, const struct experiment_spec *spec, struct seal_key *key)
{
    struct model *loaded;
    const char *path = spec->pretrained_weights;
    int err = model_load(&loaded, path, key);
    if (err < 0)
        return err;
    if ((err = check_outputs(loaded, s->model, path)) < 0) {
        model_free(loaded);
        return err;
    }
    if (s->compat) {
        drop_training_attributes(&loaded->graph);
        log_warning("%s: as in the original, its regularisers and learning-rate multipliers are "
                    "dropped",
                    path);
    } else {
        apply_training_attributes(&loaded->graph, &s->model->graph);
    }
    loaded->meta = s->model->meta; /* input, normalisation and skeleton are the spec's */
    model_free(s->model);
    s->model = loaded;
    log_info("%s: %zu parameters, with its own graph", path, params_total(&loaded->params));
    return BPNET_OK;
}

static bool is_safetensors(const char *path)
{
    const char *dot = strrchr(path, '.');
    return dot && strcasecmp(dot, ".safetensors") == 0;
}

static int copy_weights(struct start *s, const char *path, struct seal_key *key)
{
    int copied = 0, skipped = 0, err;
    if (is_safetensors(path)) {
        err = model_load_safetensors(s->model, path, &copied);
        skipped = s->model->params.n - copied;
    } else {
        struct model *loaded;
        if ((err = model_load(&loaded, path, key)) < 0)
            return err;
        err = model_copy_weights(s->model, loaded, &copied, &skipped);
        model_free(loaded);
    }
    if (err < 0)
        return err;
    if (copied == 0)
        return error_set(BPNET_ECONFIG,
                         "%s: none of its parameters has a name and shape of the spec's model",
                         path);
    log_info("%s: took over %d parameters, left out %d", path, copied, skipped);
    return BPNET_OK;
}

static int begin(struct start *s, const struct experiment_spec *spec, struct seal_key *key)
{
    train_state_init(&s->state);
    const int err = model_build(&s->model, spec);
    if (err < 0)
        return err;
    if (spec->load_graph && !spec->pretrained_weights)
        return error_set(BPNET_ECONFIG,
                         "%s: load_graph is set, but pretrained_weights names no model",
                         spec->path);
    if (!spec->pretrained_weights)
        return BPNET_OK;
    return spec->load_graph ? load_graph(s, spec, key)
                            : copy_weights(s, spec->pretrained_weights, key);
}

/* Averages begin at the weights; a run that does not want them any more drops them. */
static int settle_average(struct start *s, double decay)
{
    if (!(decay > 0.0)) {
        free(s->average);
        s->average = NULL;
        return BPNET_OK;
    }
    if (s->average)
        return BPNET_OK;
    const size_t size = s->model->params.n_floats * sizeof(float);
    if (!(s->average = malloc(size)))
        return error_set(BPNET_ENOMEM, "no memory for averages of %zu bytes", size);
    memcpy(s->average, s->model->params.value, size);
    return BPNET_OK;
}

/* Files that are written from here on carry the spec in hand. */
static int settle_spec(struct start *s, const struct experiment_spec *spec)
{
    char *text = experiment_spec_text(spec);
    if (!text)
        return BPNET_ENOMEM;
    free(s->model->spec_text);
    s->model->spec_text = text;
    s->state.seed = spec->random_seed;
    return BPNET_OK;
}

int start_find(struct start *out, const struct experiment_spec *spec, const char *folder,
               struct seal_key *key, bool compat)
{
    struct start s = {.compat = compat};
    *out = (struct start){0};
    int err = folder ? resume(&s, spec, folder, key) : BPNET_OK;
    if (err == BPNET_OK && !s.model)
        err = spec->is_finetune ? fine_tune(&s, spec, key) : begin(&s, spec, key);
    if (err == BPNET_OK)
        err = settle_average(&s, spec->ema_decay);
    if (err == BPNET_OK)
        err = settle_spec(&s, spec);
    if (err < 0)
        start_close(&s);
    else
        *out = s;
    return err;
}

int start_take_moments(const struct start *s, float *moments, size_t n_moments)
{
    if (!s->file.path)
        return BPNET_OK;
    if (s->file.n_moments != n_moments)
        return error_set(BPNET_ECONFIG,
                         "%s holds %zu moments of its optimiser, the spec's optimiser has %zu",
                         s->file.path, s->file.n_moments, n_moments);
    memcpy(moments, s->file.moments, n_moments * sizeof *moments);
    return BPNET_OK;
}

void start_close(struct start *s)
{
    checkpoint_close(&s->file);
    model_free(s->model);
    free(s->average);
    *s = (struct start){0};
}
