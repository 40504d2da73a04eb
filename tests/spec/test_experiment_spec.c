/* Experiment specs: every kind of error to the letter, defaults, warnings, and the round trip. */
#include "base/error.h"
#include "base/log.h"
#include "base/str.h"
#include "io/file.h"
#include "spec/spec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define PUBLISHED SOURCE_DIR "/specs/bpnet_train_m1_coco.yaml"
#define POSE      SOURCE_DIR "/specs/bpnet_18joints.json"

/* What must be said; everything else has a default. */
static const char least[] = "dataloader:\n"
                            "  batch_size: 4\n"
                            "  pose_config:\n"
                            "    target_shape: [32, 48]\n"
                            "    pose_config_path: " POSE "\n"
                            "  image_config:\n"
                            "    image_dims: {height: 256, width: 384}\n"
                            "  dataset_config:\n"
                            "    train_records_path: [a, b]\n"
                            "    dataset_specs: {x: y.json}\n"
                            "model:\n"
                            "  __class_name__: BpNetModel\n"
                            "  backbone_attributes: {architecture: vgg}\n"
                            "optimizer:\n"
                            "  __class_name__: WeightedMomentumOptimizer\n"
                            "  learning_rate_schedule:\n"
                            "    __class_name__: ConstantLearningRateSchedule\n"
                            "    learning_rate: 1e-3\n";

static char folder[] = P_tmpdir "/bpnet-spec-XXXXXX";
static char *spec_file; /* in the folder */

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    spec_file = path_join(folder, "t.yaml");
    return spec_file ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(spec_file);
    free(spec_file);
    return rmdir(folder);
}

static int load_text(struct experiment_spec **s, const char *text, const char *const *items)
{
    struct spec_overrides overrides = {items, 0};
    while (items && items[overrides.n])
        overrides.n++;
    assert_int_equal(file_write(spec_file, text, strlen(text)), BPNET_OK);
    return experiment_spec_load(s, spec_file, &overrides);
}

static struct experiment_spec *load(const char *path, const char *const *items)
{
    struct experiment_spec *s = NULL;
    struct spec_overrides overrides = {items, 0};
    while (items && items[overrides.n])
        overrides.n++;
    if (experiment_spec_load(&s, path, &overrides) < 0)
        fail_msg("%s", error_message());
    return s;
}

/* ---- errors ------------------------------------------------------------------------------ */

/* `least` with one piece replaced must fail; the message follows the file's name. */
static void refuse(const char *old, const char *new, int code, const char *message)
{
    struct str text = {0}, expected = {0};
    const char *at = strstr(least, old);
    assert_non_null(at);
    str_append_bytes(&text, least, (size_t)(at - least));
    str_append(&text, new);
    str_append(&text, at + strlen(old));
    struct experiment_spec *s = NULL;
    assert_int_equal(load_text(&s, str_text(&text), NULL), code);
    assert_null(s);
    str_printf(&expected, "%s%s", spec_file, message);
    assert_string_equal(error_message(), str_text(&expected));
    str_free(&text);
    str_free(&expected);
}

static void unknown_keys(void **state)
{
    (void)state;
    refuse("  batch_size: 4", "  batchsize: 4", BPNET_ECONFIG,
           ":2:3: unknown key 'batchsize' in dataloader, did you mean 'batch_size'?\n"
           "  batchsize: 4\n  ^");
    refuse("model:", "zzz: 1\nmodel:", BPNET_ECONFIG, ":11:1: unknown key 'zzz'\nzzz: 1\n^");
    refuse("{architecture: vgg}", "{architecture: vgg, layers: 1}", BPNET_ECONFIG,
           ":13:44: unknown key 'layers' in model.backbone_attributes, did you mean 'nlayers'?\n"
           "  backbone_attributes: {architecture: vgg, layers: 1}\n"
           "                                           ^");
    refuse("  backbone_attributes", "  stage1_kernel_sizes: [3]\n  backbone_attributes",
           BPNET_ECONFIG,
           ":13:3: key 'stage1_kernel_sizes' is for BpNetLiteModel, not for BpNetModel\n"
           "  stage1_kernel_sizes: [3]\n  ^");
    refuse("    learning_rate: 1e-3", "    learning_rate: 1e-3\n    min_learning_rate: 0",
           BPNET_ECONFIG,
           ":19:5: key 'min_learning_rate' is for BpNetExponentialDecayLRSchedule, "
           "CosineLearningRateSchedule, not for ConstantLearningRateSchedule\n"
           "    min_learning_rate: 0\n    ^");
}

static void missing_keys(void **state)
{
    (void)state;
    refuse("  batch_size: 4\n", "", BPNET_ECONFIG,
           ":1:1: missing key 'batch_size' in dataloader\ndataloader:\n^");
    refuse("  batch_size: 4", "  batch_size: null", BPNET_ECONFIG,
           ":2:15: dataloader.batch_size: found null, expected an integer from 1 to 4096\n"
           "  batch_size: null\n              ^");
    refuse("    learning_rate: 1e-3\n", "", BPNET_ECONFIG,
           ":16:3: missing key 'learning_rate' in optimizer.learning_rate_schedule\n"
           "  learning_rate_schedule:\n  ^");
    refuse("  __class_name__: BpNetModel\n", "", BPNET_ECONFIG,
           ":11:1: missing key '__class_name__' in model\nmodel:\n^");
    refuse("  backbone_attributes: {architecture: vgg}\n", "", BPNET_ECONFIG,
           ":11:1: missing key 'backbone_attributes' in model\nmodel:\n^");
    refuse("architecture: vgg", "architecture: helnet", BPNET_ECONFIG,
           ":13:3: missing key 'nlayers' in model.backbone_attributes, which only vgg can do "
           "without\n  backbone_attributes: {architecture: helnet}\n  ^");
    struct experiment_spec *s = NULL;
    assert_int_equal(load_text(&s, "", NULL), BPNET_ECONFIG);
    assert_non_null(strstr(error_message(), ":1:1: Experiment spec: found null, expected a mapp"));
}

static void wrong_types(void **state)
{
    (void)state;
    refuse(
        "  batch_size: 4", "  batch_size: abc", BPNET_ECONFIG,
        ":2:15: dataloader.batch_size: found a string 'abc', expected an integer from 1 to 4096\n"
        "  batch_size: abc\n              ^");
    refuse("  batch_size: 4", "  batch_size: 4.5", BPNET_ECONFIG,
           ":2:15: dataloader.batch_size: found a number 4.5, expected an integer from 1 to 4096\n"
           "  batch_size: 4.5\n              ^");
    refuse("  batch_size: 4", "  batch_size: '4'", BPNET_ECONFIG,
           ":2:15: dataloader.batch_size: found a string '4', expected an integer from 1 to 4096\n"
           "  batch_size: '4'\n              ^");
    refuse("[32, 48]", "[32, 48, 3]", BPNET_ECONFIG,
           ":4:19: dataloader.pose_config.target_shape: found a list of 3, expected a list of 2 "
           "integers from 1 to 4096\n    target_shape: [32, 48, 3]\n                  ^");
    refuse("[32, 48]", "[32, x]", BPNET_ECONFIG,
           ":4:24: dataloader.pose_config.target_shape[1]: found a string 'x', expected a list of "
           "2 integers from 1 to 4096\n    target_shape: [32, x]\n                       ^");
    refuse("[a, b]", "[a, 7]", BPNET_ECONFIG,
           ":9:29: dataloader.dataset_config.train_records_path[1]: found an integer 7, expected a "
           "list of strings (put it in quotes if text is meant)\n"
           "    train_records_path: [a, 7]\n                            ^");
    refuse("{x: y.json}", "[y.json]", BPNET_ECONFIG,
           ":10:20: dataloader.dataset_config.dataset_specs: found a list of 1, expected a mapping "
           "of names to paths\n    dataset_specs: [y.json]\n                   ^");
    refuse("{architecture: vgg}", "vgg", BPNET_ECONFIG,
           ":13:24: model.backbone_attributes: found a string 'vgg', expected a mapping\n"
           "  backbone_attributes: vgg\n                       ^");
    refuse("{architecture: vgg}", "{use_bias: 1}", BPNET_ECONFIG,
           ":13:35: model.backbone_attributes.use_bias: found an integer 1, expected True or "
           "False\n  backbone_attributes: {use_bias: 1}\n                                  ^");
    refuse("1e-3", "fast", BPNET_ECONFIG,
           ":18:20: optimizer.learning_rate_schedule.learning_rate: found a string 'fast', "
           "expected a number above 0\n    learning_rate: fast\n                   ^");
}

static void out_of_range(void **state)
{
    (void)state;
    refuse("  batch_size: 4", "  batch_size: 0", BPNET_ECONFIG,
           ":2:15: dataloader.batch_size: found an integer 0, expected an integer from 1 to 4096\n"
           "  batch_size: 0\n              ^");
    refuse("  batch_size: 4", "  batch_size: 99999999999999999999", BPNET_ECONFIG,
           ":2:15: dataloader.batch_size: found a number 99999999999999999999, expected an integer "
           "from 1 to 4096\n  batch_size: 99999999999999999999\n              ^");
    refuse("1e-3", "0.0", BPNET_ECONFIG,
           ":18:20: optimizer.learning_rate_schedule.learning_rate: found a number 0.0, expected a "
           "number above 0\n    learning_rate: 0.0\n                   ^");
    refuse("1e-3", ".nan", BPNET_ECONFIG,
           ":18:20: optimizer.learning_rate_schedule.learning_rate: found a number .nan, expected "
           "a number above 0\n    learning_rate: .nan\n                   ^");
    refuse("width: 384}", "width: 384, channels: 1}", BPNET_ECONFIG,
           ":7:53: dataloader.image_config.image_dims.channels: found an integer 1, expected an "
           "integer equal to 3\n    image_dims: {height: 256, width: 384, channels: 1}\n"
           "                                                    ^");
    refuse("  learning_rate_schedule:", "  momentum: 1\n  learning_rate_schedule:", BPNET_ECONFIG,
           ":16:13: optimizer.momentum: found an integer 1, expected a number of at least 0 and "
           "below 1\n  momentum: 1\n            ^");
}

static void wrong_choices(void **state)
{
    (void)state;
    refuse("architecture: vgg", "architecture: vggg", BPNET_ECONFIG,
           ":13:39: model.backbone_attributes.architecture: found a string 'vggg', expected vgg, "
           "helnet or resnet; did you mean 'vgg'?\n  backbone_attributes: {architecture: vggg}\n"
           "                                      ^");
    refuse("BpNetModel", "BpNetLightModle", BPNET_ECONFIG,
           ":12:19: model.__class_name__: found a string 'BpNetLightModle', expected "
           "BpNetLiteModel, BpNetModel or BpNetLightModel; did you mean 'BpNetLightModel'?\n"
           "  __class_name__: BpNetLightModle\n                  ^");
    refuse("    image_dims", "    image_encoding: fp16\n    image_dims", BPNET_ECONFIG,
           ":7:21: dataloader.image_config.image_encoding: found a string 'fp16', expected jpg, "
           "jpeg or png\n    image_encoding: fp16\n                    ^");
}

static void things_that_do_not_fit_together(void **state)
{
    (void)state;
    refuse("[32, 48]", "[32, 47]", BPNET_ECONFIG,
           ":4:19: dataloader.pose_config.target_shape: labels of 32x47 (height x width) for "
           "pictures of 256x384, expected both sides divided by the same whole stride\n"
           "    target_shape: [32, 47]\n                  ^");
    refuse("[32, 48]", "[512, 768]", BPNET_ECONFIG,
           ":4:19: dataloader.pose_config.target_shape: labels of 512x768 (height x width) for "
           "pictures of 256x384, expected both sides divided by the same whole stride\n"
           "    target_shape: [512, 768]\n                  ^");
    refuse("dataloader:", "num_epoch: 10\ncheckpoint_n_epoch: 3\ndataloader:", BPNET_ECONFIG,
           ":2:21: checkpoint_n_epoch is 3, which does not divide num_epoch, 10\n"
           "checkpoint_n_epoch: 3\n                    ^");
    refuse("dataloader:", "num_epoch: 3\ncheckpoint_n_epoch: 6\ndataloader:", BPNET_ECONFIG,
           ":2:21: checkpoint_n_epoch is 6, which does not divide num_epoch, 3\n"
           "checkpoint_n_epoch: 6\n                    ^");
    refuse("    __class_name__: ConstantLearningRateSchedule\n    learning_rate: 1e-3",
           "    __class_name__: SoftstartAnnealingLearningRateSchedule\n    soft_start: 0.6\n"
           "    annealing: 0.5\n    base_learning_rate: 1e-3\n    min_learning_rate: 1e-5",
           BPNET_ECONFIG,
           ":18:17: optimizer.learning_rate_schedule.soft_start is 0.6, more than annealing, which "
           "is 0.5\n    soft_start: 0.6\n                ^");
    refuse("    __class_name__: ConstantLearningRateSchedule\n    learning_rate: 1e-3",
           "    __class_name__: CosineLearningRateSchedule\n    base_learning_rate: 1e-3\n"
           "    min_learning_rate: 1e-2",
           BPNET_ECONFIG,
           ":19:24: optimizer.learning_rate_schedule.min_learning_rate is 0.01, more than "
           "base_learning_rate, which is 0.001\n    min_learning_rate: 1e-2\n"
           "                       ^");
    refuse("  batch_size",
           "  augmentation_config: {spatial_aug_params: {rotate_deg_min: 5}}\n"
           "  batch_size",
           BPNET_ECONFIG,
           ":2:62: dataloader.augmentation_config.spatial_aug_params.rotate_deg_min is 5, more "
           "than rotate_deg_max, which is 0\n"
           "  augmentation_config: {spatial_aug_params: {rotate_deg_min: 5}}\n"
           "                                                             ^");
    refuse("architecture: vgg", "nlayers: 16", BPNET_ECONFIG,
           ":13:34: model.backbone_attributes.nlayers: found 16, expected 19 for vgg\n"
           "  backbone_attributes: {nlayers: 16}\n                                 ^");
    refuse("architecture: vgg", "architecture: helnet, nlayers: 16", BPNET_ECONFIG,
           ":13:56: model.backbone_attributes.nlayers: found 16, expected 6, 10, 12, 18, 26 or 34 "
           "for helnet\n  backbone_attributes: {architecture: helnet, nlayers: 16}\n"
           "                                                       ^");
    refuse(
        "  backbone_attributes", "  paf_channels: 40\n  backbone_attributes", BPNET_ECONFIG,
        ":13:17: model.paf_channels: found 40, expected 38 for the 18 joints and 19 limbs of " POSE
        "\n  paf_channels: 40\n                ^");
    refuse(POSE, "none.json", BPNET_ENOENT,
           ":5:23: dataloader.pose_config.pose_config_path: no file 'none.json', neither as "
           "written nor in the spec's folder\n    pose_config_path: none.json\n"
           "                      ^");
}

static void overrides_are_named_as_such(void **state)
{
    (void)state;
    static const struct {
        const char *item, *message;
    } cases[] = {
        {"model.stages=abc", "--set model.stages=abc: model.stages: found a string 'abc', expected "
                             "an integer from 1 to 32"},
        {"model.stagess=2",
         "--set model.stagess=2: unknown key 'stagess' in model, did you mean 'stages'?"},
        {"num_epoch=7", ":6:21: checkpoint_n_epoch is 5, which does not divide num_epoch, 7\n"
                        "checkpoint_n_epoch: 5\n                    ^"},
        {"checkpoint_n_epoch=7", "--set checkpoint_n_epoch=7: checkpoint_n_epoch is 7, which does "
                                 "not divide num_epoch, 20"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct spec_overrides overrides = {&cases[i].item, 1};
        struct experiment_spec *s = NULL;
        assert_int_equal(experiment_spec_load(&s, PUBLISHED, &overrides), BPNET_ECONFIG);
        const char *message = error_message();
        if (*cases[i].message == ':')
            message += strlen(PUBLISHED);
        assert_string_equal(message, cases[i].message);
    }
}

/* ---- defaults and warnings --------------------------------------------------------------- */

static void defaults_are_the_constructors(void **state)
{
    (void)state;
    struct experiment_spec *s = NULL;
    if (load_text(&s, least, NULL) < 0)
        fail_msg("%s", error_message());
    assert_string_equal(s->path, spec_file);
    assert_string_equal(s->checkpoint_dir, "");
    assert_true(s->log_every_n_secs == 1.0);
    assert_int_equal(s->checkpoint_n_epoch, 1);
    assert_int_equal(s->num_epoch, 2);
    assert_int_equal(s->summary_every_n_steps, 1);
    assert_int_equal(s->validation_every_n_epoch, 20);
    assert_int_equal(s->max_ckpt_to_keep, 5);
    assert_int_equal(s->random_seed, 42);
    assert_null(s->pretrained_weights);
    assert_null(s->finetune_checkpoint);
    assert_null(s->inference_spec);
    assert_true(s->ema_decay == 0.0);
    assert_null(s->teacher.model_path);
    assert_true(s->teacher.weight == 0.5 && s->teacher.fill_unlabelled);
    assert_true(s->teacher.temperature == 1.0 && s->teacher.noise_floor == 0.0 &&
                s->teacher.scale == 1.0);
    assert_false(s->stagewise_lr_multipliers);
    assert_string_equal(s->final_model_name, "bpnet_model");
    assert_string_equal(s->data.val_records_folder_path, "");
    assert_int_equal(s->data.n_val_records, 0);
    assert_int_equal(s->data.n_train_records, 2);
    assert_int_equal(s->data.shuffle_buffer_size, 20000);
    assert_true(s->data.image_scale[1] == 256.0F && s->data.image_offset[2] == 0.5F);
    assert_true(s->data.augmentation.rotate_deg_max == 0.0 &&
                s->data.augmentation.rotate_deg_min == 0.0);
    assert_true(s->data.label.heatmap_sigma == 7.0 && s->data.label.average_pafs);
    assert_int_equal(s->model.stages, 6);
    assert_int_equal(s->model.backbone_layers, 19);
    assert_int_equal(s->model.heat_channels, 19);
    assert_int_equal(s->model.paf_channels, 38);
    assert_int_equal(s->model.n_stage1_kernels, 0); /* not of this class */
    assert_true(s->model.kernel_regularization == 1e-9 && s->model.bias_regularization == 1e-9);
    assert_true(s->optimizer.momentum == 0.9);
    assert_true(s->optimizer.schedule.base_lr == 1e-3);
    experiment_spec_free(s);
}

/* null is the same as absent; a minimum left out mirrors its maximum; 20.0 is an integer. */
static void null_and_mirrored_defaults(void **state)
{
    (void)state;
    static const char *const items[] = {
        "dataloader.shuffle_buffer_size=null",
        "dataloader.augmentation_config.spatial_augmentation_mode=null",
        "dataloader.augmentation_config.spatial_aug_params.rotate_deg_min=null",
        "dataloader.augmentation_config.spatial_aug_params.translate_min_x=~",
        "model.kernel_regularization_factor=",
        "num_epoch=10.0",
        "loss.focal_loss_params=null",
        NULL};
    struct experiment_spec *s = load(PUBLISHED, items);
    assert_int_equal(s->data.shuffle_buffer_size, 20000);
    assert_int_equal(s->data.augmentation.mode, SPATIAL_PERSON_CENTRIC);
    assert_true(s->data.augmentation.rotate_deg_min == -40.0);
    assert_true(s->data.augmentation.translate_min_x == -40.0);
    assert_true(s->model.kernel_regularization == 1e-9);
    assert_int_equal(s->num_epoch, 10);
    assert_true(s->loss.gamma == 1.0);
    experiment_spec_free(s);
}

/* The original requires use_bias for vgg, and use_batch_norm for the others. */
static void backbones_need_no_bias_key(void **state)
{
    (void)state;
    static const char *const helnet[] = {
        "model.backbone_attributes={architecture: helnet, nlayers: 12, mtype: s8_3rdblock}", NULL};
    struct experiment_spec *s = load(PUBLISHED, helnet);
    assert_int_equal(s->model.backbone, BACKBONE_HELNET);
    assert_int_equal(s->model.backbone_layers, 12);
    assert_int_equal(s->model.helnet, HELNET_S8_3RD);
    assert_false(s->model.backbone_bias);
    assert_true(s->model.backbone_batch_norm);
    experiment_spec_free(s);
}

/* The lines the log gets while a spec with these overrides is loaded; fresh. */
static char *warnings_of(const char *const *items)
{
    char *path = path_join(folder, "log");
    assert_int_equal(log_open_file(path), BPNET_OK);
    experiment_spec_free(load(PUBLISHED, items));
    log_close_file();
    struct file_view view;
    char *text = NULL;
    if (file_view_open(&view, path, 1 << 20) == BPNET_OK) {
        text = calloc(1, view.size + 1);
        memcpy(text, view.bytes, view.size);
        file_view_close(&view);
    }
    unlink(path);
    free(path);
    return text;
}

static void settings_without_effect_are_named(void **state)
{
    (void)state;
    static const char *const idle[] = {
        "infrequent_summary_every_n_steps=5",
        "key=secret",
        "optimizer.grad_weights_dict={a: 2}",
        "optimizer.learning_rate_schedule.last_step=100",
        "dataloader.label_processor_config.paf_gaussian_sigma=0.1",
        "dataloader.augmentation_config.identity_spatial_aug_params={}",
        "model.data_format=channels_first",
        "model.backbone_attributes.use_batch_norm=False",
        "model.backbone_attributes.mtype=s8_1stlayer",
        NULL};
    static const char *const same[] = {"infrequent_summary_every_n_steps=0.0",
                                       "model.data_format=channels_last", NULL};
    char *quiet = warnings_of(same);
    assert_string_equal(quiet, "");
    char *text = warnings_of(idle);
    for (size_t i = 0; idle[i]; i++) {
        struct str line = {0};
        const int length = (int)strcspn(idle[i], "=");
        str_printf(&line, "--set %.*s: %.*s has no effect: ", length, idle[i], length, idle[i]);
        if (!strstr(text, str_text(&line)))
            fail_msg("no '%s' in\n%s", str_text(&line), text);
        str_free(&line);
    }
    free(text);
    free(quiet);
}

static void a_light_model_lacks_some_settings(void **state)
{
    (void)state;
    static const char *const items[] = {
        "model={__class_name__: BpNetLightModel, use_self_attention: True, use_bias: False}", NULL};
    char *text = warnings_of(items);
    assert_string_equal(text,
                        "warning: --set model: model.use_self_attention has no effect: "
                        "BpNetLightModel has none\n"
                        "warning: --set model: model.use_bias has no effect: BpNetLightModel has "
                        "biases in its last layers only, and always\n");
    free(text);
}

/* ---- the round trip ---------------------------------------------------------------------- */

static void same_text(char **a, char **b)
{
    if (*a && *b)
        assert_string_equal(*a, *b);
    else
        assert_ptr_equal(*a, *b);
    free(*a);
    free(*b);
    *a = *b = NULL;
}

static void same_texts(char ***a, size_t *n, char ***b, const size_t *m)
{
    assert_int_equal(*n, *m);
    for (size_t i = 0; i < *n; i++)
        same_text(&(*a)[i], &(*b)[i]);
    free(*a);
    free(*b);
    *a = *b = NULL;
}

static void same_named(struct dataloader_spec *a, struct dataloader_spec *b)
{
    assert_int_equal(a->n_dataset_specs, b->n_dataset_specs);
    for (size_t i = 0; i < a->n_dataset_specs; i++) {
        same_text(&a->dataset_specs[i].name, &b->dataset_specs[i].name);
        same_text(&a->dataset_specs[i].path, &b->dataset_specs[i].path);
    }
    free(a->dataset_specs);
    free(b->dataset_specs);
    a->dataset_specs = b->dataset_specs = NULL;
    assert_int_equal(a->n_sampling_weights, b->n_sampling_weights);
    for (size_t i = 0; i < a->n_sampling_weights; i++) {
        same_text(&a->sampling_weights[i].name, &b->sampling_weights[i].name);
        assert_true(a->sampling_weights[i].value == b->sampling_weights[i].value);
    }
    free(a->sampling_weights);
    free(b->sampling_weights);
    a->sampling_weights = b->sampling_weights = NULL;
}

/* Equal in everything but the file; what is owned is compared and then gone, the rest bytewise. */
static void same_experiment(struct experiment_spec *a, struct experiment_spec *b)
{
    free(a->path);
    free(b->path);
    a->path = b->path = NULL;
    same_text(&a->checkpoint_dir, &b->checkpoint_dir);
    same_text(&a->pretrained_weights, &b->pretrained_weights);
    same_text(&a->finetune_checkpoint, &b->finetune_checkpoint);
    same_text(&a->inference_spec, &b->inference_spec);
    same_text(&a->final_model_name, &b->final_model_name);
    same_text(&a->teacher.model_path, &b->teacher.model_path);
    struct dataloader_spec *d = &a->data, *e = &b->data;
    same_text(&d->pose_config_path, &e->pose_config_path);
    same_text(&d->root_data_path, &e->root_data_path);
    same_text(&d->train_records_folder_path, &e->train_records_folder_path);
    same_text(&d->val_records_folder_path, &e->val_records_folder_path);
    same_texts(&d->train_records, &d->n_train_records, &e->train_records, &e->n_train_records);
    same_texts(&d->val_records, &d->n_val_records, &e->val_records, &e->n_val_records);
    same_named(d, e);
    assert_memory_equal(a, b, sizeof *a);
}

static void round_trip(const char *path, const char *const *items)
{
    struct experiment_spec *a = load(path, items);
    assert_int_equal(experiment_spec_write(a, spec_file), BPNET_OK);
    struct experiment_spec *b = load(spec_file, NULL);
    char *first = experiment_spec_text(a), *second = experiment_spec_text(b);
    assert_string_equal(first, second);
    same_experiment(a, b);
    free(first);
    free(second);
    free(a);
    free(b);
}

static void shipped_specs_survive_writing(void **state)
{
    (void)state;
    round_trip(PUBLISHED, NULL);
    round_trip(SOURCE_DIR "/specs/bpnet_retrain_m1_coco.yaml", NULL);
    round_trip(SOURCE_DIR "/specs/light/train.yaml", NULL);
    round_trip(SOURCE_DIR "/specs/light/distill.yaml", NULL);
    round_trip(SOURCE_DIR "/specs/light/distill_more.yaml", NULL);
    round_trip(SOURCE_DIR "/specs/lite/train.yaml", NULL);
    round_trip(SOURCE_DIR "/specs/lite/retrain.yaml", NULL);
}

/* Every key with a value that is not its default, over all classes. */
static void every_value_survives_writing(void **state)
{
    (void)state;
    static const char *const plain[] = {
        "checkpoint_dir=\"a: \\\"b\\\" #\\t\\u00e9\\U0001F600\\u2028\\x7f\\u0085 'x'\"",
        "log_every_n_secs=0.1",
        "num_epoch=120",
        "checkpoint_n_epoch=8",
        "summary_every_n_steps=0",
        "validation_every_n_epoch=0",
        "max_ckpt_to_keep=0",
        "random_seed=-9223372036854775807",
        "pretrained_weights='null'",
        "load_graph=yes",
        "finetuning_config={is_finetune_exp: True, checkpoint_path: '1.5', ckpt_epoch_num: 3}",
        "use_stagewise_lr_multipliers=off",
        "ema_decay=0.9999999999999999",
        "inference_spec=null",
        "final_model_name='-x'",
        "dataloader.dataset_config={root_data_path: 'p re', train_records_folder_path: '~', "
        "train_records_path: ['a, b', '[', 'true', x-1], val_records_folder_path: '0x10', "
        "val_records_path: [], dataset_specs: {'a: b': c, '1': '2', 'no': ' d '}, "
        "sampling_weights: {'coco: x': 0.1, sport: 2}}",
        "dataloader.normalization_params={image_scale: [1, 2.5, 0.1], image_offset: [-1, 0, "
        "1e-30], mask_scale: 3, mask_offset: [0.3]}",
        "dataloader.augmentation_config={spatial_augmentation_mode: standard, spatial_aug_params: "
        "{flip_lr_prob: 0.1, flip_tb_prob: 1, rotate_deg_max: 33.3, rotate_deg_min: -1, zoom_prob: "
        "0.3, zoom_ratio_min: 0.7, zoom_ratio_max: 1.3, zoom_log_uniform: true, translate_max_x: "
        "3, translate_min_x: 2, "
        "translate_max_y: 7, translate_min_y: -5, use_translate_ratio: true, translate_ratio_max: "
        "0.15, translate_ratio_min: 0.15, target_person_scale: 0.65}, colour_aug_params: "
        "{brightness: 0.1, contrast: 0.2, saturation: 0.3, hue_deg: 11.1}}",
        "dataloader.label_processor_config={heatmap_gaussian_sigma: 6.1, paf_ortho_dist_thresh: "
        "1.1, average_pafs: False, centre_pafs: False, background_weight: 0.123456789012345678}",
        "dataloader.shuffle_buffer_size=7",
        "model={__class_name__: BpNetLiteModel, backbone_attributes: {architecture: resnet, "
        "nlayers: 50, mtype: s8_1stlayer_wdilation, use_bias: True, use_batch_norm: False}, "
        "width_multiplier: 0.3333333333333333, stages: 2, stage1_kernel_sizes: [5], "
        "stageT_kernel_sizes: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15], "
        "use_self_attention: True, use_bias: False, regularization_type: l1_l2, "
        "kernel_regularization_factor: 4.9e-324, bias_regularization_factor: 1e300, "
        "kernel_initializer: he}",
        "optimizer={__class_name__: AdamOptimizer, beta1: 0.8, beta2: 0.99, epsilon: 1e-6, "
        "weight_decay: 0.01, weight_default_value: 2, learning_rate_schedule: {__class_name__: "
        "BpNetExponentialDecayLRSchedule, learning_rate: 2e-5, decay_epochs: 17, decay_rate: "
        "0.333, "
        "staircase: true, min_learning_rate: 8.18938e-08}}",
        "loss.focal_loss_params={use_focal_loss: True, alpha: 0.2, beta: 0.03, bkg_thresh: 0.02, "
        "gamma: 2}",
        "teacher={model_path: 'a teacher', weight: 0.125, fill_unlabelled: False, temperature: "
        "2.25, noise_floor: 0.05, scale: 1.5}",
        NULL};
    static const char *const full[] = {
        "model={__class_name__: BpNetModel, backbone_attributes: {architecture: vgg}, "
        "regularization_type: l2, kernel_initializer: xavier}",
        "dataloader.augmentation_config.spatial_augmentation_mode=standard_with_fixed_aspect_ratio",
        "optimizer={__class_name__: WeightedMomentumOptimizer, momentum: 0.5, use_nesterov: True, "
        "learning_rate_schedule: {__class_name__: ConstantLearningRateSchedule, learning_rate: 1}}",
        NULL};
    static const char *const light[] = {
        "model={__class_name__: BpNetLightModel, width_multiplier: 0.5}",
        "optimizer.learning_rate_schedule={__class_name__: CosineLearningRateSchedule, soft_start: "
        "0.1, base_learning_rate: 123456789, min_learning_rate: 0}",
        NULL};
    round_trip(PUBLISHED, plain);
    round_trip(PUBLISHED, full);
    round_trip(PUBLISHED, light);
}

/* A file of a version that did not know a key is as if it had the key's default. */
static void older_files_are_completed(void **state)
{
    (void)state;
    struct experiment_spec *s = load(PUBLISHED, NULL);
    char *text = experiment_spec_text(s), *complete;
    char *section = strstr(text, "\nteacher:");
    assert_non_null(section);
    const char *after = strstr(section + 1, "\ninference_spec:");
    struct str older = {0};
    str_append_bytes(&older, text, (size_t)(section - text));
    str_append(&older, after);
    assert_null(strstr(str_text(&older), "teacher"));
    assert_int_equal(experiment_spec_complete(&complete, str_text(&older), "old"), BPNET_OK);
    assert_string_equal(complete, text);
    free(complete);
    assert_int_equal(experiment_spec_complete(&complete, "{", "old"), BPNET_ECONFIG);
    assert_null(complete);
    assert_int_equal(experiment_spec_complete(&complete, "future: 1", "old"), BPNET_ECONFIG);
    assert_null(complete);
    str_free(&older);
    free(text);
    experiment_spec_free(s);
}

/* The variants of the original's research specs. */
static void research_specs(void **state)
{
    (void)state;
    static const char *const old[] = {
        "model={__class_name__: BpNetModel, backbone_attributes: {architecture: vgg, use_bias: "
        "False}, regularization_type: l2, kernel_regularization_factor: 5.0e-4, stages: 2}",
        "optimizer.learning_rate_schedule={__class_name__: BpNetExponentialDecayLRSchedule, "
        "learning_rate: 2.e-5, decay_epochs: 17, decay_rate: 0.333, staircase: true, "
        "min_learning_rate: 8.18938e-08}",
        "loss.focal_loss_params={use_focal_loss: False, alpha: 0.1, beta: 0.02, bkg_thresh: 0.01, "
        "gamma: 1}",
        "dataloader.augmentation_config.spatial_aug_params.translate_ratio_min=0.2", NULL};
    struct experiment_spec *s = load(PUBLISHED, old);
    assert_int_equal(s->optimizer.schedule.kind, SCHEDULE_EXPONENTIAL);
    assert_true(s->optimizer.schedule.base_lr == 2e-5 &&
                s->optimizer.schedule.decay_epochs == 17.0 &&
                s->optimizer.schedule.decay_rate == 0.333 && s->optimizer.schedule.staircase &&
                s->optimizer.schedule.min_lr == 8.18938e-08);
    assert_int_equal(s->model.regularization, REGULARIZE_L2);
    experiment_spec_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_keys),
        cmocka_unit_test(missing_keys),
        cmocka_unit_test(wrong_types),
        cmocka_unit_test(out_of_range),
        cmocka_unit_test(wrong_choices),
        cmocka_unit_test(things_that_do_not_fit_together),
        cmocka_unit_test(overrides_are_named_as_such),
        cmocka_unit_test(defaults_are_the_constructors),
        cmocka_unit_test(null_and_mirrored_defaults),
        cmocka_unit_test(backbones_need_no_bias_key),
        cmocka_unit_test(settings_without_effect_are_named),
        cmocka_unit_test(a_light_model_lacks_some_settings),
        cmocka_unit_test(shipped_specs_survive_writing),
        cmocka_unit_test(every_value_survives_writing),
        cmocka_unit_test(older_files_are_completed),
        cmocka_unit_test(research_specs),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
