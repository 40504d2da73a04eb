/* Experiment specs: the table's values, what follows from them, and whether they fit together. */
#include "base/error.h"
#include "base/str.h"
#include "io/file.h"
#include "spec/spec.h"
#include "spec/spec_path.h"
#include "spec/spec_tables.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- defaults that depend on other values ------------------------------------------------ */

static void settle_minimum(double *minimum, double maximum)
{
    if (isnan(*minimum))
        *minimum = 0.0 - maximum; /* not -0 */
}

static void settle_augmentation(struct augmentation_spec *a)
{
    settle_minimum(&a->rotate_deg_min, a->rotate_deg_max);
    settle_minimum(&a->translate_min_x, a->translate_max_x);
    settle_minimum(&a->translate_min_y, a->translate_max_y);
    settle_minimum(&a->translate_ratio_min, a->translate_ratio_max);
}

/* Files are named as they can be opened from here on. */
static int settle_paths(struct experiment_spec *s)
{
    char **const paths[] = {&s->data.pose_config_path, &s->pretrained_weights,
                            &s->finetune_checkpoint, &s->inference_spec, &s->teacher.model_path};
    int err = BPNET_OK;
    for (size_t i = 0; err == BPNET_OK && i < sizeof paths / sizeof *paths; i++)
        err = spec_path_settle(paths[i], s->path);
    for (size_t i = 0; err == BPNET_OK && i < s->data.n_dataset_specs; i++)
        err = spec_path_settle(&s->data.dataset_specs[i].path, s->path);
    return err;
}

/* ---- checks across keys ------------------------------------------------------------------ */

static int check_order(const struct doc *doc, const char *section, const char *low_key, double low,
                       const char *high_key, double high)
{
    struct str path = {0};
    if (low <= high)
        return BPNET_OK;
    str_printf(&path, "%s.%s", section, low_key);
    const struct doc_node *node = doc_find(doc, str_text(&path));
    str_free(&path);
    return doc_error(doc, node, BPNET_ECONFIG, "%s.%s is %g, more than %s, which is %g", section,
                     low_key, low, high_key, high);
}

static int check_augmentation(const struct doc *doc, const struct augmentation_spec *a)
{
    static const char section[] = "dataloader.augmentation_config.spatial_aug_params";
    const struct {
        const char *low_key, *high_key;
        double low, high;
    } pairs[] = {
        {"rotate_deg_min", "rotate_deg_max", a->rotate_deg_min, a->rotate_deg_max},
        {"zoom_ratio_min", "zoom_ratio_max", a->zoom_ratio_min, a->zoom_ratio_max},
        {"translate_min_x", "translate_max_x", a->translate_min_x, a->translate_max_x},
        {"translate_min_y", "translate_max_y", a->translate_min_y, a->translate_max_y},
        {"translate_ratio_min", "translate_ratio_max", a->translate_ratio_min,
         a->translate_ratio_max},
    };
    int err = BPNET_OK;
    for (size_t i = 0; err == BPNET_OK && i < sizeof pairs / sizeof *pairs; i++)
        err = check_order(doc, section, pairs[i].low_key, pairs[i].low, pairs[i].high_key,
                          pairs[i].high);
    return err;
}

static int check_schedule(const struct doc *doc, const struct schedule_spec *s)
{
    static const char section[] = "optimizer.learning_rate_schedule";
    const bool ramps = s->kind == SCHEDULE_SOFTSTART;
    const char *base = s->kind == SCHEDULE_EXPONENTIAL ? "learning_rate" : "base_learning_rate";
    int err = check_order(doc, section, "min_learning_rate", s->min_lr, base, s->base_lr);
    if (err == BPNET_OK && ramps)
        err = check_order(doc, section, "soft_start", s->soft_start, "annealing", s->annealing);
    return err;
}

static int check_stride(const struct doc *doc, const struct dataloader_spec *d)
{
    const int stride = d->image_h / d->target_h;
    if (stride >= 1 && stride * d->target_h == d->image_h && stride * d->target_w == d->image_w)
        return BPNET_OK;
    return doc_error(doc, doc_find(doc, "dataloader.pose_config.target_shape"), BPNET_ECONFIG,
                     "dataloader.pose_config.target_shape: labels of %dx%d (height x width) for "
                     "pictures of %dx%d, expected both sides divided by the same whole stride",
                     d->target_h, d->target_w, d->image_h, d->image_w);
}

static int check_epochs(const struct doc *doc, const struct experiment_spec *s)
{
    if (s->num_epoch % s->checkpoint_n_epoch == 0)
        return BPNET_OK;
    return doc_error(doc, doc_find(doc, "checkpoint_n_epoch"), BPNET_ECONFIG,
                     "checkpoint_n_epoch is %d, which does not divide num_epoch, %d",
                     s->checkpoint_n_epoch, s->num_epoch);
}

static int settle_backbone(const struct doc *doc, struct model_spec *m)
{
    static const int helnet_layers[] = {6, 10, 12, 18, 26, 34};
    const struct doc_node *section = doc_find(doc, "model.backbone_attributes");
    const struct doc_node *node = doc_get(section, "nlayers");
    if (m->kind == MODEL_LIGHT)
        return BPNET_OK;
    if (m->backbone_layers == 0 && m->backbone != BACKBONE_VGG)
        return doc_error_key(doc, section, BPNET_ECONFIG,
                             "missing key 'nlayers' in model.backbone_attributes, which only vgg "
                             "can do without");
    if (m->backbone == BACKBONE_VGG) {
        if (m->backbone_layers == 0)
            m->backbone_layers = 19;
        return m->backbone_layers == 19
                   ? BPNET_OK
                   : doc_error(doc, node, BPNET_ECONFIG,
                               "model.backbone_attributes.nlayers: found %d, expected 19 for vgg",
                               m->backbone_layers);
    }
    if (m->backbone != BACKBONE_HELNET)
        return BPNET_OK;
    for (size_t i = 0; i < sizeof helnet_layers / sizeof *helnet_layers; i++)
        if (m->backbone_layers == helnet_layers[i])
            return BPNET_OK;
    return doc_error(doc, node, BPNET_ECONFIG,
                     "model.backbone_attributes.nlayers: found %d, expected 6, 10, 12, 18, 26 or "
                     "34 for helnet",
                     m->backbone_layers);
}

static int settle_channels(const struct doc *doc, int *channels, int expected, const char *key,
                           const struct experiment_spec *s)
{
    if (*channels == 0)
        *channels = expected;
    if (*channels == expected)
        return BPNET_OK;
    return doc_error(doc, doc_find(doc, key), BPNET_ECONFIG,
                     "%s: found %d, expected %d for the %d joints and %d limbs of %s", key,
                     *channels, expected, s->skeleton.n_joints, s->skeleton.n_limbs,
                     s->data.pose_config_path);
}

static int settle_skeleton(const struct doc *doc, struct experiment_spec *s)
{
    const char *path = s->data.pose_config_path;
    if (!file_exists(path))
        return doc_error(doc, doc_find(doc, "dataloader.pose_config.pose_config_path"),
                         BPNET_ENOENT,
                         "dataloader.pose_config.pose_config_path: no file '%s', neither as "
                         "written nor in the spec's folder",
                         path);
    int err = pose_config_load(&s->skeleton, path);
    if (err == BPNET_OK)
        err = settle_channels(doc, &s->model.heat_channels, skeleton_heat_channels(&s->skeleton),
                              "model.heat_channels", s);
    if (err == BPNET_OK)
        err = settle_channels(doc, &s->model.paf_channels, skeleton_paf_channels(&s->skeleton),
                              "model.paf_channels", s);
    return err;
}

/* ---- settings that this network does not have -------------------------------------------- */

static void warn_of_idle_settings(const struct doc *doc, const struct model_spec *m)
{
    const bool light = m->kind == MODEL_LIGHT, vgg = !light && m->backbone == BACKBONE_VGG;
    const struct {
        bool idle;
        const char *path, *reason;
    } settings[] = {
        {light && m->self_attention, "model.use_self_attention", "BpNetLightModel has none"},
        {light && !m->head_bias, "model.use_bias",
         "BpNetLightModel has biases in its last layers only, and always"},
        {vgg && !m->backbone_batch_norm, "model.backbone_attributes.use_batch_norm",
         "vgg always has batch normalisation"},
        {!light && m->backbone != BACKBONE_HELNET && m->helnet != HELNET_DEFAULT,
         "model.backbone_attributes.mtype", "only helnet comes in several kinds"},
    };
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (settings[i].idle)
            doc_warning(doc, doc_find(doc, settings[i].path), "%s has no effect: %s",
                        settings[i].path, settings[i].reason);
}

/* ---- the whole --------------------------------------------------------------------------- */

static int settle(const struct doc *doc, struct experiment_spec *s)
{
    int err;
    settle_augmentation(&s->data.augmentation);
    if ((err = settle_paths(s)) < 0 || (err = check_epochs(doc, s)) < 0 ||
        (err = check_stride(doc, &s->data)) < 0 ||
        (err = check_augmentation(doc, &s->data.augmentation)) < 0 ||
        (err = check_schedule(doc, &s->optimizer.schedule)) < 0 ||
        (err = settle_backbone(doc, &s->model)) < 0)
        return err;
    warn_of_idle_settings(doc, &s->model);
    return settle_skeleton(doc, s);
}

/* ---- loading and writing ----------------------------------------------------------------- */

int experiment_spec_load(struct experiment_spec **out, const char *path,
                         const struct spec_overrides *overrides)
{
    *out = NULL;
    struct doc doc;
    int err = doc_load(&doc, path, overrides);
    if (err < 0)
        return err;
    struct experiment_spec *s = calloc(1, sizeof *s);
    err = s ? BPNET_OK : error_set(BPNET_ENOMEM, "%s: no memory for the spec", path);
    if (err == BPNET_OK)
        err = schema_read(&experiment_schema, &doc, doc.root, s);
    if (err == BPNET_OK && !(s->path = str_copy(path)))
        err = BPNET_ENOMEM;
    if (err == BPNET_OK)
        err = settle(&doc, s);
    doc_free(&doc);
    if (err < 0)
        experiment_spec_free(s);
    else
        *out = s;
    return err;
}

void experiment_spec_free(struct experiment_spec *s)
{
    if (!s)
        return;
    schema_free(&experiment_schema, s);
    free(s->path);
    free(s);
}

char *experiment_spec_text(const struct experiment_spec *s)
{
    struct str text = {0};
    schema_write(&text, &experiment_schema, s);
    if (str_status(&text) == BPNET_OK)
        return text.text;
    str_free(&text);
    return NULL;
}

int experiment_spec_write(const struct experiment_spec *s, const char *path)
{
    char *text = experiment_spec_text(s);
    const int err = text ? file_write(path, text, strlen(text)) : BPNET_ENOMEM;
    free(text);
    return err;
}

int experiment_spec_complete(char **out, const char *text, const char *name)
{
    struct doc doc;
    struct experiment_spec spec = {0};
    *out = NULL;
    int err = doc_parse(&doc, text, strlen(text), name, NULL);
    if (err == BPNET_OK)
        err = schema_read(&experiment_schema, &doc, doc.root, &spec);
    if (err == BPNET_OK) {
        *out = experiment_spec_text(&spec);
        err = *out ? BPNET_OK : BPNET_ENOMEM;
        schema_free(&experiment_schema, &spec);
    }
    doc_free(&doc);
    return err;
}
